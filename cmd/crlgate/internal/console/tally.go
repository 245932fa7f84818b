package console

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"sync"
	"time"

	"github.com/crlgate/crlgate/cmd/crlgate/internal/feed"
	"github.com/crlgate/crlgate/cmd/crlgate/internal/target"
	"github.com/crlgate/crlgate/pkg/preprocess"
)

// The columns of a local stack: an hour, a minute each.
const (
	localStep    = time.Minute
	localColumns = 60
)

// kind is what requests are counted by.
type kind struct {
	reason    string
	wouldDeny bool
}

// tally counts what a local stack's feed tells. Its methods may be called from
// several goroutines.
type tally struct {
	mu      sync.Mutex
	since   time.Time // of the stack; zero: the feed has not begun
	trouble string
	allowed int
	counts  map[kind]int
	minutes map[int64]map[kind]int // by minutes since 1970
	recent  []*feed.Request        // denied, oldest first
	reports []*preprocess.Report
	denied  int // ever
}

// follow takes in the feed of the stack until the context ends, anew whenever it
// breaks off, and calls nudge for what is new. find says where the feed is.
func (t *tally) follow(ctx context.Context, find func() *target.State, nudge func(report bool)) {
	for ctx.Err() == nil {
		s := find()
		err := errors.New("this local stack offers no feed: it runs an older crlgate")
		if s.Feed != "" {
			err = feed.Follow(ctx, s.Feed, s.FeedToken, func(m feed.Message) {
				t.take(m)
				nudge(m.Report != nil || m.Head != nil)
			})
		}
		if errors.Is(err, io.EOF) {
			err = errors.New("the local stack has ended")
		}
		t.mu.Lock()
		t.trouble = fmt.Sprintf("Requests cannot be followed now: %v.", err)
		t.mu.Unlock()
		nudge(false)
		select {
		case <-ctx.Done():
		case <-time.After(time.Second):
		}
	}
}

func (t *tally) take(m feed.Message) {
	t.mu.Lock()
	defer t.mu.Unlock()
	switch {
	case m.Head != nil:
		t.since, t.trouble, t.allowed, t.recent, t.reports = m.Head.Since, "", 0, nil, nil
		t.counts, t.minutes = map[kind]int{}, map[int64]map[kind]int{}
		for _, c := range m.Head.Counts {
			if c.Decision == "allow" {
				t.allowed += c.N
			} else {
				t.counts[kind{reason: reasonOf(&feed.Request{Decision: c.Decision, Reason: c.Reason})}] += c.N
			}
		}
	case m.Report != nil:
		t.reports = append(t.reports, m.Report)
		t.reports = t.reports[max(0, len(t.reports)-feed.Keep):]
	case m.Request != nil && t.counts != nil:
		t.request(m.Request)
	}
}

func (t *tally) request(r *feed.Request) {
	if !r.Denied() {
		t.allowed++
		if !r.WouldDeny {
			return
		}
	}
	k := kind{reasonOf(r), r.WouldDeny && !r.Denied()}
	t.counts[k]++
	minute := r.At.Unix() / int64(localStep/time.Second)
	if t.minutes[minute] == nil {
		t.minutes[minute] = map[kind]int{}
		for m := range t.minutes {
			if m <= minute-localColumns {
				delete(t.minutes, m)
			}
		}
	}
	t.minutes[minute][k]++
	t.recent = append(t.recent, r)
	t.recent = t.recent[max(0, len(t.recent)-listed):]
	t.denied++
}

// denials returns what was counted, as it stands at now.
func (t *tally) denials(now time.Time) Denials {
	t.mu.Lock()
	defer t.mu.Unlock()
	d := Denials{Trouble: t.trouble, Allowed: t.allowed, Step: localStep, Until: now, Live: true}
	if t.since.IsZero() {
		d.Until = time.Time{}
		return d
	}
	d.Source = "As they happen: from the gateways of the local stack, since it started at " + clock(t.since) + "."
	last := now.Unix() / int64(localStep/time.Second)
	for k, n := range t.counts {
		r := Reason{Reason: k.reason, WouldDeny: k.wouldDeny, N: n, Columns: make([]int, localColumns)}
		for i := range r.Columns {
			r.Columns[i] = t.minutes[last-localColumns+1+int64(i)][k]
		}
		d.Reasons = append(d.Reasons, r)
	}
	sortReasons(d.Reasons)
	d.Recent = slices.Clone(t.recent)
	slices.Reverse(d.Recent)
	return d
}

// ever returns how many requests were denied since the console started, and the
// last of them.
func (t *tally) ever() (n int, last *feed.Request) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(t.recent) > 0 {
		last = t.recent[len(t.recent)-1]
	}
	return t.denied, last
}

// reported returns the reports since the stack started, oldest first.
func (t *tally) reported() []*preprocess.Report {
	t.mu.Lock()
	defer t.mu.Unlock()
	return slices.Clone(t.reports)
}
