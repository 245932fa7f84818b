package demo

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"sync"
	"time"

	"github.com/crlgate/crlgate/cmd/crlgate/internal/gateway"
	"github.com/crlgate/crlgate/cmd/crlgate/internal/stack"
)

// client sends requests with one certificate or another, each over a
// connection of its own, and knows from the access log why they were denied.
type client struct {
	certs map[string]tls.Certificate
	roots *x509.CertPool

	mu      sync.Mutex
	reasons map[string]string // by request id
}

func newClient() *client {
	return &client{certs: map[string]tls.Certificate{}, roots: x509.NewCertPool(), reasons: map[string]string{}}
}

func (c *client) trust(pem []byte) error {
	if !c.roots.AppendCertsFromPEM(pem) {
		return errors.New("the gateway's CA certificate cannot be read")
	}
	return nil
}

// record takes a line of the access log.
func (c *client) record(r gateway.Record) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.reasons[r.RequestID] = r.Reason
}

// result is what a client sees, and the reason from the access log.
type result struct{ status, reason string }

// get sends one request; cert "" shows no certificate.
func (c *client) get(ctx context.Context, s *stack.Stack, form gateway.Form, cert string) result {
	config := &tls.Config{RootCAs: c.roots}
	if cert != "" {
		config.Certificates = []tls.Certificate{c.certs[cert]}
	}
	transport := &http.Transport{TLSClientConfig: config, DisableKeepAlives: true}
	defer transport.CloseIdleConnections()
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, s.URL(form)+"/payments", nil)
	if err != nil {
		return result{"error", err.Error()}
	}
	resp, err := (&http.Client{Transport: transport}).Do(req)
	var op *net.OpError
	if errors.As(err, &op) && op.Op == "remote error" { // an alert of the gateway's
		return result{"refused", "TLS handshake"}
	}
	if err != nil {
		return result{"error", err.Error()}
	}
	defer resp.Body.Close()
	_, _ = io.Copy(io.Discard, io.LimitReader(resp.Body, 1<<20))
	id := resp.Header.Get("x-amzn-RequestId")
	if id == "" {
		id = resp.Header.Get("apigw-requestid")
	}
	return result{strconv.Itoa(resp.StatusCode), c.reason(ctx, id)}
}

// reason waits a moment for the access log, which comes after the answer.
func (c *client) reason(ctx context.Context, id string) string {
	for deadline := time.Now().Add(2 * time.Second); time.Now().Before(deadline) && ctx.Err() == nil; time.Sleep(2 * time.Millisecond) {
		c.mu.Lock()
		reason, ok := c.reasons[id]
		c.mu.Unlock()
		if ok {
			return reason
		}
	}
	return "(no line in the access log)"
}

// ready waits until the gateways verify clients against the issuers that were
// uploaded.
func (c *client) ready(ctx context.Context, s *stack.Stack) error {
	for deadline := time.Now().Add(20 * time.Second); ctx.Err() == nil; time.Sleep(20 * time.Millisecond) {
		if n, err := s.Trusted(); n > 1 && err == nil {
			return nil
		} else if time.Now().After(deadline) {
			return fmt.Errorf("the gateways do not trust the issuers yet (%d certificates, %w)", n, err)
		}
	}
	return ctx.Err()
}
