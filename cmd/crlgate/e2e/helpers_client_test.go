package e2e

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"testing"
	"time"

	"github.com/crlgate/crlgate/cmd/crlgate/internal/gateway"
	"github.com/crlgate/crlgate/internal/pki"
)

// answer is what a client got, and what the access log says of it.
type answer struct {
	status  int
	record  gateway.Record
	resumed bool // by the client's own account
	took    time.Duration
	err     error
}

func (a answer) String() string {
	if a.err != nil {
		return a.err.Error()
	}
	return fmt.Sprintf("%d %s (%s)", a.status, a.record.Reason, a.record.Detail)
}

// is reports whether the client got this status for this reason.
func (a answer) is(status int, reason string) bool {
	return a.err == nil && a.status == status && a.record.Status == status && a.record.Reason == reason
}

// tlsConfig is that of a client with a certificate; nil: without.
func (w *world) tlsConfig(leaf *pki.Leaf) *tls.Config {
	c := &tls.Config{RootCAs: w.roots}
	if leaf != nil {
		cert := leaf.TLSCertificate()
		// Shown whatever CAs the server asks for.
		c.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return &cert, nil }
	}
	return c
}

// handshake makes a TLS handshake and returns what the gateway said against it.
func (w *world) handshake(form gateway.Form, leaf *pki.Leaf, version uint16) error {
	config := w.tlsConfig(leaf)
	config.MinVersion, config.MaxVersion = version, version
	ctx, cancel := context.WithTimeout(w.t.Context(), patience)
	defer cancel()
	conn, err := (&tls.Dialer{Config: config}).DialContext(ctx, "tcp", w.Gateways[form].Addr().String())
	if err != nil {
		return err
	}
	defer conn.Close()
	if version == tls.VersionTLS12 {
		return nil
	}
	// In TLS 1.3 the server verifies the client after the client is done: wait
	// for its alert, or a while in vain.
	_ = conn.SetReadDeadline(time.Now().Add(3 * time.Second))
	_, err = conn.Read(make([]byte, 1))
	var timeout net.Error
	if errors.As(err, &timeout) && timeout.Timeout() {
		return nil
	}
	return err
}

// get sends a request to the REST gateway, over a connection of its own.
func (w *world) get(leaf *pki.Leaf) answer { return w.getVia(gateway.REST, leaf, "/payments") }

func (w *world) getVia(form gateway.Form, leaf *pki.Leaf, path string) answer {
	return w.getWith(form, w.tlsConfig(leaf), path)
}

// getWith sends a request over a connection of its own.
func (w *world) getWith(form gateway.Form, config *tls.Config, path string) answer {
	transport := &http.Transport{TLSClientConfig: config, DisableKeepAlives: true}
	defer transport.CloseIdleConnections()
	return w.do(&http.Client{Transport: transport}, w.URL(form)+path)
}

// client is one that keeps its connections, for many requests.
func (w *world) client(leaf *pki.Leaf) *http.Client {
	transport := &http.Transport{TLSClientConfig: w.tlsConfig(leaf), MaxIdleConnsPerHost: 256}
	w.t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport}
}

// connect has a client make its connection: with a request of a method that
// the gateway refuses before it asks the authorizer.
func (w *world) connect(c *http.Client) {
	w.t.Helper()
	req, err := http.NewRequestWithContext(w.t.Context(), "PROPFIND", w.URL(gateway.REST)+"/", nil)
	if err != nil {
		w.t.Fatal(err)
	}
	resp, err := c.Do(req)
	if err != nil {
		w.t.Fatal(err)
	}
	_, _ = io.Copy(io.Discard, resp.Body)
	_ = resp.Body.Close()
	if len(w.pids()) > 0 {
		w.t.Fatal("a refused method reached the authorizer")
	}
}

// do sends a request and waits for its record.
func (w *world) do(c *http.Client, url string) answer {
	ctx, cancel := context.WithTimeout(w.t.Context(), patience)
	defer cancel()
	return w.doContext(ctx, c, url)
}

func (w *world) doContext(ctx context.Context, c *http.Client, url string) (a answer) {
	began := time.Now()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return answer{err: err}
	}
	resp, err := c.Do(req)
	if err != nil {
		return answer{err: err}
	}
	defer resp.Body.Close()
	_, _ = io.Copy(io.Discard, io.LimitReader(resp.Body, 1<<20))
	a.took = time.Since(began)
	a.status, a.resumed = resp.StatusCode, resp.TLS.DidResume
	id := resp.Header.Get("X-Amzn-Requestid")
	if id == "" {
		id = resp.Header.Get("Apigw-Requestid")
	}
	// The record is written after the response.
	for ok := false; !ok; time.Sleep(time.Millisecond) {
		if ctx.Err() != nil {
			a.err = errors.New("no line in the access log")
			return a
		}
		w.mu.Lock()
		a.record, ok = w.records[id]
		w.mu.Unlock()
		if ok {
			return a
		}
	}
	return a
}

// expect sends a request to the REST gateway and holds the answer.
func (w *world) expect(leaf *pki.Leaf, status int, reason string) answer {
	w.t.Helper()
	return w.expectVia(gateway.REST, leaf, status, reason)
}

func (w *world) expectVia(form gateway.Form, leaf *pki.Leaf, status int, reason string) answer {
	w.t.Helper()
	a := w.getVia(form, leaf, "/payments")
	if !a.is(status, reason) {
		w.t.Errorf("%s (%v): %v, want %d %s", leaf.Certificate.Subject, form, a, status, reason)
	}
	return a
}

// await sends requests until the answer is this one. Each one before it must
// be among the allowed.
func (w *world) await(leaf *pki.Leaf, status int, reason string, before ...string) answer {
	w.t.Helper()
	var a answer
	eventually(w.t, fmt.Sprintf("%s to get %d %s", leaf.Certificate.Subject, status, reason), func() bool {
		a = w.get(leaf)
		if a.is(status, reason) {
			return true
		}
		for _, b := range before {
			if a.err == nil && fmt.Sprintf("%d %s", a.status, a.record.Reason) == b {
				return false
			}
		}
		if len(before) > 0 {
			w.t.Errorf("%s: %v, while waiting for %d %s", leaf.Certificate.Subject, a, status, reason)
		}
		return w.t.Failed()
	})
	return a
}

// only returns the process of a function of which there must be one.
func onlyPID(t testing.TB, pids []int) int {
	t.Helper()
	if len(pids) != 1 {
		t.Fatalf("%d processes, want 1", len(pids))
	}
	return pids[0]
}

// pids are the processes of the authorizer.
func (w *world) pids() (pids []int) {
	for _, e := range w.Authorizer.Environments() {
		pids = append(pids, e.PID)
	}
	return pids
}
