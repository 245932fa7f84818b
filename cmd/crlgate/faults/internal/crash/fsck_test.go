package crash

import (
	"slices"
	"strings"
	"testing"

	"github.com/crlgate/crlgate/pkg/catalog"
)

// fsck must find what is to be found, and nothing else.
func TestFsckIsAnOracle(t *testing.T) {
	p := newPlain(true)
	uploads, cache := buckets(t, p.world)
	found := func(want State) string {
		t.Helper()
		faults, err := check(t.Context(), uploads, cache, want)
		if err != nil {
			t.Fatal(err)
		}
		return strings.Join(faults, "; ")
	}
	if got := found(p.state); got != "" {
		t.Errorf("of sound buckets: %s", got)
	}
	want := p.state
	want.Stands = []string{uploadGone("crls/alpha.crl")}
	if got := found(want); got != "fsck does not find upload_gone crls/alpha.crl" {
		t.Errorf("of what is to be found and is not: %q", got)
	}
	cache.Remove(catalog.ReportKey("crls/alpha.crl"))
	if got := found(p.state); !strings.HasPrefix(got, "fsck finds report_missing reports/crls/alpha.crl.json") {
		t.Errorf("of a lost report: %q", got)
	}
	want = p.state
	want.May = []string{"report_missing reports/crls/alpha.crl.json"}
	if got := found(want); got != "" {
		t.Errorf("of what may be found: %q", got)
	}
	for _, key := range cache.Keys() {
		if strings.HasPrefix(key, catalog.SetPrefix) {
			body, _, _ := cache.Load(key)
			body = slices.Clone(body)
			body[len(body)-3] ^= 1
			cache.Store(key, body)
		}
	}
	if got := found(want); !strings.Contains(got, "set_damaged") {
		t.Errorf("of damaged sets: %q", got)
	}
}

// What an event leaves to the timer, fsck may find until then.
func TestLagging(t *testing.T) {
	before := State{Reports: map[string]string{"crls/a.crl": "pending", "crls/b.crl": "accepted", "crls/c.crl": "accepted"}}
	after := State{Reports: map[string]string{"crls/a.crl": "accepted", "crls/b.crl": "deleted", "crls/c.crl": "accepted"}}
	got := after.lagging(before, "crls/b.crl")
	if got.Reports["crls/a.crl"] != "accepted or pending" || got.Reports["crls/b.crl"] != "deleted" || got.Reports["crls/c.crl"] != "accepted" {
		t.Errorf("reports %v", got.Reports)
	}
	if !slices.Equal(got.May, []string{"report_missing reports/crls/a.crl.json", "report_stale reports/crls/a.crl.json"}) {
		t.Errorf("fsck may find %v", got.May)
	}
}
