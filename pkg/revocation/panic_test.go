package revocation_test

import (
	"bytes"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/crlgate/crlgate/pkg/catalog"
	"github.com/crlgate/crlgate/pkg/objectstore"
	"github.com/crlgate/crlgate/pkg/revocation"
)

// brokenMetrics panics on every call.
type brokenMetrics struct{}

func (brokenMetrics) Refreshed(time.Duration, error) { panic("metrics") }
func (brokenMetrics) SetLoaded(int64)                { panic("metrics") }
func (brokenMetrics) RangeRead(int64)                { panic("metrics") }
func (brokenMetrics) HashFailed(string)              { panic("metrics") }
func (brokenMetrics) CatalogRefused(string)          { panic("metrics") }

// What panics on a goroutine of the cache's own ends neither the process nor
// what waits for it, and never makes a certificate good.
func TestPanicsInTheBackground(t *testing.T) {
	for name, prefix := range map[string]string{"reading the catalog": catalog.Key, "reading a set": catalog.SetPrefix} {
		synctest.Test(t, func(t *testing.T) {
			l := newLive(t)
			var log bytes.Buffer
			c := revocation.New(l.cache, revocation.Config{RevalidateAfter: time.Second, MaxUnvalidated: time.Minute, MemoryBudget: 1 << 20}, l.clock, slog.New(slog.NewTextHandler(&log, nil)), l)
			l.cache.Before(func(op objectstore.Op, key string) error {
				if strings.HasPrefix(key, prefix) {
					panic("no luck with " + key)
				}
				return nil
			})
			for range 3 {
				a := c.Ask(t.Context(), l.good, l.clock())
				if a.Unavailable == nil || a.Status != revocation.Unknown || prefix == catalog.Key && !errors.Is(a.Unavailable, revocation.ErrNoCatalog) {
					t.Errorf("%s: %+v", name, a)
				}
				time.Sleep(2 * time.Second)
			}
			synctest.Wait() // what runs in the background has written its lines
			if !strings.Contains(log.String(), "no luck with") || !strings.Contains(log.String(), "panic_test.go") {
				t.Errorf("%s: the log has neither the panic nor its stack: %.300s", name, &log)
			}
			l.up()
			l.expect(c, "good", "revoked")
		})
	}
}

func TestPanicsInMetrics(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLive(t)
		c := revocation.New(l.cache, revocation.Config{RevalidateAfter: time.Second, MaxUnvalidated: time.Minute, MemoryBudget: 1 << 20}, l.clock, slog.New(slog.DiscardHandler), brokenMetrics{})
		l.expect(c, "good", "revoked")
		saved, _, _ := l.cache.Load(catalog.Key)
		l.cache.Store(catalog.Key, []byte("<html>"))
		time.Sleep(10 * time.Second)
		l.expect(c, "good", "revoked")
		l.cache.Store(catalog.Key, saved)
		time.Sleep(10 * time.Second)
		l.expect(c, "good", "revoked")
		synctest.Wait()
	})
}

func TestStatusWords(t *testing.T) {
	for status, want := range map[revocation.Status]string{revocation.Unknown: "unknown", revocation.Good: "good", revocation.Revoked: "revoked", 77: "unknown"} {
		if status.String() != want {
			t.Errorf("%d reads %s", status, status)
		}
	}
}
