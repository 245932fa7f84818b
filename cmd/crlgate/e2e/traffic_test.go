package e2e

import (
	"context"
	"net/http"
	"net/http/httptrace"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/crlgate/crlgate/cmd/crlgate/internal/gateway"
	"github.com/crlgate/crlgate/cmd/crlgate/internal/s3proc"
	"github.com/crlgate/crlgate/cmd/crlgate/internal/stack"
	"github.com/crlgate/crlgate/pkg/catalog"
)

// catalogGET matches the authorizer's GETs of the catalog.
var catalogGET = s3proc.Object(http.MethodGet, stack.CacheBucket, catalog.Key)

// TestOneCatalogGETOnAColdStart has 200 requests wait for the first catalog of
// one authorizer process, all at once. They share one GET of it, and one of the
// set.
func TestOneCatalogGETOnAColdStart(t *testing.T) {
	t.Parallel()
	const requests = 200
	w := start(t, stack.Config{
		ProxyCache: true, AuthorizerConcurrency: requests, MaxAuthorizers: 1,
		Authorizer: map[string]string{"REVALIDATE_AFTER": "1h", "MAX_UNVALIDATED": "2h"},
	})
	alpha := newCA(t, "alpha")
	good, revoked := alpha.issue("good"), alpha.issue("revoked")
	alpha.revoke(revoked)
	w.trust(alpha)
	w.publish(alpha)
	release := make(chan struct{})
	w.Proxy.Inject(catalogGET, s3proc.HoldUntil(release))

	var sent atomic.Int32
	ctx := httptrace.WithClientTrace(t.Context(), &httptrace.ClientTrace{WroteRequest: func(httptrace.WroteRequestInfo) { sent.Add(1) }})
	answers := make([]answer, requests)
	clients := []*http.Client{w.client(good), w.client(revoked)}
	var wg sync.WaitGroup
	for i := range requests {
		wg.Go(func() { answers[i] = w.doContext(ctx, clients[i%2], w.URL(gateway.REST)+"/") })
	}
	eventually(t, "all requests to be sent, and the catalog to be asked for", func() bool {
		return sent.Load() == requests && len(w.Proxy.Matching(catalogGET)) > 0
	})
	eventually(t, "all requests to be at the authorizer", func() bool {
		envs := w.Authorizer.Environments()
		return len(envs) == 1 && envs[0].InFlight == requests
	})
	close(release)
	wg.Wait()
	for i, a := range answers {
		if want := i%2 == 0; want && !a.is(http.StatusOK, "good") || !want && !a.is(http.StatusForbidden, "revoked") {
			t.Errorf("request %d: %v", i, a)
		}
	}
	if gets := w.Proxy.Matching(catalogGET); len(gets) != 1 {
		t.Errorf("%d GETs of the catalog, want 1: %+v", len(gets), gets)
	}
	sets := w.Proxy.Matching(s3proc.Prefix(http.MethodGet, stack.CacheBucket, catalog.SetPrefix))
	if len(sets) != 1 {
		t.Errorf("%d GETs of sets, want 1: %+v", len(sets), sets)
	}
	onlyPID(t, w.pids())
}

// TestNoRequestWaitsForS3 has a refresh hang at S3 while requests come: they are
// answered from what is warm, before S3 answers.
func TestNoRequestWaitsForS3(t *testing.T) {
	t.Parallel()
	const after = 20 * time.Second
	w := startWarm(t, stack.Config{ProxyCache: true, Authorizer: map[string]string{"REVALIDATE_AFTER": after.String()}})
	warmAt := time.Now()
	release := make(chan struct{})
	defer close(release)
	w.Proxy.Forget()
	w.Proxy.Inject(catalogGET, s3proc.HoldUntil(release))
	client := w.client(w.good)
	underWay := func() bool {
		gets := w.Proxy.Matching(catalogGET)
		return len(gets) > 0 && !slices.ContainsFunc(gets, func(r s3proc.Request) bool { return r.Status != 0 })
	}
	answered := 0
	for answered < 300 && time.Since(warmAt) < patience {
		began := underWay()
		a := w.do(client, w.URL(gateway.REST)+"/")
		if !a.is(http.StatusOK, "good") {
			t.Fatalf("%v, want 200 good", a)
		}
		if began && underWay() && time.Since(warmAt) < after {
			answered++
		}
		if !began {
			time.Sleep(10 * time.Millisecond)
		}
		if time.Since(warmAt) > after {
			break
		}
	}
	if answered < 300 {
		t.Errorf("%d requests answered from their arrival to their answer while S3 was being asked, want 300", answered)
	}
}

// TestSteadyTrafficOverASlowS3 keeps requests coming while every answer about
// the catalog takes most of REVALIDATE_AFTER's second half.
func TestSteadyTrafficOverASlowS3(t *testing.T) {
	t.Parallel()
	const slow = 700 * time.Millisecond
	w := startWarm(t, stack.Config{ProxyCache: true, Authorizer: map[string]string{"REVALIDATE_AFTER": "2s"}})
	w.Proxy.Inject(catalogGET, s3proc.Delay(slow))
	w.get(w.good)
	w.Proxy.Forget()
	var mu sync.Mutex
	var took []time.Duration
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	var wg sync.WaitGroup
	for range 4 {
		client := w.client(w.good)
		wg.Go(func() {
			for ctx.Err() == nil {
				a := w.do(client, w.URL(gateway.REST)+"/")
				if !a.is(http.StatusOK, "good") {
					t.Errorf("%v, want 200 good", a)
					return
				}
				mu.Lock()
				took = append(took, a.record.AuthorizerLatency)
				mu.Unlock()
				time.Sleep(5 * time.Millisecond)
			}
		})
	}
	wg.Wait()
	refreshes := len(w.Proxy.Matching(catalogGET))
	slices.Sort(took)
	waited := len(took) - slices.IndexFunc(append(slices.Clone(took), slow), func(d time.Duration) bool { return d >= slow/2 })
	t.Logf("%d requests over %d refreshes: median %v, 99th percentile %v, longest %v; %d took half of S3's %v or longer", len(took), refreshes,
		took[len(took)/2], took[len(took)*99/100], took[len(took)-1], waited, slow)
	if refreshes < 3 {
		t.Errorf("%d refreshes in 10s with REVALIDATE_AFTER=2s", refreshes)
	}
	// Were requests to wait for refreshes, each refresh would hold up four. A
	// busy machine may hold up one or the other for reasons of its own.
	if waited >= refreshes {
		t.Errorf("%d requests waited over %d refreshes", waited, refreshes)
	}
}

// TestEveryRequestAsksWithRevalidateAfterZero holds that nothing is answered
// from memory alone with REVALIDATE_AFTER=0, and that requests under way
// together share refreshes.
func TestEveryRequestAsksWithRevalidateAfterZero(t *testing.T) {
	t.Parallel()
	w := startWarm(t, stack.Config{ProxyCache: true})
	w.Proxy.Forget()
	for range 5 {
		w.expect(w.good, http.StatusOK, "good")
	}
	gets := w.Proxy.Matching(catalogGET)
	if len(gets) != 5 {
		t.Errorf("%d GETs of the catalog for 5 requests one after another, want 5", len(gets))
	}
	for _, g := range gets {
		if g.IfNoneMatch == "" || g.Status != http.StatusNotModified {
			t.Errorf("a GET of an unchanged catalog was not conditional: %+v", g)
		}
	}
}
