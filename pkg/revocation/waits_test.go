package revocation_test

import (
	"context"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/crlgate/crlgate/pkg/catalog"
	"github.com/crlgate/crlgate/pkg/objectstore"
	"github.com/crlgate/crlgate/pkg/objectstore/objectstoretest"
	"github.com/crlgate/crlgate/pkg/revocation"
)

const (
	refreshTimeout = 5 * time.Second
	refreshJoined  = 3 * time.Second // how old a refresh may be to be waited for
)

// watched is a live whose reader has a catalog and a set, and counts the GETs of
// the catalog that it begins.
type watched struct {
	*live
	c     *revocation.Cache
	begun atomic.Int32
	meets atomic.Pointer[func() error]

	origin time.Time // when the reader had it all
}

func newWatched(t *testing.T, change func(*revocation.Config)) *watched {
	w := &watched{live: newLive(t)}
	w.c = w.reader(change)
	w.expect(w.c, "good", "revoked")
	w.origin = w.clock()
	w.cache.Before(func(op objectstore.Op, key string) error {
		if op != objectstore.OpGet || key != catalog.Key {
			return nil
		}
		w.begun.Add(1)
		if meets := w.meets.Load(); meets != nil {
			return (*meets)()
		}
		return nil
	})
	return w
}

// meet has every GET of the catalog meet this before it has any effect.
func (w *watched) meet(what func() error) { w.meets.Store(&what) }

// undo ends it.
func (w *watched) undo() { w.meets.Store(nil) }

// slow makes every answer of S3 take so long.
func (w *watched) slow(d time.Duration) { w.cache.Delay(objectstore.OpGet, d) }

// leave asks for a request that nobody waits for any longer.
func (w *watched) leave() {
	ctx, cancel := context.WithCancel(w.t.Context())
	cancel()
	w.c.Ask(ctx, w.good, w.clock())
	synctest.Wait()
}

// wait holds what a request waits for to the moment.
func (w *watched) wait(what string, want time.Duration) {
	w.t.Helper()
	if _, took := w.timed(w.c); took != want {
		w.t.Errorf("%s: a request waited %v, want %v", what, took, want)
	}
}

// end lets what is under way end.
func (w *watched) end() { time.Sleep(time.Minute) }

// What an S3 that hangs costs a request, by the age of what is warm: nothing before
// REVALIDATE_AFTER, with a refresh in the background from half of it on; a second
// while what is warm may answer; and what a refresh has where it may not.
func TestWaitByAge(t *testing.T) {
	const after, most = revocation.DefaultRevalidateAfter, revocation.DefaultMaxUnvalidated
	for age, want := range map[time.Duration]struct {
		begun int32
		wait  time.Duration
	}{
		-1:          {1, refreshTimeout}, // the clock ran ahead when it was validated
		0:           {0, 0},
		after/2 - 1: {0, 0},
		after / 2:   {1, 0},
		after - 1:   {1, 0},
		after:       {1, revocation.DefaultWarmWait},
		most:        {1, revocation.DefaultWarmWait},
		most + 1:    {1, refreshTimeout},
	} {
		synctest.Test(t, func(t *testing.T) {
			w := newWatched(t, nil)
			w.slow(time.Hour)
			w.later(age)
			w.wait("at an age of "+age.String(), want.wait)
			synctest.Wait()
			if n := w.begun.Load(); n != want.begun {
				t.Errorf("at an age of %v: %d refreshes were begun, want %d", age, n, want.begun)
			}
			w.end()
		})
	}
}

// The waits of a configuration are what a request waits, and the defaults where it
// has none.
func TestWaitsAreConfigured(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWatched(t, func(c *revocation.Config) { c.WarmWait, c.ColdWait = 300*time.Millisecond, 700*time.Millisecond })
		w.slow(time.Hour)
		w.later(time.Minute)
		w.wait("warm", 300*time.Millisecond)
		w.c = w.reader(func(c *revocation.Config) { c.ColdWait = 700 * time.Millisecond })
		w.wait("cold", 700*time.Millisecond)
		// Without a catalog, one refresh ends and the next begins: by default there is a second for that.
		w.meet(func() error { time.Sleep(time.Hour); return nil })
		w.c = w.reader(nil)
		w.wait("cold, by default", revocation.DefaultColdWait)
		time.Sleep(2 * time.Hour)
	})
}

// A refresh that was begun in time keeps nobody waiting; one that was begun late
// is waited for by all who come meanwhile, and is the only one.
func TestWaitForARefreshUnderWay(t *testing.T) {
	const takes = 300 * time.Millisecond
	for _, c := range []struct{ begun, first, second time.Duration }{
		{9900 * time.Millisecond, 0, 0},
		{10 * time.Second, takes, takes - 200*time.Millisecond},
		{10100 * time.Millisecond, takes, takes - 200*time.Millisecond},
	} {
		synctest.Test(t, func(t *testing.T) {
			w := newWatched(t, nil)
			w.slow(takes)
			time.Sleep(c.begun)
			var wg sync.WaitGroup
			wg.Go(func() { w.wait("the one that begins it at "+c.begun.String(), c.first) })
			time.Sleep(200 * time.Millisecond)
			w.wait("another, 200ms later", c.second)
			wg.Wait()
			synctest.Wait()
			if n := w.begun.Load(); n != 1 {
				t.Errorf("%d refreshes were begun", n)
			}
			w.end()
		})
	}
}

// Nobody waits before REVALIDATE_AFTER, though the clock has gone back behind the
// moment at which the refresh under way began.
func TestWaitForARefreshThatLiesAhead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWatched(t, nil)
		w.slow(300 * time.Millisecond)
		w.later(revocation.DefaultRevalidateAfter + time.Second)
		w.leave()
		w.later(-1500 * time.Millisecond)
		w.wait("at an age of 9.5s", 0)
		w.end()
	})
}

// A refresh that has been under way for a second, or a quarter of REVALIDATE_AFTER,
// is waited for by no other request, whether or not one has waited for it.
func TestWaitForARefreshThatHangs(t *testing.T) {
	for _, c := range []struct{ after, since, want time.Duration }{
		{2 * time.Second, 480 * time.Millisecond, revocation.DefaultWarmWait},
		{2 * time.Second, 520 * time.Millisecond, 0},
		{time.Minute, 980 * time.Millisecond, revocation.DefaultWarmWait},
		{time.Minute, 1020 * time.Millisecond, 0},
	} {
		synctest.Test(t, func(t *testing.T) {
			w := newWatched(t, func(config *revocation.Config) { config.RevalidateAfter = c.after })
			w.slow(time.Hour)
			w.later(2 * c.after)
			w.leave()
			time.Sleep(c.since)
			w.wait("REVALIDATE_AFTER "+c.after.String()+", "+c.since.String()+" later", c.want)
			w.end()
		})
	}
	synctest.Test(t, func(t *testing.T) { // a wait that the steps in which time is counted do not add up to
		const patience = 1020 * time.Millisecond
		w := newWatched(t, func(c *revocation.Config) { c.RevalidateAfter, c.WarmWait = time.Minute, patience })
		w.slow(time.Hour)
		w.later(2 * time.Minute)
		w.wait("the first", patience)
		w.wait("the next, which knows", 0)
		w.end()
	})
}

// A refresh is joined for three seconds by the wall clock, whichever way that
// jumps; then there is another one.
func TestRefreshIsJoinedForAWhile(t *testing.T) {
	for jump, want := range map[time.Duration]int32{-refreshJoined: 2, -refreshJoined + 1: 1, refreshJoined - 1: 1, refreshJoined: 2} {
		synctest.Test(t, func(t *testing.T) {
			w := newWatched(t, nil)
			w.slow(time.Hour)
			w.later(10 * time.Minute)
			w.leave()
			w.later(jump)
			w.leave()
			if n := w.begun.Load(); n != want {
				t.Errorf("after a jump of %v there are %d refreshes, want %d", jump, n, want)
			}
			w.end()
		})
	}
}

// A refresh that was given up ends without a trace: the one in its place is still
// the one that others join.
func TestRefreshThatWasGivenUpEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWatched(t, nil)
		w.slow(time.Hour)
		w.later(10 * time.Minute)
		w.leave()
		time.Sleep(refreshJoined)
		w.leave()
		time.Sleep(refreshTimeout - refreshJoined + time.Second/2) // the first has ended
		w.leave()
		if n := w.begun.Load(); n != 2 {
			t.Errorf("%d refreshes were begun, want 2", n)
		}
		w.end()
	})
}

// A refresh that is given up is a failure of S3, and the next one is not waited for,
// if it hung while somebody waited and a freeze is not what took the time.
func TestGivenUpIsAFailure(t *testing.T) {
	for _, c := range []struct {
		vain       bool
		old, waits time.Duration
	}{
		{true, refreshJoined, 0},
		{true, refreshTimeout, 0},
		{true, refreshTimeout + 1, revocation.DefaultWarmWait},
		{true, -refreshJoined, revocation.DefaultWarmWait},
		{false, refreshJoined, revocation.DefaultWarmWait},
	} {
		synctest.Test(t, func(t *testing.T) {
			w := newWatched(t, nil)
			w.slow(time.Hour)
			w.later(10 * time.Minute)
			begun := w.clock()
			if c.vain {
				w.wait("the first", revocation.DefaultWarmWait)
			} else {
				w.leave()
			}
			w.later(begun.Add(c.old).Sub(w.clock()))
			w.wait("after "+c.old.String(), c.waits)
			w.end()
		})
	}
}

// For half of REVALIDATE_AFTER after a failure, five seconds at most, no request
// waits for S3. Each begins a refresh all the same.
func TestNobodyWaitsAfterAFailure(t *testing.T) {
	const takes = 300 * time.Millisecond
	for _, c := range []struct{ after, since, want time.Duration }{
		{time.Minute, -1, takes},
		{time.Minute, 0, 0},
		{time.Minute, 5*time.Second - 1, 0},
		{time.Minute, 5 * time.Second, takes},
		{4 * time.Second, 2*time.Second - 1, 0},
		{4 * time.Second, 2 * time.Second, takes},
	} {
		synctest.Test(t, func(t *testing.T) {
			w := newWatched(t, func(config *revocation.Config) { config.RevalidateAfter = c.after })
			w.meet(func() error { return objectstoretest.Answer(503, "SlowDown") })
			w.later(2 * c.after)
			w.wait("the one that sees it", 0)
			synctest.Wait()
			w.undo()
			w.slow(takes)
			w.later(c.since)
			w.wait("REVALIDATE_AFTER "+c.after.String()+", "+c.since.String()+" after the failure", c.want)
			synctest.Wait()
			if n := w.begun.Load(); n != 2 {
				t.Errorf("REVALIDATE_AFTER %v, %v after the failure: %d refreshes were begun, want 2", c.after, c.since, n)
			}
			w.end()
		})
	}
}

// A refresh that fails late has failed, unless a second is missing in which the
// process did not run.
func TestFreezeIsNoFailure(t *testing.T) {
	const late, takes = 720 * time.Millisecond, 300 * time.Millisecond // 20 ms more than whole steps of 50
	for frozen, want := range map[time.Duration]time.Duration{0: 0, 980*time.Millisecond - 1: 0, 980 * time.Millisecond: takes} {
		synctest.Test(t, func(t *testing.T) {
			w := newWatched(t, func(c *revocation.Config) { c.RevalidateAfter = time.Minute })
			w.meet(func() error { time.Sleep(late); return objectstoretest.Answer(503, "SlowDown") })
			w.later(2 * time.Minute)
			w.leave()
			w.later(frozen)
			time.Sleep(late)
			synctest.Wait()
			w.undo()
			w.slow(takes)
			w.wait("frozen for "+frozen.String(), want)
			w.end()
		})
	}
}

// The same, though it seemed to hang before the freeze and others came for it.
func TestFreezeIsNoFailureOfOneThatHung(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWatched(t, nil)
		release := make(chan struct{})
		w.meet(func() error { <-release; return objectstoretest.Answer(503, "SlowDown") })
		w.later(10 * time.Minute)
		w.wait("the first", revocation.DefaultWarmWait)
		time.Sleep(time.Second)
		w.wait("the next, which knows", 0)
		w.later(2 * time.Second)
		close(release)
		synctest.Wait()
		w.undo()
		w.slow(300 * time.Millisecond)
		w.wait("one that comes after the freeze", 300*time.Millisecond)
		w.end()
	})
}

// REVALIDATE_AFTER=0: whoever comes while a refresh hangs waits for the next, which
// begins when the first ends, or three seconds later.
func TestRevalidateAlwaysBehindOneThatHangs(t *testing.T) {
	for _, c := range []struct{ third, want time.Duration }{{0, refreshJoined}, {refreshJoined, refreshJoined - time.Second/2}} {
		synctest.Test(t, func(t *testing.T) {
			w := newWatched(t, nil)
			release := make(chan struct{})
			w.meet(func() error {
				if w.begun.Load() == 1 {
					<-release
				}
				return nil
			})
			w.c = w.reader(func(c *revocation.Config) { c.RevalidateAfter = 0 })
			w.c.Warm()
			time.Sleep(time.Second / 2)
			var wg sync.WaitGroup
			wg.Go(func() { w.wait("a cold one behind a refresh that hangs", c.want) })
			if c.third > 0 { // another comes when the first is three seconds old, and begins the next for both
				time.Sleep(c.third - time.Second/2)
				w.wait("the third", 0)
			}
			wg.Wait()
			close(release)
			time.Sleep(time.Second)
			if n := w.begun.Load(); n != 2 {
				t.Errorf("%d refreshes were begun, want 2", n)
			}
			w.end()
		})
	}
}

// REVALIDATE_AFTER=0: what was validated this very moment is warm, if S3 hangs.
func TestRevalidateAlwaysAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWatched(t, func(c *revocation.Config) { c.RevalidateAfter = 0 })
		w.slow(time.Hour)
		w.wait("at an age of 0", revocation.DefaultWarmWait)
		w.end()
	})
}
