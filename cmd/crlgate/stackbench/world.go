package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"time"

	"github.com/crlgate/crlgate/cmd/crlgate/internal/gateway"
	"github.com/crlgate/crlgate/cmd/crlgate/internal/lambdaruntime"
	"github.com/crlgate/crlgate/cmd/crlgate/internal/stack"
	"github.com/crlgate/crlgate/pkg/objectstore"
	"github.com/crlgate/crlgate/pkg/preprocess"
)

// world is a running stack with the gateway of a REST API.
type world struct {
	*stack.Stack
	dir   string
	roots *x509.CertPool
}

func (s *settings) start(ctx context.Context, c stack.Config) (*world, error) {
	dir, err := os.MkdirTemp(s.dir, "s3-")
	if err != nil {
		return nil, err
	}
	c.S3Command, c.DataDir, c.Forms = []string{s.crlgate, "s3-server"}, dir, []gateway.Form{gateway.REST}
	if c.Binaries == "" {
		c.Binaries = s.functions
	}
	w := &world{dir: dir, roots: x509.NewCertPool()}
	if w.Stack, err = stack.Start(ctx, c); err != nil {
		return nil, errors.Join(err, os.RemoveAll(dir))
	}
	if !w.roots.AppendCertsFromPEM(w.ServerCA) {
		return nil, errors.Join(errors.New("the certificate of the gateway's CA cannot be read"), w.close())
	}
	return w, nil
}

func (w *world) close() error { return errors.Join(w.Close(), os.RemoveAll(w.dir)) }

// upload uploads a file and waits until it is accepted.
func (w *world) upload(ctx context.Context, key, path string) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	version, err := w.Uploads.Put(ctx, key, f, objectstore.PutOptions{})
	if err != nil {
		return err
	}
	r, err := stack.AwaitReport(ctx, w.Cache, key, version)
	if err != nil {
		return err
	}
	if r.Outcome != preprocess.OutcomeAccepted {
		return fmt.Errorf("%s: %s %s (%s)", key, r.Outcome, r.Code, r.Detail)
	}
	return nil
}

// client keeps one connection for the certificate in a PEM file.
func (w *world) client(path string) (*http.Client, error) {
	cert, err := tls.LoadX509KeyPair(path, path)
	if err != nil {
		return nil, err
	}
	return w.clientOf(cert), nil
}

func (w *world) clientOf(cert tls.Certificate) *http.Client {
	config := &tls.Config{RootCAs: w.roots, GetClientCertificate: func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return &cert, nil }}
	return &http.Client{Transport: &http.Transport{TLSClientConfig: config}}
}

// connect opens a client's connection, with a request of a method that the
// gateway refuses before it asks the authorizer. The gateway may not trust the
// CA yet.
func (w *world) connect(ctx context.Context, c *http.Client) error {
	var err error
	for began := time.Now(); time.Since(began) < 20*time.Second; time.Sleep(20 * time.Millisecond) {
		if _, _, err = w.request(ctx, c, "PROPFIND"); err == nil {
			return nil
		}
	}
	return fmt.Errorf("connecting: %w", err)
}

// request sends a request and returns how long its answer took.
func (w *world) request(ctx context.Context, c *http.Client, method string) (status int, took time.Duration, err error) {
	req, err := http.NewRequestWithContext(ctx, method, w.URL(gateway.REST)+"/orders/17", nil)
	if err != nil {
		return 0, 0, err
	}
	began := time.Now()
	resp, err := c.Do(req)
	if err != nil {
		return 0, 0, err
	}
	_, err = io.Copy(io.Discard, resp.Body)
	took = time.Since(began)
	return resp.StatusCode, took, errors.Join(err, resp.Body.Close())
}

// expect sends a GET whose answer must have a status.
func (w *world) expect(ctx context.Context, c *http.Client, want int) (time.Duration, error) {
	status, took, err := w.request(ctx, c, http.MethodGet)
	if err == nil && status != want {
		err = fmt.Errorf("status %d, want %d", status, want)
	}
	return took, err
}

// peakMemory is the most memory that the authorizer's process had resident, in
// octets, by the operating system's account; 0 where it does not say.
func (w *world) peakMemory() int64 {
	var most int64
	for _, e := range w.Authorizer.Environments() {
		_, peak := lambdaruntime.Memory(e.PID)
		most = max(most, peak)
	}
	return most
}
