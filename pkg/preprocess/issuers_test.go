package preprocess_test

import (
	"fmt"
	"math/big"
	"strings"
	"testing"

	"github.com/crlgate/crlgate/internal/pki"
	"github.com/crlgate/crlgate/pkg/catalog"
	"github.com/crlgate/crlgate/pkg/issuer"
	"github.com/crlgate/crlgate/pkg/objectstore"
	"github.com/crlgate/crlgate/pkg/objectstore/objectstoretest"
)

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
