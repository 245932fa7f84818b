// Package truststore makes API Gateway's truststore of the issuers' certificates,
// and says in what a truststore differs from the issuers.
//
// [Make] makes it: one PEM object, the same bytes for the same certificates. It
// refuses to make one that would lock out clients who could connect before: an
// empty one, and one with a CA whose chain ends before its root. [Compare] holds
// any truststore's bytes against what Make would put in.
//
// What API Gateway asks of a truststore: the chain of each CA up to a self-signed
// root, at most four CA certificates long; keys of RSA with 2048 bits or more, or
// ECDSA on P-256 or P-384; signatures with SHA-256 or stronger (API Gateway
// Developer Guide, "How to turn on mutual TLS authentication", section
// "Configuring your truststore"). A certificate that it cannot use is left out
// and named: no client of it could ever connect.
package truststore

import (
	"bytes"
	"cmp"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rsa"
	"encoding/pem"
	"fmt"
	"slices"
	"strings"

	"github.com/crlgate/crlgate/pkg/issuer"
)

// MaxChain is how many CA certificates a chain may have, the root included and
// the client's not.
const MaxChain = 4

// Code names the reason why no truststore is made. docs/codes.md lists them.
type Code string

// The codes of this package.
const (
	Empty      Code = "truststore_empty"      // no certificate would be in it
	Incomplete Code = "truststore_incomplete" // a CA's chain ends before its root
	NotPinned  Code = "truststore_not_pinned" // a certificate that PINNED_ISSUERS does not name
)

// Refusal says why no truststore is made.
type Refusal struct {
	Code   Code
	Detail string
}

// Error returns the detail and the code.
func (r *Refusal) Error() string { return fmt.Sprintf("%s (%s)", r.Detail, r.Code) }

// Certificate is a CA certificate and the CA whose file holds it.
type Certificate struct {
	*issuer.Certificate
	CA string
}

// String names the certificate for people, by what a search for it begins with.
func (c Certificate) String() string {
	if c.CA == "" {
		return fmt.Sprintf("%s (SHA-256 %v)", c.Subject, c.Fingerprint)
	}
	return fmt.Sprintf("%s of CA %s (SHA-256 %v)", c.Subject, c.CA, c.Fingerprint)
}

// LeftOut is a certificate that API Gateway could not use, and why.
type LeftOut struct {
	Certificate
	Why string
}

// Store is a truststore.
type Store struct {
	PEM          []byte
	Certificates []Certificate // in the order of PEM
	LeftOut      []LeftOut
}

// Make makes the truststore of CAs. pinned are the only certificates that may be
// in it; none: any may. The error is a *[Refusal].
func Make(cas []*issuer.CA, pinned []issuer.Fingerprint) (*Store, error) {
	all := issuing(cas)
	for _, c := range all {
		if len(pinned) > 0 && !slices.Contains(pinned, c.Fingerprint) {
			return nil, &Refusal{NotPinned, fmt.Sprintf("%v is not among PINNED_ISSUERS, which say who may decide who connects", c)}
		}
	}
	s := choose(all)
	for _, l := range s.LeftOut {
		if l.Why == noRoot {
			return nil, &Refusal{Incomplete, fmt.Sprintf("the chain of %v ends without its root, and API Gateway wants the whole: upload the certificates of the CAs above it as issuers files of their own", l.Certificate)}
		}
	}
	if len(s.Certificates) == 0 {
		return nil, &Refusal{Empty, "there is no CA certificate that API Gateway could use, and a truststore without any would let nobody connect" + s.leftOut()}
	}
	for _, c := range s.Certificates {
		s.PEM = append(s.PEM, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: c.DER})...)
	}
	return s, nil
}

// Wanted are the certificates of CAs that belong in a truststore, whether or not
// their chains are whole: what [Compare] holds one against.
func Wanted(cas []*issuer.CA) []Certificate {
	s := choose(issuing(cas))
	for _, l := range s.LeftOut {
		if l.Why == noRoot {
			s.Certificates = append(s.Certificates, l.Certificate)
		}
	}
	sort(s.Certificates)
	return s.Certificates
}

// Detail says in words what the truststore holds.
func (s *Store) Detail() string {
	cas := map[string]bool{}
	for _, c := range s.Certificates {
		cas[c.CA] = true
	}
	return fmt.Sprintf("certificates: %d, of CAs: %d%s", len(s.Certificates), len(cas), s.leftOut())
}

func (s *Store) leftOut() string {
	if len(s.LeftOut) == 0 {
		return ""
	}
	parts := make([]string, len(s.LeftOut))
	for i, l := range s.LeftOut {
		parts[i] = fmt.Sprintf("%v: %s", l.Certificate, l.Why)
	}
	return fmt.Sprintf("; left out, as API Gateway cannot use them: %d: %s", len(parts), strings.Join(parts, "; "))
}

// issuing are the certificates of CAs that may issue, each once, in order.
func issuing(cas []*issuer.CA) []Certificate {
	var out []Certificate
	seen := map[issuer.Fingerprint]bool{}
	for _, ca := range cas {
		for _, c := range ca.Certificates {
			if c.MayIssue && !seen[c.Fingerprint] {
				seen[c.Fingerprint] = true
				out = append(out, Certificate{c, ca.Name})
			}
		}
	}
	sort(out)
	return out
}

func sort(certificates []Certificate) {
	slices.SortFunc(certificates, func(a, b Certificate) int {
		return cmp.Or(cmp.Compare(a.CA, b.CA), bytes.Compare(a.Fingerprint[:], b.Fingerprint[:]))
	})
}

// noRoot is why a certificate is left out whose chain is not whole, whoever is asked.
const noRoot = "the root above it is not among the issuers"

// choose parts the certificates that API Gateway can use from the others.
func choose(all []Certificate) *Store {
	s := &Store{}
	var usable []Certificate
	for _, c := range all {
		if why := unsupported(c.Certificate); why != "" {
			s.LeftOut = append(s.LeftOut, LeftOut{c, why})
		} else {
			usable = append(usable, c)
		}
	}
	anyChain, usableChain := chains(all), chains(usable)
	for _, c := range usable {
		switch length := usableChain[c.Fingerprint]; {
		case anyChain[c.Fingerprint] == 0:
			s.LeftOut = append(s.LeftOut, LeftOut{c, noRoot})
		case length == 0:
			s.LeftOut = append(s.LeftOut, LeftOut{c, "every chain to its root has a certificate that is left out"})
		case length > MaxChain:
			s.LeftOut = append(s.LeftOut, LeftOut{c, fmt.Sprintf("its chain to the root has %d certificates, more than the %d that API Gateway accepts", length, MaxChain)})
		default:
			s.Certificates = append(s.Certificates, c)
		}
	}
	return s
}

// unsupported says why API Gateway cannot use a certificate; "": it can.
func unsupported(c *issuer.Certificate) string {
	switch key := c.PublicKey.(type) {
	case *rsa.PublicKey:
		if bits := key.N.BitLen(); bits < 2048 {
			return fmt.Sprintf("its RSA key has %d bits, and API Gateway wants 2048", bits)
		}
	case *ecdsa.PublicKey:
		if key.Curve != elliptic.P256() && key.Curve != elliptic.P384() {
			return fmt.Sprintf("its ECDSA key is on %s, and API Gateway wants P-256 or P-384", key.Curve.Params().Name)
		}
	default:
		return "its key is neither RSA nor ECDSA, the only ones that API Gateway knows"
	}
	alg, err := c.SignatureAlgorithm()
	switch {
	case err != nil:
		return fmt.Sprintf("its signature's algorithm cannot be used: %v", err)
	case alg.SHA1():
		return "it is signed with SHA-1, and API Gateway wants SHA-256 or stronger"
	}
	return ""
}

// chains returns for each certificate the length of its shortest chain to a
// self-signed root, both included; 0, or none, where there is no such chain.
func chains(all []Certificate) map[issuer.Fingerprint]int {
	length := map[issuer.Fingerprint]int{}
	reached := []Certificate{}
	for _, c := range all {
		if c.SignedBy(c.Certificate) {
			length[c.Fingerprint] = 1
			reached = append(reached, c)
		}
	}
	for len(reached) > 0 { // breadth first, so that the first length is the shortest
		parent := reached[0]
		reached = reached[1:]
		for _, c := range all {
			if length[c.Fingerprint] == 0 && c.SignedBy(parent.Certificate) {
				length[c.Fingerprint] = length[parent.Fingerprint] + 1
				reached = append(reached, c)
			}
		}
	}
	return length
}
