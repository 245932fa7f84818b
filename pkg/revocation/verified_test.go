package revocation_test

import (
	"bytes"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/crlgate/crlgate/pkg/catalog"
	"github.com/crlgate/crlgate/pkg/revocation"
)

// more returns the catalog with one number raised by one.
func more(t *testing.T, data []byte, name string) []byte {
	field := regexp.MustCompile(`("` + name + `": ?)(\d+)`)
	out := field.ReplaceAllFunc(data, func(b []byte) []byte {
		m := field.FindSubmatch(b)
		n, err := strconv.Atoi(string(m[2]))
		if err != nil {
			t.Fatal(err)
		}
		return fmt.Appendf(nil, "%s%d", m[1], n+1)
	})
	if bytes.Equal(out, data) {
		t.Fatalf("the catalog has no %q", name)
	}
	return out
}

// A set that is not what the catalog says of it answers nothing, whole or by range,
// and the metric tells which it is; one that S3 does not hand out, or of a newer
// format, is no corrupt one.
func TestSetAndCatalogDisagree(t *testing.T) {
	for name, c := range map[string]struct {
		catalog func(*testing.T, []byte) []byte
		set     func([]byte) []byte
		words   string
		corrupt bool
	}{
		"entries":    {catalog: func(t *testing.T, b []byte) []byte { return more(t, b, "entries") }, words: "the catalog says 2", corrupt: true},
		"size":       {catalog: func(t *testing.T, b []byte) []byte { return more(t, b, "size") }, words: "catalog says", corrupt: true},
		"cut":        {set: func(b []byte) []byte { return b[:len(b)-1] }, words: "it ends ", corrupt: true},
		"its octets": {set: func(b []byte) []byte { b[len(b)-1] ^= 1; return b }, words: "fails its hash", corrupt: true},
		"its head":   {set: func(b []byte) []byte { b[12] ^= 1; return b }, words: "corrupt", corrupt: true},
		"its format": {set: func(b []byte) []byte { b[7]++; return b }, words: "unknown format version"},
		"no set":     {set: nil, words: "no such object"},
	} {
		for _, budget := range []int64{64 << 20, 1} {
			synctest.Test(t, func(t *testing.T) {
				l := newLive(t)
				key := l.setKey()
				switch {
				case c.catalog != nil:
					data, _, _ := l.cache.Load(catalog.Key)
					l.cache.Store(catalog.Key, c.catalog(t, data))
				case c.set != nil:
					l.cache.Corrupt(key, c.set)
				default:
					l.cache.Remove(key)
				}
				var told told
				r := revocation.New(l.cache, revocation.Config{MaxUnvalidated: time.Minute, MemoryBudget: budget}, l.clock, told.log(), &told)
				a := r.Ask(t.Context(), l.revoked, l.clock())
				if a.Unavailable == nil || a.Status != revocation.Unknown || !strings.Contains(a.Unavailable.Error(), key) || !strings.Contains(a.Unavailable.Error(), c.words) {
					t.Errorf("%s, budget %d: %s, %v", name, budget, state(a), a.Unavailable)
				}
				lines := strings.Join(told.take(), "\n")
				if n := strings.Count(lines, "metric: hash failed: "+key); n > 1 || (n == 1) != c.corrupt {
					t.Errorf("%s, budget %d: told\n%s", name, budget, lines)
				}
				if whole := budget > 1; whole && c.corrupt != strings.Contains(lines, `level=ERROR msg="set fails its hash"`) || whole && !c.corrupt && !strings.Contains(lines, `level=ERROR msg="set not loaded"`) {
					t.Errorf("%s: logged\n%s", name, lines)
				}
				if c.set == nil && c.catalog == nil && strings.Contains(lines, "range read") {
					t.Errorf("%s: told\n%s", name, lines)
				}
				if strings.Contains(lines, "set loaded") {
					t.Errorf("%s: loaded all the same:\n%s", name, lines)
				}
			})
		}
	}
}

// The same goes for a part of the catalog.
func TestPartAndCatalogDisagree(t *testing.T) {
	p := newPartitions(t, 34)
	cert := p.client(7, 1)
	for name, c := range map[string]struct {
		part    func([]byte) []byte
		words   string
		corrupt int
	}{
		"its octets": {func(b []byte) []byte { return append(b, ' ') }, "fails its hash", 1},
		"no part":    {nil, "no such object", 0},
	} {
		var saved map[string][]byte
		for _, key := range p.cache.Keys() {
			if !strings.HasPrefix(key, "catalog/") {
				continue
			}
			if saved == nil {
				saved = map[string][]byte{}
			}
			saved[key], _, _ = p.cache.Load(key)
			if c.part == nil {
				p.cache.Remove(key)
			} else {
				p.cache.Corrupt(key, c.part)
			}
		}
		synctest.Test(t, func(t *testing.T) {
			var told told
			r := revocation.New(p.cache, revocation.Config{RevalidateAfter: time.Second, MaxUnvalidated: time.Minute, MemoryBudget: 1 << 20}, p.now, told.log(), &told)
			a := r.Ask(t.Context(), cert, p.now())
			if a.Unavailable == nil || a.Status != revocation.Unknown || !strings.Contains(a.Unavailable.Error(), "catalog/") || !strings.Contains(a.Unavailable.Error(), c.words) {
				t.Errorf("%s: %s, %v", name, state(a), a.Unavailable)
			}
			lines := strings.Join(told.take(), "\n")
			if strings.Count(lines, "metric: hash failed: catalog/") != c.corrupt || !strings.Contains(lines, `level=ERROR msg="part of the catalog not loaded"`) {
				t.Errorf("%s: told\n%s", name, lines)
			}
		})
		for key, data := range saved {
			p.cache.Store(key, data)
		}
	}
	synctest.Test(t, func(t *testing.T) {
		var told told
		r := revocation.New(p.cache, revocation.Config{RevalidateAfter: time.Second, MaxUnvalidated: time.Minute, MemoryBudget: 1 << 20}, p.now, told.log(), &told)
		if a := r.Ask(t.Context(), cert, p.now()); state(a) != "good" {
			t.Errorf("%s", state(a))
		}
		if lines := strings.Join(told.take(), "\n"); strings.Contains(lines, "ERROR") || strings.Contains(lines, "hash failed") {
			t.Errorf("told\n%s", lines)
		}
	})
}
