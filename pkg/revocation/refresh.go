package revocation

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"time"

	"github.com/crlgate/crlgate/pkg/catalog"
	"github.com/crlgate/crlgate/pkg/objectstore"
)

const (
	// flightTimeout bounds one refresh.
	flightTimeout = 5 * time.Second
	// flightPatience is how old a refresh may be, by the wall clock, to be
	// waited for: one that a freeze interrupted is left to itself.
	flightPatience = 3 * time.Second
	// warmLoad is how long a refresh waits for sets that its requests will
	// need, before the new catalog is put in force.
	warmLoad = 2 * time.Second
	// maxBackoff bounds how long after a failed refresh no request waits for
	// another one.
	maxBackoff = 5 * time.Second
)

// flight is one refresh, shared by those who wait for it.
type flight struct {
	begun time.Time // zero: not yet
	done  chan struct{}
	err   error
}

// fresh sees to it that what is warm is young enough for a request that
// arrived at now, waiting if it must and may. Afterwards the request is
// answered from whatever is warm.
func (c *Cache) fresh(ctx context.Context, now time.Time) {
	age, warm := c.age(now)
	after := c.config.RevalidateAfter
	switch {
	case warm && age >= 0 && age < after/2:
		return
	case warm && age >= 0 && age < after:
		c.join(now)
		return
	}
	f, wait := c.join(now), c.config.WarmWait
	if !warm {
		wait = c.config.ColdWait
	} else if c.backingOff(now) {
		return // S3 failed a moment ago: one refresh tries again, and nobody waits
	}
	if deadline, ok := ctx.Deadline(); ok {
		// Keep a tenth of what is left for the answer itself.
		wait = min(wait, deadline.Sub(c.clock())*9/10)
	}
	t := time.NewTimer(wait)
	defer t.Stop()
	select {
	case <-f.done:
	case <-t.C:
	case <-ctx.Done():
	}
}

// age returns how long ago the catalog was last known to be current.
func (c *Cache) age(now time.Time) (time.Duration, bool) {
	if c.current.Load() == nil {
		return 0, false
	}
	return now.Round(0).Sub(time.Unix(0, c.validated.Load())), true
}

func (c *Cache) backingOff(now time.Time) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	since := now.Round(0).Sub(c.failedAt)
	return !c.failedAt.IsZero() && since >= 0 && since < min(c.config.RevalidateAfter/2, maxBackoff)
}

// join returns a refresh for a request that arrived at now: one under way, or
// a new one. With RevalidateAfter 0 a refresh that began before the request
// arrived does not do.
func (c *Cache) join(now time.Time) *flight {
	c.mu.Lock()
	defer c.mu.Unlock()
	running := c.flight != nil
	if running {
		patience := now.Round(0).Sub(c.flight.begun)
		running = patience < flightPatience && patience > -flightPatience
	}
	switch {
	case !running:
		c.flight = &flight{done: make(chan struct{})}
		c.start(c.flight)
		return c.flight
	case c.config.RevalidateAfter > 0:
		return c.flight
	case c.next == nil:
		c.next = &flight{done: make(chan struct{})}
		go c.beginAfter(c.flight, c.next)
	}
	return c.next
}

// start sets a flight off. The caller holds the lock.
func (c *Cache) start(f *flight) {
	f.begun = c.clock()
	go func() {
		ctx, cancel := context.WithTimeout(context.Background(), flightTimeout)
		defer cancel()
		f.err = c.safeRefresh(ctx, f.begun)
		c.mu.Lock()
		if f.err != nil {
			c.failedAt = c.clock()
		} else {
			c.failedAt = time.Time{}
		}
		if c.flight == f {
			c.flight = nil
		}
		c.mu.Unlock()
		close(f.done)
	}()
}

// beginAfter begins next when before is done, or has taken too long.
func (c *Cache) beginAfter(before, next *flight) {
	t := time.NewTimer(flightPatience)
	defer t.Stop()
	select {
	case <-before.done:
	case <-t.C:
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.flight, c.next = next, nil
	c.start(next)
}

// safeRefresh is refresh, with a panic turned into an error: it runs on a
// goroutine of its own, where a panic would end the process.
func (c *Cache) safeRefresh(ctx context.Context, begun time.Time) (err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("refreshing: panic: %v", r)
		}
		took := c.clock().Sub(begun)
		c.metrics.Refreshed(took, err)
		if err != nil {
			c.log.Error("catalog not revalidated", "object", catalog.Key, "err", err)
		}
	}()
	return c.refresh(ctx, begun)
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
	if errors.Is(err, objectstore.ErrNotModified) {
		c.confirm(old, begun)
		return nil
	}
	if err != nil {
		return err
	}
	digest := sha256.Sum256(data)
	if old != nil && digest == old.digest {
		same := *old
		same.version = object.Version
		c.install(old, &same, begun)
		return nil
	}
	cat, err := catalog.Parse(data)
	if err != nil {
		why := "malformed"
		if errors.Is(err, catalog.ErrFormat) {
			why = "format"
		}
		c.metrics.CatalogRefused(why)
		return fmt.Errorf("%s: %w", catalog.Key, err)
	}
	if old != nil && cat.Generation <= old.catalog.Generation {
		c.metrics.CatalogRefused("generation")
		return fmt.Errorf("%s has generation %d and generation %d is in force: an old catalog was put back, and is refused", catalog.Key, cat.Generation, old.catalog.Generation)
	}
	next, err := newSnapshot(cat, object.Version, digest, old, time.Unix(0, c.validated.Load()))
	if err != nil {
		c.metrics.CatalogRefused("malformed")
		return fmt.Errorf("%s: %w", catalog.Key, err)
	}
	c.warm(ctx, next)
	c.install(old, next, begun)
	return nil
}

// confirm notes that what is in force is still current.
func (c *Cache) confirm(s *snapshot, begun time.Time) {
	c.installs.Lock()
	defer c.installs.Unlock()
	if c.current.Load() == s {
		c.validated.Store(max(c.validated.Load(), begun.UnixNano()))
	}
}

// install puts next in force, unless another refresh has come first.
func (c *Cache) install(old, next *snapshot, begun time.Time) {
	c.installs.Lock()
	defer c.installs.Unlock()
	if c.current.Load() != old {
		return
	}
	c.current.Store(next)
	c.validated.Store(begun.UnixNano())
	c.sets.keep(next)
	if old == nil || old.catalog != next.catalog {
		c.log.Info("catalog in force", "generation", next.catalog.Generation, "etag", string(next.version))
	}
}

// warm loads the sets that requests have asked for and that have no
// predecessor to answer meanwhile, so that no request waits for them; those
// that replace one are loaded behind its back.
func (c *Cache) warm(ctx context.Context, next *snapshot) {
	ctx, cancel := context.WithTimeout(ctx, warmLoad)
	defer cancel()
	for _, l := range next.wanted() {
		load := c.sets.load(l.record)
		select {
		case <-load.done:
		case <-ctx.Done():
			return
		}
	}
}

// Warm begins to fetch the catalog, without waiting for it: the first request
// then finds it there, or on its way.
func (c *Cache) Warm() { c.join(c.clock()) }
