package main

import (
	"fmt"
	"io"
	"os"
	"path"
	"strings"
	"text/tabwriter"
)

// A row counts the mutants of one package.
type row struct {
	folder                 string
	mutants, tests, time   int // all; killed by a failed test; by one that did not end
	explained, unexplained int // survivors
}

// score is the share of mutants that are killed, of those that are not
// explained.
func (r row) score() string {
	if r.mutants == r.explained {
		return "–"
	}
	killed, of := r.tests+r.time, r.mutants-r.explained
	// Rounded down: 100.0 % is all of them.
	return fmt.Sprintf("%d.%d %%", killed*100/of, killed*1000/of%10)
}

// A report is what a run found.
type report struct {
	rows      []row
	survivors []*result
	stale     []string
	untried   int
}

// newReport reports what has become of mutants. Those that were not tried, as the
// run has ended before, are counted apart.
func newReport(results []*result, explained []explanation, o *options) *report {
	rep := &report{}
	at := map[string]*explanation{}
	for i := range explained {
		e := &explained[i]
		if at[e.key] != nil {
			rep.stale = append(rep.stale, fmt.Sprintf("%s:%d: explained twice: %s", o.explained, e.line, e.change))
		}
		at[e.key] = e
	}
	rows := map[string]*row{}
	found := map[string]bool{}
	var order []string
	for _, r := range results {
		found[r.Key()] = true
		if r.outcome == untried {
			rep.untried++
			continue
		}
		w := rows[r.Package]
		if w == nil {
			w = &row{folder: r.Package}
			rows[r.Package] = w
			order = append(order, r.Package)
		}
		w.mutants++
		e := at[r.Key()]
		switch r.outcome {
		case killed:
			w.tests++
		case timedOut:
			w.time++
		default:
			if e != nil {
				w.explained++
				continue
			}
			w.unexplained++
			rep.survivors = append(rep.survivors, r)
			continue
		}
		if e != nil {
			rep.stale = append(rep.stale, fmt.Sprintf("%s:%d: explained, and %s %s: %s", o.explained, e.line, r.outcome, r.by, r.Mutant))
		}
	}
	for _, folder := range o.sorted(order) {
		rep.rows = append(rep.rows, *rows[folder])
	}
	for _, e := range explained {
		if !found[e.key] && o.covers(e.file) {
			rep.stale = append(rep.stale, fmt.Sprintf("%s:%d: there is no such mutant any more: %s: %s", o.explained, e.line, e.file, e.change))
		}
	}
	return rep
}

// covers says that a run looked at every mutant of a file.
func (o *options) covers(file string) bool {
	if o.filter.String() != "" {
		return false
	}
	for _, p := range o.packages {
		if path.Dir(file) == p {
			return true
		}
	}
	return false
}

func (rep *report) clean() bool { return len(rep.survivors) == 0 && len(rep.stale) == 0 }

func (rep *report) write(out io.Writer) {
	if len(rep.survivors) > 0 {
		fmt.Fprintln(out, "Survivors without an explanation:")
	}
	for _, r := range rep.survivors {
		words := ""
		if r.outcome == unreached {
			words = "   (no test reaches it)"
		}
		fmt.Fprintf(out, "%s%s\n", r.Mutant, words)
	}
	if len(rep.stale) > 0 {
		fmt.Fprintln(out, "\nExplanations that do not hold:")
	}
	for _, s := range rep.stale {
		fmt.Fprintln(out, s)
	}
	fmt.Fprintln(out)
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(w, "package\tmutants\tkilled by a test\tby the time limit\tsurvived, explained\tsurvived\tscore\t")
	for _, r := range rep.rows {
		fmt.Fprintf(w, "%s\t%d\t%d\t%d\t%d\t%d\t%s\t\n", r.folder, r.mutants, r.tests, r.time, r.explained, r.unexplained, r.score())
	}
	_ = w.Flush()
	if rep.untried > 0 {
		fmt.Fprintf(out, "The run ended early: %d more mutants were not tried, and others may not have met all tests.\n", rep.untried)
	}
}

const (
	tableStart = "<!-- scores: written by make mutants-docs -->"
	tableEnd   = "<!-- end of scores -->"
)

// writeDocs writes the rows of this run into the table of a Markdown file;
// rows of other packages stay as they are.
func (rep *report) writeDocs(name string) error {
	text, err := os.ReadFile(name)
	if err != nil {
		return err
	}
	head, rest, ok := strings.Cut(string(text), tableStart+"\n")
	table, tail, ok2 := strings.Cut(rest, tableEnd)
	if !ok || !ok2 {
		return fmt.Errorf("%s: no table between %q and %q", name, tableStart, tableEnd)
	}
	var order []string
	lines := map[string]string{}
	for line := range strings.Lines(table) {
		if folder, _, ok := strings.Cut(strings.TrimPrefix(line, "| `"), "`"); ok {
			order = append(order, folder)
			lines[folder] = line
		}
	}
	for _, r := range rep.rows {
		if lines[r.folder] == "" {
			order = append(order, r.folder)
		}
		lines[r.folder] = fmt.Sprintf("| `%s` | %d | %d | %d | %d | %d | %s |\n", r.folder, r.mutants, r.tests, r.time, r.explained, r.unexplained, r.score())
	}
	var b strings.Builder
	b.WriteString(head + tableStart + "\n")
	b.WriteString("| package | mutants | killed by a test | by the time limit | survived, explained | survived | score |\n|---|---|---|---|---|---|---|\n")
	for _, folder := range order {
		b.WriteString(lines[folder])
	}
	b.WriteString(tableEnd + tail)
	return os.WriteFile(name, []byte(b.String()), 0o644)
}
