package console

import (
	"cmp"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	g "maragu.dev/gomponents"
	h "maragu.dev/gomponents/html"

	"github.com/crlgate/crlgate/cmd/crlgate/internal/feed"
)

// Denials are the decisions that a source knows of.
type Denials struct {
	// Source says in a sentence where they come from, and what is not among them.
	Source  string
	Trouble string // why they cannot be had now; "": they can
	Allowed int
	Reasons []Reason // the most frequent first
	// Until and Step lay out the columns of each reason: the last ends at Until.
	Until time.Time
	Step  time.Duration
	// Recent are single requests, the newest first; nil where the source has none.
	Recent []*feed.Request
	// Live: a denial shows as it happens.
	Live bool
}

// Reason is how often requests were denied for a reason.
type Reason struct {
	Reason string
	// WouldDeny: they were let in because of observe mode or break-glass.
	WouldDeny bool
	N         int
	Columns   []int // the same over time, oldest first
}

// count sums up what was denied, and what would have been.
func (d *Denials) count() (denied, would int) {
	for _, r := range d.Reasons {
		if r.WouldDeny {
			would += r.N
		} else {
			denied += r.N
		}
	}
	return denied, would
}

// sortReasons puts the most frequent first, denials before what was let in.
func sortReasons(reasons []Reason) {
	slices.SortFunc(reasons, func(a, b Reason) int {
		if a.WouldDeny != b.WouldDeny {
			return map[bool]int{false: -1, true: 1}[a.WouldDeny]
		}
		return cmp.Or(cmp.Compare(b.N, a.N), cmp.Compare(a.Reason, b.Reason))
	})
}

// undecided stands for requests that never came to a decision.
const undecided = "not decided"

// reasonWords say in short what a reason means; docs/codes.md says it in full.
var reasonWords = map[string]string{
	"internal_error":        "something unforeseen; the authorizer's log has it",
	"no_client_certificate": "no certificate reached the authorizer",
	"malformed_certificate": "the certificate cannot be parsed",
	"unknown_issuer":        "no CA of that name and key is known",
	"ca_not_associated":     "the CA is not let in on this domain",
	"revoked":               "listed in a CRL or in the deny list",
	"issuer_revoked":        "the issuing CA's key is revoked",
	"cache_unavailable":     "no catalog, or an object of it is missing or damaged",
	"cache_stale":           "the catalog could not be revalidated for too long",
	"no_crl":                "the CA has no CRL yet",
	"out_of_scope":          "no CRL of the CA covers the certificate",
	"crl_expired":           "the covering CRL is past nextUpdate, or too old",
	"chain_unknown":         "the status of the CA's own chain is unknown",
	"denied_by_rule":        "a rule of your own",
	undecided:               "the gateway turned it away, or the authorizer gave no answer",
}

// listed is how many single requests are listed.
const listed = 15

func denialsPart(v *view) g.Node {
	d := &v.denials
	denied, would := d.count()
	beside := number(denied) + " denied"
	if would > 0 {
		beside += ", " + number(would) + " would be denied"
	}
	beside += ", " + number(d.Allowed) + " allowed"
	if d.Source == "" || d.Until.IsZero() {
		beside = ""
	}
	nodes := []g.Node{heading("Denials by reason", beside)}
	if d.Trouble != "" {
		nodes = append(nodes, h.P(h.Class("trouble"), g.Text(d.Trouble)))
	}
	switch {
	case len(d.Reasons) > 0:
		nodes = append(nodes, reasons(d))
	case d.Trouble == "" && beside != "":
		nodes = append(nodes, empty("Nothing was denied.", ""))
	}
	nodes = append(nodes, g.If(d.Source != "", h.P(h.Class("source"), g.Text(d.Source))))
	if len(d.Recent) > 0 {
		nodes = append(nodes, recent(d))
	}
	return g.Group(nodes)
}

func reasons(d *Denials) g.Node {
	most, peak := 1, 1
	for _, r := range d.Reasons {
		most = max(most, r.N)
		for _, n := range r.Columns {
			peak = max(peak, n)
		}
	}
	span := time.Duration(0)
	if len(d.Reasons) > 0 {
		span = d.Step * time.Duration(len(d.Reasons[0].Columns))
	}
	return g.Group{
		table("denial-table", fmt.Sprintf("Requests by the reason of the decision; the columns are the last %s, %s each", short(span), short(d.Step)),
			[]column{{"Reason", ""}, {"Requests", "num"}, {"Over time", "picture"}, {"Meaning", "words"}}, len(d.Reasons), func(i int) []g.Node {
				r := d.Reasons[i]
				return []g.Node{
					g.Group{h.Code(h.Class("reason"), g.Text(r.Reason)), g.If(r.WouldDeny, g.Group{g.Text(" "), h.Span(h.Class("tag caution"), g.Text("would deny"))})},
					h.Span(h.Class("count"), g.Text(number(r.N)), svg("share", rect("whole", "0", "0", "100%", "4"), rect(shareClass(r), "0", "0", pct(max(2, 100*float64(r.N)/float64(most))), "4"))),
					columns(r, peak), g.Text(reasonWords[r.Reason]),
				}
			}),
	}
}

func shareClass(r Reason) string {
	if r.WouldDeny {
		return "share would"
	}
	return "share"
}

// columns draws counts over time; all reasons share one height.
func columns(r Reason, peak int) g.Node {
	const height = 22.0
	n := len(r.Columns)
	nodes := []g.Node{rect("floor", "0", strconv.FormatFloat(height, 'f', -1, 64), "100%", "1")}
	for i, c := range r.Columns {
		if c > 0 {
			tall := max(2, height*float64(c)/float64(peak))
			nodes = append(nodes, rect(shareClass(r), pct(100*float64(i)/float64(n)), fmt.Sprintf("%.1f", height-tall), pct(90/float64(n)), fmt.Sprintf("%.1f", tall)))
		}
	}
	return svg("columns", nodes...)
}

// short writes a round duration: 1 min, 30 min, 24 h.
func short(d time.Duration) string {
	switch {
	case d >= time.Hour && d%time.Hour == 0:
		return fmt.Sprintf("%d h", d/time.Hour)
	case d >= time.Minute && d%time.Minute == 0:
		return fmt.Sprintf("%d min", d/time.Minute)
	}
	return d.String()
}

func recent(d *Denials) g.Node {
	shown := d.Recent[:min(len(d.Recent), listed)]
	return table("recent-table", fmt.Sprintf("The last %s that %s denied, or would be but for observe or break-glass; time in UTC", plural(len(shown), "request", "requests"), map[bool]string{true: "was", false: "were"}[len(shown) == 1]),
		[]column{{"Time", ""}, {"Request", ""}, {"Status", "num"}, {"Reason", ""}, {"CA", ""}, {"Serial number", ""}, {"Subject", ""}}, len(shown), func(i int) []g.Node {
			r := shown[i]
			status := strconv.Itoa(r.Status)
			return []g.Node{
				h.Time(h.DateTime(r.At.UTC().Format(time.RFC3339)), g.Text(clock(r.At))),
				g.Group{code(r.Method+" "+r.Path, 40), g.Text(" "), h.Span(h.Class("tag"), g.Text(r.Form))},
				h.Span(h.Title(http.StatusText(r.Status)), g.Text(status)),
				g.Group{h.Code(g.Text(reasonOf(r))), g.If(r.WouldDeny, g.Group{g.Text(" "), h.Span(h.Class("tag caution"), g.Text("would deny"))}), g.If(r.Decision == "" && r.Detail != "", g.Text(" "+r.Detail))},
				cell(cmp.Or(r.CA, "—")), dashed(r.Serial, 20), h.Span(h.Title(r.Subject), g.Text(cmp.Or(clip(r.Subject, 48), "—"))),
			}
		})
}

func dashed(text string, most int) g.Node {
	if text == "" {
		return g.Text("—")
	}
	return code(text, most)
}

func reasonOf(r *feed.Request) string {
	if r.Decision == "" || r.Reason == "" {
		return undecided
	}
	return strings.TrimSpace(r.Reason)
}
