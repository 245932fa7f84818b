package revocation

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/crlgate/crlgate/pkg/catalog"
	"github.com/crlgate/crlgate/pkg/objectstore"
	"github.com/crlgate/crlgate/pkg/objectstore/objectstoretest"
	"github.com/crlgate/crlgate/pkg/serialset"
)

// pieceStore holds one object. meets is what the n-th GET meets, from 0; nil: the
// object's octets.
type pieceStore struct {
	body  []byte
	meets func(ctx context.Context, n int) ([]byte, error)
	asked []objectstore.Range
	ctxs  []context.Context
	any   bool // GETs need not be of a range
}

func (s *pieceStore) ReadAll(ctx context.Context, _ string, maxBytes int64, opts objectstore.GetOptions) ([]byte, objectstore.Object, error) {
	s.asked, s.ctxs = append(s.asked, opts.Range), append(s.ctxs, ctx)
	if maxBytes != opts.Range.Length && !s.any {
		return nil, objectstore.Object{}, errors.New("the bound is not that of the range")
	}
	if s.meets != nil {
		if data, err := s.meets(ctx, len(s.asked)-1); data != nil || err != nil {
			return data, objectstore.Object{}, err
		}
	}
	return s.body[opts.Range.Offset:][:opts.Range.Length], objectstore.Object{}, nil
}

func (s *pieceStore) ref() *setRef {
	return &setRef{crl: "crl", set: &catalog.Set{Key: "sets/crl/set", Size: int64(len(s.body))}}
}

var pieces = func() []byte {
	b := make([]byte, 2*pieceSize+5)
	b[0], b[pieceSize-1], b[pieceSize], b[2*pieceSize-1], b[2*pieceSize+4] = 1, 2, 3, 4, 5
	return b
}()

// A set is fetched in as few pieces as there must be.
func TestWholeInPieces(t *testing.T) {
	s := &pieceStore{body: pieces}
	r := &ranges{store: s}
	data, err := r.whole(t.Context(), s.ref())
	if err != nil || !bytes.Equal(data, pieces) {
		t.Errorf("%d octets, %v", len(data), err)
	}
	if want := []objectstore.Range{{Length: pieceSize}, {Offset: pieceSize, Length: pieceSize}, {Offset: 2 * pieceSize, Length: 5}}; !slices.Equal(s.asked, want) {
		t.Errorf("read %v, want %v", s.asked, want)
	}
}

// A piece that cannot be read is read again, three times at most and after a pause,
// and those before it are not. What another try does not mend is not tried again.
func TestPiecesAreReadAgain(t *testing.T) {
	const (
		one    = pieceTimeoutOfOne
		pauses = 50*time.Millisecond + 100*time.Millisecond + 200*time.Millisecond
	)
	slowDown := objectstoretest.Answer(503, "SlowDown")
	hang := func(ctx context.Context, _ int) ([]byte, error) {
		<-ctx.Done()
		return nil, ctx.Err()
	}
	for name, c := range map[string]struct {
		size  int
		meets func(context.Context, int) ([]byte, error)
		end   time.Duration // of the context; 0: none
		reads int
		took  time.Duration
		err   error
	}{
		"fails three times": {2 * pieceSize, func(_ context.Context, n int) ([]byte, error) {
			if n > 0 && n < 4 {
				return nil, slowDown
			}
			return nil, nil
		}, 0, 5, pauses, nil},
		"fails":             {1, func(context.Context, int) ([]byte, error) { return nil, slowDown }, 0, 4, pauses, objectstore.ErrUnavailable},
		"is denied":         {1, func(context.Context, int) ([]byte, error) { return nil, objectstore.ErrForbidden }, 0, 1, 0, objectstore.ErrForbidden},
		"hangs":             {pieceSize, hang, 0, 4, 4*one + pauses, context.DeadlineExceeded},
		"hangs too long":    {pieceSize, hang, 10 * time.Second, 1, 10 * time.Second, context.DeadlineExceeded},
		"is cut":            {2 * pieceSize, func(_ context.Context, n int) ([]byte, error) { return pieces[:pieceSize-n], nil }, 0, 2, 0, serialset.ErrCorrupt},
		"is cut to nothing": {1, func(context.Context, int) ([]byte, error) { return []byte{}, nil }, 0, 1, 0, serialset.ErrCorrupt},
	} {
		synctest.Test(t, func(t *testing.T) {
			s := &pieceStore{body: pieces[:c.size], meets: c.meets}
			r := &ranges{store: s}
			ctx, cancel := t.Context(), context.CancelFunc(func() {})
			if c.end > 0 {
				ctx, cancel = context.WithTimeout(ctx, c.end)
			}
			defer cancel()
			begun := time.Now()
			data, err := r.whole(ctx, s.ref())
			if took := time.Since(begun); len(s.asked) != c.reads || took != c.took || !errors.Is(err, c.err) {
				t.Errorf("%s: %d reads in %v, %v; want %d in %v, %v", name, len(s.asked), took, err, c.reads, c.took, c.err)
			}
			if c.err == nil && !bytes.Equal(data, s.body) {
				t.Errorf("%s: %d octets that are not the set's", name, len(data))
			}
			for _, read := range s.ctxs {
				if read.Err() == nil {
					t.Errorf("%s: the context of a read goes on behind it", name)
				}
			}
		})
	}
}

// pieceTimeoutOfOne is what a piece of full size has: five seconds, and the time that
// it takes at 256 KiB a second.
const pieceTimeoutOfOne = 5*time.Second + pieceSize/(256<<10)*time.Second

// However often a set's pieces are read again, the whole of it has two minutes.
func TestLoadIsGivenUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &pieceStore{body: pieces, meets: func(ctx context.Context, _ int) ([]byte, error) {
			<-ctx.Done()
			return nil, ctx.Err()
		}}
		c := New(s, Config{MemoryBudget: 1 << 30}, time.Now, slog.New(slog.DiscardHandler), nil)
		begun := time.Now()
		l := c.sets.load(s.ref())
		<-l.done
		if took := time.Since(begun); took != 2*time.Minute || l.err == nil {
			t.Errorf("given up after %v: %v", took, l.err)
		}
	})
}
