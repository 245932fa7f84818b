package e2e

import (
	"context"
	"net/http"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/crlgate/crlgate/cmd/crlgate/internal/gateway"
	"github.com/crlgate/crlgate/cmd/crlgate/internal/s3proc"
	"github.com/crlgate/crlgate/cmd/crlgate/internal/stack"
	"github.com/crlgate/crlgate/internal/pki"
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
	clients := make([]*http.Client, requests)
	for i := range clients {
		clients[i] = w.client(map[bool]*pki.Leaf{true: good, false: revoked}[i%2 == 0])
		w.connect(clients[i])
	}
	// The authorizer gives a GET two seconds before it tries again.
	release := make(chan struct{})
	w.Proxy.Inject(catalogGET, s3proc.HoldUntil(release))
	answers := make([]answer, requests)
	var wg sync.WaitGroup
	for i, client := range clients {
		wg.Go(func() { answers[i] = w.do(client, w.URL(gateway.REST)+"/") })
	}
	together := 0
	for began := time.Now(); together < requests && time.Since(began) < time.Second; time.Sleep(time.Millisecond) {
		for _, e := range w.Authorizer.Environments() {
			together = max(together, e.InFlight)
		}
	}
	close(release)
	wg.Wait()
	t.Logf("%d of %d requests were at the authorizer together", together, requests)
	if together < requests/4 {
		t.Errorf("no more than %d requests were at the authorizer together: this shows nothing", together)
	}
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
	const after, enough = 20 * time.Second, 50
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
	for answered < enough && time.Since(warmAt) < patience {
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
	if answered < enough {
		t.Errorf("%d requests answered from their arrival to their answer while S3 was being asked, want %d", answered, enough)
	}
}

// TestSteadyTrafficOverASlowS3 keeps requests coming while every answer about
// the catalog takes most of REVALIDATE_AFTER's second half, in which refreshes
// run in the background. (An S3 that takes longer than that is waited for.)
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
