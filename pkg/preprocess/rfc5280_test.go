package preprocess_test

import (
	"bytes"
	"crypto/x509/pkix"
	"encoding/asn1"
	"fmt"
	"math/big"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/crlgate/crlgate/internal/pki"
	"github.com/crlgate/crlgate/internal/pki/pkitest"
	"github.com/crlgate/crlgate/pkg/catalog"
	"github.com/crlgate/crlgate/pkg/crl"
	"github.com/crlgate/crlgate/pkg/objectstore"
	"github.com/crlgate/crlgate/pkg/preprocess"
)

func deltaOf(t testing.TB, ca *pki.CA, number, base int64, serials ...int64) []byte {
	t.Helper()
	return crlWith(t, ca, pki.CRLOptions{Number: big.NewInt(number), BaseNumber: big.NewInt(base), Entries: entries(serials...)})
}

// TestDeltaInEitherOrder: a delta waits for its base, whichever comes first,
// and whatever their keys sort like.
func TestDeltaInEitherOrder(t *testing.T) {
	for _, keys := range [][2]string{{"crls/a.crl", "crls/b.crl"}, {"crls/b.crl", "crls/a.crl"}} {
		base, delta := keys[0], keys[1]
		for _, deltaFirst := range []bool{true, false} {
			w := newWorld(t)
			ca := newCA(t, "Delta")
			w.upload("issuers/ca.pem", ca.PEM())
			if deltaFirst {
				w.upload(delta, deltaOf(t, ca, 5, 4, 2))
				w.wantOutcome(delta, "pending delta_base_missing")
				w.wantInForce()
			}
			w.upload(base, crlOf(t, ca, 4, 1))
			if !deltaFirst {
				w.upload(delta, deltaOf(t, ca, 5, 4, 2))
			}
			w.wantOutcome(base, "accepted accepted")
			w.wantOutcome(delta, "accepted accepted")
			w.wantInForce("ca #4 "+base, "ca #5 "+delta)
		}
		// Both, and their issuer, in one go.
		w := newWorld(t)
		ca := newCA(t, "Delta")
		w.uploads.Store(delta, deltaOf(t, ca, 5, 4, 2))
		w.uploads.Store(base, crlOf(t, ca, 4, 1))
		w.upload("issuers/ca.pem", ca.PEM())
		w.wantInForce("ca #4 "+base, "ca #5 "+delta)
	}
}

// TestDeltaWaitsForItsOwnBase: a delta whose base is newer than the complete
// CRL in force waits on, and is not read again until that has come.
func TestDeltaWaitsForItsOwnBase(t *testing.T) {
	w := newWorld(t)
	ca := newCA(t, "Delta")
	w.upload("issuers/ca.pem", ca.PEM())
	w.upload("crls/base.crl", crlOf(t, ca, 4, 1))
	w.upload("crls/delta.crl", deltaOf(t, ca, 8, 7, 2))
	w.wantOutcome("crls/delta.crl", "pending delta_base_missing")
	w.upload("crls/base.crl", crlOf(t, ca, 6, 1))
	w.wantOutcome("crls/delta.crl", "pending delta_base_missing")
	before := w.reads("crls/delta.crl")
	w.reconcile()
	w.reconcile()
	if n := w.reads("crls/delta.crl"); n != before {
		t.Errorf("the delta was read %d times while nothing that it waits for had come", n-before)
	}
	w.upload("crls/base.crl", crlOf(t, ca, 7, 1))
	w.wantOutcome("crls/delta.crl", "accepted accepted")
	w.wantInForce("ca #7 crls/base.crl", "ca #8 crls/delta.crl")
}

// TestDeltaNumbers: within its line a delta's number never goes down, and says
// nothing of the complete CRL's line (RFC 5280 §5.2.3, §5.2.4).
func TestDeltaNumbers(t *testing.T) {
	w := newWorld(t)
	ca := newCA(t, "Delta")
	w.upload("issuers/ca.pem", ca.PEM())
	w.upload("crls/base.crl", crlOf(t, ca, 4, 1))
	w.upload("crls/delta.crl", deltaOf(t, ca, 6, 4, 2))
	w.wantOutcome("crls/delta.crl", "accepted accepted")
	for _, c := range []struct {
		number, base int64
		want         string
	}{
		{5, 4, "refused number_too_low"},
		{6, 3, "refused number_reused"},
		{4, 4, "refused number_too_low"},
		{3, 4, "refused delta_number_conflict"},
		{7, 5, "pending delta_base_missing"},
		{7, 4, "accepted accepted"},
	} {
		w.upload("crls/delta.crl", deltaOf(t, ca, c.number, c.base, 2))
		w.wantOutcome("crls/delta.crl", c.want)
	}
	// A complete CRL of a lower number than the delta's goes in: the lines are two.
	w.upload("crls/base.crl", crlOf(t, ca, 5, 1))
	w.wantOutcome("crls/base.crl", "accepted accepted")
	w.wantInForce("ca #5 crls/base.crl", "ca #7 crls/delta.crl")
	// One to its own number enters, and is the first of the line no longer.
	w.upload("crls/delta.crl", deltaOf(t, ca, 8, 8))
	w.wantOutcome("crls/delta.crl", "pending delta_base_missing")
	w.upload("crls/base.crl", crlOf(t, ca, 8, 1))
	w.wantOutcome("crls/delta.crl", "accepted accepted")
	w.wantInForce("ca #8 crls/base.crl", "ca #8 crls/delta.crl")
	if r := w.report("crls/delta.crl"); len(r.Warnings) != 0 {
		t.Errorf("a delta without entries, issued with its base: %q", r.Warnings)
	}
	w.upload("crls/delta.crl", deltaOf(t, ca, 8, 7))
	w.wantOutcome("crls/delta.crl", "refused number_reused")
	w.upload("crls/base.crl", crlOf(t, ca, 9, 1))
	w.upload("crls/delta.crl", deltaOf(t, ca, 9, 9, 2))
	w.wantOutcome("crls/delta.crl", "accepted accepted")
	if r := w.report("crls/delta.crl"); len(r.Warnings) != 1 || !strings.Contains(r.Detail, "Warning: it is a delta to CRL number 9, which is its own number, and has entries") {
		t.Errorf("a delta with entries, of its base's number: %q", r.Detail)
	}
	// thisUpdate does not go back either.
	w.upload("crls/delta.crl", crlWith(t, ca, pki.CRLOptions{Number: big.NewInt(10), BaseNumber: big.NewInt(5), ThisUpdate: now.Add(-2 * time.Hour)}))
	w.wantOutcome("crls/delta.crl", "refused this_update_went_back")
}

// TestDeltaFloor: a delta's floor outlives the CA: an older delta does not come
// back with it.
func TestDeltaFloor(t *testing.T) {
	w := newWorld(t)
	ca := newCA(t, "Delta")
	old := deltaOf(t, ca, 5, 4)
	w.upload("issuers/ca.pem", ca.PEM())
	w.upload("crls/base.crl", crlOf(t, ca, 4, 1))
	w.upload("crls/delta.crl", deltaOf(t, ca, 6, 4, 2))
	w.remove("issuers/ca.pem")
	w.wantInForce()
	w.uploads.Store("crls/delta.crl", old)
	w.upload("issuers/ca.pem", ca.PEM())
	w.wantOutcome("crls/delta.crl", "refused number_too_low")
	w.wantInForce("ca #4 crls/base.crl")
	w.upload("crls/delta.crl", deltaOf(t, ca, 7, 4, 2))
	w.wantInForce("ca #4 crls/base.crl", "ca #7 crls/delta.crl")
}

// TestDeltaExpired: a delta past its nextUpdate enters, since what it lists is
// revoked; a complete CRL with nothing to replace does not.
func TestDeltaExpired(t *testing.T) {
	w := newWorld(t)
	ca := newCA(t, "Delta")
	w.upload("issuers/ca.pem", ca.PEM())
	past := pki.CRLOptions{Number: big.NewInt(4), ThisUpdate: now.Add(-2 * time.Hour), NextUpdate: now.Add(-time.Hour)}
	w.upload("crls/base.crl", crlWith(t, ca, past))
	w.wantOutcome("crls/base.crl", "pending expired")
	past.Number, past.BaseNumber, past.Entries = big.NewInt(5), big.NewInt(4), entries(2)
	w.upload("crls/delta.crl", crlWith(t, ca, past))
	w.wantOutcome("crls/delta.crl", "pending delta_base_missing")
	w.upload("crls/base.crl", crlOf(t, ca, 4, 1))
	w.wantOutcome("crls/delta.crl", "accepted accepted")
	if !w.revoked("ca", 2) {
		t.Error("what the expired delta lists is not revoked")
	}
}

// TestExpiredComesBack: a CRL past its nextUpdate that served before its CA
// was withdrawn serves again with it, and so does a newer one.
func TestExpiredComesBack(t *testing.T) {
	w := newWorld(t)
	ca := newCA(t, "Withdrawn")
	w.upload("issuers/ca.pem", ca.PEM())
	w.upload("crls/ca.crl", crlOf(t, ca, 4, 1))
	w.remove("issuers/ca.pem")
	w.now = now.AddDate(0, 0, 7)
	w.upload("issuers/ca.pem", ca.PEM())
	w.wantInForce("ca #4 crls/ca.crl")
	w.remove("issuers/ca.pem")
	w.uploads.Store("crls/ca.crl", crlOf(t, ca, 5, 1))
	w.upload("issuers/ca.pem", ca.PEM())
	w.wantInForce("ca #5 crls/ca.crl")
}

// TestIndirectSets: an indirect CRL has a set for each certificate issuer, all
// of them there before the catalog names any.
func TestIndirectSets(t *testing.T) {
	w := newWorld(t)
	lists, a, b := newCA(t, "Lists"), newCA(t, "A"), newCA(t, "B")
	w.upload("issuers/lists.pem", lists.PEM())
	es := entries(1, 2, 3, 4, 5, 6)
	es[1].CertificateIssuer, es[3].CertificateIssuer, es[4].CertificateIssuer = a.Name(), b.Name(), lists.Name()
	w.cache.ResetCalls()
	w.upload("crls/indirect.crl", crlWith(t, lists, pki.CRLOptions{Number: big.NewInt(1), IDP: &pki.IDP{Indirect: true}, Entries: es}))
	w.wantOutcome("crls/indirect.crl", "accepted accepted")
	w.wantInForce("lists #1 crls/indirect.crl")
	if r := w.report("crls/indirect.crl"); r.Entries == nil || *r.Entries != 6 {
		t.Errorf("the report counts %v entries", r.Entries)
	}
	record := w.catalog().CAs["lists"].CRLs[0]
	if len(record.Others) != 2 || record.Entries != 3 || record.Others[0].Entries != 2 || record.Others[1].Entries != 1 {
		t.Errorf("own entries %d, others %+v", record.Entries, record.Others)
	}
	named := map[string]bool{}
	for _, c := range w.cache.Calls() {
		if c.Op == objectstore.OpPut && c.Err == nil {
			if c.Key == catalog.Key {
				for _, s := range record.AllSets() {
					if !named[s.Key] {
						t.Errorf("the catalog was written before %s", s.Key)
					}
				}
			}
			named[c.Key] = true
		}
	}
}

// TestIndirectSetFails: where one of several sets cannot be written, the
// catalog does not name the CRL.
func TestIndirectSetFails(t *testing.T) {
	w := newWorld(t)
	lists, a := newCA(t, "Lists"), newCA(t, "A")
	w.upload("issuers/lists.pem", lists.PEM())
	es := entries(1, 2)
	es[1].CertificateIssuer = a.Name()
	var sets atomic.Int32
	w.cache.Before(func(op objectstore.Op, key string) error {
		if op != objectstore.OpPut || !strings.HasPrefix(key, catalog.SetPrefix) {
			return nil
		}
		if sets.Add(1) == 2 {
			return fmt.Errorf("%s: %w", key, objectstore.ErrUnavailable)
		}
		return nil
	})
	w.uploads.Store("crls/indirect.crl", crlWith(t, lists, pki.CRLOptions{Number: big.NewInt(1), IDP: &pki.IDP{Indirect: true}, Entries: es}))
	if err := w.tryHandle("crls/indirect.crl"); err == nil {
		t.Error("no error, though a set could not be written")
	}
	w.wantInForce()
	w.cache.Before(nil)
	w.handle("crls/indirect.crl")
	w.wantInForce("lists #1 crls/indirect.crl")
}

// issuersCRL has one entry for each of n certificate issuers.
func issuersCRL(t *testing.T, ca *pki.CA, n int) []byte {
	t.Helper()
	es := make([]pki.Entry, n)
	for i := range es {
		name, err := pki.RawName([]pki.Attribute{{Type: pki.OIDCommonName, Value: fmt.Sprintf("Issuer %d", i)}})
		if err != nil {
			t.Fatal(err)
		}
		es[i] = pki.Entry{Serial: big.NewInt(int64(i)), CertificateIssuer: name}
	}
	return crlWith(t, ca, pki.CRLOptions{Number: big.NewInt(1), IDP: &pki.IDP{Indirect: true}, Entries: es})
}

// TestTooManyIssuers: the number of certificate issuers of one CRL is bounded.
func TestTooManyIssuers(t *testing.T) {
	ca := newCA(t, "Lists")
	c, err := preprocess.ReadCRL(bytes.NewReader(issuersCRL(t, ca, preprocess.MaxIssuers)), crl.Options{})
	if err != nil || len(c.Others) != preprocess.MaxIssuers || c.Entries() != preprocess.MaxIssuers {
		t.Errorf("at the bound: %v", err)
	}
	w := newWorld(t)
	w.upload("issuers/ca.pem", ca.PEM())
	w.upload("crls/many.crl", issuersCRL(t, ca, preprocess.MaxIssuers+1))
	w.wantOutcome("crls/many.crl", "refused too_many_issuers")
}

// TestCertificateIssuerWithoutName: an entry whose issuer cannot be told
// refuses the whole CRL; one of several directory names counts for each.
func TestCertificateIssuerWithoutName(t *testing.T) {
	ca, a, b := newCA(t, "Lists"), newCA(t, "A"), newCA(t, "B")
	read := func(general ...[]byte) (*preprocess.Candidate, error) {
		value, err := asn1.Marshal(asn1.RawValue{Tag: asn1.TagSequence, IsCompound: true, Bytes: bytes.Join(general, nil)})
		if err != nil {
			t.Fatal(err)
		}
		es := entries(1)
		es[0].ExtraExtensions = []pkix.Extension{{Id: asn1.ObjectIdentifier{2, 5, 29, 29}, Critical: true, Value: value}}
		return preprocess.ReadCRL(bytes.NewReader(crlWith(t, ca, pki.CRLOptions{Number: big.NewInt(1), IDP: &pki.IDP{Indirect: true}, Entries: es})), crl.Options{})
	}
	dns := append([]byte{0x82, 1}, 'a')
	_, err := read(dns)
	if r, ok := err.(*preprocess.Refusal); !ok || r.Code != preprocess.Code(crl.EntryExtensionMalformed) || r.Pending {
		t.Errorf("without directory name: %v", err)
	}
	for _, c := range []struct {
		general [][]byte
		own     int
		others  []int
	}{
		{[][]byte{dns, pki.DirectoryName(a.Name())}, 0, []int{1}},
		{[][]byte{pki.DirectoryName(a.Name()), pki.DirectoryName(b.Name())}, 0, []int{1, 1}},
		{[][]byte{pki.DirectoryName(a.Name()), pki.DirectoryName(a.Name())}, 0, []int{1}},
		{[][]byte{pki.DirectoryName(ca.Name()), pki.DirectoryName(b.Name())}, 1, []int{1}},
	} {
		got, err := read(c.general...)
		if err != nil {
			t.Fatal(err)
		}
		var others []int
		for _, o := range got.Others {
			others = append(others, o.Image.Len())
		}
		if got.Image.Len() != c.own || fmt.Sprint(others) != fmt.Sprint(c.others) {
			t.Errorf("%x: own %d, others %v; want %d, %v", c.general, got.Image.Len(), others, c.own, c.others)
		}
	}
}

// TestScopeIsTheSameHoweverWritten: a line depends on what a scope means, and
// not on the way it is written (RFC 5280 §7.1).
func TestScopeIsTheSameHoweverWritten(t *testing.T) {
	w := newWorld(t)
	raw := func(cn string, tag int) []byte {
		name, err := pki.RawName([]pki.Attribute{{Type: pki.OIDOrganization, Value: "Partner", Tag: tag}}, []pki.Attribute{{Type: pki.OIDCommonName, Value: cn, Tag: tag}})
		if err != nil {
			t.Fatal(err)
		}
		return name
	}
	ca := pkitest.CA(t, pki.CAOptions{RawSubject: raw("Scope", asn1.TagPrintableString)})
	relative, err := pki.RelativeName([]pki.Attribute{{Type: pki.OIDCommonName, Value: "Part 1"}})
	if err != nil {
		t.Fatal(err)
	}
	full, err := pki.RawName([]pki.Attribute{{Type: pki.OIDOrganization, Value: "partner"}}, []pki.Attribute{{Type: pki.OIDCommonName, Value: "SCOPE"}}, []pki.Attribute{{Type: pki.OIDCommonName, Value: "part  1", Tag: asn1.TagPrintableString}})
	if err != nil {
		t.Fatal(err)
	}
	w.upload("issuers/ca.pem", ca.PEM())
	for i, c := range []struct {
		idp    pki.IDP
		issuer []byte
	}{
		{pki.IDP{Relative: relative}, nil},
		{pki.IDP{RawNames: [][]byte{pki.DirectoryName(full)}}, raw(" scope ", asn1.TagBMPString)},
		{pki.IDP{RawNames: [][]byte{pki.DirectoryName(full), pki.DirectoryName(full)}}, nil},
	} {
		w.upload("crls/scope.crl", crlWith(t, ca, pki.CRLOptions{Number: big.NewInt(int64(i + 1)), IDP: &c.idp, Issuer: c.issuer}))
		w.wantOutcome("crls/scope.crl", "accepted accepted")
		w.wantInForce(fmt.Sprintf("ca #%d crls/scope.crl", i+1))
	}
	// URIs are compared octet by octet: another scope.
	for i, uri := range []string{"http://crl.example.com/a", "http://CRL.example.com/a"} {
		w.upload(fmt.Sprintf("crls/uri%d.crl", i), crlWith(t, ca, pki.CRLOptions{Number: big.NewInt(1), IDP: &pki.IDP{FullNames: []string{uri}}}))
	}
	w.wantInForce("ca #1 crls/uri0.crl", "ca #1 crls/uri1.crl", "ca #3 crls/scope.crl")
}
