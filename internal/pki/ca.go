package pki

import (
	"bytes"
	"crypto"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"time"
)

// CAOptions describes the certificate of a CA's key. Zero values are sound:
// they make a self-signed P-256 CA that may sign certificates and CRLs.
type CAOptions struct {
	// Name is the subject, or RawSubject, a DER Name, if not nil.
	Name       pkix.Name
	RawSubject []byte

	// Key is the kind of key to make, unless Signer is given: then that is the
	// key. Two CAs with one Signer are two certificates of one key.
	Key    KeyKind
	Signer crypto.Signer
	// PSSKey writes the RSA key under the OID id-RSASSA-PSS (RFC 4055 §1.2)
	// without parameters, instead of rsaEncryption.
	PSSKey bool

	// NotBefore and NotAfter default to DefaultNotBefore and DefaultNotAfter.
	NotBefore, NotAfter time.Time

	// SerialNumber is random if nil.
	SerialNumber *big.Int

	// KeyUsage overrides keyCertSign and cRLSign; NoKeyUsage leaves the
	// extension out.
	KeyUsage   x509.KeyUsage
	NoKeyUsage bool

	// NotCA writes basicConstraints with cA FALSE; NoBasicConstraints leaves
	// the extension out. With KeyUsage cRLSign: a CRL-only certificate.
	NotCA, NoBasicConstraints bool

	// SubjectKeyID overrides the SHA-1 of the key; NoSubjectKeyID leaves the
	// extension out.
	SubjectKeyID   []byte
	NoSubjectKeyID bool

	// Parent issues the certificate; nil: self-signed.
	Parent *CA

	// CRLDistributionPoints are URIs, each in a DistributionPoint of its own.
	CRLDistributionPoints []string
	// RawCDP is the value of the CRL distribution points extension, see [CDP].
	RawCDP []byte

	ExtraExtensions []pkix.Extension

	// SignatureAlgorithm is that of the signature on this certificate.
	SignatureAlgorithm Algorithm
}

// CA is a certificate with the key to issue certificates and CRLs.
type CA struct {
	DER []byte
	// Certificate is DER as crypto/x509 parses it.
	Certificate *x509.Certificate
	Key         crypto.Signer
	// SubjectKeyID is what the certificate's extension holds, or nil.
	SubjectKeyID []byte
	// Parent issued this CA; nil if self-signed.
	Parent *CA
}

// NewCA makes a CA, self-signed or issued by the options' Parent.
func NewCA(o CAOptions) (*CA, error) {
	key := o.Signer
	if key == nil {
		var err error
		if key, err = NewKey(o.Key); err != nil {
			return nil, err
		}
	}
	subject, err := nameDER(o.RawSubject, o.Name)
	if err != nil {
		return nil, err
	}
	spki, keyID, err := publicKeyInfo(key.Public(), o.PSSKey)
	if err != nil {
		return nil, err
	}
	cdp, err := cdpValue(o.RawCDP, o.CRLDistributionPoints)
	if err != nil {
		return nil, err
	}
	c := &certificate{
		serial:           serialContents(nil, o.SerialNumber),
		issuer:           subject,
		subject:          subject,
		notBefore:        orTime(o.NotBefore, DefaultNotBefore),
		notAfter:         orTime(o.NotAfter, DefaultNotAfter),
		spki:             spki,
		basicConstraints: !o.NoBasicConstraints,
		isCA:             !o.NotCA,
		keyUsage:         x509.KeyUsageCertSign | x509.KeyUsageCRLSign,
		subjectKeyID:     keyID,
		cdp:              cdp,
		extra:            o.ExtraExtensions,
	}
	if o.KeyUsage != 0 {
		c.keyUsage = o.KeyUsage
	}
	if o.NoKeyUsage {
		c.keyUsage = 0
	}
	if o.SubjectKeyID != nil {
		c.subjectKeyID = o.SubjectKeyID
	}
	if o.NoSubjectKeyID {
		c.subjectKeyID = nil
	}
	signer := key
	if o.Parent != nil {
		signer = o.Parent.Key
		c.issuer = o.Parent.Certificate.RawSubject
		c.authorityKeyID = o.Parent.SubjectKeyID
	}
	der, err := c.sign(signer, o.SignatureAlgorithm)
	if err != nil {
		return nil, fmt.Errorf("making the CA %s: %w", o.Name, err)
	}
	parsed, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, fmt.Errorf("making the CA %s: its certificate does not parse: %w", o.Name, err)
	}
	return &CA{DER: der, Certificate: parsed, Key: key, SubjectKeyID: c.subjectKeyID, Parent: o.Parent}, nil
}

// PEM returns the certificate in PEM.
func (c *CA) PEM() []byte { return certificatePEM(c.DER) }

// Name returns the DER Name of the CA's subject.
func (c *CA) Name() []byte { return c.Certificate.RawSubject }

// Pool returns a pool of this CA's certificate alone, for TLS configurations.
func (c *CA) Pool() *x509.CertPool {
	pool := x509.NewCertPool()
	pool.AddCert(c.Certificate)
	return pool
}

// selfSigned reports whether the CA's certificate needs no other to be trusted.
func (c *CA) selfSigned() bool { return c.Parent == nil }

// chain returns the certificates from c up to, but without, the root.
func (c *CA) chain() [][]byte {
	var out [][]byte
	for ; !c.selfSigned(); c = c.Parent {
		out = append(out, c.DER)
	}
	return out
}

// PEM returns the certificates of several CAs in one PEM file, such as
// issuers/<ca>.pem of a CA with two keys.
func PEM(cas ...*CA) []byte {
	var b bytes.Buffer
	for _, c := range cas {
		b.Write(c.PEM())
	}
	return b.Bytes()
}

func certificatePEM(der []byte) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
}

func orTime(t, otherwise time.Time) time.Time {
	if t.IsZero() {
		return otherwise
	}
	return t
}
