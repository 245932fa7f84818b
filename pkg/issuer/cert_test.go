package issuer_test

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"math/big"
	"sync"
	"testing"

	"golang.org/x/crypto/cryptobyte"
	cbasn1 "golang.org/x/crypto/cryptobyte/asn1"

	"github.com/crlgate/crlgate/internal/pki"
	"github.com/crlgate/crlgate/pkg/issuer"
)

// rsaKey is one RSA key for all tests, since they are slow to make.
var rsaKey = sync.OnceValue(func() crypto.Signer {
	key, err := pki.NewKey(pki.RSA2048)
	if err != nil {
		panic(err)
	}
	return key
})

func name(cn string) pkix.Name { return pkix.Name{CommonName: cn, Organization: []string{"Partner"}} }

// certificate parts, in the order of tbsCertificate (RFC 5280 §4.1).
const (
	partVersion = iota
	partSerial
	partAlgorithm
	partIssuer
	partValidity
	partSubject
	partKey
	partExtensions
)

// edited takes a certificate apart, has parts of it changed, and puts it
// together again. Its signature is then void, which nobody here looks at: the
// issuers file is trusted for who writes it.
func edited(t *testing.T, der []byte, change func(parts map[int][]byte)) []byte {
	t.Helper()
	in, cert, tbs := cryptobyte.String(der), cryptobyte.String(nil), cryptobyte.String(nil)
	if !in.ReadASN1(&cert, cbasn1.SEQUENCE) || !cert.ReadASN1(&tbs, cbasn1.SEQUENCE) {
		t.Fatal("not a certificate")
	}
	parts := map[int][]byte{}
	for i := partVersion; !tbs.Empty(); i++ {
		var part cryptobyte.String
		if !tbs.ReadAnyASN1Element(&part, nil) {
			t.Fatal("not a tbsCertificate")
		}
		parts[i] = part
	}
	change(parts)
	var b cryptobyte.Builder
	b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
		b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
			for i := partVersion; i <= partExtensions; i++ {
				b.AddBytes(parts[i])
			}
		})
		b.AddBytes(cert)
	})
	return b.BytesOrPanic()
}

func withKey(t *testing.T, der []byte, key crypto.PublicKey) []byte {
	t.Helper()
	spki, err := x509.MarshalPKIXPublicKey(key)
	if err != nil {
		t.Fatal(err)
	}
	return edited(t, der, func(p map[int][]byte) { p[partKey] = spki })
}

// dsaKey is a SubjectPublicKeyInfo of DSA (RFC 3279 §2.3.2), of no real key.
func dsaKey() []byte {
	var b cryptobyte.Builder
	b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
		b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
			b.AddASN1ObjectIdentifier(asn1.ObjectIdentifier{1, 2, 840, 10040, 4, 1})
			b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
				for _, n := range []int64{23, 11, 4} {
					b.AddASN1Int64(n)
				}
			})
		})
		b.AddASN1BitString([]byte{0x02, 0x01, 0x08})
	})
	return b.BytesOrPanic()
}

// rsaOf returns an RSA public key of so many bits, of no known factors.
func rsaOf(bits int) *rsa.PublicKey {
	n := new(big.Int).Lsh(big.NewInt(1), uint(bits)-1)
	return &rsa.PublicKey{N: n.Add(n, big.NewInt(1)), E: 65537}
}

func p224(t *testing.T) crypto.PublicKey {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P224(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key.Public()
}

func parse(t *testing.T, der []byte) *issuer.Certificate {
	t.Helper()
	c, err := issuer.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return c
}
