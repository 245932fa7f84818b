package revocation

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/crlgate/crlgate/pkg/catalog"
	"github.com/crlgate/crlgate/pkg/objectstore"
	"github.com/crlgate/crlgate/pkg/serialset"
)

const (
	loadTimeout = 2 * time.Minute
	// loadRetry is how long after a failed load the next one may begin.
	loadRetry = time.Second
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
	size  int64
}

// loaded returns the set if it was fetched and verified.
func (s *setStore) loaded(d serialset.Digest) *serialset.Set {
	s.mu.Lock()
	l := s.loads[d]
	s.mu.Unlock()
	if l == nil {
		return nil
	}
	select {
	case <-l.done:
		return l.set
	default:
		return nil
	}
}

// load returns the fetching of a set, beginning it where there is none, or
// where the last one failed a while ago.
func (s *setStore) load(record *catalog.CRL) *load {
	now := s.clock()
	l := &load{begun: now, done: make(chan struct{}), size: record.Set.Size}
	digest, err := record.Set.Digest()
	if err != nil {
		l.err = err
		close(l.done)
		return l
	}
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
	if s.bytes+l.size > s.budget {
		l.err = fmt.Errorf("%s: %w: %d bytes beside %d in memory, with a budget of %d; raise the function's memory", record.Set.Key, ErrTooLarge, l.size, s.bytes, s.budget)
		l.size, l.ended = 0, now
		close(l.done)
		return l
	}
	s.bytes += l.size
	go s.fetch(l, record, digest)
	return l
}

// over reports whether a load has failed and may be tried again, or was
// abandoned by a freeze.
func (l *load) over(now time.Time) bool {
	select {
	case <-l.done:
		since := now.Sub(l.ended)
		return l.err != nil && (since > loadRetry || since < 0)
	default:
		age := now.Sub(l.begun)
		return age > loadPatience || age < 0
	}
}

// drop forgets a load. The caller holds the lock.
func (s *setStore) drop(d serialset.Digest) {
	if l := s.loads[d]; l != nil {
		s.bytes -= l.size
		delete(s.loads, d)
	}
}

func (s *setStore) fetch(l *load, record *catalog.CRL, digest serialset.Digest) {
	ctx, cancel := context.WithTimeout(context.Background(), loadTimeout)
	defer cancel()
	set, err := s.read(ctx, record, digest)
	s.mu.Lock()
	l.set, l.err, l.ended = set, err, s.clock()
	if err != nil && s.loads[digest] == l {
		s.bytes -= l.size
		l.size = 0
	}
	s.mu.Unlock()
	close(l.done)
	switch {
	case errors.Is(err, serialset.ErrCorrupt):
		s.metrics.HashFailed(record.Set.Key)
		s.log.Error("set fails its hash", "object", record.Set.Key, "crl", record.Name, "err", err)
	case err != nil:
		s.log.Error("set not loaded", "object", record.Set.Key, "crl", record.Name, "err", err)
	default:
		s.metrics.SetLoaded(record.Set.Size)
		s.log.Info("set loaded", "object", record.Set.Key, "crl", record.Name, "entries", set.Len(), "bytes", record.Set.Size)
	}
}

func (s *setStore) read(ctx context.Context, record *catalog.CRL, digest serialset.Digest) (set *serialset.Set, err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("%s: panic: %v", record.Set.Key, r)
		}
	}()
	data, _, err := s.store.ReadAll(ctx, record.Set.Key, record.Set.Size, objectstore.GetOptions{})
	var large *objectstore.TooLargeError
	if errors.As(err, &large) {
		return nil, fmt.Errorf("%s: %w: it has %d bytes and the catalog says %d", record.Set.Key, serialset.ErrCorrupt, large.Size, large.Limit)
	}
	if err != nil {
		return nil, err
	}
	if set, err = serialset.Open(data, digest); err != nil {
		return nil, fmt.Errorf("%s: %w", record.Set.Key, err)
	}
	if set.Len() != record.Entries {
		return nil, fmt.Errorf("%s: %w: it has %d entries and the catalog says %d", record.Set.Key, serialset.ErrCorrupt, set.Len(), record.Entries)
	}
	return set, nil
}

// keep forgets every set that a snapshot has no use for.
func (s *setStore) keep(snap *snapshot) {
	used := snap.digests()
	s.mu.Lock()
	defer s.mu.Unlock()
	for d := range s.loads {
		if !used[d] {
			s.drop(d)
		}
	}
}
