package pki_test

import (
	"bytes"
	"crypto/x509/pkix"
	"encoding/asn1"
	"math/big"
	"slices"
	"testing"
	"time"

	"github.com/crlgate/crlgate/internal/pki"
	"github.com/crlgate/crlgate/internal/pki/pkitest"
)

// fields returns the elements of the tbsCertList, the outer algorithm, and what
// follows the CRL. It reads with encoding/asn1, since crypto/x509 refuses most
// defects as a whole.
func fields(t *testing.T, der []byte) (tbs []asn1.RawValue, outer, rest []byte) {
	t.Helper()
	var list struct {
		TBS       asn1.RawValue
		Algorithm asn1.RawValue
		Signature asn1.BitString
	}
	rest, err := asn1.Unmarshal(der, &list)
	if err != nil {
		t.Fatal(err)
	}
	for b := list.TBS.Bytes; len(b) > 0; {
		var v asn1.RawValue
		if b, err = asn1.Unmarshal(b, &v); err != nil {
			t.Fatal(err)
		}
		tbs = append(tbs, v)
	}
	return tbs, list.Algorithm.FullBytes, rest
}

func tags(tbs []asn1.RawValue) []int {
	var out []int
	for _, v := range tbs {
		out = append(out, v.Tag+0x100*v.Class)
	}
	return out
}

const (
	integer  = asn1.TagInteger
	sequence = asn1.TagSequence
	utc      = asn1.TagUTCTime
	general  = asn1.TagGeneralizedTime
	exts     = 0x100 * asn1.ClassContextSpecific
)

func TestShapeOfTBSCertList(t *testing.T) {
	ca := pkitest.CA(t, pki.CAOptions{Name: pkix.Name{CommonName: "ca"}})
	for name, test := range map[string]struct {
		edit func(o *pki.CRLOptions)
		want []int
	}{
		"sound":        {func(*pki.CRLOptions) {}, []int{integer, sequence, sequence, utc, utc, exts}},
		"entries":      {func(o *pki.CRLOptions) { o.Entries = entries(1) }, []int{integer, sequence, sequence, utc, utc, sequence, exts}},
		"entry seq":    {func(o *pki.CRLOptions) { o.EntrySeq = slices.Values(entries(1)) }, []int{integer, sequence, sequence, utc, utc, sequence, exts}},
		"empty":        {func(o *pki.CRLOptions) { o.EmptyRevoked = true }, []int{integer, sequence, sequence, utc, utc, sequence, exts}},
		"v1":           {func(o *pki.CRLOptions) { o.Version, o.Number = 1, nil }, []int{sequence, sequence, utc, utc}},
		"no extension": {func(o *pki.CRLOptions) { o.Number, o.NoAuthorityKeyID = nil, true }, []int{integer, sequence, sequence, utc, utc}},
		"nextUpdate":   {func(o *pki.CRLOptions) { o.NextUpdate = time.Time{} }, []int{integer, sequence, sequence, utc, exts}},
		"2050":         {func(o *pki.CRLOptions) { o.NextUpdate = thisUpdate.AddDate(24, 0, 0) }, []int{integer, sequence, sequence, utc, general, exts}},
		"generalized":  {func(o *pki.CRLOptions) { o.TimeForm = pki.TimeGeneralized }, []int{integer, sequence, sequence, general, general, exts}},
		"raw time":     {func(o *pki.CRLOptions) { o.RawNextUpdate = []byte{5, 0} }, []int{integer, sequence, sequence, utc, asn1.TagNull, exts}},
	} {
		t.Run(name, func(t *testing.T) {
			o := sound()
			test.edit(&o)
			tbs, _, _ := fields(t, pkitest.CRL(t, ca, o))
			if got := tags(tbs); !slices.Equal(got, test.want) {
				t.Errorf("tags %x, want %x", got, test.want)
			}
		})
	}
}

func TestDefectsAreWritten(t *testing.T) {
	ca := pkitest.CA(t, pki.CAOptions{Name: pkix.Name{CommonName: "ca"}})
	null := []byte{5, 0}
	o := sound()
	o.Version = 3
	o.InnerAlgorithm = null
	o.OuterAlgorithm = []byte{0x30, 0}
	o.Issuer = []byte{0x31, 0}
	o.NumberRaw = []byte{0, 0, 1}
	o.Trailing = []byte("junk")
	o.Entries = []pki.Entry{
		{RawSerial: []byte{0, 0x7f}, Date: thisUpdate},
		{Raw: null},
		{Serial: big.NewInt(1), EmptyExtensions: true},
		{Serial: big.NewInt(2), ExtraExtensions: []pkix.Extension{{Id: asn1.ObjectIdentifier{1, 2, 3}, Critical: true, Value: null}}},
	}
	tbs, outer, rest := fields(t, pkitest.CRL(t, ca, o))
	if !bytes.Equal(tbs[0].Bytes, []byte{2}) || !bytes.Equal(tbs[1].FullBytes, null) || !bytes.Equal(tbs[2].FullBytes, []byte{0x31, 0}) {
		t.Errorf("version % x, algorithm % x, issuer % x", tbs[0].Bytes, tbs[1].FullBytes, tbs[2].FullBytes)
	}
	if !bytes.Equal(outer, []byte{0x30, 0}) || string(rest) != "junk" {
		t.Errorf("outer algorithm % x, trailing %q", outer, rest)
	}
	date := append([]byte{utc, 13}, "261101000000Z"...)
	want := slices.Concat(
		[]byte{0x30, 19, 2, 2, 0, 0x7f}, date, null,
		[]byte{0x30, 20, 2, 1, 1}, date, []byte{0x30, 0},
		[]byte{0x30, 33, 2, 1, 2}, date, []byte{0x30, 13, 0x30, 11, 6, 2, 0x2a, 3, 1, 1, 0xff, 4, 2, 5, 0},
	)
	if !bytes.Equal(tbs[5].Bytes, want) {
		t.Errorf("entries\n% x, want\n% x", tbs[5].Bytes, want)
	}
	if !bytes.Contains(tbs[6].Bytes, []byte{4, 5, 2, 3, 0, 0, 1}) {
		t.Errorf("extensions % x lack the CRL number as given", tbs[6].Bytes)
	}
}

func TestEditsAreAppliedInTheirPlaces(t *testing.T) {
	ca := pkitest.CA(t, pki.CAOptions{Name: pkix.Name{CommonName: "ca"}, Key: pki.Ed25519})
	o := sound()
	var order []string
	o.EditTBS = func(b []byte) []byte { order = append(order, "tbs"); return []byte{0x30, 2, 5, 0} }
	o.EditSignature = func(b []byte) []byte { order = append(order, "signature"); return []byte{1} }
	o.EditDER = func(b []byte) []byte { order = append(order, "der"); return append(b, 0xaa) }
	o.Trailing = []byte{0xbb}
	want := []byte{0x30, 15, 0x30, 2, 5, 0, 0x30, 5, 6, 3, 0x2b, 0x65, 0x70, 3, 2, 0, 1, 0xaa, 0xbb}
	if got := pkitest.CRL(t, ca, o); !bytes.Equal(got, want) {
		t.Errorf("% x, want % x", got, want)
	}
	if !slices.Equal(order, []string{"tbs", "signature", "der"}) {
		t.Errorf("order %v", order)
	}
}

func TestUnusableOptionsAreRefused(t *testing.T) {
	ca := pkitest.CA(t, pki.CAOptions{Name: pkix.Name{CommonName: "ca"}})
	for name, edit := range map[string]func(o *pki.CRLOptions){
		"no thisUpdate":       func(o *pki.CRLOptions) { o.ThisUpdate = time.Time{} },
		"entry without":       func(o *pki.CRLOptions) { o.Entries = []pki.Entry{{}} },
		"reason over 127":     func(o *pki.CRLOptions) { o.Entries = []pki.Entry{{Serial: big.NewInt(1), Reason: 200}} },
		"RSA with an EC key":  func(o *pki.CRLOptions) { o.SignatureAlgorithm = pki.PKCS1v15(0) },
		"hash without an OID": func(o *pki.CRLOptions) { o.SignatureAlgorithm.Hash = 19 },
	} {
		t.Run(name, func(t *testing.T) {
			o := sound()
			edit(&o)
			if der, err := ca.CRL(o); err == nil {
				t.Errorf("made % x", der)
			}
		})
	}
}
