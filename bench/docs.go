package main

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// Between these lines of the page stand the figures, a section each.
const (
	resultsBegin = "<!-- results: begin (make bench-docs writes what stands here) -->"
	resultsEnd   = "<!-- results: end -->"
)

// document writes the figures of these sections into docs/performance.md and the
// charts beside it, from the sections' JSON. What the page says of other sections
// stays.
func (s *settings) document(ran []string) error {
	page := filepath.Join(s.docs, "performance.md")
	text, err := os.ReadFile(page)
	if err != nil {
		return err
	}
	before, rest, ok1 := strings.Cut(string(text), resultsBegin)
	results, after, ok2 := strings.Cut(rest, resultsEnd)
	if !ok1 || !ok2 {
		return fmt.Errorf("%s lacks the lines %q and %q", page, resultsBegin, resultsEnd)
	}
	charts := filepath.Join(s.docs, "performance")
	if err := os.MkdirAll(charts, 0o755); err != nil {
		return err
	}
	var b strings.Builder
	for _, sec := range sections {
		if sec.name == "generate" {
			continue
		}
		if !slices.Contains(ran, sec.name) {
			b.WriteString(shown(results, titles[sec.name]))
			continue
		}
		r, err := readReport(s.dir, sec.name)
		if err != nil {
			return err
		}
		r.markdown(&b)
		for _, c := range r.Charts {
			if err := os.WriteFile(filepath.Join(charts, c.File), []byte(c.svg()), 0o644); err != nil {
				return err
			}
		}
	}
	return os.WriteFile(page, []byte(before+resultsBegin+"\n"+b.String()+"\n"+resultsEnd+after), 0o644)
}

// shown returns what the page says of a section, its heading included; "": nothing.
func shown(results, title string) string {
	const heading = "\n### "
	_, text, ok := strings.Cut(results, heading+title+"\n")
	if !ok {
		return ""
	}
	text, _, _ = strings.Cut(text, heading)
	return heading + title + "\n" + strings.TrimRight(text, "\n") + "\n"
}

// titles of the sections on the page.
var titles = map[string]string{
	"inprocess": "Preprocess, in process", "process": "Preprocess, whole process", "lookup": "Look-up and load",
	"decide": "Warm decision", "stack": "Through the local stack",
}

// markdown writes the section as people read it.
func (r *report) markdown(b *strings.Builder) {
	fmt.Fprintf(b, "\n### %s\n\n%s; %s; load average %s before and %s after.\n\n", titles[r.Section], r.When.Format("2 January 2006, 15:04 UTC"), r.Machine, r.LoadBefore, r.LoadAfter)
	for _, c := range r.Charts {
		fmt.Fprintf(b, "![%s](performance/%s)\n\n", c.Title, c.File)
	}
	r.judged(b)
	r.bySize(b)
	for _, n := range r.Notes {
		fmt.Fprintf(b, "\n%s%s.\n", strings.ToUpper(n[:1]), n[1:])
	}
}

// judged writes the rows that have a target, and those of no number of entries.
func (r *report) judged(b *strings.Builder) {
	fmt.Fprintf(b, "| %s |\n|---|--:|--:|--:|---|\n", strings.Join(headings, " | "))
	for _, w := range r.Rows {
		if target, _ := w.wanted(); target != "" || w.Entries == 0 {
			fmt.Fprintf(b, "| %s |\n", strings.Join(w.cells(), " | "))
		}
	}
}

// bySize writes the other rows, with a column for each number of entries.
func (r *report) bySize(b *strings.Builder) {
	var whats []string
	var sizes []int
	cells := map[string]map[int]string{}
	for _, w := range r.Rows {
		if target, _ := w.wanted(); target != "" || w.Entries == 0 {
			continue
		}
		if cells[w.What] == nil {
			cells[w.What] = map[int]string{}
			whats = append(whats, w.What)
		}
		if !slices.Contains(sizes, w.Entries) {
			sizes = append(sizes, w.Entries)
		}
		cells[w.What][w.Entries] = number(w.Value) + unit(w.Unit)
	}
	if len(whats) == 0 {
		return
	}
	slices.Sort(sizes)
	b.WriteString("\n| entries |")
	for _, n := range sizes {
		fmt.Fprintf(b, " %s |", count(n))
	}
	b.WriteString("\n|---|" + strings.Repeat("--:|", len(sizes)) + "\n")
	for _, what := range whats {
		fmt.Fprintf(b, "| %s |", what)
		for _, n := range sizes {
			fmt.Fprintf(b, " %s |", cells[what][n])
		}
		b.WriteString("\n")
	}
}
