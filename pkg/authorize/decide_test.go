package authorize_test

import (
	"errors"
	"fmt"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/crlgate/crlgate/pkg/authorize"
	"github.com/crlgate/crlgate/pkg/issuer"
	"github.com/crlgate/crlgate/pkg/revocation"
)

// enforce has every condition that a row may need switched on.
var enforce = authorize.Settings{RequireChain: true}

// goodFacts are those of a request that is let in.
func goodFacts() authorize.Facts {
	return authorize.Facts{Domain: "api.example.com", Answer: revocation.Answer{Status: revocation.Good, CA: "partner-a"}}
}

// rows make each row of the table hold, whatever else does.
var rows = []struct {
	reason authorize.Reason
	hold   func(*authorize.Facts)
}{
	1: {authorize.InternalError, func(f *authorize.Facts) { f.Fault = errors.New("fault") }},
	2: {authorize.NoClientCertificate, func(f *authorize.Facts) { f.NoCertificate = true }},
	3: {authorize.MalformedCertificate, func(f *authorize.Facts) { f.Malformed = errors.New("malformed") }},
	4: {authorize.UnknownIssuer, func(f *authorize.Facts) { f.Answer.CA = "" }},
	5: {authorize.CANotAssociated, func(f *authorize.Facts) { f.Answer.Settings.Domains = []string{"other.example.com"} }},
	6: {authorize.Revoked, func(f *authorize.Facts) { f.Answer.Status, f.Answer.Hit = revocation.Revoked, &revocation.Hit{} }},
	7: {authorize.IssuerRevoked, func(f *authorize.Facts) { f.Answer.IssuerRevoked = true }},
	8: {authorize.CacheUnavailable, func(f *authorize.Facts) {
		f.Answer.Unavailable = errors.Join(f.Answer.Unavailable, errors.New("set is gone"))
	}},
	9:  {authorize.CacheStale, func(f *authorize.Facts) { f.Answer.Stale = true }},
	10: {authorize.NoCRL, func(f *authorize.Facts) { f.Answer.NoCRL = true }},
	11: {authorize.OutOfScope, func(f *authorize.Facts) { f.Answer.OutOfScope = true }},
	12: {authorize.CRLExpired, func(f *authorize.Facts) { f.Answer.Expired = true }},
	13: {authorize.ChainUnknown, func(f *authorize.Facts) { f.Answer.ChainUnknown = true }},
	14: {authorize.Good, func(*authorize.Facts) {}},
}

// holding returns facts for which these rows hold.
func holding(which ...int) *authorize.Facts {
	f := goodFacts()
	for _, row := range which {
		rows[row].hold(&f)
	}
	return &f
}

// sets are, for each row: it alone, it with each row below, it with all below.
func sets(row int) map[string][]int {
	out := map[string][]int{"alone": {row}}
	all := []int{row}
	for below := row + 1; below < len(rows); below++ {
		out[fmt.Sprintf("with row %d", below)] = []int{row, below}
		all = append(all, below)
	}
	out["with all below"] = all
	return out
}

func TestDecisionTable(t *testing.T) {
	for row := 1; row < len(rows); row++ {
		for name, which := range sets(row) {
			d := authorize.Decide(holding(which...), enforce, start)
			want := authorize.Decision{Allow: row == 14, Reason: rows[row].reason, Row: row}
			if d != want {
				t.Errorf("row %d %s: %+v, want %+v", row, name, d, want)
			}
		}
	}
}

// A row holds only where the one fact is there: a table that denies everything
// would pass the test above.
func TestRowsNeedTheirFacts(t *testing.T) {
	f := goodFacts()
	f.Answer.Settings.Domains = []string{"api.example.com"}
	f.Answer.ChainUnknown = true
	if d := authorize.Decide(&f, authorize.Settings{}, start); !d.Allow || d.Row != 14 || d.WouldDeny {
		t.Errorf("%+v", d)
	}
}

// relaxation is one way to let through what a row denies.
var relaxations = map[string]struct {
	apply     func(*authorize.Facts, *authorize.Settings)
	relaxed   string
	wouldDeny bool
	rows      func(row int) bool
}{
	"`MODE=observe`": {
		func(_ *authorize.Facts, s *authorize.Settings) { s.Observe = true }, "observe", true,
		func(row int) bool { return row == 4 || row >= 6 && row <= 13 },
	},
	"`mode: observe`": {
		func(f *authorize.Facts, _ *authorize.Settings) { f.Answer.Settings.Mode = "observe" }, "observe", true,
		func(row int) bool { return row >= 6 && row <= 13 },
	},
	"`allow_until`": {
		func(f *authorize.Facts, _ *authorize.Settings) {
			f.Answer.Settings.AllowUntil = start.Add(time.Hour)
		}, "allow_until", true,
		func(row int) bool { return row >= 8 && row <= 13 },
	},
	"`crl: optional`": {
		func(f *authorize.Facts, _ *authorize.Settings) { f.Answer.Settings.CRL = "optional" }, "crl: optional", false,
		func(row int) bool { return row == 10 },
	},
}

func TestRelaxations(t *testing.T) {
	for how, r := range relaxations {
		for row := 1; row <= 13; row++ {
			for name, which := range sets(row) {
				f, s := holding(which...), enforce
				if row == 4 {
					f.Answer.Settings = issuer.Settings{} // there is no CA that could have settings
				}
				if row != 4 || how == "`MODE=observe`" {
					r.apply(f, &s)
				}
				d := authorize.Decide(f, s, start)
				want := authorize.Decision{Reason: rows[row].reason, Row: row}
				if r.rows(row) {
					want.Allow, want.WouldDeny, want.Relaxed = true, r.wouldDeny, r.relaxed
				}
				if d != want {
					t.Errorf("%s, row %d %s: %+v, want %+v", how, row, name, d, want)
				}
			}
		}
	}
}

func TestBreakGlassEnds(t *testing.T) {
	f := holding(12)
	f.Answer.Settings.AllowUntil = start
	for at, allow := range map[time.Time]bool{
		start.Add(-time.Nanosecond): true, start: false, start.Add(time.Hour): false,
		// One further ahead than was ever accepted counts as none.
		start.Add(-8 * 24 * time.Hour): false,
	} {
		if d := authorize.Decide(f, enforce, at); d.Allow != allow {
			t.Errorf("at %v: %+v", at, d)
		}
	}
}

// Without a catalog no CA is known, and the reason says which of the two it is.
func TestNoCatalogIsUnavailable(t *testing.T) {
	f := &authorize.Facts{Answer: revocation.Answer{Unavailable: fmt.Errorf("%w: S3 is down", revocation.ErrNoCatalog)}}
	if d := authorize.Decide(f, enforce, start); d.Allow || d.Reason != authorize.CacheUnavailable || d.Row != 8 {
		t.Errorf("%+v", d)
	}
	if d := authorize.Decide(f, authorize.Settings{Observe: true}, start); !d.Allow || !d.WouldDeny {
		t.Errorf("observed: %+v", d)
	}
}

func TestZeroValuesDeny(t *testing.T) {
	var d authorize.Decision
	if d.Allow {
		t.Error("the zero decision allows")
	}
	if d := authorize.Decide(&authorize.Facts{}, authorize.Settings{}, start); d.Allow {
		t.Errorf("zero facts: %+v", d)
	}
	for _, status := range []revocation.Status{revocation.Unknown, 99} {
		f := &authorize.Facts{Answer: revocation.Answer{CA: "partner-a", Status: status}}
		for _, s := range []authorize.Settings{{}, {Observe: true}, {RequireChain: true}} {
			f.Answer.Settings = issuer.Settings{Mode: "observe", CRL: "optional", AllowUntil: start.Add(time.Hour)}
			if d := authorize.Decide(f, s, start); d.Allow || d.Reason != authorize.InternalError || d.Row != 1 {
				t.Errorf("status %v, nothing else known: %+v", status, d)
			}
		}
	}
}

var tableRow = regexp.MustCompile("^\\| (\\d+) \\| .* \\| (allow|deny) `(\\w+)` \\| (.*?) ?\\|$")

// docs/decision-table.md and the code say the same, row by row.
func TestDecisionTableIsDocumented(t *testing.T) {
	page, err := os.ReadFile("../../docs/decision-table.md")
	if err != nil {
		t.Fatal(err)
	}
	row := 0
	for _, line := range strings.Split(string(page), "\n") {
		m := tableRow.FindStringSubmatch(line)
		if m == nil {
			continue
		}
		row++
		d := authorize.Decide(holding(row), enforce, start)
		verb := map[bool]string{true: "allow", false: "deny"}[d.Allow]
		if m[1] != fmt.Sprint(row) || m[1] != fmt.Sprint(d.Row) || m[2] != verb || m[3] != string(d.Reason) {
			t.Errorf("row %d of the page: %q; the code: %+v", row, line, d)
		}
		for how, r := range relaxations {
			if strings.Contains(m[4], how) != (row < 14 && r.rows(row)) {
				t.Errorf("row %d of the page says of what lets it through: %q; the code, of %s: %v", row, m[4], how, r.rows(row))
			}
		}
	}
	if row != len(rows)-1 {
		t.Errorf("the page has %d rows, the table %d", row, len(rows)-1)
	}
}
