package revocation

import (
	lru "container/list"
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/crlgate/crlgate/pkg/objectstore"
	"github.com/crlgate/crlgate/pkg/serialset"
)

const (
	// smallSet is the size up to which a set is fetched whole at once: one
	// request brings it, as one block would take.
	smallSet = 128 << 10
	// paysAfter is the number of look-ups by range after which a set that fits
	// is fetched whole, in the background.
	paysAfter = 8
	// pieceSize is the most that one request fetches of a set: a request that a
	// freeze cuts off costs no more than that.
	pieceSize  = 8 << 20
	pieceTries = 4
	leastRate  = 256 << 10 // octets a second
	// rangeBudget bounds the pages and blocks that are kept, in octets.
	rangeBudget = 4 << 20
)

// ranges searches sets where they lie: of each the head is kept, and of pages
// and blocks those that were read last. Every one is verified.
type ranges struct {
	store   Store
	metrics Metrics

	mu     sync.Mutex
	open   map[serialset.Digest]*head
	recent *lru.List // of *piece, last used first
	pieces map[pieceKey]*lru.Element
	bytes  int64
}

// head is the head of a set, being fetched or there.
type head struct {
	begun time.Time
	done  chan struct{}
	index *serialset.Index
	err   error
	asked int // look-ups by range, so far
}

type pieceKey struct {
	set    serialset.Digest
	offset int64
}

// piece is a page or a block that was read.
type piece struct {
	key   pieceKey
	size  int64
	page  *serialset.Page
	block *serialset.Block
}

// lookup looks a serial number up in a set, by range. pays says that the set
// has been asked so often that it should be fetched whole.
func (r *ranges) lookup(ctx context.Context, ref *setRef, serial []byte, now time.Time) (e serialset.Entry, hit, pays bool, err error) {
	h := r.head(ref, now)
	select {
	case <-h.done:
	case <-ctx.Done():
		return e, false, false, fmt.Errorf("%s: still being fetched", ref.set.Key)
	}
	if h.err != nil {
		return e, false, false, h.err
	}
	r.mu.Lock()
	h.asked++
	pays = h.asked >= paysAfter
	r.mu.Unlock()
	where, ok := h.index.Find(serial)
	if ok && where.Page {
		p, err := r.piece(ctx, ref, where)
		if err != nil {
			return e, false, pays, err
		}
		where, ok = p.page.Find(serial)
	}
	if !ok {
		return e, false, pays, nil
	}
	p, err := r.piece(ctx, ref, where)
	if err != nil {
		return e, false, pays, err
	}
	e, hit = p.block.Lookup(serial)
	return e, hit, pays, nil
}

// head returns the head of a set, fetching it where it is not there, or where
// that failed or was cut off a while ago.
func (r *ranges) head(ref *setRef, now time.Time) *head {
	r.mu.Lock()
	defer r.mu.Unlock()
	if h := r.open[ref.digest]; h != nil && !h.over(now) {
		return h
	}
	if r.open == nil {
		r.open, r.recent, r.pieces = map[serialset.Digest]*head{}, lru.New(), map[pieceKey]*lru.Element{}
	}
	h := &head{begun: now, done: make(chan struct{})}
	r.open[ref.digest] = h
	go func() {
		defer close(h.done)
		h.err = guard(func() error {
			ctx, cancel := context.WithTimeout(context.Background(), flightTimeout)
			defer cancel()
			data, err := r.read(ctx, ref, 0, ref.set.Head)
			if err != nil {
				return err
			}
			if h.index, err = serialset.OpenIndex(data, ref.digest); err != nil {
				return r.failed(ref, err)
			}
			if h.index.Len() != ref.entries || h.index.Size() != ref.set.Size {
				return r.failed(ref, fmt.Errorf("%w: it has %d entries in %d bytes and the catalog says %d in %d", serialset.ErrCorrupt, h.index.Len(), h.index.Size(), ref.entries, ref.set.Size))
			}
			return nil
		})
	}()
	return h
}

// over reports whether a head could not be fetched and may be tried again.
func (h *head) over(now time.Time) bool {
	age := now.Sub(h.begun)
	select {
	case <-h.done:
		return h.err != nil && (age > loadRetry || age < 0)
	default:
		return age > flightPatience || age < 0
	}
}

// failed notes that something is not what the catalog, or the index, vouches for.
func (r *ranges) failed(ref *setRef, err error) error {
	if errors.Is(err, serialset.ErrCorrupt) {
		r.metrics.HashFailed(ref.set.Key)
	}
	return fmt.Errorf("%s: %w", ref.set.Key, err)
}

// read reads a part of a set.
func (r *ranges) read(ctx context.Context, ref *setRef, offset, length int64) ([]byte, error) {
	data, _, err := r.store.ReadAll(ctx, ref.set.Key, length, objectstore.GetOptions{Range: objectstore.Range{Offset: offset, Length: length}})
	if err == nil && int64(len(data)) != length {
		err = r.failed(ref, fmt.Errorf("%w: it ends before byte %d", serialset.ErrCorrupt, offset+length))
	}
	if err == nil {
		r.metrics.RangeRead(length)
	}
	return data, err
}

// piece returns a page or a block, reading it unless it is at hand.
func (r *ranges) piece(ctx context.Context, ref *setRef, where serialset.Ref) (*piece, error) {
	key := pieceKey{ref.digest, where.Offset}
	r.mu.Lock()
	if e := r.pieces[key]; e != nil {
		r.recent.MoveToFront(e)
		r.mu.Unlock()
		return e.Value.(*piece), nil
	}
	r.mu.Unlock()
	data, err := r.read(ctx, ref, where.Offset, where.Length)
	if err != nil {
		return nil, err
	}
	p := &piece{key: key, size: where.Length}
	if where.Page {
		p.page, err = where.OpenPage(data)
	} else {
		p.block, err = where.OpenBlock(data)
	}
	if err != nil {
		return nil, r.failed(ref, err)
	}
	r.keep(p)
	return p, nil
}

// keep puts a piece among those at hand, and the ones used longest ago out.
func (r *ranges) keep(p *piece) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.pieces[p.key] != nil {
		return // another request was as quick
	}
	r.pieces[p.key] = r.recent.PushFront(p)
	r.bytes += p.size
	for r.bytes > rangeBudget && r.recent.Len() > 1 {
		last := r.recent.Remove(r.recent.Back()).(*piece)
		delete(r.pieces, last.key)
		r.bytes -= last.size
	}
}

// retain forgets the heads of sets that are no longer used; their pieces go as
// others come.
func (r *ranges) retain(used map[serialset.Digest]bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for d := range r.open {
		if !used[d] {
			delete(r.open, d)
		}
	}
}

// pieceTimeout bounds the reading of so many octets, however steadily they come:
// at less than leastRate another try is better.
func pieceTimeout(length int64) time.Duration {
	return flightTimeout + time.Duration(length)*time.Second/leastRate
}

// whole reads a whole set, piece by piece: a piece that a freeze, or S3, cuts
// off is read again, and those before it are kept.
func (r *ranges) whole(ctx context.Context, ref *setRef) ([]byte, error) {
	data := serialset.Allocate(int(ref.set.Size))
	for int64(len(data)) < ref.set.Size {
		length := min(pieceSize, ref.set.Size-int64(len(data)))
		var next []byte
		var err error
		for try := range pieceTries {
			attempt, cancel := context.WithTimeout(ctx, pieceTimeout(length))
			next, _, err = r.store.ReadAll(attempt, ref.set.Key, length, objectstore.GetOptions{Range: objectstore.Range{Offset: int64(len(data)), Length: length}})
			cancel()
			if !objectstore.IsTransient(err) || try == pieceTries-1 || ctx.Err() != nil {
				break
			}
			time.Sleep(50 * time.Millisecond << try)
		}
		if err != nil {
			return nil, err
		}
		if int64(len(next)) != length {
			return nil, fmt.Errorf("%w: it ends at byte %d and the catalog says %d", serialset.ErrCorrupt, len(data)+len(next), ref.set.Size)
		}
		data = append(data, next...)
	}
	return data, nil
}
