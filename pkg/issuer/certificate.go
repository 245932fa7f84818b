package issuer

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rsa"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/x509"
	"encoding/asn1"
	"encoding/hex"
	"fmt"
	"math/big"
	"time"

	"golang.org/x/crypto/cryptobyte"
	cbasn1 "golang.org/x/crypto/cryptobyte/asn1"

	"github.com/crlgate/crlgate/pkg/crl"
)

// Fingerprint is the SHA-256 of a certificate's DER.
type Fingerprint [sha256.Size]byte

// String returns lower-case hex.
func (f Fingerprint) String() string { return hex.EncodeToString(f[:]) }

// KeyDigest identifies a key: the SHA-256 of its SubjectPublicKeyInfo. Two
// certificates of one key (renewed, cross-signed) have the same.
type KeyDigest [sha256.Size]byte

// String returns lower-case hex.
func (d KeyDigest) String() string { return hex.EncodeToString(d[:]) }

// Certificate is one certificate of a CA.
type Certificate struct {
	DER         []byte
	Fingerprint Fingerprint
	Name        Name   // subject, canonical
	Subject     string // subject, for people
	Issuer      Name
	Serial      []byte // DER INTEGER contents
	NotBefore   time.Time
	NotAfter    time.Time

	PublicKey crypto.PublicKey
	Key       KeyDigest
	KeyID     []byte // subject key identifier; nil: the certificate has none

	// MayIssue: cA is TRUE, and keyCertSign set where a key usage is given
	// (RFC 5280 §4.2.1.9, §4.2.1.3).
	MayIssue bool
	// MaySignCRLs: cRLSign is set, or the certificate is a CA's and gives no
	// key usage (RFC 5280 §6.3.3 step f).
	MaySignCRLs bool

	x509 *x509.Certificate
}

// Refusal says why a certificate cannot be used.
type Refusal struct {
	Code   Code
	Detail string
}

// Error returns the detail and the code.
func (r *Refusal) Error() string { return fmt.Sprintf("%s (%s)", r.Detail, r.Code) }

// Code names the reason why an issuers file, a certificate in it, or a
// settings file is refused. docs/codes.md lists them.
type Code string

// The codes of this package.
const (
	NoCertificate         Code = "no_certificate"          // the file holds no usable certificate
	FileTooLarge          Code = "issuer_file_too_large"   // over MaxFile octets
	NotACertificate       Code = "not_a_certificate"       // a block of the file is no certificate that can be read
	CertificateNotCA      Code = "certificate_not_ca"      // neither a CA's nor a CRL signer's certificate
	CertificateAlgorithm  Code = "certificate_algorithm"   // signed with an algorithm that is not allowed
	CertificateKey        Code = "certificate_key"         // its key is of a type or size that cannot be used
	CertificateNotPinned  Code = "certificate_not_pinned"  // not among PINNED_ISSUERS
	SubjectDiffers        Code = "subject_differs"         // not of this file's CA
	CertificateOfOtherCA  Code = "certificate_of_other_ca" // another issuers file already holds this name and key
	TooManyCertificates   Code = "too_many_certificates"   // over MaxCertificates in one file
	SettingsMalformed     Code = "settings_malformed"      // not the JSON that settings are
	SettingsUnknownKey    Code = "settings_unknown_key"    // a key that no setting has
	SettingsInvalidValue  Code = "settings_invalid_value"  // a value out of range
	SettingsWithoutIssuer Code = "settings_without_issuer" // <ca>.json without <ca>.pem
)

// Limits of an issuers file.
const (
	MaxFile         = 1 << 20 // octets
	MaxCertificates = 100
)

// ParseCertificate reads one certificate (DER) and says what it may do. It does
// not judge whether that is enough.
func ParseCertificate(der []byte) (*Certificate, error) {
	c, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, &Refusal{NotACertificate, fmt.Sprintf("not a certificate: %v", err)}
	}
	out := &Certificate{
		DER: c.Raw, Fingerprint: sha256.Sum256(c.Raw), Subject: Display(c.RawSubject), Key: sha256.Sum256(c.RawSubjectPublicKeyInfo),
		KeyID: c.SubjectKeyId, NotBefore: c.NotBefore, NotAfter: c.NotAfter, PublicKey: c.PublicKey, x509: c,
	}
	if out.Name, err = ParseName(c.RawSubject); err != nil {
		return nil, &Refusal{NotACertificate, fmt.Sprintf("subject: %v", err)}
	}
	if out.Issuer, err = ParseName(c.RawIssuer); err != nil {
		return nil, &Refusal{NotACertificate, fmt.Sprintf("issuer: %v", err)}
	}
	out.Serial = integerContents(c.SerialNumber)
	if out.PublicKey == nil {
		out.PublicKey = pssKey(c.RawSubjectPublicKeyInfo)
	}
	usage := c.KeyUsage
	isCA := c.BasicConstraintsValid && c.IsCA
	out.MayIssue = isCA && (usage == 0 || usage&x509.KeyUsageCertSign != 0)
	out.MaySignCRLs = usage&x509.KeyUsageCRLSign != 0 || isCA && usage == 0
	return out, nil
}

// integerContents returns the DER INTEGER contents of n.
func integerContents(n *big.Int) []byte {
	var b cryptobyte.Builder
	b.AddASN1BigInt(n)
	der := cryptobyte.String(b.BytesOrPanic())
	var contents cryptobyte.String
	der.ReadASN1(&contents, cbasn1.INTEGER)
	return contents
}

// pssKey reads an RSA key that is marked for RSA-PSS only (id-RSASSA-PSS, RFC
// 4055 §3.1), which crypto/x509 leaves unread. Restrictions in its parameters
// are the issuer's word about its own key; the CRL's algorithm is checked by
// itself.
func pssKey(spki []byte) crypto.PublicKey {
	in := cryptobyte.String(spki)
	var seq, alg, bits, key cryptobyte.String
	var oid asn1.ObjectIdentifier
	var bitString []byte
	if !in.ReadASN1(&seq, cbasn1.SEQUENCE) || !seq.ReadASN1(&alg, cbasn1.SEQUENCE) || !alg.ReadASN1ObjectIdentifier(&oid) ||
		!oid.Equal(asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 1, 10}) || !seq.ReadASN1BitStringAsBytes(&bitString) {
		return nil
	}
	bits = bitString
	pub := &rsa.PublicKey{N: new(big.Int)}
	if !bits.ReadASN1(&key, cbasn1.SEQUENCE) || !key.ReadASN1Integer(pub.N) || !key.ReadASN1Integer(&pub.E) || !key.Empty() || pub.N.Sign() <= 0 || pub.E < 3 {
		return nil
	}
	return pub
}

// Policy is what certificates must satisfy beyond being a CA's.
type Policy struct {
	AllowSHA1 bool
	Pinned    []Fingerprint // none: every certificate may be an issuer
}

// Check says whether the certificate may stand in an issuers file; the error
// is a *[Refusal].
func (p Policy) Check(c *Certificate) error {
	switch key := c.PublicKey.(type) {
	case *rsa.PublicKey:
		if key.N.BitLen() < 1024 {
			return &Refusal{CertificateKey, fmt.Sprintf("its RSA key has %d bits; 2048 is the least that CAs use, 1024 the least that is read", key.N.BitLen())}
		}
	case *ecdsa.PublicKey:
		if key.Curve != elliptic.P256() && key.Curve != elliptic.P384() && key.Curve != elliptic.P521() {
			return &Refusal{CertificateKey, fmt.Sprintf("its ECDSA key is on curve %s; P-256, P-384 and P-521 are supported", key.Curve.Params().Name)}
		}
	case ed25519.PublicKey:
	default:
		return &Refusal{CertificateKey, fmt.Sprintf("its key (%v) is not RSA, ECDSA or Ed25519", c.x509.PublicKeyAlgorithm)}
	}
	if !c.MayIssue && !c.MaySignCRLs {
		return &Refusal{CertificateNotCA, "it is neither a CA certificate (basicConstraints cA TRUE, keyCertSign) nor a CRL signer's (cRLSign): is it a client certificate?"}
	}
	if err := p.checkAlgorithm(c); err != nil {
		return err
	}
	if len(p.Pinned) > 0 {
		for _, pin := range p.Pinned {
			if pin == c.Fingerprint {
				return nil
			}
		}
		return &Refusal{CertificateNotPinned, fmt.Sprintf("its SHA-256 fingerprint %v is not among PINNED_ISSUERS", c.Fingerprint)}
	}
	return nil
}

// checkAlgorithm judges the algorithm by which the certificate was signed. A
// self-signature proves nothing, so its algorithm does not matter.
func (p Policy) checkAlgorithm(c *Certificate) error {
	if c.Name == c.Issuer && c.selfSigned() {
		return nil
	}
	alg, err := c.SignatureAlgorithm()
	switch {
	case err != nil:
		return &Refusal{CertificateAlgorithm, fmt.Sprintf("it is signed with %v (%v); RSA and ECDSA with SHA-256, SHA-384 or SHA-512, and Ed25519 are allowed", c.x509.SignatureAlgorithm, err)}
	case alg.SHA1() && !p.AllowSHA1:
		return &Refusal{CertificateAlgorithm, fmt.Sprintf("it is signed with %v, which can be forged; use a reissued certificate, or set ALLOW_SHA1=true to accept the risk", alg)}
	}
	return nil
}

// selfSigned reports whether subject and issuer share a key, as far as the
// identifiers tell: an issuer's name that is its own is not yet a proof.
func (c *Certificate) selfSigned() bool {
	return len(c.x509.AuthorityKeyId) == 0 || len(c.KeyID) == 0 || bytes.Equal(c.x509.AuthorityKeyId, c.KeyID)
}

// MatchesKeyID reports whether a certificate or CRL whose authority key
// identifier is id may have been signed by this key: it has that subject key
// identifier, or none and that is the SHA-1 of its key (RFC 5280 §4.2.1.2).
func (c *Certificate) MatchesKeyID(id []byte) bool {
	if len(c.KeyID) > 0 {
		return bytes.Equal(c.KeyID, id)
	}
	var spki struct {
		Algorithm asn1.RawValue
		Key       asn1.BitString
	}
	if _, err := asn1.Unmarshal(c.x509.RawSubjectPublicKeyInfo, &spki); err != nil {
		return false
	}
	sum := sha1.Sum(spki.Key.Bytes)
	return bytes.Equal(sum[:], id)
}

// Signed reports whether this certificate's key made signature over tbs with
// the algorithm (DER AlgorithmIdentifier).
func (c *Certificate) Signed(algorithm, tbs, signature []byte) bool {
	alg, err := crl.ParseAlgorithm(algorithm)
	return err == nil && alg.Verify(c.PublicKey, tbs, signature) == nil
}

// RawSubject returns the subject as it stands in the certificate, DER.
func (c *Certificate) RawSubject() []byte { return c.x509.RawSubject }
