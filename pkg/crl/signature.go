package crl

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	"errors"
)

// ErrSignature says that a signature does not verify under a key, or that the
// key is of another type than the signature algorithm.
var ErrSignature = errors.New("signature does not verify")

// Unsupported returns an *[Error] where the signature algorithm is not one that
// this package verifies, and nil where it is. Such a CRL is read for what it
// says, and no key will ever make it count.
func (l *List) Unsupported() error { return l.unsupported }

// CheckSignature verifies the CRL's signature under pub, an *rsa.PublicKey,
// *ecdsa.PublicKey or ed25519.PublicKey. It returns [ErrSignature] where it
// does not verify, and an *[Error] where the algorithm is not supported. It
// says nothing of whether that key may sign CRLs.
func (l *List) CheckSignature(pub crypto.PublicKey) error {
	if l.unsupported != nil {
		return l.unsupported
	}
	return l.Algorithm.verify(pub, l.Digest, l.tbs, l.signature)
}

// Verify checks a signature over message under pub, as [List.CheckSignature]
// does for a CRL's.
func (a Algorithm) Verify(pub crypto.PublicKey, message, signature []byte) error {
	if a.kind == kindUnknown {
		return ErrSignature
	}
	h := a.Hash.New()
	h.Write(message)
	return a.verify(pub, h.Sum(nil), message, signature)
}

func (a Algorithm) verify(pub crypto.PublicKey, digest, message, signature []byte) error {
	ok := false
	switch key := pub.(type) {
	case *rsa.PublicKey:
		switch a.kind {
		case kindRSA:
			ok = rsa.VerifyPKCS1v15(key, a.Hash, digest, signature) == nil
		case kindRSAPSS:
			// A salt length of 0 means "find out" to VerifyPSS; a signature
			// that verifies so is as good, since the salt is part of it.
			ok = rsa.VerifyPSS(key, a.Hash, digest, signature, &rsa.PSSOptions{SaltLength: a.SaltLength, Hash: a.Hash}) == nil
		}
	case *ecdsa.PublicKey:
		ok = a.kind == kindECDSA && ecdsa.VerifyASN1(key, digest, signature)
	case ed25519.PublicKey:
		ok = a.kind == kindEd25519 && len(key) == ed25519.PublicKeySize && ed25519.Verify(key, message, signature)
	}
	if !ok {
		return ErrSignature
	}
	return nil
}
