package fetch

import (
	"context"
	"crypto/x509/pkix"
	"errors"
	"io"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/crlgate/crlgate/internal/pki"
	"github.com/crlgate/crlgate/internal/pki/pkitest"
)

var start = time.Date(2026, 6, 1, 12, 0, 0, 0, time.UTC)

var testCA = sync.OnceValue(func() *pki.CA {
	ca, err := pki.NewCA(pki.CAOptions{Name: pkix.Name{CommonName: "A"}})
	if err != nil {
		panic(err)
	}
	return ca
})

// makeCRL makes the n-th CRL of a CA that publishes daily for seven days.
func makeCRL(tb testing.TB, n int64, edit ...func(*pki.CRLOptions)) []byte {
	tb.Helper()
	at := start.Add(time.Duration(n-1) * 24 * time.Hour)
	o := pki.CRLOptions{
		Number: big.NewInt(n), ThisUpdate: at, NextUpdate: at.Add(7 * 24 * time.Hour),
		Entries: []pki.Entry{{Serial: big.NewInt(1000 + n)}},
	}
	for _, e := range edit {
		e(&o)
	}
	return pkitest.CRL(tb, testCA(), o)
}

// newClient returns a client that is allowed to 127.0.0.1, tries again at once,
// and whose temporary files must be gone at the end.
func newClient(t *testing.T, edit ...func(*ClientConfig)) *Client {
	t.Helper()
	c := ClientConfig{AllowHosts: []string{"127.0.0.1"}, Folder: t.TempDir(), Timeout: time.Minute}
	for _, e := range edit {
		e(&c)
	}
	client := NewClient(c)
	client.pause = time.Millisecond
	t.Cleanup(func() {
		left, err := os.ReadDir(c.Folder)
		if err != nil || len(left) > 0 {
			t.Errorf("temporary files are left: %v %v", left, err)
		}
	})
	return client
}

// serve starts a server, and counts its requests.
func serve(t *testing.T, h http.HandlerFunc) (url string, requests *atomic.Int32) {
	t.Helper()
	requests = new(atomic.Int32)
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		requests.Add(1)
		h(w, r)
	}))
	t.Cleanup(s.Close)
	return s.URL, requests
}

// raw serves what a function writes to the bare connection.
func raw(t *testing.T, answer func(net.Conn)) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	t.Cleanup(func() {
		l.Close()
		wg.Wait()
	})
	wg.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			wg.Go(func() {
				defer conn.Close()
				buf := make([]byte, 4096)
				if _, err := conn.Read(buf); err == nil {
					answer(conn)
				}
			})
		}
	})
	return "http://" + l.Addr().String() + "/ca.crl"
}

// get is Client.Get, closed at the end of the test's step.
func get(t *testing.T, c *Client, url string, have Validators) (body []byte, d *Download, err error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	d, err = c.Get(ctx, url, have)
	if err != nil {
		return nil, d, err
	}
	if d.Body != nil {
		if body, err = io.ReadAll(d.Body); err != nil {
			t.Fatal(err)
		}
	}
	if err := d.Close(); err != nil {
		t.Error(err)
	}
	return body, d, nil
}

// refused fails unless a look failed with that code, in words that hold the text.
func refused(t *testing.T, err error, code Code, words string) {
	t.Helper()
	var f *Failure
	if !errors.As(err, &f) {
		t.Errorf("got %v, want a failure with %s", err, code)
		return
	}
	if f.Code != code || !strings.Contains(f.Detail, words) || f.Detail == "" {
		t.Errorf("got %s: %s; want %s: …%s…", f.Code, f.Detail, code, words)
	}
}
