package revocation_test

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/crlgate/crlgate/internal/pki"
	"github.com/crlgate/crlgate/pkg/catalog"
	"github.com/crlgate/crlgate/pkg/objectstore"
	"github.com/crlgate/crlgate/pkg/objectstore/objectstoretest"
	"github.com/crlgate/crlgate/pkg/revocation"
)

// newReplaced has put a CRL in force of which the set hangs. Its predecessor was last
// known to be current in the beginning, seven seconds ago.
func newReplaced(t *testing.T, change func(*revocation.Config)) (w *watched, release chan struct{}) {
	w, release = newWatched(t, change), make(chan struct{})
	w.publish("live", w.ca, 2, pki.CRLOptions{NextUpdate: w.now().Add(30 * 24 * time.Hour), Entries: listed(pki.KeyCompromise, 666, 1)})
	key := w.setKey()
	w.cache.Before(func(op objectstore.Op, of string) error {
		switch {
		case op != objectstore.OpGet:
		case of == key:
			<-release
		case of == catalog.Key && w.meets.Load() != nil:
			return (*w.meets.Load())()
		}
		return nil
	})
	time.Sleep(5 * time.Second)
	w.c.Warm()
	time.Sleep(2 * time.Second) // for so long the refresh waits for the set
	synctest.Wait()
	return w, release
}

// at sets the clock to so long after the beginning.
func (w *watched) at(d time.Duration) { w.later(w.origin.Add(d).Sub(w.clock())) }

// A predecessor answers at once till it was known to be current for the last time
// REVALIDATE_AFTER and two seconds ago, the time of a refresh. Then one request waits
// for its successor a little; none does when S3 has failed since it last answered.
func TestSuccessorIsWaitedForWhenOverdue(t *testing.T) {
	const due = revocation.DefaultRevalidateAfter + 2*time.Second
	fails := func() error { return objectstoretest.Answer(503, "SlowDown") }
	for name, c := range map[string]struct {
		before func(*watched)
		at     time.Duration
		waits  time.Duration
	}{
		"due":               {func(*watched) {}, due, 0},
		"overdue":           {func(*watched) {}, due + 1, revocation.DefaultWarmWait},
		"overdue, S3 fails": {func(w *watched) { w.at(11 * time.Second); w.meet(fails); w.leave() }, due + 1, 0},
		"overdue, S3 has failed": {func(w *watched) {
			w.at(11 * time.Second)
			w.meet(fails)
			w.leave()
			w.undo()
			w.leave()
		}, due + 1, revocation.DefaultWarmWait},
	} {
		synctest.Test(t, func(t *testing.T) {
			w, release := newReplaced(t, nil)
			c.before(w)
			w.at(c.at)
			w.wait(name, c.waits)
			w.wait(name+", the next", 0)
			close(release)
			synctest.Wait()
			if a, took := w.timed(w.c); state(a) != "revoked" || took != 0 {
				t.Errorf("%s: %s after %v when the set is there", name, state(a), took)
			}
			w.end()
		})
	}
}

// REVALIDATE_AFTER=0 knows a failure that took its time from a freeze, too.
func TestSuccessorWhenRevalidatingAlways(t *testing.T) {
	for _, late := range []time.Duration{0, 1500 * time.Millisecond} {
		synctest.Test(t, func(t *testing.T) {
			w, release := newReplaced(t, func(c *revocation.Config) { c.RevalidateAfter = 0 })
			w.meet(func() error { time.Sleep(late); return objectstoretest.Answer(503, "SlowDown") })
			w.leave()
			time.Sleep(late)
			synctest.Wait()
			w.undo()
			w.slow(time.Hour)
			w.wait("for a refresh, and not for the set", revocation.DefaultWarmWait)
			close(release)
			w.end()
		})
	}
}

// The same as of a set goes for a part of the catalog: its predecessor answers, for MAX_UNVALIDATED at
// most, and a request that comes when it is overdue waits a little, the only one
// however often the part is asked for again.
func TestPartIsWaitedForWhenOverdue(t *testing.T) {
	const due, most = 3 * time.Second, time.Minute // of a partitioned reader
	synctest.Test(t, func(t *testing.T) {
		p := newPartitions(t, 34)
		c, cert := p.revokedSince()
		begin := p.passed.Load()
		release := make(chan struct{})
		p.cache.Before(func(op objectstore.Op, key string) error {
			if op == objectstore.OpGet && strings.HasPrefix(key, "catalog/") {
				<-release
			}
			return nil
		})
		p.pass(time.Second)
		p.ask(c, cert, revocation.Good) // begins the refresh, which gives the part up after two seconds
		time.Sleep(2 * time.Second)
		synctest.Wait()
		for _, step := range []struct {
			at, waits time.Duration
			missing   bool
		}{
			{due, 0, false},
			{due + 1, revocation.DefaultWarmWait, false},
			{due + 1, 0, false},
			{due + 6*time.Second, 0, false}, // it is asked for again
			{most, 0, false},
			{most + 1, revocation.DefaultColdWait, true},
			{-1, revocation.DefaultColdWait, true},
			{0, 0, false},
		} {
			p.passed.Store(begin + int64(step.at))
			asked := time.Now()
			a := c.Ask(t.Context(), cert, p.now())
			if took := time.Since(asked); took != step.waits || (a.Unavailable != nil) != step.missing || !step.missing && (a.Status != revocation.Good || a.Age < step.at) {
				t.Errorf("at %v: %s after %v, age %v, %v", step.at, state(a), took, a.Age, a.Unavailable)
			}
		}
		close(release)
		synctest.Wait()
		p.passed.Store(begin + int64(due))
		p.ask(c, cert, revocation.Good) // by the set of its predecessor, behind which its own is fetched
		synctest.Wait()
		p.ask(c, cert, revocation.Revoked)
		time.Sleep(time.Minute)
	})
}
