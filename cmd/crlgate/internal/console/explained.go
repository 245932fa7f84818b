package console

import (
	"cmp"
	"strconv"
	"strings"

	g "maragu.dev/gomponents"
	h "maragu.dev/gomponents/html"

	"github.com/crlgate/crlgate/cmd/crlgate/internal/explain"
	"github.com/crlgate/crlgate/cmd/crlgate/internal/target"
	"github.com/crlgate/crlgate/cmd/crlgate/internal/terminal"
	"github.com/crlgate/crlgate/pkg/authorize"
)

var spanOf = terminal.Span

// settingsOf are the authorizer's settings that bear on decisions, as far as they
// are known: a local stack's are, a deployment's are not and count as defaults.
func settingsOf(s *target.State) authorize.Settings {
	if s == nil {
		return authorize.Settings{}
	}
	require, _ := strconv.ParseBool(s.Authorizer["REQUIRE_CHAIN"])
	return authorize.Settings{Observe: strings.EqualFold(s.Authorizer["MODE"], "observe"), RequireChain: require}
}

// explained shows a decision, step by step.
func explained(name string, r *explain.Report) g.Node {
	v := &r.Verdict
	verdict, class := "Denied: "+string(v.Reason), "bad"
	switch {
	case v.Allow() && v.WouldDeny:
		verdict, class = "Let in, though "+string(v.Reason), "caution"
	case v.Allow():
		verdict, class = "Let in: "+string(v.Reason), "sound"
	}
	words := sentence(v.Words) + " Row " + strconv.Itoa(v.Row) + " of the decision table decided."
	return answered(name, "certificate", verdict, class, words, g.Group{remedies(v.Remedy), steps(r), notes(r.Assumed)}, nil)
}

func remedies(words []string) g.Node {
	return g.If(len(words) > 0, h.Div(h.Class("remedy"), h.H4(g.Text("What can be done")), h.Ul(g.Map(words, func(w string) g.Node { return h.Li(g.Text(sentence(w))) }))))
}

func notes(words []string) g.Node {
	return g.If(len(words) > 0, h.P(h.Class("source"), g.Text("Assumed: "+strings.Join(words, "; ")+".")))
}

// marks of a line's state: a shape, and a word for who does not see it.
var marks = map[explain.State][2]string{
	explain.Good: {"✓", "in order: "}, explain.Note: {"•", "note: "}, explain.Bad: {"✕", "in the way: "},
}

// unread ends the lines of rows of the decision table behind the one that decided;
// they are counted and not listed.
const unread = ": not looked at"

func steps(r *explain.Report) g.Node {
	return h.Ol(h.Class("steps"), g.Map(r.Steps, func(s explain.Step) g.Node {
		var lines []g.Node
		more := 0
		for _, l := range s.Lines {
			if strings.HasSuffix(l.Text, unread) {
				more++
				continue
			}
			lines = append(lines, said(l))
		}
		if more > 0 {
			lines = append(lines, said(explain.Line{Text: plural(more, "row behind it was", "rows behind it were") + " not looked at"}))
		}
		return h.Li(h.H4(g.Text(s.Title)), h.Ul(lines...))
	}))
}

func said(l explain.Line) g.Node {
	m := marks[l.State]
	return h.Li(h.Class("said "+cmp.Or(string(l.State), "plain")+" depth"+strconv.Itoa(min(l.Depth, 3))),
		g.If(m[0] != "", g.Group{h.Span(h.Class("mark"), h.Aria("hidden", "true"), g.Text(m[0])), h.Span(h.Class("unseen"), g.Text(m[1]))}),
		h.Span(g.Text(l.Text)))
}
