package preprocess_test

import (
	"fmt"
	"math/big"
	"os"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/crlgate/crlgate/internal/pki"
	"github.com/crlgate/crlgate/pkg/preprocess"
)

// timer and changed are invocations.
func timer() actor { return actor{name: "the timer", payload: []byte(preprocess.ReconcileRequest)} }

func changed(keys ...string) actor { return actor{name: "event", payload: event(keys...)} }

func uploads(key string, data []byte) actor {
	return actor{name: key, upload: func(w *world) { w.uploads.Store(key, data) }}
}

// modelScenarios are those whose every interleaving is gone through, with one fault.
func modelScenarios(t *testing.T) []interplay {
	a, b := newCA(t, "a"), newCA(t, "b")
	crl5, crl6, crl7 := crlOf(t, a, 5, 1, 2), crlOf(t, a, 6, 1, 2, 3), crlOf(t, a, 7, 1, 2, 3, 4)
	crlB := crlOf(t, b, 1, 9)
	delta := crlWith(t, a, pki.CRLOptions{Number: big.NewInt(6), BaseNumber: big.NewInt(5), Entries: entries(8)})
	late5 := crlWith(t, a, pki.CRLOptions{Number: big.NewInt(5), Entries: entries(1, 2), ThisUpdate: now.Add(-48 * time.Hour), NextUpdate: now.Add(-24 * time.Hour)})
	with := func(stored map[string][]byte, accepted ...func(w *world)) func(w *world) {
		return func(w *world) {
			for _, f := range accepted {
				f(w)
			}
			for key, data := range stored {
				w.uploads.Store(key, data)
			}
		}
	}
	issuerA := func(w *world) { w.upload(pem, a.PEM()) }
	issuerB := func(w *world) { w.upload("issuers/b.pem", b.PEM()) }
	inForce5 := func(w *world) { w.upload(key, crl5) }

	return []interplay{
		{
			name:    "the first CRL, and its event twice",
			small:   true,
			prepare: with(map[string][]byte{key: crl5}, issuerA),
			actors:  []actor{changed(key), changed(key)},
			want:    []string{"a #5 crls/a.crl"},
		},
		{
			name:    "an issuer and its first CRL at a time",
			prepare: with(map[string][]byte{pem: a.PEM(), key: crl5}),
			actors:  []actor{changed(pem), changed(key)},
			want:    []string{"a #5 crls/a.crl"},
		},
		{
			name:    "CRLs of two CAs at a time",
			small:   true,
			prepare: with(map[string][]byte{key: crl5, "crls/b.crl": crlB}, issuerA, issuerB),
			actors:  []actor{changed(key), changed("crls/b.crl")},
			want:    []string{"a #5 crls/a.crl", "b #1 crls/b.crl"},
		},
		{
			name:    "a replacement, and the timer",
			prepare: with(map[string][]byte{key: crl6}, issuerA, inForce5),
			actors:  []actor{changed(key), timer()},
			want:    []string{"a #6 crls/a.crl"},
		},
		{
			name:    "a replacement that is replaced meanwhile",
			prepare: with(map[string][]byte{key: crl6}, issuerA, inForce5),
			actors:  []actor{changed(key), uploads(key, crl7), changed(key)},
			want:    []string{"a #7 crls/a.crl"},
		},
		{
			name:    "an older and a newer CRL under two keys",
			small:   true,
			prepare: with(map[string][]byte{"crls/x.crl": crl6, "crls/y.crl": crl7}, issuerA, inForce5),
			actors:  []actor{changed("crls/x.crl"), changed("crls/y.crl")},
			want:    []string{"a #7 crls/y.crl"},
		},
		{
			name:    "a base and its delta at a time",
			small:   true,
			prepare: with(map[string][]byte{key: crl5, "crls/d.crl": delta}, issuerA),
			actors:  []actor{changed(key), changed("crls/d.crl")},
			want:    []string{"a #5 crls/a.crl", "a #6 crls/d.crl"},
		},
		{
			name: "a CA withdrawn while its CRL is replaced",
			prepare: func(w *world) {
				with(map[string][]byte{key: crl6}, issuerB, issuerA, inForce5)(w)
				w.uploads.Remove(pem)
			},
			actors: []actor{changed(pem), changed(key)},
			gone:   true,
		},
		{
			name:  "a CRL forgotten while a newer one is uploaded",
			small: true,
			prepare: func(w *world) {
				with(nil, issuerA, inForce5)(w)
				w.remove(key)
			},
			actors: []actor{forgets(t, a, crl5), uploads(key, crl6), changed(key)},
			want:   []string{"a #6 crls/a.crl"},
			gone:   true,
		},
		{
			name:    "a base past its nextUpdate and its delta at a time",
			prepare: with(map[string][]byte{key: late5, "crls/d.crl": delta}, issuerA),
			actors:  []actor{changed(key), changed("crls/d.crl")},
			want:    []string{"a #5 crls/a.crl", "a #6 crls/d.crl"},
		},
	}
}

// forgets is an operator's request to forget a CRL of the CA, whose upload is
// gone, by one who has looked at what would be lost.
func forgets(t *testing.T, ca *pki.CA, list []byte) actor {
	w := newWorld(t)
	w.upload(pem, ca.PEM())
	w.upload(key, list)
	w.remove(key)
	seen := w.forget(preprocess.Forget{CRL: key, DryRun: true}).Seen
	return actor{name: "forget", payload: fmt.Appendf(nil, `{"crlgate":"forget","crl":%q,"seen":%q,"reason":"ticket 4711"}`, key, seen)}
}

// row is a scenario's in the table of docs/design/invariants.md, without commas.
func (s interplay) row(t *testing.T) string {
	page, err := os.ReadFile("../../docs/design/invariants.md")
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(page)) {
		if strings.HasPrefix(line, "| "+s.name+" | ") {
			return strings.ReplaceAll(line, ",", "")
		}
	}
	t.Fatal("docs/design/invariants.md has no row for it")
	return ""
}

// TestModel goes through every interleaving of each scenario. By itself it lets
// one mishap befall those of few calls, and none the others; with
// CRLGATE_MODEL=full (make model) one befalls each, which takes long.
func TestModel(t *testing.T) {
	full := os.Getenv("CRLGATE_MODEL") == "full"
	ran, executions, finished, states := 0, 0, 0, 0
	all, least := modelScenarios(t), 500
	if raced {
		all, least = all[:1], 100
	}
	for _, s := range all {
		t.Run(s.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				e := explorer{t: t, interplay: &s, budget: 1_000_000}
				if s.small || full {
					e.mishaps = 1
				}
				e.explore()
				if e.violation != "" {
					t.Error(e.violation)
				}
				t.Logf("at most %d mishap: %d executions, %d of them to the end, %d states", e.mishaps, e.executions, e.finished, len(e.seen))
				counts := fmt.Sprintf(" | %d | %d | %d |\n", e.executions, e.finished, len(e.seen))
				if row := s.row(t); e.mishaps == 1 && !strings.HasSuffix(row, counts) {
					t.Errorf("docs/design/invariants.md has the row\n%swhich should end with%s", row, counts)
				}
				ran++
				executions, finished, states = executions+e.executions, finished+e.finished, states+len(e.seen)
			})
		})
	}
	t.Logf("all interleavings: %d executions, %d of them to the end, %d states", executions, finished, states)
	if ran == len(all) && finished < least && !t.Failed() {
		t.Errorf("only %d executions went to the end: the model does not explore", finished)
	}
}
