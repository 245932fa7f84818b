package preprocess_test

import (
	"testing"

	"github.com/crlgate/crlgate/pkg/catalog"
	"github.com/crlgate/crlgate/pkg/objectstore"
	"github.com/crlgate/crlgate/pkg/preprocess"
)

// A try that puts a complete CRL in force may end before it comes to the delta
// that waits for it, at any call. The next try of the same event brings the delta
// in all the same.
func TestDeltaIsWokenByARetry(t *testing.T) {
	const base, delta = "crls/base.crl", "crls/delta.crl"
	ca := newCA(t, "Delta")
	for fail := int64(1); ; fail++ {
		w := newWorld(t)
		w.upload("issuers/a.pem", ca.PEM())
		w.upload(delta, deltaOf(t, ca, 5, 4, 2))
		w.wantOutcome(delta, "pending delta_base_missing")
		w.uploads.Store(base, crlOf(t, ca, 4, 1))
		calls, err := w.killedAt(fail, base)
		w.handle(base)
		w.wantInForce("a #4 "+base, "a #5 "+delta)
		// The report on another upload than the event's may wait for the timer.
		w.reconcile()
		if r := w.report(delta); r.Outcome != preprocess.OutcomeAccepted {
			t.Errorf("failing from call %d on: the report on the delta says %s", fail, w.outcome(delta))
		}
		if n := len(w.catalog().Waiting); n != 0 {
			t.Errorf("%d uploads still wait", n)
		}
		if err == nil {
			if fail < 5 {
				t.Errorf("the run made %d calls", calls)
			}
			return
		}
	}
}

// Who waits and is deleted, or refused, waits no more.
func TestWaitingEnds(t *testing.T) {
	ca := newCA(t, "Delta")
	w := newWorld(t)
	w.upload("issuers/a.pem", ca.PEM())
	for _, end := range []func(key string){
		w.remove,
		func(key string) { w.upload(key, []byte("no CRL at all")) },
	} {
		const key = "crls/delta.crl"
		w.upload(key, deltaOf(t, ca, 5, 4, 2))
		if w.catalog().Waiting[key] == "" {
			t.Fatal("it does not wait")
		}
		end(key)
		if n := len(w.catalog().Waiting); n != 0 {
			t.Errorf("%d uploads still wait", n)
		}
	}
}

// That an issuers file is gone is reported by the timer too, where the try that
// withdrew the CA ended before it did.
func TestWithdrawalIsReportedByTheTimer(t *testing.T) {
	const key = "issuers/a.pem"
	ca := newCA(t, "A")
	w := newWorld(t)
	w.upload(key, ca.PEM())
	w.upload("crls/a.crl", crlOf(t, ca, 1, 1))
	w.uploads.Remove(key)
	w.cache.Before(func(op objectstore.Op, k string) error {
		if op == objectstore.OpPut && k == catalog.ReportKey(key) {
			return errCrash
		}
		return nil
	})
	if err := w.tryHandle(key); err == nil {
		t.Fatal("the report was written")
	}
	w.cache.Before(nil)
	w.wantInForce()
	w.wantOutcome(key, "accepted accepted")
	w.reconcile()
	w.wantOutcome(key, "deleted deleted")
}
