package pki

import (
	"crypto"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"fmt"
	"math/big"
	"net"
	"time"

	"golang.org/x/crypto/cryptobyte"
	cbasn1 "golang.org/x/crypto/cryptobyte/asn1"
)

// LeafOptions describes an end-entity certificate. Zero values are sound: they
// make a P-256 client certificate with a random serial.
type LeafOptions struct {
	// Subject, or RawSubject, a DER Name, if not nil.
	Subject    pkix.Name
	RawSubject []byte

	// Serial is random if nil. RawSerial is the INTEGER's contents as they
	// are, for serials that are negative, too long or not minimal.
	Serial    *big.Int
	RawSerial []byte

	// Key is the kind of key to make, unless Signer is given.
	Key    KeyKind
	Signer crypto.Signer

	// NotBefore and NotAfter default to DefaultNotBefore and DefaultNotAfter.
	NotBefore, NotAfter time.Time

	// Server makes a server certificate instead, for DNSNames and IPAddresses.
	Server      bool
	DNSNames    []string
	IPAddresses []net.IP

	// CRLDistributionPoints are URIs, each in a DistributionPoint of its own.
	CRLDistributionPoints []string
	// RawCDP is the value of the CRL distribution points extension, see [CDP].
	RawCDP []byte

	// AuthorityKeyID overrides the issuing CA's subject key identifier;
	// NoAuthorityKeyID leaves the extension out.
	AuthorityKeyID   []byte
	NoAuthorityKeyID bool

	// IsCA writes basicConstraints with cA TRUE and may sign certificates.
	IsCA bool

	// KeyUsage overrides digitalSignature.
	KeyUsage x509.KeyUsage

	ExtraExtensions []pkix.Extension

	// Issuer overrides the issuer's DER Name.
	Issuer []byte
	// SignWith overrides the signing key: a forgery.
	SignWith crypto.Signer
	// SignatureAlgorithm is that of the signature on this certificate.
	SignatureAlgorithm Algorithm
	// EditTBS changes the tbsCertificate before it is signed.
	EditTBS func([]byte) []byte
}

// Leaf is an end-entity certificate with its key.
type Leaf struct {
	DER []byte
	// Certificate is DER as crypto/x509 parses it; nil where it refuses to, as
	// it does a negative serial.
	Certificate *x509.Certificate
	Key         crypto.Signer
	// Issuer is the CA that issued it.
	Issuer *CA
}

// Issue makes a certificate and its key.
func (c *CA) Issue(o LeafOptions) (*Leaf, error) {
	key := o.Signer
	if key == nil {
		var err error
		if key, err = NewKey(o.Key); err != nil {
			return nil, err
		}
	}
	subject, err := nameDER(o.RawSubject, o.Subject)
	if err != nil {
		return nil, err
	}
	spki, keyID, err := publicKeyInfo(key.Public(), false)
	if err != nil {
		return nil, err
	}
	cdp, err := cdpValue(o.RawCDP, o.CRLDistributionPoints)
	if err != nil {
		return nil, err
	}
	cert := &certificate{
		serial:           serialContents(o.RawSerial, o.Serial),
		issuer:           c.Certificate.RawSubject,
		subject:          subject,
		notBefore:        orTime(o.NotBefore, DefaultNotBefore),
		notAfter:         orTime(o.NotAfter, DefaultNotAfter),
		spki:             spki,
		basicConstraints: true,
		isCA:             o.IsCA,
		keyUsage:         x509.KeyUsageDigitalSignature,
		subjectKeyID:     keyID,
		authorityKeyID:   c.SubjectKeyID,
		cdp:              cdp,
		dnsNames:         o.DNSNames,
		ipAddresses:      o.IPAddresses,
		client:           !o.Server && !o.IsCA,
		server:           o.Server,
		extra:            o.ExtraExtensions,
		editTBS:          o.EditTBS,
	}
	o.override(cert)
	signer := c.Key
	if o.SignWith != nil {
		signer = o.SignWith
	}
	der, err := cert.sign(signer, o.SignatureAlgorithm)
	if err != nil {
		return nil, fmt.Errorf("issuing a certificate for %s: %w", o.Subject, err)
	}
	leaf := &Leaf{DER: der, Key: key, Issuer: c}
	// A certificate that crypto/x509 refuses may be what was asked for.
	if parsed, err := x509.ParseCertificate(der); err == nil {
		leaf.Certificate = parsed
	}
	return leaf, nil
}

func (o *LeafOptions) override(cert *certificate) {
	if o.IsCA {
		cert.keyUsage = x509.KeyUsageCertSign | x509.KeyUsageCRLSign
	}
	if o.KeyUsage != 0 {
		cert.keyUsage = o.KeyUsage
	}
	if o.AuthorityKeyID != nil {
		cert.authorityKeyID = o.AuthorityKeyID
	}
	if o.NoAuthorityKeyID {
		cert.authorityKeyID = nil
	}
	if o.Issuer != nil {
		cert.issuer = o.Issuer
	}
}

// PEM returns the certificate in PEM, without its chain, as API Gateway passes
// it on.
func (l *Leaf) PEM() []byte { return certificatePEM(l.DER) }

// KeyPEM returns the key as PKCS #8 in PEM.
func (l *Leaf) KeyPEM() ([]byte, error) { return KeyPEM(l.Key) }

// ChainPEM returns the certificate and the intermediate CAs up to the root,
// which is left out, as a client's certificate file holds them.
func (l *Leaf) ChainPEM() []byte {
	out := l.PEM()
	for _, der := range l.Issuer.chain() {
		out = append(out, certificatePEM(der)...)
	}
	return out
}

// TLSCertificate returns the certificate, its intermediate CAs and its key for
// crypto/tls.
func (l *Leaf) TLSCertificate() tls.Certificate {
	return tls.Certificate{
		Certificate: append([][]byte{l.DER}, l.Issuer.chain()...),
		PrivateKey:  l.Key,
		Leaf:        l.Certificate,
	}
}

// DistributionPoint is one DistributionPoint of RFC 5280 §4.2.1.13.
type DistributionPoint struct {
	FullNames []string // URIs
	RawNames  [][]byte // more full names, each a DER GeneralName
	Relative  []byte   // nameRelativeToCRLIssuer: see RelativeName
	Reasons   Reasons  // zero: the field is left out
	CRLIssuer []byte   // a DER Name; nil: the field is left out
}

// CDP encodes the value of a CRL distribution points extension.
func CDP(points ...DistributionPoint) ([]byte, error) {
	return build(func(b *cryptobyte.Builder) {
		b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
			for _, p := range points {
				b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) { p.add(b) })
			}
		})
	})
}

func (p DistributionPoint) add(b *cryptobyte.Builder) {
	addDistributionPointName(b, p.FullNames, p.RawNames, p.Relative)
	if p.Reasons != 0 {
		addBits(b, implicitTag(1), uint32(p.Reasons))
	}
	if p.CRLIssuer != nil {
		b.AddASN1(explicitTag(2), func(b *cryptobyte.Builder) { b.AddBytes(DirectoryName(p.CRLIssuer)) })
	}
}

// addDistributionPointName writes field [0] of a distribution point or an IDP,
// if there is a name.
func addDistributionPointName(b *cryptobyte.Builder, uris []string, raw [][]byte, relative []byte) {
	if len(uris)+len(raw) == 0 && relative == nil {
		return
	}
	b.AddASN1(explicitTag(0), func(b *cryptobyte.Builder) {
		if relative != nil {
			b.AddASN1(explicitTag(1), func(b *cryptobyte.Builder) { b.AddBytes(relative) })
			return
		}
		b.AddASN1(explicitTag(0), func(b *cryptobyte.Builder) { addGeneralNames(b, uris, raw) })
	})
}

// cdpValue returns raw, or the value for the URIs, or nil if there are none.
func cdpValue(raw []byte, uris []string) ([]byte, error) {
	if raw != nil || len(uris) == 0 {
		return raw, nil
	}
	points := make([]DistributionPoint, len(uris))
	for i, uri := range uris {
		points[i].FullNames = []string{uri}
	}
	return CDP(points...)
}
