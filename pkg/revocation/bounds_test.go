package revocation

import (
	"context"
	"encoding/binary"
	"testing"
	"testing/synctest"
	"time"

	"github.com/crlgate/crlgate/pkg/catalog"
	"github.com/crlgate/crlgate/pkg/serialset"
)

// What is remembered of certificates is bounded, and what is in use stays.
func TestOriginsAreBounded(t *testing.T) {
	var m origins
	key := func(i int) (k [32]byte) {
		binary.BigEndian.PutUint64(k[:], uint64(i))
		return k
	}
	m.put(key(0), &origin{})
	for i := range 10 * maxOrigins {
		m.put(key(i+1), &origin{})
		if i%100 == 0 && m.find(key(0)) == nil {
			t.Fatalf("forgotten after %d others, though in use", i)
		}
		if n := len(m.young) + len(m.old); n > 2*maxOrigins {
			t.Fatalf("%d are remembered", n)
		}
	}
	if m.find(key(1)) != nil {
		t.Error("one that nobody asked for is still there")
	}
}

// A list keeps of its predecessors only those that may have to answer.
func TestPredecessorsAreBounded(t *testing.T) {
	named := func(i int) *list {
		ref := &setRef{digest: serialset.Digest{byte(i >> 8), byte(i)}}
		return &list{form: form{record: &catalog.CRL{Content: string(rune(i))}, own: ref}}
	}
	for name, c := range map[string]struct {
		loaded func(i int) loadedFunc
		most   int
	}{
		"all sets came":   {func(int) loadedFunc { return func(serialset.Digest) bool { return true } }, 1},
		"no set came":     {func(int) loadedFunc { return func(serialset.Digest) bool { return false } }, maxPriors},
		"one of them did": {func(int) loadedFunc { return func(d serialset.Digest) bool { return d == serialset.Digest{0, 200} } }, maxPriors},
	} {
		l := named(0)
		for i := 1; i < 300; i++ {
			next := named(i)
			next.follow(l, time.Unix(int64(i), 0), c.loaded(i))
			l = next
			if len(l.priors) > c.most || len(l.priors) == 0 || l.priors[0].at != time.Unix(int64(i), 0) {
				t.Fatalf("%s: %d predecessors after %d", name, len(l.priors), i)
			}
		}
	}
}

// A tenth of the time that is left is kept for the answer itself.
func TestTimeForTheAnswer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := New(nil, Config{}, time.Now, nil, nil)
		within, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		ctx, stop := c.answerable(within)
		defer stop()
		if end, ok := ctx.Deadline(); !ok || time.Until(end) != 9*time.Second {
			t.Errorf("%v are left of 10s", time.Until(end))
		}
		ctx, stop = c.answerable(t.Context())
		defer stop()
		if end, ok := ctx.Deadline(); ok {
			t.Errorf("a call without a deadline has to end at %v", end)
		}
	})
}
