package check

import (
	"fmt"
	"io"
	"text/tabwriter"

	"github.com/crlgate/crlgate/cmd/crlgate/internal/terminal"
)

// Print writes the result as people read it.
func (r *Result) Print(out io.Writer) error {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	for _, c := range r.CRLs {
		if c.Accepted {
			fmt.Fprintf(w, "CRL %s\taccepted\tCA %s, CRL number %s, %d entries", c.File, c.CA, c.Number, c.Entries)
			if c.Detail != "" {
				fmt.Fprintf(w, ". Warning: %s", c.Detail)
			}
			fmt.Fprintln(w)
		} else {
			fmt.Fprintf(w, "CRL %s\trefused\t%s: %s\n", c.File, c.Code, terminal.Line(c.Detail))
		}
	}
	if r.Decision != nil {
		verdict := *r.Decision
		if *r.Reason != "" {
			verdict += " (" + *r.Reason + ")"
		}
		fmt.Fprintf(w, "certificate\t%s\t%s", *r.Status, verdict)
		if *r.CA != "" {
			fmt.Fprintf(w, ", CA %s", *r.CA)
		}
		if *r.Serial != "" {
			fmt.Fprintf(w, ", serial %s", *r.Serial)
		}
		if r.Detail != "" {
			fmt.Fprintf(w, ": %s", terminal.Line(r.Detail))
		}
		fmt.Fprintln(w)
	}
	return w.Flush()
}
