package revocation_test

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/crlgate/crlgate/internal/pki"
	"github.com/crlgate/crlgate/pkg/catalog"
	"github.com/crlgate/crlgate/pkg/objectstore"
	"github.com/crlgate/crlgate/pkg/revocation"
)

// timed asks and tells how long that took, of the bubble's time.
func (l *live) timed(c *revocation.Cache) (revocation.Answer, time.Duration) {
	begin := time.Now()
	a := c.Ask(l.t.Context(), l.good, l.clock())
	return a, time.Since(begin)
}

func TestColdStartShared(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLive(t)
		l.cache.Delay(objectstore.OpGet, 100*time.Millisecond)
		l.cache.ResetCalls()
		c := l.reader(nil)
		c.Warm()
		var wg sync.WaitGroup
		for range 200 {
			wg.Go(func() { l.expect(c, "good", "revoked") })
		}
		wg.Wait()
		if n := l.cache.Count(objectstore.OpGet, catalog.Key); n != 1 {
			t.Errorf("%d GETs of the catalog", n)
		}
		if n := l.cache.Count(objectstore.OpGet, l.setKey()); n != 1 {
			t.Errorf("%d GETs of the set", n)
		}
	})
}

// Under steady traffic no request waits for S3: not while it is slow, not while
// a CRL is replaced, not when it hangs, not when it fails, not when it is back.
func TestTrafficNeverWaits(t *testing.T) {
	for _, after := range []time.Duration{2 * time.Second, 10 * time.Second, time.Minute} {
		synctest.Test(t, func(t *testing.T) {
			l := newLive(t)
			l.cache.Delay(objectstore.OpGet, 400*time.Millisecond)
			c := l.reader(func(c *revocation.Config) { c.RevalidateAfter = after })
			l.expect(c, "good", "revoked")
			traffic := func(what string, length time.Duration, want func(revocation.Answer) bool) {
				for end := time.Now().Add(length); time.Now().Before(end); time.Sleep(97 * time.Millisecond) {
					if a, took := l.timed(c); took > 0 || !want(a) {
						t.Fatalf("%v, %s, at %v: waited %v: %s %+v", after, what, time.Since(l.begin), took, state(a), a.CRL)
					}
				}
			}
			good := func(a revocation.Answer) bool { return state(a) == "good" }
			traffic("slow", 3*time.Minute, good)
			l.cache.Delay(objectstore.OpGet, 0) // the write path's calls would stop the traffic
			l.publish("live", l.ca, 2, pki.CRLOptions{NextUpdate: l.now().Add(24 * time.Hour), Entries: listed(pki.KeyCompromise, 666, 1)})
			l.cache.Delay(objectstore.OpGet, 400*time.Millisecond)
			gone := ""
			traffic("replaced", 2*after+10*time.Second, func(a revocation.Answer) bool {
				back := gone == "revoked" && state(a) != "revoked"
				gone = state(a)
				return !back && (gone == "good" || gone == "revoked")
			})
			if gone != "revoked" {
				t.Fatalf("%v: %s after the replacement", after, gone)
			}
			revoked := func(a revocation.Answer) bool { return state(a) == "revoked" }
			l.cache.Delay(objectstore.OpGet, time.Hour)
			traffic("hanging", 5*time.Minute, revoked)
			l.cache.Delay(objectstore.OpGet, 0)
			l.down()
			traffic("failing", 5*time.Minute, revoked)
			l.up()
			l.cache.Delay(objectstore.OpGet, 400*time.Millisecond)
			traffic("back", 2*time.Minute, func(a revocation.Answer) bool { return revoked(a) })
			if a, _ := l.timed(c); a.Age > after {
				t.Errorf("%v: age %v after S3 is back", after, a.Age)
			}
		})
	}
}

// After a pause a request waits for the refresh that it needs, and not for
// long: where S3 hangs, it is answered from what is warm.
func TestAfterAPause(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l, c := newWarm(t)
		time.Sleep(10 * time.Minute)
		l.cache.Delay(objectstore.OpGet, 300*time.Millisecond)
		if a, took := l.timed(c); took != 300*time.Millisecond || state(a) != "good" || a.Age > time.Second {
			t.Errorf("slow: %s after %v, age %v", state(a), took, a.Age)
		}
		time.Sleep(10 * time.Minute)
		l.cache.Delay(objectstore.OpGet, time.Hour)
		if a, took := l.timed(c); took != revocation.DefaultWarmWait || state(a) != "good" || a.Age < 10*time.Minute {
			t.Errorf("hanging: %s after %v, age %v", state(a), took, a.Age)
		}
		// The next one knows, and does not wait at all.
		if a, took := l.timed(c); took != 0 || state(a) != "good" {
			t.Errorf("hanging, the next: %s after %v", state(a), took)
		}
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		time.Sleep(30 * time.Second)
		if a := c.Ask(ctx, l.good, l.clock()); state(a) != "good" {
			t.Errorf("a request that was given up: %s", state(a))
		}
		time.Sleep(time.Minute) // for what is under way to end
	})
}

// REVALIDATE_AFTER=0: a request is answered by a catalog that was asked for
// after it arrived; those that arrive together share.
func TestRevalidateAlways(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLive(t)
		c := l.reader(func(c *revocation.Config) { c.RevalidateAfter = 0 })
		l.expect(c, "good", "revoked")
		l.cache.Delay(objectstore.OpGet, 100*time.Millisecond)
		l.cache.ResetCalls()
		// S3's answer to the first is decided; then the certificate is revoked.
		release := make(chan struct{})
		l.cache.After(func(op objectstore.Op, key string) error {
			if op == objectstore.OpGet && key == catalog.Key {
				<-release
			}
			return nil
		})
		var wg sync.WaitGroup
		wg.Go(func() { // begins a refresh at 0 ms, which reads the catalog at 100
			if a, took := l.timed(c); took < 100*time.Millisecond || state(a) != "good" {
				t.Errorf("the first: %s after %v", state(a), took)
			}
		})
		time.Sleep(120 * time.Millisecond)
		for range 50 { // arrive while the first is under way: it does not do for them
			wg.Go(func() {
				if a, took := l.timed(c); state(a) != "revoked" || took > 500*time.Millisecond {
					t.Errorf("a request that arrived after the revocation: %s after %v", state(a), took)
				}
			})
		}
		synctest.Wait()
		l.cache.After(nil)
		l.cache.Delay(objectstore.OpGet, 0)
		l.publishQuietly(t, 2, 666, 1)
		l.cache.Delay(objectstore.OpGet, 100*time.Millisecond)
		close(release)
		wg.Wait()
		if n := l.cache.Count(objectstore.OpGet, catalog.Key); n > 2+l.writes {
			t.Errorf("%d GETs of the catalog for 51 requests", n-l.writes)
		}
		for range 5 {
			before := l.cache.Count(objectstore.OpGet, catalog.Key)
			if a, took := l.timed(c); took == 0 || state(a) != "revoked" {
				t.Errorf("%s after %v", state(a), took)
			}
			if n := l.cache.Count(objectstore.OpGet, catalog.Key) - before; n != 1 {
				t.Errorf("%d GETs for one request", n)
			}
		}
		// When S3 hangs, each waits a bounded time and is answered from what is warm.
		l.cache.Delay(objectstore.OpGet, time.Hour)
		for range 5 {
			if a, took := l.timed(c); took != revocation.DefaultWarmWait || state(a) != "revoked" {
				t.Errorf("hanging: %s after %v", state(a), took)
			}
		}
		time.Sleep(time.Minute)
	})
}

// publishQuietly publishes a CRL and notes how often the write path read the
// catalog meanwhile.
func (l *live) publishQuietly(t *testing.T, number int64, serials ...int64) {
	t.Helper()
	before := l.cache.Count(objectstore.OpGet, catalog.Key)
	l.list(number, listed(pki.KeyCompromise, serials...)...)
	l.writes += l.cache.Count(objectstore.OpGet, catalog.Key) - before
}

// The wall clock goes back: what is warm is not taken for fresh, and it is not
// stale any longer than until the next refresh.
func TestClockGoesBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l, c := newWarm(t)
		time.Sleep(time.Minute)
		l.down()
		l.later(-30 * time.Minute) // still after thisUpdate
		if a, _ := l.timed(c); state(a) != "cache_stale" {
			t.Errorf("%s, age %v", state(a), a.Age)
		}
		l.up()
		time.Sleep(20 * time.Second)
		l.expect(c, "good", "revoked")
		if a, _ := l.timed(c); a.Age < 0 || a.Age > 10*time.Second {
			t.Errorf("age %v after a refresh", a.Age)
		}
		// It ran ahead for a while, and the catalog was revalidated then.
		l.later(6 * time.Hour)
		l.expect(c, "good", "revoked")
		l.later(-6 * time.Hour)
		l.timed(c)
		time.Sleep(20 * time.Second)
		l.expect(c, "good", "revoked")
	})
}

// A refresh that a freeze cut off blocks no later one, and what it brings when
// it is thawed does not come into force over what is newer.
func TestFreeze(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l, c := newWarm(t)
		l.list(2, listed(pki.KeyCompromise, 666, 5)...)
		frozen := make(chan struct{})
		var first atomic.Bool
		l.cache.After(func(op objectstore.Op, key string) error {
			if op == objectstore.OpGet && key == catalog.Key && first.CompareAndSwap(false, true) {
				<-frozen // it has read number 2, and hangs
			}
			return nil
		})
		time.Sleep(6 * time.Second)
		if a, took := l.timed(c); took != 0 || a.CRL.Number != "1" { // begins the refresh that will hang
			t.Errorf("waited %v: %+v", took, a.CRL)
		}
		synctest.Wait()
		l.later(20 * time.Minute) // frozen: the wall clock goes on, the monotonic one stands still
		l.list(3, listed(pki.KeyCompromise, 666, 1)...)
		if a, took := l.timed(c); state(a) != "revoked" || a.CRL.Number != "3" || took > revocation.DefaultWarmWait {
			t.Errorf("thawed: %s by %+v after %v", state(a), a.CRL, took)
		}
		close(frozen)
		synctest.Wait()
		if a, _ := l.timed(c); state(a) != "revoked" || a.CRL.Number != "3" || a.Age > time.Minute {
			t.Errorf("the frozen refresh has ended: %s by %+v, age %v", state(a), a.CRL, a.Age)
		}
	})
}

// The same with requests that wait for a refresh of their own.
func TestFreezeRevalidatingAlways(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLive(t)
		c := l.reader(func(c *revocation.Config) { c.RevalidateAfter = 0 })
		l.expect(c, "good", "revoked")
		frozen := make(chan struct{})
		var first atomic.Bool
		l.cache.Before(func(objectstore.Op, string) error {
			if first.CompareAndSwap(false, true) {
				<-frozen
			}
			return nil
		})
		var wg sync.WaitGroup
		for range 3 {
			wg.Go(func() { l.timed(c) }) // the first hangs, the others wait for the next
			synctest.Wait()
		}
		l.later(20 * time.Minute)
		for range 5 {
			if a, took := l.timed(c); took != 0 || state(a) != "good" || a.Age > time.Second {
				t.Errorf("thawed: %s after %v, age %v", state(a), took, a.Age)
			}
		}
		close(frozen)
		wg.Wait()
	})
}

// One CRL after another: what was replaced makes room, so that a budget for two
// sets does for ever, and no look-up needs S3.
func TestReplacedSetsMakeRoom(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLive(t)
		serials := make([]int64, 2000)
		publish := func(number int64) {
			for i := range serials {
				serials[i] = 1000*number + int64(i) + 10_000
			}
			l.list(number, listed(pki.NoReason, serials...)...)
		}
		publish(2)
		object, _, _ := l.cache.Load(l.setKey())
		c := l.reader(func(c *revocation.Config) { c.MemoryBudget = int64(len(object)) * 5 / 2 })
		if a, _ := l.timed(c); state(a) != "good" {
			t.Fatal(state(a), a.Unavailable)
		}
		for number := int64(3); number < 23; number++ {
			publish(number)
			for range 3 {
				time.Sleep(7 * time.Second)
				if a, _ := l.timed(c); state(a) != "good" {
					t.Fatalf("CRL number %d: %s %v", number, state(a), a.Unavailable)
				}
			}
			if a, _ := l.timed(c); a.CRL.Number != fmt.Sprint(number) {
				t.Fatalf("CRL number %d: answered by number %s", number, a.CRL.Number)
			}
		}
		// One more may come: a request that holds the snapshot before, when that
		// is replaced under it, fetches its set again.
		if l.ranges != 0 || l.loaded < 21 || l.loaded > 23 {
			t.Errorf("%d sets loaded, %d read by range", l.loaded, l.ranges)
		}
	})
}

// A set that arrives late, after its catalog came into force, makes room too.
func TestLateSetsMakeRoom(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLive(t)
		serials := make([]int64, 2000)
		for i := range serials {
			serials[i] = int64(i) + 10_000
		}
		l.list(2, listed(pki.NoReason, serials...)...)
		object, _, _ := l.cache.Load(l.setKey())
		c := l.reader(func(c *revocation.Config) { c.MemoryBudget = int64(len(object)) * 5 / 2 })
		if a, _ := l.timed(c); state(a) != "good" {
			t.Fatal(state(a), a.Unavailable)
		}
		for number := int64(3); number < 10; number++ {
			for i := range serials {
				serials[i] += 5000
			}
			l.list(number, listed(pki.NoReason, serials...)...)
			l.cache.Before(func(op objectstore.Op, key string) error {
				if strings.HasPrefix(key, catalog.SetPrefix) {
					time.Sleep(5 * time.Second) // longer than a refresh waits for it
				}
				return nil
			})
			for range 6 {
				time.Sleep(5 * time.Second)
				if a, took := l.timed(c); state(a) != "good" || took != 0 {
					t.Fatalf("CRL number %d: %s %v after %v", number, state(a), a.Unavailable, took)
				}
			}
			if a, _ := l.timed(c); a.CRL.Number != fmt.Sprint(number) || a.Age > time.Minute {
				t.Fatalf("CRL number %d: answered by number %s", number, a.CRL.Number)
			}
			l.cache.Before(nil)
		}
		if l.ranges != 0 {
			t.Errorf("%d look-ups by range", l.ranges)
		}
	})
}
