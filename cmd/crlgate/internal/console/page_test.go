package console

import (
	"context"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/crlgate/crlgate/cmd/crlgate/internal/feed"
)

func TestPageShowsHowThingsStand(t *testing.T) {
	w := newWorld(t)
	has(t, w.page(), "No CA yet, so every client is denied.", "crlgate put ca.pem")
	ca := w.ca("partners")
	w.ca("bare")
	w.put("crls/p.crl", w.crl(ca, 4711, 48*time.Hour, w.issue(ca, "x")))
	w.put("crls/p.crl", w.crl(ca, 4710, 48*time.Hour))
	w.put("issuers/bare.json", []byte(`{"mode":"observe","grace":"1h"}`))
	got := w.page()
	has(t, got, "2 CAs, 1 CRL in force", "Every CRL is fresh; an upload was not accepted.", `<span class="n">1</span> fresh`, `<span class="n">1</span> upload refused`, `<span class="n">1</span> CA without CRL`,
		"partners", "crls/p.crl", "4711", "2d left", "number_too_low", "observe: nothing is denied, only reported", "grace 1h0m0s past nextUpdate",
		"has no CRL: its clients would be denied (no_crl), and are let in by observe.", "1 entry in force", `lang="en"`, "<noscript>", "<caption", `scope="col"`, `scope="row"`)
	if strings.Contains(got, " style=") || regexp.MustCompile(`<script[^>]*>[^<]`).MatchString(got) || regexp.MustCompile(`\son[a-z]+=`).MatchString(got) {
		t.Error("there is inline style or script, which the policy forbids")
	}
	if strings.Contains(got, "http://") || strings.Contains(got, "https://") {
		t.Error("the page names another place")
	}
	w.now = w.now.Add(47 * time.Hour)
	has(t, w.page(), "ends in 1h.", `class="badge critical"`)
	w.now = w.now.Add(2 * time.Hour)
	has(t, w.page(), "is out of date (1h ago)", `class="badge expired"`, `class="overdue"`)
}

// Whoever has a certificate issued, or uploads a CRL, chooses names that the page
// shows.
func TestHostileNamesAreText(t *testing.T) {
	w := newWorld(t)
	const name = `</td><script src="https://x"></script><img src=x onerror=alert(1)>"'&`
	ca := w.ca("a")
	leaf := w.issue(ca, name)
	w.put("crls/"+name+".crl", w.crl(ca, 1, time.Hour, leaf))
	w.put("crls/bad "+name, []byte("not a CRL"))
	w.watch.tally.take(feed.Message{Head: &feed.Head{Since: w.now}})
	w.watch.tally.take(feed.Message{Request: &feed.Request{At: w.now, Decision: "deny", Reason: name, Subject: name, CA: name, Path: name, Method: name, Serial: name, Detail: name}})
	pages := []string{w.page(), w.drop(file{name, leaf.PEM()}).Body.String(), w.drop(file{name, []byte("junk")}).Body.String(), w.drop(file{name, w.crl(ca, 2, time.Hour)}).Body.String()}
	for i, got := range pages {
		if strings.Contains(got, "<img") || strings.Contains(got, `<script src="https`) || strings.Contains(got, "</td><script") {
			t.Errorf("page %d has the name as markup:\n%s", i, got)
		}
		has(t, got, "&lt;img src=x onerror")
	}
}

func TestTroubleIsShown(t *testing.T) {
	w := newWorld(t)
	ca := w.ca("a")
	w.put("crls/a.crl", w.crl(ca, 1, time.Hour))
	w.look()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	w.watch.look(ctx) // no bucket can be read with it
	w.watch.show()
	has(t, w.do("GET", "/", nil, nil).Body.String(), "The cache bucket cannot be read now", "What is shown was read at", "crls/a.crl")
	has(t, w.page(), "Every CRL is fresh. The first to end is crls/a.crl, with 1h left.")
}

func TestAssets(t *testing.T) {
	w := newWorld(t)
	for path, kind := range map[string]string{"/console.css": "text/css", "/console.js": "text/javascript", "/icon.svg": "image/svg+xml"} {
		out := w.do("GET", path, nil, nil)
		if out.Code != 200 || !strings.HasPrefix(out.Header().Get("Content-Type"), kind) || out.Body.Len() < 100 {
			t.Errorf("%s: %d %s, %d bytes", path, out.Code, out.Header().Get("Content-Type"), out.Body.Len())
		}
		secured(t, path, out)
		if body := out.Body.String(); path != "/icon.svg" && regexp.MustCompile(`https?://|url\(|@import`).MatchString(body) {
			t.Errorf("%s names another place", path)
		}
	}
}

// TestEvents: what changes comes by itself, and once.
func TestEvents(t *testing.T) {
	w := newWorld(t)
	ca := w.ca("a")
	w.put("crls/a.crl", w.crl(ca, 1, time.Hour))
	w.look()
	ctx, cancel := context.WithCancel(t.Context())
	out := &stream{ResponseRecorder: httptest.NewRecorder(), flushed: make(chan string, 100)}
	r := httptest.NewRequestWithContext(ctx, "GET", "http://127.0.0.1:8900/events", nil)
	done := make(chan struct{})
	go func() { defer close(done); w.server.events(out, r) }()
	first := <-out.flushed
	for _, p := range parts {
		has(t, first, `event: frame`, `{"id":"`+p.id+`"`)
	}
	w.put("crls/a.crl", w.crl(ca, 2, time.Hour))
	w.put("crls/b.crl", []byte("junk"))
	w.look()
	next := <-out.flushed
	has(t, next, `{"id":"crls"`, "event: say\ndata: \"CRL crls/a.crl of CA a, number 2, is in force.\"", `Upload crls/b.crl is refused: `)
	if strings.Contains(next, `{"id":"denials"`) {
		t.Error("what did not change is sent again")
	}
	cancel()
	<-done
	if len(w.server.streams) != 0 {
		t.Error("the stream's place is not given back")
	}
	for range maxStreams {
		w.server.streams <- struct{}{}
	}
	if out := w.do("GET", "/events", nil, nil); out.Code != 503 {
		t.Errorf("one stream too many: %d", out.Code)
	}
}

// stream passes on what was written between flushes.
type stream struct {
	*httptest.ResponseRecorder
	flushed chan string
}

// FlushError implements what http.ResponseController looks for.
func (s *stream) FlushError() error {
	s.flushed <- s.Body.String()
	s.Body.Reset()
	return nil
}
