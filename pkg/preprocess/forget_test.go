package preprocess_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/crlgate/crlgate/internal/pki"
	"github.com/crlgate/crlgate/pkg/preprocess"
)

// forget asks the preprocessor to forget.
func (w *world) forget(f preprocess.Forget) *preprocess.Forgotten {
	w.t.Helper()
	data, err := json.Marshal(struct {
		Crlgate string `json:"crlgate"`
		preprocess.Forget
	}{"forget", f})
	if err != nil {
		w.t.Fatal(err)
	}
	answer, err := w.preprocessor().Answer(w.t.Context(), data, w.now)
	if err != nil {
		w.t.Fatal(err)
	}
	return answer.(*preprocess.Forgotten)
}

// confirmed looks first, and then does it.
func (w *world) confirmed(f preprocess.Forget) *preprocess.Forgotten {
	w.t.Helper()
	look := f
	look.DryRun = true
	before := w.catalogVersion()
	f.Seen = w.forget(look).Seen
	if w.catalogVersion() != before {
		w.t.Error("a dry run changed the catalog")
	}
	return w.forget(f)
}

// TestForgetCRL: what is deleted serves until it is forgotten; its floor stays.
func TestForgetCRL(t *testing.T) {
	w, ca := withCRL(t)
	ask := preprocess.Forget{CRL: key, Reason: "ticket 4711", By: "ops"}
	if got := w.confirmed(ask); got.Done || !strings.Contains(got.Refused, "still there") {
		t.Errorf("while it is uploaded: %+v", got)
	}
	w.remove(key)
	w.wantInForce("a #5 " + key)
	if got := w.forget(ask); got.Done || !strings.Contains(got.Refused, "look at it again") {
		t.Errorf("without a look: %+v", got)
	}
	got := w.confirmed(ask)
	if !got.Done || got.CA != "a" || len(got.CRLs) != 1 || got.Entries != got.CRLs[0].Entries || got.Entries == 0 || !strings.Contains(got.Then, "no_crl") {
		t.Errorf("%+v", got)
	}
	w.wantInForce()
	w.wantOutcome(key, "deleted forgotten")
	if detail := w.report(key).Detail; !strings.Contains(detail, "by ops: ticket 4711") {
		t.Error(detail)
	}
	if !strings.Contains(w.log.String(), `"reason":"ticket 4711"`) {
		t.Error("no audit line")
	}
	w.reconcile()
	w.wantInForce()
	w.upload(key, crlOf(t, ca, 4))
	w.wantOutcome(key, "refused number_too_low")
	w.upload(key, crlOf(t, ca, 6))
	w.wantInForce("a #6 " + key)
}

// TestForgetSaysWhoIsLetIn: a CA that needs no CRL lets everybody in without one.
func TestForgetSaysWhoIsLetIn(t *testing.T) {
	w, _ := withCRL(t)
	w.upload(settings, []byte(`{"crl":"optional"}`))
	w.remove(key)
	if got := w.forget(preprocess.Forget{CRL: key, DryRun: true}); !strings.Contains(got.Then, "ALL of its clients are let in") {
		t.Errorf("%+v", got)
	}
}

// TestForgetNeedsAReason: without one nothing is done.
func TestForgetNeedsAReason(t *testing.T) {
	w, _ := withCRL(t)
	w.remove(key)
	if err := w.preprocessor().Handle(t.Context(), []byte(`{"crlgate":"forget","crl":"`+key+`"}`), w.now); err == nil || !strings.Contains(err.Error(), "reason") {
		t.Errorf("%v", err)
	}
	w.wantInForce("a #5 " + key)
}

// TestLowerFloor: the floor goes down to the very CRL that was refused, which
// enters, and to nothing older.
func TestLowerFloor(t *testing.T) {
	w, ca := withCRL(t)
	ask := preprocess.Forget{Floor: key, Reason: "restored from a backup"}
	if got := w.confirmed(ask); got.Done || !strings.Contains(got.Refused, "in force already") {
		t.Errorf("what is in force: %+v", got)
	}
	w.upload(key, crlOf(t, ca, 3, 9))
	w.wantOutcome(key, "refused number_too_low")
	got := w.confirmed(ask)
	if !got.Done || got.Enters == nil || got.Enters.Number != "3" || len(got.CRLs) != 1 || !strings.Contains(got.Then, "up to number 5") {
		t.Errorf("%+v", got)
	}
	w.wantInForce("a #3 " + key)
	if detail := w.report(key).Detail; !strings.Contains(detail, "floor of its line was lowered for it: restored from a backup") {
		t.Error(detail)
	}
	w.upload("crls/older.crl", crlOf(t, ca, 2))
	w.wantOutcome("crls/older.crl", "refused number_too_low")
	w.upload("crls/forged.crl", crlOf(t, newCA(t, "a"), 1))
	if got := w.confirmed(preprocess.Forget{Floor: "crls/forged.crl", Reason: "x"}); got.Done || got.Refused == "" {
		t.Errorf("a CRL of an unknown key: %+v", got)
	}
	if err := w.preprocessor().Handle(t.Context(), []byte(`{"crlgate":"repair","keys":null}`), w.now); err != nil {
		t.Fatal(err)
	}
	w.upload(key, crlOf(t, ca, 4))
	w.wantInForce("a #4 " + key) // a repair does not raise the floor again
}

// TestVanished: most issuers gone at once are taken for an accident, until it is
// confirmed; one that goes is withdrawn.
func TestVanished(t *testing.T) {
	w := newWorld(t)
	cas := map[string]*pki.CA{}
	for _, name := range []string{"a", "b", "c"} {
		cas[name] = newCA(t, name)
		w.upload("issuers/"+name+".pem", cas[name].PEM())
		w.upload("issuers/"+name+".json", []byte(`{"deny":["0a"]}`))
		w.upload("crls/"+name+".crl", crlOf(t, cas[name], 5, 1))
	}
	all := []string{"a #5 crls/a.crl", "b #5 crls/b.crl", "c #5 crls/c.crl"}
	for _, k := range w.uploads.Keys() {
		w.uploads.Remove(k)
	}
	w.handle("issuers/a.pem", "issuers/a.json", "issuers/b.pem")
	w.wantInForce(all...)
	w.reconcile()
	w.wantInForce(all...)
	for _, name := range []string{"a", "b", "c"} {
		w.wantOutcome("issuers/"+name+".pem", "pending issuers_vanished")
		if w.catalog().CAs[name].Settings.Deny == nil {
			t.Errorf("CA %s lost its deny list", name)
		}
	}
	if w.metrics.count("vanished") < 3 {
		t.Errorf("%q", w.metrics.got)
	}
	got := w.confirmed(preprocess.Forget{CA: "b", Reason: "contract ended"})
	if !got.Done || got.Entries != 1 {
		t.Errorf("%+v", got)
	}
	w.wantInForce(all[0], all[2])
	w.wantOutcome("issuers/b.pem", "deleted forgotten")
	for _, name := range []string{"a", "c"} {
		w.uploads.Store("issuers/"+name+".pem", cas[name].PEM())
	}
	if got := w.confirmed(preprocess.Forget{CA: "a", Reason: "x"}); got.Done || !strings.Contains(got.Refused, "still there") {
		t.Errorf("%+v", got)
	}
	w.reconcile()
	w.wantOutcome("issuers/a.pem", "accepted accepted")
	w.remove("issuers/a.pem")
	w.wantOutcome("issuers/a.pem", "deleted deleted")
	w.wantInForce(all[2])
}

// TestOnlyCAVanishes: the only CA is withdrawn with its file, and not with all
// that was uploaded.
func TestOnlyCAVanishes(t *testing.T) {
	w, ca := withCRL(t)
	w.remove(pem)
	w.wantOutcome(pem, "deleted deleted")
	w.upload(pem, ca.PEM())
	w.wantInForce("a #5 " + key)
	w.uploads.Remove(pem)
	w.uploads.Remove(key)
	w.reconcile()
	w.wantOutcome(pem, "pending issuers_vanished")
	w.wantInForce("a #5 " + key)
}

// TestSettingsRefused: a CA comes back only with the settings that it is to have.
func TestSettingsRefused(t *testing.T) {
	w, ca := withCRL(t)
	w.upload("issuers/b.pem", newCA(t, "b").PEM())
	w.upload(settings, []byte(`{"deny":["0a"]}`))
	w.upload(settings, []byte(`{"denied":["0a"]}`))
	w.wantOutcome(settings, "refused settings_unknown_key")
	w.remove(pem)
	w.upload(pem, ca.PEM())
	w.wantOutcome(pem, "pending settings_refused")
	w.wantInForce()
	w.upload(settings, []byte(`{"deny":["0b"]}`))
	w.wantInForce("a #5 " + key)
	if got := w.catalog().CAs["a"].Settings.Deny; len(got) != 1 {
		t.Errorf("%v", got)
	}
}
