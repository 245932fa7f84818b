package console

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/crlgate/crlgate/cmd/crlgate/internal/feed"
	"github.com/crlgate/crlgate/cmd/crlgate/internal/target"
	"github.com/crlgate/crlgate/pkg/authorize"
	"github.com/crlgate/crlgate/pkg/preprocess"
)

func TestTally(t *testing.T) {
	var c tally
	if d := c.denials(noon); !d.Until.IsZero() {
		t.Error("counts before the feed began")
	}
	c.take(feed.Message{Request: &feed.Request{Decision: "deny", Reason: "lost"}}) // before the head
	c.take(feed.Message{Head: &feed.Head{Since: noon.Add(-2 * time.Hour), Counts: []feed.Count{{Decision: "allow", Reason: "good", N: 70}, {Decision: "deny", Reason: "revoked", N: 5}}}})
	for i, r := range []feed.Request{
		{Decision: "deny", Reason: "revoked", At: noon.Add(-90 * time.Minute)},
		{Decision: "deny", Reason: "revoked", At: noon.Add(-30 * time.Minute)},
		{Decision: "deny", Reason: "revoked", At: noon},
		{Decision: "allow", Reason: "good", At: noon},
		{Decision: "allow", Reason: "crl_expired", WouldDeny: true, At: noon},
		{At: noon, Detail: "the authorizer failed"},
	} {
		r.ID = fmt.Sprint(i)
		c.take(feed.Message{Request: &r})
	}
	d := c.denials(noon)
	if d.Allowed != 72 || len(d.Reasons) != 3 || d.Reasons[0].Reason != "revoked" || d.Reasons[0].N != 8 || d.Reasons[1].Reason != undecided || !d.Reasons[2].WouldDeny {
		t.Errorf("allowed %d, %+v", d.Allowed, d.Reasons)
	}
	if got := d.Reasons[0].Columns; len(got) != 60 || got[59] != 1 || got[29] != 1 {
		t.Errorf("columns %v", got)
	}
	if len(d.Recent) != 5 || d.Recent[0].ID != "5" || d.Recent[4].ID != "0" {
		t.Errorf("recent %+v, want the newest first, without what was simply allowed", d.Recent)
	}
	got := text(t, denialsPart(&view{denials: d}))
	has(t, got, "9 denied, 1 would be denied, 72 allowed", "would deny", "not decided", "the authorizer failed", "since it started at 10:00:00Z")
	c.take(feed.Message{Head: &feed.Head{Since: noon}})
	if d := c.denials(noon); d.Allowed != 0 || len(d.Reasons) != 0 {
		t.Errorf("after a new head: %+v", d)
	}
}

// TestTallyFollows: the feed of a stack that ends, and of the next.
func TestTallyFollows(t *testing.T) {
	serve := func() (*feed.Hub, *feed.Server) {
		h := feed.NewHub(noon)
		s, err := feed.Serve(h)
		if err != nil {
			t.Fatal(err)
		}
		return h, s
	}
	h, s := serve()
	states := make(chan *target.State, 10)
	state := &target.State{Feed: s.URL, FeedToken: s.Token}
	var c tally
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		c.follow(ctx, func() *target.State {
			select {
			case state = <-states:
			default:
			}
			return state
		}, func(bool) {})
	}()
	until := func(what string, ok func(Denials) bool) {
		t.Helper()
		for deadline := time.Now().Add(time.Minute); !ok(c.denials(noon)); time.Sleep(5 * time.Millisecond) {
			if time.Now().After(deadline) {
				t.Fatalf("waited in vain until %s: %+v", what, c.denials(noon))
			}
		}
	}
	h.Request(&feed.Request{Decision: "deny", Reason: "revoked", At: noon})
	h.Report(&preprocess.Report{Key: "crls/a.crl"})
	until("a denial shows", func(d Denials) bool { return len(d.Reasons) == 1 && len(c.reported()) == 1 })
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	until("the end shows", func(d Denials) bool { return strings.Contains(d.Trouble, "the local stack has ended") })
	h, s = serve()
	defer s.Close()
	states <- &target.State{Feed: s.URL, FeedToken: s.Token}
	h.Request(&feed.Request{Decision: "deny", Reason: "no_crl", At: noon})
	until("the next stack's shows", func(d Denials) bool {
		return d.Trouble == "" && len(d.Reasons) == 1 && d.Reasons[0].Reason == "no_crl"
	})
	cancel()
	<-done
}

func TestEveryReasonHasWords(t *testing.T) {
	for _, r := range []authorize.Reason{
		authorize.InternalError, authorize.NoClientCertificate, authorize.MalformedCertificate, authorize.UnknownIssuer, authorize.CANotAssociated,
		authorize.Revoked, authorize.IssuerRevoked, authorize.CacheUnavailable, authorize.CacheStale, authorize.NoCRL, authorize.OutOfScope,
		authorize.CRLExpired, authorize.ChainUnknown, authorize.DeniedByRule, undecided,
	} {
		if reasonWords[string(r)] == "" {
			t.Errorf("%s has no words", r)
		}
	}
	if len(reasonWords) != 15 {
		t.Errorf("%d reasons, want 15", len(reasonWords))
	}
}
