package issuer_test

import (
	"bytes"
	"crypto"
	"crypto/x509"
	"errors"
	"math/big"
	"testing"
	"time"

	"github.com/crlgate/crlgate/internal/pki"
	"github.com/crlgate/crlgate/internal/pki/pkitest"
	"github.com/crlgate/crlgate/pkg/crl"
	"github.com/crlgate/crlgate/pkg/issuer"
)

// TestSigner: the signature decides whose CRL it is, whatever it says.
func TestSigner(t *testing.T) {
	first := pkitest.CA(t, pki.CAOptions{Name: name("a")})
	second := pkitest.CA(t, pki.CAOptions{Name: name("a"), Key: pki.P384})
	noSKI := pkitest.CA(t, pki.CAOptions{Name: name("a"), NoSubjectKeyID: true})
	stranger := pkitest.CA(t, pki.CAOptions{Name: name("a")})
	mute := pkitest.CA(t, pki.CAOptions{Name: name("a"), KeyUsage: x509.KeyUsageCertSign})
	reissued := pkitest.CA(t, pki.CAOptions{Name: name("a"), Signer: mute.Key, KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageCRLSign})
	twin := pkitest.CA(t, pki.CAOptions{Name: name("a"), SubjectKeyID: first.SubjectKeyID}) // another key under the same identifier
	pss := pkitest.CA(t, pki.CAOptions{Name: name("a"), Signer: rsaKey(), PSSKey: true})

	for _, tt := range []struct {
		what   string
		issued pki.CRLOptions
		by     *pki.CA
		file   []*pki.CA
		want   *pki.CA
		err    error
	}{
		{"its only key", pki.CRLOptions{}, first, []*pki.CA{first}, first, nil},
		{"the second of two keys", pki.CRLOptions{}, second, []*pki.CA{first, second}, second, nil},
		{"without key identifier", pki.CRLOptions{NoAuthorityKeyID: true}, second, []*pki.CA{first, second}, second, nil},
		{"the identifier of another key of the CA", pki.CRLOptions{AuthorityKeyID: first.SubjectKeyID}, second, []*pki.CA{first, second}, second, nil},
		{"an identifier of nobody", pki.CRLOptions{AuthorityKeyID: []byte("nobody")}, second, []*pki.CA{first, second}, second, nil},
		{"certificate without subject key identifier", pki.CRLOptions{}, noSKI, []*pki.CA{first, noSKI}, noSKI, nil},
		{"two keys of one identifier", pki.CRLOptions{}, twin, []*pki.CA{first, twin}, twin, nil},
		{"a key marked for PSS", pki.CRLOptions{SignatureAlgorithm: pki.PSS(crypto.SHA256, 32)}, pss, []*pki.CA{first, pss}, pss, nil},
		{"renewed with cRLSign", pki.CRLOptions{}, mute, []*pki.CA{mute, reissued}, reissued, nil},
		{"unknown key", pki.CRLOptions{}, stranger, []*pki.CA{first, second}, nil, issuer.ErrSignerUnknown},
		{"unknown key, no identifier", pki.CRLOptions{NoAuthorityKeyID: true}, stranger, []*pki.CA{first}, nil, issuer.ErrSignerUnknown},
		{"forged under its identifier", pki.CRLOptions{SignWith: stranger.Key}, first, []*pki.CA{first, second}, nil, issuer.ErrSignatureInvalid},
		{"may not sign CRLs", pki.CRLOptions{}, mute, []*pki.CA{first, mute}, nil, issuer.ErrSignerNotAuthorized},
		{"no certificate", pki.CRLOptions{}, first, nil, nil, issuer.ErrSignerUnknown},
	} {
		o := tt.issued
		o.Number, o.ThisUpdate, o.NextUpdate = big.NewInt(1), now, now.Add(time.Hour)
		list, err := crl.Read(bytes.NewReader(pkitest.CRL(t, tt.by, o)), crl.Options{}, nil)
		if err != nil {
			t.Fatal(err)
		}
		ca := &issuer.CA{Name: "a"}
		for _, c := range tt.file {
			ca.Certificates = append(ca.Certificates, parse(t, c.DER))
		}
		got, err := ca.Signer(list)
		if !errors.Is(err, tt.err) || tt.err == nil && err != nil {
			t.Errorf("%s: %v, want %v", tt.what, err, tt.err)
		}
		if (got == nil) != (tt.want == nil) || got != nil && !bytes.Equal(got.DER, tt.want.DER) {
			t.Errorf("%s: signed by another certificate", tt.what)
		}
	}
}

// TestSignerUnsupported: an algorithm that cannot be verified is a fault of
// the CRL, not of its signer.
func TestSignerUnsupported(t *testing.T) {
	ca := pkitest.CA(t, pki.CAOptions{Name: name("a"), Signer: rsaKey()})
	der := pkitest.CRL(t, ca, pki.CRLOptions{Number: big.NewInt(1), ThisUpdate: now, NextUpdate: now.Add(time.Hour), SignatureAlgorithm: pki.PKCS1v15(crypto.MD5)})
	list, err := crl.Read(bytes.NewReader(der), crl.Options{}, nil)
	if err != nil {
		t.Fatal(err)
	}
	_, err = (&issuer.CA{Certificates: []*issuer.Certificate{parse(t, ca.DER)}}).Signer(list)
	var refusal *crl.Error
	if !errors.As(err, &refusal) || refusal.Code != crl.AlgorithmUnsupported {
		t.Errorf("%v", err)
	}
}

// TestSigned: a certificate's own signature tells which of two keys issued it.
func TestSigned(t *testing.T) {
	a, b := pkitest.CA(t, pki.CAOptions{Name: name("a")}), pkitest.CA(t, pki.CAOptions{Name: name("a")})
	leaf := pkitest.Leaf(t, a, pki.LeafOptions{}).Certificate
	algorithm := []byte{0x30, 0x0a, 0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03, 0x02} // ecdsa-with-SHA256
	if !parse(t, a.DER).Signed(algorithm, leaf.RawTBSCertificate, leaf.Signature) {
		t.Error("the issuing key did not sign")
	}
	if parse(t, b.DER).Signed(algorithm, leaf.RawTBSCertificate, leaf.Signature) {
		t.Error("another key signed")
	}
	if parse(t, a.DER).Signed([]byte{0x30, 0}, leaf.RawTBSCertificate, leaf.Signature) {
		t.Error("signed with no algorithm")
	}
	if got := parse(t, a.DER).RawSubject(); !bytes.Equal(got, a.Name()) {
		t.Errorf("subject %x", got)
	}
}
