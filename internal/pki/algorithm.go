package pki

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	_ "crypto/md5" // MD5 signatures are a defect to be made.
	"crypto/rand"
	"crypto/rsa"
	_ "crypto/sha1" // SHA-1 signatures are allowed by a setting.
	_ "crypto/sha256"
	_ "crypto/sha512"
	"encoding/asn1"
	"errors"
	"fmt"

	"golang.org/x/crypto/cryptobyte"
	cbasn1 "golang.org/x/crypto/cryptobyte/asn1"
)

// Scheme is a signature scheme without its hash.
type Scheme int

// The schemes. SchemeDefault stands for the usual one of the key: PKCS #1 v1.5
// for RSA, ECDSA with the hash of the curve's size, Ed25519.
const (
	SchemeDefault Scheme = iota
	SchemePKCS1v15
	SchemePSS
	SchemeECDSA
	SchemeEd25519
)

// Algorithm is a signature algorithm. The zero value is the key's usual one.
// Use [PKCS1v15], [PSS] or [ECDSA] for another.
type Algorithm struct {
	Scheme Scheme
	// Hash is the digest of the message, and of MGF1 for PSS. Zero: SHA-256,
	// or for ECDSA the one of the curve's size.
	Hash crypto.Hash
	// SaltLength is PSS's salt in octets.
	SaltLength int
}

// PKCS1v15 is RSASSA-PKCS1-v1_5 with SHA-1, 256, 384, 512, or MD5 (RFC 8017 §8.2).
func PKCS1v15(h crypto.Hash) Algorithm { return Algorithm{Scheme: SchemePKCS1v15, Hash: h} }

// PSS is RSASSA-PSS with MGF1 over the same hash and a salt of the given
// length in octets (RFC 8017 §8.1, RFC 4055).
func PSS(h crypto.Hash, saltLength int) Algorithm {
	return Algorithm{Scheme: SchemePSS, Hash: h, SaltLength: saltLength}
}

// ECDSA is ECDSA with SHA-1, 256, 384 or 512 (RFC 3279 and RFC 5758).
func ECDSA(h crypto.Hash) Algorithm { return Algorithm{Scheme: SchemeECDSA, Hash: h} }

var (
	oidPSS     = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 1, 10}
	oidMGF1    = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 1, 8}
	oidEd25519 = asn1.ObjectIdentifier{1, 3, 101, 112}

	oidPKCS1v15 = map[crypto.Hash]asn1.ObjectIdentifier{
		crypto.MD5:    {1, 2, 840, 113549, 1, 1, 4},
		crypto.SHA1:   {1, 2, 840, 113549, 1, 1, 5},
		crypto.SHA224: {1, 2, 840, 113549, 1, 1, 14},
		crypto.SHA256: {1, 2, 840, 113549, 1, 1, 11},
		crypto.SHA384: {1, 2, 840, 113549, 1, 1, 12},
		crypto.SHA512: {1, 2, 840, 113549, 1, 1, 13},
	}
	oidECDSA = map[crypto.Hash]asn1.ObjectIdentifier{
		crypto.SHA1:   {1, 2, 840, 10045, 4, 1},
		crypto.SHA224: {1, 2, 840, 10045, 4, 3, 1},
		crypto.SHA256: {1, 2, 840, 10045, 4, 3, 2},
		crypto.SHA384: {1, 2, 840, 10045, 4, 3, 3},
		crypto.SHA512: {1, 2, 840, 10045, 4, 3, 4},
	}
	oidHash = map[crypto.Hash]asn1.ObjectIdentifier{
		crypto.SHA1:   {1, 3, 14, 3, 2, 26},
		crypto.SHA224: {2, 16, 840, 1, 101, 3, 4, 2, 4},
		crypto.SHA256: {2, 16, 840, 1, 101, 3, 4, 2, 1},
		crypto.SHA384: {2, 16, 840, 1, 101, 3, 4, 2, 2},
		crypto.SHA512: {2, 16, 840, 1, 101, 3, 4, 2, 3},
	}
)

// resolve fills in what a says nothing about from the key.
func (a Algorithm) resolve(key crypto.Signer) (Algorithm, error) {
	var ours []Scheme
	hash := crypto.SHA256
	switch k := key.(type) {
	case *rsa.PrivateKey:
		ours = []Scheme{SchemePKCS1v15, SchemePSS}
	case *ecdsa.PrivateKey:
		ours = []Scheme{SchemeECDSA}
		switch bits := k.Curve.Params().BitSize; {
		case bits > 384:
			hash = crypto.SHA512
		case bits > 256:
			hash = crypto.SHA384
		}
	case ed25519.PrivateKey:
		ours = []Scheme{SchemeEd25519}
		hash = 0
	case nil:
		return a, errors.New("signing: no key")
	default:
		return a, fmt.Errorf("signing: key of type %T is not supported; use one that NewKey makes", key)
	}
	if a.Scheme == SchemeDefault {
		a.Scheme = ours[0]
	}
	if a.Hash == 0 {
		a.Hash = hash
	}
	for _, s := range ours {
		if s == a.Scheme {
			return a, nil
		}
	}
	return a, fmt.Errorf("signing: scheme %d does not fit a key of type %T", a.Scheme, key)
}

// AlgorithmIdentifier returns the DER AlgorithmIdentifier of a signature by
// key with this algorithm.
func (a Algorithm) AlgorithmIdentifier(key crypto.Signer) ([]byte, error) {
	a, err := a.resolve(key)
	if err != nil {
		return nil, err
	}
	return a.identifier()
}

func (a Algorithm) identifier() ([]byte, error) {
	var b cryptobyte.Builder
	switch a.Scheme {
	case SchemePKCS1v15:
		oid, ok := oidPKCS1v15[a.Hash]
		if !ok {
			return nil, fmt.Errorf("signing: no object identifier for RSA with %v", a.Hash)
		}
		addAlgorithm(&b, oid, true)
	case SchemeECDSA:
		oid, ok := oidECDSA[a.Hash]
		if !ok {
			return nil, fmt.Errorf("signing: no object identifier for ECDSA with %v", a.Hash)
		}
		addAlgorithm(&b, oid, false)
	case SchemeEd25519:
		addAlgorithm(&b, oidEd25519, false)
	case SchemePSS:
		return pssIdentifier(a.Hash, a.SaltLength)
	default:
		return nil, fmt.Errorf("signing: unknown scheme %d", a.Scheme)
	}
	return b.Bytes()
}

// pssIdentifier writes RSASSA-PSS-params in DER: fields that have their default
// (SHA-1, MGF1 with SHA-1, 20 octets of salt, trailer 1) are left out.
func pssIdentifier(h crypto.Hash, salt int) ([]byte, error) {
	oid, ok := oidHash[h]
	if !ok {
		return nil, fmt.Errorf("signing: no object identifier for RSASSA-PSS with %v", h)
	}
	var b cryptobyte.Builder
	b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
		b.AddASN1ObjectIdentifier(oidPSS)
		b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
			if h != crypto.SHA1 {
				b.AddASN1(explicitTag(0), func(b *cryptobyte.Builder) { addAlgorithm(b, oid, true) })
				b.AddASN1(explicitTag(1), func(b *cryptobyte.Builder) {
					b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
						b.AddASN1ObjectIdentifier(oidMGF1)
						addAlgorithm(b, oid, true)
					})
				})
			}
			if salt != 20 {
				b.AddASN1(explicitTag(2), func(b *cryptobyte.Builder) { b.AddASN1Int64(int64(salt)) })
			}
		})
	})
	return b.Bytes()
}

func addAlgorithm(b *cryptobyte.Builder, oid asn1.ObjectIdentifier, null bool) {
	b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
		b.AddASN1ObjectIdentifier(oid)
		if null {
			b.AddASN1NULL()
		}
	})
}

// sign signs message; a must be resolved.
func (a Algorithm) sign(key crypto.Signer, message []byte) ([]byte, error) {
	if a.Scheme == SchemeEd25519 {
		return key.Sign(rand.Reader, message, crypto.Hash(0))
	}
	h := a.Hash.New()
	h.Write(message)
	digest := h.Sum(nil)
	if a.Scheme == SchemePSS {
		salt := a.SaltLength
		if salt == 0 {
			// rsa.PSSOptions takes 0 to mean "as long as fits", so an empty salt
			// has to be signed by hand.
			return signPSSNoSalt(key.(*rsa.PrivateKey), a.Hash, digest)
		}
		return key.Sign(rand.Reader, digest, &rsa.PSSOptions{SaltLength: salt, Hash: a.Hash})
	}
	return key.Sign(rand.Reader, digest, a.Hash)
}
