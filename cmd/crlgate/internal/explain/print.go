package explain

import (
	"fmt"
	"io"
	"strings"

	"github.com/crlgate/crlgate/cmd/crlgate/internal/terminal"
)

var colours = map[State]terminal.Colour{Good: terminal.Sound, Note: terminal.Caution, Bad: terminal.Bad}

// Print writes the report as people read it: the answer first, then how it came
// about.
func (r *Report) Print(w io.Writer, source string, colour bool) error {
	var b strings.Builder
	head := fmt.Sprintf("%s, at %s", source, r.At.Format("2006-01-02T15:04:05Z07:00"))
	fmt.Fprintln(&b, terminal.Paint(colour, terminal.Faint, head))
	last := len(r.Steps) - 1
	b.WriteString("\n")
	printStep(&b, &r.Steps[last], colour)
	for i := range r.Steps[:last] {
		fmt.Fprintf(&b, "\n%s\n", terminal.Paint(colour, terminal.Strong, fmt.Sprintf("%d. %s", i+1, r.Steps[i].Title)))
		printStep(&b, &r.Steps[i], colour)
	}
	_, err := io.WriteString(w, b.String())
	return err
}

func printStep(b *strings.Builder, s *Step, colour bool) {
	for _, l := range s.Lines {
		fmt.Fprintf(b, "%s%s\n", strings.Repeat("   ", l.Depth+1), terminal.Paint(colour, colours[l.State], terminal.Line(l.Text)))
	}
}
