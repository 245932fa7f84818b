package revocation_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/crlgate/crlgate/internal/pki"
	"github.com/crlgate/crlgate/pkg/catalog"
	"github.com/crlgate/crlgate/pkg/objectstore"
	"github.com/crlgate/crlgate/pkg/revocation"
)

// frozenWorld is an environment that is frozen after each request: S3's answers
// are there at once, and nobody to take them but while a request waits. Each
// request finds time to take as many as it is given.
type frozenWorld struct {
	*live
	awake chan struct{}
}

func newFrozenWorld(l *live) *frozenWorld {
	w := &frozenWorld{l, make(chan struct{})}
	l.cache.Before(func(objectstore.Op, string) error {
		<-w.awake
		return nil
	})
	return w
}

// ask asks after a freeze, in which the wall clock goes on and the monotonic one
// stands still.
func (w *frozenWorld) ask(c *revocation.Cache, pause time.Duration, answers int) (revocation.Answer, time.Duration) {
	w.later(pause)
	asked := make(chan struct{})
	go func() { // what lies there is taken once the request has waited a little
		for range answers {
			select {
			case <-time.After(10 * time.Millisecond):
			case <-asked:
				return
			}
			select {
			case w.awake <- struct{}{}:
			case <-asked:
				return
			}
		}
	}()
	a, took := w.timed(c)
	close(asked)
	synctest.Wait()
	return a, took
}

// end lets what is under way end.
func (w *frozenWorld) end() {
	close(w.awake)
	time.Sleep(10 * time.Minute)
}

var pauses = []time.Duration{
	500 * time.Millisecond, time.Second, 2 * time.Second, 2900 * time.Millisecond, 3500 * time.Millisecond, 4 * time.Second, 5 * time.Second, 6 * time.Second, 9 * time.Second, 30 * time.Second,
}

// An environment that is frozen after each request sees no refresh through in the
// background. However often requests come, one waits, so that no answer is older
// than REVALIDATE_AFTER and a refresh.
func TestFrozenAfterEachRequest(t *testing.T) {
	for _, pause := range pauses {
		synctest.Test(t, func(t *testing.T) {
			w := newLive(t)
			c := w.reader(nil)
			w.expect(c, "good", "revoked")
			f := newFrozenWorld(w)
			for i := range 200 {
				a, took := f.ask(c, pause, 100)
				if most := revocation.DefaultRevalidateAfter + 5*time.Second; a.Age > most {
					t.Fatalf("a request every %v: answer %d is by a catalog of %v ago, after %v", pause, i, a.Age, took)
				}
			}
			f.end()
		})
	}
}

// A set that could not be fetched beside its catalog is fetched behind the back of
// its predecessor; but a freeze leaves no time for that. Once the predecessor is
// overdue, a request waits for it a little, and no other does where that was in vain.
func TestFrozenWhileASetIsFetched(t *testing.T) {
	for _, hangs := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			l, c := newWarm(t)
			l.list(2, listed(pki.KeyCompromise, 666, 1)...)
			f := &frozenWorld{l, make(chan struct{})}
			key := l.setKey()
			l.cache.Before(func(op objectstore.Op, of string) error {
				if op == objectstore.OpGet && of == key {
					<-f.awake
				}
				return nil
			})
			time.Sleep(revocation.DefaultRevalidateAfter + time.Second)
			l.timed(c) // begins the refresh, which gives the set up after two seconds
			time.Sleep(4 * time.Second)
			answers := map[bool]int{false: 1, true: 0}[hangs]
			a, took := f.ask(c, 0, answers)
			if want := map[bool]string{false: "revoked", true: "good"}[hangs]; state(a) != want || a.Age > time.Minute {
				t.Errorf("hangs %v: %s after %v, want %s", hangs, state(a), took, want)
			}
			if hangs && took != revocation.DefaultWarmWait || !hangs && took > 100*time.Millisecond {
				t.Errorf("hangs %v: waited %v", hangs, took)
			}
			if a, took := f.ask(c, 0, 0); took != 0 || state(a) != map[bool]string{false: "revoked", true: "good"}[hangs] {
				t.Errorf("hangs %v, the next: %s after %v", hangs, state(a), took)
			}
			f.end()
		})
	}
}

// The same of a part of the catalog, and the set that it names.
func TestFrozenWhileAPartIsFetched(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPartitions(t, 40)
		c, cert := p.revokedSince()
		awake, open := make(chan struct{}), make(chan struct{})
		p.cache.Before(func(op objectstore.Op, key string) error {
			if op == objectstore.OpGet && key != catalog.Key {
				select {
				case <-awake:
				case <-open:
				}
			}
			return nil
		})
		p.pass(1500 * time.Millisecond)
		p.ask(c, cert, revocation.Good) // begins the refresh, which gives the part up after two seconds
		time.Sleep(4 * time.Second)
		p.pass(4 * time.Second)
		asked := make(chan struct{})
		go func() {
			for time.Sleep(10 * time.Millisecond); ; {
				select {
				case awake <- struct{}{}:
				case <-asked:
					return
				}
			}
		}()
		p.ask(c, cert, revocation.Revoked)
		close(asked)
		close(open)
		time.Sleep(10 * time.Minute)
	})
}
