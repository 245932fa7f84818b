package demo

import (
	"fmt"
	"io"
	"text/tabwriter"
)

// table is what was expected, and what happened.
type table struct{ rows []row }

type row struct {
	what, want, got string
	ok              bool
}

func (t *table) add(what, want, got, code string) {
	shown := got
	if code != "" && code != got {
		shown += " " + code
	}
	t.addText(what, want, shown, got == want)
}

func (t *table) addText(what, want, got string, ok bool) {
	t.rows = append(t.rows, row{what, want, got, ok})
}

func (t *table) allAsExpected() bool {
	for _, r := range t.rows {
		if !r.ok {
			return false
		}
	}
	return len(t.rows) > 0
}

func (t *table) print(out io.Writer) error {
	w := tabwriter.NewWriter(out, 0, 0, 3, ' ', 0)
	fmt.Fprintln(w, "\nSTEP\tEXPECTED\tHAPPENED\t")
	failed := 0
	for _, r := range t.rows {
		mark := "ok"
		if !r.ok {
			mark = "WRONG"
			failed++
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\n", r.what, r.want, r.got, mark)
	}
	if err := w.Flush(); err != nil {
		return err
	}
	_, err := fmt.Fprintf(out, "\n%d of %d as expected.\n", len(t.rows)-failed, len(t.rows))
	return err
}
