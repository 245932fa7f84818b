package soak

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/crlgate/crlgate/cmd/crlgate/faults/internal/oracle"
	"github.com/crlgate/crlgate/cmd/crlgate/faults/internal/page"
)

// Result is what a run found.
type Result struct {
	Lasted time.Duration

	Due, Requests, Connections int
	Allowed                    int
	Denies                     map[string]int // by reason
	// Late is how many requests of clients were let in whose revocation had been
	// accepted, as may be within the bound; Latest is how long it had been.
	Late   int
	Latest time.Duration

	// Calm and Disturbed are how long answers took from the moment that their
	// requests were due, outside of and in times of faults.
	Calm, Disturbed []time.Duration
	window          []time.Duration

	Revocations, Replacements, ReplacedEntries int
	Slowest                                    time.Duration // from a revocation's CRL, made, to its acceptance
	Faults, Struck, Stumbles                   int

	Processes, Started, Retired, Freezes int
	LongestFrozen                        time.Duration
	Memory                               []Memory
	Peak                                 int64 // of any process

	Audited    int
	Violations oracle.Violations
	Log        []string // the last lines of the functions that are not of decisions
}

// Failures says how the functions ended, and last what was wrong.
func (r *Result) Failures() string {
	out := "Wrong:\n" + r.Violations.String()
	if len(r.Log) > 0 {
		out = "The functions' last lines:\n" + strings.Join(r.Log, "\n") + "\n" + out
	}
	return out
}

// quantile is the time within which a part of 100 was answered.
func quantile(took []time.Duration, part int) time.Duration {
	if len(took) == 0 {
		return 0
	}
	took = slices.Sorted(slices.Values(took))
	return took[(len(took)-1)*part/100]
}

func milliseconds(d time.Duration) string {
	ms := d.Seconds() * 1e3
	if ms < 10 {
		return fmt.Sprintf("%.1f ms", ms)
	}
	return fmt.Sprintf("%.0f ms", ms)
}

// Page is the result in Markdown.
func (r *Result) Page() string {
	minutes := fmt.Sprintf("%.0f minutes", r.Lasted.Minutes())
	if r.Lasted < 2*time.Minute-5*time.Second {
		minutes = fmt.Sprintf("%.0f seconds", r.Lasted.Seconds())
	}
	t := page.NewTable(minutes, "")
	t.Row("**wrong answers**", fmt.Sprintf("**%d**", len(r.Violations)))
	t.Row("requests", fmt.Sprintf("%d (%.0f a second), over %d mutual-TLS connections", r.Requests, float64(r.Requests)/r.Lasted.Seconds(), r.Connections))
	t.Row("let in", r.Allowed)
	for _, reason := range slices.SortedFunc(maps.Keys(r.Denies), func(a, b string) int { return r.Denies[b] - r.Denies[a] }) {
		name := "`" + reason + "`"
		if reason == "" {
			name = "without a reason"
		}
		t.Row("denied "+name, r.Denies[reason])
	}
	t.Row("revocations accepted", r.Revocations)
	t.Row("slowest from CRL to acceptance, under faults too", fmt.Sprintf("%.1f s", r.Slowest.Seconds()))
	t.Row("let in after the revocation was accepted", fmt.Sprintf("%d, at the latest %.1f s after it", r.Late, r.Latest.Seconds()))
	t.Row("complete CRLs replaced", fmt.Sprintf("%d, with %d entries in all", r.Replacements, r.ReplacedEntries))
	t.Row("faults of the authorizers' GETs", fmt.Sprintf("%d, which befell %d GETs", r.Faults, r.Struck))
	t.Row("faults of the preprocessor's requests", r.Stumbles)
	t.Row("p50, p99 outside of times of faults", fmt.Sprintf("%s, %s (%d requests)", milliseconds(quantile(r.Calm, 50)), milliseconds(quantile(r.Calm, 99)), len(r.Calm)))
	t.Row("p50, p99 in times of faults", fmt.Sprintf("%s, %s (%d requests)", milliseconds(quantile(r.Disturbed, 50)), milliseconds(quantile(r.Disturbed, 99)), len(r.Disturbed)))
	t.Row("authorizer processes", fmt.Sprintf("%d at once at the most, %d in all; %d were retired", r.Processes, r.Started, r.Retired))
	t.Row("freezes", fmt.Sprintf("%d, the longest of %.0f s", r.Freezes, r.LongestFrozen.Seconds()))
	t.Row("most memory of any process", mib(r.Peak))
	t.Row("clients asked once more at the end", r.Audited)
	out := t.String()
	if len(r.Memory) > 0 {
		how := "median"
		if r.Lasted < shortRun {
			how = "highest"
		}
		m := page.NewTable("memory of a process that lived through the run", "at start", "after a quarter", "second quarter, "+how, "last quarter, median", "at the end", "highest", "freezes")
		for i, x := range r.Memory {
			m.Row(i+1, mib(x.Start), mib(x.Warm), mib(x.Second), mib(x.Last), mib(x.End), mib(x.Peak), x.Freezes)
		}
		out += "\n" + m.String()
	}
	return out
}
