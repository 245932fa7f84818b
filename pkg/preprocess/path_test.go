package preprocess_test

import (
	"fmt"
	"math/big"
	"strings"
	"testing"
	"time"

	"github.com/crlgate/crlgate/internal/pki"
	"github.com/crlgate/crlgate/pkg/catalog"
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

func TestTwoCAsOfOneName(t *testing.T) {
	w, one, two := newWorld(t), newCA(t, "a"), newCA(t, "a")
	w.upload("issuers/one.pem", one.PEM())
	w.upload("crls/two.crl", crlOf(t, two, 8, 2))
	w.wantOutcome("crls/two.crl", "pending signer_unknown")
	w.upload("crls/one.crl", crlOf(t, one, 7, 1))
	w.upload("issuers/two.pem", two.PEM())
	w.wantInForce("one #7 crls/one.crl", "two #8 crls/two.crl")
	if w.revoked("one", 2) || w.revoked("two", 1) {
		t.Error("a CRL counts for the other CA")
	}
	// The CA whose key the CRL names is the one that is told of.
	w.upload("crls/forged.crl", crlWith(t, one, pki.CRLOptions{Number: big.NewInt(9), SignWith: newCA(t, "x").Key}))
	if r := w.report("crls/forged.crl"); r.Code != "signature_invalid" || !strings.Contains(r.Detail, "CA one ") {
		t.Errorf("%s: %s", r.Code, r.Detail)
	}
}

func TestOneKeyInTwoFiles(t *testing.T) {
	w, ca, own := newWorld(t), newCA(t, "a"), newCA(t, "a")
	w.upload("issuers/one.pem", ca.PEM())
	w.upload("issuers/two.pem", ca.PEM())
	w.wantOutcome("issuers/two.pem", "pending certificate_of_other_ca")
	w.upload("issuers/two.pem", pki.PEM(ca, own))
	w.wantOutcome("issuers/two.pem", "accepted accepted")
	certificates := w.report("issuers/two.pem").Certificates
	if len(certificates) != 2 || certificates[0].Code != "certificate_of_other_ca" || !certificates[1].Accepted {
		t.Errorf("%+v", certificates)
	}
	w.upload("crls/a.crl", crlOf(t, ca, 5))
	w.wantInForce("one #5 crls/a.crl")
	w.remove("issuers/one.pem") // the key is free, and two takes it, and its CRL
	w.wantOutcome("issuers/one.pem", "deleted deleted")
	w.wantInForce("two #5 crls/a.crl")
}

// TestRefusedCertificate: one refused certificate does not void the rest.
func TestRefusedCertificate(t *testing.T) {
	w, ca := newWorld(t), newCA(t, "a")
	leaf, err := ca.Issue(pki.LeafOptions{})
	if err != nil {
		t.Fatal(err)
	}
	w.upload(pem, append(leaf.PEM(), ca.PEM()...))
	w.wantOutcome(pem, "accepted accepted")
	r := w.report(pem)
	want := "CA a (CN=a,O=Partner), certificates: 1, keys: 1; refused: 1: it is neither a CA certificate (basicConstraints cA TRUE, keyCertSign) nor a CRL signer's (cRLSign): is it a client certificate? (certificate_not_ca)"
	if r.Detail != want || len(r.Certificates) != 2 || r.Certificates[0].Accepted || !r.Certificates[1].Accepted {
		t.Errorf("%s\n%+v", r.Detail, r.Certificates)
	}
	before := w.catalogVersion()
	for _, file := range [][]byte{leaf.PEM(), nil, make([]byte, issuer.MaxFile+1)} {
		w.upload(pem, file)
		if r := w.report(pem); r.Outcome != "refused" || w.catalogVersion() != before {
			t.Errorf("%s: %s", r.Code, r.Detail)
		}
	}
}

// TestWithdrawnIssuer: its clients are unknown, and its CRLs come back with it,
// but no older ones.
func TestWithdrawnIssuer(t *testing.T) {
	w, ca := withCRL(t)
	four := crlOf(t, ca, 4)
	w.upload(settings, []byte(`{"mode":"observe"}`))
	w.remove(pem)
	w.wantOutcome(pem, "deleted deleted")
	w.wantOutcome(settings, "pending settings_without_issuer")
	if c := w.catalog(); len(c.CAs) != 0 || len(c.Floors) != 1 {
		t.Errorf("%d CAs, %d floors", len(c.CAs), len(c.Floors))
	}
	w.uploads.Store(key, four)
	w.handle(key)
	w.wantOutcome(key, "pending issuer_unknown")
	w.upload("issuers/renamed.pem", ca.PEM())
	w.wantOutcome(key, "refused number_too_low")
	w.wantInForce()
	w.upload(key, crlOf(t, ca, 6, 3))
	w.wantInForce("renamed #6 " + key)
	w.remove("issuers/renamed.pem")
	w.upload(pem, ca.PEM())
	w.wantInForce("a #6 " + key)
	w.wantOutcome(settings, "accepted accepted")
}

// TestWithdrawnKey: CRLs of a key that left the file stop counting.
func TestWithdrawnKey(t *testing.T) {
	w, one, two := newWorld(t), newCA(t, "a"), newCA(t, "a")
	w.upload(pem, pki.PEM(one, two))
	w.upload("crls/1.crl", crlOf(t, one, 1))
	w.upload("crls/2.crl", crlOf(t, two, 1))
	w.upload(pem, one.PEM())
	w.wantInForce("a #1 crls/1.crl")
	w.upload(pem, pki.PEM(two, one))
	w.wantInForce("a #1 crls/1.crl", "a #1 crls/2.crl")
	w.upload(pem, newCA(t, "b").PEM()) // another CA altogether
	w.wantInForce()
}

// TestSignerAuthorizedLater: the order of uploads does not matter.
func TestSignerAuthorizedLater(t *testing.T) {
	mute, err := pki.NewCA(pki.CAOptions{Name: newCA(t, "a").Certificate.Subject, KeyUsage: 1 << 5})
	if err != nil {
		t.Fatal(err)
	}
	reissued, err := pki.NewCA(pki.CAOptions{Name: mute.Certificate.Subject, Signer: mute.Key})
	if err != nil {
		t.Fatal(err)
	}
	w := newWorld(t)
	w.upload(pem, mute.PEM())
	if got := w.report(pem).Detail; !strings.Contains(got, "none of its keys may sign CRLs") {
		t.Error(got)
	}
	w.upload(key, crlOf(t, mute, 5))
	w.wantOutcome(key, "refused signer_not_authorized")
	w.upload(pem, reissued.PEM())
	w.wantInForce("a #5 " + key)
}

func TestPins(t *testing.T) {
	w, ca := withCRL(t)
	other := newCA(t, "b")
	cert, err := issuer.ParseCertificate(ca.DER)
	if err != nil {
		t.Fatal(err)
	}
	w.config.Pinned = []issuer.Fingerprint{cert.Fingerprint}
	w.upload("issuers/b.pem", other.PEM())
	w.wantOutcome("issuers/b.pem", "refused no_certificate")
	w.upload(pem, pki.PEM(ca, newCA(t, "a")))
	w.wantOutcome(pem, "accepted accepted")
	if n := len(w.catalog().CAs["a"].Certificates); n != 1 {
		t.Errorf("%d certificates", n)
	}
	w.wantInForce("a #5 " + key)
	w.config.Pinned = []issuer.Fingerprint{{1}} // deployed with other pins
	w.reconcile()
	w.wantInForce()
	if r := w.report(pem); r.Outcome != "refused" || !strings.Contains(r.Detail, "withdrawn") {
		t.Errorf("%s: %s", r.Outcome, r.Detail)
	}
}

// TestSettingsOfTheFunction: what one configuration refuses, another may take,
// without a new upload.
func TestSettingsOfTheFunction(t *testing.T) {
	w, ca := newWorld(t), newCA(t, "a")
	w.upload(pem, ca.PEM())
	crl := crlWith(t, ca, pki.CRLOptions{Number: big.NewInt(5), SignatureAlgorithm: pki.ECDSA(3)}) // crypto.SHA1
	w.upload(key, crl)
	w.wantOutcome(key, "refused sha1_not_allowed")
	w.reconcile()
	w.wantInForce()
	w.config.AllowSHA1 = true
	w.config.MaxCRLBytes = int64(len(crl)) - 1
	w.reconcile()
	w.wantOutcome(key, "refused too_large")
	w.config.MaxCRLBytes++
	w.reconcile()
	w.wantInForce("a #5 " + key)
	w.config.AllowSHA1 = false
	w.reconcile() // what served goes on serving
	w.wantInForce("a #5 " + key)
}

func TestTooLarge(t *testing.T) {
	w, ca := withCRL(t)
	large := crlOf(t, ca, 6, 1, 2, 3, 4, 5, 6, 7, 8)
	w.config.MaxCRLBytes = int64(len(large)) - 1
	w.upload(key, large)
	w.wantOutcome(key, "refused too_large")
	if got, want := w.report(key).Detail, fmt.Sprintf("it has %d bytes, more than the %d allowed; raise MAX_CRL_BYTES if it is meant to be so large", len(large), len(large)-1); got != want {
		t.Errorf("%s\nwant %s", got, want)
	}
	w.wantInForce("a #5 " + key)
}

func TestDeleted(t *testing.T) {
	w, ca := withCRL(t)
	w.remove(key)
	w.wantOutcome(key, "deleted deleted")
	if got, want := w.report(key).Detail, "the upload is gone; CRL number 5 of CA a goes on serving until its nextUpdate 2026-11-16T11:00:00Z"; got != want {
		t.Errorf("%s\nwant %s", got, want)
	}
	w.wantInForce("a #5 " + key)
	w.cache.ResetCalls()
	w.reconcile()
	w.handle(key)
	if n := w.cache.Count(objectstore.OpPut, ""); n != 0 {
		t.Errorf("%d writes though nothing changed", n)
	}
	w.upload(key, crlOf(t, ca, 5, 1, 2)) // it comes back
	w.wantOutcome(key, "accepted unchanged")

	w.upload("crls/pending.crl", crlOf(t, newCA(t, "b"), 1))
	w.remove("crls/pending.crl")
	if got, want := w.report("crls/pending.crl").Detail, "the upload is gone; no CRL of it is in force"; got != want {
		t.Errorf("%s\nwant %s", got, want)
	}
	w.handle("crls/never.crl")
	if _, _, ok := w.cache.Load(catalog.ReportKey("crls/never.crl")); ok {
		t.Error("a report on what never was")
	}
}

// TestLostDeletions: events that never came are made up for.
func TestLostDeletions(t *testing.T) {
	w, _ := withCRL(t)
	w.upload("issuers/b.pem", newCA(t, "b").PEM())
	w.uploads.Remove(key)
	w.reconcile()
	w.wantOutcome(key, "deleted deleted")
	w.wantInForce("a #5 " + key)
	if n := w.metrics.count("gone a"); n != 1 {
		t.Errorf("counted %d times as gone: %q", n, w.metrics.got)
	}
	w.uploads.Remove(pem)
	w.reconcile()
	w.wantOutcome(pem, "deleted deleted")
	if n := len(w.catalog().CAs); n != 1 {
		t.Errorf("%d CAs", n)
	}
}

// TestIgnored: what is neither issuer, settings nor CRL leaves no trace.
func TestIgnored(t *testing.T) {
	w, ca := withCRL(t)
	w.cache.ResetCalls()
	for _, k := range []string{
		"crl/acm-pca-permission-test-key", "crls/acm-pca-permission-test-key", "issuers/", "crls/", "crls/folder/", "other/a.crl", "a.crl",
	} {
		w.uploads.Store(k, ca.PEM())
		w.handle(k)
	}
	w.reconcile()
	if n := w.cache.Count(objectstore.OpPut, ""); n != 0 {
		t.Errorf("%d writes: %q", n, w.cache.Keys())
	}
	w.wantInForce("a #5 " + key)
}

// TestUnknownFile: what lies where issuers do and is not read says so, once.
func TestUnknownFile(t *testing.T) {
	w, ca := withCRL(t)
	for i, k := range []string{"issuers/a.crt", "issuers/.pem", "issuers/.json", "issuers/deep/a.pem", "issuers/line\nbreak.pem"} {
		w.uploads.Store(k, ca.PEM())
		if i%2 == 0 {
			w.handle(k)
		}
	}
	w.reconcile()
	w.cache.ResetCalls()
	w.reconcile()
	if n := w.cache.Count(objectstore.OpPut, ""); n != 0 {
		t.Errorf("%d writes for what was said already", n)
	}
	for _, k := range []string{"issuers/a.crt", "issuers/.pem", "issuers/.json", "issuers/deep/a.pem", "issuers/line\nbreak.pem"} {
		w.wantOutcome(k, "refused unknown_file")
	}
	w.remove("issuers/a.crt")
	w.wantOutcome("issuers/a.crt", "deleted deleted")
	w.wantInForce("a #5 " + key)
}

// TestLongKeys: an upload under the longest key that S3 allows is reported on
// like any other, and stops nothing.
func TestLongKeys(t *testing.T) {
	w, ca := withCRL(t)
	long := "crls/" + strings.Repeat("ü", 500) + "012345678901234.crl"
	if len(long) != 1024 {
		t.Fatal(len(long))
	}
	w.upload(long, crlOf(t, ca, 6))
	w.wantOutcome(long, "accepted accepted")
	w.reconcile()
	w.wantInForce("a #6 " + long)
}

// TestReaddedBeforeReconcile: a CA that went and came back, with nothing looked
// at in between, has its CRL again.
func TestReaddedBeforeReconcile(t *testing.T) {
	w, ca := withCRL(t)
	w.upload("issuers/b.pem", newCA(t, "b").PEM())
	w.uploads.Remove(pem)
	w.uploads.Before(func(op objectstore.Op, prefix string) error {
		if op == objectstore.OpList && prefix != "issuers/" {
			return objectstoretest.Answer(503, "SlowDown")
		}
		return nil
	})
	if err := w.tryHandle(pem); err == nil {
		t.Fatal("no error")
	}
	w.uploads.Before(nil)
	w.wantInForce()
	w.upload(pem, ca.PEM())
	w.wantInForce("a #5 " + key)
}
