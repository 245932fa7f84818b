package emergency

import (
	"bytes"
	"fmt"
	"strings"

	"github.com/crlgate/crlgate/cmd/crlgate/internal/terminal"
)

// around is how many lines stand around a change.
const around = 2

// Diff returns what changes from one text to another, line by line, with a few
// lines around it. The lines before and behind the first and last change are
// compared; what lies between stands there whole.
func Diff(before, after []byte, colour bool) string {
	a, b := lines(before), lines(after)
	head := 0
	for head < len(a) && head < len(b) && a[head] == b[head] {
		head++
	}
	tail := 0
	for tail < len(a)-head && tail < len(b)-head && a[len(a)-1-tail] == b[len(b)-1-tail] {
		tail++
	}
	var out strings.Builder
	put := func(mark string, c terminal.Colour, lines []string) {
		for _, l := range lines {
			fmt.Fprintln(&out, terminal.Paint(colour, c, mark+l))
		}
	}
	put("  ", terminal.Plain, a[max(0, head-around):head])
	put("- ", terminal.Bad, a[head:len(a)-tail])
	put("+ ", terminal.Sound, b[head:len(b)-tail])
	put("  ", terminal.Plain, a[len(a)-tail:min(len(a), len(a)-tail+around)])
	return out.String()
}

func lines(text []byte) []string {
	if len(text) == 0 {
		return nil
	}
	return strings.Split(string(bytes.TrimSuffix(text, []byte("\n"))), "\n")
}
