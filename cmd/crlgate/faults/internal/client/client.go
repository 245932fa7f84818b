// Package client is who calls in the fault runs: clients with certificates, over
// mutual TLS and connections that are kept, and what the gateway's access log says
// of each of their requests. See [Clients.Ask].
package client

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptrace"
	"sync"
	"time"

	"github.com/crlgate/crlgate/cmd/crlgate/internal/gateway"
)

// patience bounds one request.
const patience = time.Minute

// Answer is what a client got.
type Answer struct {
	Status int    // 0: no answer; see Err
	ID     string // of the request, as in the event
	// Reason is the authorizer's, Detail the gateway's own words, Context all
	// that the authorizer said.
	Reason, Detail string
	Context        map[string]any
	Began, End     time.Time
	Took           time.Duration // of the authorizer
	Connected      bool          // over a new connection
	Err            error
}

// Odd says what is wrong with an answer that neither lets the client in, with 200
// and as good, nor turns it away, with 403; "": it does one of the two.
func (a Answer) Odd() string {
	switch {
	case a.Err != nil:
		return "no answer: " + a.Err.Error()
	case a.Status == http.StatusOK && a.Reason == "good", a.Status == http.StatusForbidden:
		return ""
	}
	return fmt.Sprintf("answered %d %s (%s)", a.Status, a.Reason, a.Detail)
}

// Clients are callers of gateways. Their methods may be called from several
// goroutines.
type Clients struct {
	roots *x509.CertPool

	mu      sync.Mutex
	records map[string]chan gateway.Record // by request, until both are there
	clients map[*tls.Certificate]*http.Client
}

// New returns clients who verify gateways with roots.
func New(roots *x509.CertPool) *Clients {
	return &Clients{roots: roots, records: map[string]chan gateway.Record{}, clients: map[*tls.Certificate]*http.Client{}}
}

// Record takes a line of a gateway's access log, as gateway.Config.AccessLog does.
func (c *Clients) Record(r gateway.Record) { c.line(r.RequestID) <- r }

// line is where the log's line about a request goes.
func (c *Clients) line(id string) chan gateway.Record {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.records[id] == nil {
		c.records[id] = make(chan gateway.Record, 1)
	}
	return c.records[id]
}

// client returns the client of a certificate.
func (c *Clients) client(cert *tls.Certificate) *http.Client {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.clients[cert] == nil {
		c.clients[cert] = &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 4, TLSClientConfig: &tls.Config{
			RootCAs:              c.roots,
			GetClientCertificate: func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return cert, nil },
		}}}
	}
	return c.clients[cert]
}

// Drop closes the idle connections of a certificate's client, who connects anew
// if it calls again.
func (c *Clients) Drop(cert *tls.Certificate) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if client := c.clients[cert]; client != nil {
		client.CloseIdleConnections()
		delete(c.clients, cert)
	}
}

// Close closes all idle connections.
func (c *Clients) Close() {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, client := range c.clients {
		client.CloseIdleConnections()
	}
}

// Ask sends a GET as the owner of a certificate and returns the answer once the
// access log has it too.
func (c *Clients) Ask(ctx context.Context, url string, cert *tls.Certificate) (a Answer) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	ctx = httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{GotConn: func(g httptrace.GotConnInfo) { a.Connected = !g.Reused }})
	a.Began = time.Now()
	defer func() {
		if a.End.IsZero() {
			a.End = time.Now()
		}
	}()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		a.Err = err
		return a
	}
	resp, err := c.client(cert).Do(req)
	if err != nil {
		a.Err = err
		return a
	}
	defer resp.Body.Close()
	_, _ = io.Copy(io.Discard, resp.Body)
	a.Status, a.End = resp.StatusCode, time.Now()
	if a.ID = resp.Header.Get("X-Amzn-Requestid"); a.ID == "" {
		a.ID = resp.Header.Get("Apigw-Requestid")
	}
	select { // the record is written after the response
	case r := <-c.line(a.ID):
		a.Reason, a.Detail, a.Context, a.Took = r.Reason, r.Detail, r.Context, r.AuthorizerLatency
	case <-ctx.Done():
		a.Err = errors.New("no line in the access log")
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.records, a.ID)
	return a
}
