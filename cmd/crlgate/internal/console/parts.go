package console

import (
	"time"

	g "maragu.dev/gomponents"
	h "maragu.dev/gomponents/html"
)

// heading is a part's heading, with what is most worth knowing beside it.
func heading(title, beside string) g.Node {
	return h.Header(h.Class("part-head"), h.H2(g.Text(title)), g.If(beside != "", h.P(h.Class("beside"), g.Text(beside))))
}

func waiting(title string) g.Node {
	return g.Group{heading(title, ""), h.P(h.Class("empty"), g.Text("The cache bucket has not been read yet."))}
}

// empty says that there is nothing, and what would bring something.
func empty(words, command string) g.Node {
	return h.P(h.Class("empty"), g.Text(words), g.If(command != "", h.Code(g.Text(command))))
}

func cell(text string) g.Node { return g.Text(text) }

// code is an identifier, shortened if it is long; the whole is its title.
func code(text string, most int) g.Node {
	short := clip(text, most)
	return h.Code(g.If(short != text, h.Title(text)), g.Text(short))
}

func moment(t time.Time) g.Node {
	return h.Time(h.DateTime(t.UTC().Format(time.RFC3339)), g.Text(when(t)))
}

// column is a column's head and the class of its cells.
type column struct{ head, class string }

// table is a table with a caption, whose first column heads its rows. It scrolls
// within itself where there is no room, and by keyboard too; on narrow screens
// each row becomes a card, in which the heads stand before the cells.
func table(id, caption string, columns []column, rows int, row func(int) []g.Node) g.Node {
	var body []g.Node
	for i := range rows {
		var cells []g.Node
		for j, content := range row(i) {
			attrs := []g.Node{h.Data("head", columns[j].head), g.If(columns[j].class != "", h.Class(columns[j].class)), h.Div(content)}
			if j == 0 {
				cells = append(cells, h.Th(append(attrs, h.Scope("row"), h.Role("rowheader"))...))
			} else {
				cells = append(cells, h.Td(append(attrs, h.Role("cell"))...))
			}
		}
		body = append(body, h.Tr(append(cells, h.Role("row"))...))
	}
	return h.Div(h.Class("scroll"), h.ID(id), h.TabIndex("0"), h.Role("region"), h.Aria("labelledby", id+"-caption"),
		h.Table(h.Role("table"),
			h.Caption(h.ID(id+"-caption"), g.Text(caption)),
			h.THead(h.Role("rowgroup"), h.Tr(h.Role("row"), g.Map(columns, func(c column) g.Node {
				return h.Th(h.Scope("col"), h.Role("columnheader"), g.If(c.class != "", h.Class(c.class)), g.Text(c.head))
			}))),
			h.TBody(append(body, h.Role("rowgroup"))...),
		))
}

// outcome is what became of an upload, with its code where that says more.
func outcome(o, codeWord string) g.Node {
	class, shape := "caution", "▲"
	switch o {
	case "accepted":
		class, shape = "sound", "●"
	case "refused":
		class, shape = "bad", "✕"
	}
	return g.Group{
		h.Span(h.Class("badge "+class), h.Span(h.Class("shape"), h.Aria("hidden", "true"), g.Text(shape)), g.Text(o)),
		g.If(codeWord != "" && codeWord != o, g.Group{g.Text(" "), h.Code(g.Text(codeWord))}),
	}
}
