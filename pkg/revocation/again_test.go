package revocation_test

import (
	"context"
	"log/slog"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/crlgate/crlgate/pkg/catalog"
	"github.com/crlgate/crlgate/pkg/objectstore"
	"github.com/crlgate/crlgate/pkg/objectstore/objectstoretest"
	"github.com/crlgate/crlgate/pkg/revocation"
)

// needed is a world with one object that a cold reader needs beside the catalog.
type needed struct {
	prefix string // of its key
	cache  *objectstoretest.Bucket
	later  func(time.Duration)
	reader func() *revocation.Cache
	ask    func(context.Context, *revocation.Cache) revocation.Answer
}

// aSet is fetched whole, or searched where it lies.
func aSet(t *testing.T, budget int64) *needed {
	l := newLive(t)
	return &needed{
		prefix: catalog.SetPrefix, cache: l.cache, later: l.later,
		reader: func() *revocation.Cache {
			return l.reader(func(c *revocation.Config) { c.MemoryBudget = budget })
		},
		ask: func(ctx context.Context, c *revocation.Cache) revocation.Answer {
			return c.Ask(ctx, l.good, l.clock())
		},
	}
}

func aPart(t *testing.T) *needed {
	p := newPartitions(t, 34)
	cert := p.client(7, 1)
	return &needed{
		prefix: "catalog/", cache: p.cache, later: p.pass,
		reader: func() *revocation.Cache {
			c := revocation.Config{RevalidateAfter: time.Second, MaxUnvalidated: time.Minute, MemoryBudget: 1 << 20}
			return revocation.New(p.cache, c, p.now, slog.New(slog.DiscardHandler), nil)
		},
		ask: func(ctx context.Context, c *revocation.Cache) revocation.Answer { return c.Ask(ctx, cert, p.now()) },
	}
}

// meets has every GET of the object meet this, and returns their number.
func (n *needed) meets(what func() error) *atomic.Int32 {
	var count atomic.Int32
	n.cache.Before(func(op objectstore.Op, key string) error {
		if op != objectstore.OpGet || !strings.HasPrefix(key, n.prefix) {
			return nil
		}
		count.Add(1)
		return what()
	})
	return &count
}

// twice asks a new reader, and again later, and returns how many GETs of the object
// that took. Each answer must be for want of it.
func (n *needed) twice(t *testing.T, what string, ctx context.Context, later time.Duration, meets func() error) int32 {
	t.Helper()
	r := n.reader()
	r.Warm()
	synctest.Wait()
	count := n.meets(meets)
	for _, wait := range []time.Duration{0, later} {
		n.later(wait)
		if a := n.ask(ctx, r); a.Unavailable == nil || a.Status != revocation.Unknown {
			t.Errorf("%s: %s", what, state(a))
		}
		synctest.Wait()
	}
	return count.Load()
}

// An object that could not be fetched is asked for again after a second, one that
// hangs, or that a freeze cut off, when it has had its time; and each when the clock
// goes back. Till then those who need it share what became of the GET.
func TestAskedForAgain(t *testing.T) {
	failed := map[time.Duration]int32{-1: 2, 0: 1, time.Second: 1, time.Second + 1: 2}
	for name, c := range map[string]struct {
		world func(*testing.T) *needed
		hangs map[time.Duration]int32
	}{
		"a set":            {func(t *testing.T) *needed { return aSet(t, 64<<20) }, map[time.Duration]int32{-1: 2, 0: 1, 5 * time.Minute: 1, 5*time.Minute + 1: 2}},
		"a set's head":     {func(t *testing.T) *needed { return aSet(t, 1) }, map[time.Duration]int32{-1: 2, 0: 1, 3 * time.Second: 1, 3*time.Second + 1: 2}},
		"a catalog's part": {aPart, map[time.Duration]int32{-1: 2, 0: 1, 6*time.Second - 1: 1, 6 * time.Second: 2}},
	} {
		synctest.Test(t, func(t *testing.T) {
			w := c.world(t)
			release := make(chan struct{})
			gone, cancel := context.WithCancel(t.Context())
			cancel()
			for what, kind := range map[string]struct {
				meets func() error
				ctx   context.Context
				again map[time.Duration]int32
			}{
				"fails": {func() error { return objectstoretest.Answer(403, "AccessDenied") }, t.Context(), failed},
				"hangs": {func() error { <-release; return nil }, gone, c.hangs},
			} {
				for later, want := range kind.again {
					for range 5 { // of what is ready a select takes one at random
						if n := w.twice(t, name+" "+what, kind.ctx, later, kind.meets); n != want {
							t.Errorf("%s %s, needed %v later: %d GETs, want %d", name, what, later, n, want)
						}
					}
				}
			}
			close(release)
			w.cache.Before(nil)
			time.Sleep(time.Minute)
		})
	}
}

// A request waits six seconds for an object that hangs, or until the GET is given
// up before that. It is told which one.
func TestWaitForAnObjectThatHangs(t *testing.T) {
	for name, c := range map[string]struct {
		world func(*testing.T) *needed
		want  time.Duration
		words string
	}{
		"a set":            {func(t *testing.T) *needed { return aSet(t, 64<<20) }, revocation.DefaultColdWait, "sets/"},
		"a set's head":     {func(t *testing.T) *needed { return aSet(t, 1) }, 5 * time.Second, "sets/"},
		"a catalog's part": {aPart, 5 * time.Second, "catalog/"},
	} {
		synctest.Test(t, func(t *testing.T) {
			w := c.world(t)
			r := w.reader()
			r.Warm()
			synctest.Wait()
			w.cache.Delay(objectstore.OpGet, time.Hour)
			begun := time.Now()
			a := w.ask(t.Context(), r)
			if took := time.Since(begun); took != c.want || a.Unavailable == nil || !strings.Contains(a.Unavailable.Error(), c.words) {
				t.Errorf("%s: %s after %v: %v", name, state(a), took, a.Unavailable)
			}
			// Where it hangs whatever the time, the request ends all the same.
			w.cache.Delay(objectstore.OpGet, 0)
			w.later(10 * time.Second)
			w.meets(func() error { time.Sleep(time.Hour); return nil })
			begun = time.Now()
			a = w.ask(t.Context(), r)
			if took := time.Since(begun); took != revocation.DefaultColdWait || a.Unavailable == nil || !strings.Contains(a.Unavailable.Error(), "still being fetched") {
				t.Errorf("%s: %s after %v: %v", name, state(a), took, a.Unavailable)
			}
			time.Sleep(24 * time.Hour)
		})
	}
}
