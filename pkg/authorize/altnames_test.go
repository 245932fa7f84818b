package authorize_test

import (
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/json"
	"io"
	"math/big"
	"net"
	"strings"
	"testing"

	"github.com/crlgate/crlgate/internal/pki"
	"github.com/crlgate/crlgate/internal/pki/pkitest"
)

// generalNames is the subject alternative name extension with these GeneralNames.
func generalNames(t *testing.T, names ...asn1.RawValue) pkix.Extension {
	t.Helper()
	value, err := asn1.Marshal(names)
	if err != nil {
		t.Fatal(err)
	}
	return pkix.Extension{Id: asn1.ObjectIdentifier{2, 5, 29, 17}, Value: value}
}

func generalName(tag int, value string) asn1.RawValue {
	return asn1.RawValue{Class: asn1.ClassContextSpecific, Tag: tag, Bytes: []byte(value)}
}

// TestAltNames: what stands under san is told apart again by splitting at commas,
// whatever the names hold.
func TestAltNames(t *testing.T) {
	w, ca := partner(t)
	directory, err := asn1.Marshal(pkix.Name{Organization: []string{"Partner, A"}}.ToRDNSequence())
	if err != nil {
		t.Fatal(err)
	}
	dirName := generalName(4, string(directory))
	dirName.IsCompound = true
	for name, test := range map[string]struct {
		extension *pkix.Extension
		want      string
	}{
		"none":               {nil, "-"},
		"one of each":        {ext(generalNames(t, generalName(1, "a@example.com"), generalName(2, "a.example.com"), generalName(6, "spiffe://example.com/a"), generalName(7, "\x7f\x00\x00\x01"), generalName(7, string(net.IPv6loopback)), generalName(8, "\x2a\x03"))), "email:a@example.com,DNS:a.example.com,URI:spiffe://example.com/a,IP:127.0.0.1,IP:::1,RID:1.2.3"},
		"directory name":     {ext(generalNames(t, dirName)), `dirName:O=Partner\5C\2C\20A`},
		"two in one":         {ext(generalNames(t, generalName(2, "a.example,DNS:admin.example"))), `DNS:a.example\2CDNS:admin.example`},
		"line break":         {ext(generalNames(t, generalName(2, "a\r\nX-Injected: 1"))), `DNS:a\0D\0AX-Injected:\201`},
		"not ASCII":          {ext(generalNames(t, generalName(6, "http://é\x00"))), `URI:http://\C3\A9\00`},
		"octets at the edge": {ext(generalNames(t, generalName(2, " !~\x7f"))), `DNS:\20!~\7F`},
		"a broken RID":       {ext(generalNames(t, generalName(8, "\x80"))), "other:#880180"},
		"quotes":             {ext(generalNames(t, generalName(2, `"\`))), `DNS:\22\5C`},
		"address of 5":       {ext(generalNames(t, generalName(7, "12345"))), "other:#87053132333435"},
		"unknown kind":       {ext(generalNames(t, generalName(9, "x"))), "other:#890178"},
		"not a list":         {&pkix.Extension{Id: asn1.ObjectIdentifier{2, 5, 29, 17}, Value: []byte{1, 2}}, "#0102"},
		"longer than 1 KiB":  {ext(generalNames(t, generalName(2, strings.Repeat("a", 900)), generalName(2, strings.Repeat("b", 200)), generalName(2, "c"))), "DNS:" + strings.Repeat("a", 900) + "..."},
		"one of 3 KiB":       {ext(generalNames(t, generalName(2, strings.Repeat(`\`, 1000)))), "..."},
	} {
		o := pki.LeafOptions{Serial: big.NewInt(1), Subject: pkix.Name{CommonName: "good"}}
		if test.extension != nil {
			o.ExtraExtensions = []pkix.Extension{*test.extension}
		}
		leaf := pkitest.Leaf(t, ca, o)
		a := read(t, "rest", invoke(t, w.handler(io.Discard, nil), event(t, "rest", leaf.PEM())))
		if !a.allow || a.context["san"] != test.want {
			t.Errorf("%s: %v %q, want %q", name, a.allow, a.context["san"], test.want)
		}
	}
}

func ext(e pkix.Extension) *pkix.Extension { return &e }

// TestAllowedContextIsComplete: a header that API Gateway is told to set from a
// value is set, whatever the certificate lacks, so that none of the client's own
// stays in its place.
func TestAllowedContextIsComplete(t *testing.T) {
	w, ca := partner(t)
	b := pkitest.CA(t, pki.CAOptions{Name: pkix.Name{CommonName: "B"}})
	w.put(t, "issuers/partner-b.pem", b.PEM())
	w.put(t, "issuers/partner-b.json", []byte(`{"crl":"optional"}`))
	bare := pkitest.Leaf(t, b, pki.LeafOptions{Serial: big.NewInt(1), RawSubject: []byte{0x30, 0}})
	for form := range forms {
		h := w.handler(io.Discard, nil)
		a := read(t, form, invoke(t, h, event(t, form, bare.PEM())))
		if !a.allow || a.context["reason"] != "no_crl" {
			t.Fatalf("%s: %+v", form, a)
		}
		for key, want := range map[string]string{"ca": "partner-b", "issuer": "CN=B", "serial": "01", "subject": "-", "san": "-", "crl_number": "-"} {
			if a.context[key] != want {
				t.Errorf("%s: %s is %v, want %s", form, key, a.context[key], want)
			}
		}
		if len(a.context) != 9 {
			t.Errorf("%s: %v", form, a.context)
		}
		denied := read(t, form, invoke(t, h, event(t, form, client(t, ca, 666, "gone"))))
		for key, value := range denied.context {
			if value == "-" {
				t.Errorf("%s: %s of a denial is %v", form, key, value)
			}
		}
	}
}

// TestLargestAnswer: whatever is long in a certificate at once, API Gateway takes the answer.
func TestLargestAnswer(t *testing.T) {
	w := newWorld(t)
	long := strings.Repeat(`"\`, 2000)
	ca := pkitest.CA(t, pki.CAOptions{Name: pkix.Name{CommonName: long}})
	w.put(t, "issuers/"+strings.Repeat("a", 200)+".pem", ca.PEM())
	w.crl(t, "crls/a.crl", ca, 7, 666)
	leaf := pkitest.Leaf(t, ca, pki.LeafOptions{
		Subject: pkix.Name{CommonName: long}, RawSerial: append([]byte{1}, make([]byte, 20_000)...),
		ExtraExtensions: []pkix.Extension{generalNames(t, generalName(2, strings.Repeat("a", 900)), generalName(2, long))},
	})
	var e map[string]any
	if err := json.Unmarshal(event(t, "rest", leaf.PEM()), &e); err != nil {
		t.Fatal(err)
	}
	e["methodArn"] = "arn:aws:execute-api:eu-west-1:111122223333:a1b2c3d4e5/prod/GET/" + strings.Repeat(`"`, 400)
	raw := invoke(t, w.handler(io.Discard, nil), mustJSON(e))
	if a := read(t, "rest", raw); !a.allow || len(raw) > 8<<10 || len(raw) < 5000 {
		t.Errorf("%d bytes, %+v", len(raw), a)
	}
}
