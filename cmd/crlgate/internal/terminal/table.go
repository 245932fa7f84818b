package terminal

import (
	"fmt"
	"io"
	"strings"
	"unicode/utf8"
)

// Cell is a text of a table, in a colour.
type Cell struct {
	Text   string
	Colour Colour
}

// Table is rows of cells, printed in columns. Unlike text/tabwriter it can
// colour cells, since colour has no width.
type Table struct {
	rows [][]Cell
}

// Head adds a row of column heads.
func (t *Table) Head(heads ...string) {
	row := make([]Cell, len(heads))
	for i, h := range heads {
		row[i] = Cell{h, Strong}
	}
	t.rows = append(t.rows, row)
}

// Row adds a row, each cell as [Line] shows it.
func (t *Table) Row(cells ...Cell) {
	for i := range cells {
		cells[i].Text = Line(cells[i].Text)
	}
	t.rows = append(t.rows, cells)
}

// Print writes the table, each line after indent.
func (t *Table) Print(w io.Writer, indent string, colour bool) error {
	var widths []int
	for _, row := range t.rows {
		for i, c := range row {
			if i == len(widths) {
				widths = append(widths, 0)
			}
			widths[i] = max(widths[i], utf8.RuneCountInString(c.Text))
		}
	}
	for _, row := range t.rows {
		var line strings.Builder
		line.WriteString(indent)
		pending := 0 // spaces owed, so that no line ends in any
		for i, c := range row {
			if c.Text != "" {
				line.WriteString(strings.Repeat(" ", pending))
				line.WriteString(Paint(colour, c.Colour, c.Text))
				pending = 0
			}
			pending += widths[i] - utf8.RuneCountInString(c.Text) + 2
		}
		if _, err := fmt.Fprintln(w, line.String()); err != nil {
			return err
		}
	}
	return nil
}
