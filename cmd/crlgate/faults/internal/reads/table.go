package reads

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/crlgate/crlgate/cmd/crlgate/faults/internal/page"
	"github.com/crlgate/crlgate/cmd/crlgate/faults/internal/spoil"
)

// Summary has a line a lane.
func (r *Result) Summary() string {
	t := page.NewTable("authorizer", "faults", "GETs befallen", "answers under them", "let in", "denied `revoked`", "denied `cache_unavailable`", "denied `cache_stale`",
		"let in after the revocation was accepted, latest", "slowest answer", "slowest recovery", "wrong")
	sum := func(name string, cells []*Cell) {
		var all Cell
		all.Denies = map[string]int{}
		for _, c := range cells {
			all.Struck, all.Answers, all.Allows = all.Struck+c.Struck, all.Answers+c.Answers, all.Allows+c.Allows
			all.Slowest, all.Recovered, all.Latest = max(all.Slowest, c.Slowest), max(all.Recovered, c.Recovered), max(all.Latest, c.Latest)
			all.Late += c.Late
			for reason, n := range c.Denies {
				all.Denies[reason] += n
			}
			all.Violations = append(all.Violations, c.Violations...)
		}
		late := "–"
		if all.Late > 0 {
			late = fmt.Sprintf("%d, %s", all.Late, seconds(all.Latest))
		}
		t.Row(name, len(cells), all.Struck, all.Answers, all.Allows, all.Denies["revoked"], all.Denies["cache_unavailable"], all.Denies["cache_stale"],
			late, seconds(all.Slowest), seconds(all.Recovered), len(all.Violations))
	}
	for _, l := range r.Lanes {
		var cells []*Cell
		for _, c := range r.Cells {
			if c.Lane == l.Name {
				cells = append(cells, c)
			}
		}
		if len(cells) > 0 {
			sum(l.Name, cells)
		}
	}
	sum("**all**", r.Cells)
	return t.String()
}

func seconds(d time.Duration) string { return fmt.Sprintf("%.1f s", d.Seconds()) }

// Table has a line a fault: for each kind of GET, how many it befell in all
// lanes, and for which reasons clients were denied meanwhile, other than as
// revoked.
func (r *Result) Table() string {
	t := page.NewTable(append([]string{"fault"}, spoil.Kinds...)...)
	for _, f := range spoil.Faults {
		row := []any{f.Name}
		for _, kind := range spoil.Kinds {
			row = append(row, r.entry(kind, f.Name))
		}
		t.Row(row...)
	}
	return t.String()
}

func (r *Result) entry(kind, fault string) string {
	struck, found := 0, false
	where := map[string][]string{} // lanes, by reason
	for _, c := range r.Cells {
		if c.Kind != kind || c.Fault != fault {
			continue
		}
		struck, found = struck+c.Struck, true
		for reason := range c.Denies {
			if reason != "revoked" {
				where[reason] = append(where[reason], c.Lane)
			}
		}
	}
	if !found {
		return "–"
	}
	out := fmt.Sprint(struck)
	for _, reason := range slices.Sorted(maps.Keys(where)) {
		out += fmt.Sprintf("; `%s` (%s)", reason, strings.Join(slices.Compact(slices.Sorted(slices.Values(where[reason]))), "; "))
	}
	return out
}
