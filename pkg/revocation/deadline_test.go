package revocation_test

import (
	"context"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/crlgate/crlgate/internal/pki"
	"github.com/crlgate/crlgate/pkg/objectstore"
	"github.com/crlgate/crlgate/pkg/objectstore/objectstoretest"
	"github.com/crlgate/crlgate/pkg/revocation"
)

// However many objects hang that a request needs one after the other, a tenth of
// the function's time is left for the answer.
func TestManyHangingSetsLeaveTimeForTheAnswer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLive(t)
		for i, idp := range []*pki.IDP{{OnlyUser: true}, {Indirect: true}, {OnlyUser: true, Indirect: true}} {
			o := pki.CRLOptions{NextUpdate: l.now().Add(30 * 24 * time.Hour), IDP: idp, Entries: listed(pki.KeyCompromise, int64(700+i))}
			l.publish("live"+strings.Repeat("-more", i+1), l.ca, int64(i+2), o)
		}
		c := l.reader(nil)
		var sets atomic.Int32
		l.cache.Before(func(op objectstore.Op, key string) error {
			if strings.HasPrefix(key, "sets/") {
				sets.Add(1)
				time.Sleep(time.Hour)
			}
			return nil
		})
		const limit = 10 * time.Second
		ctx, cancel := context.WithDeadline(t.Context(), l.clock().Add(limit))
		defer cancel()
		began := time.Now()
		a := c.Ask(ctx, l.good, l.clock())
		if took := time.Since(began); took > limit*9/10 {
			t.Errorf("with %d sets that hang, a request with %v to live was answered after %v", sets.Load(), limit, took)
		}
		if a.Unavailable == nil || a.Status == revocation.Good {
			t.Errorf("answered %s", state(a))
		}
		if n := sets.Load(); n < 2 {
			t.Errorf("%d sets were asked for: nothing follows anything", n)
		}
		time.Sleep(24 * time.Hour) // what hangs gives up
	})
}

// A part of the catalog that could not be read is read again a second later, not
// only once a hanging one would have been given up.
func TestFailedPartIsReadAgainSoon(t *testing.T) {
	p := newPartitions(t, 64)
	c, cert := p.reader(), p.client(7, 1)
	p.cache.Before(func(_ objectstore.Op, key string) error {
		if strings.HasPrefix(key, "catalog/") {
			return objectstoretest.Answer(503, "SlowDown")
		}
		return nil
	})
	p.ask(c, cert, revocation.Unknown)
	p.cache.Before(nil)
	p.pass(time.Second / 2)
	p.ask(c, cert, revocation.Unknown) // not by every request
	p.pass(time.Second)
	p.ask(c, cert, revocation.Good)
}

// Where what is warm is too old to let anybody in by, a request waits for the
// catalog as if nothing were warm.
func TestStaleCatalogIsWaitedFor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l, c := newWarm(t)
		time.Sleep(2 * revocation.DefaultMaxUnvalidated)
		const slow = 2 * revocation.DefaultWarmWait
		l.cache.Delay(objectstore.OpGet, slow)
		if a, took := l.timed(c); took != slow || state(a) != "good" {
			t.Errorf("%s after %v, want good after %v", state(a), took, slow)
		}
		time.Sleep(time.Minute)
	})
}

// A GET of a small set that hangs is given up soon enough for the request that
// waits for it to see the next.
func TestHangingSetIsReadAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLive(t)
		c := l.reader(nil)
		c.Warm()
		time.Sleep(time.Second) // the catalog is there, and no set
		l.cache.Delay(objectstore.OpGet, time.Hour)
		time.AfterFunc(time.Second, func() { l.cache.Delay(objectstore.OpGet, 0) })
		if a, took := l.timed(c); state(a) != "good" {
			t.Errorf("%s after %v", state(a), took)
		}
		time.Sleep(time.Minute)
	})
}
