package fsck

import (
	"fmt"
	"io"
	"slices"

	"github.com/crlgate/crlgate/cmd/crlgate/internal/terminal"
)

// Print writes what was found as people read it. before is what was found before
// a repair; nil: there was none.
func (r *Result) Print(w io.Writer, target string, before *Result, colour bool) error {
	if before != nil {
		if err := r.mended(w, before, colour); err != nil {
			return err
		}
	}
	for _, d := range r.Differences {
		object := d.Object
		if d.CA != "" {
			object += ", CA " + d.CA
		}
		_, err := fmt.Fprintf(w, "%s  %s\n    %s\n    %s %s\n", terminal.Paint(colour, terminal.Bad, string(d.Code)), terminal.Paint(colour, terminal.Strong, terminal.Line(object)), terminal.Line(d.Detail),
			terminal.Paint(colour, terminal.Faint, "→"), d.Remedy)
		if err != nil {
			return err
		}
	}
	text, c := r.summary(target)
	if len(r.Differences) > 0 || before != nil {
		text = "\n" + text
	}
	_, err := fmt.Fprintln(w, terminal.Paint(colour, c, text))
	return err
}

// mended lists what was found before and is gone.
func (r *Result) mended(w io.Writer, before *Result, colour bool) error {
	for _, d := range before.Differences {
		still := slices.ContainsFunc(r.Differences, func(now Difference) bool { return now.Code == d.Code && now.Object == d.Object })
		if still {
			continue
		}
		if _, err := fmt.Fprintf(w, "%s  %s %s\n    %s\n", terminal.Paint(colour, terminal.Sound, "mended"), d.Code, terminal.Line(d.Object), terminal.Line(d.Detail)); err != nil {
			return err
		}
	}
	return nil
}

func (r *Result) summary(target string) (string, terminal.Colour) {
	c := r.Checked
	text := fmt.Sprintf("%s, catalog generation %d: %s, %s, %s (%s), %s, %s, %s: ", target, r.Generation, terminal.Plural(c.CAs, "CA", "CAs"),
		terminal.Plural(c.CRLs, "CRL", "CRLs"), terminal.Plural(c.Sets, "set", "sets"), terminal.Size(c.Bytes), terminal.Plural(c.Parts, "part", "parts"),
		terminal.Plural(c.Reports, "report", "reports"), terminal.Plural(c.Uploads, "upload", "uploads"))
	if r.Clean() {
		return text + "no difference.", terminal.Sound
	}
	text += fmt.Sprintf("%s, of which the preprocessor can mend %d.", terminal.Plural(len(r.Differences), "difference", "differences"), r.Repairable())
	if r.Moved {
		text += " The catalog changed while it was checked, so that some may be of work in progress: check again."
	}
	return text, terminal.Bad
}
