package revocation_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/crlgate/crlgate/internal/pki"
	"github.com/crlgate/crlgate/pkg/catalog"
	"github.com/crlgate/crlgate/pkg/clientcert"
	"github.com/crlgate/crlgate/pkg/objectstore"
	"github.com/crlgate/crlgate/pkg/objectstore/objectstoretest"
	"github.com/crlgate/crlgate/pkg/revocation"
)

// live is an rfcWorld whose time passes with the time of a synctest bubble, and
// a reader with the default settings.
type live struct {
	*rfcWorld
	begin         time.Time
	ca            *pki.CA
	good, revoked *clientcert.Certificate
	counts
	writes int // GETs of the catalog that publishQuietly made
}

// counts are the metrics of a reader.
type counts struct {
	mu                               sync.Mutex
	refused                          []string
	corrupt, loaded, ranges, refresh int
}

func (c *counts) Refreshed(time.Duration, error) { c.add(&c.refresh) }
func (c *counts) SetLoaded(int64)                { c.add(&c.loaded) }
func (c *counts) RangeRead(int64)                { c.add(&c.ranges) }
func (c *counts) HashFailed(string)              { c.add(&c.corrupt) }
func (c *counts) CatalogRefused(why string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.refused = append(c.refused, why)
}

func (c *counts) add(n *int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	*n++
}

// newLive has one CA with a CRL that lists serial number 666.
func newLive(t testing.TB) *live {
	l := &live{rfcWorld: newRFCWorld(t), begin: time.Now()}
	l.ca = l.newCA("Live", pki.CAOptions{})
	l.trust("live", l.ca)
	l.list(1, listed(pki.KeyCompromise, 666)...)
	l.good, l.revoked = parse(t, l.leaf(l.ca, 1, pki.LeafOptions{})), parse(t, l.leaf(l.ca, 666, pki.LeafOptions{}))
	return l
}

// newWarm has a reader too that has answered.
func newWarm(t testing.TB) (*live, *revocation.Cache) {
	t.Helper()
	l := newLive(t)
	c := l.reader(nil)
	l.expect(c, "good", "revoked")
	return l, c
}

// list publishes the CA's CRL, for a month.
func (l *live) list(number int64, entries ...pki.Entry) {
	l.t.Helper()
	l.publish("live", l.ca, number, pki.CRLOptions{NextUpdate: l.now().Add(30 * 24 * time.Hour), Entries: entries})
}

func parse(t testing.TB, leaf *pki.Leaf) *clientcert.Certificate {
	t.Helper()
	cert, err := clientcert.Parse(leaf.DER)
	if err != nil {
		t.Fatal(err)
	}
	return cert
}

// clock is the moment that was set, and what has passed in the bubble.
func (l *live) clock() time.Time { return l.now().Add(time.Since(l.begin)) }

func (l *live) reader(change func(*revocation.Config)) *revocation.Cache {
	c := revocation.Config{RevalidateAfter: revocation.DefaultRevalidateAfter, MaxUnvalidated: revocation.DefaultMaxUnvalidated, MemoryBudget: 64 << 20}
	if change != nil {
		change(&c)
	}
	return revocation.New(l.cache, c, l.clock, slog.New(slog.DiscardHandler), l)
}

// expect asks about both certificates.
func (l *live) expect(c *revocation.Cache, good, revoked string) {
	l.t.Helper()
	for cert, want := range map[*clientcert.Certificate]string{l.good: good, l.revoked: revoked} {
		if a := c.Ask(l.t.Context(), cert, l.clock()); state(a) != want {
			l.t.Errorf("at %v: %s, want %s: %s (age %v, %v)", time.Since(l.begin), state(a), want, a.Detail, a.Age, a.Unavailable)
		}
	}
}

// down makes every call on the cache bucket fail; up ends it.
func (l *live) down() {
	l.cache.Before(func(objectstore.Op, string) error { return objectstoretest.Answer(503, "SlowDown") })
}

func (l *live) up() { l.cache.Before(nil) }

// setKey is the key of the newest set.
func (l *live) setKey() string {
	l.t.Helper()
	data, _, _ := l.cache.Load(catalog.Key)
	c, err := catalog.Parse(data)
	if err != nil {
		l.t.Fatal(err)
	}
	return c.CAs["live"].CRLs[0].Set.Key
}

func TestColdWithoutCatalog(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLive(t)
		saved, _, _ := l.cache.Load(catalog.Key)
		l.cache.Remove(catalog.Key)
		c := l.reader(nil)
		for _, s3 := range []func(){l.up, l.down} {
			s3()
			for _, cert := range []*clientcert.Certificate{l.good, l.revoked} {
				a := c.Ask(t.Context(), cert, l.clock())
				if !errors.Is(a.Unavailable, revocation.ErrNoCatalog) || a.Status != revocation.Unknown || a.CA != "" || a.Detail == "" {
					t.Errorf("%+v", a)
				}
			}
		}
		l.up()
		l.cache.Store(catalog.Key, saved)
		l.expect(c, "good", "revoked")
	})
}

// A request that finds S3 hanging and nothing warm is answered in bounded time,
// well before its deadline.
func TestColdAndHanging(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLive(t)
		l.cache.Delay(objectstore.OpGet, time.Hour)
		for deadline, most := range map[time.Duration]time.Duration{time.Minute: revocation.DefaultColdWait, 3 * time.Second: 3 * time.Second * 9 / 10} {
			ctx, cancel := context.WithDeadline(t.Context(), time.Now().Add(deadline))
			begin := time.Now()
			// The reader's clock is not the bubble's, so its deadline is taken from the latter.
			c := revocation.New(l.cache, revocation.Config{MaxUnvalidated: time.Hour, MemoryBudget: 1 << 20}, time.Now, slog.New(slog.DiscardHandler), l)
			a := c.Ask(ctx, l.good, time.Now())
			if took := time.Since(begin); took > most || a.Unavailable == nil {
				t.Errorf("deadline %v: answered after %v: %+v", deadline, took, a.Unavailable)
			}
			cancel()
			time.Sleep(time.Minute)
		}
	})
}

func TestS3DownWhileWarm(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l, c := newWarm(t)
		l.down()
		for _, at := range []time.Duration{time.Second, time.Minute, 14 * time.Minute, 15 * time.Minute} {
			time.Sleep(at - time.Since(l.begin))
			l.expect(c, "good", "revoked")
		}
		time.Sleep(time.Second)
		l.expect(c, "cache_stale", "revoked")
		time.Sleep(24 * time.Hour)
		l.expect(c, "cache_stale", "revoked")
		l.up()
		time.Sleep(time.Minute) // a refresh is in the background, or the request waits for one
		l.expect(c, "good", "revoked")
	})
}

// A catalog that must not come into force leaves the one that is there in
// force, until that is stale; a cold reader has none.
func TestRefusedCatalogs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLive(t)
		older, _, _ := l.cache.Load(catalog.Key)
		l.list(2, listed(pki.KeyCompromise, 666, 667)...)
		newest, _, _ := l.cache.Load(catalog.Key)
		newer := bytes.Replace(newest, []byte(`"generation": 3`), []byte(`"generation": 9`), 1)
		if bytes.Equal(newer, newest) {
			newer = bytes.Replace(newest, []byte(`"generation": 2`), []byte(`"generation": 9`), 1)
		}
		for name, bad := range map[string]struct {
			catalog []byte
			why     string
			cold    string
		}{
			"older":                          {older, "generation", "good"},
			"other bytes, same generation":   {append(bytes.Clone(newest), '\n'), "generation", "good"},
			"a newer format":                 {bytes.Replace(newer, []byte(`"format": 1`), []byte(`"format": 99`), 1), "format", "cold"},
			"not JSON":                       {[]byte("<html>"), "malformed", "cold"},
			"a set outside the sets' prefix": {bytes.Replace(newer, []byte(`"sets/`), []byte(`"elsewhere/`), 1), "malformed", "cold"},
			"a CA without certificates":      {[]byte(`{"format":1,"generation":99,"cas":{"live":{"certificates":[]}}}`), "malformed", "cold"},
			"a certificate of junk":          {[]byte(`{"format":1,"generation":99,"cas":{"live":{"certificates":[{"der":"AAAA"}]}}}`), "malformed", "cold"},
		} {
			if bytes.Equal(bad.catalog, newest) {
				t.Fatalf("%s: nothing was changed", name)
			}
			l.cache.Store(catalog.Key, newest)
			c := l.reader(nil)
			l.expect(c, "good", "revoked")
			l.refused = nil
			l.cache.Store(catalog.Key, bad.catalog)
			time.Sleep(10 * time.Minute)
			l.expect(c, "good", "revoked")
			if a := c.Ask(t.Context(), l.good, l.clock()); a.CRL == nil || a.CRL.Number != "2" {
				t.Errorf("%s: answered from %+v", name, a.CRL)
			}
			synctest.Wait()
			if len(l.refused) == 0 || l.refused[0] != bad.why {
				t.Errorf("%s: metrics say %q", name, l.refused)
			}
			time.Sleep(6 * time.Minute)
			l.expect(c, "cache_stale", "revoked")
			cold := l.reader(nil).Ask(t.Context(), l.good, l.clock())
			if (bad.cold == "cold") != errors.Is(cold.Unavailable, revocation.ErrNoCatalog) {
				t.Errorf("%s: a cold reader: %+v", name, cold)
			}
			l.cache.Store(catalog.Key, newest)
			time.Sleep(time.Minute)
			l.expect(c, "good", "revoked")
		}
	})
}

func TestCorruptSetWhenCold(t *testing.T) {
	for name, change := range map[string]func([]byte) []byte{
		"an octet": func(b []byte) []byte { b[len(b)-1] ^= 1; return b },
		"in front": func(b []byte) []byte { b[0] ^= 1; return b },
		"cut":      func(b []byte) []byte { return b[:len(b)-1] },
		"longer":   func(b []byte) []byte { return append(b, 0) },
		"emptied":  func([]byte) []byte { return nil },
	} {
		synctest.Test(t, func(t *testing.T) {
			l := newLive(t)
			key := l.setKey()
			sound, _, _ := l.cache.Load(key)
			l.cache.Corrupt(key, change)
			c := l.reader(nil)
			a := c.Ask(t.Context(), l.good, l.clock())
			if name == "longer" { // what is needed of it is there, and verified
				if state(a) != "good" {
					t.Errorf("%s: %s %v", name, state(a), a.Unavailable)
				}
				return
			}
			if state(a) != "cache_unavailable" || !strings.Contains(a.Unavailable.Error(), key) || a.Status == revocation.Good {
				t.Errorf("%s: %s %v", name, state(a), a.Unavailable)
			}
			l.cache.Store(key, sound)
			time.Sleep(2 * time.Second)
			l.expect(c, "good", "revoked")
		})
	}
}

// A replacement that cannot be read leaves its predecessor to answer, as long
// as that was current within MAX_UNVALIDATED.
func TestCorruptReplacementWhileWarm(t *testing.T) {
	for name, damage := range map[string]func(*live, string){
		"corrupt": func(l *live, key string) {
			l.cache.Corrupt(key, func(b []byte) []byte { b[len(b)-1] ^= 1; return b })
		},
		"missing": func(l *live, key string) { l.cache.Remove(key) },
	} {
		synctest.Test(t, func(t *testing.T) {
			l, c := newWarm(t)
			l.list(2, listed(pki.KeyCompromise, 666, 667)...)
			key := l.setKey()
			sound, _, _ := l.cache.Load(key)
			damage(l, key)
			for range 14 {
				time.Sleep(time.Minute)
				l.expect(c, "good", "revoked")
			}
			if a := c.Ask(t.Context(), l.good, l.clock()); a.CRL.Number != "1" || a.Age < 13*time.Minute {
				t.Errorf("%s: answered from %+v, age %v", name, a.CRL, a.Age)
			}
			time.Sleep(2 * time.Minute)
			l.expect(c, "cache_unavailable", "revoked") // a verified hit does not expire, or break-glass would let it in
			if a := c.Ask(t.Context(), l.good, l.clock()); !strings.Contains(fmt.Sprint(a.Unavailable), key) {
				t.Errorf("%s: %v", name, a.Unavailable)
			}
			l.cache.Store(key, sound)
			time.Sleep(time.Minute)
			l.expect(c, "good", "revoked")
			if a := c.Ask(t.Context(), l.good, l.clock()); a.CRL.Number != "2" {
				t.Errorf("%s: answered from %+v", name, a.CRL)
			}
		})
	}
}
