package truststore

import (
	"bytes"
	"encoding/pem"
	"errors"
	"fmt"
	"slices"
	"strings"
	"unicode"

	"github.com/crlgate/crlgate/pkg/issuer"
)

// MaxSize is the longest truststore that is read, in octets.
const MaxSize = 8 << 20

// Difference is in what a truststore differs from the issuers.
type Difference struct {
	// Missing are issuers that it lacks: their clients cannot connect.
	Missing []Certificate
	// Extra are CAs that it has and that no issuers file holds: their clients
	// connect, and are denied as unknown_issuer. The certificates above an issuer,
	// which make its chain whole, are none of these.
	Extra []Certificate
}

// None reports whether there is no difference.
func (d Difference) None() bool { return len(d.Missing) == 0 && len(d.Extra) == 0 }

// String names the certificates, the first of them where they are many.
func (d Difference) String() string {
	var parts []string
	for _, group := range []struct {
		what         string
		certificates []Certificate
	}{{"issuers that the truststore lacks", d.Missing}, {"certificates in it that are no issuer's", d.Extra}} {
		if n := len(group.certificates); n > 0 {
			parts = append(parts, fmt.Sprintf("%s: %d: %s", group.what, n, names(group.certificates)))
		}
	}
	return strings.Join(parts, "; ")
}

func names(certificates []Certificate) string {
	const most = 10
	var out []string
	for _, c := range certificates[:min(most, len(certificates))] {
		out = append(out, c.String())
	}
	if n := len(certificates) - most; n > 0 {
		out = append(out, fmt.Sprintf("and %d more", n))
	}
	return strings.Join(out, ", ")
}

var (
	pemBegin = []byte("-----BEGIN ")
	pemEnd   = []byte("-----END ")
)

// Parse reads the certificates of a truststore, each once. What is no certificate
// is an error: API Gateway would warn of it. So is whatever lies between or behind
// the certificates and is no text, and a block without its first or last line: a
// certificate may be lost in it. Lines of text, as openssl writes them, are none.
func Parse(data []byte) ([]Certificate, error) {
	var out []Certificate
	seen := map[issuer.Fingerprint]bool{}
	for n := 1; ; n++ {
		block, rest := pem.Decode(data) // without a block, rest is all
		if err := accounted(data[:len(data)-len(rest)], block); err != nil {
			return nil, fmt.Errorf("up to block %d of it: %w", n, err)
		}
		if block == nil {
			if n == 1 && !bytes.Contains(rest, pemBegin) {
				return nil, errors.New("it holds no PEM certificate")
			}
			if err := accounted(rest, nil); err != nil {
				return nil, fmt.Errorf("behind the %d blocks of it that can be read: %w", n-1, err)
			}
			return out, nil
		}
		data = rest
		if block.Type != "CERTIFICATE" {
			return nil, fmt.Errorf("block %d of it is a %s and no CERTIFICATE", n, block.Type)
		}
		c, err := issuer.ParseCertificate(block.Bytes)
		if err != nil {
			return nil, fmt.Errorf("certificate %d of it: %w", n, err)
		}
		if !seen[c.Fingerprint] {
			seen[c.Fingerprint] = true
			out = append(out, Certificate{Certificate: c})
		}
	}
}

// accounted reports what octets hold beside text and the block that was decoded
// from them, if any.
func accounted(octets []byte, block *pem.Block) error {
	decoded := 0
	if block != nil {
		decoded = 1
	}
	if bytes.Count(octets, pemBegin) != decoded || bytes.Count(octets, pemEnd) != decoded {
		return errors.New("a PEM block there cannot be decoded: its lines are damaged or cut short, or its BEGIN or END line is missing")
	}
	if i := bytes.IndexFunc(octets, func(r rune) bool { return unicode.IsControl(r) && !unicode.IsSpace(r) }); i >= 0 {
		return fmt.Errorf("octet 0x%02x there is no text: a truststore is PEM, and what is between its blocks is lines of text", octets[i])
	}
	return nil
}

// Compare holds a truststore's certificates against those that are wanted, which
// [Wanted] names.
func Compare(have, wanted []Certificate) Difference {
	var d Difference
	for _, w := range wanted {
		if !contains(have, w.Fingerprint) {
			d.Missing = append(d.Missing, w)
		}
	}
	needed := above(wanted, have)
	for _, h := range have {
		if !contains(wanted, h.Fingerprint) && !needed[h.Fingerprint] {
			d.Extra = append(d.Extra, h)
		}
	}
	return d
}

func contains(certificates []Certificate, f issuer.Fingerprint) bool {
	return slices.ContainsFunc(certificates, func(c Certificate) bool { return c.Fingerprint == f })
}

// above are those of candidates that issued one of certificates, directly or not.
func above(certificates, candidates []Certificate) map[issuer.Fingerprint]bool {
	found := map[issuer.Fingerprint]bool{}
	for next := certificates; len(next) > 0; {
		var parents []Certificate
		for _, p := range candidates {
			if !found[p.Fingerprint] && slices.ContainsFunc(next, func(c Certificate) bool {
				return c.Fingerprint != p.Fingerprint && c.SignedBy(p.Certificate)
			}) {
				found[p.Fingerprint] = true
				parents = append(parents, p)
			}
		}
		next = parents
	}
	return found
}
