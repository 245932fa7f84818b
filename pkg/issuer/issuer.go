// Package issuer knows CAs: which certificates stand for one, which of their
// keys may sign its CRLs, and when two names are the same.
//
// A CA is one issuers file ([ParseFile]); whoever writes that file decides who
// is trusted. All certificates of a CA bear the same subject; each stands for
// a key that issues certificates, signs CRLs, or both.
package issuer

import (
	"bytes"
	"encoding/pem"
	"errors"
	"fmt"
	"strings"

	"github.com/crlgate/crlgate/pkg/crl"
)

// CA is the certificates of one CA.
type CA struct {
	Name         string // what logs, metrics and the catalog call it: its file's name
	Subject      Name
	Certificates []*Certificate
}

// Verdict is what became of one block of an issuers file.
type Verdict struct {
	Certificate *Certificate // nil where it could not be read
	Refusal     *Refusal     // nil: accepted
}

// ParseFile reads an issuers file: one or more certificates in PEM, or one in
// DER. Refused certificates do not void the rest. The CA's subject is that of
// the first certificate that may issue, else of the first that may sign CRLs;
// certificates with another subject are refused. The error is a *[Refusal] of
// the whole file: nothing in it can be used.
func ParseFile(name string, data []byte, policy Policy) (*CA, []Verdict, error) {
	verdicts, err := ParseCertificates(data)
	if err != nil {
		return nil, nil, err
	}
	for i, v := range verdicts {
		if v.Refusal == nil {
			errors.As(policy.Check(v.Certificate), &verdicts[i].Refusal)
		}
	}
	ca := assemble(name, verdicts)
	if len(ca.Certificates) == 0 {
		detail := "the file holds no certificate"
		for _, v := range verdicts {
			detail = "no certificate of the file can be used; the first: " + v.Refusal.Detail
			break
		}
		return nil, verdicts, &Refusal{NoCertificate, detail}
	}
	return ca, verdicts, nil
}

// ParseCertificates reads every certificate of a file, PEM or DER, each once,
// and judges none but those that cannot be read. The error is a *[Refusal] of
// the whole file.
func ParseCertificates(data []byte) ([]Verdict, error) {
	blocks, err := split(data)
	if err != nil {
		return nil, err
	}
	verdicts := make([]Verdict, 0, len(blocks))
	seen := map[Fingerprint]bool{}
	for _, b := range blocks {
		var v Verdict
		if v.Refusal = b.refusal(); v.Refusal != nil {
			verdicts = append(verdicts, v)
			continue
		}
		v.Certificate, err = ParseCertificate(b.der)
		if err == nil && seen[v.Certificate.Fingerprint] {
			continue // the same certificate twice says nothing new
		}
		if err == nil {
			seen[v.Certificate.Fingerprint] = true
		}
		errors.As(err, &v.Refusal)
		verdicts = append(verdicts, v)
	}
	return verdicts, nil
}

// assemble takes the certificates that agree on the subject.
func assemble(name string, verdicts []Verdict) *CA {
	ca := &CA{Name: name}
	for _, issuing := range []bool{true, false} {
		for _, v := range verdicts {
			if v.Refusal == nil && ca.Subject == "" && v.Certificate.MayIssue == issuing {
				ca.Subject = v.Certificate.Name
			}
		}
	}
	subject := ""
	for _, v := range verdicts {
		if v.Refusal == nil && v.Certificate.Name == ca.Subject {
			subject = v.Certificate.Subject
			break
		}
	}
	for i, v := range verdicts {
		switch {
		case v.Refusal != nil:
		case v.Certificate.Name == ca.Subject:
			ca.Certificates = append(ca.Certificates, v.Certificate)
		default:
			verdicts[i].Refusal = &Refusal{SubjectDiffers, fmt.Sprintf("its subject %s is not that of this CA (%s); give it a file of its own", v.Certificate.Subject, subject)}
		}
	}
	return ca
}

// block is one block of an issuers file.
type block struct {
	der     []byte // nil: not decoded
	pemType string // "": the file is DER
}

// refusal says why a block cannot be a certificate; nil: it may be one.
func (b block) refusal() *Refusal {
	switch {
	case b.der == nil:
		return &Refusal{NotACertificate, "a PEM block of the file cannot be decoded: its lines are damaged or cut short, or its END line is missing"}
	case strings.HasSuffix(b.pemType, "PRIVATE KEY"):
		return &Refusal{NotACertificate, fmt.Sprintf("a block of the file is a %s: take it out, and treat the key as compromised, since whoever may read this bucket has it", b.pemType)}
	case b.pemType != "" && b.pemType != "CERTIFICATE" && b.pemType != "X509 CERTIFICATE":
		return &Refusal{NotACertificate, fmt.Sprintf("a block of the file is a %q and not a CERTIFICATE", b.pemType)}
	}
	return nil
}

var (
	pemBegin = []byte("-----BEGIN ")
	utf8BOM  = []byte("\xef\xbb\xbf")
)

// split returns every block. A block that cannot be decoded is returned too,
// so that none is left out silently.
func split(data []byte) ([]block, error) {
	if len(data) > MaxFile {
		return nil, &Refusal{FileTooLarge, fmt.Sprintf("the file has %d bytes, more than the %d that an issuers file may have", len(data), MaxFile)}
	}
	if len(data) > 0 && data[0] == 0x30 && !bytes.Contains(data, pemBegin) {
		return []block{{der: data}}, nil
	}
	var blocks []block
	for rest := bytes.TrimPrefix(data, utf8BOM); ; {
		decoded, after := pem.Decode(rest)
		passed := bytes.Count(rest[:len(rest)-len(after)], pemBegin)
		if decoded == nil {
			passed = bytes.Count(rest, pemBegin) + 1
		}
		for ; passed > 1; passed-- {
			blocks = append(blocks, block{})
		}
		if decoded != nil {
			blocks = append(blocks, block{decoded.Bytes, decoded.Type})
		}
		if len(blocks) > MaxCertificates {
			return nil, &Refusal{TooManyCertificates, fmt.Sprintf("the file holds more than %d certificates", MaxCertificates)}
		}
		if decoded == nil {
			break
		}
		rest = after
	}
	if len(blocks) == 0 {
		return nil, &Refusal{NoCertificate, "the file holds no PEM block: it must hold the CA's certificates as -----BEGIN CERTIFICATE-----"}
	}
	return blocks, nil
}

// Errors of [CA.Signer].
var (
	// ErrSignerUnknown: no certificate of the CA has the key that signed. An
	// issuer uploaded later may cure it.
	ErrSignerUnknown = errors.New("signed by a key that no certificate of this CA has")
	// ErrSignatureInvalid: the CRL names a key of the CA as its signer, and
	// its signature does not verify under that key.
	ErrSignatureInvalid = errors.New("signature does not verify under the key that the CRL names")
	// ErrSignerNotAuthorized: the key that signed is one of the CA's, and may
	// not sign CRLs (no cRLSign).
	ErrSignerNotAuthorized = errors.New("signed by a key of this CA that may not sign CRLs (its certificate lacks cRLSign)")
)

// Signer returns the certificate whose key signed the CRL. The key identifier
// of the CRL only orders the search; the signature decides. The error is one
// of the above, or an *[crl.Error] where the algorithm is not supported.
func (ca *CA) Signer(list *crl.List) (*Certificate, error) {
	named, unauthorized := false, false
	tried := map[KeyDigest]bool{}
	for _, byID := range []bool{true, false} {
		for _, c := range ca.Certificates {
			match := list.AuthorityKeyID != nil && c.MatchesKeyID(list.AuthorityKeyID)
			named = named || match
			if match != byID || tried[c.Key] && !c.MaySignCRLs {
				continue
			}
			switch err := list.CheckSignature(c.PublicKey); {
			case err == nil && c.MaySignCRLs:
				return c, nil
			case err == nil:
				unauthorized = true
			case !errors.Is(err, crl.ErrSignature):
				return nil, err
			}
			tried[c.Key] = true
		}
	}
	switch {
	case unauthorized:
		return nil, ErrSignerNotAuthorized
	case named:
		return nil, ErrSignatureInvalid
	}
	return nil, ErrSignerUnknown
}

// Keys returns the digests of the CA's keys, each once, in the order of the file.
func (ca *CA) Keys() []KeyDigest {
	var keys []KeyDigest
	seen := map[KeyDigest]bool{}
	for _, c := range ca.Certificates {
		if !seen[c.Key] {
			seen[c.Key] = true
			keys = append(keys, c.Key)
		}
	}
	return keys
}
