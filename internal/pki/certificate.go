package pki

import (
	"crypto"
	"crypto/rand"
	"crypto/sha1"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"fmt"
	"math/big"
	"net"
	"time"

	"golang.org/x/crypto/cryptobyte"
	cbasn1 "golang.org/x/crypto/cryptobyte/asn1"
)

// DefaultNotBefore and DefaultNotAfter are the validity of certificates whose
// options say nothing about it: fixed, since this package reads no clock.
var (
	DefaultNotBefore = time.Date(2025, time.January, 1, 0, 0, 0, 0, time.UTC)
	DefaultNotAfter  = time.Date(2045, time.January, 1, 0, 0, 0, 0, time.UTC)
)

var (
	oidSubjectKeyID     = asn1.ObjectIdentifier{2, 5, 29, 14}
	oidKeyUsage         = asn1.ObjectIdentifier{2, 5, 29, 15}
	oidSubjectAltName   = asn1.ObjectIdentifier{2, 5, 29, 17}
	oidBasicConstraints = asn1.ObjectIdentifier{2, 5, 29, 19}
	oidCRLDistribution  = asn1.ObjectIdentifier{2, 5, 29, 31}
	oidAuthorityKeyID   = asn1.ObjectIdentifier{2, 5, 29, 35}
	oidExtKeyUsage      = asn1.ObjectIdentifier{2, 5, 29, 37}
	oidServerAuth       = asn1.ObjectIdentifier{1, 3, 6, 1, 5, 5, 7, 3, 1}
	oidClientAuth       = asn1.ObjectIdentifier{1, 3, 6, 1, 5, 5, 7, 3, 2}
)

// certificate is everything that goes into one certificate, already decided.
type certificate struct {
	serial              []byte // INTEGER contents
	issuer, subject     []byte // Name
	notBefore, notAfter time.Time
	spki                []byte
	basicConstraints    bool // whether the extension is there
	isCA                bool
	keyUsage            x509.KeyUsage // zero: no extension
	subjectKeyID        []byte        // nil: no extension
	authorityKeyID      []byte        // nil: no extension
	cdp                 []byte        // extension value; nil: no extension
	dnsNames            []string
	ipAddresses         []net.IP
	client, server      bool
	extra               []pkix.Extension
	editTBS             func([]byte) []byte
}

// sign encodes the certificate and signs it.
func (c *certificate) sign(key crypto.Signer, alg Algorithm) ([]byte, error) {
	alg, err := alg.resolve(key)
	if err != nil {
		return nil, err
	}
	id, err := alg.identifier()
	if err != nil {
		return nil, err
	}
	extensions, err := c.extensions()
	if err != nil {
		return nil, err
	}
	tbs, err := build(func(b *cryptobyte.Builder) {
		b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
			b.AddASN1(explicitTag(0), func(b *cryptobyte.Builder) { b.AddASN1Int64(2) }) // v3
			b.AddASN1(cbasn1.INTEGER, func(b *cryptobyte.Builder) { b.AddBytes(c.serial) })
			b.AddBytes(id)
			b.AddBytes(c.issuer)
			b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
				b.AddBytes(appendTime(nil, c.notBefore, TimeAuto))
				b.AddBytes(appendTime(nil, c.notAfter, TimeAuto))
			})
			b.AddBytes(c.subject)
			b.AddBytes(c.spki)
			if len(extensions) > 0 {
				b.AddASN1(explicitTag(3), func(b *cryptobyte.Builder) {
					b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) { b.AddBytes(extensions) })
				})
			}
		})
	})
	if err != nil {
		return nil, fmt.Errorf("encoding a certificate: %w", err)
	}
	if c.editTBS != nil {
		tbs = c.editTBS(tbs)
	}
	signature, err := alg.sign(key, tbs)
	if err != nil {
		return nil, fmt.Errorf("signing a certificate: %w", err)
	}
	return signed(tbs, id, signature)
}

// signed wraps what was signed, its algorithm and its signature.
func signed(tbs, algorithm, signature []byte) ([]byte, error) {
	return build(func(b *cryptobyte.Builder) {
		b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
			b.AddBytes(tbs)
			b.AddBytes(algorithm)
			b.AddASN1BitString(signature)
		})
	})
}

func (c *certificate) extensions() ([]byte, error) {
	return build(func(b *cryptobyte.Builder) {
		if c.basicConstraints {
			addExtension(b, oidBasicConstraints, true, basicConstraints(c.isCA))
		}
		if c.keyUsage != 0 {
			addExtension(b, oidKeyUsage, true, appendTLV(nil, byte(cbasn1.BIT_STRING), bitStringContents(uint32(c.keyUsage))))
		}
		if c.client || c.server {
			addNested(b, oidExtKeyUsage, false, func(b *cryptobyte.Builder) {
				if c.client {
					b.AddASN1ObjectIdentifier(oidClientAuth)
				}
				if c.server {
					b.AddASN1ObjectIdentifier(oidServerAuth)
				}
			})
		}
		if c.subjectKeyID != nil {
			addExtension(b, oidSubjectKeyID, false, appendTLV(nil, byte(cbasn1.OCTET_STRING), c.subjectKeyID))
		}
		if c.authorityKeyID != nil {
			addExtension(b, oidAuthorityKeyID, false, authorityKeyID(c.authorityKeyID))
		}
		if len(c.dnsNames)+len(c.ipAddresses) > 0 {
			addNested(b, oidSubjectAltName, false, func(b *cryptobyte.Builder) { c.addAltNames(b) })
		}
		if c.cdp != nil {
			addExtension(b, oidCRLDistribution, false, c.cdp)
		}
		for _, e := range c.extra {
			addExtension(b, e.Id, e.Critical, e.Value)
		}
	})
}

func (c *certificate) addAltNames(b *cryptobyte.Builder) {
	for _, name := range c.dnsNames {
		b.AddASN1(implicitTag(2), func(b *cryptobyte.Builder) { b.AddBytes([]byte(name)) })
	}
	for _, ip := range c.ipAddresses {
		octets := ip.To4()
		if octets == nil {
			octets = ip.To16()
		}
		b.AddASN1(implicitTag(7), func(b *cryptobyte.Builder) { b.AddBytes(octets) })
	}
}

// addNested writes an extension whose value is a SEQUENCE.
func addNested(b *cryptobyte.Builder, oid asn1.ObjectIdentifier, critical bool, f cryptobyte.BuilderContinuation) {
	var inner cryptobyte.Builder
	inner.AddASN1(cbasn1.SEQUENCE, f)
	value, err := inner.Bytes()
	if err != nil {
		b.SetError(err)
		return
	}
	addExtension(b, oid, critical, value)
}

func basicConstraints(isCA bool) []byte {
	if isCA {
		return []byte{0x30, 3, 1, 1, 0xff}
	}
	return []byte{0x30, 0}
}

// authorityKeyID encodes an AuthorityKeyIdentifier of a keyIdentifier alone.
func authorityKeyID(id []byte) []byte {
	return appendTLV(nil, byte(cbasn1.SEQUENCE), appendTLV(nil, byte(implicitTag(0)), id))
}

// publicKeyInfo returns the SubjectPublicKeyInfo and its key identifier: the
// SHA-1 of the key's bits (RFC 5280 §4.2.1.2, method 1).
func publicKeyInfo(pub crypto.PublicKey, pssOID bool) (spki, keyID []byte, err error) {
	spki, err = x509.MarshalPKIXPublicKey(pub)
	if err != nil {
		return nil, nil, fmt.Errorf("encoding a public key: %w", err)
	}
	var info struct {
		Algorithm pkix.AlgorithmIdentifier
		Key       asn1.BitString
	}
	if _, err := asn1.Unmarshal(spki, &info); err != nil {
		return nil, nil, fmt.Errorf("encoding a public key: %w", err)
	}
	if pssOID {
		info.Algorithm = pkix.AlgorithmIdentifier{Algorithm: oidPSS}
		if spki, err = asn1.Marshal(info); err != nil {
			return nil, nil, fmt.Errorf("encoding a public key: %w", err)
		}
	}
	sum := sha1.Sum(info.Key.Bytes)
	return spki, sum[:], nil
}

// serialContents returns INTEGER contents: raw if there are any, else n's,
// else those of a random positive number of 16 octets.
func serialContents(raw []byte, n *big.Int) []byte {
	if raw != nil {
		return raw
	}
	if n == nil {
		random := make([]byte, 16)
		rand.Read(random) // never fails: it ends the program instead
		random[0] = random[0]&0x3f | 0x40
		return random
	}
	var b cryptobyte.Builder
	b.AddASN1BigInt(n)
	s := cryptobyte.String(b.BytesOrPanic())
	var contents cryptobyte.String
	s.ReadASN1(&contents, cbasn1.INTEGER)
	return contents
}
