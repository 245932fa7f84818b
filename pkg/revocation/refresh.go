package revocation

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"math"
	"runtime/debug"
	"sync/atomic"
	"time"

	"github.com/crlgate/crlgate/pkg/catalog"
	"github.com/crlgate/crlgate/pkg/objectstore"
)

const (
	// flightTimeout bounds one refresh.
	flightTimeout = 5 * time.Second
	// flightPatience is how old a refresh may be, by the wall clock, to be
	// joined: one that a freeze interrupted is left to itself.
	flightPatience = 3 * time.Second
	// warmLoad is how long a refresh waits for sets that its requests will
	// need, before the new catalog is put in force.
	warmLoad = 2 * time.Second
	// maxBackoff bounds how long after a failed refresh no request waits for
	// another one.
	maxBackoff = 5 * time.Second
	// awakeStep is how finely the time is counted in which the process ran, and
	// frozenFor how much time must be missing for a freeze.
	awakeStep = 50 * time.Millisecond
	frozenFor = time.Second
)

// flight is one refresh, shared by those who wait for it.
type flight struct {
	begun time.Time // zero: not yet
	done  chan struct{}
	// awake counts the steps of awakeStep that it has been under way for while
	// the process ran: neither clock tells a freeze from an S3 that hangs. vain
	// says that a request has waited for it for as long as one may.
	awake atomic.Int64
	vain  atomic.Bool
}

// watch counts the steps of f until it is done. The step that a freeze falls into
// counts as one, whatever the length of the freeze.
func (f *flight) watch() {
	for {
		select {
		case <-f.done:
			return
		case <-time.After(awakeStep):
			f.awake.Add(1)
		}
	}
}

// ran is for how long f has been under way while the process ran.
func (f *flight) ran() time.Duration { return time.Duration(f.awake.Load()) * awakeStep }

// fresh sees to it that what is warm is young enough for a request that
// arrived at now, by the wall clock, waiting if it must and may. Afterwards the
// request is answered from whatever is warm.
func (c *Cache) fresh(ctx context.Context, now time.Time) {
	age, warm := c.age(now)
	after := c.config.RevalidateAfter
	if age < after/2 {
		return
	}
	f, wait := c.join(now), c.config.ColdWait
	if warm && after != 0 && (age < after || c.begunInTime(f, now.Add(after-age)) || c.failing(f, now)) {
		return
	}
	if age <= c.config.MaxUnvalidated {
		wait = c.config.WarmWait // else what is warm answers with a hit and nothing more
	}
	select {
	case <-f.done:
	case <-time.After(wait):
		f.vain.Store(true)
	case <-ctx.Done():
	}
}

// age returns how long ago the catalog was last known to be current: beyond all
// bounds where there is none, or where that moment lies ahead.
func (c *Cache) age(now time.Time) (age time.Duration, warm bool) {
	s := c.current.Load()
	if s == nil || now.Before(s.validated) {
		return math.MaxInt64, s != nil
	}
	return now.Sub(s.validated), true
}

// begunInTime reports that f began before what is warm was due to be revalidated:
// it was begun in the background, and whoever comes while it is under way is
// not older than RevalidateAfter and one refresh.
func (c *Cache) begunInTime(f *flight, due time.Time) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return f.begun.Before(due)
}

// failing reports that waiting for f is of no use to a request that can be
// answered from what is warm: the refresh before it failed a moment ago, or f
// itself has been under way for long, having begun in the background or kept
// others waiting. It goes on without them. Time in a freeze does not count, or
// an environment that is frozen after each request would never see a refresh
// through.
func (c *Cache) failing(f *flight, now time.Time) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.hangs(f) {
		return true
	}
	since := now.Sub(c.failedAt)
	return since >= 0 && since < min(c.config.RevalidateAfter/2, maxBackoff)
}

// hangs reports that f has been under way for longer than a request would wait.
func (c *Cache) hangs(f *flight) bool {
	return f.vain.Load() || f.ran() >= min(c.config.WarmWait, c.config.RevalidateAfter/4)
}

// join returns a refresh for a request that arrived at now: one under way, or
// a new one. With RevalidateAfter 0 a refresh that began before the request
// arrived does not do.
func (c *Cache) join(now time.Time) *flight {
	c.mu.Lock()
	defer c.mu.Unlock()
	running := c.flight != nil
	if running {
		patience := now.Sub(c.flight.begun)
		running = patience < flightPatience && patience > -flightPatience
		if !running && patience > 0 && patience <= flightTimeout && c.hangs(c.flight) {
			c.failedAt = c.clock() // a freeze would say nothing of S3
		}
	}
	switch {
	case !running:
		f := c.next // those who wait for one that has not begun are served too
		if f == nil {
			f = newFlight()
		}
		c.start(f)
		return f
	case c.config.RevalidateAfter != 0:
		return c.flight
	case c.next == nil:
		c.next = newFlight()
		go c.beginAfter(c.flight, c.next)
	}
	return c.next
}

func newFlight() *flight { return &flight{done: make(chan struct{})} }

// start sets a flight off. The caller holds the lock.
func (c *Cache) start(f *flight) {
	c.flight, c.next = f, nil
	f.begun = c.clock()
	go f.watch()
	go func() {
		defer close(f.done)
		ctx, cancel := context.WithTimeout(context.Background(), flightTimeout)
		defer cancel()
		err := c.tryRefresh(ctx, f.begun)
		c.mu.Lock()
		defer c.mu.Unlock()
		now := c.clock()
		switch {
		case err == nil:
			c.failedAt = time.Time{}
		case now.Sub(f.begun)-f.ran() < frozenFor:
			c.failedAt = now
		default: // its time ran out in a freeze, which says nothing of S3
		}
		if c.flight == f {
			c.flight = nil
		}
	}()
}

// beginAfter begins next when before is done, or has taken too long, unless a
// request has begun it by then.
func (c *Cache) beginAfter(before, next *flight) {
	select {
	case <-before.done:
	case <-next.done:
	case <-time.After(flightPatience):
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.next == next {
		c.start(next)
	}
}

// tryRefresh is refresh, measured and logged.
func (c *Cache) tryRefresh(ctx context.Context, begun time.Time) error {
	err := guard(func() error { return c.refresh(ctx, begun) })
	if err != nil {
		c.log.Error("catalog not revalidated", "object", catalog.Key, "err", err)
	}
	took := c.clock().Sub(begun)
	if err := guard(func() error { c.metrics.Refreshed(took, err); return nil }); err != nil {
		c.log.Error("metrics not recorded", "err", err)
	}
	return err
}

// guard calls f, with a panic turned into an error: what runs on a goroutine of
// its own would end the process by it.
func guard(f func() error) (err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("panic: %v\n%s", r, debug.Stack())
		}
	}()
	return f()
}

// refresh asks the bucket for the catalog, if it is another than the warm one,
// and puts it in force.
func (c *Cache) refresh(ctx context.Context, begun time.Time) error {
	old := c.current.Load()
	opts := objectstore.GetOptions{}
	if old != nil {
		opts.IfNoneMatch = old.version
	}
	data, object, err := c.store.ReadAll(ctx, catalog.Key, catalog.MaxSize, opts)
	if errors.Is(err, objectstore.ErrNotModified) && old != nil {
		c.confirm(old.snapshot, begun)
		return nil
	}
	if err != nil {
		return err
	}
	digest := sha256.Sum256(data)
	if old != nil && digest == old.digest {
		same := *old.snapshot
		same.version = object.Version
		c.install(old, &same, begun)
		return nil
	}
	next, err := c.accept(data, object.Version, digest, old)
	if err != nil {
		return fmt.Errorf("%s: %w", catalog.Key, err)
	}
	c.coming.Store(next)
	defer c.coming.Store(nil)
	c.warm(ctx, next)
	c.install(old, next, begun)
	return nil
}

// accept reads a catalog that is to replace old, or says why it must not.
func (c *Cache) accept(data []byte, version objectstore.Version, digest [32]byte, old *inForce) (*snapshot, error) {
	cat, err := catalog.Parse(data)
	if err != nil {
		why := "malformed"
		if errors.Is(err, catalog.ErrFormat) {
			why = "format"
		}
		c.metrics.CatalogRefused(why)
		return nil, err
	}
	if old != nil && cat.Generation <= old.catalog.Generation {
		c.metrics.CatalogRefused("generation")
		return nil, fmt.Errorf("it has generation %d and generation %d is in force: an old catalog was put back, and is refused", cat.Generation, old.catalog.Generation)
	}
	next, err := newSnapshot(cat, version, digest, old, c.sets.has)
	if err != nil {
		c.metrics.CatalogRefused("malformed")
	}
	return next, err
}

// confirm notes that s, if it is still in force, was still current at begun.
func (c *Cache) confirm(s *snapshot, begun time.Time) {
	c.installs.Lock()
	defer c.installs.Unlock()
	have := c.current.Load()
	if have.snapshot != s {
		return
	}
	// An earlier moment counts only where the later one has turned out to lie
	// ahead: the clock was wrong then, and must not make the catalog stale now.
	if begun.After(have.validated) || have.validated.After(c.clock()) {
		c.current.Store(&inForce{s, begun})
	}
}

// install puts next in force in place of old, unless another refresh has come
// first.
func (c *Cache) install(old *inForce, next *snapshot, begun time.Time) {
	c.installs.Lock()
	defer c.installs.Unlock()
	have := c.current.Load()
	if (have == nil) != (old == nil) || have != nil && have.snapshot != old.snapshot {
		return
	}
	c.current.Store(&inForce{next, begun})
	c.sets.keep(next)
	if old == nil || old.catalog != next.catalog {
		c.log.Info("catalog in force", "generation", next.catalog.Generation, "etag", string(next.version))
	}
}

// trim forgets sets whose successors have arrived.
func (c *Cache) trim() {
	c.installs.Lock()
	defer c.installs.Unlock()
	if s := c.current.Load(); s != nil {
		c.sets.forget(s.superseded(c.coming.Load(), c.sets.has))
	}
}

// warm loads the sets that requests have asked for, and what is known of the
// keys of CAs in use, so that no request waits for them once the new catalog is
// in force. Sets that take longer are loaded behind the back of those that they
// replace.
func (c *Cache) warm(ctx context.Context, next *snapshot) {
	ctx, cancel := context.WithTimeout(ctx, warmLoad)
	defer cancel()
	c.refill(ctx, next)
	var loads []*load
	var heads []*head
	for l := range next.wanted() {
		for ref := range l.refs() {
			// What was in memory will be again; what was searched where it lies
			// needs its head.
			if l.inMemory(c.sets.loaded) {
				loads = append(loads, c.sets.load(ref))
			} else {
				heads = append(heads, c.ranges.head(ref, c.clock()))
			}
		}
	}
	for _, h := range heads {
		select {
		case <-h.done:
		case <-ctx.Done():
		}
	}
	for _, l := range loads {
		select {
		case <-l.done:
		case <-ctx.Done():
		}
	}
	for _, a := range next.cas {
		if used(a.all()) {
			c.keyStates(ctx, next, a, c.clock())
		}
	}
}

// overdue reports that what answers in place of something newer was last known
// to be current so long ago that its successor should be there: an environment
// that is frozen after each request may never fetch it in the background.
func (c *Cache) overdue(age time.Duration) bool { return age > c.config.RevalidateAfter+warmLoad }

// brief waits for the load of something, whose predecessor answers in its place,
// unless another request has waited for it in vain, or the last refresh failed.
func (c *Cache) brief(ctx context.Context, done <-chan struct{}, vain *atomic.Bool) {
	c.mu.Lock()
	failing := !c.failedAt.IsZero()
	c.mu.Unlock()
	if failing || vain.Load() {
		return
	}
	select {
	case <-done:
	case <-time.After(c.config.WarmWait):
		vain.Store(true)
	case <-ctx.Done():
	}
}

// Warm begins to fetch the catalog, without waiting for it: the first request
// then finds it there, or on its way.
func (c *Cache) Warm() { c.join(c.clock()) }
