package console

import (
	"fmt"
	"slices"
	"strings"

	g "maragu.dev/gomponents"
	h "maragu.dev/gomponents/html"

	"github.com/crlgate/crlgate/pkg/preprocess"
)

// reported is how many reports are listed.
const reported = 50

// reportsPart lists the last report on each upload: those that are not accepted
// first, whatever their age, and then the newest.
func reportsPart(v *view) g.Node {
	if v.status == nil {
		return waiting("Last reports")
	}
	counts := map[preprocess.Outcome]int{}
	for _, r := range v.reports {
		counts[r.Outcome]++
	}
	var beside []string
	for _, o := range []preprocess.Outcome{preprocess.OutcomeRefused, preprocess.OutcomePending, preprocess.OutcomeAccepted, preprocess.OutcomeDeleted} {
		if counts[o] > 0 {
			beside = append(beside, fmt.Sprintf("%d %s", counts[o], o))
		}
	}
	nodes := []g.Node{heading("Last reports", strings.Join(beside, ", "))}
	if len(v.reports) == 0 {
		return g.Group(append(nodes, empty("Nothing was uploaded yet.", "")))
	}
	shown := worst(v.reports)
	caption := "What became of the last upload under each key: what is not accepted first, then the newest; times in UTC"
	if len(shown) > reported {
		caption += fmt.Sprintf("; %d of %s", reported, number(len(shown)))
		shown = shown[:reported]
	}
	return g.Group(append(nodes, table("report-table", caption, []column{{"Upload", ""}, {"Outcome", ""}, {"When", ""}, {"In words", "words"}}, len(shown), func(i int) []g.Node {
		r := shown[i]
		return []g.Node{code(r.Key, 48), outcome(string(r.Outcome), codeOf(r)), moment(r.At), h.Span(g.Text(r.Detail))}
	})))
}

func codeOf(r *preprocess.Report) string {
	if r.Outcome == preprocess.OutcomeDeleted {
		return ""
	}
	return string(r.Code)
}

// worst sorts what is not accepted before the rest, and otherwise keeps the order.
func worst(reports []*preprocess.Report) []*preprocess.Report {
	rank := map[preprocess.Outcome]int{preprocess.OutcomeRefused: -2, preprocess.OutcomePending: -1}
	out := slices.Clone(reports)
	slices.SortStableFunc(out, func(a, b *preprocess.Report) int { return rank[a.Outcome] - rank[b.Outcome] })
	return out
}
