package crl_test

import (
	"crypto/ed25519"
	"crypto/x509/pkix"
	"encoding/asn1"
	"errors"
	"testing"

	"github.com/crlgate/crlgate/internal/pki"
	"github.com/crlgate/crlgate/internal/pki/pkitest"
	"github.com/crlgate/crlgate/pkg/crl"
)

// TestVerify: a signature verifies over its message, with its algorithm and
// under its key, and in no other way.
func TestVerify(t *testing.T) {
	cas := map[string]*pki.CA{}
	for name, kind := range map[string]pki.KeyKind{"RSA": pki.RSA2048, "ECDSA": pki.P256, "Ed25519": pki.Ed25519} {
		cas[name] = pkitest.CA(t, pki.CAOptions{Name: pkix.Name{CommonName: "Test CA"}, Key: kind})
	}
	type signed struct {
		alg                crl.Algorithm
		message, signature []byte
	}
	all := map[string]signed{}
	for name, ca := range cas {
		var list struct {
			TBS       asn1.RawValue
			Algorithm asn1.RawValue
			Signature asn1.BitString
		}
		if rest, err := asn1.Unmarshal(pkitest.CRL(t, ca, sound(many(2)...)), &list); err != nil || len(rest) > 0 {
			t.Fatal(err)
		}
		alg, err := crl.ParseAlgorithm(list.Algorithm.FullBytes)
		if err != nil {
			t.Fatal(err)
		}
		all[name] = signed{alg, list.TBS.FullBytes, list.Signature.Bytes}
	}
	for name, s := range all {
		alg, message, signature := s.alg, s.message, s.signature
		key := cas[name].Key.Public()
		if err := alg.Verify(key, message, signature); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		altered := append([]byte(nil), signature...)
		altered[len(altered)-1] ^= 1
		for what, err := range map[string]error{
			"message cut":        alg.Verify(key, message[:len(message)-1], signature),
			"no message":         alg.Verify(key, nil, signature),
			"signature altered":  alg.Verify(key, message, altered),
			"no signature":       alg.Verify(key, message, nil),
			"no algorithm":       crl.Algorithm{}.Verify(key, message, signature),
			"no key":             alg.Verify(nil, message, signature),
			"a key of no octets": alg.Verify(ed25519.PublicKey{}, message, signature),
		} {
			if !errors.Is(err, crl.ErrSignature) {
				t.Errorf("%s, %s: %v", name, what, err)
			}
		}
		for other, s := range all {
			if err := s.alg.Verify(key, message, signature); (err == nil) != (other == name) {
				t.Errorf("%s with the algorithm of %s: %v", name, other, err)
			}
		}
	}
	if got := (crl.Algorithm{}).String(); got != "unknown" {
		t.Errorf("no algorithm is named %q", got)
	}
}
