package revocation

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/crlgate/crlgate/pkg/serialset"
)

const (
	loadTimeout = 2 * time.Minute
	// loadRetry is how long after a failed load the next one may begin.
	loadRetry = time.Second
	// roomRetry is how long after there was no room the next load may begin.
	roomRetry = 5 * time.Second
	// loadPatience is how old a load may be, by the wall clock, to be waited
	// for without an own try beside it.
	loadPatience = 2*loadTimeout + time.Minute
)

// setStore holds the sets that were fetched, by digest. A set is fetched once,
// however many ask for it at once.
type setStore struct {
	store   Store
	budget  int64
	log     *slog.Logger
	metrics Metrics
	clock   func() time.Time
	arrived func() // called when a set has come, or finds no room
	ranges  *ranges

	mu    sync.Mutex
	loads map[serialset.Digest]*load
	bytes int64 // of all sets held or being fetched
}

// load is a set that is being fetched, or was. Before done is closed its other
// fields are not to be read.
type load struct {
	begun time.Time
	done  chan struct{}
	set   *serialset.Set
	err   error
	ended time.Time
	size  int64 // octets that it counts for, until it is given up

	dropped bool // given up while being fetched
	vain    atomic.Bool
}

// has reports whether a set answers for itself: it is in memory, or there is no
// room for it and it is searched where it lies.
func (s *setStore) has(d serialset.Digest) bool {
	l := s.ended(d)
	return l != nil && (l.set != nil || errors.Is(l.err, ErrTooLarge))
}

// ended returns the load of a set if it is over, well or not.
func (s *setStore) ended(d serialset.Digest) *load {
	s.mu.Lock()
	l := s.loads[d]
	s.mu.Unlock()
	if l == nil {
		return nil
	}
	select {
	case <-l.done:
		return l
	default:
		return nil
	}
}

// get returns the set that ref names, if it was fetched and verified.
func (s *setStore) get(ref *setRef) *serialset.Set {
	if set := ref.held.Load(); set != nil {
		return set
	}
	set := s.loaded(ref.digest)
	if set != nil {
		ref.held.Store(set)
	}
	return set
}

// loaded returns the set if it was fetched and verified.
func (s *setStore) loaded(d serialset.Digest) *serialset.Set {
	if l := s.ended(d); l != nil {
		return l.set
	}
	return nil
}

// load returns the fetching of a set, beginning it where there is none, or
// where the last one failed a while ago.
func (s *setStore) load(ref *setRef) *load {
	now := s.clock()
	l := &load{begun: now, done: make(chan struct{}), size: serialset.MaxMemory(ref.set.Size)}
	digest := ref.digest
	s.mu.Lock()
	defer s.mu.Unlock()
	if old := s.loads[digest]; old != nil && !old.over(now) {
		return old
	}
	if s.loads == nil {
		s.loads = map[serialset.Digest]*load{}
	}
	s.drop(digest)
	s.loads[digest] = l
	if l.size > s.budget-s.bytes {
		l.err = fmt.Errorf("%s: %w: %d bytes beside %d in memory, with a budget of %d; raise the function's memory", ref.set.Key, ErrTooLarge, l.size, s.bytes, s.budget)
		l.size, l.ended = 0, now
		close(l.done)
		go func() { _ = guard(func() error { s.arrived(); return nil }) }() // its predecessor makes room
		return l
	}
	s.bytes += l.size
	go s.fetch(l, ref)
	return l
}

// over reports whether a load has failed and may be tried again, or was
// abandoned by a freeze.
func (l *load) over(now time.Time) bool {
	select {
	case <-l.done:
		since := now.Sub(l.ended)
		retry := loadRetry
		if errors.Is(l.err, ErrTooLarge) {
			retry = roomRetry
		}
		return l.err != nil && (since > retry || since < 0)
	default:
		age := now.Sub(l.begun)
		return age > loadPatience || age < 0
	}
}

// noRoom reports whether a set could not be fetched for want of memory.
func (l *load) noRoom() bool {
	select {
	case <-l.done:
		return errors.Is(l.err, ErrTooLarge)
	default:
		return false
	}
}

// drop forgets a load. One that is under way goes on for those who wait for
// it, and counts until it ends. The caller holds the lock.
func (s *setStore) drop(d serialset.Digest) {
	l := s.loads[d]
	if l == nil {
		return
	}
	delete(s.loads, d)
	select {
	case <-l.done:
		s.bytes -= l.size
	default:
		l.dropped = true
	}
}

func (s *setStore) fetch(l *load, ref *setRef) {
	ctx, cancel := context.WithTimeout(context.Background(), loadTimeout)
	defer cancel()
	var set *serialset.Set
	err := guard(func() (err error) {
		set, err = s.read(ctx, ref)
		return err
	})
	s.mu.Lock()
	l.set, l.err, l.ended = set, err, s.clock()
	if err != nil || l.dropped {
		s.bytes -= l.size
		l.size = 0
	}
	close(l.done)
	s.mu.Unlock()
	if err := guard(func() error { s.report(ref, set, err); return nil }); err != nil {
		s.log.Error("set not reported", "object", ref.set.Key, "err", err)
	}
	if err == nil {
		s.arrived()
	}
}

// report tells what became of a load.
func (s *setStore) report(ref *setRef, set *serialset.Set, err error) {
	switch {
	case errors.Is(err, serialset.ErrCorrupt):
		s.metrics.HashFailed(ref.set.Key)
		s.log.Error("set fails its hash", "object", ref.set.Key, "crl", ref.crl, "err", err)
	case err != nil:
		s.log.Error("set not loaded", "object", ref.set.Key, "crl", ref.crl, "err", err)
	default:
		s.metrics.SetLoaded(ref.set.Size)
		s.log.Info("set loaded", "object", ref.set.Key, "crl", ref.crl, "entries", set.Len(), "bytes", ref.set.Size)
	}
}

func (s *setStore) read(ctx context.Context, ref *setRef) (*serialset.Set, error) {
	data, err := s.ranges.whole(ctx, ref)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", ref.set.Key, err)
	}
	set, err := serialset.Open(data, ref.digest)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", ref.set.Key, err)
	}
	if set.Len() != ref.entries {
		return nil, fmt.Errorf("%s: %w: it has %d entries and the catalog says %d", ref.set.Key, serialset.ErrCorrupt, set.Len(), ref.entries)
	}
	return set, nil
}

// forget drops sets.
func (s *setStore) forget(digests []serialset.Digest) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, d := range digests {
		s.drop(d)
	}
}

// keep forgets every set that a snapshot has no use for.
func (s *setStore) keep(snap *snapshot) {
	used := snap.digests(s.has)
	s.mu.Lock()
	defer s.mu.Unlock()
	for d := range s.loads {
		if !used[d] {
			s.drop(d)
		}
	}
	s.ranges.retain(used)
}
