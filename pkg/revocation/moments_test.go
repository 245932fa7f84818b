package revocation_test

import (
	"log/slog"
	"testing"
	"time"

	"github.com/crlgate/crlgate/internal/pki"
	"github.com/crlgate/crlgate/pkg/objectstore"
	"github.com/crlgate/crlgate/pkg/objectstore/objectstoretest"
	"github.com/crlgate/crlgate/pkg/revocation"
)

// TestStaleAtTheMoment: a catalog answers to the last moment of MaxUnvalidated,
// and not from one that lies ahead of the clock.
func TestStaleAtTheMoment(t *testing.T) {
	w := newRFCWorld(t)
	ca := w.newCA("Stale", pki.CAOptions{})
	w.trust("stale", ca)
	w.publish("stale", ca, 1, pki.CRLOptions{Entries: listed(pki.KeyCompromise, 666)})
	good, gone := w.leaf(ca, 1, pki.LeafOptions{}), w.leaf(ca, 666, pki.LeafOptions{})
	w.read = revocation.New(w.cache, revocation.Config{RevalidateAfter: time.Hour, MaxUnvalidated: time.Hour, MemoryBudget: 1 << 20}, w.now, slog.New(slog.DiscardHandler), nil)
	w.want(good, "good")
	w.want(gone, "revoked")
	w.cache.Before(func(objectstore.Op, string) error { return objectstoretest.Answer(503, "SlowDown") })
	begin := w.now()
	for _, c := range []struct {
		after time.Duration
		want  string
	}{{0, "good"}, {-1, "cache_stale"}, {time.Hour, "good"}, {time.Hour + 1, "cache_stale"}} {
		w.moment.Store(begin.Add(c.after).UnixNano())
		w.want(good, c.want)
		w.want(gone, "revoked")
		a, trace := w.explain(good)
		if a.Age != c.after || trace.Catalog.Age != c.after || trace.Catalog.Most != time.Hour || !trace.Catalog.Validated.Equal(begin) {
			t.Errorf("after %v: age %v, %+v", c.after, a.Age, trace.Catalog)
		}
	}
}

// TestStaleWithAYoungerPredecessor: a catalog that lies ahead of the clock is stale, though
// what answers in place of one of its sets does not.
func TestStaleWithAYoungerPredecessor(t *testing.T) {
	w := newRFCWorld(t)
	ca := w.newCA("Stale", pki.CAOptions{})
	w.trust("stale", ca)
	w.publish("stale", ca, 1, pki.CRLOptions{Entries: listed(pki.KeyCompromise, 666)})
	good := w.leaf(ca, 1, pki.LeafOptions{})
	w.want(good, "good")
	w.publish("stale", ca, 2, pki.CRLOptions{Entries: listed(pki.KeyCompromise, 666, 667)})
	w.lose("stale")
	w.later(30 * time.Second)
	w.want(good, "good")
	w.cache.Before(func(objectstore.Op, string) error { return objectstoretest.Answer(503, "SlowDown") })
	w.later(-20 * time.Second)
	if a := w.ask(good); state(a) != "cache_stale" || a.Age != 10*time.Second {
		t.Errorf("%s, age %v", state(a), a.Age)
	}
}

// TestKeysWhenTheClockGoesBack: what was found out of a CA's key later than now counts for
// nothing.
func TestKeysWhenTheClockGoesBack(t *testing.T) {
	w := newChained(t)
	w.publish("root", w.root, 1, at(pki.CRLOptions{}, w.now().Add(-time.Hour), w.now().Add(10*time.Minute)))
	w.later(11 * time.Minute)
	w.want(w.client, "chain_unknown")
	w.later(-5 * time.Minute)
	w.want(w.client, "good")
	w.later(5 * time.Minute)
	w.want(w.client, "chain_unknown")
}
