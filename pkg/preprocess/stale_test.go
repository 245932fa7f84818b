package preprocess_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/crlgate/crlgate/pkg/catalog"
	"github.com/crlgate/crlgate/pkg/preprocess"
)

// TestReportsOnWhatIsGone: where neither an upload nor a place in the catalog is
// left, and the report still says accepted, the timer says that it is gone.
func TestReportsOnWhatIsGone(t *testing.T) {
	t.Run("a CA that never had a CRL, and the preprocessor died before the report", func(t *testing.T) {
		w := newWorld(t)
		w.upload(pem, newCA(t, "a").PEM())
		w.upload("issuers/b.pem", newCA(t, "b").PEM())
		said, _, _ := w.cache.Load(catalog.ReportKey(pem))
		w.remove(pem)
		w.cache.Store(catalog.ReportKey(pem), said)
		w.wantOutcome(pem, "accepted accepted")
		w.reconcile()
		w.wantOutcome(pem, "deleted deleted")
	})
	t.Run("a CA and its CRL at once, and no event came", func(t *testing.T) {
		w, _ := withCRL(t)
		w.upload("issuers/b.pem", newCA(t, "b").PEM())
		w.uploads.Remove(pem)
		w.uploads.Remove(key)
		w.reconcile()
		w.wantInForce()
		w.wantOutcome(pem, "deleted deleted")
		w.wantOutcome(key, "deleted deleted")
	})
	t.Run("a refused upload, and no event came", func(t *testing.T) {
		w, _ := withCRL(t)
		w.upload("crl/x.crl", []byte("no CRL"))
		w.uploads.Remove("crl/x.crl")
		w.reconcile()
		w.wantOutcome("crl/x.crl", "deleted deleted")
	})
	t.Run("more than are read in one run", func(t *testing.T) {
		w, _ := withCRL(t)
		const many = 450
		for i := range many {
			name := fmt.Sprintf("crls/gone-%03d.crl", i)
			w.cache.Store(catalog.ReportKey(name), fmt.Appendf(nil, `{"key":%q,"kind":"crl","outcome":"refused","code":"malformed"}`, name))
		}
		for range 3 {
			w.reconcile()
			w.now = w.now.Add(time.Hour)
		}
		for i := range many {
			if got := w.outcome(fmt.Sprintf("crls/gone-%03d.crl", i)); got != "deleted deleted" {
				t.Fatalf("report %d after three timers: %s", i, got)
			}
		}
	})
}

// TestForgottenCASettings: of a CA that is forgotten, the report on its settings
// says so too, unless they are still uploaded: those wait.
func TestForgottenCASettings(t *testing.T) {
	for name, there := range map[string]bool{"gone too": false, "still there": true} {
		t.Run(name, func(t *testing.T) {
			w, _ := withCRL(t)
			w.upload("issuers/b.pem", newCA(t, "b").PEM())
			settings := "issuers/a.json"
			w.upload(settings, []byte(`{"grace":"1h"}`))
			w.uploads.Remove(pem)
			w.uploads.Remove("issuers/b.pem")
			if !there {
				w.uploads.Remove(settings)
			}
			w.reconcile()
			w.wantOutcome(pem, "pending issuers_vanished")
			if got := w.confirmed(preprocess.Forget{CA: "a", Reason: "ticket 4711"}); !got.Done {
				t.Fatalf("%+v", got)
			}
			w.wantOutcome(pem, "deleted forgotten")
			want := "deleted forgotten"
			if there {
				want = "accepted accepted" // until the timer
			}
			w.wantOutcome(settings, want)
		})
	}
}
