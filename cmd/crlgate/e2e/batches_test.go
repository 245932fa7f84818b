package e2e

import (
	"encoding/json"
	"fmt"
	"net/http"
	"testing"
	"time"

	"github.com/crlgate/crlgate/cmd/crlgate/internal/gateway"
	"github.com/crlgate/crlgate/cmd/crlgate/internal/stack"
)

// TestMetricsComeInBatches: whatever the number of requests, the authorizer writes
// metrics every ten seconds at most, a line for each set of dimensions.
func TestMetricsComeInBatches(t *testing.T) {
	t.Parallel()
	ca := newCA(t, "alpha")
	w := start(t, stack.Config{Authorizer: map[string]string{"REVALIDATE_AFTER": "10s"}})
	w.trust(ca)
	w.publish(ca)
	leaf := ca.issue("good")
	w.await(leaf, http.StatusOK, "good", "no_crl", "unknown_issuer", "cache_unavailable")
	began := time.Now()
	client := w.client(leaf)
	for range 300 {
		if a := w.do(client, w.URL(gateway.REST)+"/payments"); !a.is(http.StatusOK, "good") {
			t.Fatal(a)
		}
	}
	took := time.Since(began)
	pids := len(w.pids())
	w.close() // what is left is written on SIGTERM
	counted, lines := 0.0, 0
	stamps := map[string]bool{}
	for _, l := range w.logLines(`"_aws"`, `"function":"crlgate-authorizer"`) {
		var doc struct {
			AWS       struct{ Timestamp json.Number } `json:"_aws"`
			Decisions float64
			Reason    string
		}
		if err := json.Unmarshal([]byte(l.Text), &doc); err != nil {
			t.Fatal(err)
		}
		stamps[fmt.Sprint(l.PID, doc.AWS.Timestamp)] = true
		lines++
		if doc.Reason == "good" {
			counted += doc.Decisions
		}
	}
	if most := pids * (3 + int(took/(10*time.Second))); len(stamps) > most+2 || lines > 12*(most+2) {
		t.Errorf("300 requests in %v: %d lines in %d batches of %d environments", took, lines, len(stamps), pids)
	}
	if counted < 301 {
		t.Errorf("%v decisions counted, of at least 301", counted)
	}
}
