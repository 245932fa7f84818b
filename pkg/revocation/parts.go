package revocation

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/crlgate/crlgate/pkg/catalog"
	"github.com/crlgate/crlgate/pkg/clientcert"
	"github.com/crlgate/crlgate/pkg/issuer"
	"github.com/crlgate/crlgate/pkg/objectstore"
)

// slot is one part of a CA's CRLs, where the catalog keeps them in parts. It is
// filled when it is first needed, and taken over by the next snapshot if the
// part is still the same.
type slot struct {
	digest string // SHA-256 of the part, hex; "": an empty part
	filled atomic.Pointer[filling]
}

// filling is what a slot holds.
type filling struct {
	lists []*list // complete CRLs
	// at is zero where lists are of the part that the slot names. Else they are
	// of the one before it, which was last known to be current then, and which
	// answers as long as the new one is not there.
	at time.Time
}

// newSlots makes the slots of a CA's parts. old is the same CA in the snapshot
// before, or nil; oldAt is when that was last known to be current.
func newSlots(table *catalog.Parts, old *authority, oldAt time.Time) []*slot {
	if table == nil {
		return nil
	}
	slots := make([]*slot, len(table.Refs))
	for i, ref := range table.Refs {
		slots[i] = &slot{digest: ref}
		if ref == "" {
			slots[i].filled.Store(&filling{})
			continue
		}
		slots[i].filled.Store(old.filling(i, table.Bits, ref, oldAt))
	}
	return slots
}

// filling returns what the CA, as it was, can say in place of part i of 1<<bits
// that has this digest; nil: nothing.
func (a *authority) filling(i, bits int, digest string, at time.Time) *filling {
	switch {
	case a == nil:
		return nil
	case a.table == nil:
		return &filling{a.lists, at} // all of its CRLs stood in the catalog itself
	case bits < a.table.Bits:
		return nil // parts were put together: no one of the old ones says it all
	}
	old := a.slots[i>>(bits-a.table.Bits)]
	f := old.filled.Load()
	switch {
	case f == nil:
		return nil
	case old.digest == digest, !f.at.IsZero():
		return f
	}
	return &filling{f.lists, at}
}

// needs returns the slots that may hold CRLs that speak of a certificate with
// these points.
func (s *snapshot) needs(ca *authority, own, indirect []point) []*slot {
	out := ca.slotsOf(own, nil)
	for _, p := range indirect {
		for _, crlIssuer := range p.crlIssuers {
			for _, other := range s.byName[crlIssuer] {
				out = other.slotsOf([]point{p.of(crlIssuer)}, out)
			}
		}
	}
	return out
}

func (a *authority) slotsOf(points []point, out []*slot) []*slot {
	if a.table == nil {
		return out
	}
	own := string(catalog.DirectoryPoint(a.issuer.Subject)) // never in a part
	for _, p := range points {
		for _, name := range p.names {
			if string(name) != own {
				out = append(out, a.slots[a.table.Index(name)])
			}
		}
	}
	return out
}

// at yields the CA's complete CRLs that may speak of these points, and since
// when those are known that have been replaced.
func (a *authority) at(points []point) func(func(*list, time.Time) bool) {
	return func(yield func(*list, time.Time) bool) {
		for _, l := range a.lists {
			if !yield(l, time.Time{}) {
				return
			}
		}
		seen := map[*slot]bool{}
		for _, s := range a.slotsOf(points, nil) {
			f := s.filled.Load()
			if f == nil || seen[s] {
				continue
			}
			seen[s] = true
			for _, l := range f.lists {
				if !yield(l, f.at) {
					return
				}
			}
		}
	}
}

// partStore fetches parts, each once however many ask for it.
type partStore struct {
	mu    sync.Mutex
	loads map[*slot]*partLoad
}

type partLoad struct {
	begun time.Time
	done  chan struct{}
	err   error
	vain  atomic.Bool
}

// fill sees to it that slots hold something to answer with, waiting if it must
// and may. It reports whether all of it is what the catalog names now.
func (c *Cache) fill(ctx context.Context, slots []*slot, now time.Time) (current bool, err error) {
	current = true
	for _, s := range slots {
		f := s.filled.Load()
		if f != nil && f.at.IsZero() {
			continue
		}
		l := c.loadPart(s)
		if f != nil && now.Sub(f.at) >= 0 && now.Sub(f.at) <= c.config.MaxUnvalidated {
			if c.overdue(now.Sub(f.at)) {
				c.brief(ctx, l.done, &l.vain)
			}
			// Else, or if it is not there yet, the part before it answers.
			current = current && s.filled.Load().at.IsZero()
			continue
		}
		if err := c.await(ctx, l); err != nil {
			return false, err
		}
	}
	return current, nil
}

// await waits for a part.
func (c *Cache) await(ctx context.Context, l *partLoad) error {
	select {
	case <-l.done:
		return l.err
	case <-time.After(c.config.ColdWait):
	case <-ctx.Done():
	}
	return errors.New("a part of the catalog is still being fetched")
}

// over reports whether a part could not be fetched and may be tried again: of one
// that was fetched no load is kept.
func (l *partLoad) over(now time.Time) bool {
	age := now.Sub(l.begun)
	select {
	case <-l.done:
		return age > loadRetry || age < 0
	default:
		return age >= loadRetry+flightTimeout || age < 0
	}
}

// loadPart returns the fetching of a slot's part, beginning it where there is
// none under way, or where the last one failed a while ago.
func (c *Cache) loadPart(s *slot) *partLoad {
	now := c.clock()
	c.parts.mu.Lock()
	defer c.parts.mu.Unlock()
	before := c.parts.loads[s]
	if before != nil && !before.over(now) {
		return before
	}
	if c.parts.loads == nil {
		c.parts.loads = map[*slot]*partLoad{}
	}
	l := &partLoad{begun: now, done: make(chan struct{})}
	l.vain.Store(before != nil && before.vain.Load())
	c.parts.loads[s] = l
	go func() {
		defer close(l.done)
		ctx, cancel := context.WithTimeout(context.Background(), flightTimeout)
		defer cancel()
		l.err = guard(func() error { return c.fetchPart(ctx, s) })
		if l.err != nil {
			c.log.Error("part of the catalog not loaded", "object", catalog.PartKey(s.digest), "err", l.err)
			return // asked again after a moment
		}
		c.parts.mu.Lock()
		delete(c.parts.loads, s)
		c.parts.mu.Unlock()
	}()
	return l
}

func (c *Cache) fetchPart(ctx context.Context, s *slot) error {
	key := catalog.PartKey(s.digest)
	data, _, err := c.store.ReadAll(ctx, key, catalog.MaxPart, objectstore.GetOptions{})
	if err != nil {
		return err
	}
	part, err := catalog.ParsePart(data, s.digest)
	if err != nil {
		if errors.Is(err, catalog.ErrCorrupt) {
			c.metrics.HashFailed(key)
		}
		return err
	}
	lists, err := newLists(part.CRLs)
	if err != nil {
		return fmt.Errorf("%s: %w", key, err)
	}
	if old := s.filled.Load(); old != nil {
		byLine := map[string]*list{}
		for _, l := range withDeltas(old.lists) {
			byLine[l.record.Line] = l
		}
		for _, l := range withDeltas(lists) {
			l.follow(byLine[l.record.Line], old.at, c.sets.has)
		}
	}
	s.filled.Store(&filling{lists: lists})
	return nil
}

// refill fetches the parts that were in use and have been replaced.
func (c *Cache) refill(ctx context.Context, next *snapshot) {
	var loads []*partLoad
	for _, a := range next.cas {
		for _, s := range a.slots {
			if f := s.filled.Load(); f != nil && !f.at.IsZero() && used(f.lists) {
				loads = append(loads, c.loadPart(s))
			}
		}
	}
	for _, l := range loads {
		select {
		case <-l.done:
		case <-ctx.Done():
		}
	}
}

func used(lists []*list) bool {
	for _, l := range lists {
		if l.asked.Load() {
			return true
		}
	}
	return false
}

// withDeltas returns lists, and the deltas to them.
func withDeltas(lists []*list) []*list {
	var out []*list
	for _, l := range lists {
		out = append(append(out, l), l.deltas...)
	}
	return out
}

// coveringFor returns the CRLs that speak of a certificate, fetching parts of
// the catalog where they are needed. current says that all of it is what the
// catalog names now.
func (c *Cache) coveringFor(ctx context.Context, s *snapshot, ca *authority, cert *clientcert.Certificate, keys []issuer.KeyDigest, now time.Time, t *Considered) (lists []covering, current bool, err error) {
	own, indirect := pointsOf(cert, ca)
	current, err = c.fill(ctx, s.needs(ca, own, indirect), now)
	t.parts(ca, ca.slotsOf(own, nil))
	return s.covering(ca, cert, own, indirect, keys, t), current, err // what is here may revoke, whatever is not
}
