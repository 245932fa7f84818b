package preprocess_test

import (
	"fmt"
	"math/big"
	"strings"
	"testing"
	"time"

	"github.com/crlgate/crlgate/internal/pki"
	"github.com/crlgate/crlgate/pkg/issuer"
	"github.com/crlgate/crlgate/pkg/objectstore"
	"github.com/crlgate/crlgate/pkg/objectstore/objectstoretest"
)

const (
	pem      = "issuers/a.pem"
	settings = "issuers/a.json"
	key      = "crls/a.crl"
)

// withCRL is a world in which CA a has CRL number 5, which lists 1 and 2.
func withCRL(t *testing.T, opts ...objectstoretest.Option) (*world, *pki.CA) {
	t.Helper()
	w, ca := newWorld(t, opts...), newCA(t, "a")
	w.upload(pem, ca.PEM())
	w.upload(key, crlOf(t, ca, 5, 1, 2))
	w.wantInForce("a #5 " + key)
	return w, ca
}

func TestIssuerThenCRL(t *testing.T) {
	w, _ := withCRL(t)
	w.wantOutcome(pem, "accepted accepted")
	w.wantOutcome(key, "accepted accepted")
	if !w.revoked("a", 1) || !w.revoked("a", 2) || w.revoked("a", 3) {
		t.Error("the set lists other serial numbers")
	}
	if got, want := w.report(key).Detail, "CRL number 5 of CA a is in force, with 2 entries, until 2026-11-16T11:00:00Z"; got != want {
		t.Errorf("%s\nwant %s", got, want)
	}
	if n := w.metrics.count("accepted a crls_2fa.crl 2 23h0m0s"); n != 1 {
		t.Errorf("%d of %q", n, w.metrics.got)
	}
	if n := w.metrics.count("issuers a"); n != 1 {
		t.Errorf("%d of %q", n, w.metrics.got)
	}
}

func TestCRLThenIssuer(t *testing.T) {
	w, ca := newWorld(t), newCA(t, "a")
	w.upload(key, crlOf(t, ca, 5, 1))
	w.wantOutcome(key, "pending issuer_unknown")
	if got, want := w.report(key).Detail, "no CA is known whose name is CN=a,O=Partner; upload its certificate as issuers/<name>.pem, and this CRL will count"; got != want {
		t.Errorf("%s\nwant %s", got, want)
	}
	w.upload(pem, ca.PEM())
	w.wantOutcome(key, "accepted accepted")
	w.wantInForce("a #5 " + key)
}

// TestRetryAfterIssuer: the issuer entered, then S3 failed. Lambda sends the
// event again, and the CRL that waited counts.
func TestRetryAfterIssuer(t *testing.T) {
	w, ca := newWorld(t), newCA(t, "a")
	w.upload(key, crlOf(t, ca, 5, 1))
	w.uploads.Store(pem, ca.PEM())
	w.uploads.Before(func(op objectstore.Op, k string) error {
		if k == key {
			return objectstoretest.Answer(503, "SlowDown")
		}
		return nil
	})
	if err := w.tryHandle(pem); err == nil {
		t.Fatal("no error, so Lambda would not try again")
	}
	w.uploads.Before(nil)
	w.handle(pem)
	w.wantInForce("a #5 " + key)
}

func TestSettings(t *testing.T) {
	w, ca := newWorld(t), newCA(t, "a")
	w.upload(settings, []byte(`{"mode":"observe"}`))
	w.wantOutcome(settings, "pending settings_without_issuer")
	w.upload(pem, ca.PEM())
	w.wantOutcome(settings, "accepted accepted")
	if s := w.catalog().CAs["a"].Settings; !s.Observe() {
		t.Errorf("%+v", s)
	}
	before := w.catalogVersion()
	for file, want := range map[string]string{
		`{"mood":"observe"}`: "refused settings_unknown_key", `{`: "refused settings_malformed",
		`{"deny":[null]}`: "refused settings_invalid_value", strings.Repeat(" ", issuer.MaxFile+1): "refused issuer_file_too_large",
	} {
		w.upload(settings, []byte(file))
		w.wantOutcome(settings, want)
	}
	if w.catalogVersion() != before {
		t.Error("a refused file changed the catalog")
	}
	w.remove(settings)
	w.wantOutcome(settings, "deleted deleted")
	if s := w.catalog().CAs["a"].Settings; s.Observe() {
		t.Errorf("%+v", s)
	}
	w.upload(settings, []byte(`{"allow_until":"2026-11-16T00:00:00Z"}`))
	w.now = now.AddDate(0, 1, 0) // long past; the file is not judged again
	w.reconcile()
	w.wantOutcome(settings, "accepted accepted")
}

// TestSuccession: what may follow CRL number 5 under the same key.
func TestSuccession(t *testing.T) {
	five := pki.CRLOptions{Number: big.NewInt(5), Entries: entries(1, 2)}
	for _, tt := range []struct {
		what string
		next func(o *pki.CRLOptions)
		want string
		now  string
	}{
		{"higher number", func(o *pki.CRLOptions) { o.Number = big.NewInt(6) }, "accepted accepted", "a #6 " + key},
		{"much higher number", func(o *pki.CRLOptions) { o.Number = new(big.Int).Lsh(big.NewInt(1), 159) }, "accepted accepted", fmt.Sprintf("a #%v %s", new(big.Int).Lsh(big.NewInt(1), 159), key)},
		{"lower number", func(o *pki.CRLOptions) { o.Number = big.NewInt(4) }, "refused number_too_low", "a #5 " + key},
		{"same number, other entries", func(o *pki.CRLOptions) { o.Entries = entries(1) }, "refused number_reused", "a #5 " + key},
		{"same number, later thisUpdate", func(o *pki.CRLOptions) { o.ThisUpdate = now }, "refused number_reused", "a #5 " + key},
		{"higher number, thisUpdate back", func(o *pki.CRLOptions) { o.Number, o.ThisUpdate = big.NewInt(6), now.Add(-2*time.Hour) }, "refused this_update_went_back", "a #5 " + key},
		{"higher number, expired", func(o *pki.CRLOptions) { o.Number, o.NextUpdate = big.NewInt(6), now.Add(-time.Minute) }, "accepted accepted", "a #6 " + key},
		{"in the future", func(o *pki.CRLOptions) { o.Number, o.ThisUpdate = big.NewInt(6), now.Add(time.Hour) }, "pending not_yet_valid", "a #5 " + key},
		{"within the skew", func(o *pki.CRLOptions) { o.Number, o.ThisUpdate = big.NewInt(6), now.Add(5*time.Minute) }, "accepted accepted", "a #6 " + key},
		{"same content, signed again", func(*pki.CRLOptions) {}, "accepted unchanged", "a #5 " + key},
	} {
		t.Run(tt.what, func(t *testing.T) {
			w, ca := newWorld(t), newCA(t, "a")
			w.upload(pem, ca.PEM())
			w.upload(key, crlWith(t, ca, five))
			next := five
			tt.next(&next)
			w.upload(key, crlWith(t, ca, next))
			w.wantOutcome(key, tt.want)
			w.wantInForce(tt.now)
			w.reconcile()
			w.wantInForce(tt.now)
		})
	}
}

// TestWords are those that an operator reads most; the rest follow them.
func TestWords(t *testing.T) {
	w, ca := withCRL(t)
	stranger := newCA(t, "a")
	for _, tt := range []struct {
		crl  []byte
		want string
	}{
		{crlOf(t, ca, 4), "its CRL number 4 is lower than 5, which was accepted before: an older CRL must not undo newer revocations (RFC 5280 §5.2.3)"},
		{crlOf(t, ca, 5), "its CRL number 5 was accepted before with other content: the CA must give every CRL a number of its own (RFC 5280 §5.2.3)"},
		{crlWith(t, ca, pki.CRLOptions{Number: big.NewInt(9), SignWith: stranger.Key}), "its signature does not verify under the key of CA a that it names: it was forged, or damaged on its way"},
		{
			crlWith(t, ca, pki.CRLOptions{Number: big.NewInt(9), SignWith: stranger.Key, NoAuthorityKeyID: true}),
			"it bears the name of CA a and is signed by a key that none of that CA's certificates has (it names no key identifier); if the key is the CA's, add its certificate to issuers/a.pem. If it is not, this CRL is forged",
		},
		{
			crlWith(t, stranger, pki.CRLOptions{Number: big.NewInt(9), AuthorityKeyID: []byte{0xab, 0xcd}}),
			"it bears the name of CA a and is signed by a key that none of that CA's certificates has (key identifier abcd); if the key is the CA's, add its certificate to issuers/a.pem. If it is not, this CRL is forged",
		},
	} {
		w.upload(key, tt.crl)
		if got := w.report(key).Detail; got != tt.want {
			t.Errorf("got  %s\nwant %s", got, tt.want)
		}
	}
	w.wantInForce("a #5 " + key)
}

// TestSameBytes: nothing is written but, at most, a report.
func TestSameBytes(t *testing.T) {
	for _, opts := range [][]objectstoretest.Option{nil, {objectstoretest.Versioned()}} {
		w, ca := withCRL(t, opts...)
		before := w.catalogVersion()
		same, _, _ := w.uploads.Load(key)
		w.uploads.ResetCalls()
		w.cache.ResetCalls()
		w.handle(key)
		w.upload(key, same)
		w.handle(key, key)
		if n := w.reads(key); n != 0 {
			t.Errorf("the upload was read %d times", n)
		}
		w.upload(pem, ca.PEM())
		w.reconcile()
		if n := w.cache.Count(objectstore.OpPut, ""); n != 0 || w.catalogVersion() != before {
			t.Errorf("%d writes", n)
		}
		w.upload("crls/copy.crl", same) // under another key
		w.wantOutcome("crls/copy.crl", "accepted unchanged")
		w.wantInForce("a #5 " + key)
		if w.catalogVersion() != before {
			t.Error("a copy changed the catalog")
		}
		w.uploads.ResetCalls()
		w.reconcile()
		w.reconcile()
		if n := w.reads("crls/copy.crl"); n != 0 {
			t.Errorf("the copy was read %d times again", n)
		}
	}
}

// TestSameBytesOfAnotherVersion: under KMS equal bytes have another ETag each time.
func TestSameBytesOfAnotherVersion(t *testing.T) {
	w, ca := withCRL(t, objectstoretest.UniqueETags(), objectstoretest.Versioned())
	before := w.catalog().CAs["a"].CRLs[0]
	same, _, _ := w.uploads.Load(key)
	w.upload(key, same)
	w.wantOutcome(key, "accepted unchanged")
	w.upload(pem, ca.PEM())
	if n := w.metrics.count("issuers a"); n != 1 {
		t.Errorf("the issuers changed %d times", n)
	}
	after := w.catalog().CAs["a"].CRLs[0]
	if after.Set != before.Set || !after.Accepted.Equal(before.Accepted) {
		t.Errorf("%+v, before %+v", after, before)
	}
	w.uploads.ResetCalls()
	w.handle(key)
	w.reconcile()
	if n := w.reads(key); n != 0 {
		t.Errorf("read %d times more", n)
	}
}

// TestRefusedIsNotReadAgain: a forged CRL costs one GET, and the one in force serves.
func TestRefusedIsNotReadAgain(t *testing.T) {
	w, ca := withCRL(t)
	w.upload(key, crlWith(t, ca, pki.CRLOptions{Number: big.NewInt(9), SignWith: newCA(t, "a").Key}))
	w.wantOutcome(key, "refused signature_invalid")
	w.uploads.ResetCalls()
	w.handle(key)
	w.reconcile()
	if n := w.reads(key); n != 0 {
		t.Errorf("read %d times more", n)
	}
	if n := w.metrics.count("rejected signature_invalid"); n != 1 {
		t.Errorf("counted %d times", n)
	}
	for _, c := range w.uploads.Calls() {
		if c.Key == key && c.Op == objectstore.OpGet && c.IfNoneMatch == "" {
			t.Errorf("a GET without condition: %+v", c)
		}
	}
	w.wantInForce("a #5 " + key)
}

func TestExpired(t *testing.T) {
	ca := newCA(t, "a")
	old := crlWith(t, ca, pki.CRLOptions{Number: big.NewInt(5), ThisUpdate: now.Add(-48 * time.Hour), NextUpdate: now.Add(time.Hour)})
	expired := crlWith(t, ca, pki.CRLOptions{Number: big.NewInt(6), ThisUpdate: now.Add(-24 * time.Hour), NextUpdate: now.Add(-time.Hour), Entries: entries(1)})

	w := newWorld(t)
	w.upload(pem, ca.PEM())
	w.upload("crls/6.crl", expired)
	w.wantOutcome("crls/6.crl", "pending expired")
	w.reconcile()
	w.wantInForce()
	w.upload("crls/5.crl", old) // and now there is one that it supersedes
	w.reconcile()
	w.wantInForce("a #6 crls/6.crl")

	w = newWorld(t)
	w.upload(pem, ca.PEM())
	w.upload("crls/5.crl", old)
	w.upload("crls/6.crl", expired)
	w.wantOutcome("crls/6.crl", "accepted accepted")
	w.reconcile()
	w.wantInForce("a #6 crls/6.crl")
	if !w.revoked("a", 1) {
		t.Error("what it revokes does not count")
	}
}

func TestNotYetValid(t *testing.T) {
	w, ca := withCRL(t)
	w.upload(key, crlWith(t, ca, pki.CRLOptions{Number: big.NewInt(6), ThisUpdate: now.Add(time.Hour)}))
	w.wantOutcome(key, "pending not_yet_valid")
	w.uploads.ResetCalls()
	w.reconcile()
	if n := w.reads(key); n != 0 {
		t.Errorf("read %d times before its time", n)
	}
	w.now = now.Add(time.Hour)
	w.reconcile()
	w.wantOutcome(key, "accepted accepted")
	w.wantInForce("a #6 " + key)
}

// TestKeyOverwritten: a CRL of another line under the key of one in force
// replaces nothing.
func TestKeyOverwritten(t *testing.T) {
	w, ca := withCRL(t)
	other := newCA(t, "b")
	w.upload("issuers/b.pem", other.PEM())
	w.upload(key, crlOf(t, other, 77, 9))
	w.wantOutcome(key, "accepted accepted")
	w.wantInForce("a #5 "+key, "b #77 "+key)
	if !w.revoked("a", 1) || !w.revoked("b", 9) {
		t.Error("serial numbers were lost")
	}
	w.upload(key, crlWith(t, ca, pki.CRLOptions{Number: big.NewInt(1), IDP: &pki.IDP{OnlyCA: true}}))
	w.wantInForce("a #1 "+key, "a #5 "+key, "b #77 "+key)
	w.upload(key, crlOf(t, ca, 4))
	w.wantOutcome(key, "refused number_too_low")
	w.wantInForce("a #1 "+key, "a #5 "+key, "b #77 "+key)
}
