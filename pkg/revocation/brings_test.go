package revocation_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/crlgate/crlgate/internal/pki"
	"github.com/crlgate/crlgate/pkg/catalog"
	"github.com/crlgate/crlgate/pkg/objectstore"
	"github.com/crlgate/crlgate/pkg/revocation"
)

const answer = 300 * time.Millisecond // what S3 takes for one

// A refresh brings along what requests will need: sets that were in memory, heads of
// those that were searched where they lie, and parts of the catalog. Afterwards a
// request waits for no more than it would have without the replacement. What hangs is
// left behind after two seconds.
func TestWhatARefreshBrings(t *testing.T) {
	for name, c := range map[string]struct {
		part    bool
		budget  int64
		takes   time.Duration // the refresh
		waits   time.Duration // a request after it
		hangs   string        // objects that hang, by prefix
		revoked bool
	}{
		"a set":                        {budget: 64 << 20, takes: 2 * answer, waits: 0, revoked: true},
		"a head":                       {budget: 1, takes: 2 * answer, waits: answer, revoked: true},
		"a part, and its set":          {part: true, budget: 64 << 20, takes: 3 * answer, waits: 0, revoked: true},
		"a part, and its head":         {part: true, budget: 1, takes: 3 * answer, waits: answer, revoked: true},
		"a set that hangs":             {budget: 64 << 20, takes: answer + 2*time.Second, waits: 0, hangs: catalog.SetPrefix},
		"a head that hangs":            {budget: 1, takes: answer + 2*time.Second, waits: revocation.DefaultColdWait, hangs: catalog.SetPrefix},
		"a part that hangs":            {part: true, budget: 64 << 20, takes: answer + 2*time.Second, waits: 0, hangs: "catalog/"},
		"a part, and a set that hangs": {part: true, budget: 64 << 20, takes: answer + 2*time.Second, waits: 0, hangs: catalog.SetPrefix},
	} {
		synctest.Test(t, func(t *testing.T) {
			p := newPartitioned(t)
			many := 1
			if c.part {
				many = 34 // more than stand in the catalog itself
			}
			var keys []string
			for i := range many {
				keys = append(keys, p.publish(i, 1, int64(10*i+1)))
			}
			p.changed(keys...)
			cert, begin := p.client(0, 2), time.Now()
			now := func() time.Time { return p.now().Add(time.Since(begin)) }
			var told told
			config := revocation.Config{RevalidateAfter: revocation.DefaultRevalidateAfter, MaxUnvalidated: revocation.DefaultMaxUnvalidated, MemoryBudget: c.budget}
			r := revocation.New(p.cache, config, now, told.log(), &told)
			if a := r.Ask(t.Context(), cert, now()); a.Status != revocation.Good {
				t.Fatalf("%s: %s", name, state(a))
			}
			told.take()
			p.changed(p.publish(0, 2, 1, 2))
			p.pass(revocation.DefaultRevalidateAfter / 2)
			release := make(chan struct{})
			p.cache.Delay(objectstore.OpGet, answer)
			if c.hangs != "" {
				p.cache.Before(func(op objectstore.Op, key string) error {
					if op == objectstore.OpGet && strings.HasPrefix(key, c.hangs) {
						<-release
					}
					return nil
				})
			}
			if a := r.Ask(t.Context(), cert, now()); a.Status != revocation.Good { // begins it in the background
				t.Errorf("%s: %s before the refresh", name, state(a))
			}
			time.Sleep(4 * time.Second)
			if lines := strings.Join(told.take(), "\n"); !strings.Contains(lines, fmt.Sprintf("refreshed in %v", c.takes)) {
				t.Errorf("%s: told\n%s", name, lines)
			}
			asked := time.Now()
			a := r.Ask(t.Context(), cert, now())
			if took := time.Since(asked); took != c.waits || c.revoked != (a.Status == revocation.Revoked) {
				t.Errorf("%s: %s after %v, want to wait %v", name, state(a), took, c.waits)
			}
			close(release)
			time.Sleep(time.Minute)
		})
	}
}

// A CRL that tells of the CAs in use is there when the catalog that has it comes
// into force, though nobody has asked it; one that tells of others is left alone.
func TestRefreshAsksAboutKeysInUse(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLive(t)
		type pair struct{ root, sub *pki.CA }
		pairs := map[string]pair{}
		for _, name := range []string{"used", "idle"} {
			root := l.newCA(name+" root", pki.CAOptions{})
			sub := l.newCA(name+" sub", pki.CAOptions{Parent: root})
			l.trust(name+"-root", root)
			l.trust(name+"-sub", sub)
			l.publish(name+"-sub", sub, 1, pki.CRLOptions{NextUpdate: l.now().Add(30 * 24 * time.Hour)})
			pairs[name] = pair{root, sub}
		}
		l.good = parse(t, l.leaf(pairs["used"].sub, 1, pki.LeafOptions{}))
		c := l.reader(nil)
		if a, _ := l.timed(c); state(a) != "chain_unknown" {
			t.Errorf("without a CRL of the root: %s", state(a))
		}
		for i, name := range []string{"used", "idle"} {
			l.publish(name+"-root", pairs[name].root, 1, pki.CRLOptions{NextUpdate: l.now().Add(30 * 24 * time.Hour), Entries: listed(pki.NoReason, int64(5000+i))})
		}
		l.cache.Delay(objectstore.OpGet, answer)
		l.cache.ResetCalls()
		time.Sleep(revocation.DefaultRevalidateAfter / 2)
		c.Warm()
		time.Sleep(2 * time.Second)
		if a, took := l.timed(c); state(a) != "good" || took != 0 {
			t.Errorf("after the refresh: %s after %v", state(a), took)
		}
		idle := catalog.SetPrefix + catalog.CRLName("crls/idle-root.crl")
		for _, call := range l.cache.Calls() {
			if strings.HasPrefix(call.Key, idle) {
				t.Errorf("%s was read, which nobody uses", call.Key)
			}
		}
		time.Sleep(time.Minute)
	})
}

// Whoever asks about a CA's key and has no time left finds out nothing that counts
// for others: neither a refresh, nor a request that is given up.
func TestTimeIsUpOnTheWayUp(t *testing.T) {
	for _, budget := range []int64{64 << 20, 1} {
		for _, refresh := range []bool{true, false} {
			synctest.Test(t, func(t *testing.T) {
				l := newLive(t)
				root := l.newCA("Root", pki.CAOptions{})
				sub := l.newCA("Sub", pki.CAOptions{Parent: root})
				l.trust("root", root)
				l.trust("sub", sub)
				month := l.now().Add(30 * 24 * time.Hour)
				l.publish("sub", sub, 1, pki.CRLOptions{NextUpdate: month})
				l.good = parse(t, l.leaf(sub, 1, pki.LeafOptions{}))
				c := l.reader(func(c *revocation.Config) { c.MemoryBudget = budget })
				if a, _ := l.timed(c); state(a) != "chain_unknown" {
					t.Errorf("without a CRL of the root: %s", state(a))
				}
				l.publish("root", root, 1, pki.CRLOptions{NextUpdate: month, Entries: listed(pki.NoReason, 6)})
				release, hangs := make(chan struct{}), catalog.SetPrefix+catalog.CRLName("crls/root.crl")+"/"
				l.cache.Before(func(op objectstore.Op, key string) error {
					if op == objectstore.OpGet && strings.HasPrefix(key, hangs) {
						<-release
					}
					return nil
				})
				if refresh {
					time.Sleep(revocation.DefaultRevalidateAfter / 2)
					c.Warm()
					time.Sleep(2500 * time.Millisecond)
				} else {
					c = l.reader(func(c *revocation.Config) { c.MemoryBudget = budget })
					ctx, cancel := context.WithDeadline(t.Context(), l.clock().Add(time.Second))
					defer cancel()
					if a := c.Ask(ctx, l.good, l.clock()); state(a) != "cache_unavailable" {
						t.Errorf("given up: %s", state(a))
					}
				}
				close(release)
				if a, _ := l.timed(c); state(a) != "good" {
					t.Errorf("budget %d, refresh %v: %s %v", budget, refresh, state(a), a.Unavailable)
				}
				time.Sleep(time.Minute)
			})
		}
	}
}
