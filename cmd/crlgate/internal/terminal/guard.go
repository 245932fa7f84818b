package terminal

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Guard keeps a terminal from being told what to do by what is shown on it: keys
// of uploads, names in certificates and URLs in CRLs are for others to choose.
// Control characters are written as \u001b, which inside a JSON string is the
// same string; octets that are not UTF-8 become U+FFFD. Line feeds and tabs pass,
// and so do the colours of [Paint] where f gets colour.
func Guard(f *os.File) io.Writer { return &guard{w: f, colour: Coloured(f)} }

// Line returns a text without anything that could end its line or move the
// cursor: such characters are written as [Guard] writes them.
func Line(s string) string {
	if strings.IndexFunc(s, func(r rune) bool { return r == '\n' || r == '\t' || unsafe(r) }) < 0 {
		return s
	}
	var b strings.Builder
	for _, r := range s {
		if r == '\n' || r == '\t' || unsafe(r) {
			fmt.Fprintf(&b, `\u%04x`, r)
		} else {
			b.WriteRune(r)
		}
	}
	return b.String()
}

// unsafe tells of control characters (C0 but for line feed and tab, DEL, C1) and
// of those that change the direction of writing or break lines (Unicode TR 36, 3.1).
func unsafe(r rune) bool {
	switch {
	case r == '\n', r == '\t':
		return false
	case r == '\u2028', r == '\u2029', r >= '\u202a' && r <= '\u202e', r >= '\u2066' && r <= '\u2069':
		return true
	}
	return unicode.IsControl(r)
}

type guard struct {
	w       io.Writer
	colour  bool
	pending []byte // the beginning of a character or of a colour
}

// Write writes p, as safe. Of p's end that is only begun, the rest is waited for.
func (g *guard) Write(p []byte) (int, error) {
	in := p
	if len(g.pending) > 0 {
		in = append(g.pending, p...)
	}
	var out bytes.Buffer
	out.Grow(len(in))
	for len(in) > 0 {
		if in[0] == '\x1b' && g.colour {
			n, whole := colourAt(in)
			if !whole {
				break
			}
			if n > 0 {
				out.Write(in[:n])
				in = in[n:]
				continue
			}
		}
		if !utf8.FullRune(in) {
			break
		}
		r, n := utf8.DecodeRune(in)
		in = in[n:]
		if unsafe(r) {
			fmt.Fprintf(&out, `\u%04x`, r)
		} else {
			out.WriteRune(r)
		}
	}
	g.pending = append([]byte(nil), in...)
	if _, err := g.w.Write(out.Bytes()); err != nil {
		return 0, err
	}
	return len(p), nil
}

// sequences are what Paint writes.
var sequences = func() (all [][]byte) {
	for _, code := range append(codes[:], "0") {
		if code != "" {
			all = append(all, []byte("\x1b["+code+"m"))
		}
	}
	return all
}()

// colourAt returns the length of the colour that b begins with; 0: it does not.
// whole is false where b is only the beginning of one.
func colourAt(b []byte) (n int, whole bool) {
	for _, sequence := range sequences {
		switch {
		case bytes.HasPrefix(b, sequence):
			return len(sequence), true
		case bytes.HasPrefix(sequence, b):
			return 0, false
		}
	}
	return 0, true
}

// behind returns what a guard guards, or w itself.
func behind(w io.Writer) io.Writer {
	if g, ok := w.(*guard); ok {
		return g.w
	}
	return w
}
