package crl_test

import (
	"bytes"
	"crypto"
	"crypto/x509/pkix"
	"encoding/asn1"
	"errors"
	"math/big"
	"testing"

	"github.com/crlgate/crlgate/internal/pki"
	"github.com/crlgate/crlgate/internal/pki/pkitest"
	"github.com/crlgate/crlgate/pkg/crl"
)

func identifier(t *testing.T, parameters asn1.RawValue, arcs ...int) []byte {
	t.Helper()
	der, err := asn1.Marshal(pkix.AlgorithmIdentifier{Algorithm: arcs, Parameters: parameters})
	if err != nil {
		t.Fatal(err)
	}
	return der
}

// TestParametersThatSayNothing: RSA without parameters and ECDSA with NULL are
// the algorithms that they are with the parameters the RFCs ask for.
func TestParametersThatSayNothing(t *testing.T) {
	rsa := pkitest.CA(t, pki.CAOptions{Name: pkix.Name{CommonName: "RSA"}, Key: pki.RSA2048})
	ecdsa := testCA(t)
	for _, c := range []struct {
		ca   *pki.CA
		der  []byte
		want string
	}{
		{rsa, identifier(t, asn1.RawValue{}, 1, 2, 840, 113549, 1, 1, 11), "SHA256-RSA"},
		{rsa, identifier(t, asn1.NullRawValue, 1, 2, 840, 113549, 1, 1, 11), "SHA256-RSA"},
		{ecdsa, identifier(t, asn1.NullRawValue, 1, 2, 840, 10045, 4, 3, 2), "ECDSA-SHA256"},
	} {
		o := sound(many(2)...)
		o.InnerAlgorithm, o.OuterAlgorithm = c.der, c.der
		list := read(t, pkitest.CRL(t, c.ca, o))
		if list.Algorithm.String() != c.want || list.Unsupported() != nil {
			t.Errorf("%s reads as %s", c.want, list.Algorithm)
		}
		if err := list.CheckSignature(c.ca.Key.Public()); err != nil {
			t.Errorf("%s: %v", c.want, err)
		}
	}
}

// TestPSSSaltOfZero: crypto/rsa takes a salt length of 0 for "find out", so a
// CRL that says 0 verifies with any; with a length said it must be that one.
func TestPSSSaltOfZero(t *testing.T) {
	ca := pkitest.CA(t, pki.CAOptions{Name: pkix.Name{CommonName: "RSA"}, Key: pki.RSA2048})
	for says, want := range map[int]bool{0: true, 20: false, 32: true, 33: false} {
		der, err := pki.PSS(crypto.SHA256, says).AlgorithmIdentifier(ca.Key)
		if err != nil {
			t.Fatal(err)
		}
		o := sound(many(2)...)
		o.SignatureAlgorithm = pki.PSS(crypto.SHA256, 32)
		o.InnerAlgorithm, o.OuterAlgorithm = der, der
		list := read(t, pkitest.CRL(t, ca, o))
		if err := list.CheckSignature(ca.Key.Public()); (err == nil) != want {
			t.Errorf("says a salt of %d and has 32: %v", says, err)
		}
	}
}

// TestSignatureOfAnotherKind: a key of another type than the algorithm's never
// verifies, and never panics.
func TestSignatureOfAnotherKind(t *testing.T) {
	cas := map[string]*pki.CA{}
	for name, key := range map[string]pki.KeyKind{"RSA": pki.RSA2048, "ECDSA": pki.P256, "Ed25519": pki.Ed25519} {
		cas[name] = pkitest.CA(t, pki.CAOptions{Name: pkix.Name{CommonName: "Test CA"}, Key: key})
	}
	for signer, ca := range cas {
		list := read(t, pkitest.CRL(t, ca, sound(pki.Entry{Serial: big.NewInt(1)})))
		for other, key := range cas {
			err := list.CheckSignature(key.Key.Public())
			if (err == nil) != (signer == other) || err != nil && !errors.Is(err, crl.ErrSignature) {
				t.Errorf("signed with %s, checked with %s: %v", signer, other, err)
			}
		}
		for _, key := range []crypto.PublicKey{nil, "key", []byte{1}} {
			if err := list.CheckSignature(key); !errors.Is(err, crl.ErrSignature) {
				t.Errorf("%s, checked with %T: %v", signer, key, err)
			}
		}
	}
	var zero crl.Algorithm
	if err := zero.Verify(cas["RSA"].Key.Public(), []byte("message"), []byte("signature")); !errors.Is(err, crl.ErrSignature) {
		t.Errorf("no algorithm: %v", err)
	}
}

// FuzzParseAlgorithm does not panic, and what it accepts it can verify with.
func FuzzParseAlgorithm(f *testing.F) {
	accepted := 0
	for _, c := range cases(f) {
		der := corpusFile(f, c.CRL)
		if _, rest, ok := bytes.Cut(der[:min(len(der), 100)], []byte{2, 1, 1, 0x30}); ok && len(rest) > int(rest[0]) {
			seed := append([]byte{0x30}, rest[:1+rest[0]]...) // the AlgorithmIdentifier behind the version
			if _, err := crl.ParseAlgorithm(seed); err == nil {
				accepted++
			}
			f.Add(seed)
		}
	}
	if accepted < 50 {
		f.Fatalf("only %d of the seeds are known algorithms", accepted)
	}
	f.Fuzz(func(t *testing.T, der []byte) {
		alg, err := crl.ParseAlgorithm(der)
		var e *crl.Error
		if err != nil && !errors.As(err, &e) {
			t.Fatalf("not a refusal: %v", err)
		}
		if err == nil && (!alg.Hash.Available() || alg.String() == "unknown") {
			t.Fatalf("accepted as %s", alg)
		}
	})
}
