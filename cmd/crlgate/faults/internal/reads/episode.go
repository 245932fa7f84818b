package reads

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/crlgate/crlgate/cmd/crlgate/internal/s3proc"
	"github.com/crlgate/crlgate/pkg/catalog"
)

// episode is one fault in one lane: from its beginning until everything is right
// again.
type episode struct {
	lane   *lane
	kind   string
	fault  fault
	began  time.Time
	struck atomic.Int64 // GETs

	mu      sync.Mutex
	cas     map[string]bool // whose objects were befallen
	from    time.Time       // from when on no GET can succeed; zero: not yet
	removed time.Time
}

func (e *episode) String() string { return e.fault.name + " on " + e.kind }

// cold says whether processes started under the fault.
func (e *episode) cold() bool { return e.lane.Cold || e.lane.Environments > 0 }

func (e *episode) touched(ca string) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.cas[ca]
}

// effective is from when on no GET of the catalog could succeed, as long as the
// fault lasts.
func (e *episode) effective() time.Time {
	e.mu.Lock()
	defer e.mu.Unlock()
	if !e.removed.IsZero() {
		return time.Time{}
	}
	return e.from
}

// episode is the one under way.
func (r *lane) episode() *episode {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.now
}

// quietSince says whether no fault was under way since a moment.
func (r *lane) quietSince(t time.Time) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.ago == nil {
		return true
	}
	r.ago.mu.Lock()
	defer r.ago.mu.Unlock()
	return r.ago.removed.Before(t)
}

// strikes matches the GETs that the fault befalls.
func (e *episode) strikes(r s3proc.Request) bool {
	if r.Method != "GET" || e.lane.kindOf(r) != e.kind {
		return false
	}
	e.struck.Add(1)
	e.mu.Lock()
	defer e.mu.Unlock()
	switch e.kind {
	case kindCatalog:
	case kindPart:
		e.cas[parts] = true
	default:
		e.cas[caOf(r.Key)] = true
	}
	return true
}

// kindOf says what a GET of the authorizer is for: of a set, by its range.
func (*lane) kindOf(req s3proc.Request) string {
	switch {
	case req.Key == catalog.Key:
		return kindCatalog
	case strings.HasPrefix(req.Key, "catalog/"):
		return kindPart
	}
	from, to, ok := parseRange(req.Range)
	switch {
	case !ok:
		return ""
	case from > 0:
		return kindBlock
	case to < indexEnds(caOf(req.Key)):
		return kindIndex
	}
	return kindWhole
}

// indexEnds is a length between those of a CA's sets and of their indexes: the
// large one's index has some hundred octets and no set of it so few; the others'
// sets have one block, and an index of 64 octets and one entry.
func indexEnds(ca string) int64 {
	if ca == large {
		return 64 << 10
	}
	return 110
}

// lasts is how long a fault lasts at least.
func (e *episode) lasts() time.Duration {
	switch {
	case e.lane.Long:
		return e.lane.MaxUnvalidated + 2*time.Second
	case e.fault.slow && e.fault.total && e.cold():
		return 11 * time.Second // longer than the function has
	case e.fault.slow:
		return 4 * time.Second
	}
	return 1200 * time.Millisecond
}

// run runs an episode.
func (r *lane) run(ctx context.Context, kind string, f fault) error {
	strike := f.make(r.w, kind, r.draw)
	if strike == nil {
		return nil
	}
	victim, err := r.victim(kind)
	if err != nil {
		return err
	}
	e := &episode{lane: r, kind: kind, fault: f, cas: map[string]bool{}, began: time.Now()}
	r.mu.Lock()
	r.now = e
	r.mu.Unlock()
	remove := r.proxy.Inject(e.strikes, *strike)
	if r.Cold {
		r.quiet.Lock()
		r.function.KillAll()
		r.quiet.Unlock()
	}
	err = r.suffer(ctx, e, victim)
	remove()
	e.mu.Lock()
	e.removed = time.Now()
	e.mu.Unlock()
	if err != nil {
		return err
	}
	took, wrong := r.recovered(ctx)
	if ctx.Err() != nil {
		return ctx.Err()
	}
	r.mu.Lock()
	r.now, r.ago = nil, e
	r.mu.Unlock()
	r.proxy.Forget()
	r.matrix.ended(r, e, took, wrong)
	return nil
}

// suffer revokes a client under the fault and lets clients call until the fault
// has lasted, and struck.
func (r *lane) suffer(ctx context.Context, e *episode, victim *Leaf) error {
	if err := r.w.revoke(ctx, victim); err != nil {
		return err
	}
	e.mu.Lock()
	e.from = *victim.accepted.Load()
	e.mu.Unlock()
	const most = 15 * time.Second
	for {
		lasted := time.Since(e.began)
		if lasted >= e.lasts() && e.struck.Load() > 0 || lasted > e.lasts()+most {
			return nil
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// victim issues the client that is revoked in this episode, in place of the one
// before.
func (r *lane) victim(kind string) (*Leaf, error) {
	ca := small
	switch kind {
	case kindPart:
		ca = parts
	case kindIndex, kindBlock:
		ca = large
	}
	l, err := r.w.issue(ca, "victim")
	if err != nil {
		return nil, err
	}
	r.mu.Lock()
	old := r.victims[ca]
	r.victims[ca] = l
	r.mu.Unlock()
	if old != nil {
		r.drop(old)
	}
	return l, nil
}

// leaves are a CA's clients.
func (r *lane) leaves(ca string) []*Leaf {
	r.mu.Lock()
	defer r.mu.Unlock()
	out := []*Leaf{r.w.good[ca], r.w.revoked[ca]}
	if v := r.victims[ca]; v != nil {
		out = append(out, v)
	}
	return out
}

// recovered waits until every client is answered by the truth, and returns how
// long that took.
func (r *lane) recovered(ctx context.Context) (took time.Duration, wrong string) {
	began := time.Now()
	for _, ca := range caNames {
		for _, l := range r.leaves(ca) {
			for {
				a := r.ask(ctx, l)
				want := "good"
				if l.accepted.Load() != nil {
					want = "revoked"
				}
				if a.reason == want {
					break
				}
				if ctx.Err() != nil {
					return 0, ""
				}
				if time.Since(began) > recoverWithin {
					return time.Since(began), fmt.Sprintf("%s of CA %s is still answered %d %s %v after the fault", l.name, l.ca, a.status, a.reason, recoverWithin)
				}
				time.Sleep(20 * time.Millisecond)
			}
		}
	}
	return time.Since(began), ""
}
