package revocation_test

import (
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

// freezeFirst has the next GET of the catalog hang once it has S3's answer, until
// thaw is called.
func (l *live) freezeFirst() (thaw func()) {
	frozen := make(chan struct{})
	var first atomic.Bool
	l.cache.After(func(op objectstore.Op, key string) error {
		if op == objectstore.OpGet && key == catalog.Key && first.CompareAndSwap(false, true) {
			<-frozen
		}
		return nil
	})
	return func() {
		close(frozen)
		synctest.Wait()
	}
}

// Whatever a frozen refresh had in hand, it is nothing any longer once another has
// put a newer catalog in force: neither does it come back, nor does the refresh fail.
func TestThawedRefreshIsOver(t *testing.T) {
	for name, c := range map[string]struct {
		cold, changed bool
		jump          time.Duration
	}{
		"the first catalog":                              {cold: true, jump: 20 * time.Minute},
		"a catalog":                                      {changed: true, jump: 20 * time.Minute},
		"a catalog, and the clock goes back":             {changed: true, jump: -20 * time.Minute},
		"that nothing is newer":                          {jump: 20 * time.Minute},
		"that nothing is newer, and the clock goes back": {jump: -20 * time.Minute},
	} {
		synctest.Test(t, func(t *testing.T) {
			l, number := newLive(t), int64(1)
			var told told
			c1 := told.reader(l, l.cache)
			publish := func(serials ...int64) {
				number++
				l.list(number, listed(pki.KeyCompromise, serials...)...)
			}
			if !c.cold {
				l.expect(c1, "good", "revoked")
			}
			if c.changed {
				publish(666, 5)
			}
			thaw := l.freezeFirst()
			time.Sleep(6 * time.Second)
			c1.Warm()
			synctest.Wait()
			publish(666, 1)
			l.later(c.jump)
			if a, _ := l.timed(c1); state(a) != "revoked" {
				t.Errorf("%s: %s by %+v before the thaw", name, state(a), a.CRL)
			}
			synctest.Wait()
			told.take()
			thaw()
			if a, _ := l.timed(c1); state(a) != "revoked" || a.Age != 0 {
				t.Errorf("%s: %s by %+v, age %v after the thaw", name, state(a), a.CRL, a.Age)
			}
			if got := strings.Join(told.take(), "\n"); strings.Count(got, "refreshed") != 1 || strings.Contains(got, "failed") || strings.Contains(got, "log:") {
				t.Errorf("%s: the thawed refresh tells %q", name, got)
			}
		})
	}
}

// A refresh that began earlier and ends later makes what is warm no older.
func TestLaterConfirmationCounts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l, c := newWarm(t)
		thaw := l.freezeFirst()
		time.Sleep(6 * time.Second)
		c.Warm()
		time.Sleep(refreshJoined)
		c.Warm()
		synctest.Wait()
		thaw()
		if a, _ := l.timed(c); a.Age != 0 || state(a) != "good" {
			t.Errorf("%s, age %v", state(a), a.Age)
		}
	})
}

// REVALIDATE_AFTER=0: those who came while a refresh was frozen are served by the
// one that the first to come after the thaw begins.
func TestThawServesThoseWhoWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLive(t)
		c := l.reader(func(c *revocation.Config) { c.RevalidateAfter = 0 })
		l.expect(c, "good", "revoked")
		thaw := l.freezeFirst()
		var wg sync.WaitGroup
		wg.Go(func() { l.timed(c) })
		synctest.Wait()
		for range 3 {
			wg.Go(func() {
				if a, took := l.timed(c); state(a) != "good" || took != 0 {
					t.Errorf("one that waits for the next: %s after %v", state(a), took)
				}
			})
		}
		synctest.Wait()
		l.later(20 * time.Minute)
		if a, took := l.timed(c); state(a) != "good" || took != 0 {
			t.Errorf("the first after the thaw: %s after %v", state(a), took)
		}
		synctest.Wait()
		thaw()
		wg.Wait()
	})
}
