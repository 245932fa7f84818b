package revocation_test

import (
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/crlgate/crlgate/internal/pki"
	"github.com/crlgate/crlgate/pkg/catalog"
	"github.com/crlgate/crlgate/pkg/objectstore"
	"github.com/crlgate/crlgate/pkg/objectstore/objectstoretest"
	"github.com/crlgate/crlgate/pkg/revocation"
	"github.com/crlgate/crlgate/pkg/serialset"
)

// bothOrders runs a test with two names for CRLs, in the catalog's order and against it.
func bothOrders(t *testing.T, test func(t *testing.T, first, second string)) {
	t.Run("in order", func(t *testing.T) { test(t, "a", "b") })
	t.Run("against it", func(t *testing.T) { test(t, "b", "a") })
}

// TestCRLThatIsTold: an answer names the newest CRL that was asked, and where one
// revokes, that one.
func TestCRLThatIsTold(t *testing.T) {
	bothOrders(t, func(t *testing.T, older, newer string) {
		w := newRFCWorld(t)
		ca := w.newCA("A", pki.CAOptions{})
		w.trust("ca", ca)
		began, next := w.now(), w.now().Add(24*time.Hour)
		w.publish(older, ca, 1, at(pki.CRLOptions{IDP: &pki.IDP{Reasons: keyReasons}, Entries: listed(pki.KeyCompromise, 7)}, began.Add(-2*time.Hour), next))
		w.publish(newer, ca, 1, at(pki.CRLOptions{IDP: &pki.IDP{Reasons: allReasons &^ keyReasons}, Entries: listed(pki.Superseded, 8)}, began.Add(-time.Hour), next))
		for serial, want := range map[int64]string{1: newer, 7: older, 8: newer} {
			if a := w.ask(w.leaf(ca, serial, pki.LeafOptions{})); a.CRL == nil || a.CRL.Name != "crls/"+want+".crl" {
				t.Errorf("serial %d: told of %+v, want %s", serial, a.CRL, want)
			}
		}
		w.publish(older, ca, 2, at(pki.CRLOptions{IDP: &pki.IDP{Reasons: keyReasons}}, began.Add(-time.Hour), next))
		if a, trace := w.explain(w.leaf(ca, 1, pki.LeafOptions{})); a.CRL.Name != trace.Considered.Lists[0].Record.Source.Key {
			t.Errorf("of two that are as new, told of %s", a.CRL.Name)
		}
	})
}

// TestOutOfDateAndOutOfScope: that a CRL is out of date is told of those that cover
// the certificate for some reasons too, and only while it is so.
func TestOutOfDateAndOutOfScope(t *testing.T) {
	bothOrders(t, func(t *testing.T, first, second string) {
		w := newRFCWorld(t)
		ca := w.newCA("A", pki.CAOptions{})
		leaf := w.leaf(ca, 1, pki.LeafOptions{})
		w.trust("ca", ca)
		keys, rest := &pki.IDP{Reasons: keyReasons}, &pki.IDP{Reasons: allReasons &^ keyReasons}
		w.publish(first, ca, 1, at(pki.CRLOptions{IDP: keys}, w.now().Add(-time.Hour), w.now().Add(time.Hour)))
		if a := w.ask(leaf); !a.OutOfScope || a.Expired {
			t.Errorf("%+v", a)
		}
		w.later(2 * time.Hour)
		if a := w.ask(leaf); !a.OutOfScope || !a.Expired {
			t.Errorf("%+v", a)
		}
		w.publish(second, ca, 1, pki.CRLOptions{IDP: rest})
		if a := w.wantWords(leaf, "crl_expired", "CRL number 1 was to be replaced by"); a.OutOfScope || !a.Expired {
			t.Errorf("%+v", a)
		}
		// One that covers it all makes up for that.
		w.publish("whole", ca, 1, pki.CRLOptions{Entries: listed(pki.Superseded, 7)})
		if a := w.wantWords(leaf, "good", ""); a.Expired {
			t.Errorf("%+v", a)
		}
		// What cannot be had is told rather than what is out of date, and nothing is good beside it.
		w.restart()
		w.lose("whole")
		a := w.ask(leaf)
		if a.Unavailable == nil || a.Detail != a.Unavailable.Error() || a.Status != revocation.Unknown {
			t.Errorf("%+v", a)
		}
		w.restart()
		w.publish(first, ca, 2, pki.CRLOptions{IDP: keys})
		if a := w.ask(leaf); a.Unavailable == nil || a.Status != revocation.Unknown {
			t.Errorf("good beside one that cannot be had: %+v", a)
		}
	})
}

// TestMissingComesFirst: the answer tells of the object that is missing, whatever else
// stands in the way.
func TestMissingComesFirst(t *testing.T) {
	bothOrders(t, func(t *testing.T, missing, expired string) {
		w := newRFCWorld(t)
		ca := w.newCA("A", pki.CAOptions{})
		leaf := w.leaf(ca, 1, pki.LeafOptions{})
		w.trust("ca", ca)
		w.publish(missing, ca, 1, pki.CRLOptions{IDP: &pki.IDP{Reasons: keyReasons}, Entries: listed(pki.KeyCompromise, 7)})
		w.lose(missing)
		words := missing + ".crl/"
		if a := w.wantWords(leaf, "cache_unavailable", words); !a.OutOfScope || a.Detail != a.Unavailable.Error() {
			t.Errorf("%+v", a)
		}
		w.publish(expired, ca, 1, at(pki.CRLOptions{IDP: &pki.IDP{Reasons: allReasons &^ keyReasons}}, w.now().Add(-time.Hour), w.now().Add(time.Hour)))
		w.later(2 * time.Hour)
		if a := w.wantWords(leaf, "cache_unavailable", words); a.OutOfScope || !a.Expired || a.Detail != a.Unavailable.Error() {
			t.Errorf("%+v", a)
		}
	})
}

// TestFirstMissingObjectIsNamed: where the CA's own set is missing and one above it as
// well, the answer names the former.
func TestFirstMissingObjectIsNamed(t *testing.T) {
	w := newChained(t)
	w.publish("root", w.root, 1, pki.CRLOptions{Entries: listed(pki.Superseded, 7)}) // else the two would be one set
	w.lose("root")
	w.lose("sub")
	if a := w.ask(w.client); a.Unavailable == nil || !strings.Contains(a.Unavailable.Error(), "sub.crl") || a.Detail != a.Unavailable.Error() {
		t.Errorf("%v: %s", a.Unavailable, a.Detail)
	}
}

// TestPredecessorAtTheMoment: a predecessor answers to the last moment of
// MaxUnvalidated, is never told as young as the catalog, and revokes for ever.
func TestPredecessorAtTheMoment(t *testing.T) {
	for after, want := range map[time.Duration]string{0: "good", 15 * time.Minute: "good", 15*time.Minute + 1: "cache_unavailable", -1: "cache_unavailable", -time.Hour: "cache_unavailable"} {
		w := newRFCWorld(t)
		ca := w.newCA("A", pki.CAOptions{})
		good, gone := w.leaf(ca, 1, pki.LeafOptions{}), w.leaf(ca, 7, pki.LeafOptions{})
		w.trust("ca", ca)
		w.publish("ca", ca, 1, pki.CRLOptions{Entries: listed(pki.KeyCompromise, 7)})
		w.want(good, "good")
		w.publish("ca", ca, 2, pki.CRLOptions{Entries: listed(pki.KeyCompromise, 7, 8)})
		w.lose("ca")
		w.later(after)
		a := w.ask(good)
		if state(a) != want || want == "good" && (a.Age != max(after, 1) || a.Stale || a.CRL.Number != "1") {
			t.Errorf("after %v: %s, want %s: %+v", after, state(a), want, a)
		}
		if a := w.ask(gone); state(a) != "revoked" || a.Age != max(after, 1) || a.Stale != (after > 15*time.Minute) || a.CRL.Number != "1" {
			t.Errorf("after %v, one that was revoked: %s, %+v", after, state(a), a)
		}
	}
}

// TestAgeOfAPartThatIsReplaced: what a part said before counts as of when that was
// current, as long as the part that replaced it is not there.
func TestAgeOfAPartThatIsReplaced(t *testing.T) {
	p := newPartitions(t, 60)
	c, good, gone := p.reader(), p.client(7, 72), p.client(7, 71)
	ask := func(cert int64, want string) revocation.Answer {
		t.Helper()
		asked := map[int64]func() revocation.Answer{
			71: func() revocation.Answer { return c.Ask(t.Context(), gone, p.now()) },
			72: func() revocation.Answer { return c.Ask(t.Context(), good, p.now()) },
		}[cert]()
		if state(asked) != want {
			t.Errorf("serial %d: %s, want %s: %+v", cert, state(asked), want, asked)
		}
		return asked
	}
	ask(72, "good")
	validated := p.now()
	p.changed(p.publish(7, 2, 71, 72))
	p.cache.Before(func(_ objectstore.Op, key string) error {
		if strings.HasPrefix(key, "catalog/") {
			return objectstoretest.Answer(503, "SlowDown")
		}
		return nil
	})
	age := func() time.Duration { return p.now().Sub(validated) }
	p.pass(10 * time.Second)
	for range 2 {
		if a := ask(72, "good"); a.Age != age() || a.Stale {
			t.Errorf("after %v: %+v", age(), a)
		}
		if a := ask(71, "revoked"); a.Age != age() || a.Stale {
			t.Errorf("after %v: %+v", age(), a)
		}
		p.pass(time.Minute - age()) // the last moment
	}
	for _, d := range []time.Duration{1, -age() - 2} { // too late, and the clock goes back to before
		p.pass(d)
		if a := ask(72, "cache_unavailable"); !a.Stale || !strings.Contains(a.Unavailable.Error(), "catalog/") || a.Detail != a.Unavailable.Error() || a.Status != revocation.Unknown {
			t.Errorf("after %v: %+v", age(), a)
		}
		if a := ask(71, "revoked"); !a.Stale {
			t.Errorf("after %v: %+v", age(), a)
		}
	}
	p.cache.Before(nil)
	p.pass(2 * time.Minute)
	ask(72, "revoked")
	if a := ask(71, "revoked"); a.Age != 0 || a.Stale {
		t.Errorf("the new part is there: %+v", a)
	}
}

// TestSetOfTheWholeBudget: a set that just fits the memory is fetched whole, and one
// that has no room beside another is searched where it lies.
func TestSetOfTheWholeBudget(t *testing.T) {
	for spare, ranges := range map[int64]bool{0: false, -1: true} {
		synctest.Test(t, func(t *testing.T) {
			l := newLive(t)
			object, _, _ := l.cache.Load(l.setKey())
			c := l.reader(func(c *revocation.Config) { c.MemoryBudget = serialset.MaxMemory(int64(len(object))) + spare })
			l.expect(c, "good", "revoked")
			synctest.Wait()
			if l.counts.ranges > 0 != ranges || l.loaded > 0 == ranges {
				t.Errorf("%d bytes to spare: %d sets loaded, %d read by range", spare, l.loaded, l.counts.ranges)
			}
		})
	}
	synctest.Test(t, func(t *testing.T) {
		l := newLive(t)
		other := l.newCA("Other", pki.CAOptions{})
		l.trust("other", other)
		l.publish("other", other, 1, pki.CRLOptions{Entries: listed(pki.KeyCompromise, 667)})
		object, _, _ := l.cache.Load(l.setKey())
		c := l.reader(func(c *revocation.Config) { c.MemoryBudget = serialset.MaxMemory(int64(len(object))) * 3 / 2 })
		l.expect(c, "good", "revoked")
		l.good, l.revoked = parse(t, l.leaf(other, 1, pki.LeafOptions{})), parse(t, l.leaf(other, 667, pki.LeafOptions{}))
		l.expect(c, "good", "revoked")
		synctest.Wait()
		if l.loaded != 1 || l.counts.ranges == 0 {
			t.Errorf("beside another: %d sets loaded, %d read by range", l.loaded, l.counts.ranges)
		}
	})
}

// TestSetOnItsWay: while the set of a new CRL is being fetched, no request waits for it
// as long as what answers in its place is young, and one does once that is overdue.
func TestSetOnItsWay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l, c := newWarm(t)
		l.list(2, listed(pki.KeyCompromise, 666, 667)...)
		key, hang := l.setKey(), time.Hour
		l.cache.Before(func(_ objectstore.Op, of string) error {
			if of == key {
				time.Sleep(hang)
			}
			return nil
		})
		time.Sleep(6 * time.Second)
		l.timed(c) // begins a refresh, which gives the set up after two seconds
		time.Sleep(3 * time.Second)
		for _, want := range []time.Duration{0, revocation.DefaultWarmWait, 0} {
			if a, took := l.timed(c); took != want || state(a) != "good" || a.CRL.Number != "1" || a.Age < 9*time.Second {
				t.Errorf("%s by %+v after %v, want %v", state(a), a.CRL, took, want)
			}
			time.Sleep(4 * time.Second)
		}
		time.Sleep(2 * time.Hour)
	})
	w := newRFCWorld(t)
	ca := w.newCA("A", pki.CAOptions{})
	good := w.leaf(ca, 1, pki.LeafOptions{})
	w.trust("a", ca)
	w.publish("a", ca, 1, pki.CRLOptions{Entries: listed(pki.KeyCompromise, 7)})
	w.want(good, "good")
	w.publish("a", ca, 2, pki.CRLOptions{Entries: listed(pki.KeyCompromise, 7, 8)})
	restore := w.lose("a")
	w.want(good, "good")
	restore()
	w.later(3 * time.Second)
	if a := w.ask(good); state(a) != "good" || a.CRL.Number != "2" || a.Age != 0 || a.Stale {
		t.Errorf("overdue, and its successor there at once: %s, %+v", state(a), a)
	}
}

// TestNoRoomForTheNext: a set for which there is no room beside its predecessor is
// searched where it lies, and the predecessor does not answer in its place.
func TestNoRoomForTheNext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLive(t)
		object, _, _ := l.cache.Load(l.setKey())
		c := l.reader(func(c *revocation.Config) { c.MemoryBudget = serialset.MaxMemory(int64(len(object))) * 3 / 2 })
		l.expect(c, "good", "revoked")
		l.list(2, listed(pki.KeyCompromise, 1)...)
		time.Sleep(time.Minute)
		l.expect(c, "revoked", "good")
		synctest.Wait()
		if l.counts.ranges == 0 {
			t.Error("nothing was read by range")
		}
	})
	// Where the room is gone once the set is there, the same request sees so.
	w := newRFCWorld(t)
	ca, other := w.newCA("A", pki.CAOptions{}), w.newCA("Other", pki.CAOptions{})
	w.trust("a", ca)
	w.trust("other", other)
	w.publish("a", ca, 1, pki.CRLOptions{Entries: listed(pki.KeyCompromise, 7)})
	w.publish("other", other, 1, pki.CRLOptions{Entries: listed(pki.KeyCompromise, 8)})
	w.restart()
	leaf, ofOther := w.leaf(ca, 9, pki.LeafOptions{}), w.leaf(other, 8, pki.LeafOptions{})
	size := serialset.MaxMemory(w.setSize("a"))
	w.read = revocation.New(w.cache, revocation.Config{MaxUnvalidated: time.Hour, MemoryBudget: size * 5 / 2}, w.now, slog.New(slog.DiscardHandler), nil)
	w.want(leaf, "good")
	w.publish("a", ca, 2, pki.CRLOptions{Entries: listed(pki.KeyCompromise, 9)})
	restore := w.lose("a")
	w.want(leaf, "good")
	w.want(ofOther, "revoked")
	restore()
	w.later(2 * time.Second)
	w.want(leaf, "revoked")
}

// setSize is the size of the set of a CA's first CRL.
func (w *rfcWorld) setSize(ca string) int64 {
	w.t.Helper()
	data, _, _ := w.cache.Load(catalog.Key)
	c, err := catalog.Parse(data)
	if err != nil {
		w.t.Fatal(err)
	}
	return c.CAs[ca].CRLs[0].Set.Size
}

// TestHangingSmallSetIsAskedForOnce: a request that waited for a set in vain asks for
// nothing else in its place, and names it.
func TestHangingSmallSetIsAskedForOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLive(t)
		key := l.setKey()
		c := l.reader(nil)
		l.cache.Before(func(op objectstore.Op, of string) error {
			if of == key {
				time.Sleep(time.Hour)
			}
			return nil
		})
		l.cache.ResetCalls()
		begin := time.Now()
		a, trace := c.Explain(t.Context(), l.good, l.clock())
		if took := time.Since(begin); took != revocation.DefaultColdWait || state(a) != "cache_unavailable" || !strings.Contains(a.Detail, key+": still being fetched") {
			t.Errorf("%s after %v: %s", state(a), took, a.Detail)
		}
		if n := trace.Considered.Lists[0].Lookups[0]; n.Err == nil || n.Age != 0 {
			t.Errorf("%+v", n)
		}
		l.up()
		time.Sleep(2 * time.Hour)
		if n := l.cache.Count(objectstore.OpGet, key); n != 1 {
			t.Errorf("%d GETs of the set", n)
		}
	})
}

// TestLeastAgeOfCRLs: the shortest max_crl_age that can be written counts.
func TestLeastAgeOfCRLs(t *testing.T) {
	w := newRFCWorld(t)
	ca := w.newCA("A", pki.CAOptions{})
	w.trust("ca", ca)
	w.publish("ca", ca, 1, pki.CRLOptions{})
	w.want(w.leaf(ca, 1, pki.LeafOptions{}), "good")
	w.settings("ca", `{"max_crl_age":"1ns"}`)
	w.want(w.leaf(ca, 1, pki.LeafOptions{}), "crl_expired")
}
