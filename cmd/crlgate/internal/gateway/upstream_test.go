package gateway_test

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/crlgate/crlgate/cmd/crlgate/internal/gateway"
)

// seen is an upstream that keeps the header and body of the last request.
type seen struct {
	header  http.Header
	trailer http.Header
	body    []byte
	host    string
	path    string
}

func (s *seen) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.header, s.host, s.path = r.Header, r.Host, r.URL.EscapedPath()
	s.body, _ = io.ReadAll(r.Body)
	s.trailer = r.Trailer
	w.Header().Set("Apigw-Requestid", "the upstream's")
	w.WriteHeader(http.StatusTeapot)
	_, _ = w.Write([]byte("short and stout"))
}

// told is an answer with every kind of value.
const told = `{"isAuthorized":true,"context":{"decision":"allow","reason":"good","crl_number":18446744073709551616,` +
	`"would_deny":false,"subject":"CN=é\r\nX-Injected: 1","list":["x"],"not a name":"x"}}`

func simpleConfig(w *world, upstream http.Handler) gateway.Config {
	cfg := w.config(gateway.HTTP2, always(told))
	cfg.EnableSimpleResponses = true
	cfg.Upstream = upstream
	return cfg
}

// proxied runs an upstream on a port of its own.
func proxied(t *testing.T, upstream http.Handler) *gateway.Proxy {
	t.Helper()
	server := httptest.NewServer(upstream)
	t.Cleanup(server.Close)
	target, err := url.Parse(server.URL + "/base")
	if err != nil {
		t.Fatal(err)
	}
	proxy, err := gateway.NewProxy(target)
	if err != nil {
		t.Fatal(err)
	}
	return proxy
}

// The context reaches the upstream, and nothing that a client sends can pass for it or
// take it away.
func TestContextHeaders(t *testing.T) {
	for _, over := range []string{"handler", "proxy"} {
		t.Run(over, func(t *testing.T) {
			w := newWorld(t)
			upstream := &seen{}
			cfg := simpleConfig(w, upstream)
			if over == "proxy" {
				cfg.Upstream = proxied(t, upstream)
			}
			f := w.start(t, cfg)
			request, err := http.NewRequest(http.MethodPost, f.url("/pets?q=1"), strings.NewReader("body"))
			if err != nil {
				t.Fatal(err)
			}
			request.Header = http.Header{
				"X-Crlgate-Reason":  {"spoofed"},
				"X-Crlgate-Unknown": {"spoofed"},
				"x-crlgate-ca":      {"spoofed"},
				"X_Crlgate_Reason":  {"spoofed"},
				"Connection":        {"X-Crlgate-Reason, X-Crlgate-Decision, X-Secret"},
				"X-Secret":          {"between neighbours"},
				"X-Plain":           {"kept"},
				"X-Forwarded-For":   {"192.0.2.7"},
			}
			response, body := do(t, f.client(t), request)
			equal(t, "status", response.StatusCode, http.StatusTeapot)
			equal(t, "body", body, "short and stout")
			got := make(map[string]string)
			for name, values := range upstream.header {
				if strings.HasPrefix(strings.ReplaceAll(strings.ToLower(name), "_", "-"), "x-crlgate-") || name == "X-Injected" {
					got[name] = strings.Join(values, "|")
				}
			}
			equal(t, "context headers", fmt.Sprint(got), fmt.Sprint(map[string]string{
				"X-Crlgate-Decision":   "allow",
				"X-Crlgate-Reason":     "good",
				"X-Crlgate-Crl-Number": "18446744073709551616",
				"X-Crlgate-Would-Deny": "false",
				"X-Crlgate-Subject":    "CN=é%0D%0AX-Injected: 1",
			}))
			equal(t, "X-Plain", upstream.header.Get("X-Plain"), "kept")
			equal(t, "X-Secret", upstream.header.Get("X-Secret"), "")
			equal(t, "X-Forwarded-For", upstream.header.Get("X-Forwarded-For"), "192.0.2.7, 127.0.0.1")
			equal(t, "the upstream's body", string(upstream.body), "body")
			if over == "proxy" {
				equal(t, "path", upstream.path, "/base/pets")
				equal(t, "request id", response.Header.Get("Apigw-Requestid"), f.record(t).RequestID)
			}
		})
	}
}

func TestConfiguredContextHeaders(t *testing.T) {
	w := newWorld(t)
	upstream := &seen{}
	cfg := simpleConfig(w, upstream)
	cfg.ContextHeaders = map[string]string{"x-revocation": "reason", "X-Absent": "absent", "X-List": "list"}
	f := w.start(t, cfg)
	request, err := http.NewRequest(http.MethodGet, f.url("/"), nil)
	if err != nil {
		t.Fatal(err)
	}
	request.Header = http.Header{"X-Revocation": {"spoofed"}, "X_absent": {"spoofed"}, "X-List": {"spoofed"}, "X-Crlgate-Reason": {"spoofed"}}
	do(t, f.client(t), request)
	equal(t, "X-Revocation", strings.Join(upstream.header.Values("X-Revocation"), "|"), "good")
	for _, name := range []string{"X-Absent", "X_absent", "X-List", "X-Crlgate-Reason"} {
		if values, there := upstream.header[name]; there {
			t.Errorf("%s reached the upstream as %q", name, values)
		}
	}
}

// A trailer comes after the headers have been cleaned, so none is passed on.
func TestTrailersAreDropped(t *testing.T) {
	for _, over := range []string{"handler", "proxy"} {
		t.Run(over, func(t *testing.T) {
			w := newWorld(t)
			upstream := &seen{}
			cfg := simpleConfig(w, upstream)
			if over == "proxy" {
				cfg.Upstream = proxied(t, upstream)
			}
			f := w.start(t, cfg)
			request, err := http.NewRequest(http.MethodPost, f.url("/"), io.MultiReader(strings.NewReader("of unknown length")))
			if err != nil {
				t.Fatal(err)
			}
			request.Trailer = http.Header{"X-Crlgate-Reason": {"spoofed"}}
			do(t, f.client(t), request)
			equal(t, "body", string(upstream.body), "of unknown length")
			equal(t, "number of trailers", len(upstream.trailer), 0)
		})
	}
}

func TestDeniedRequestsNeverReachTheUpstream(t *testing.T) {
	for _, form := range []gateway.Form{gateway.REST, gateway.HTTP1, gateway.HTTP2} {
		w := newWorld(t)
		cfg := w.config(form, always(policy("Deny", "*")))
		cfg.Upstream = http.HandlerFunc(func(http.ResponseWriter, *http.Request) { t.Error("the upstream was called") })
		f := w.start(t, cfg)
		response, _ := get(t, f.client(t), f.url("/"))
		equal(t, "status", response.StatusCode, http.StatusForbidden)
	}
}

// An upstream that is away or slow gets API Gateway's answers.
func TestUpstreamFaults(t *testing.T) {
	gone, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	target := &url.URL{Scheme: "http", Host: gone.Addr().String()}
	_ = gone.Close()
	away, err := gateway.NewProxy(target)
	if err != nil {
		t.Fatal(err)
	}
	hang := make(chan struct{})
	slow := proxied(t, http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		select {
		case <-hang:
		case <-r.Context().Done():
		}
	}))
	defer close(hang)
	for _, c := range []struct {
		form     gateway.Form
		upstream http.Handler
		status   int
		body     string
	}{
		{gateway.REST, away, 504, `{"message":"Network error communicating with endpoint"}`},
		{gateway.REST, slow, 504, `{"message":"Endpoint request timed out"}`},
		{gateway.HTTP1, away, 503, `{"message":"Service Unavailable"}`},
		{gateway.HTTP2, slow, 503, `{"message":"Service Unavailable"}`},
	} {
		w := newWorld(t)
		cfg := w.config(c.form, always(policy("Allow", "*")))
		cfg.Upstream, cfg.IntegrationTimeout = c.upstream, 50*time.Millisecond
		if c.upstream == away {
			cfg.IntegrationTimeout = patience
		}
		f := w.start(t, cfg)
		response, body := get(t, f.client(t), f.url("/"))
		equal(t, "status", response.StatusCode, c.status)
		equal(t, "body", body, c.body)
		if r := f.record(t); !strings.HasPrefix(r.Detail, "calling the upstream: ") {
			t.Errorf("the record's detail is %q", r.Detail)
		}
	}
}

func TestNewProxyRefuses(t *testing.T) {
	for _, text := range []string{"", "example.com", "ftp://example.com", "http://", "/path"} {
		target, err := url.Parse(text)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := gateway.NewProxy(target); err == nil {
			t.Errorf("%q was accepted", text)
		}
	}
	if _, err := gateway.NewProxy(nil); err == nil {
		t.Error("nil was accepted")
	}
}

// Requests over API Gateway's limits are refused before the authorizer is asked, but
// for a body of unknown length, which is counted after.
func TestLimits(t *testing.T) {
	for _, form := range []gateway.Form{gateway.REST, gateway.HTTP2} {
		t.Run(form.String(), func(t *testing.T) {
			w := newWorld(t)
			a := always(policy("Allow", "*"))
			upstream := &seen{}
			cfg := w.config(form, a)
			cfg.Upstream = upstream
			f := w.start(t, cfg)
			c := f.client(t)
			try := func(method, pad string, body io.Reader) int {
				t.Helper()
				request, err := http.NewRequestWithContext(context.Background(), method, f.url("/"), body)
				if err != nil {
					t.Fatal(err)
				}
				request.Header.Set("X-Pad", pad)
				response, _ := do(t, c, request)
				return response.StatusCode
			}
			noRoute := http.StatusNotFound
			if form == gateway.REST {
				noRoute = http.StatusForbidden
			}
			equal(t, "headers over the limit", try("GET", strings.Repeat("x", gateway.MaxHeaderBytes), nil), 431)
			equal(t, "a method with a wildcard", try("*", "", nil), noRoute)
			equal(t, "TRACE", try("TRACE", "", nil), noRoute)
			equal(t, "invocations", a.calls(), 0)
			most := make([]byte, gateway.MaxPayloadBytes)
			equal(t, "headers under the limit", try("GET", strings.Repeat("x", gateway.MaxHeaderBytes-200), nil), http.StatusTeapot)
			equal(t, "a body of the limit", try("PUT", "", bytes.NewReader(most)), http.StatusTeapot)
			equal(t, "its size upstream", len(upstream.body), len(most))
			equal(t, "a body of the limit, length unknown", try("PUT", "", io.MultiReader(bytes.NewReader(most))), http.StatusTeapot)
			equal(t, "its size upstream", len(upstream.body), len(most))
			equal(t, "a body over the limit, length unknown",
				try("PUT", "", io.MultiReader(bytes.NewReader(most), strings.NewReader("x"))), http.StatusRequestEntityTooLarge)
		})
	}
}

// A body that announces too many bytes is refused without being read.
func TestAnnouncedBodyOverTheLimit(t *testing.T) {
	w := newWorld(t)
	a := always(policy("Allow", "*"))
	f := w.start(t, w.config(gateway.REST, a))
	request, err := http.NewRequest(http.MethodPut, f.url("/"), http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	request.Body = io.NopCloser(io.LimitReader(zeros{}, gateway.MaxPayloadBytes+1))
	request.ContentLength = gateway.MaxPayloadBytes + 1
	request.Header.Set("Expect", "100-continue")
	c := f.client(t)
	c.Transport.(*http.Transport).ExpectContinueTimeout = patience
	response, body := do(t, c, request)
	equal(t, "status", response.StatusCode, http.StatusRequestEntityTooLarge)
	equal(t, "body", body, `{"message":"HTTP content length exceeded 10485760 bytes."}`)
	equal(t, "invocations", a.calls(), 0)
}

// A refusal is seen by a client that sends all of a large body before it reads.
func TestRefusalOfLargeBody(t *testing.T) {
	w := newWorld(t)
	f := w.start(t, w.config(gateway.REST, always(policy("Deny", "*"))))
	connection, err := tls.Dial("tcp", f.Addr().String(), w.tlsConfig(w.client))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = connection.Close() }()
	head := fmt.Sprintf("PUT / HTTP/1.1\r\nHost: api.example.com\r\nContent-Length: %d\r\n\r\n", gateway.MaxPayloadBytes)
	for range 2 { // over one connection
		if _, err := connection.Write(append([]byte(head), make([]byte, gateway.MaxPayloadBytes)...)); err != nil {
			t.Fatal(err)
		}
		response, err := http.ReadResponse(bufio.NewReader(connection), nil)
		if err != nil {
			t.Fatal(err)
		}
		_, _ = io.Copy(io.Discard, response.Body)
		equal(t, "status", response.StatusCode, http.StatusForbidden)
	}
}

// zeros is an endless body.
type zeros struct{}

func (zeros) Read(p []byte) (int, error) { return len(p), nil }
