package gateway_test

import (
	"context"
	"crypto/x509/pkix"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/crlgate/crlgate/cmd/crlgate/internal/gateway"
	"github.com/crlgate/crlgate/internal/pki"
	"github.com/crlgate/crlgate/internal/pki/pkitest"
)

// judging allows the world's client and denies everyone else, by certificate.
func judging(w *world) *authorizer {
	return &authorizer{answer: func(_ context.Context, event []byte) ([]byte, string, error) {
		if strings.Contains(string(event), "CN=client one") {
			return []byte(policy("Allow", "*")), "", nil
		}
		return []byte(policy("Deny", "*")), "", nil
	}}
}

// bearing sends a request with an Authorization header, or without for "".
func bearing(t *testing.T, c *http.Client, url, token string) int {
	t.Helper()
	request, err := http.NewRequest(http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	if token != "" {
		request.Header.Set("Authorization", token)
	}
	response, _ := do(t, c, request)
	return response.StatusCode
}

// Why the TTL must be 0: with any other, a revoked client that sends the same header
// as a good one is let in on the good one's answer.
func TestCachedAllowServesAnotherCertificate(t *testing.T) {
	for form, source := range map[gateway.Form]string{
		gateway.REST:  "method.request.header.Authorization",
		gateway.HTTP1: "$request.header.Authorization",
		gateway.HTTP2: "$request.header.Authorization",
	} {
		t.Run(form.String(), func(t *testing.T) {
			w := newWorld(t)
			revoked := pkitest.Leaf(t, w.ca, pki.LeafOptions{Subject: pkix.Name{CommonName: "revoked"}})
			for ttl, want := range map[time.Duration]int{0: http.StatusForbidden, 5 * time.Minute: http.StatusOK} {
				a := judging(w)
				cfg := w.config(form, a)
				cfg.AuthorizerTTL, cfg.IdentitySources = ttl, []string{source}
				f := w.start(t, cfg)
				good, bad := f.client(t), client(t, w.tlsConfig(revoked), true)
				equal(t, "the good client", bearing(t, good, f.url("/"), "same"), http.StatusOK)
				equal(t, "the revoked client with TTL "+ttl.String(), bearing(t, bad, f.url("/"), "same"), want)
				equal(t, "it, with a header of its own", bearing(t, bad, f.url("/"), "other"), http.StatusForbidden)
				f.record(t)
				equal(t, "the second was answered from the cache", f.record(t).Cached, ttl > 0)
			}
		})
	}
}

// An answer is kept for the TTL and no longer; the policy kept is evaluated for each
// request; failures are not kept.
func TestCache(t *testing.T) {
	w := newWorld(t)
	var clock atomic.Int64
	clock.Store(at.UnixNano())
	fail := true
	a := &authorizer{}
	a.answer = func(context.Context, []byte) ([]byte, string, error) {
		if fail {
			return nil, "Unauthorized", nil
		}
		return []byte(policy("Allow", "arn:aws:execute-api:eu-west-1:111122223333:abcdef123/prod/GET/mine")), "", nil
	}
	cfg := w.config(gateway.REST, a)
	cfg.Now = func() time.Time { return time.Unix(0, clock.Load()) }
	cfg.AuthorizerTTL = time.Minute
	cfg.IdentitySources = []string{"method.request.header.Authorization"}
	f := w.start(t, cfg)
	c := f.client(t)
	step := func(what, path string, status, calls int) {
		t.Helper()
		equal(t, "status "+what, bearing(t, c, f.url(path), "token"), status)
		equal(t, "invocations "+what, a.calls(), calls)
	}
	step("of a failure", "/mine", 401, 1)
	step("of it again", "/mine", 401, 2)
	fail = false
	step("of an allow", "/mine", 200, 3)
	step("of it again", "/mine", 200, 3)
	step("of another path under the same policy", "/other", 403, 3)
	clock.Add(int64(time.Minute) - 1)
	step("just before the TTL's end", "/mine", 200, 3)
	clock.Add(1)
	step("at the TTL's end", "/mine", 200, 4)
	clock.Add(-int64(time.Hour))
	step("when the clock went back", "/mine", 200, 5)
}

// A request that lacks an identity source is answered 401 without a call.
func TestIdentitySources(t *testing.T) {
	for _, c := range []struct {
		form    gateway.Form
		sources []string
	}{
		{gateway.REST, []string{"method.request.header.Authorization", "method.request.querystring.q", "stageVariables.tier", "context.identity.sourceIp"}},
		{gateway.HTTP1, []string{"$request.header.Authorization", "$request.querystring.q", "$stageVariables.tier", "$context.routeKey"}},
		{gateway.HTTP2, []string{"$request.header.Authorization", "$request.querystring.q", "$context.stage", "$context.httpMethod"}},
	} {
		w := newWorld(t)
		a := always(policy("Allow", "*"))
		cfg := w.config(c.form, a)
		cfg.IdentitySources, cfg.StageVariables = c.sources, map[string]string{"tier": "gold"}
		f := w.start(t, cfg)
		client := f.client(t)
		equal(t, "status without header", bearing(t, client, f.url("/?q=1"), ""), http.StatusUnauthorized)
		equal(t, "status without query", bearing(t, client, f.url("/"), "token"), http.StatusUnauthorized)
		equal(t, "status with an empty query", bearing(t, client, f.url("/?q="), "token"), http.StatusUnauthorized)
		equal(t, "invocations", a.calls(), 0)
		equal(t, "status with all", bearing(t, client, f.url("/?q=1"), "token"), http.StatusOK)
	}
}
