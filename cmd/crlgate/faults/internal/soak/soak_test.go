package soak

import (
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/crlgate/crlgate/cmd/crlgate/faults/internal/client"
	"github.com/crlgate/crlgate/cmd/crlgate/faults/internal/oracle"
	"github.com/crlgate/crlgate/cmd/crlgate/faults/internal/oracle/oracletest"
	"github.com/crlgate/crlgate/cmd/crlgate/faults/internal/spoil"
	"github.com/crlgate/crlgate/cmd/crlgate/internal/lambdaruntime"
	"github.com/crlgate/crlgate/cmd/crlgate/internal/s3proc"
	"github.com/crlgate/crlgate/pkg/catalog"
)

// The truth by which answers are judged, with every way to be wrong.
func TestJudge(t *testing.T) {
	run := oracletest.Run{Began: time.Now()}
	at, got := run.At, run.Answer
	who := func(ca, always string, revoked ...float64) *leaf {
		l := &leaf{ca: ca, always: always}
		for _, r := range revoked {
			run.Revoke(&l.Truth, r-0.5, r)
		}
		return l
	}
	broken := func(kind string, from, to float64, cas ...string) *episode {
		e := &episode{kind: kind, fault: spoil.Faults[0], began: at(from), cas: map[string]bool{}}
		if to > 0 {
			e.removed = at(to)
		}
		for _, ca := range cas {
			e.cas[ca] = true
		}
		return e
	}
	for _, tc := range []struct {
		name  string
		l     *leaf
		a     client.Answer
		e     *episode
		wrong string // part of what must be said; "": it is right
	}{
		{"good", who(small, ""), got(200, "good", 50), nil, ""},
		{"revoked", who(small, "", 40), got(403, "revoked", 50), nil, ""},
		{"let in at the bound", who(small, "", 40), got(200, "good", 48.9), nil, ""},
		{"let in beyond it", who(small, "", 40), got(200, "good", 49.1), nil, oracle.WrongAllow},
		{"let in beyond it under a fault", who(small, "", 40), got(200, "good", 60), broken(spoil.Catalog, 41, 0), ""},
		{"let in beyond MAX_UNVALIDATED under a fault", who(small, "", 40), got(200, "good", 70.1), broken(spoil.Catalog, 41, 0), oracle.WrongAllow},
		{"let in soon after a fault", who(small, "", 40), got(200, "good", 56), broken(spoil.Catalog, 41, 45), ""},
		{"let in long after a fault", who(small, "", 40), got(200, "good", 60), broken(spoil.Catalog, 41, 45), oracle.WrongAllow},
		{"denied as revoked", who(small, ""), got(403, "revoked", 50), nil, oracle.WrongDeny},
		{"denied before it was revoked", who(small, "", 60), got(403, "revoked", 50), nil, oracle.WrongDeny},
		{"denied for nothing", who(small, ""), got(403, "cache_unavailable", 50), nil, oracle.WrongDeny},
		{"denied under a fault of the catalog", who(small, ""), got(403, "cache_stale", 50), broken(spoil.Catalog, 49, 0), ""},
		{"denied under a fault of its set", who(small, ""), got(403, "cache_unavailable", 50), broken(spoil.Whole, 49, 0, small), ""},
		{"denied under a fault of another's", who(small, ""), got(403, "cache_unavailable", 50), broken(spoil.Part, 49, 0, parts), oracle.WrongDeny},
		{"denied soon after a fault", who(small, ""), got(403, "cache_unavailable", 50), broken(spoil.Catalog, 40, 41), ""},
		{"denied long after a fault", who(small, ""), got(403, "cache_unavailable", 60), broken(spoil.Catalog, 40, 41), oracle.WrongDeny},
		{"denied before a fault", who(small, ""), got(403, "cache_unavailable", 50), broken(spoil.Catalog, 55, 0), oracle.WrongDeny},
		{"no CRL", who(bare, "no_crl"), got(403, "no_crl", 50), nil, ""},
		{"no CRL, let in", who(bare, "no_crl"), got(200, "good", 50), nil, oracle.WrongAllow},
		{"no CRL, denied as revoked", who(bare, "no_crl"), got(403, "revoked", 50), nil, oracle.WrongDeny},
		{"a CRL, denied for none", who(small, ""), got(403, "no_crl", 50), broken(spoil.Catalog, 49, 0), oracle.WrongDeny},
		{"function failed", who(small, ""), got(500, "", 50), broken(spoil.Catalog, 49, 0), "answered 500"},
	} {
		s := &soak{began: run.Began, bounds: oracle.Bounds{RevalidateAfter: revalidateAfter, MaxUnvalidated: maxUnvalidated, Refresh: refreshWithin}}
		if tc.e != nil {
			s.faults.episodes = []*episode{tc.e}
		}
		wrong := s.judge(tc.l, tc.a)
		if (wrong == "") != (tc.wrong == "") || !strings.Contains(wrong, tc.wrong) {
			t.Errorf("%s: %q, want %q", tc.name, wrong, tc.wrong)
		}
	}
}

// Memory that grows is found, and memory that does not is not.
func TestMemory(t *testing.T) {
	lived := func(quarter time.Duration, mem func(second int) int64) []Memory {
		var m memory
		for i := range 2 {
			m.processes = append(m.processes, &process{pid: 7 + i})
			for second := range 120 {
				m.processes[i].samples = append(m.processes[i].samples, sample{time.Duration(second) * quarter / 30, mem(second)})
			}
		}
		m.processes[1].gone = true
		return m.lived(4 * quarter)
	}
	for _, tc := range []struct {
		name  string
		mem   func(second int) int64
		grown bool
	}{
		{"flat", func(int) int64 { return 100 << 20 }, false},
		{"loaded in the first quarter", func(s int) int64 { return 10<<20 + min(int64(s), 29)*4<<20 }, false},
		{"with peaks", func(s int) int64 { return 60<<20 + int64(s%10/8)*50<<20 }, false},
		{"a leak", func(s int) int64 { return 60<<20 + int64(s)*3<<18 }, true},
		{"a step in the middle", func(s int) int64 { return 60<<20 + int64(s/60)*20<<20 }, true},
	} {
		for _, quarter := range []time.Duration{30 * time.Second, 4 * time.Minute} {
			got := lived(quarter, tc.mem)
			if len(got) != 1 || got[0].PID != 7 {
				t.Fatalf("%s: %+v, want process 7 only", tc.name, got)
			}
			if grown := got[0].Grown(); (grown != "") != tc.grown {
				t.Errorf("%s, quarters of %v: %q", tc.name, quarter, grown)
			}
		}
	}
}

// Freezes are told from waiting.
func TestLongestFreeze(t *testing.T) {
	var m memory
	env := func(frozen bool, invocations int) []lambdaruntime.Environment {
		return []lambdaruntime.Environment{{PID: 1 << 30, Frozen: frozen, Invocations: invocations, Freezes: invocations}}
	}
	for i, e := range [][]lambdaruntime.Environment{env(true, 1), env(true, 1), env(true, 1), env(true, 2), env(true, 2), env(false, 3), env(true, 3)} {
		m.look(e, time.Duration(i)*time.Second)
	}
	m.look(nil, 9*time.Second)
	if len(m.processes) != 1 || m.processes[0].longest != 2*time.Second || m.processes[0].freezes != 3 || !m.processes[0].gone {
		t.Errorf("%+v", m.processes[0])
	}
}

// Requests are told apart by whose objects they are for.
func TestStrikes(t *testing.T) {
	for _, tc := range []struct{ kind, method, key, ca string }{
		{spoil.Catalog, "GET", catalog.Key, ""},
		{spoil.Part, "GET", "catalog/0a.json", parts},
		{spoil.Whole, "GET", "sets/crls_2flarge.crl/0a.cache", large},
		{spoil.Whole, "GET", "sets/crls_2flarge-delta.crl/0a.cache", large},
		{spoil.Whole, "GET", "sets/crls_2fparts-07.crl/0a.cache", parts},
		{"", "PUT", catalog.Key, ""},
	} {
		for _, kind := range []string{spoil.Catalog, spoil.Part, spoil.Whole} {
			e := &episode{kind: kind, cas: map[string]bool{}}
			if got := e.strikes(s3proc.Request{Method: tc.method, Key: tc.key}); got != (kind == tc.kind) || got && !e.cas[tc.ca] {
				t.Errorf("%s %s under a fault on %s: %v, %v", tc.method, tc.key, kind, got, e.cas)
			}
		}
	}
}

// The deck has every fault on every kind of GET, but for what no process that
// has just started could see through.
func TestDeck(t *testing.T) {
	seen := map[[2]string]int{}
	for _, b := range deck(rand.New(rand.NewPCG(1, 1))) {
		seen[[2]string{b.kind, b.fault.Name}]++
		if b.fault.Name == "old object put back" {
			t.Error("old objects are put back")
		}
	}
	if want := 3*(len(spoil.Faults)-1) - 2; len(seen) != want { // a catalog and a part are not read by range
		t.Errorf("%d different, want %d", len(seen), want)
	}
}

// The page has every figure that is asked for.
func TestPage(t *testing.T) {
	r := &Result{
		Lasted: 15 * time.Minute, Requests: 90_000, Connections: 4711, Allowed: 60_000, Denies: map[string]int{"revoked": 29_990, "cache_unavailable": 10},
		Calm: []time.Duration{2 * time.Millisecond}, Disturbed: []time.Duration{400 * time.Millisecond}, Revocations: 600, Replacements: 15, ReplacedEntries: 15_004_500,
		Faults: 80, Struck: 3210, Memory: []Memory{{Start: 1 << 20, Peak: 110 << 20, Freezes: 5}}, Violations: []string{"x: " + oracle.WrongAllow + ": y", "z"},
	}
	text := r.Page()
	for _, want := range []string{
		"| 15 minutes |", "**2**", "90000 (100 a second), over 4711", "| denied `revoked` | 29990 |", "| 600 |", "15, with 15004500 entries", "80, which befell 3210 GETs",
		"2.0 ms, 2.0 ms (1 requests)", "400 ms, 400 ms", "| 1 | 1.0 MiB |", "| 110.0 MiB | 5 |",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("no %q in\n%s", want, text)
		}
	}
	r.Log = []string{"panic: gone"}
	if got := r.Failures(); !strings.Contains(got, "\npanic: gone\n") || !strings.HasSuffix(got, "\nz") {
		t.Error(got)
	}
}
