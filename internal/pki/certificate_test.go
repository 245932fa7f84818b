package pki_test

import (
	"crypto"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/pem"
	"math/big"
	"net"
	"slices"
	"strings"
	"testing"

	"github.com/crlgate/crlgate/internal/pki"
	"github.com/crlgate/crlgate/internal/pki/pkitest"
)

func TestCAOptions(t *testing.T) {
	root := pkitest.CA(t, pki.CAOptions{Name: pkix.Name{CommonName: "root"}})
	for name, test := range map[string]struct {
		options pki.CAOptions
		holds   func(c *x509.Certificate) bool
	}{
		"default": {pki.CAOptions{}, func(c *x509.Certificate) bool {
			return c.IsCA && c.BasicConstraintsValid && c.KeyUsage == x509.KeyUsageCertSign|x509.KeyUsageCRLSign &&
				len(c.SubjectKeyId) == 20 && c.NotBefore.Equal(pki.DefaultNotBefore) && c.NotAfter.Equal(pki.DefaultNotAfter) &&
				c.SerialNumber.BitLen() == 127 && c.CheckSignatureFrom(c) == nil
		}},
		"serial":               {pki.CAOptions{SerialNumber: big.NewInt(42)}, func(c *x509.Certificate) bool { return c.SerialNumber.Int64() == 42 }},
		"dates":                {pki.CAOptions{NotBefore: thisUpdate, NotAfter: nextUpdate}, func(c *x509.Certificate) bool { return c.NotBefore.Equal(thisUpdate) && c.NotAfter.Equal(nextUpdate) }},
		"no cRLSign":           {pki.CAOptions{KeyUsage: x509.KeyUsageCertSign}, func(c *x509.Certificate) bool { return c.KeyUsage == x509.KeyUsageCertSign }},
		"no key usage":         {pki.CAOptions{NoKeyUsage: true}, func(c *x509.Certificate) bool { return c.KeyUsage == 0 }},
		"not a CA":             {pki.CAOptions{NotCA: true}, func(c *x509.Certificate) bool { return !c.IsCA && c.BasicConstraintsValid }},
		"no basic constraints": {pki.CAOptions{NoBasicConstraints: true}, func(c *x509.Certificate) bool { return !c.BasicConstraintsValid }},
		"no key id":            {pki.CAOptions{NoSubjectKeyID: true}, func(c *x509.Certificate) bool { return c.SubjectKeyId == nil }},
		"key id":               {pki.CAOptions{SubjectKeyID: []byte("id")}, func(c *x509.Certificate) bool { return string(c.SubjectKeyId) == "id" }},
		"parent": {pki.CAOptions{Parent: root}, func(c *x509.Certificate) bool {
			return c.CheckSignatureFrom(root.Certificate) == nil && slices.Equal(c.AuthorityKeyId, root.SubjectKeyID)
		}},
		"CDP": {pki.CAOptions{CRLDistributionPoints: []string{"http://a", "http://b"}}, func(c *x509.Certificate) bool {
			return slices.Equal(c.CRLDistributionPoints, []string{"http://a", "http://b"})
		}},
		"id-RSASSA-PSS key": {pki.CAOptions{Key: pki.RSA2048, PSSKey: true}, func(c *x509.Certificate) bool {
			return c.PublicKeyAlgorithm == x509.UnknownPublicKeyAlgorithm
		}},
		"SHA-1":     {pki.CAOptions{SignatureAlgorithm: pki.ECDSA(crypto.SHA1)}, func(c *x509.Certificate) bool { return c.SignatureAlgorithm == x509.ECDSAWithSHA1 }},
		"extension": {pki.CAOptions{ExtraExtensions: []pkix.Extension{{Id: asn1.ObjectIdentifier{1, 2}, Critical: true}}}, func(c *x509.Certificate) bool { return len(c.UnhandledCriticalExtensions) == 1 }},
	} {
		t.Run(name, func(t *testing.T) {
			if ca := pkitest.CA(t, test.options); !test.holds(ca.Certificate) {
				t.Errorf("not as asked for: %+v", ca.Certificate)
			}
		})
	}
}

func TestLeafOptions(t *testing.T) {
	ca := pkitest.CA(t, pki.CAOptions{Name: pkix.Name{CommonName: "ca"}})
	other := pkitest.CA(t, pki.CAOptions{Name: pkix.Name{CommonName: "other"}})
	for name, test := range map[string]struct {
		options pki.LeafOptions
		holds   func(c *x509.Certificate) bool
	}{
		"default": {pki.LeafOptions{}, func(c *x509.Certificate) bool {
			return !c.IsCA && c.CheckSignatureFrom(ca.Certificate) == nil && slices.Equal(c.AuthorityKeyId, ca.SubjectKeyID) &&
				slices.Equal(c.ExtKeyUsage, []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}) && c.KeyUsage == x509.KeyUsageDigitalSignature
		}},
		"serial":     {pki.LeafOptions{Serial: big.NewInt(255)}, func(c *x509.Certificate) bool { return c.SerialNumber.Int64() == 255 }},
		"raw serial": {pki.LeafOptions{RawSerial: []byte{0x7f}}, func(c *x509.Certificate) bool { return c.SerialNumber.Int64() == 127 }},
		"no AKI":     {pki.LeafOptions{NoAuthorityKeyID: true}, func(c *x509.Certificate) bool { return c.AuthorityKeyId == nil }},
		"AKI":        {pki.LeafOptions{AuthorityKeyID: []byte("id")}, func(c *x509.Certificate) bool { return string(c.AuthorityKeyId) == "id" }},
		"CA":         {pki.LeafOptions{IsCA: true}, func(c *x509.Certificate) bool { return c.IsCA && c.KeyUsage&x509.KeyUsageCertSign != 0 }},
		"key usage":  {pki.LeafOptions{KeyUsage: x509.KeyUsageCRLSign}, func(c *x509.Certificate) bool { return c.KeyUsage == x509.KeyUsageCRLSign }},
		"issuer":     {pki.LeafOptions{Issuer: other.Name()}, func(c *x509.Certificate) bool { return c.Issuer.CommonName == "other" }},
		"forged":     {pki.LeafOptions{SignWith: other.Key}, func(c *x509.Certificate) bool { return c.CheckSignatureFrom(ca.Certificate) != nil }},
		"CDP": {pki.LeafOptions{CRLDistributionPoints: []string{"http://a"}}, func(c *x509.Certificate) bool {
			return slices.Equal(c.CRLDistributionPoints, []string{"http://a"})
		}},
		"server": {pki.LeafOptions{Server: true, DNSNames: []string{"localhost"}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}}, func(c *x509.Certificate) bool {
			return c.VerifyHostname("localhost") == nil && c.VerifyHostname("127.0.0.1") == nil &&
				slices.Equal(c.ExtKeyUsage, []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth})
		}},
	} {
		t.Run(name, func(t *testing.T) {
			if leaf := pkitest.Leaf(t, ca, test.options); !test.holds(leaf.Certificate) {
				t.Errorf("not as asked for: %+v", leaf.Certificate)
			}
		})
	}
}

func TestNegativeSerialIsIssuedThoughGoRefusesIt(t *testing.T) {
	ca := pkitest.CA(t, pki.CAOptions{Name: pkix.Name{CommonName: "ca"}})
	leaf := pkitest.Leaf(t, ca, pki.LeafOptions{RawSerial: []byte{0xff}})
	if leaf.Certificate != nil {
		t.Error("crypto/x509 parses a negative serial; clientcert may then rely on it")
	}
	out := openssl(t, "x509", "-noout", "-serial", "-in", file(t, "leaf.pem", leaf.PEM()))
	if strings.TrimSpace(out) != "serial=-01" {
		t.Errorf("openssl says %q, want serial=-01", out)
	}
}

func TestDistributionPoints(t *testing.T) {
	ca := pkitest.CA(t, pki.CAOptions{Name: pkix.Name{CommonName: "ca"}})
	cdp, err := pki.CDP(
		pki.DistributionPoint{FullNames: []string{"http://a"}, Reasons: pki.FlagKeyCompromise},
		pki.DistributionPoint{CRLIssuer: ca.Name(), RawNames: [][]byte{pki.DirectoryName(ca.Name())}})
	if err != nil {
		t.Fatal(err)
	}
	leaf := pkitest.Leaf(t, ca, pki.LeafOptions{RawCDP: cdp})
	out := openssl(t, "x509", "-noout", "-text", "-in", file(t, "leaf.pem", leaf.PEM()))
	for _, want := range []string{"URI:http://a", "Reasons:", "Key Compromise", "CRL Issuer:", "DirName:"} {
		if !strings.Contains(out, want) {
			t.Errorf("openssl's text lacks %q:\n%s", want, out)
		}
	}
}

func TestTLSCertificateCarriesItsIntermediates(t *testing.T) {
	root := pkitest.CA(t, pki.CAOptions{Name: pkix.Name{CommonName: "root"}})
	middle := pkitest.CA(t, pki.CAOptions{Name: pkix.Name{CommonName: "middle"}, Parent: root})
	leaf := pkitest.Leaf(t, middle, pki.LeafOptions{Subject: pkix.Name{CommonName: "client"}})
	if got := len(leaf.TLSCertificate().Certificate); got != 2 {
		t.Errorf("%d certificates, want the leaf and the intermediate", got)
	}
	key, err := leaf.KeyPEM()
	if err != nil {
		t.Fatal(err)
	}
	pair, err := tls.X509KeyPair(leaf.ChainPEM(), key)
	if err != nil {
		t.Fatal(err)
	}
	intermediates := x509.NewCertPool()
	intermediates.AddCert(middle.Certificate)
	_, err = pair.Leaf.Verify(x509.VerifyOptions{
		Roots: root.Pool(), Intermediates: intermediates, CurrentTime: thisUpdate,
		KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
	})
	if err != nil {
		t.Error(err)
	}
}

func TestPEMHoldsEveryCertificateOfACA(t *testing.T) {
	a := pkitest.CA(t, pki.CAOptions{Name: pkix.Name{CommonName: "ca"}})
	b := pkitest.CA(t, pki.CAOptions{Name: pkix.Name{CommonName: "ca"}})
	rest := pki.PEM(a, b)
	for _, want := range []*pki.CA{a, b} {
		var block *pem.Block
		if block, rest = pem.Decode(rest); block == nil || !slices.Equal(block.Bytes, want.DER) {
			t.Fatal("a certificate is missing or out of order")
		}
	}
}

func TestNewKeyMakesEveryKind(t *testing.T) {
	key, err := pki.NewKey(pki.RSA3072)
	if err != nil {
		t.Fatal(err)
	}
	if bits := key.(*rsa.PrivateKey).N.BitLen(); bits != 3072 {
		t.Errorf("%d bits", bits)
	}
	if _, err := pki.NewKey(pki.KeyKind(99)); err == nil {
		t.Error("an unknown kind makes a key")
	}
}
