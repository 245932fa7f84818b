package reads

import (
	"math/big"
	"strings"
	"testing"
	"time"

	"github.com/crlgate/crlgate/cmd/crlgate/faults/internal/client"
	"github.com/crlgate/crlgate/cmd/crlgate/faults/internal/oracle/oracletest"
	"github.com/crlgate/crlgate/cmd/crlgate/faults/internal/spoil"
	"github.com/crlgate/crlgate/cmd/crlgate/internal/s3proc"
)

// The truth by which answers are judged, with every way to be wrong.
func TestJudge(t *testing.T) {
	run := oracletest.Run{Began: time.Now()}
	at, got := run.At, run.Answer
	leaf := func(ca, name string, revoked ...float64) *Leaf {
		l := &Leaf{ca: ca, name: name, serial: big.NewInt(1)}
		for _, r := range revoked {
			run.Revoke(&l.Truth, r, r+0.5)
		}
		return l
	}
	warm := &lane{Lane: Lane{RevalidateAfter: time.Second, MaxUnvalidated: 30 * time.Second}}
	held := &lane{Lane: Lane{RevalidateAfter: time.Second, MaxUnvalidated: 30 * time.Second, Held: true}}
	cold := &lane{Lane: Lane{RevalidateAfter: time.Second, MaxUnvalidated: 30 * time.Second, Cold: true}}
	many := &lane{Lane: Lane{RevalidateAfter: time.Second, MaxUnvalidated: 30 * time.Second, Environments: 4}}
	broken := func(r *lane, kind string, began float64, cas ...string) *episode {
		e := &episode{lane: r, kind: kind, fault: spoil.Fault{Name: "404", Total: true}, began: at(began), from: at(began), cas: map[string]bool{}}
		for _, ca := range cas {
			e.cas[ca] = true
		}
		return e
	}
	for _, tc := range []struct {
		name  string
		r     *lane
		l     *Leaf
		a     client.Answer
		e     *episode
		wrong string // part of what must be said; "": it is right
	}{
		{"good", warm, leaf(small, "good"), got(200, "good", 5), nil, ""},
		{"revoked", warm, leaf(small, "revoked", 1), got(403, "revoked", 5), nil, ""},
		{"revoked just now", warm, leaf(small, "victim", 5.05), got(403, "revoked", 5), nil, ""},
		{"let in while it may not be known", warm, leaf(small, "victim", 1), got(200, "good", 2), nil, ""},
		{"let in too late, no fault", warm, leaf(small, "victim", 1), got(200, "good", 20), nil, "WRONG ALLOW"},
		{"let in late, under a fault", warm, leaf(small, "victim", 1), got(200, "good", 20), broken(warm, spoil.Catalog, 1), ""},
		{"let in beyond the bound", warm, leaf(small, "victim", 1), got(200, "good", 32), broken(warm, spoil.Part, 1), "WRONG ALLOW"},
		{"let in by a stale catalog", warm, leaf(small, "good"), got(200, "good", 32), broken(warm, spoil.Catalog, 1), "WRONG ALLOW"},
		{"denied as revoked", warm, leaf(small, "good"), got(403, "revoked", 5), nil, "WRONG DENY"},
		{"denied before it was revoked", warm, leaf(small, "victim", 6), got(403, "revoked", 5), nil, "WRONG DENY"},
		{"denied for nothing", warm, leaf(small, "good"), got(403, "cache_unavailable", 5), nil, "nothing was broken"},
		{"denied for another's part", warm, leaf(small, "good"), got(403, "cache_unavailable", 5), broken(warm, spoil.Part, 4, parts), "does not explain"},
		{"denied for its part", warm, leaf(parts, "good"), got(403, "cache_unavailable", 5), broken(warm, spoil.Part, 4, parts), ""},
		{"denied by a warm catalog", warm, leaf(small, "good"), got(403, "cache_unavailable", 5), broken(warm, spoil.Catalog, 4), "does not explain"},
		{"denied without a catalog", cold, leaf(small, "good"), got(403, "cache_unavailable", 5), broken(cold, spoil.Catalog, 4), ""},
		{"stale too soon", warm, leaf(small, "good"), got(403, "cache_stale", 5), broken(warm, spoil.Catalog, 4), "does not explain"},
		{"stale in time", warm, leaf(small, "good"), got(403, "cache_stale", 34), broken(warm, spoil.Catalog, 4), ""},
		{"stale in a process that was idle", many, leaf(parts, "good"), got(403, "cache_stale", 5), broken(many, spoil.Part, 4, parts), ""},
		{"stale for another's part", many, leaf(small, "good"), got(403, "cache_stale", 5), broken(many, spoil.Part, 4, parts), "does not explain"},
		{"a hit forgotten", held, leaf(small, "revoked", 1), got(403, "cache_stale", 34), broken(held, spoil.Catalog, 4), "which was known"},
		{"another reason", warm, leaf(parts, "good"), got(403, "out_of_scope", 5), broken(warm, spoil.Part, 4, parts), "no fault explains"},
		{"function failed", warm, leaf(small, "good"), got(500, "", 5), broken(warm, spoil.Catalog, 4), "answered 500"},
	} {
		wrong := tc.r.judge(tc.l, tc.a, tc.e, tc.e)
		if (wrong == "") != (tc.wrong == "") || !strings.Contains(wrong, tc.wrong) {
			t.Errorf("%s: %q, want %q", tc.name, wrong, tc.wrong)
		}
	}
}

// Requests are told apart by what they are for.
func TestKindOf(t *testing.T) {
	for _, tc := range []struct{ key, ranged, want string }{
		{"catalog.json", "", spoil.Catalog},
		{"catalog/0a.json", "", spoil.Part},
		{"sets/crls_2flarge.crl/0a.cache", "bytes=0-699", spoil.Index},
		{"sets/crls_2flarge.crl/0a.cache", "bytes=0-262143", spoil.Whole},
		{"sets/crls_2flarge.crl/0a.cache", "bytes=16384-32767", spoil.Block},
		{"sets/crls_2fsmall-delta.crl/0a.cache", "bytes=0-99", spoil.Index},
		{"sets/crls_2fsmall-delta.crl/0a.cache", "bytes=0-150", spoil.Whole},
		{"sets/crls_2fsmall-delta.crl/0a.cache", "", ""},
	} {
		if got := (*lane)(nil).kindOf(s3proc.Request{Method: "GET", Key: tc.key, Range: tc.ranged}); got != tc.want {
			t.Errorf("%s %s: %q, want %q", tc.key, tc.ranged, got, tc.want)
		}
	}
}

// Every fault befalls every kind of GET that it makes sense for, and the tables
// have a line for each.
func TestTables(t *testing.T) {
	r := &Result{Lanes: lanes()}
	if got := r.Table(); strings.Count(got, "\n") != len(spoil.Faults)+2 {
		t.Errorf("the table has not a line a fault:\n%s", got)
	}
	r.Cells = []*Cell{
		{Lane: "warm", Kind: spoil.Catalog, Fault: "404", Struck: 3, Answers: 5, Allows: 2, Denies: map[string]int{"revoked": 3}, Slowest: time.Second},
		{Lane: "cold", Kind: spoil.Catalog, Fault: "404", Struck: 4, Answers: 5, Denies: map[string]int{"cache_unavailable": 5}, Late: 1, Latest: 2 * time.Second, Violations: []string{"x"}},
	}
	if got := r.Table(); !strings.Contains(got, "| 404 | 7; `cache_unavailable` (cold) | – |") {
		t.Errorf("table:\n%s", got)
	}
	if got := r.Summary(); !strings.Contains(got, "| warm | 1 | 3 | 5 | 2 | 3 | 0 | 0 | – | 1.0 s | 0.0 s | 0 |") || !strings.Contains(got, "| **all** | 2 | 7 | 10 | 2 | 3 | 5 | 0 | 1, 2.0 s | 1.0 s | 0.0 s | 1 |") {
		t.Errorf("summary:\n%s", got)
	}
	if r.Struck() != 7 {
		t.Errorf("struck %d", r.Struck())
	}
}
