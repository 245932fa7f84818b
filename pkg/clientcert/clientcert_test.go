package clientcert_test

import (
	"bytes"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"math/big"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/crlgate/crlgate/internal/pki"
	"github.com/crlgate/crlgate/internal/pki/pkitest"
	"github.com/crlgate/crlgate/pkg/clientcert"
)

var (
	idAKI = asn1.ObjectIdentifier{2, 5, 29, 35}
	idCDP = asn1.ObjectIdentifier{2, 5, 29, 31}
	idSAN = asn1.ObjectIdentifier{2, 5, 29, 17}
	idBC  = asn1.ObjectIdentifier{2, 5, 29, 19}
)

func testCA(tb testing.TB) *pki.CA {
	tb.Helper()
	return pkitest.CA(tb, pki.CAOptions{Name: pkix.Name{CommonName: "CA"}})
}

// corpus is certificates of many shapes, in DER.
func corpus(tb testing.TB) map[string][]byte {
	tb.Helper()
	ca := testCA(tb)
	dn := pki.DirectoryName(ca.Name())
	relative, err := pki.RelativeName([]pki.Attribute{{Type: pki.OIDCommonName, Value: "part 1"}})
	if err != nil {
		tb.Fatal(err)
	}
	cdp := func(points ...pki.DistributionPoint) []byte {
		raw, err := pki.CDP(points...)
		if err != nil {
			tb.Fatal(err)
		}
		return raw
	}
	out := map[string][]byte{"a CA": ca.DER}
	for name, o := range map[string]pki.LeafOptions{
		"plain":           {},
		"no AKI":          {NoAuthorityKeyID: true},
		"server":          {Server: true, DNSNames: []string{"a.example.com"}},
		"long serial":     {Serial: new(big.Int).Lsh(big.NewInt(1), 158)},
		"high bit serial": {Serial: big.NewInt(255)},
		"CDP":             {CRLDistributionPoints: []string{"http://a/1.crl", "http://a/2.crl"}},
		"all of CDP": {RawCDP: cdp(
			pki.DistributionPoint{FullNames: []string{"http://a/1.crl", "ldap://b"}, RawNames: [][]byte{dn}, Reasons: pki.FlagKeyCompromise | pki.FlagAACompromise},
			pki.DistributionPoint{Relative: relative}, pki.DistributionPoint{CRLIssuer: ca.Name()},
		)},
		"CA below": {IsCA: true},
		"RSA":      {Key: pki.RSA2048},
		"Ed25519":  {Key: pki.Ed25519},
	} {
		out[name] = pkitest.Leaf(tb, ca, o).DER
	}
	for _, pattern := range []string{"../../events/pki/clients/*.pem", "../../events/pki/issuers/*.pem"} {
		names, _ := filepath.Glob(pattern)
		if len(names) == 0 {
			tb.Fatalf("no file %s", pattern)
		}
		for _, name := range names {
			b, err := os.ReadFile(name)
			if err != nil {
				tb.Fatal(err)
			}
			block, _ := pem.Decode(b)
			out[name] = block.Bytes
		}
	}
	return out
}

// agree compares what both readers take from a certificate.
func agree(t *testing.T, c *clientcert.Certificate, x *x509.Certificate) {
	t.Helper()
	serial, err := asn1.Marshal(x.SerialNumber)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.HasSuffix(serial, c.Serial) || len(serial) != len(c.Serial)+2 {
		t.Errorf("serial number %x, crypto/x509 says %x", c.Serial, serial)
	}
	for what, pair := range map[string][2][]byte{
		"issuer": {c.Issuer, x.RawIssuer}, "subject": {c.Subject, x.RawSubject}, "tbsCertificate": {c.TBS, x.RawTBSCertificate},
		"signature": {c.Signature, x.Signature}, "authority key identifier": {c.AuthorityKeyID, x.AuthorityKeyId}, "DER": {c.DER, x.Raw},
		"subject alternative name": {c.SubjectAltName, extension(x, idSAN)},
	} {
		if !bytes.Equal(pair[0], pair[1]) {
			t.Errorf("%s is %x, crypto/x509 says %x", what, pair[0], pair[1])
		}
	}
	if c.IsCA != x.IsCA {
		t.Errorf("cA is %v, crypto/x509 says %v", c.IsCA, x.IsCA)
	}
	var uris []string
	for _, p := range c.DistributionPoints {
		for _, n := range p.FullName {
			if n[0] == 0x86 {
				var v asn1.RawValue
				if _, err := asn1.Unmarshal(n, &v); err != nil {
					t.Fatal(err)
				}
				uris = append(uris, string(v.Bytes))
			}
		}
	}
	if strings.Join(uris, "\n") != strings.Join(x.CRLDistributionPoints, "\n") {
		t.Errorf("distribution points %q, crypto/x509 says %q", uris, x.CRLDistributionPoints)
	}
	if c.Fingerprint() != sha256.Sum256(x.Raw) {
		t.Error("the fingerprint is not the SHA-256 of the certificate")
	}
}

func extension(x *x509.Certificate, id asn1.ObjectIdentifier) []byte {
	for _, e := range x.Extensions {
		if e.Id.Equal(id) {
			return e.Value
		}
	}
	return nil
}

func TestParseReadsAsX509Does(t *testing.T) {
	for name, der := range corpus(t) {
		t.Run(name, func(t *testing.T) {
			c, err := clientcert.Parse(der)
			if err != nil {
				t.Fatal(err)
			}
			if name != "all of CDP" { // crypto/x509 knows no relative names
				x, err := x509.ParseCertificate(der)
				if err != nil {
					t.Fatal(err)
				}
				agree(t, c, x)
			}
			fromPEM, err := clientcert.ParsePEM(string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})))
			if err != nil || !bytes.Equal(fromPEM.DER, der) {
				t.Errorf("from PEM: %v", err)
			}
		})
	}
}

func TestDistributionPoints(t *testing.T) {
	c, err := clientcert.Parse(corpus(t)["all of CDP"])
	if err != nil {
		t.Fatal(err)
	}
	p := c.DistributionPoints
	if len(p) != 3 || len(p[0].FullName) != 3 || p[0].Reasons != 1<<1|1<<8 || p[0].CRLIssuer != nil || p[0].RelativeName != nil ||
		p[1].RelativeName == nil || p[1].FullName != nil || p[1].Reasons != 0 ||
		len(p[2].CRLIssuer) != 1 || p[2].FullName != nil || p[2].RelativeName != nil {
		t.Errorf("%+v", p)
	}
}

// crypto/x509 refuses negative serial numbers; they need an answer too.
func TestNegativeSerial(t *testing.T) {
	for _, raw := range [][]byte{{0xff}, {0x80}, {0xff, 0x00}} {
		c, err := clientcert.Parse(pkitest.Leaf(t, testCA(t), pki.LeafOptions{RawSerial: raw}).DER)
		if err != nil || !bytes.Equal(c.Serial, raw) {
			t.Errorf("%x: %v", raw, err)
		}
	}
}

func TestMalformedCertificates(t *testing.T) {
	ca := testCA(t)
	ext := func(id asn1.ObjectIdentifier, value string) pki.LeafOptions {
		return pki.LeafOptions{NoAuthorityKeyID: true, ExtraExtensions: []pkix.Extension{{Id: id, Value: []byte(value)}}}
	}
	good := pkitest.Leaf(t, ca, pki.LeafOptions{}).DER
	for name, o := range map[string]pki.LeafOptions{
		"serial not minimal":          {RawSerial: []byte{0, 1}},
		"negative serial not minimal": {RawSerial: []byte{0xff, 0x80}},
		"AKI is no SEQUENCE":          ext(idAKI, "\x04\x00"),
		"AKI with something behind":   ext(idAKI, "\x30\x00\x00"),
		"AKI cut short":               ext(idAKI, "\x30\x03\x80\x05\x01"),
		"CDP empty":                   ext(idCDP, "\x30\x00"),
		"CDP with something behind":   ext(idCDP, "\x30\x02\x30\x00\x00"),
		"CDP of another type":         ext(idCDP, "\x30\x02\x04\x00"),
		"CDP without a name":          ext(idCDP, "\x30\x04\x30\x02\xa0\x00"),
		"CDP without full names":      ext(idCDP, "\x30\x06\x30\x04\xa0\x02\xa0\x00"),
		"CDP for no reason":           ext(idCDP, "\x30\x05\x30\x03\x81\x01\x00"),
		"CDP reasons malformed":       ext(idCDP, "\x30\x04\x30\x02\x81\x00"),
		"CDP empty cRLIssuer":         ext(idCDP, "\x30\x04\x30\x02\xa2\x00"),
		"CDP with a field too many":   ext(idCDP, "\x30\x04\x30\x02\x83\x00"),
		"CDP field cut short":         ext(idCDP, "\x30\x04\x30\x02\xa2\x05"),
		"basicConstraints of junk":    {ExtraExtensions: []pkix.Extension{{Id: idBC, Value: []byte{4, 0}}}},
		"AKI twice":                   {ExtraExtensions: []pkix.Extension{{Id: idAKI, Value: []byte{0x30, 0}}}},
		"CDP twice":                   {CRLDistributionPoints: []string{"http://a"}, ExtraExtensions: []pkix.Extension{{Id: idCDP, Value: []byte{0x30, 2, 0x30, 0}}}},
		"SAN twice":                   {ExtraExtensions: []pkix.Extension{{Id: idSAN, Value: []byte{0x30, 0}}, {Id: idSAN, Value: []byte{0x30, 0}}}},
	} {
		leaf, err := ca.Issue(o)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if c, err := clientcert.Parse(leaf.DER); !errors.Is(err, clientcert.ErrMalformed) || c != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	for name, der := range map[string][]byte{
		"empty": nil, "something behind": append(bytes.Clone(good), 0), "two certificates": append(bytes.Clone(good), good...), "cut short": good[:len(good)-1],
		"no SEQUENCE": append([]byte{0x31}, good[1:]...), "empty SEQUENCE": {0x30, 0}, "empty tbsCertificate": {0x30, 7, 0x30, 0, 0x30, 0, 3, 1, 0},
	} {
		if _, err := clientcert.Parse(der); !errors.Is(err, clientcert.ErrMalformed) {
			t.Errorf("%s: %v", name, err)
		}
	}
	// Any octet cut out of the middle leaves no certificate.
	for i := range good {
		if _, err := clientcert.Parse(append(bytes.Clone(good[:i]), good[i+1:]...)); !errors.Is(err, clientcert.ErrMalformed) {
			t.Fatalf("without octet %d: %v", i, err)
		}
	}
}

func TestAlgorithmsMustAgree(t *testing.T) {
	leaf := pkitest.Leaf(t, testCA(t), pki.LeafOptions{EditTBS: func(tbs []byte) []byte {
		return bytes.Replace(tbs, []byte{0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03, 0x02}, []byte{0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03, 0x03}, 1)
	}})
	if _, err := clientcert.Parse(leaf.DER); err == nil || !strings.Contains(err.Error(), "algorithm fields differ") {
		t.Errorf("%v", err)
	}
}

func TestMalformedPEM(t *testing.T) {
	text := string(pkitest.Leaf(t, testCA(t), pki.LeafOptions{}).PEM())
	for name, s := range map[string]string{
		"white space around": "\r\n " + text + "\t\n", "CRLF": strings.ReplaceAll(text, "\n", "\r\n"), "one line": oneLine(text),
	} {
		if _, err := clientcert.ParsePEM(s); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	for name, s := range map[string]string{
		"empty": "", "white space": " ", "another type": strings.ReplaceAll(text, "CERTIFICATE", "X509 CRL"), "text before": "x" + text, "text behind": text + "x",
		"two certificates": text + text, "no end": strings.Replace(text, "-----END", "", 1), "no body": "-----BEGIN CERTIFICATE-----\n-----END CERTIFICATE-----",
		"headers": strings.Replace(text, "\n", "\nProc-Type: 4,ENCRYPTED\n\n", 1), "spaces in a line": strings.Replace(text, "\nMII", "\nM II", 1),
		"URL alphabet": strings.NewReplacer("+", "-", "/", "_").Replace(text) + "_", "percent escapes": strings.ReplaceAll(text, "\n", "%0A"),
		"too large":                 "-----BEGIN CERTIFICATE-----\n" + strings.Repeat("A", clientcert.MaxSize) + "\n-----END CERTIFICATE-----",
		"markers that share dashes": "-----BEGIN CERTIFICATE-----END CERTIFICATE-----",
	} {
		if _, err := clientcert.ParsePEM(s); !errors.Is(err, clientcert.ErrMalformed) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// Lines are read alike whatever their length, and padding ends the body wherever
// it stands.
func TestPEMLines(t *testing.T) {
	for n := range 3 {
		der := pkitest.Leaf(t, testCA(t), pki.LeafOptions{Subject: pkix.Name{CommonName: strings.Repeat("x", n+1)}}).DER
		code := base64.StdEncoding.EncodeToString(der)
		wrap := func(body string) string {
			return "-----BEGIN CERTIFICATE-----\n" + body + "\n-----END CERTIFICATE-----"
		}
		for _, width := range []int{1, 4, 5, 62, 63, 64, 65, 76, len(code)} {
			for _, end := range []string{"\n", "\r\n", "\n\n", "\r"} {
				var lines []string
				for chunk := range slices.Chunk([]byte(code), width) {
					lines = append(lines, string(chunk))
				}
				c, err := clientcert.ParsePEM(wrap(strings.Join(lines, end)))
				if err != nil || !bytes.Equal(c.DER, der) {
					t.Fatalf("lines of %d that end in %q: %v", width, end, err)
				}
			}
		}
		for name, body := range map[string]string{
			"padding within": code[:62] + "==\n" + code[64:], "quantum of padding": code[:64] + "\n====\n" + code[64:], "behind the padding": strings.TrimRight(code, "=") + "==\nAAAA",
			"part of a quantum": code[:len(code)-3], "a bad octet in the second line": code[:64] + "\n" + code[64:100] + "!" + code[101:128] + "\n" + code[128:],
		} {
			if _, err := clientcert.ParsePEM(wrap(body)); !errors.Is(err, clientcert.ErrMalformed) {
				t.Errorf("%s: %v", name, err)
			}
		}
	}
}

func oneLine(text string) string {
	lines := strings.Split(strings.TrimSpace(text), "\n")
	return lines[0] + "\n" + strings.Join(lines[1:len(lines)-1], "") + "\n" + lines[len(lines)-1]
}

func TestFingerprintWithoutParse(t *testing.T) {
	c := &clientcert.Certificate{DER: []byte("x")}
	if c.Fingerprint() != sha256.Sum256([]byte("x")) {
		t.Error("a certificate put together by hand has another fingerprint")
	}
}

// FuzzParse: Parse never panics, and where crypto/x509 accepts too, both have
// read the same.
func FuzzParse(f *testing.F) {
	for _, der := range corpus(f) {
		f.Add(der)
	}
	f.Fuzz(func(t *testing.T, der []byte) {
		c, err := clientcert.Parse(der)
		if err != nil {
			if c != nil || !errors.Is(err, clientcert.ErrMalformed) {
				t.Fatalf("%v %v", c, err)
			}
			return
		}
		if x, err := x509.ParseCertificate(der); err == nil {
			agree(t, c, x)
		}
	})
}

// FuzzParsePEM: ParsePEM never panics, and what it accepts is what encoding/pem
// finds in the text.
func FuzzParsePEM(f *testing.F) {
	for _, der := range corpus(f) {
		f.Add(string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})))
	}
	f.Add("-----BEGIN CERTIFICATE-----END CERTIFICATE-----")
	f.Fuzz(func(t *testing.T, text string) {
		c, err := clientcert.ParsePEM(text)
		if err != nil {
			return
		}
		block, rest := pem.Decode([]byte(strings.TrimSpace(text)))
		if block == nil || block.Type != "CERTIFICATE" || !bytes.Equal(block.Bytes, c.DER) || len(bytes.TrimSpace(rest)) > 0 {
			t.Fatalf("read %x from %q; encoding/pem: %+v", c.DER, text, block)
		}
	})
}
