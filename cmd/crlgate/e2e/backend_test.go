package e2e

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"

	"github.com/crlgate/crlgate/cmd/crlgate/internal/gateway"
	"github.com/crlgate/crlgate/cmd/crlgate/internal/stack"
	"github.com/crlgate/crlgate/cmd/crlgate/internal/template"
	"github.com/crlgate/crlgate/internal/pki"
	"github.com/crlgate/crlgate/pkg/preprocess"
)

// backend is an HTTP backend behind the gateways, which keeps the headers of the
// requests that it gets.
type backend struct {
	*httptest.Server
	mu      sync.Mutex
	headers []http.Header
}

func newBackend(t *testing.T) (*backend, http.Handler) {
	t.Helper()
	b := &backend{}
	b.Server = httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		b.mu.Lock()
		defer b.mu.Unlock()
		b.headers = append(b.headers, r.Header.Clone())
	}))
	t.Cleanup(b.Close)
	target, err := url.Parse(b.URL)
	if err != nil {
		t.Fatal(err)
	}
	proxy, err := gateway.NewProxy(target)
	if err != nil {
		t.Fatal(err)
	}
	return b, proxy
}

// take returns the headers of the requests since the last call.
func (b *backend) take() []http.Header {
	b.mu.Lock()
	defer b.mu.Unlock()
	taken := b.headers
	b.headers = nil
	return taken
}

// forger adds to every request what a client could pass itself off by.
type forger struct {
	base  http.RoundTripper
	names []string
	hop   bool // names them in Connection, as if they were of this hop only
}

func (f forger) RoundTrip(r *http.Request) (*http.Response, error) {
	r = r.Clone(r.Context())
	for _, name := range f.names {
		for _, spelt := range []string{name, strings.ToLower(name), strings.ToUpper(name)} {
			r.Header[spelt] = []string{"forged", "forged again"} // as it stands, whatever its case
		}
	}
	if f.hop {
		r.Header["Connection"] = []string{strings.Join(f.names, ", ")}
	}
	r.Header.Set("X-Own", "the client's")
	return f.base.RoundTrip(r)
}

// TestBackendSeesTheClient: an API that forwards the authorizer's context as the
// example's template says, in front of an HTTP backend. Whatever a client sends
// under the same names, or under those by which other proxies tell of
// certificates, the backend sees what the authorizer said.
func TestBackendSeesTheClient(t *testing.T) {
	t.Parallel()
	gate, err := template.Read("../../../infra/testdata/backend.template.json")
	if err != nil {
		t.Fatal(err)
	}
	ca := newCA(t, "alpha")
	upstream, proxy := newBackend(t)
	w := start(t, stack.Config{Template: gate, Upstream: proxy})
	w.upload("issuers/alpha.pem", ca.PEM(), preprocess.OutcomeAccepted)
	w.awaitTruststore(ca)
	good, revoked := ca.issueWith("client, one", pki.LeafOptions{}), ca.issue("revoked")
	ca.revoke(revoked)
	w.upload("crls/alpha.crl", ca.crl(nil), preprocess.OutcomeAccepted)
	fingerprint := sha256.Sum256(good.Certificate.Raw)
	for _, form := range []gateway.Form{gateway.REST, gateway.HTTP2} {
		eventually(t, fmt.Sprintf("the good client to be let in (%v)", form), func() bool { return w.getVia(form, good, "/").is(http.StatusOK, "good") })
		for _, hop := range []bool{false, true} {
			w.forge(form, hop, good, revoked, upstream, map[string]string{
				"X-Client-Cert-Ca": "alpha", "X-Client-Cert-Reason": "good", "X-Client-Cert-San": "-",
				"X-Client-Cert-Subject": `CN=client\, one`, "X-Client-Cert-Issuer": "CN=e2e alpha,O=crlgate e2e",
				"X-Client-Cert-Crl-Number": fmt.Sprint(ca.number), "X-Client-Cert-Fingerprint": hex.EncodeToString(fingerprint[:]),
			})
		}
	}
}

// forge sends forged headers and holds what the backend sees.
func (w *world) forge(form gateway.Form, hop bool, good, revoked *pki.Leaf, upstream *backend, want map[string]string) {
	w.t.Helper()
	upstream.take()
	gone := []string{"Client-Cert", "Client-Cert-Chain", "X-Forwarded-Client-Cert", "Ssl-Client-Cert", "X-Ssl-Client-Cert", "X-Client-Cert"}
	names := append([]string{"X-Client-Cert-Serial", "X-Crlgate-Serial"}, gone...)
	for name := range want {
		names = append(names, name)
	}
	forging := func(leaf *pki.Leaf) *http.Client {
		transport := &http.Transport{TLSClientConfig: w.tlsConfig(leaf), DisableKeepAlives: true}
		w.t.Cleanup(transport.CloseIdleConnections)
		return &http.Client{Transport: forger{transport, names, hop}}
	}
	a := w.do(forging(good), w.URL(form)+"/payments")
	seen := upstream.take()
	if !a.is(http.StatusOK, "good") || len(seen) != 1 {
		w.t.Fatalf("%v: %v, and the backend got %d requests", form, a, len(seen))
	}
	h := seen[0]
	want["X-Client-Cert-Serial"] = a.record.CertificateSerial
	for name, value := range want {
		if got := h.Values(name); len(got) != 1 || got[0] != value || value == "" {
			w.t.Errorf("%v: the backend sees %s: %q, want %q", form, name, got, value)
		}
	}
	for _, name := range gone {
		if got := h.Get(name); got != "" && got != "-" {
			w.t.Errorf("%v: the backend sees %s: %q", form, name, got)
		}
	}
	for name, values := range h {
		if strings.Contains(strings.Join(values, ""), "forged") {
			w.t.Errorf("%v: the backend sees %s: %q", form, name, values)
		}
	}
	if h.Get("X-Own") != "the client's" {
		w.t.Errorf("%v: a header of the client's own does not get through", form)
	}
	if a := w.do(forging(revoked), w.URL(form)+"/payments"); !a.is(http.StatusForbidden, "revoked") || len(upstream.take()) != 0 {
		w.t.Errorf("%v: the revoked client, with forged headers: %v", form, a)
	}
}
