package console

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	g "maragu.dev/gomponents"
	h "maragu.dev/gomponents/html"
)

// point is how many entries a CRL had at a time.
type point struct {
	at     time.Time
	n      int
	number string // CRL number; "" where the source does not know it
}

// editions is one CRL over time.
type editions struct {
	ca, key string
	points  []point // oldest first, never empty
}

// entriesView is the CRLs over time, and where that is known from.
type entriesView struct {
	rows   []editions
	source string
}

// keepPoints bounds the points of one CRL, keepRows the CRLs.
const (
	keepPoints = 400
	keepRows   = 200
)

// history collects points. It is used by one goroutine.
type history struct {
	rows map[[2]string][]point
}

// add takes in a point, in any order and more than once.
func (hs *history) add(ca, key string, p point) {
	if hs.rows == nil {
		hs.rows = map[[2]string][]point{}
	}
	name := [2]string{ca, key}
	points, known := hs.rows[name]
	if !known && len(hs.rows) >= keepRows {
		return
	}
	for _, q := range points {
		if q.n == p.n && (q.number != "" && q.number == p.number || q.number == p.number && q.at.Equal(p.at)) {
			return // the same edition, seen again
		}
	}
	i, _ := slices.BinarySearchFunc(points, p, before)
	points = slices.Insert(points, i, p)
	hs.rows[name] = points[max(0, len(points)-keepPoints):]
}

// before sorts by time, to the second, which is what reports have, and within
// one by CRL number.
func before(a, b point) int {
	return cmp.Or(a.at.Truncate(time.Second).Compare(b.at.Truncate(time.Second)), cmp.Compare(len(a.number), len(b.number)), cmp.Compare(a.number, b.number))
}

// view returns what is known of the CRLs in force, those that changed most first.
func (hs *history) view(lists []list, source string) entriesView {
	v := entriesView{source: source}
	for _, l := range lists {
		if points := hs.rows[[2]string{l.ca, l.Key}]; len(points) > 0 {
			v.rows = append(v.rows, editions{l.ca, l.Key, slices.Clone(points)})
		}
	}
	slices.SortStableFunc(v.rows, func(a, b editions) int {
		return cmp.Or(cmp.Compare(len(b.points), len(a.points)), cmp.Compare(a.ca, b.ca), cmp.Compare(a.key, b.key))
	})
	return v
}

func (e *editions) last() point { return e.points[len(e.points)-1] }

// change says how the count moved since the first point.
func (e *editions) change() string {
	switch d := e.last().n - e.points[0].n; {
	case len(e.points) == 1:
		return "one edition seen"
	case d > 0:
		return "+" + number(d)
	case d < 0:
		return "−" + number(-d)
	}
	return "no change"
}

func entriesPart(v *view) g.Node {
	if v.status == nil {
		return waiting("Entries over time")
	}
	rows := v.entries.rows
	total := 0
	for _, l := range v.lists {
		total += l.Entries
	}
	nodes := []g.Node{heading("Entries over time", number(total)+map[bool]string{true: " entry", false: " entries"}[total == 1]+" in force")}
	if len(rows) == 0 {
		return g.Group(append(nodes, empty("No CRL yet.", "")))
	}
	from := v.at
	for _, r := range rows {
		from = earlier(from, r.points[0].at)
	}
	shown := rows[:min(len(rows), drawn)]
	nodes = append(nodes,
		h.Figure(h.Class("lines"),
			h.Ul(g.Map(shown, func(e editions) g.Node {
				return h.Li(h.Class("row"),
					h.Span(h.Class("what"), h.Strong(g.Text(e.ca)), g.Text(" "), h.Span(h.Class("key"), h.Title(e.key), g.Text(clip(e.key, 48)))),
					line(e, from, v.at),
					h.Span(h.Class("state"), h.Span(h.Class("big"), g.Text(number(e.last().n))), g.Text(" "), h.Span(h.Class("span"), g.Text(e.change()))),
				)
			})),
			h.FigCaption(g.Text(fmt.Sprintf("Entries of each CRL from %s to now, each line on a scale of its own. ", when(from))+v.entries.source)),
		),
		table("entries-table", "Editions of each CRL that are known here; times in UTC", []column{{"CA", ""}, {"CRL", ""}, {"Since", ""}, {"Entries then", "num"}, {"Entries now", "num"}, {"Change", "num"}, {"CRL numbers", ""}},
			len(shown), func(i int) []g.Node {
				e := shown[i]
				return []g.Node{
					h.Strong(g.Text(e.ca)), code(e.key, 48), moment(e.points[0].at), cell(number(e.points[0].n)), cell(number(e.last().n)), cell(e.change()), cell(e.numbers()),
				}
			}))
	return g.Group(nodes)
}

// numbers are the last CRL numbers that were seen.
func (e *editions) numbers() string {
	var out []string
	for _, p := range e.points {
		if p.number != "" {
			out = append(out, clip(p.number, 12))
		}
	}
	if len(out) == 0 {
		return "—"
	}
	if n := len(out) - 5; n > 0 {
		out = append([]string{"…"}, out[n:]...)
	}
	return strings.Join(out, ", ")
}

// line draws the count as steps: it holds until the next edition.
func line(e editions, from, to time.Time) g.Node {
	low, high := e.points[0].n, e.points[0].n
	for _, p := range e.points {
		low, high = min(low, p.n), max(high, p.n)
	}
	const top, bottom = 3.0, 25.0
	y := func(n int) float64 {
		if low == high {
			return (top + bottom) / 2
		}
		return bottom - (bottom-top)*float64(n-low)/float64(high-low)
	}
	span := max(to.Sub(from).Seconds(), 1)
	x := func(t time.Time) float64 { return min(max(100*t.Sub(from).Seconds()/span, 0), 100) }
	var path strings.Builder
	for i, p := range e.points {
		if i == 0 {
			fmt.Fprintf(&path, "M%.2f %.1f", x(p.at), y(p.n))
			continue
		}
		fmt.Fprintf(&path, "H%.2fV%.1f", x(p.at), y(p.n))
	}
	path.WriteString("H100")
	d := path.String()
	start := fmt.Sprintf("%.2f", x(e.points[0].at))
	return svg("line", g.Attr("viewBox", "0 0 100 28"), g.Attr("preserveAspectRatio", "none"),
		g.El("path", h.Class("under"), g.Attr("d", d+"V28H"+start+"Z")),
		g.El("path", h.Class("over"), g.Attr("d", d), g.Attr("vector-effect", "non-scaling-stroke")),
	)
}

func earlier(a, b time.Time) time.Time {
	if b.Before(a) {
		return b
	}
	return a
}
