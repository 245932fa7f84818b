package console

import (
	"fmt"
	"time"

	g "maragu.dev/gomponents"
	h "maragu.dev/gomponents/html"

	"github.com/crlgate/crlgate/cmd/crlgate/internal/status"
	"github.com/crlgate/crlgate/cmd/crlgate/internal/terminal"
)

// tabled is how many CRLs the table lists, the most urgent; with thousands of
// partitions nobody reads them all, and "crlgate status" lists them.
const tabled = 200

func crlsPart(v *view) g.Node {
	if v.status == nil {
		return waiting("CAs and CRLs")
	}
	nodes := []g.Node{heading("CAs and CRLs", plural(len(v.status.CAs), "CA", "CAs")+", "+plural(len(v.lists), "CRL", "CRLs")+" in force")}
	switch {
	case len(v.status.CAs) == 0:
		nodes = append(nodes, empty("No CA yet, so every client is denied. Upload a CA's certificates: ", "crlgate put ca.pem"))
	case len(v.lists) == 0:
		nodes = append(nodes, empty("No CRL yet. Upload one: ", "crlgate put ca.crl"))
	default:
		nodes = append(nodes, timeline(v.lists, v.at), crlTable(v))
	}
	nodes = append(nodes, withoutCRL(v.status), settings(v.status))
	return g.Group(nodes)
}

func crlTable(v *view) g.Node {
	shown := v.lists[:min(len(v.lists), tabled)]
	caption := "CRLs in force; times in UTC"
	if n := len(v.lists) - len(shown); n > 0 {
		caption += fmt.Sprintf("; the %d with the least time of %s, all are in crlgate status", len(shown), number(len(v.lists)))
	}
	return table("crl-table", caption, []column{{"CA", ""}, {"CRL", ""}, {"State", ""}, {"Time left", "num"}, {"CRL number", "num"}, {"thisUpdate", ""}, {"nextUpdate", ""}, {"Entries", "num"}, {"Scope", ""}, {"Last report", ""}},
		len(shown), func(i int) []g.Node {
			l := shown[i]
			report := cell("—")
			if l.Report != nil {
				report = g.Group{outcome(string(l.Report.Outcome), string(l.Report.Code)), g.Text(" " + ago(v.at.Sub(l.Report.At)))}
			}
			kind := g.Text("")
			if l.Kind == "delta" {
				kind = h.Span(h.Class("tag"), g.Text("delta"))
			}
			return []g.Node{
				h.Strong(g.Text(l.ca)),
				g.Group{code(l.Key, 48), kind},
				badge(l.urgency), cell(l.leftIn), code(l.Number, 20),
				moment(l.ThisUpdate), moment(l.NextUpdate), cell(number(l.Entries)), cell(l.Scope), report,
			}
		})
}

// withoutCRL names CAs that have no CRL, and what that does to their clients.
func withoutCRL(s *status.Status) g.Node {
	var items []g.Node
	for _, ca := range s.CAs {
		if len(ca.CRLs) > 0 {
			continue
		}
		words := " has no CRL: its clients are denied (no_crl)."
		switch {
		case ca.Settings.CRLOptional():
			words = " has no CRL: its clients are let in (crl optional)."
		case ca.Settings.Observe():
			words = " has no CRL: its clients would be denied (no_crl), and are let in by observe."
		}
		items = append(items, h.Li(h.Strong(g.Text(ca.Name)), g.Text(words)))
	}
	return g.If(len(items) > 0, h.Ul(append([]g.Node{h.Class("notes caution"), h.Aria("label", "CAs without CRL")}, items...)...))
}

// settings says what the CAs' settings relax and narrow.
func settings(s *status.Status) g.Node {
	var items []g.Node
	for _, ca := range s.CAs {
		for _, words := range ca.Relaxed {
			items = append(items, h.Li(h.Span(h.Class("tag caution"), g.Text("relaxed")), g.Text(" "), h.Strong(g.Text(ca.Name)), g.Text(" "+words)))
		}
		for _, words := range ca.Narrowed {
			items = append(items, h.Li(h.Span(h.Class("tag"), g.Text("narrowed")), g.Text(" "), h.Strong(g.Text(ca.Name)), g.Text(" "+words)))
		}
	}
	return g.If(len(items) > 0, h.Ul(append([]g.Node{h.Class("notes"), h.Aria("label", "Settings of CAs")}, items...)...))
}

func plural(n int, one, many string) string { return terminal.Plural(n, one, many) }

func ago(d time.Duration) string { return terminal.Span(d) + " ago" }
