package pki_test

import (
	"bytes"
	"crypto"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"fmt"
	"math/big"
	"testing"
	"time"

	"github.com/crlgate/crlgate/internal/pki"
	"github.com/crlgate/crlgate/internal/pki/pkitest"
)

var (
	thisUpdate = time.Date(2026, time.November, 1, 0, 0, 0, 0, time.UTC)
	nextUpdate = time.Date(2026, time.December, 1, 0, 0, 0, 0, time.UTC)
)

func sound() pki.CRLOptions {
	return pki.CRLOptions{Number: big.NewInt(7), ThisUpdate: thisUpdate, NextUpdate: nextUpdate}
}

func entries(serials ...int64) []pki.Entry {
	var out []pki.Entry
	for _, s := range serials {
		out = append(out, pki.Entry{Serial: big.NewInt(s)})
	}
	return out
}

// signatures is every kind of key with every algorithm that may sign a CRL.
func signatures() map[string]struct {
	kind pki.KeyKind
	alg  pki.Algorithm
} {
	type signature = struct {
		kind pki.KeyKind
		alg  pki.Algorithm
	}
	m := map[string]signature{
		"ed25519": {pki.Ed25519, pki.Algorithm{}},
		"sha1":    {pki.RSA2048, pki.PKCS1v15(crypto.SHA1)},
	}
	for _, h := range []crypto.Hash{crypto.SHA256, crypto.SHA384, crypto.SHA512} {
		m["pkcs1v15 "+h.String()] = signature{pki.RSA2048, pki.PKCS1v15(h)}
		for _, salt := range []int{0, 1, 20, 32, 33, 48, 64} {
			m[fmt.Sprintf("pss %v salt %d", h, salt)] = signature{pki.RSA2048, pki.PSS(h, salt)}
		}
		for _, kind := range []pki.KeyKind{pki.P256, pki.P384, pki.P521} {
			m[fmt.Sprintf("ecdsa %v %v", kind, h)] = signature{kind, pki.ECDSA(h)}
		}
	}
	return m
}

// keys holds one key of each kind, since RSA keys are slow to make.
func keys(t *testing.T) map[pki.KeyKind]crypto.Signer {
	t.Helper()
	m := make(map[pki.KeyKind]crypto.Signer)
	for _, kind := range []pki.KeyKind{pki.P256, pki.P384, pki.P521, pki.RSA2048, pki.Ed25519} {
		key, err := pki.NewKey(kind)
		if err != nil {
			t.Fatal(err)
		}
		m[kind] = key
	}
	return m
}

// goVerifies reports whether crypto/x509 knows the algorithm: it refuses SHA-1
// and salts that are not as long as the hash. Those are openssl's to verify, in
// TestOpenSSLVerifiesEveryAlgorithm.
func goVerifies(a pki.Algorithm) bool {
	return a.Hash != crypto.SHA1 && (a.Scheme != pki.SchemePSS || a.SaltLength == a.Hash.Size())
}

func TestGoVerifiesSoundCRLs(t *testing.T) {
	keys := keys(t)
	for name, s := range signatures() {
		if !goVerifies(s.alg) {
			continue
		}
		t.Run(name, func(t *testing.T) {
			ca := pkitest.CA(t, pki.CAOptions{Name: pkix.Name{CommonName: name}, Signer: keys[s.kind]})
			o := sound()
			o.SignatureAlgorithm = s.alg
			o.Entries = entries(1, 127, 128, 255, 256, -1, 0)
			list, err := x509.ParseRevocationList(pkitest.CRL(t, ca, o))
			if err != nil {
				t.Fatal(err)
			}
			if err := list.CheckSignatureFrom(ca.Certificate); err != nil {
				t.Error(err)
			}
			if got := len(list.RevokedCertificateEntries); got != 7 {
				t.Errorf("%d entries, want 7", got)
			}
		})
	}
}

func TestFieldsAreReadBackByGo(t *testing.T) {
	ca := pkitest.CA(t, pki.CAOptions{Name: pkix.Name{CommonName: "fields", Country: []string{"NL"}}})
	date := time.Date(2026, time.October, 3, 4, 5, 6, 0, time.UTC)
	number := new(big.Int).Lsh(big.NewInt(1), 158)
	o := sound()
	o.Number = number
	o.Entries = []pki.Entry{
		{Serial: big.NewInt(-129), Date: date, Reason: pki.KeyCompromise},
		{Serial: number, InvalidityDate: date},
		{Serial: big.NewInt(3), Reason: pki.Unspecified},
	}
	o.IDP = &pki.IDP{FullNames: []string{"http://crl.example/a.crl"}, OnlyUser: true}
	list, err := x509.ParseRevocationList(pkitest.CRL(t, ca, o))
	if err != nil {
		t.Fatal(err)
	}
	if list.Number.Cmp(number) != 0 || !list.ThisUpdate.Equal(thisUpdate) || !list.NextUpdate.Equal(nextUpdate) {
		t.Errorf("number %v, thisUpdate %v, nextUpdate %v", list.Number, list.ThisUpdate, list.NextUpdate)
	}
	if !bytes.Equal(list.AuthorityKeyId, ca.SubjectKeyID) || !bytes.Equal(list.RawIssuer, ca.Name()) {
		t.Error("authority key identifier or issuer is not the CA's")
	}
	got := list.RevokedCertificateEntries
	if len(got) != 3 {
		t.Fatalf("%d entries, want 3", len(got))
	}
	if got[0].SerialNumber.Int64() != -129 || !got[0].RevocationTime.Equal(date) || got[0].ReasonCode != 1 {
		t.Errorf("entry 0: %+v", got[0])
	}
	if got[1].SerialNumber.Cmp(number) != 0 || !got[1].RevocationTime.Equal(thisUpdate) || len(got[1].Extensions) != 1 {
		t.Errorf("entry 1: %+v", got[1])
	}
	if len(got[2].Extensions) != 1 || !bytes.Equal(got[2].Extensions[0].Value, []byte{10, 1, 0}) {
		t.Errorf("entry 2: %+v", got[2])
	}
	idp := list.Extensions[len(list.Extensions)-1]
	if !idp.Id.Equal(asn1.ObjectIdentifier{2, 5, 29, 28}) || !idp.Critical {
		t.Errorf("last extension: %+v", idp)
	}
	want := append([]byte{0x30, 0x21, 0xa0, 0x1c, 0xa0, 0x1a, 0x86, 0x18}, "http://crl.example/a.crl"...)
	want = append(want, 0x81, 1, 0xff)
	if !bytes.Equal(idp.Value, want) {
		t.Errorf("IDP % x, want % x", idp.Value, want)
	}
}
