package console

import (
	"cmp"
	"time"

	g "maragu.dev/gomponents"
	h "maragu.dev/gomponents/html"
)

// document is the whole page: the parts as they stand, and an answer if one was
// asked for.
func document(frames []frame, answered g.Node) g.Node {
	byID := map[string]frame{}
	for _, f := range frames {
		byID[f.ID] = f
	}
	return h.Doctype(h.HTML(h.Lang("en"),
		h.Head(
			h.Meta(h.Charset("utf-8")),
			h.Meta(h.Name("viewport"), h.Content("width=device-width, initial-scale=1")),
			h.Meta(h.Name("color-scheme"), h.Content("light dark")),
			h.TitleEl(g.Text("crlgate console")),
			h.Link(h.Rel("icon"), h.Href("/icon.svg"), h.Type("image/svg+xml")),
			h.Link(h.Rel("stylesheet"), h.Href("/console.css")),
			h.Script(h.Src("/console.js"), h.Defer()),
		),
		h.Body(
			h.A(h.Class("skip"), h.Href("#main"), g.Text("Skip to the CRLs")),
			banner(byID["summary"]),
			h.Main(h.ID("main"), h.TabIndex("-1"),
				section(byID["crls"], "wide"),
				ask(answered),
				section(byID["denials"], "wide"),
				section(byID["entries"], "wide"),
				section(byID["reports"], "wide"),
			),
			h.Footer(h.P(g.Text("crlgate console only reads. What is dropped here is answered from memory and kept nowhere."))),
			h.P(h.ID("say"), h.Class("unseen"), h.Role("status"), h.Aria("live", "polite")),
			h.Div(h.ID("veil"), h.Aria("hidden", "true"), h.Span(g.Text("Drop certificates or CRLs to ask about them"))),
		),
	))
}

func banner(summary frame) g.Node {
	return h.Header(h.Class("banner"),
		h.Div(h.Class("bar"),
			h.H1(h.Class("brand"), g.Text("crlgate"), h.Span(g.Text(" console"))),
			h.Nav(h.Aria("label", "Parts of the page"), h.Ul(
				g.Map([][2]string{{"crls", "CRLs"}, {"ask", "Ask"}, {"denials", "Denials"}, {"entries", "Entries"}, {"reports", "Reports"}}, func(l [2]string) g.Node {
					return h.Li(h.A(h.Href("#"+l[0]), g.Text(l[1])))
				}))),
			h.P(h.ID("link"), h.Data("state", "still"), h.Span(h.Class("dot"), h.Aria("hidden", "true")), h.Span(h.Class("words"), g.Text("as of loading"))),
		),
		h.NoScript(h.P(h.Class("noscript"), g.Text("Without JavaScript the page shows how things stood when it was loaded. "), h.A(h.Href("/"), g.Text("Load it again")))),
		section(summary, ""),
	)
}

// section holds a part that the script swaps when it changes.
func section(f frame, class string) g.Node {
	return h.Section(h.ID(f.ID), g.If(class != "", h.Class(class)), h.Data("part", f.Hash), h.Aria("label", partNames[f.ID]), g.Raw(f.HTML))
}

var partNames = map[string]string{
	"summary": "In short", "crls": "CAs and CRLs", "denials": "Denials by reason", "entries": "Entries over time", "reports": "Last reports",
}

// summaryPart says in a line how things stand, for what, and since when that is
// known.
func summaryPart(v *view) g.Node {
	nodes := []g.Node{}
	if v.trouble != "" {
		words := "The cache bucket cannot be read now: " + v.trouble
		if v.status != nil {
			words += ". What is shown was read at " + clock(v.read) + "."
		}
		nodes = append(nodes, h.P(h.Class("trouble"), g.Text(words)))
	}
	if v.status == nil {
		return g.Group(append(nodes, h.P(h.Class("verdict"), g.Text(cmp.Or(map[bool]string{true: "Nothing is known yet."}[v.trouble != ""], "Reading the cache bucket …")))))
	}
	counts := map[urgency]int{}
	for _, l := range v.lists {
		counts[l.urgency]++
	}
	refused, pending, bare := 0, 0, 0
	for _, r := range v.status.NotAccepted {
		switch r.Outcome {
		case "refused":
			refused++
		case "pending":
			pending++
		}
	}
	for _, ca := range v.status.CAs {
		if len(ca.CRLs) == 0 && !ca.Settings.CRLOptional() {
			bare++
		}
	}
	tiles := []g.Node{
		tile(counts[expired], "expired", "bad"), tile(counts[critical], "critical", "bad"), tile(refused, word(refused, "upload")+" refused", "bad"),
		tile(counts[warning], "near the end", "caution"), tile(pending, word(pending, "upload")+" pending", "caution"), tile(bare, word(bare, "CA")+" without CRL", "caution"),
		tile(counts[fresh], "fresh", "sound"),
	}
	nodes = append(nodes,
		h.P(h.Class("verdict "+v.grade()), h.Data("mark", map[string]string{"bad": "✕", "caution": "▲"}[v.grade()]), g.Text(v.verdict())),
		h.Div(h.Class("short"),
			h.Ul(append([]g.Node{h.Class("tiles")}, tiles...)...),
			h.P(h.Class("target"), h.Strong(g.Text(v.target)), g.Textf(", catalog generation %d, ", v.status.Generation), g.Text("read at "), h.Time(h.DateTime(v.read.UTC().Format(time.RFC3339)), g.Text(clock(v.read)))),
		))
	return g.Group(nodes)
}

// word is a noun that goes with a count.
func word(n int, one string) string {
	if n == 1 {
		return one
	}
	return one + "s"
}

// tile is a count that is shown while there is something to count.
func tile(n int, words, class string) g.Node {
	return g.If(n > 0, h.Li(h.Class("tile "+class), h.Span(h.Class("n"), g.Text(number(n))), g.Text(" "+words)))
}

// grade is how bad it is.
func (v *view) grade() string {
	worst := fresh
	for _, l := range v.lists {
		worst = max(worst, l.urgency)
	}
	switch {
	case worst >= critical:
		return "bad"
	case worst == warning, !v.status.OK, len(v.status.CAs) == 0:
		return "caution"
	}
	return "sound"
}

// verdict says what matters most, in a sentence.
func (v *view) verdict() string {
	if len(v.status.CAs) == 0 {
		return "No CA yet, so every client is denied."
	}
	if len(v.lists) == 0 {
		return "No CRL is in force yet."
	}
	first := v.lists[0]
	switch {
	case first.urgency == expired:
		return "CRL " + first.Key + " of CA " + first.ca + " is out of date (" + first.leftIn + "): certificates that need it are denied."
	case first.urgency == critical && first.left < 0:
		return "CRL " + first.Key + " of CA " + first.ca + " is past its nextUpdate and lives on grace."
	case first.urgency > fresh:
		return "CRL " + first.Key + " of CA " + first.ca + " ends in " + first.leftIn[:len(first.leftIn)-len(" left")] + "."
	case !v.status.OK:
		return "Every CRL is fresh; an upload was not accepted."
	}
	return "Every CRL is fresh. The first to end is " + first.Key + ", with " + first.leftIn + "."
}
