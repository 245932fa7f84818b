package pki_test

import (
	"crypto/x509/pkix"
	"math/big"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/crlgate/crlgate/internal/pki"
	"github.com/crlgate/crlgate/internal/pki/openssltest"
	"github.com/crlgate/crlgate/internal/pki/pkitest"
)

// openssl runs openssl and returns what it printed.
func openssl(t *testing.T, args ...string) string {
	t.Helper()
	out, err := openssltest.New(t).Try(args...)
	if err != nil {
		t.Logf("openssl %s: %v", strings.Join(args, " "), err)
	}
	return out
}

func file(t *testing.T, name string, content []byte) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, content, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestOpenSSLVerifiesEveryAlgorithm(t *testing.T) {
	keys := keys(t)
	other, err := pki.NewKey(pki.RSA2048)
	if err != nil {
		t.Fatal(err)
	}
	for name, s := range signatures() {
		t.Run(name, func(t *testing.T) {
			ca := pkitest.CA(t, pki.CAOptions{Name: pkix.Name{CommonName: name}, Signer: keys[s.kind]})
			o := sound()
			o.SignatureAlgorithm = s.alg
			o.Entries = entries(1, 255)
			verify := func(der []byte) string {
				return openssl(t, "crl", "-inform", "DER", "-noout", "-in", file(t, "ca.crl", der),
					"-CAfile", file(t, "ca.pem", ca.PEM()))
			}
			der := pkitest.CRL(t, ca, o)
			if out := verify(der); !strings.Contains(out, "verify OK") {
				t.Errorf("openssl says %q", out)
			}
			if s.kind != pki.RSA2048 {
				return
			}
			o.SignWith = other
			if out := verify(pkitest.CRL(t, ca, o)); !strings.Contains(out, "verify failure") {
				t.Errorf("of a forged CRL openssl says %q", out)
			}
		})
	}
}

func TestOpenSSLReadsEveryField(t *testing.T) {
	name, err := pki.RawName([]pki.Attribute{{Type: pki.OIDOrganization, Value: "another issuer"}})
	if err != nil {
		t.Fatal(err)
	}
	relative, err := pki.RelativeName([]pki.Attribute{{Type: pki.OIDCommonName, Value: "relative"}})
	if err != nil {
		t.Fatal(err)
	}
	ca := pkitest.CA(t, pki.CAOptions{Name: pkix.Name{CommonName: "text"}})
	o := sound()
	o.BaseNumber = big.NewInt(5)
	o.Entries = []pki.Entry{
		{Serial: big.NewInt(0x1234), Reason: pki.AACompromise, InvalidityDate: thisUpdate, CertificateIssuer: name},
		{Serial: big.NewInt(-1), Reason: pki.RemoveFromCRL},
	}
	o.IDP = &pki.IDP{
		Relative: relative, OnlyUser: true, OnlyCA: true, OnlyAttribute: true, Indirect: true,
		Reasons: pki.FlagKeyCompromise | pki.FlagAACompromise,
	}
	out := openssl(t, "crl", "-inform", "PEM", "-noout", "-text", "-in",
		file(t, "ca.crl", pki.CRLPEM(pkitest.CRL(t, ca, o))))
	// Releases of openssl differ in the spaces of a name.
	out = strings.ReplaceAll(out, " = ", "=")
	for _, want := range []string{
		"Version 2 (0x1)", "Last Update: Nov  1 00:00:00 2026 GMT", "Next Update: Dec  1 00:00:00 2026 GMT",
		"Issuer: CN=text", "X509v3 Authority Key Identifier", "X509v3 CRL Number", "X509v3 Delta CRL Indicator: critical",
		"X509v3 Issuing Distribution Point: critical", "Relative Name", "CN=relative", "Only User Certificates", "Only CA Certificates",
		"Indirect CRL", "Only Some Reasons", "Key Compromise, AA Compromise", "Only Attribute Certificates",
		"Serial Number: 1234", "AA Compromise", "Invalidity Date", "X509v3 Certificate Issuer: critical",
		"O=another issuer", "Serial Number: -01", "Remove From CRL",
	} {
		if !strings.Contains(out, want) {
			t.Errorf("openssl's text lacks %q", want)
		}
	}
	if t.Failed() {
		t.Log(out)
	}
}

func TestOpenSSLVerifiesChains(t *testing.T) {
	root := pkitest.CA(t, pki.CAOptions{Name: pkix.Name{CommonName: "root"}, Key: pki.P384})
	middle := pkitest.CA(t, pki.CAOptions{Name: pkix.Name{CommonName: "middle"}, Key: pki.Ed25519, Parent: root})
	leaf := pkitest.Leaf(t, middle, pki.LeafOptions{Subject: pkix.Name{CommonName: "client"}})
	crls := append(pki.CRLPEM(pkitest.CRL(t, root, sound())), pki.CRLPEM(pkitest.CRL(t, middle, sound()))...)
	revoked := sound()
	revoked.Entries = []pki.Entry{{Serial: leaf.Certificate.SerialNumber}}
	bad := append(pki.CRLPEM(pkitest.CRL(t, root, sound())), pki.CRLPEM(pkitest.CRL(t, middle, revoked))...)
	verify := func(crls []byte) string {
		return openssl(t, "verify", "-x509_strict", "-purpose", "sslclient", "-crl_check_all", "-attime", "1793577600",
			"-CAfile", file(t, "root.pem", root.PEM()), "-untrusted", file(t, "chain.pem", leaf.ChainPEM()),
			"-CRLfile", file(t, "crls.pem", crls), file(t, "leaf.pem", leaf.PEM()))
	}
	if out := verify(crls); !strings.HasSuffix(out, ": OK\n") {
		t.Errorf("of a good certificate openssl says %q", out)
	}
	if out := verify(bad); !strings.Contains(out, "certificate revoked") {
		t.Errorf("of a revoked certificate openssl says %q", out)
	}
}
