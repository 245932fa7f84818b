package feed

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/crlgate/crlgate/cmd/crlgate/internal/gateway"
	"github.com/crlgate/crlgate/pkg/preprocess"
)

// follower collects messages.
type follower struct {
	mu   sync.Mutex
	all  []Message
	done chan error
	stop func()
}

func follow(t *testing.T, s *Server, token string) *follower {
	ctx, cancel := context.WithCancel(t.Context())
	f := &follower{done: make(chan error, 1), stop: cancel}
	t.Cleanup(cancel)
	go func() {
		f.done <- Follow(ctx, s.URL, token, func(m Message) {
			f.mu.Lock()
			defer f.mu.Unlock()
			f.all = append(f.all, m)
		})
	}()
	return f
}

func (f *follower) await(t *testing.T, n int) []Message {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(5 * time.Millisecond) {
		f.mu.Lock()
		all := f.all
		f.mu.Unlock()
		if len(all) >= n {
			return all
		}
		if time.Now().After(deadline) {
			t.Fatalf("%d messages, want %d", len(all), n)
		}
	}
}

func serve(t *testing.T, h *Hub) *Server {
	t.Helper()
	s, err := Serve(h)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestFollowerGetsWhatWasAndWhatComes(t *testing.T) {
	since := time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)
	h := NewHub(since)
	s := serve(t, h)
	for i := range Keep + 3 {
		h.Request(&Request{ID: fmt.Sprint(i), Decision: "deny", Reason: "revoked"})
	}
	h.Report(&preprocess.Report{Key: "crls/a.crl", Outcome: preprocess.OutcomeAccepted})
	f := follow(t, s, s.Token)
	all := f.await(t, Keep+2)
	head := all[0].Head
	if head == nil || !head.Since.Equal(since) || len(head.Counts) != 1 || head.Counts[0] != (Count{"deny", "revoked", 3}) {
		t.Fatalf("head %+v, want 3 older denials", head)
	}
	if all[1].Report == nil || all[1].Report.Key != "crls/a.crl" {
		t.Errorf("second message %+v, want the report", all[1])
	}
	if first, last := all[2].Request, all[Keep+1].Request; first.ID != "3" || last.ID != fmt.Sprint(Keep+2) {
		t.Errorf("requests %s to %s, want the last %d", first.ID, last.ID, Keep)
	}
	h.Request(&Request{ID: "live"})
	if all = f.await(t, Keep+3); all[Keep+2].Request.ID != "live" {
		t.Errorf("then %+v, want the new request", all[Keep+2])
	}
	if err := s.Close(); err != nil {
		t.Errorf("closing with a follower: %v", err)
	}
	if err := <-f.done; !errors.Is(err, io.EOF) {
		t.Errorf("the follower ended with %v, want the end of the feed", err)
	}
}

func TestFeedWantsItsToken(t *testing.T) {
	h := NewHub(time.Now())
	s := serve(t, h)
	defer s.Close()
	f := follow(t, s, "guessed")
	if err := <-f.done; err == nil || errors.Is(err, io.EOF) || len(f.all) != 0 {
		t.Errorf("with a wrong token: %v, %d messages", err, len(f.all))
	}
	resp, err := http.Get(s.URL)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if resp.StatusCode != http.StatusUnauthorized {
		t.Errorf("without a token: %s", resp.Status)
	}
}

// A follower that does not read is cut off; nobody waits for it.
func TestSlowFollowerIsCutOff(t *testing.T) {
	h := NewHub(time.Now())
	_, c := h.subscribe()
	_, quick := h.subscribe()
	for range backlog + 1 {
		h.Request(&Request{})
		<-quick
	}
	n := 0
	for range c { // ends, because it was closed
		n++
	}
	if n != backlog {
		t.Errorf("%d messages before the end, want %d", n, backlog)
	}
	h.unsubscribe(c) // once more does no harm
	h.Request(&Request{ID: "x"})
	if m := <-quick; m.Request.ID != "x" {
		t.Errorf("the quick one got %+v", m)
	}
}

func TestOfRecord(t *testing.T) {
	r := gateway.Record{
		RequestID: "id", Method: "GET", Path: "/a", Form: gateway.REST, Status: 403, Decision: "deny", Reason: "revoked", CertificateSerial: "0a",
		Context: map[string]any{"would_deny": "true", "ca": "c", "subject": "CN=x", "crl_number": "7", "n": 3},
	}
	got := OfRecord(r)
	want := Request{ID: "id", Form: "rest", Method: "GET", Path: "/a", Status: 403, Decision: "deny", Reason: "revoked", WouldDeny: true, CA: "c", Serial: "0a", Subject: "CN=x", CRLNumber: "7"}
	want.At = got.At
	if *got != want {
		t.Errorf("got %+v, want %+v", *got, want)
	}
	if !got.Denied() || (&Request{Decision: "allow"}).Denied() || !(&Request{}).Denied() {
		t.Error("what is not allowed is denied, and nothing else")
	}
}
