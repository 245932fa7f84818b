package issuer_test

import (
	"bytes"
	"crypto"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/crlgate/crlgate/internal/pki"
	"github.com/crlgate/crlgate/internal/pki/pkitest"
	"github.com/crlgate/crlgate/pkg/issuer"
)

func pemBlock(kind string, der []byte) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der})
}

// TestPolicy judges one certificate at a time.
func TestPolicy(t *testing.T) {
	good := pkitest.CA(t, pki.CAOptions{Name: name("ca")})
	root := pkitest.CA(t, pki.CAOptions{Name: name("root"), Signer: rsaKey()})
	under := func(alg pki.Algorithm) []byte {
		return pkitest.CA(t, pki.CAOptions{Name: name("ca"), Parent: root, SignatureAlgorithm: alg}).DER
	}
	made := func(o pki.CAOptions) []byte {
		o.Name = name("ca")
		return pkitest.CA(t, o).DER
	}
	pin := parse(t, good.DER).Fingerprint
	for _, tt := range []struct {
		what   string
		der    []byte
		policy issuer.Policy
		want   issuer.Code // "": accepted
	}{
		{"P-256", good.DER, issuer.Policy{}, ""},
		{"P-384", made(pki.CAOptions{Key: pki.P384}), issuer.Policy{}, ""},
		{"P-521", made(pki.CAOptions{Key: pki.P521}), issuer.Policy{}, ""},
		{"Ed25519", made(pki.CAOptions{Key: pki.Ed25519}), issuer.Policy{}, ""},
		{"RSA", root.DER, issuer.Policy{}, ""},
		{"RSA marked for PSS", made(pki.CAOptions{Signer: rsaKey(), PSSKey: true}), issuer.Policy{}, ""},
		{"RSA of 1024 bits", withKey(t, good.DER, rsaOf(1024)), issuer.Policy{}, ""},
		{"RSA of 1023 bits", withKey(t, good.DER, rsaOf(1023)), issuer.Policy{}, issuer.CertificateKey},
		{"P-224", withKey(t, good.DER, p224(t)), issuer.Policy{}, issuer.CertificateKey},
		{"DSA", edited(t, good.DER, func(p map[int][]byte) { p[partKey] = dsaKey() }), issuer.Policy{}, issuer.CertificateKey},

		{"no key usage", made(pki.CAOptions{NoKeyUsage: true}), issuer.Policy{}, ""},
		{"no cRLSign", made(pki.CAOptions{KeyUsage: x509.KeyUsageCertSign}), issuer.Policy{}, ""},
		{"CRL signer", made(pki.CAOptions{NotCA: true, KeyUsage: x509.KeyUsageCRLSign}), issuer.Policy{}, ""},
		{"CRL signer without basic constraints", made(pki.CAOptions{NoBasicConstraints: true, KeyUsage: x509.KeyUsageCRLSign}), issuer.Policy{}, ""},
		{"neither CA nor CRL signer", made(pki.CAOptions{NotCA: true, NoKeyUsage: true}), issuer.Policy{}, issuer.CertificateNotCA},
		{"CA that may sign neither", made(pki.CAOptions{KeyUsage: x509.KeyUsageDigitalSignature}), issuer.Policy{}, issuer.CertificateNotCA},
		{"client certificate", pkitest.Leaf(t, good, pki.LeafOptions{}).DER, issuer.Policy{}, issuer.CertificateNotCA},
		{"v1", edited(t, good.DER, func(p map[int][]byte) { delete(p, partVersion); delete(p, partExtensions) }), issuer.Policy{}, issuer.CertificateNotCA},

		{"issued with SHA-256", under(pki.PKCS1v15(crypto.SHA256)), issuer.Policy{}, ""},
		{"issued with PSS", under(pki.PSS(crypto.SHA384, 48)), issuer.Policy{}, ""},
		{"issued with SHA-1", under(pki.PKCS1v15(crypto.SHA1)), issuer.Policy{}, issuer.CertificateAlgorithm},
		{"issued with SHA-1, allowed", under(pki.PKCS1v15(crypto.SHA1)), issuer.Policy{AllowSHA1: true}, ""},
		{"issued with MD5", under(pki.PKCS1v15(crypto.MD5)), issuer.Policy{AllowSHA1: true}, issuer.CertificateAlgorithm},
		{"issued with SHA-224", under(pki.PKCS1v15(crypto.SHA224)), issuer.Policy{AllowSHA1: true}, issuer.CertificateAlgorithm},
		{"self-signed with SHA-1", made(pki.CAOptions{Signer: rsaKey(), SignatureAlgorithm: pki.PKCS1v15(crypto.SHA1)}), issuer.Policy{}, ""},
		{"self-signed with MD5", made(pki.CAOptions{Signer: rsaKey(), SignatureAlgorithm: pki.PKCS1v15(crypto.MD5)}), issuer.Policy{}, ""},

		{"pinned", good.DER, issuer.Policy{Pinned: []issuer.Fingerprint{{1}, pin}}, ""},
		{"not pinned", root.DER, issuer.Policy{Pinned: []issuer.Fingerprint{{1}, pin}}, issuer.CertificateNotPinned},
	} {
		err := tt.policy.Check(parse(t, tt.der))
		var r *issuer.Refusal
		if !errors.As(err, &r) {
			r = &issuer.Refusal{}
		}
		if r.Code != tt.want {
			t.Errorf("%s: %v, want %q", tt.what, err, tt.want)
		}
	}
}

// TestWhatACertificateMayDo is RFC 5280 §4.2.1.3, §4.2.1.9 and §6.3.3 step f.
func TestWhatACertificateMayDo(t *testing.T) {
	for _, tt := range []struct {
		what        string
		o           pki.CAOptions
		issue, sign bool
	}{
		{"CA with both", pki.CAOptions{}, true, true},
		{"CA without key usage", pki.CAOptions{NoKeyUsage: true}, true, true},
		{"CA with keyCertSign", pki.CAOptions{KeyUsage: x509.KeyUsageCertSign}, true, false},
		{"CA with cRLSign", pki.CAOptions{KeyUsage: x509.KeyUsageCRLSign}, false, true},
		{"not a CA, both usages", pki.CAOptions{NotCA: true}, false, true},
		{"not a CA, cRLSign", pki.CAOptions{NotCA: true, KeyUsage: x509.KeyUsageCRLSign}, false, true},
		{"not a CA, no key usage", pki.CAOptions{NotCA: true, NoKeyUsage: true}, false, false},
	} {
		c := parse(t, pkitest.CA(t, tt.o).DER)
		if c.MayIssue != tt.issue || c.MaySignCRLs != tt.sign {
			t.Errorf("%s: issues %v, signs CRLs %v", tt.what, c.MayIssue, c.MaySignCRLs)
		}
	}
}

// TestParseFile: what each block of a file becomes.
func TestParseFile(t *testing.T) {
	a1, a2 := pkitest.CA(t, pki.CAOptions{Name: name("a")}), pkitest.CA(t, pki.CAOptions{Name: name("a")})
	signer := pkitest.CA(t, pki.CAOptions{Name: name("a"), NotCA: true, KeyUsage: x509.KeyUsageCRLSign, Parent: a1})
	b := pkitest.CA(t, pki.CAOptions{Name: name("b")})
	leaf := pkitest.Leaf(t, a1, pki.LeafOptions{Subject: name("client")})
	key, err := pki.KeyPEM(a1.Key)
	if err != nil {
		t.Fatal(err)
	}
	join := func(parts ...[]byte) []byte { return bytes.Join(parts, nil) }
	damaged := bytes.Replace(a2.PEM(), []byte("MII"), []byte("M!I"), 1)
	damaged = bytes.Replace(damaged, []byte("MIIB"), []byte("M?IB"), 1)
	if block, _ := pem.Decode(damaged); block != nil {
		t.Fatal("not damaged")
	}
	other, not, differs := issuer.CertificateNotCA, issuer.NotACertificate, issuer.SubjectDiffers
	for _, tt := range []struct {
		what  string
		file  []byte
		file0 issuer.Code   // of the whole file
		want  []issuer.Code // of each block
	}{
		{"PEM", a1.PEM(), "", []issuer.Code{""}},
		{"DER", a1.DER, "", []issuer.Code{""}},
		{"PEM behind text", join([]byte("Certificate:\n    Data: -----\n0x30\n"), a1.PEM()), "", []issuer.Code{""}},
		{"PEM behind text that begins like DER", join([]byte("0 s:CN=a\n"), a1.PEM()), "", []issuer.Code{""}},
		{"PEM behind a byte order mark", join([]byte("\xef\xbb\xbf"), a1.PEM(), a2.PEM()), "", []issuer.Code{"", ""}},
		{"PEM with CRLF", bytes.ReplaceAll(a1.PEM(), []byte("\n"), []byte("\r\n")), "", []issuer.Code{""}},
		{"the older label", pemBlock("X509 CERTIFICATE", a1.DER), "", []issuer.Code{""}},
		{"two keys", pki.PEM(a1, a2), "", []issuer.Code{"", ""}},
		{"one certificate twice", pki.PEM(a1, a1), "", []issuer.Code{""}},
		{"a CRL signer first", pki.PEM(signer, a1), "", []issuer.Code{"", ""}},
		{"a CRL signer alone", signer.PEM(), "", []issuer.Code{""}},
		{"another subject", pki.PEM(a1, b), "", []issuer.Code{"", differs}},
		{"another subject's CRL signer first", pki.PEM(pkitest.CA(t, pki.CAOptions{Name: name("b"), NotCA: true, KeyUsage: x509.KeyUsageCRLSign}), a1), "", []issuer.Code{differs, ""}},
		{"a leaf among them", join(leaf.PEM(), a1.PEM()), "", []issuer.Code{other, ""}},
		{"a private key among them", join(a1.PEM(), key), "", []issuer.Code{"", not}},
		{"a CRL among them", join(a1.PEM(), pemBlock("X509 CRL", []byte{0x30, 0})), "", []issuer.Code{"", not}},
		{"a damaged block between", join(a1.PEM(), damaged, signer.PEM()), "", []issuer.Code{"", not, ""}},
		{"a damaged block last", join(a1.PEM(), damaged), "", []issuer.Code{"", not}},
		{"a block cut short", a1.PEM()[:200], issuer.NoCertificate, []issuer.Code{not}},
		{"junk in a block", join(a1.PEM(), pemBlock("CERTIFICATE", []byte("junk"))), "", []issuer.Code{"", not}},
		{"an empty block", join(a1.PEM(), pemBlock("CERTIFICATE", nil)), "", []issuer.Code{"", not}},
		{"DER with a byte behind", append(bytes.Clone(a1.DER), 0), issuer.NoCertificate, []issuer.Code{not}},
		{"a leaf alone", leaf.PEM(), issuer.NoCertificate, []issuer.Code{other}},
		{"a private key alone", key, issuer.NoCertificate, []issuer.Code{not}},
		{"nothing", nil, issuer.NoCertificate, nil},
		{"words", []byte("see attachment"), issuer.NoCertificate, nil},
		{"UTF-16", []byte("\xff\xfe-\x00-\x00-\x00-\x00-\x00B\x00"), issuer.NoCertificate, nil},
		{"too large", make([]byte, issuer.MaxFile+1), issuer.FileTooLarge, nil},
		{"too many", bytes.Repeat(a1.PEM(), issuer.MaxCertificates+1), issuer.TooManyCertificates, nil},
		{"too many damaged", bytes.Repeat([]byte("-----BEGIN \n"), issuer.MaxCertificates+1), issuer.TooManyCertificates, nil},
	} {
		ca, verdicts, err := issuer.ParseFile("partner", tt.file, issuer.Policy{})
		var whole *issuer.Refusal
		if !errors.As(err, &whole) {
			whole = &issuer.Refusal{}
		}
		var got []issuer.Code
		accepted := 0
		for _, v := range verdicts {
			if v.Refusal == nil {
				accepted++
				got = append(got, "")
			} else {
				got = append(got, v.Refusal.Code)
			}
		}
		if whole.Code != tt.file0 || !slices.Equal(got, tt.want) {
			t.Errorf("%s: file %q, blocks %q; want %q and %q (%v)", tt.what, whole.Code, got, tt.file0, tt.want, err)
		}
		if ca != nil && (ca.Name != "partner" || len(ca.Certificates) != accepted || accepted == 0) {
			t.Errorf("%s: CA %q of %d certificates, %d accepted", tt.what, ca.Name, len(ca.Certificates), accepted)
		}
	}
}

// TestParseFileWords: an operator reads them.
func TestParseFileWords(t *testing.T) {
	a := pkitest.CA(t, pki.CAOptions{Name: name("a")})
	b := pkitest.CA(t, pki.CAOptions{Name: name("b"), NotCA: true, KeyUsage: x509.KeyUsageCRLSign})
	key, err := pki.KeyPEM(a.Key)
	if err != nil {
		t.Fatal(err)
	}
	_, verdicts, err := issuer.ParseFile("partner", append(pki.PEM(b, a), key...), issuer.Policy{})
	if err != nil {
		t.Fatal(err)
	}
	for i, want := range map[int]string{
		0: "its subject CN=b,O=Partner is not that of this CA (CN=a,O=Partner); give it a file of its own (subject_differs)",
		2: "a block of the file is a PRIVATE KEY: take it out, and treat the key as compromised, since whoever may read this bucket has it (not_a_certificate)",
	} {
		if got := verdicts[i].Refusal.Error(); got != want {
			t.Errorf("block %d:\n got %s\nwant %s", i, got, want)
		}
	}
	_, _, err = issuer.ParseFile("partner", pkitest.Leaf(t, a, pki.LeafOptions{}).PEM(), issuer.Policy{})
	if want := "is it a client certificate?"; err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("%v lacks %q", err, want)
	}
}

func TestKeys(t *testing.T) {
	a := pkitest.CA(t, pki.CAOptions{Name: name("a")})
	renewed := pkitest.CA(t, pki.CAOptions{Name: name("a"), Signer: a.Key, NotAfter: pki.DefaultNotAfter.AddDate(1, 0, 0)})
	second := pkitest.CA(t, pki.CAOptions{Name: name("a")})
	ca, _, err := issuer.ParseFile("a", pki.PEM(a, renewed, second), issuer.Policy{})
	if err != nil {
		t.Fatal(err)
	}
	if got := ca.Keys(); len(ca.Certificates) != 3 || !slices.Equal(got, []issuer.KeyDigest{ca.Certificates[0].Key, ca.Certificates[2].Key}) {
		t.Errorf("%d certificates with keys %v", len(ca.Certificates), got)
	}
}
