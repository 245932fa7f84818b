package console

import (
	"strings"
	"testing"
	"time"

	"github.com/crlgate/crlgate/cmd/crlgate/internal/feed"
	"github.com/crlgate/crlgate/pkg/catalog"
	"github.com/crlgate/crlgate/pkg/objectstore"
	"github.com/crlgate/crlgate/pkg/preprocess"
)

func TestHistoryKeepsEditionsInOrder(t *testing.T) {
	var h history
	at := func(minutes int) time.Time { return noon.Add(time.Duration(minutes) * time.Minute) }
	for _, p := range []point{
		{at(10), 12, "9"},
		{at(0), 10, "8"},
		// The same, from another source.
		{at(10).Add(300 * time.Millisecond), 12, "9"},
		// In the same second, the next number.
		{at(10), 15, "10"},
		{at(5), 11, ""},
		{at(5), 11, ""},
	} {
		h.add("a", "k", p)
	}
	v := h.view([]list{{ca: "a"}, {ca: "b"}}, "")
	if len(v.rows) != 0 {
		t.Fatalf("rows of CRLs that are not in force: %+v", v.rows)
	}
	l := list{ca: "a"}
	l.Key = "k"
	v = h.view([]list{l}, "")
	if len(v.rows) != 1 {
		t.Fatal("no row")
	}
	e := v.rows[0]
	var got []int
	for _, p := range e.points {
		got = append(got, p.n)
	}
	if len(got) != 4 || got[0] != 10 || got[1] != 11 || got[2] != 12 || got[3] != 15 || e.change() != "+5" || e.numbers() != "8, 9, 10" {
		t.Errorf("points %v, change %s, numbers %s", got, e.change(), e.numbers())
	}
	drawn := text(t, line(e, at(0), at(20)))
	has(t, drawn, "M0.00 25.0H25.00V20.6H50.00V16.2H50.00V3.0H100")
	for i := range keepRows + 5 {
		h.add("a", strings.Repeat("x", i), point{noon, 1, "1"})
	}
	if len(h.rows) != keepRows {
		t.Errorf("%d CRLs are kept", len(h.rows))
	}
}

func TestHistoryTakesInReports(t *testing.T) {
	w := newWorld(t)
	ca := w.ca("a")
	w.put("crls/a.crl", w.crl(ca, 3, time.Hour, w.issue(ca, "x")))
	n := 7
	w.watch.tally.take(feed.Message{Head: &feed.Head{Since: w.now}})
	for _, r := range []preprocess.Report{
		{Kind: preprocess.KindCRL, Outcome: preprocess.OutcomeAccepted, Key: "crls/a.crl", CA: "a", Entries: &n, Number: "2", At: w.now.Add(-time.Hour)},
		{Kind: preprocess.KindCRL, Outcome: preprocess.OutcomeRefused, Key: "crls/a.crl", CA: "a", Entries: &n, Number: "1", At: w.now.Add(-time.Hour)},
		{Kind: preprocess.KindIssuer, Outcome: preprocess.OutcomeAccepted, Key: "issuers/a.pem", CA: "a"},
	} {
		w.watch.tally.take(feed.Message{Report: &r})
	}
	w.look()
	if e := w.watch.view.entries.rows; len(e) != 1 || e[0].numbers() != "2, 3" || e[0].change() != "−6" {
		t.Errorf("%+v", e)
	}
}

// What is said aloud is what changed, in few words.
func TestTalk(t *testing.T) {
	w := newWorld(t)
	ca := w.ca("a")
	w.put("crls/a.crl", w.crl(ca, 1, 40*time.Hour))
	w.put("crls/bad.crl", []byte("junk"))
	said := func() []string {
		before := w.watch.board.saidAll
		w.look()
		_, say, _, _ := w.watch.board.since(before)
		return say
	}
	if got := said(); len(got) != 0 {
		t.Errorf("at first: %q", got)
	}
	if got := said(); len(got) != 0 {
		t.Errorf("nothing changed: %q", got)
	}
	w.now = w.now.Add(39 * time.Hour)
	if got := said(); len(got) != 1 || got[0] != "CRL crls/a.crl of CA a is now critical: 1h left." {
		t.Errorf("near its end: %q", got)
	}
	w.watch.tally.take(feed.Message{Head: &feed.Head{Since: w.now}})
	deny := func() {
		w.watch.tally.take(feed.Message{Request: &feed.Request{Decision: "deny", Reason: "revoked", At: w.now}})
	}
	deny()
	deny()
	if got := said(); len(got) != 1 || got[0] != "2 more requests denied, the last: revoked." {
		t.Errorf("denials: %q", got)
	}
	deny()
	w.now = w.now.Add(denialsEvery / 2)
	if got := said(); len(got) != 0 {
		t.Errorf("denials again, soon: %q", got)
	}
	for _, key := range []string{"1", "2", "3", "4", "5"} {
		w.put("crls/"+key, []byte("junk"+key))
	}
	if got := said(); len(got) != 4 || got[3] != "And 2 more changes." {
		t.Errorf("much at a time: %q", got)
	}
}

// What has not changed is not read again, and what has is.
func TestReread(t *testing.T) {
	w := newWorld(t)
	ca := w.ca("a")
	w.put("crls/a.crl", w.crl(ca, 1, time.Hour))
	w.look()
	w.cache.ResetCalls()
	w.look()
	report := catalog.ReportKey("crls/a.crl")
	if n := w.cache.Count(objectstore.OpGet, report); n != 0 {
		t.Errorf("the report is read %d more times", n)
	}
	if n := w.cache.Count(objectstore.OpGet, catalog.Key); n != 1 {
		t.Errorf("the catalog is asked for %d times", n)
	}
	w.put("crls/a.crl", w.crl(ca, 2, time.Hour))
	w.cache.ResetCalls()
	has(t, w.page(), "CRL number 2 of CA a is in force")
	w.cache.Remove(report)
	if strings.Contains(w.page(), "CRL number 2 of CA a is in force") {
		t.Error("a report that is gone is still shown")
	}
	if _, ok := w.watch.cache.seen[report]; ok {
		t.Error("a report that is gone is kept")
	}
}
