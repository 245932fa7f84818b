// Package terminal is what commands print for people: colour where there is a
// terminal that wants it, tables, progress of long work, spans of time and
// sizes in words.
package terminal

import (
	"fmt"
	"io"
	"os"
	"time"
)

// Is reports whether what is written to w goes to a terminal.
func Is(w io.Writer) bool {
	f, ok := behind(w).(*os.File)
	return ok && IsInput(f)
}

// IsInput reports whether what is read from f comes from a terminal.
func IsInput(f *os.File) bool {
	info, err := f.Stat()
	if err != nil || info.Mode()&os.ModeCharDevice == 0 {
		return false
	}
	null, err := os.Stat(os.DevNull)
	return err != nil || !os.SameFile(info, null)
}

// Colour is how a text stands out. The zero value is plain.
type Colour int

// The colours, by what they mean.
const (
	Plain Colour = iota
	Sound        // as it should be
	Caution
	Bad
	Faint
	Strong
)

var codes = [...]string{Sound: "32", Caution: "33", Bad: "31", Faint: "2", Strong: "1"}

// Coloured reports whether w should get colour: it is a terminal, NO_COLOR is
// unset or empty (https://no-color.org), and TERM is not dumb.
func Coloured(w io.Writer) bool {
	return Is(w) && os.Getenv("NO_COLOR") == "" && os.Getenv("TERM") != "dumb"
}

// Clear wipes the terminal that w goes to.
func Clear(w io.Writer) { _, _ = io.WriteString(behind(w), "\x1b[H\x1b[2J") }

// Paint returns the text in that colour, if on.
func Paint(on bool, c Colour, text string) string {
	if !on || c == Plain || text == "" {
		return text
	}
	return "\x1b[" + codes[c] + "m" + text + "\x1b[0m"
}

// Span returns a duration as people say it, in its two largest units: "3d 4h",
// "2h 5m", "45s". Negative ones lose their sign.
func Span(d time.Duration) string {
	d = d.Abs()
	switch {
	case d < time.Minute:
		return fmt.Sprintf("%ds", int(d/time.Second))
	case d < time.Hour:
		return two(int(d/time.Minute), "m", int(d%time.Minute/time.Second), "s")
	case d < 24*time.Hour:
		return two(int(d/time.Hour), "h", int(d%time.Hour/time.Minute), "m")
	}
	days := int(d / (24 * time.Hour))
	if days >= 1000 {
		return fmt.Sprintf("%dd", days)
	}
	return two(days, "d", int(d%(24*time.Hour)/time.Hour), "h")
}

func two(a int, unit string, b int, lesser string) string {
	if b == 0 {
		return fmt.Sprintf("%d%s", a, unit)
	}
	return fmt.Sprintf("%d%s %d%s", a, unit, b, lesser)
}

// Size returns a number of octets as people say it.
func Size(n int64) string {
	const unit = 1024
	switch {
	case n < unit:
		return fmt.Sprintf("%d bytes", n)
	case n < unit*unit:
		return fmt.Sprintf("%.0f KiB", float64(n)/unit)
	case n < unit*unit*unit:
		return fmt.Sprintf("%.1f MiB", float64(n)/(unit*unit))
	}
	return fmt.Sprintf("%.2f GiB", float64(n)/(unit*unit*unit))
}

// Plural returns "1 entry" or "2 entries".
func Plural(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %s", n, many)
}
