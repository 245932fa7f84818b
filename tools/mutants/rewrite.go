package main

import (
	"sort"
	"strings"
)

// An edit puts something around, or in place of, a stretch of a file. Edits
// nest and never cross. Of several on the same stretch the one added first is
// the innermost.
type edit struct {
	start, end int // byte offsets; an insertion where they are equal
	wrap       func(inner string) string
	order      int
}

// edits are all edits of one file.
type edits struct {
	list []edit
}

func (e *edits) add(start, end int, wrap func(inner string) string) {
	e.list = append(e.list, edit{start, end, wrap, len(e.list)})
}

// apply returns the text with all edits made.
func (e *edits) apply(text []byte) string {
	// Outer before inner, so that a stretch is followed by what lies in it.
	sort.SliceStable(e.list, func(i, j int) bool {
		a, b := e.list[i], e.list[j]
		if a.start != b.start {
			return a.start < b.start
		}
		if a.end != b.end {
			return a.end > b.end
		}
		return a.order > b.order
	})
	out, _ := render(string(text), 0, len(text), e.list)
	return out
}

// render makes the edits that lie in [start, end), the first ones of list, and
// returns the ones left over.
func render(text string, start, end int, list []edit) (string, []edit) {
	var out strings.Builder
	at := start
	for len(list) > 0 && list[0].start < end && list[0].end <= end {
		first := list[0]
		out.WriteString(text[at:first.start])
		var inner string
		if first.start == first.end {
			inner, list = "", list[1:]
		} else {
			inner, list = render(text, first.start, first.end, list[1:])
		}
		out.WriteString(first.wrap(inner))
		at = first.end
	}
	out.WriteString(text[at:end])
	return out.String(), list
}
