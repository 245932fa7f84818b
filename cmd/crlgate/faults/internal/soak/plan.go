package soak

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/crlgate/crlgate/cmd/crlgate/faults/internal/client"
	"github.com/crlgate/crlgate/cmd/crlgate/faults/internal/spoil"
	"github.com/crlgate/crlgate/cmd/crlgate/internal/s3proc"
	"github.com/crlgate/crlgate/pkg/catalog"
)

// A time of faults has atATime of them, one after the other, each for strikeFor
// at least and until it has struck, strikeMost at most.
const (
	atATime    = 4
	strikeFor  = 2500 * time.Millisecond
	strikeMost = 6 * time.Second
)

// askAgain is how long after a failed refresh a process asks again at the latest;
// recoverWithin is when all have got over a fault, with the refresh and the load
// that this takes.
const (
	askAgain      = 5 * time.Second
	recoverWithin = 10 * time.Second
)

// episode is one fault of the authorizers' GETs.
type episode struct {
	kind   string
	fault  spoil.Fault
	began  time.Time
	struck atomic.Int64

	mu      sync.Mutex
	cas     map[string]bool // whose objects were befallen
	removed time.Time
}

// strikes matches the GETs that the fault befalls.
func (e *episode) strikes(r s3proc.Request) bool {
	ca, kind := "", spoil.Whole
	switch {
	case r.Method != http.MethodGet:
		return false
	case r.Key == catalog.Key:
		kind = spoil.Catalog
	case strings.HasPrefix(r.Key, "catalog/"):
		kind, ca = spoil.Part, parts
	default:
		ca = spoil.CAOf(r.Key, revokers)
	}
	if kind != e.kind {
		return false
	}
	e.struck.Add(1)
	e.mu.Lock()
	defer e.mu.Unlock()
	e.cas[ca] = true
	return true
}

// explains says whether the fault accounts for a client's denial for want of
// something: a catalog's for anybody's, since processes start and thaw all the
// while.
func (e *episode) explains(l *leaf) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.kind == spoil.Catalog || e.cas[l.ca]
}

// over says whether the fault was over before a moment.
func (e *episode) over(at time.Time) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	return !e.removed.IsZero() && e.removed.Before(at)
}

// since says what the fault was, and when.
func (e *episode) since(start time.Time) string {
	e.mu.Lock()
	defer e.mu.Unlock()
	until := "still under way"
	if !e.removed.IsZero() {
		until = fmt.Sprintf("until %.1f s", e.removed.Sub(start).Seconds())
	}
	return fmt.Sprintf("%s on %s from %.1f s, %s, on %d GETs", e.fault.Name, e.kind, e.began.Sub(start).Seconds(), until, e.struck.Load())
}

// plan is what was and is broken.
type plan struct {
	mu       sync.Mutex
	episodes []*episode
	times    [][2]time.Time // of faults, and of getting over them; the last may not have ended
}

func (p *plan) begin(kind string, f spoil.Fault) *episode {
	e := &episode{kind: kind, fault: f, began: time.Now(), cas: map[string]bool{}}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.episodes = append(p.episodes, e)
	return e
}

// near are the faults that were under way during a request, or shortly before.
func (p *plan) near(a client.Answer) (out []*episode) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, e := range p.episodes {
		if e.began.Before(a.End) && !e.over(a.Began.Add(-recoverWithin)) {
			out = append(out, e)
		}
	}
	return out
}

// quietSince is since when no fault was under way at a request, from start on;
// zero: there was one.
func (p *plan) quietSince(a client.Answer, start time.Time) time.Time {
	p.mu.Lock()
	defer p.mu.Unlock()
	since := start
	for _, e := range p.episodes {
		if e.began.After(a.End) {
			continue
		}
		if !e.over(a.Began) {
			return time.Time{}
		}
		e.mu.Lock()
		since = e.removed.Add(askAgain)
		e.mu.Unlock()
	}
	return since
}

// calm says whether a moment is outside of times of faults.
func (p *plan) calm(at time.Time) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, t := range p.times {
		if !at.Before(t[0]) && (t[1].IsZero() || at.Before(t[1])) {
			return false
		}
	}
	return true
}

// mark begins a time of faults, or ends it.
func (p *plan) mark(ends bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if ends {
		p.times[len(p.times)-1][1] = time.Now()
		return
	}
	p.times = append(p.times, [2]time.Time{time.Now()})
}

// blow is one fault that is to come.
type blow struct {
	kind  string
	fault spoil.Fault
}

// deck is every fault on every kind of GET, in an order drawn at random. Old
// objects are not put back: a process that has just started cannot know
// (docs/reliability.md).
func deck(r *rand.Rand) (out []blow) {
	for _, kind := range []string{spoil.Catalog, spoil.Part, spoil.Whole} {
		for _, f := range spoil.Faults {
			if f.On(kind, nil, r) != nil {
				out = append(out, blow{kind, f})
			}
		}
	}
	r.Shuffle(len(out), func(i, j int) { out[i], out[j] = out[j], out[i] })
	return out
}

// breaking breaks S3 for the authorizers, time and again.
func (s *soak) breaking(ctx context.Context) {
	r := rand.New(rand.NewPCG(s.Seed, 1))
	if s.Break == BreakOutage {
		s.outage(ctx)
		return
	}
	var left []blow
	for sleep(ctx, s.Quiet) {
		s.faults.mark(false)
		for range atATime {
			if len(left) == 0 {
				left = deck(r)
			}
			s.blow(ctx, left[0], r)
			left = left[1:]
		}
		if !sleep(ctx, recoverWithin) {
			return
		}
		s.faults.mark(true)
	}
}

// outage has S3 fail for good.
func (s *soak) outage(ctx context.Context) {
	if !sleep(ctx, s.Quiet) {
		return
	}
	s.Proxy.Inject(s3proc.Any, s3proc.Answer(http.StatusServiceUnavailable))
	s.restart()
}

// blow strikes a fault: a process has to start under it, and the preprocessor's
// requests meet one too.
func (s *soak) blow(ctx context.Context, b blow, r *rand.Rand) {
	if ctx.Err() != nil {
		return
	}
	s.retire()
	defer s.stumble(r)()
	fault := b.fault.On(b.kind, nil, r)
	e := s.faults.begin(b.kind, b.fault)
	remove := s.Proxy.Inject(e.strikes, *fault)
	for sleep(ctx, 50*time.Millisecond) {
		lasted := time.Since(e.began)
		if lasted >= strikeFor && e.struck.Load() > 0 || lasted >= strikeMost {
			break
		}
	}
	remove()
	e.mu.Lock()
	e.removed = time.Now()
	e.mu.Unlock()
	s.Proxy.Forget()
	s.PreprocessorProxy.Forget()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.result.Faults++
	s.result.Struck += int(e.struck.Load())
}

// stumble has one of the preprocessor's next requests fail, before or after it
// took effect, until it is undone. The preprocessor, its retries and its timer get
// over that.
func (s *soak) stumble(r *rand.Rand) (undo func()) {
	all := []s3proc.Fault{
		s3proc.Answer(http.StatusServiceUnavailable), s3proc.AnswerApplied(http.StatusInternalServerError), s3proc.Reset(), s3proc.Answer(http.StatusConflict),
	}
	after := int64(r.IntN(12))
	var seen atomic.Int64
	remove := s.PreprocessorProxy.Inject(func(s3proc.Request) bool { return seen.Add(1) > after }, all[r.IntN(len(all))].Times(1))
	return func() {
		remove()
		if seen.Load() > after {
			s.mu.Lock()
			defer s.mu.Unlock()
			s.result.Stumbles++
		}
	}
}

func sleep(ctx context.Context, d time.Duration) bool {
	select {
	case <-ctx.Done():
		return false
	case <-time.After(d):
		return true
	}
}
