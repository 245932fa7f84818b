package console

import (
	"fmt"
	"time"

	g "maragu.dev/gomponents"
	h "maragu.dev/gomponents/html"
)

// svg is a picture that only repeats what the text beside it says.
func svg(class string, children ...g.Node) g.Node {
	return h.SVG(append([]g.Node{h.Class(class), h.Aria("hidden", "true"), g.Attr("focusable", "false")}, children...)...)
}

func rect(class string, x, y, w, height string, more ...g.Node) g.Node {
	return g.El("rect", append([]g.Node{h.Class(class), g.Attr("x", x), g.Attr("y", y), g.Attr("width", w), g.Attr("height", height)}, more...)...)
}

func upright(class, x string) g.Node {
	return g.El("line", h.Class(class), g.Attr("x1", x), g.Attr("x2", x), g.Attr("y1", "0"), g.Attr("y2", "100%"))
}

// drawn is how many CRLs the time line shows, the most urgent.
const drawn = 24

// timeline draws CRLs from thisUpdate to nextUpdate, around now.
func timeline(lists []list, now time.Time) g.Node {
	shown := lists[:min(len(lists), drawn)]
	s := scaleOf(shown, now)
	ticks := s.ticks()
	more := ""
	if n := len(lists) - len(shown); n > 0 {
		more = fmt.Sprintf(" Of %s CRLs the %d with the least time are drawn.", number(len(lists)), len(shown))
	}
	return h.Figure(h.Class("timeline"),
		h.Div(h.Class("row axis"), h.Span(), axis(s, ticks), h.Span()),
		h.Ol(g.Map(shown, func(l list) g.Node { return bar(l, s, ticks) })),
		h.FigCaption(g.Text("From thisUpdate to nextUpdate of each CRL, the least time left first. The faint part has passed, the full part is left; the upright line is now. "+
			"Far from now the scale is logarithmic."+more)),
	)
}

func axis(s scale, ticks []tick) g.Node {
	return svg("axis",
		g.Map(ticks, func(t tick) g.Node {
			return g.El("text", h.Class(tickClass("tick", t)), g.Attr("x", pct(t.x)), g.Attr("y", "14"), g.Attr("text-anchor", "middle"), g.Text(t.label))
		}),
		g.El("text", h.Class("tick now"), g.Attr("x", pct(s.at(0))), g.Attr("y", "14"), g.Attr("text-anchor", "middle"), g.Text("now")),
	)
}

func tickClass(class string, t tick) string {
	if t.minor {
		return class + " minor"
	}
	return class
}

// bar is one row: what it is, its life, what is left.
func bar(l list, s scale, ticks []tick) g.Node {
	from, to, now := s.x(l.ThisUpdate), s.x(l.NextUpdate), s.at(0)
	var life []g.Node
	switch {
	case l.left >= 0:
		life = []g.Node{rect("spent", pct(from), "7", width(from, now), "10"), rect("left", pct(now), "7", width(now, to), "10")}
	default:
		life = []g.Node{
			rect("spent", pct(from), "7", width(from, to), "10"),
			g.El("line", h.Class("overdue"), g.Attr("x1", pct(to)), g.Attr("x2", pct(now)), g.Attr("y1", "12"), g.Attr("y2", "12")),
		}
	}
	if l.grace > 0 {
		end := s.x(l.NextUpdate.Add(l.grace))
		life = append(life, rect("grace", pct(to), "9", width(to, end), "6"))
	}
	return h.Li(h.Class("row "+l.urgency.word()), h.Data("crl", l.Key),
		h.Span(h.Class("what"), h.Strong(g.Text(l.ca)), g.Text(" "), h.Span(h.Class("key"), h.Title(l.Key), g.Text(clip(l.Key, 60)))),
		svg("life",
			g.Map(ticks, func(t tick) g.Node { return upright(tickClass("grid", t), pct(t.x)) }),
			g.Group(life), rect("end", pct(to), "3", "2", "18"), upright("now", pct(now)),
		),
		h.Span(h.Class("state"), badge(l.urgency), g.Text(" "), h.Span(h.Class("span"), g.Text(l.leftIn))),
	)
}

// badge says an urgency in colour, shape and word.
func badge(u urgency) g.Node {
	return h.Span(h.Class("badge "+u.word()), h.Span(h.Class("shape"), h.Aria("hidden", "true"), g.Text(u.shape())), g.Text(u.word()))
}
