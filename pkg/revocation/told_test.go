package revocation_test

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/crlgate/crlgate/internal/pki"
	"github.com/crlgate/crlgate/pkg/catalog"
	"github.com/crlgate/crlgate/pkg/objectstore"
	"github.com/crlgate/crlgate/pkg/objectstore/objectstoretest"
	"github.com/crlgate/crlgate/pkg/revocation"
)

// told is what a reader tells: its metrics, and level, message and error of what it
// logs.
type told struct {
	mu    sync.Mutex
	lines []string
}

func (r *told) tell(format string, args ...any) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.lines = append(r.lines, fmt.Sprintf(format, args...))
}

func (r *told) Refreshed(took time.Duration, err error) {
	if err != nil {
		r.tell("refreshed in %v: failed", took)
		return
	}
	r.tell("refreshed in %v", took)
}
func (r *told) SetLoaded(n int64)         { r.tell("metric: set loaded: %d", n) }
func (r *told) RangeRead(n int64)         { r.tell("metric: range read: %d", n) }
func (r *told) HashFailed(key string)     { r.tell("metric: hash failed: %s", key) }
func (r *told) CatalogRefused(why string) { r.tell("metric: refused: %s", why) }

// Write takes a line of the log.
func (r *told) Write(line []byte) (int, error) {
	r.tell("log: %s", strings.TrimSpace(string(line)))
	return len(line), nil
}

// take returns what was told since the last call, in the order of its words.
func (r *told) take() []string {
	synctest.Wait()
	r.mu.Lock()
	defer r.mu.Unlock()
	lines := slices.Sorted(slices.Values(r.lines))
	r.lines = nil
	return lines
}

func (r *told) log() *slog.Logger {
	return slog.New(slog.NewTextHandler(r, &slog.HandlerOptions{ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr {
		if a.Key == slog.LevelKey || a.Key == slog.MessageKey || a.Key == "err" {
			return a
		}
		return slog.Attr{}
	}}))
}

// reader reads store with the default settings.
func (r *told) reader(l *live, store revocation.Store) *revocation.Cache {
	c := revocation.Config{RevalidateAfter: revocation.DefaultRevalidateAfter, MaxUnvalidated: revocation.DefaultMaxUnvalidated, MemoryBudget: 64 << 20}
	return revocation.New(store, c, l.clock, r.log(), r)
}

// want holds what was told to its beginnings, and what each must contain after a "…".
func (r *told) want(t *testing.T, what string, want ...string) {
	t.Helper()
	got := r.take()
	fits := len(got) == len(want)
	for i := 0; fits && i < len(got); i++ {
		begin, within, _ := strings.Cut(want[i], "…")
		fits = strings.HasPrefix(got[i], begin) && strings.Contains(got[i], within)
	}
	if !fits {
		t.Errorf("%s: told\n\t%q\nwant\n\t%q", what, got, want)
	}
}

// Every refresh is measured. The log has a line for each catalog that comes into
// force and each refresh that fails, and none for one that brings nothing.
func TestWhatARefreshTells(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLive(t)
		bucket := objectstoretest.NewBucket(objectstoretest.UniqueETags())
		take := func() { // what the write path has written, under other ETags
			for _, key := range l.cache.Keys() {
				data, _, _ := l.cache.Load(key)
				bucket.Store(key, data)
			}
		}
		older, _, _ := l.cache.Load(catalog.Key)
		take()
		var told told
		c := told.reader(l, bucket)
		notModified := func() bool {
			calls := bucket.Calls()
			last := calls[len(calls)-1]
			return last.Key == catalog.Key && errors.Is(last.Err, objectstore.ErrNotModified)
		}
		for _, step := range []struct {
			what      string
			do        func()
			unchanged bool
			want      []string
		}{
			{"the first", func() {}, false, []string{`log: level=INFO msg="catalog in force"`, `log: level=INFO msg="set loaded"`, "metric: set loaded", "refreshed in 0s"}},
			{"unchanged", func() {}, true, []string{"refreshed in 0s"}},
			{"written again", take, false, []string{"refreshed in 0s"}},
			{"unchanged since", func() {}, true, []string{"refreshed in 0s"}},
			{"another", func() {
				l.list(2, listed(pki.KeyCompromise, 666, 5)...)
				take()
			}, false, []string{`log: level=INFO msg="catalog in force"`, `log: level=INFO msg="set loaded"`, "metric: set loaded", "refreshed in 0s"}},
			{"S3 fails", func() {
				bucket.Before(func(objectstore.Op, string) error { return objectstoretest.Answer(503, "SlowDown") })
			}, false, []string{`log: level=ERROR msg="catalog not revalidated"…SlowDown`, "refreshed in 0s: failed"}},
			{"an old one", func() {
				bucket.Before(nil)
				bucket.Store(catalog.Key, older)
			}, false, []string{`log: level=ERROR msg="catalog not revalidated"…is in force: an old catalog was put back`, "metric: refused: generation", "refreshed in 0s: failed"}},
			{"none", func() { bucket.Store(catalog.Key, []byte("<html>")) }, false, []string{`log: level=ERROR msg="catalog not revalidated" err="` + catalog.Key + `: …`, "metric: refused: malformed", "refreshed in 0s: failed"}},
			{"another format", func() { bucket.Store(catalog.Key, []byte(`{"format":99}`)) }, false, []string{`log: level=ERROR msg="catalog not revalidated"…`, "metric: refused: format", "refreshed in 0s: failed"}},
			{"a CA's certificate that is none", func() {
				junk := []byte{0, 0, 0}
				bucket.Store(catalog.Key, fmt.Appendf(nil, `{"format":1,"generation":9000000000,"cas":{"live":{"certificates":[{"der":"AAAA","fingerprint":"%x"}]}}}`, sha256.Sum256(junk)))
			}, false, []string{`log: level=ERROR msg="catalog not revalidated" err="` + catalog.Key + `: CA live…`, "metric: refused: malformed", "refreshed in 0s: failed"}},
			{"slow", func() {
				take()
				bucket.Delay(objectstore.OpGet, 300*time.Millisecond)
			}, false, []string{"refreshed in 300ms"}},
		} {
			step.do()
			l.later(revocation.DefaultRevalidateAfter)
			if a, _ := l.timed(c); state(a) != "good" {
				t.Errorf("%s: %s", step.what, state(a))
			}
			told.want(t, step.what, step.want...)
			if step.unchanged && !notModified() {
				t.Errorf("%s: the catalog was read again", step.what)
			}
		}
	})
}

// What panics in the metrics is logged, and is no failure of what they measure.
func TestPanicsInMetricsAreLogged(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLive(t)
		var told told
		c := revocation.New(l.cache, revocation.Config{RevalidateAfter: time.Second, MaxUnvalidated: time.Minute, MemoryBudget: 1 << 20}, l.clock, told.log(), brokenMetrics{})
		l.expect(c, "good", "revoked")
		told.want(t, "cold", `log: level=ERROR msg="metrics not recorded" err="panic: metrics…panic_test.go`, `log: level=ERROR msg="set not reported" err="panic: metrics…panic_test.go`, `log: level=INFO msg="catalog in force"`)
	})
}

// inForce notes the generation in force when a refresh is told.
type inForce struct {
	told
	cache      *revocation.Cache
	generation []uint64
}

func (f *inForce) Refreshed(time.Duration, error) {
	if c := f.cache.Catalog(); c != nil {
		f.generation = append(f.generation, c.Generation)
	}
}

// Catalog is nil till there is one, and what a refresh brought once that is told.
func TestCatalogInForce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l, f := newLive(t), &inForce{}
		saved, _, _ := l.cache.Load(catalog.Key)
		l.cache.Remove(catalog.Key)
		f.cache = revocation.New(l.cache, revocation.Config{MaxUnvalidated: time.Minute, MemoryBudget: 1 << 20}, l.clock, slog.New(slog.DiscardHandler), f)
		if f.cache.Catalog() != nil {
			t.Error("a catalog before the first")
		}
		l.timed(f.cache)
		l.cache.Store(catalog.Key, saved)
		l.timed(f.cache)
		want, err := catalog.Parse(saved)
		if err != nil || !slices.Equal(f.generation, []uint64{want.Generation}) || f.cache.Catalog().Generation != want.Generation {
			t.Errorf("generations %d in force, want %d, %v", f.generation, want.Generation, err)
		}
	})
}

// readFunc is a bucket that is read by a function.
type readFunc func(ctx context.Context, key string, maxBytes int64, opts objectstore.GetOptions) ([]byte, objectstore.Object, error)

func (f readFunc) ReadAll(ctx context.Context, key string, maxBytes int64, opts objectstore.GetOptions) ([]byte, objectstore.Object, error) {
	return f(ctx, key, maxBytes, opts)
}

// A store that says "not modified" of what was never read is one that fails.
func TestNotModifiedWithoutACatalog(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLive(t)
		var told told
		c := told.reader(l, readFunc(func(context.Context, string, int64, objectstore.GetOptions) ([]byte, objectstore.Object, error) {
			return nil, objectstore.Object{}, objectstore.ErrNotModified
		}))
		if a, _ := l.timed(c); !errors.Is(a.Unavailable, revocation.ErrNoCatalog) {
			t.Errorf("%s: %v", state(a), a.Unavailable)
		}
		told.want(t, "cold", `log: level=ERROR msg="catalog not revalidated" err="not modified"`, "refreshed in 0s: failed")
	})
}

// No more is read of an object than it may have.
func TestReadsAreBounded(t *testing.T) {
	p := newPartitions(t, 34)
	var mu sync.Mutex
	most := map[string]int64{}
	store := readFunc(func(ctx context.Context, key string, maxBytes int64, opts objectstore.GetOptions) ([]byte, objectstore.Object, error) {
		mu.Lock()
		defer mu.Unlock()
		most[strings.SplitAfter(key, "/")[0]] = maxBytes
		return p.cache.ReadAll(ctx, key, maxBytes, opts)
	})
	c := revocation.New(store, revocation.Config{RevalidateAfter: time.Second, MaxUnvalidated: time.Minute, MemoryBudget: 1 << 20}, p.now, slog.New(slog.DiscardHandler), nil)
	p.ask(c, p.client(7, 1), revocation.Good)
	if len(most) != 3 || most[catalog.Key] != catalog.MaxSize || most["catalog/"] != catalog.MaxPart || most[catalog.SetPrefix] > 1<<10 {
		t.Errorf("read at most %v", most)
	}
}
