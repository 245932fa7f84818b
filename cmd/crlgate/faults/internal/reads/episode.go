package reads

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/crlgate/crlgate/cmd/crlgate/faults/internal/spoil"
	"github.com/crlgate/crlgate/cmd/crlgate/internal/s3proc"
	"github.com/crlgate/crlgate/pkg/catalog"
)

// episode is one fault in one lane: from its beginning until everything is right
// again.
type episode struct {
	lane   *lane
	kind   string
	fault  spoil.Fault
	began  time.Time
	struck atomic.Int64 // GETs

	mu      sync.Mutex
	cas     map[string]bool // whose objects were befallen
	from    time.Time       // from when on no GET can succeed; zero: not yet
	removed time.Time
}

func (e *episode) String() string { return e.fault.Name + " on " + e.kind }

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

// quietSince is since when no fault was under way, after the first.
func (r *lane) quietSince() time.Time {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.ago == nil {
		return time.Unix(0, 0)
	}
	r.ago.mu.Lock()
	defer r.ago.mu.Unlock()
	return r.ago.removed
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
	case spoil.Catalog:
	case spoil.Part:
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
		return spoil.Catalog
	case strings.HasPrefix(req.Key, "catalog/"):
		return spoil.Part
	}
	from, to, ok := spoil.ParseRange(req.Range)
	switch {
	case !ok:
		return ""
	case from > 0:
		return spoil.Block
	case to < indexEnds(caOf(req.Key)):
		return spoil.Index
	}
	return spoil.Whole
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
	case e.fault.Slow && e.fault.Total && e.cold():
		return 11 * time.Second // longer than the function has
	case e.fault.Slow:
		return 4 * time.Second
	}
	return 1200 * time.Millisecond
}

// run runs an episode.
func (r *lane) run(ctx context.Context, kind string, f spoil.Fault) error {
	strike := f.On(kind, r.w.before, r.draw)
	if strike == nil {
		return nil
	}
	if f.Name == spoil.OldPutBack && !r.Cold {
		if err := r.knows(ctx); err != nil {
			return err
		}
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
	e.from = *victim.Accepted.Load()
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

// knows revokes a client and waits until it is denied, so that what is put back
// is older than what the authorizer has in force.
func (r *lane) knows(ctx context.Context) error {
	l, err := r.w.issue(small, "revoked before")
	if err != nil {
		return err
	}
	if err := r.w.revoke(ctx, l); err != nil {
		return err
	}
	r.mu.Lock()
	old := r.earlier
	r.earlier = l
	r.mu.Unlock()
	if old != nil {
		r.drop(old)
	}
	if _, wrong := r.recovered(ctx); wrong != "" {
		return fmt.Errorf("before the fault: %s", wrong)
	}
	return nil
}

// victim issues the client that is revoked in this episode, in place of the one
// before.
func (r *lane) victim(kind string) (*Leaf, error) {
	ca := small
	switch kind {
	case spoil.Part:
		ca = parts
	case spoil.Index, spoil.Block:
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
	if r.earlier != nil && r.earlier.ca == ca {
		out = append(out, r.earlier)
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
				if a.Reason == l.Want() {
					break
				}
				if ctx.Err() != nil {
					return 0, ""
				}
				if time.Since(began) > recoverWithin {
					return time.Since(began), fmt.Sprintf("%s of CA %s is still answered %d %s %v after the fault", l.name, l.ca, a.Status, a.Reason, recoverWithin)
				}
				time.Sleep(20 * time.Millisecond)
			}
		}
	}
	return time.Since(began), ""
}
