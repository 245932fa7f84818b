package upload

import (
	"fmt"
	"io"

	"github.com/crlgate/crlgate/cmd/crlgate/internal/terminal"
	"github.com/crlgate/crlgate/pkg/preprocess"
)

// OutcomeColour is the colour of an outcome.
func OutcomeColour(o preprocess.Outcome) terminal.Colour {
	switch o {
	case preprocess.OutcomeAccepted:
		return terminal.Sound
	case preprocess.OutcomeRefused:
		return terminal.Bad
	}
	return terminal.Caution
}

// PrintReport writes a report in one line, as people read it, after a prefix.
func PrintReport(w io.Writer, prefix string, r *preprocess.Report, colour bool) error {
	code := ""
	if r.Outcome == preprocess.OutcomeRefused || r.Outcome == preprocess.OutcomePending {
		code = string(r.Code) + ": "
	}
	outcome := terminal.Paint(colour, OutcomeColour(r.Outcome), fmt.Sprintf("%-8s", r.Outcome))
	_, err := fmt.Fprintf(w, "%s%s  %s  %s%s\n", prefix, outcome, terminal.Line(r.Key), code, terminal.Line(r.Detail))
	return err
}
