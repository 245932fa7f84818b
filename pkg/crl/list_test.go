package crl_test

import (
	"bytes"
	"crypto"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"encoding/pem"
	"errors"
	"math/big"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/crlgate/crlgate/internal/pki"
	"github.com/crlgate/crlgate/internal/pki/pkitest"
	"github.com/crlgate/crlgate/pkg/crl"
)

func testCA(t *testing.T) *pki.CA {
	return pkitest.CA(t, pki.CAOptions{Name: pkix.Name{CommonName: "Test CA"}})
}

// read reads a CRL that must be accepted.
func read(t *testing.T, der []byte) *crl.List {
	t.Helper()
	list, err := crl.Read(bytes.NewReader(der), crl.Options{}, nil)
	if err != nil {
		t.Fatal(err)
	}
	return list
}

// TestSignaturesOfTheCorpus: a CRL that must be accepted verifies under a key
// of its issuers file; one with a wrong signature under none of them.
func TestSignaturesOfTheCorpus(t *testing.T) {
	var cases []struct {
		Issuers   []string
		CRL       string
		AllowSHA1 bool `json:"allow_sha1"`
		Accepted  bool
		Code      string
	}
	if err := json.Unmarshal(corpusFile(t, "cases.json"), &cases); err != nil {
		t.Fatal(err)
	}
	verified, refused := map[string]bool{}, 0
	for _, c := range cases {
		if !c.Accepted && c.Code != "signature_invalid" && c.Code != "signer_unknown" {
			continue
		}
		list, err := crl.Read(bytes.NewReader(corpusFile(t, c.CRL)), crl.Options{AllowSHA1: c.AllowSHA1}, nil)
		if err != nil {
			t.Errorf("%s: %v", c.CRL, err)
			continue
		}
		ok := false
		for _, key := range issuerKeys(t, c.Issuers) {
			err := list.CheckSignature(key)
			if err != nil && !errors.Is(err, crl.ErrSignature) {
				t.Errorf("%s: %v", c.CRL, err)
			}
			ok = ok || err == nil
		}
		if ok != c.Accepted {
			t.Errorf("%s: verifies: %v, want %v", c.CRL, ok, c.Accepted)
		}
		if ok {
			verified[list.Algorithm.String()] = true
		} else {
			refused++
		}
	}
	if refused < 8 {
		t.Errorf("only %d files have a wrong signature", refused)
	}
	for _, alg := range strings.Fields("SHA1-RSA SHA256-RSA SHA384-RSA SHA512-RSA SHA1-RSAPSS SHA256-RSAPSS SHA384-RSAPSS SHA512-RSAPSS ECDSA-SHA1 ECDSA-SHA256 ECDSA-SHA384 ECDSA-SHA512 Ed25519") {
		if !verified[alg] {
			t.Errorf("no CRL signed with %s verified", alg)
		}
	}
}

func issuerKeys(t *testing.T, files []string) []crypto.PublicKey {
	t.Helper()
	var keys []crypto.PublicKey
	for _, file := range files {
		for rest := corpusFile(t, file); ; {
			var block *pem.Block
			if block, rest = pem.Decode(rest); block == nil {
				break
			}
			cert, err := x509.ParseCertificate(block.Bytes)
			if err != nil {
				t.Fatal(err)
			}
			keys = append(keys, cert.PublicKey)
		}
	}
	return keys
}

func TestIssuingDistributionPoint(t *testing.T) {
	ca := testCA(t)
	uri := func(s string) []byte { return append([]byte{0x86, byte(len(s))}, s...) }
	relative, err := pki.RelativeName([]pki.Attribute{{Type: pki.OIDCommonName, Value: "part 1"}})
	if err != nil {
		t.Fatal(err)
	}
	type idp = crl.IssuingDistributionPoint
	for name, c := range map[string]struct {
		made pki.IDP
		want idp
	}{
		"names": {
			pki.IDP{FullNames: []string{"http://b", "http://a"}, RawNames: [][]byte{pki.DirectoryName(ca.Name())}},
			idp{FullName: [][]byte{uri("http://b"), uri("http://a"), pki.DirectoryName(ca.Name())}},
		},
		"relative":  {pki.IDP{Relative: relative}, idp{RelativeName: relative}},
		"user":      {pki.IDP{OnlyUser: true}, idp{OnlyUserCerts: true}},
		"CA":        {pki.IDP{OnlyCA: true}, idp{OnlyCACerts: true}},
		"attribute": {pki.IDP{OnlyAttribute: true}, idp{OnlyAttributeCerts: true}},
		"indirect":  {pki.IDP{Indirect: true}, idp{Indirect: true}},
		"reasons":   {pki.IDP{Reasons: pki.FlagKeyCompromise | pki.FlagAACompromise}, idp{OnlySomeReasons: 1<<1 | 1<<8}},
		"all reasons and flags": {
			pki.IDP{Reasons: 0x1fe, OnlyCA: true, Indirect: true, FullNames: []string{"x"}, NotCritical: true},
			idp{OnlySomeReasons: crl.AllReasons, OnlyCACerts: true, Indirect: true, FullName: [][]byte{uri("x")}},
		},
		"reasons with unknown bits": {pki.IDP{RawReasons: []byte{0, 0xc0, 0x7f}}, idp{OnlySomeReasons: 1 << 1}},
	} {
		o := sound()
		o.IDP = &c.made
		if got := read(t, pkitest.CRL(t, ca, o)).IDP; !reflect.DeepEqual(*got, c.want) {
			t.Errorf("%s: %+v, want %+v", name, *got, c.want)
		}
	}
	if got := read(t, pkitest.CRL(t, ca, sound())).IDP; got != nil {
		t.Errorf("no IDP: %+v", got)
	}
}

// TestCertificateIssuerCarriesForward: each entry is of the issuer named last
// (RFC 5280 §5.3.3), whatever batch it falls in.
func TestCertificateIssuerCarriesForward(t *testing.T) {
	ca := testCA(t)
	names := map[int][]byte{}
	for _, at := range []int{3, 4, 2048, 5000, 5001} {
		name, err := pki.RawName([]pki.Attribute{{Type: pki.OIDCommonName, Value: strings.Repeat("x", at%60+1)}})
		if err != nil {
			t.Fatal(err)
		}
		names[at] = name
	}
	names[5002] = names[5001] // named again
	o := sound(many(9000)...)
	o.IDP = &pki.IDP{Indirect: true}
	for at, name := range names {
		o.Entries[at].CertificateIssuer = name
	}
	i, current := 0, []byte(nil)
	list, err := crl.Read(bytes.NewReader(pkitest.CRL(t, ca, o)), crl.Options{}, func(b *crl.Batch) error {
		for range b.Len() {
			if name, ok := names[i]; ok {
				current = wrapped(0x30, pki.DirectoryName(name))
			}
			if !bytes.Equal(b.CertificateIssuer, current) {
				t.Fatalf("entry %d is of issuer %x, want %x", i, b.CertificateIssuer, current)
			}
			i++
		}
		return nil
	})
	if err != nil || i != 9000 || !list.Indirect {
		t.Fatalf("%d entries, %v", i, err)
	}
}

func wrapped(tag byte, contents []byte) []byte {
	return append([]byte{tag, byte(len(contents))}, contents...) // short ones only
}

// TestCertificateIssuerNeedsIndirect holds also where a CRL number may be
// missing and the CRL has no extensions at all, and where it has a scope that
// does not say so.
func TestCertificateIssuerNeedsIndirect(t *testing.T) {
	ca := testCA(t)
	o := sound(many(3)...)
	o.Number, o.NoAuthorityKeyID = nil, true
	o.Entries[1].CertificateIssuer = ca.Name()
	der := pkitest.CRL(t, ca, o)
	for _, opts := range []crl.Options{{}, {AllowNoNumber: true}} {
		_, err := crl.Read(bytes.NewReader(der), opts, nil)
		var e *crl.Error
		want := crl.CertificateIssuerStray
		if !opts.AllowNoNumber {
			want = crl.NumberMissing
		}
		if !errors.As(err, &e) || e.Code != want {
			t.Errorf("%+v: %v, want %s", opts, err, want)
		}
	}
	for _, idp := range []pki.IDP{{OnlyUser: true}, {FullNames: []string{"http://a"}}, {Indirect: true}} {
		o.Number, o.IDP = big.NewInt(7), &idp
		_, err := crl.Read(bytes.NewReader(pkitest.CRL(t, ca, o)), crl.Options{}, nil)
		var e *crl.Error
		if refused := errors.As(err, &e) && e.Code == crl.CertificateIssuerStray; refused == idp.Indirect || err != nil && !refused {
			t.Errorf("%+v: %v", idp, err)
		}
	}
}

func TestListFields(t *testing.T) {
	ca := testCA(t)
	o := sound()
	o.BaseNumber = big.NewInt(5)
	o.AuthorityKeyID = []byte{1, 2, 3}
	list := read(t, pkitest.CRL(t, ca, o))
	if !list.Delta() || list.BaseNumber.Int64() != 5 || list.Number.Int64() != 7 || list.Version != 2 ||
		!bytes.Equal(list.AuthorityKeyID, []byte{1, 2, 3}) || list.FreshestCRL || list.Entries != 0 {
		t.Errorf("%+v", list)
	}
	v1 := pki.CRLOptions{Version: 1, ThisUpdate: now, Entries: []pki.Entry{{Serial: big.NewInt(1)}}}
	list, err := crl.Read(bytes.NewReader(pkitest.CRL(t, ca, v1)), crl.Options{AllowNoNumber: true}, nil)
	if err != nil || list.Version != 1 || list.Number != nil || list.Delta() || !list.NextUpdate.IsZero() || list.Entries != 1 {
		t.Errorf("v1: %+v, %v", list, err)
	}
	if !read(t, corpusFile(t, "sound/freshest_crl.crl")).FreshestCRL {
		t.Error("freshestCRL is not reported")
	}
	if id := read(t, corpusFile(t, "sound/aki_issuer_and_serial.crl")).AuthorityKeyID; id != nil {
		t.Errorf("key identifier %x where there is none", id)
	}
}

func TestContentID(t *testing.T) {
	ca := testCA(t)
	first, second := pkitest.CRL(t, ca, sound(many(2)...)), pkitest.CRL(t, ca, sound(many(2)...))
	if id := read(t, corpusFile(t, "defects/algorithm_md5.crl")).ContentID(); !strings.HasPrefix(id, "SHA-256:") || len(id) != len("SHA-256:")+64 {
		t.Errorf("of an algorithm that is not supported: %s", id)
	}
	if bytes.Equal(first, second) {
		t.Fatal("ECDSA signed the same twice")
	}
	a, b, c := read(t, first), read(t, second), read(t, pkitest.CRL(t, ca, sound(many(3)...)))
	if a.ContentID() != b.ContentID() || a.ContentID() == c.ContentID() || !strings.HasPrefix(a.ContentID(), "SHA-256:") {
		t.Errorf("%s, %s, %s", a.ContentID(), b.ContentID(), c.ContentID())
	}
}

func TestCurrentAt(t *testing.T) {
	list := crl.List{ThisUpdate: now, NextUpdate: now.Add(time.Hour)}
	for d, want := range map[time.Duration]bool{-1: false, 0: true, time.Hour: true, time.Hour + 1: false} {
		if list.CurrentAt(now.Add(d)) != want {
			t.Errorf("%v after thisUpdate: not %v", d, want)
		}
	}
	list.NextUpdate = time.Time{}
	if list.CurrentAt(now) || (&crl.List{}).CurrentAt(time.Time{}) {
		t.Error("current without nextUpdate")
	}
}

// TestMaxBytes: exactly as many octets as allowed are read, of DER and of PEM.
func TestMaxBytes(t *testing.T) {
	der := pkitest.CRL(t, testCA(t), sound(many(3)...))
	for _, file := range [][]byte{der, pki.CRLPEM(der)} {
		for extra, want := range map[int64]crl.Code{-1: crl.TooLarge, -100: crl.TooLarge, 0: "", 1: ""} {
			_, err := crl.Read(bytes.NewReader(file), crl.Options{MaxBytes: int64(len(file)) + extra}, nil)
			var e *crl.Error
			if errors.As(err, &e) && e.Code != want || (err == nil) != (want == "") {
				t.Errorf("%d octets and a limit of %+d: %v", len(file), extra, err)
			}
		}
	}
}

// TestDatesAreClamped: revocation dates outside 32 bits of seconds keep their
// order, at the border.
func TestDatesAreClamped(t *testing.T) {
	ca := testCA(t)
	dates := map[string]uint32{"1950-01-01": 0, "1970-01-02": 86400, "2049-12-31": 2524521600, "2106-02-07": 1<<32 - 1 - 23295, "2107-01-01": 1<<32 - 1, "9999-12-31": 1<<32 - 1}
	for day, want := range dates {
		date, err := time.Parse(time.DateOnly, day)
		if err != nil {
			t.Fatal(err)
		}
		o := sound(pki.Entry{Serial: big.NewInt(1), Date: date})
		_, err = crl.Read(bytes.NewReader(pkitest.CRL(t, ca, o)), crl.Options{}, func(b *crl.Batch) error {
			if b.Dates[0] != want {
				t.Errorf("%s reads as %d, want %d", day, b.Dates[0], want)
			}
			return nil
		})
		if err != nil {
			t.Error(err)
		}
	}
}

func TestReasonNames(t *testing.T) {
	for r, want := range map[crl.Reason]string{0: "unspecified", 1: "keyCompromise", 7: "reason(7)", 8: "removeFromCRL", 10: "aACompromise", 11: "reason(11)", 255: "reason(255)"} {
		if got := r.String(); got != want {
			t.Errorf("Reason(%d) is %q, want %q", uint8(r), got, want)
		}
	}
}
