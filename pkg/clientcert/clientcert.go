// Package clientcert reads, of the client certificate that API Gateway hands
// to an authorizer, what revocation needs: issuer, serial number, key
// identifier, CRL distribution points and the signature.
//
// It is not a validator: API Gateway has checked chain, dates and algorithms.
// It reads certificates that crypto/x509 refuses (a negative serial number,
// say), because each of them needs an answer, and refuses whatever could be
// read in two ways.
package clientcert

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"

	"golang.org/x/crypto/cryptobyte"
	"golang.org/x/crypto/cryptobyte/asn1"

	"github.com/crlgate/crlgate/internal/der"
)

// MaxSize bounds a certificate, in octets of PEM. API Gateway's own limit on
// all header and certificate data is far lower.
const MaxSize = 64 << 10

// ErrMalformed says that the text is not one certificate in PEM, or not exact
// DER. What it wraps tells the fault.
var ErrMalformed = errors.New("malformed certificate")

// Certificate is what revocation needs of a certificate. Its slices are parts
// of DER.
type Certificate struct {
	DER []byte

	Serial  []byte // DER INTEGER contents, minimally encoded, any sign
	Issuer  []byte // Name, DER
	Subject []byte // Name, DER

	IsCA           bool   // basicConstraints cA
	AuthorityKeyID []byte // keyIdentifier of the authority key identifier; nil: none
	SubjectAltName []byte // GeneralNames, DER, as it came: see AltNames; nil: none

	// DistributionPoints are the CRL distribution points, nil where the
	// certificate has none.
	DistributionPoints []DistributionPoint

	TBS                []byte // what is signed, DER
	SignatureAlgorithm []byte // AlgorithmIdentifier, DER
	Signature          []byte

	fingerprint [sha256.Size]byte
}

// DistributionPoint is one CRL distribution point (RFC 5280 §4.2.1.13).
type DistributionPoint struct {
	FullName     [][]byte // GeneralNames, each DER with its tag
	RelativeName []byte   // contents of an RDN, relative to the CRL's issuer; nil: none
	Reasons      uint16   // bit i is bit i of ReasonFlags; 0: all reasons
	CRLIssuer    [][]byte // GeneralNames of an indirect CRL's issuer; nil: the certificate's issuer
}

// AltNames returns the subject alternative names (RFC 5280 §4.2.1.6), each a
// GeneralName in DER with its tag; nil: there are none. ok is false where the
// extension is not a list of names, of which Parse makes no fault: it bears on
// no decision.
func (c *Certificate) AltNames() (names [][]byte, ok bool) {
	if c.SubjectAltName == nil {
		return nil, true
	}
	in, list := cryptobyte.String(c.SubjectAltName), cryptobyte.String(nil)
	if !in.ReadASN1(&list, asn1.SEQUENCE) || !in.Empty() {
		return nil, false
	}
	return der.GeneralNames(list)
}

// Fingerprint returns the SHA-256 of the certificate's DER.
func (c *Certificate) Fingerprint() [sha256.Size]byte {
	if c.fingerprint == [sha256.Size]byte{} { // not from Parse
		return sha256.Sum256(c.DER)
	}
	return c.fingerprint
}

const (
	pemBegin = "-----BEGIN CERTIFICATE-----"
	pemEnd   = "-----END CERTIFICATE-----"
)

func malformed(format string, args ...any) error {
	return fmt.Errorf("%w: %s", ErrMalformed, fmt.Sprintf(format, args...))
}

// ParsePEM reads exactly one certificate in PEM, with nothing but white space
// around it. It keeps no part of text. The error wraps [ErrMalformed].
func ParsePEM[T string | []byte](text T) (*Certificate, error) {
	return parsePEM([]byte(text))
}

func parsePEM(text []byte) (*Certificate, error) {
	if len(text) > MaxSize {
		return nil, malformed("%d octets of PEM, more than %d", len(text), MaxSize)
	}
	body, ok := bytes.CutPrefix(bytes.Trim(text, " \t\r\n"), []byte(pemBegin))
	if !ok {
		return nil, malformed("it does not begin with %q", pemBegin)
	}
	body, ok = bytes.CutSuffix(body, []byte(pemEnd))
	if !ok {
		return nil, malformed("it does not end in %q", pemEnd)
	}
	if !bytes.HasSuffix(body, []byte("\n")) || !bytes.HasPrefix(bytes.TrimLeft(body, " \t\r"), []byte("\n")) {
		return nil, malformed("its BEGIN and END are not lines of their own (RFC 7468 §3)")
	}
	raw, err := decodeBody(bytes.Trim(body, " \t\r\n"))
	if err != nil {
		return nil, malformed("its body is not base64: %v", err)
	}
	return Parse(raw)
}

// decodeBody decodes base64 with line breaks in it, over which the decoder
// passes; a second certificate stops at its dashes. Lines of whole quanta, as all
// but the last are, it takes one by one, since each break costs the decoder its
// fast way.
func decodeBody(body []byte) ([]byte, error) {
	code := base64.StdEncoding.Strict()
	raw := make([]byte, code.DecodedLen(len(body)))
	n, rest := 0, body
	for {
		end := bytes.IndexByte(rest, '\n')
		if end <= 0 || end%4 != 0 || rest[end-1] == '=' {
			break
		}
		m, err := code.Decode(raw[n:], rest[:end])
		if err != nil || m != end/4*3 {
			n, rest = 0, body // the decoder knows best, and tells where the fault is
			break
		}
		n, rest = n+m, rest[end+1:]
	}
	m, err := code.Decode(raw[n:], rest)
	if err != nil && n > 0 {
		n = 0
		m, err = code.Decode(raw, body)
	}
	return raw[:n+m], err
}

const (
	idSubjectAltName   = "\x55\x1d\x11" // 2.5.29.17
	idBasicConstraints = "\x55\x1d\x13" // 2.5.29.19
	idCRLPoints        = "\x55\x1d\x1f" // 2.5.29.31
	idAuthorityKeyID   = "\x55\x1d\x23" // 2.5.29.35
)

// Parse reads one certificate in DER. The error wraps [ErrMalformed].
func Parse(raw []byte) (*Certificate, error) {
	c := &Certificate{DER: raw, fingerprint: sha256.Sum256(raw)}
	in := cryptobyte.String(raw)
	var cert, tbs, alg cryptobyte.String
	if !in.ReadASN1(&cert, asn1.SEQUENCE) || !in.Empty() {
		return nil, malformed("it is not one SEQUENCE")
	}
	if !cert.ReadASN1Element(&tbs, asn1.SEQUENCE) || !cert.ReadASN1Element(&alg, asn1.SEQUENCE) ||
		!cert.ReadASN1BitStringAsBytes(&c.Signature) || !cert.Empty() {
		return nil, malformed("it is not tbsCertificate, algorithm and signature")
	}
	c.TBS, c.SignatureAlgorithm = tbs, alg
	if err := c.parseTBS(tbs); err != nil {
		return nil, err
	}
	return c, nil
}

// parseTBS reads TBSCertificate (RFC 5280 §4.1).
func (c *Certificate) parseTBS(in cryptobyte.String) error {
	var tbs, inner, serial, name cryptobyte.String
	if !in.ReadASN1(&tbs, asn1.SEQUENCE) {
		return malformed("tbsCertificate is not a SEQUENCE")
	}
	context := func(n uint8) asn1.Tag { return asn1.Tag(n).ContextSpecific() }
	version := 0 // v1
	var explicit cryptobyte.String
	var has bool
	if !tbs.ReadOptionalASN1(&explicit, &has, context(0).Constructed()) ||
		has && (!explicit.ReadASN1Integer(&version) || !explicit.Empty()) {
		return malformed("version")
	}
	if !tbs.ReadASN1(&serial, asn1.INTEGER) || len(serial) == 0 {
		return malformed("it has no serial number")
	}
	if len(serial) > 1 && (serial[0] == 0 && serial[1] < 0x80 || serial[0] == 0xff && serial[1] >= 0x80) {
		return malformed("its serial number is not minimally encoded")
	}
	c.Serial = serial
	if !tbs.ReadASN1Element(&inner, asn1.SEQUENCE) {
		return malformed("it has no algorithm inside tbsCertificate")
	}
	if string(inner) != string(c.SignatureAlgorithm) {
		return malformed("its two algorithm fields differ (RFC 5280 §4.1.1.2)")
	}
	if !tbs.ReadASN1Element(&name, asn1.SEQUENCE) || !der.Exact(name) {
		return malformed("its issuer is not a name")
	}
	c.Issuer = name
	if !tbs.SkipASN1(asn1.SEQUENCE) {
		return malformed("its validity")
	}
	if !tbs.ReadASN1Element(&name, asn1.SEQUENCE) || !der.Exact(name) {
		return malformed("its subject is not a name")
	}
	c.Subject = name
	if !tbs.SkipASN1(asn1.SEQUENCE) || !tbs.SkipOptionalASN1(context(1)) || !tbs.SkipOptionalASN1(context(2)) {
		return malformed("its public key")
	}
	var exts cryptobyte.String
	if !tbs.ReadOptionalASN1(&exts, &has, context(3).Constructed()) || !tbs.Empty() {
		return malformed("something follows its public key")
	}
	if !has {
		return nil
	}
	if version != 2 {
		// Readers differ on whether they count: what they say is not to be had
		// from one of them.
		return malformed("it has extensions and is not of version 3 (RFC 5280 §4.1.2.9)")
	}
	return c.parseExtensions(exts)
}

func (c *Certificate) parseExtensions(in cryptobyte.String) error {
	var seq cryptobyte.String
	if !in.ReadASN1(&seq, asn1.SEQUENCE) || !in.Empty() {
		return malformed("its extensions are not a SEQUENCE")
	}
	seen := 0
	for !seq.Empty() {
		var ext, id, value cryptobyte.String
		if !seq.ReadASN1(&ext, asn1.SEQUENCE) || !ext.ReadASN1(&id, asn1.OBJECT_IDENTIFIER) ||
			!ext.SkipOptionalASN1(asn1.BOOLEAN) || !ext.ReadASN1(&value, asn1.OCTET_STRING) || !ext.Empty() {
			return malformed("an extension is not identifier, critical flag and value")
		}
		bit, ok := 0, true
		switch string(id) {
		case idSubjectAltName:
			bit, c.SubjectAltName = 1, value
		case idBasicConstraints:
			bit, ok = 2, c.basicConstraints(value)
		case idCRLPoints:
			bit, ok = 4, c.distributionPoints(value)
		case idAuthorityKeyID:
			bit, ok = 8, c.authorityKeyID(value)
		}
		if !ok {
			return malformed("its extension %x is not what its type asks for", []byte(id))
		}
		if seen&bit != 0 {
			return malformed("it has the extension %x twice (RFC 5280 §4.2)", []byte(id))
		}
		seen |= bit
	}
	return nil
}

func (c *Certificate) basicConstraints(v cryptobyte.String) bool {
	var seq cryptobyte.String
	if !v.ReadASN1(&seq, asn1.SEQUENCE) || !v.Empty() {
		return false
	}
	return !seq.PeekASN1Tag(asn1.BOOLEAN) || seq.ReadASN1Boolean(&c.IsCA)
}

func (c *Certificate) authorityKeyID(v cryptobyte.String) bool {
	var seq, id cryptobyte.String
	var has bool
	if !v.ReadASN1(&seq, asn1.SEQUENCE) || !v.Empty() || !seq.ReadOptionalASN1(&id, &has, asn1.Tag(0).ContextSpecific()) {
		return false
	}
	if has {
		c.AuthorityKeyID = id
	}
	return true
}

// distributionPoints reads CRLDistributionPoints (RFC 5280 §4.2.1.13).
func (c *Certificate) distributionPoints(v cryptobyte.String) bool {
	var seq cryptobyte.String
	if !v.ReadASN1(&seq, asn1.SEQUENCE) || !v.Empty() || seq.Empty() {
		return false
	}
	for !seq.Empty() {
		var point, field cryptobyte.String
		var p DistributionPoint
		var has, ok bool
		context := func(n uint8) asn1.Tag { return asn1.Tag(n).ContextSpecific() }
		if !seq.ReadASN1(&point, asn1.SEQUENCE) || !point.ReadOptionalASN1(&field, &has, context(0).Constructed()) {
			return false
		}
		if has {
			if p.FullName, p.RelativeName, ok = der.DistributionPointName(field); !ok {
				return false
			}
		}
		if !point.ReadOptionalASN1(&field, &has, context(1)) {
			return false
		}
		if has {
			if p.Reasons, ok = der.ReasonFlags(field); !ok {
				return false
			}
			if p.Reasons == 0 {
				return false // a point for no reason says nothing that can be used
			}
		}
		if !point.ReadOptionalASN1(&field, &has, context(2).Constructed()) {
			return false
		}
		if has {
			if p.CRLIssuer, ok = der.GeneralNames(field); !ok {
				return false
			}
		}
		if !point.Empty() {
			return false
		}
		c.DistributionPoints = append(c.DistributionPoints, p)
	}
	return true
}
