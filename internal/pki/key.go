package pki

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"fmt"
)

// KeyKind is a kind and size of key. The zero value is [P256].
type KeyKind int

// The kinds of key that [NewKey] makes. RSA keys take a tenth of a second to
// several seconds each; the others are all but free.
const (
	P256 KeyKind = iota
	P384
	P521
	RSA2048
	RSA3072
	Ed25519
)

// String returns the constant's name.
func (k KeyKind) String() string {
	switch k {
	case P256:
		return "P256"
	case P384:
		return "P384"
	case P521:
		return "P521"
	case RSA2048:
		return "RSA2048"
	case RSA3072:
		return "RSA3072"
	case Ed25519:
		return "Ed25519"
	}
	return fmt.Sprintf("KeyKind(%d)", int(k))
}

// NewKey makes a key of the given kind.
func NewKey(kind KeyKind) (crypto.Signer, error) {
	switch kind {
	case P256:
		return ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	case P384:
		return ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	case P521:
		return ecdsa.GenerateKey(elliptic.P521(), rand.Reader)
	case RSA2048:
		return rsa.GenerateKey(rand.Reader, 2048)
	case RSA3072:
		return rsa.GenerateKey(rand.Reader, 3072)
	case Ed25519:
		_, key, err := ed25519.GenerateKey(rand.Reader)
		return key, err
	}
	return nil, fmt.Errorf("making a key: unknown kind %v; use one of the KeyKind constants", kind)
}

// KeyPEM returns the key as PKCS #8 in PEM, as TLS clients and openssl read it.
func KeyPEM(key crypto.Signer) ([]byte, error) {
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return nil, fmt.Errorf("encoding a private key as PKCS #8: %w", err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}), nil
}
