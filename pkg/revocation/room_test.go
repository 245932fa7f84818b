package revocation_test

import (
	"context"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/crlgate/crlgate/internal/pki"
	"github.com/crlgate/crlgate/pkg/catalog"
	"github.com/crlgate/crlgate/pkg/clientcert"
	"github.com/crlgate/crlgate/pkg/objectstore"
	"github.com/crlgate/crlgate/pkg/objectstore/objectstoretest"
	"github.com/crlgate/crlgate/pkg/revocation"
	"github.com/crlgate/crlgate/pkg/serialset"
)

// crowd is three CAs, each with a set that needs some room. That of c needs more
// than those of a and b, and less than both.
type crowd struct {
	*live
	key  map[string]string
	room map[string]int64
	cert map[string]*clientcert.Certificate
	cas  map[string]*pki.CA
}

func newCrowd(t testing.TB) *crowd {
	c := &crowd{live: newLive(t), key: map[string]string{}, room: map[string]int64{}, cert: map[string]*clientcert.Certificate{}, cas: map[string]*pki.CA{}}
	for name, entries := range map[string]int64{"a": 40, "b": 40, "c": 50} {
		ca := c.newCA(name, pki.CAOptions{})
		c.trust(name, ca)
		c.cas[name] = ca
		var serials []int64
		for i := range entries {
			serials = append(serials, 1000*int64(name[0])+i) // equal sets would be one
		}
		c.publish(name, ca, 1, pki.CRLOptions{NextUpdate: c.now().Add(30 * 24 * time.Hour), Entries: listed(pki.NoReason, serials...)})
		c.cert[name] = parse(t, c.leaf(ca, 1, pki.LeafOptions{}))
	}
	data, _, _ := c.cache.Load(catalog.Key)
	parsed, err := catalog.Parse(data)
	if err != nil {
		t.Fatal(err)
	}
	for name := range c.cert {
		set := parsed.CAs[name].CRLs[0].Set
		c.key[name], c.room[name] = set.Key, serialset.MaxMemory(set.Size)
	}
	if c.room["c"] <= max(c.room["a"], c.room["b"]) || c.room["c"] >= c.room["a"]+c.room["b"] {
		t.Fatalf("not a crowd: %v", c.room)
	}
	return c
}

// ask asks about a certificate of a CA, which is good.
func (c *crowd) ask(r *revocation.Cache, name string) {
	c.t.Helper()
	if a := r.Ask(c.t.Context(), c.cert[name], c.clock()); a.Status != revocation.Good {
		c.t.Errorf("CA %s at %v: %s %v", name, time.Since(c.begin), state(a), a.Unavailable)
	}
	synctest.Wait()
}

// had holds the number of sets that were loaded, ever.
func (c *crowd) had(what string, want int) {
	c.t.Helper()
	if c.loaded != want {
		c.t.Errorf("%s: %d sets were loaded, want %d", what, c.loaded, want)
	}
}

// remove withdraws a CA.
func (c *crowd) remove(name string) {
	c.t.Helper()
	key := "issuers/" + name + ".pem"
	c.uploads.Remove(key)
	if err := c.write.Changed(c.t.Context(), []string{key}, c.now()); err != nil {
		c.t.Fatal(err)
	}
}

// Room is kept count of to the octet, whatever failed or had no room before: two
// sets are in memory where the budget is for both, and never where it is not.
func TestRoomIsCounted(t *testing.T) {
	for name, before := range map[string]func(*crowd, *revocation.Cache){
		"nothing before": func(*crowd, *revocation.Cache) {},
		"one that fails before": func(c *crowd, r *revocation.Cache) {
			c.cache.Before(func(_ objectstore.Op, key string) error {
				if key == c.key["a"] {
					return objectstoretest.Answer(403, "AccessDenied")
				}
				return nil
			})
			for range 2 {
				if a := r.Ask(c.t.Context(), c.cert["a"], c.clock()); a.Unavailable == nil {
					c.t.Errorf("%s", state(a))
				}
				synctest.Wait()
				c.later(2 * time.Second)
			}
			c.up()
		},
		"one that has no room before": func(c *crowd, r *revocation.Cache) {
			c.ask(r, "a")
			for range 2 {
				c.ask(r, "c")
				c.later(6 * time.Second)
			}
		},
	} {
		for missing, want := range []int{2, 1} {
			synctest.Test(t, func(t *testing.T) {
				c := newCrowd(t)
				r := c.reader(func(config *revocation.Config) { config.MemoryBudget = c.room["a"] + c.room["b"] - int64(missing) })
				before(c, r)
				c.ask(r, "a")
				for range 3 {
					c.ask(r, "b")
					c.later(6 * time.Second)
				}
				c.had(name, want)
			})
		}
	}
}

// A CA that is gone takes its set with it, also where that was being fetched: that
// counts until it ends, and no longer.
func TestRemovedCAMakesRoom(t *testing.T) {
	fails := func() error { return objectstoretest.Answer(403, "AccessDenied") }
	for name, c := range map[string]struct {
		fetched bool
		end     func() error // how the fetching ends
		want    int
	}{
		"in memory":                   {fetched: true, want: 2},
		"being fetched, and succeeds": {end: func() error { return nil }, want: 2},
		"being fetched, and fails":    {end: fails, want: 1},
	} {
		synctest.Test(t, func(t *testing.T) {
			w := newCrowd(t)
			r := w.reader(func(config *revocation.Config) { config.MemoryBudget = max(w.room["a"], w.room["b"]) })
			release := make(chan struct{})
			if c.fetched {
				w.ask(r, "a")
			} else {
				r.Warm()
				synctest.Wait()
				w.cache.Before(func(_ objectstore.Op, key string) error {
					if key != w.key["a"] {
						return nil
					}
					<-release
					return c.end()
				})
				ctx, cancel := context.WithCancel(t.Context())
				cancel()
				r.Ask(ctx, w.cert["a"], w.clock())
			}
			w.ask(r, "b")
			if w.ranges == 0 {
				t.Errorf("%s: there was room beside it", name)
			}
			w.remove("a")
			w.later(10 * time.Second)
			if !c.fetched {
				w.ask(r, "b")
				w.had(name+", under way", 0)
				close(release)
				synctest.Wait()
				w.later(6 * time.Second)
			}
			for range 2 {
				w.ask(r, "b")
			}
			w.had(name, c.want)
		})
	}
}

// A set that fails needs no room, long before it is asked for again.
func TestFailedSetLeavesRoom(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCrowd(t)
		r := c.reader(func(config *revocation.Config) { config.MemoryBudget = max(c.room["a"], c.room["b"]) })
		c.cache.Before(func(_ objectstore.Op, key string) error {
			if key == c.key["a"] {
				return objectstoretest.Answer(403, "AccessDenied")
			}
			return nil
		})
		r.Ask(t.Context(), c.cert["a"], c.clock())
		synctest.Wait()
		c.ask(r, "b")
		c.had("b", 1)
	})
}

// A fetch that a freeze interrupted, and in the place of which there is another,
// needs room until it ends.
func TestThawedSetLeavesRoom(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCrowd(t)
		r := c.reader(func(config *revocation.Config) { config.MemoryBudget = c.room["a"] + c.room["c"] })
		release := make(chan struct{})
		c.cache.Before(func(_ objectstore.Op, key string) error {
			if key == c.key["a"] {
				<-release
			}
			return nil
		})
		r.Warm()
		synctest.Wait()
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		r.Ask(ctx, c.cert["a"], c.clock())
		synctest.Wait()
		c.up()
		c.later(10 * time.Minute)
		c.ask(r, "a")
		c.had("a, again", 1)
		close(release)
		synctest.Wait()
		c.ask(r, "c")
		c.had("both of a, and c", 3)
	})
}

// What was read of sets, whole or in parts, is not read again, however many there are
// and whatever comes into the catalog beside them.
func TestNothingIsReadTwice(t *testing.T) {
	for name, budget := range map[string]int64{"whole": 64 << 20, "by range": 1} {
		synctest.Test(t, func(t *testing.T) {
			c := newCrowd(t)
			r := c.reader(func(config *revocation.Config) { config.MemoryBudget = budget })
			all := func() {
				for range 2 {
					for ca := range c.cert {
						c.ask(r, ca)
					}
					c.later(10 * time.Second)
				}
			}
			all()
			had := c.loaded + c.ranges
			c.publish("live", c.ca, 2, pki.CRLOptions{NextUpdate: c.now().Add(24 * time.Hour), Entries: listed(pki.NoReason, 667)})
			c.cache.ResetCalls()
			all()
			for _, call := range c.cache.Calls() {
				if call.Op == objectstore.OpGet && call.Key != catalog.Key {
					t.Errorf("%s: %s is read again", name, call.Key)
				}
			}
			if c.loaded+c.ranges != had || had == 0 {
				t.Errorf("%s: %d reads, and then %d", name, had, c.loaded+c.ranges)
			}
		})
	}
}

// A set that has no room beside the one that it replaces is searched where it lies,
// while that one leaves; then it is fetched.
func TestReplacementWithoutRoomBeside(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCrowd(t)
		r := c.reader(func(config *revocation.Config) { config.MemoryBudget = c.room["a"] * 3 / 2 })
		c.ask(r, "a")
		serials := []int64{1}
		for i := range int64(40) {
			serials = append(serials, 500+i)
		}
		c.publish("a", c.cas["a"], 2, pki.CRLOptions{NextUpdate: c.now().Add(24 * time.Hour), Entries: listed(pki.NoReason, serials...)})
		c.later(10 * time.Second)
		for range 2 {
			if a := r.Ask(t.Context(), c.cert["a"], c.clock()); state(a) != "revoked" {
				t.Errorf("%s, %v", state(a), a.Unavailable)
			}
			synctest.Wait()
		}
		if c.had("at first", 1); c.ranges == 0 {
			t.Error("nothing was read by range")
		}
		c.later(6 * time.Second)
		r.Ask(t.Context(), c.cert["a"], c.clock())
		synctest.Wait()
		c.had("then", 2)
	})
}

// The same where there was room at first, the fetch failed, and another set came: the
// one that is to be replaced makes room when its successor finds none.
func TestReplacementWithoutRoomLater(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCrowd(t)
		r := c.reader(func(config *revocation.Config) { config.MemoryBudget = c.room["a"] + c.room["c"] })
		c.ask(r, "a")
		c.publish("a", c.cas["a"], 2, pki.CRLOptions{NextUpdate: c.now().Add(24 * time.Hour), Entries: listed(pki.NoReason, 500, 501)})
		c.cache.Before(func(_ objectstore.Op, key string) error {
			if strings.HasPrefix(key, catalog.SetPrefix) {
				return objectstoretest.Answer(403, "AccessDenied")
			}
			return nil
		})
		c.later(10 * time.Second)
		r.Warm()
		synctest.Wait()
		c.up()
		c.ask(r, "c")
		c.had("a, and c", 2)
		for range 3 {
			c.later(6 * time.Second)
			c.ask(r, "a")
		}
		c.had("and then a's successor", 3)
	})
}

// A set that had no room is tried again after five seconds, or when the clock goes
// back.
func TestRoomIsTriedAgain(t *testing.T) {
	for later, want := range map[time.Duration]int{-1: 2, 0: 1, 5 * time.Second: 1, 5*time.Second + 1: 2} {
		synctest.Test(t, func(t *testing.T) {
			c := newCrowd(t)
			r := c.reader(func(config *revocation.Config) {
				config.RevalidateAfter, config.MemoryBudget = 0, max(c.room["a"], c.room["b"])
			})
			c.ask(r, "a")
			r.Ask(t.Context(), c.cert["b"], c.clock())
			synctest.Wait()
			c.remove("a")
			c.later(later)
			r.Ask(t.Context(), c.cert["b"], c.clock())
			synctest.Wait()
			c.had("after "+later.String(), want)
		})
	}
}
