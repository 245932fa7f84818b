package main

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"time"
)

// report is what a section found.
type report struct {
	Section    string    `json:"section"`
	When       time.Time `json:"when"`
	Machine    string    `json:"machine"`
	LoadBefore string    `json:"load_before"` // average of a minute: beyond 0, others were at work
	LoadAfter  string    `json:"load_after"`
	Rows       []row     `json:"rows"`
	Charts     []chart   `json:"charts,omitempty"`
	Notes      []string  `json:"notes,omitempty"`
}

// row is one figure.
type row struct {
	What    string  `json:"what"`
	Entries int     `json:"entries,omitempty"`
	Value   float64 `json:"value"`
	Unit    string  `json:"unit,omitempty"`
	Rounds  int     `json:"rounds,omitempty"` // of which the value is the median
	Target  float64 `json:"target,omitempty"` // 0: there is none
	AtLeast bool    `json:"at_least,omitempty"`
	Zero    bool    `json:"zero,omitempty"` // the target is 0
}

// chart is a figure for docs/performance: lines over entries, both axes
// logarithmic.
type chart struct {
	File   string   `json:"file"`
	Title  string   `json:"title"`
	Y      string   `json:"y"`
	Series []series `json:"series"`
}

type series struct {
	Name   string       `json:"name"`
	Points [][2]float64 `json:"points"`
}

func (r *report) add(rows ...row) { r.Rows = append(r.Rows, rows...) }

func (r *report) note(format string, args ...any) {
	r.Notes = append(r.Notes, fmt.Sprintf(format, args...))
}

// point adds a point to a line of a chart, both made when they are new.
func (c *chart) point(line string, entries int, y float64) {
	p := [2]float64{float64(entries), y}
	for i := range c.Series {
		if c.Series[i].Name == line {
			c.Series[i].Points = append(c.Series[i].Points, p)
			return
		}
	}
	c.Series = append(c.Series, series{line, [][2]float64{p}})
}

// wanted says in words what a row was to reach, and whether it did.
func (w row) wanted() (target, met string) {
	if w.Target == 0 && !w.Zero {
		return "", ""
	}
	target, ok := "≤ "+number(w.Target)+unit(w.Unit), w.Value <= w.Target
	if w.AtLeast {
		target, ok = "≥ "+number(w.Target)+unit(w.Unit), w.Value >= w.Target
	}
	if ok {
		return target, "yes"
	}
	return target, "**no**"
}

// cells are a row as it is printed.
func (w row) cells() []string {
	target, met := w.wanted()
	entries := ""
	if w.Entries > 0 {
		entries = count(w.Entries)
	}
	return []string{w.What, entries, number(w.Value) + unit(w.Unit), target, met}
}

var headings = []string{"", "entries", "measured", "target", "met"}

func unit(u string) string {
	if u == "" || u == "×" {
		return u
	}
	return " " + u
}

// number writes three digits that mean something.
func number(x float64) string {
	switch {
	case x == float64(int64(x)) && x < 1e6:
		return strconv.FormatInt(int64(x), 10)
	case x >= 100:
		return strconv.FormatFloat(x, 'f', 0, 64)
	case x >= 10:
		return strconv.FormatFloat(x, 'f', 1, 64)
	case x >= 1:
		return strconv.FormatFloat(x, 'f', 2, 64)
	}
	return strconv.FormatFloat(x, 'g', 3, 64)
}

// count writes a number of entries: 10,000.
func count(n int) string {
	text := strconv.Itoa(n)
	for i := len(text) - 3; i > 0; i -= 3 {
		text = text[:i] + "," + text[i:]
	}
	return text
}

func (r *report) print(w io.Writer) {
	fmt.Fprintf(w, "\n%s (load %s to %s)\n", r.Section, r.LoadBefore, r.LoadAfter)
	table := [][]string{headings}
	for _, row := range r.Rows {
		table = append(table, row.cells())
	}
	widths := make([]int, len(headings))
	for _, line := range table {
		for i, cell := range line {
			widths[i] = max(widths[i], len([]rune(cell)))
		}
	}
	for _, line := range table {
		for i, cell := range line {
			pad := strings.Repeat(" ", widths[i]-len([]rune(cell)))
			if i == 0 {
				fmt.Fprint(w, "  ", cell, pad)
			} else {
				fmt.Fprint(w, "  ", pad, cell)
			}
		}
		fmt.Fprintln(w)
	}
	for _, n := range r.Notes {
		fmt.Fprintln(w, "  note:", n)
	}
}

func (r *report) write(dir string) error {
	b, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		return err
	}
	return os.WriteFile(dir+"/"+r.Section+".json", append(b, '\n'), 0o644)
}

func readReport(dir, section string) (*report, error) {
	b, err := os.ReadFile(dir + "/" + section + ".json")
	if err != nil {
		return nil, err
	}
	var r report
	return &r, json.Unmarshal(b, &r)
}
