package fetch

import (
	"context"
	"crypto/x509/pkix"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/crlgate/crlgate/internal/pki"
	"github.com/crlgate/crlgate/internal/pki/pkitest"
	"github.com/crlgate/crlgate/pkg/issuer"
	"github.com/crlgate/crlgate/pkg/objectstore"
	"github.com/crlgate/crlgate/pkg/objectstore/objectstoretest"
)

// TestOneBadURLHoldsUpNobody: with room for one look at a time.
func TestOneBadURLHoldsUpNobody(t *testing.T) {
	w := newWorld(t)
	p := &publisher{}
	p.set(makeCRL(t, 1), `"1"`)
	url, _ := serve(t, p.ServeHTTP)
	w.ca("a", testCA(), "http://127.0.0.1:1/", url+"/1", "http://169.254.169.254/", url+"/2")
	s := w.run(Want{})
	var codes []string
	for _, r := range s.Looks {
		codes = append(codes, string(r.State.Code))
	}
	slices.Sort(codes)
	if want := []string{"address_refused", "connect_failed", "fetched", "fetched"}; !slices.Equal(codes, want) {
		t.Errorf("got %v, want %v", codes, want)
	}
	// The next time, those that work come first.
	w.fetcher.config.Parallel = 1
	again := w.run(Want{All: true})
	if again.Looks[0].State.Outcome == OutcomeFailed || again.Looks[1].State.Outcome == OutcomeFailed {
		t.Error("those that fail came first")
	}
}

// TestLeftToTheNextRun: where time is short, no look begins.
func TestLeftToTheNextRun(t *testing.T) {
	w := newWorld(t)
	url, requests := serve(t, always(makeCRL(t, 1)))
	w.ca("a", testCA(), url+"/1", url+"/2")
	ctx, cancel := context.WithTimeout(t.Context(), lastWords+leastLook-time.Second)
	defer cancel()
	s, err := w.fetcher.Run(ctx, w.now, Want{})
	if err != nil || s.Left != 2 || len(s.Looks) != 0 || requests.Load() != 0 {
		t.Errorf("%+v, %v", s, err)
	}
	if s := w.run(Want{}); len(s.Looks) != 2 {
		t.Errorf("%+v", s)
	}
}

func TestWants(t *testing.T) {
	w := newWorld(t)
	url, _ := serve(t, always(makeCRL(t, 1)))
	w.ca("a", testCA(), url+"/1", url+"/2")
	w.ca("b", pkitest.CA(t, pki.CAOptions{Name: pkix.Name{CommonName: "B"}}), url+"/1")
	for _, c := range []struct {
		want Want
		n    int
	}{{Want{All: true}, 3}, {Want{All: true, CA: "a"}, 2}, {Want{All: true, URL: url + "/1"}, 2}, {Want{All: true, CA: "b", URL: url + "/1"}, 1}} {
		if s := w.run(c.want); len(s.Looks) != c.n || s.Sources != 3 {
			t.Errorf("%+v: %d looks of %d", c.want, len(s.Looks), s.Sources)
		}
	}
	for _, want := range []Want{{All: true, CA: "c"}, {All: true, URL: "http://x/"}, {All: true, CA: "b", URL: url + "/2"}} {
		if _, err := w.fetcher.Run(t.Context(), w.now, want); !errors.Is(err, ErrNothingWanted) || !strings.Contains(err.Error(), url+"/1 for a") {
			t.Errorf("%+v: %v", want, err)
		}
	}
}

// TestNoLongerConfigured: the state goes, and what was fetched stays.
func TestNoLongerConfigured(t *testing.T) {
	w := newWorld(t)
	url, _ := serve(t, always(makeCRL(t, 1)))
	w.ca("a", testCA(), url)
	s := w.one(Want{})
	w.catalog.SetSettings("a", issuer.Settings{}, nil)
	w.publish()
	if sum := w.run(Want{}); sum.Sources != 0 {
		t.Errorf("%+v", sum)
	}
	if want := []string{s.Key}; !slices.Equal(w.uploads.Keys(), want) {
		t.Errorf("there are %v, want %v", w.uploads.Keys(), want)
	}
	// A new process finds what an old one left, too.
	w.uploads.Store("fetch/a/old.json", []byte("{}"))
	w.fetcher.memory = &memory{}
	w.run(Want{})
	if len(w.uploads.Keys()) != 1 {
		t.Errorf("there are %v", w.uploads.Keys())
	}
}

func TestNothingAcceptedYet(t *testing.T) {
	w := newWorld(t)
	if s := w.run(Want{}); s.Sources != 0 {
		t.Errorf("%+v", s)
	}
	w.publish()
	w.run(Want{})
	calls := len(w.uploads.Calls())
	w.run(Want{})
	if len(w.uploads.Calls()) != calls {
		t.Error("the upload bucket is asked though there is nothing to do")
	}
}

// TestTheBucketFails: the URL is not to blame, and the CRL is fetched again.
func TestTheBucketFails(t *testing.T) {
	w := newWorld(t)
	url, _ := serve(t, always(makeCRL(t, 1)))
	w.ca("a", testCA(), url)
	w.uploads.Before(func(op objectstore.Op, key string) error {
		if op == objectstore.OpPut && strings.HasPrefix(key, DefaultCRLPrefix) {
			return objectstoretest.Answer(http.StatusForbidden, "AccessDenied")
		}
		return nil
	})
	w.is(w.one(Want{}), OutcomeFailed, UploadFailed)
	// Persisted, but reported failed: the next look finds it there.
	w.uploads.Before(nil)
	w.uploads.After(func(op objectstore.Op, key string) error {
		if op == objectstore.OpPut && strings.HasPrefix(key, DefaultCRLPrefix) {
			return objectstoretest.Answer(http.StatusServiceUnavailable, "SlowDown")
		}
		return nil
	})
	w.is(w.one(Want{All: true}), OutcomeFailed, UploadFailed)
	w.uploads.After(nil)
	w.is(w.one(Want{All: true}), OutcomeUnchanged, SameBytes)
	w.uploads.Before(func(op objectstore.Op, key string) error {
		if op == objectstore.OpPut && strings.HasPrefix(key, DefaultStatePrefix) {
			return objectstoretest.Answer(http.StatusForbidden, "AccessDenied")
		}
		return nil
	})
	if _, err := w.fetcher.Run(t.Context(), w.now, Want{All: true}); !errors.Is(err, objectstore.ErrForbidden) {
		t.Errorf("a state that cannot be written: %v", err)
	}
	w.uploads.Before(nil)
	w.cache.Before(func(objectstore.Op, string) error {
		return objectstoretest.Answer(http.StatusForbidden, "AccessDenied")
	})
	if _, err := w.fetcher.Run(t.Context(), w.now, Want{}); !errors.Is(err, objectstore.ErrForbidden) {
		t.Errorf("a catalog that cannot be read: %v", err)
	}
}

// TestTwoFetchers at once do each other no harm.
func TestTwoFetchers(t *testing.T) {
	w := newWorld(t)
	url, _ := serve(t, always(makeCRL(t, 1)))
	var urls []string
	for i := range 8 {
		urls = append(urls, fmt.Sprintf("%s/%d", url, i))
	}
	w.ca("a", testCA(), urls...)
	other := New(w.uploads, w.cache, w.fetcher.config, slog.New(slog.DiscardHandler), nil)
	var wg sync.WaitGroup
	for _, f := range []*Fetcher{w.fetcher, other} {
		wg.Go(func() {
			if _, err := f.Run(t.Context(), w.now, Want{All: true}); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	crls := 0
	for _, key := range w.uploads.Keys() {
		if body, _, _ := w.uploads.Load(key); strings.HasSuffix(key, ".crl") && len(body) > 100 {
			crls++
		}
	}
	if crls != 8 {
		t.Errorf("%d CRLs are there", crls)
	}
	for _, r := range w.run(Want{All: true}).Looks {
		w.is(r.State, OutcomeUnchanged, SameBytes)
	}
	if states, err := ReadStates(t.Context(), w.uploads, DefaultStatePrefix); err != nil || len(states) != 8 {
		t.Errorf("%d states, %v", len(states), err)
	}
}

// TestASlowURLHoldsUpNobody: while one look is under way, what is due is looked at.
func TestASlowURLHoldsUpNobody(t *testing.T) {
	w := newWorld(t)
	w.fetcher.config.MinInterval, w.fetcher.config.MaxInterval = time.Second, time.Second
	p := &publisher{}
	p.set(makeCRL(t, 1), `"1"`)
	var slow atomic.Bool
	again := make(chan struct{})
	url, _ := serve(t, func(rw http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/slow" {
			p.ServeHTTP(rw, r)
			p.mu.Lock()
			defer p.mu.Unlock()
			if len(p.asked) == 3 {
				close(again)
			}
			return
		}
		slow.Store(true)
		select {
		case <-again: // it answers once the other was asked three times
		case <-r.Context().Done():
		}
	})
	w.fetcher.client.config.IdleTimeout = time.Minute
	w.ca("a", testCA(), url+"/slow", url+"/quick")
	s := w.run(Want{})
	if len(s.Looks) < 4 || !slow.Load() || len(p.asked) < 3 {
		t.Errorf("%d looks, of which %d at the quick one", len(s.Looks), len(p.asked))
	}
}
