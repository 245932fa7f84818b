// Package page writes what the runs found into docs/reliability.md: each run has
// a place of its own there, between two comments, so that it can be renewed by
// itself.
package page

import (
	"bytes"
	"fmt"
	"os"
	"strings"
)

// Replace returns the page with text in the place of a run, which the page has
// as <!-- NAME: begin … --> and <!-- NAME: end -->.
func Replace(page []byte, name, text string) ([]byte, error) {
	begin, end := []byte("<!-- "+name+": begin"), []byte("<!-- "+name+": end -->")
	i := bytes.Index(page, begin)
	j := bytes.Index(page, end)
	if i < 0 || j < i {
		return nil, fmt.Errorf("the page has no place for %q: put %s … --> and %s where it is to stand", name, begin, end)
	}
	line := bytes.IndexByte(page[i:], '\n')
	if line < 0 || i+line > j {
		return nil, fmt.Errorf("the page's place for %q begins and ends on one line", name)
	}
	var out bytes.Buffer
	out.Write(page[:i+line+1])
	out.WriteString("\n" + strings.TrimSpace(text) + "\n\n")
	out.Write(page[j:])
	return out.Bytes(), nil
}

// Write replaces a run's place in the file.
func Write(path, name, text string) error {
	page, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	if page, err = Replace(page, name, text); err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	return os.WriteFile(path, page, 0o644)
}

// Table is a table in Markdown.
type Table struct {
	head []string
	rows [][]string
}

// NewTable returns a table with these columns.
func NewTable(head ...string) *Table { return &Table{head: head} }

// Row adds a row.
func (t *Table) Row(cells ...any) {
	row := make([]string, len(t.head))
	for i, c := range cells {
		row[i] = strings.ReplaceAll(fmt.Sprint(c), "|", "\\|")
	}
	t.rows = append(t.rows, row)
}

// String is the table in Markdown.
func (t *Table) String() string {
	var b strings.Builder
	line := func(cells []string) { b.WriteString("| " + strings.Join(cells, " | ") + " |\n") }
	line(t.head)
	b.WriteString("|" + strings.Repeat("---|", len(t.head)) + "\n")
	for _, r := range t.rows {
		line(r)
	}
	return b.String()
}
