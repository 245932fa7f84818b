package console

import (
	"fmt"
	"math"
	"strconv"
	"time"
)

// scale lays times out on a line, in percent of its width, with now where past
// and future ask for it. Near now it is linear and further away logarithmic, so
// that minutes and months fit on one line and what is near gets the room.
type scale struct {
	now          time.Time
	past, future time.Duration
	unit         time.Duration // up to about where it is linear
}

// scaleOf returns the scale that shows all of these CRLs.
func scaleOf(lists []list, now time.Time) scale {
	s := scale{now: now, unit: time.Hour}
	for _, l := range lists {
		s.past = max(s.past, now.Sub(l.ThisUpdate), -l.left)
		s.future = max(s.future, l.left+l.grace)
		if life := l.NextUpdate.Sub(l.ThisUpdate); life > 0 {
			s.unit = min(s.unit, max(life/8, 30*time.Second))
		}
	}
	// Some room on both sides, however far all lies on the other.
	s.past, s.future = max(s.past, s.unit), max(s.future, s.unit)
	if p, f := s.bend(s.past), s.bend(s.future); p < f/5 {
		s.past = s.unbend(f / 5)
	} else if f < p/5 {
		s.future = s.unbend(p / 5)
	}
	return s
}

func (s scale) bend(d time.Duration) float64 {
	return math.Copysign(math.Log1p(math.Abs(float64(d)/float64(s.unit))), float64(d))
}

func (s scale) unbend(y float64) time.Duration { return time.Duration(math.Expm1(y) * float64(s.unit)) }

// margin on both sides, in percent.
const margin = 1.5

// x is where a time lies, in percent; what lies outside is at the edge.
func (s scale) x(t time.Time) float64 { return s.at(t.Sub(s.now)) }

func (s scale) at(d time.Duration) float64 {
	d = min(max(d, -s.past), s.future)
	from, to := s.bend(-s.past), s.bend(s.future)
	return margin + (s.bend(d)-from)/(to-from)*(100-2*margin)
}

// tick is a mark on the axis.
type tick struct {
	x     float64
	label string
	minor bool // may go where room is scarce
}

var marksOf = []struct {
	d     time.Duration
	label string
}{
	{5 * time.Second, "5 s"},
	{30 * time.Second, "30 s"},
	{time.Minute, "1 min"},
	{5 * time.Minute, "5 min"},
	{15 * time.Minute, "15 min"},
	{time.Hour, "1 h"},
	{6 * time.Hour, "6 h"},
	{24 * time.Hour, "1 d"},
	{3 * 24 * time.Hour, "3 d"},
	{7 * 24 * time.Hour, "7 d"},
	{30 * 24 * time.Hour, "30 d"},
	{90 * 24 * time.Hour, "90 d"},
	{365 * 24 * time.Hour, "1 y"},
	{5 * 365 * 24 * time.Hour, "5 y"},
}

// apart is how far ticks are from each other at least, in percent.
const apart = 7

// ticks are the marks, now apart, from left to right of each side.
func (s scale) ticks() []tick {
	var out []tick
	for _, side := range []struct {
		sign  time.Duration
		mark  string
		bound time.Duration
	}{{-1, "−", s.past}, {1, "+", s.future}} {
		last, minor := s.at(0), false
		for _, step := range marksOf {
			x := s.at(side.sign * step.d)
			if step.d > side.bound || math.Abs(x-last) < apart || x < 3 || x > 97 {
				continue
			}
			out = append(out, tick{x, side.mark + step.label, minor})
			last, minor = x, !minor
		}
	}
	return out
}

// pct writes a place for SVG; two digits are finer than any screen.
func pct(x float64) string { return strconv.FormatFloat(math.Round(x*20)/20, 'f', -1, 64) + "%" }

func width(from, to float64) string { return pct(max(to-from, 0.25)) }

// when writes a time for people, in UTC, to the minute.
func when(t time.Time) string { return t.UTC().Format("2006-01-02 15:04") + "Z" }

// clock writes the time of a day, in UTC, to the second.
func clock(t time.Time) string { return t.UTC().Format("15:04:05") + "Z" }

// number writes a count with thin spaces between thousands.
func number(n int) string {
	s := strconv.Itoa(n)
	for i := len(s) - 3; i > 0 && s[i-1] != '-'; i -= 3 {
		s = s[:i] + "\u202f" + s[i:]
	}
	return s
}

// clip shortens a long text in its middle; the whole is in the title.
func clip(text string, most int) string {
	r := []rune(text)
	if len(r) <= most {
		return text
	}
	half := (most - 1) / 2
	return fmt.Sprintf("%s…%s", string(r[:half]), string(r[len(r)-half:]))
}
