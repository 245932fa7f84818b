package objectstore_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/crlgate/crlgate/pkg/objectstore"
)

// wire is an S3 server whose answers a test writes by hand, and which keeps what
// the real SDK sent.
type wire struct {
	server *httptest.Server
	mu     sync.Mutex
	seen   []request
}

type request struct {
	Method, Path, Query string
	Header              http.Header
	Body                string
}

// newWire serves each request with the handler of its turn, the last one for all
// further ones.
func newWire(t *testing.T, handlers ...http.HandlerFunc) *wire {
	t.Helper()
	w := &wire{}
	w.server = httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			t.Errorf("reading the request's body: %v", err)
		}
		w.mu.Lock()
		turn := min(len(w.seen), len(handlers)-1)
		w.seen = append(w.seen, request{r.Method, r.URL.EscapedPath(), r.URL.RawQuery, r.Header.Clone(), string(body)})
		w.mu.Unlock()
		handlers[turn](rw, r)
	}))
	t.Cleanup(w.server.Close)
	return w
}

func (w *wire) requests() []request {
	w.mu.Lock()
	defer w.mu.Unlock()
	return append([]request(nil), w.seen...)
}

// bucket opens "bucket" on the server, with nothing taken from the developer's
// own AWS configuration.
func (w *wire) bucket(t *testing.T, opts ...objectstore.Option) *objectstore.Bucket {
	t.Helper()
	isolate(t)
	opts = append([]objectstore.Option{
		objectstore.WithEndpoint(w.server.URL),
		objectstore.WithRegion("eu-central-1"),
		objectstore.WithStaticCredentials("AKIDEXAMPLE", "secret"),
		objectstore.WithMaxAttempts(1),
	}, opts...)
	b, err := objectstore.Open(t.Context(), "bucket", opts...)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func isolate(t *testing.T) {
	t.Helper()
	none := t.TempDir() + "/none"
	for name, value := range map[string]string{
		"AWS_CONFIG_FILE": none, "AWS_SHARED_CREDENTIALS_FILE": none, "AWS_EC2_METADATA_DISABLED": "true",
		"AWS_PROFILE": "", "AWS_REGION": "", "AWS_DEFAULT_REGION": "", "AWS_ENDPOINT_URL": "", "AWS_ENDPOINT_URL_S3": "",
		"AWS_ACCESS_KEY_ID": "", "AWS_SECRET_ACCESS_KEY": "", "AWS_SESSION_TOKEN": "", "AWS_CA_BUNDLE": "",
		"AWS_MAX_ATTEMPTS": "", "AWS_RETRY_MODE": "", "NO_PROXY": "127.0.0.1,localhost",
	} {
		t.Setenv(name, value)
	}
}

// answer replies with a status, headers as "Name: value", and a body.
func answer(status int, body string, headers ...string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		for _, h := range headers {
			name, value, _ := strings.Cut(h, ": ")
			w.Header().Set(name, value)
		}
		w.WriteHeader(status)
		_, _ = io.WriteString(w, body)
	}
}

// refusal is an error document of S3.
func refusal(status int, code string) http.HandlerFunc {
	return answer(status, fmt.Sprintf(
		`<?xml version="1.0" encoding="UTF-8"?><Error><Code>%s</Code><Message>Words of S3.</Message><RequestId>REQ1</RequestId></Error>`, code),
		"Content-Type: application/xml", "X-Amz-Request-Id: REQ1")
}

// torn announces n bytes, sends body and breaks the connection.
func torn(status, n int, body string, headers ...string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		answer(status, body, append(headers, fmt.Sprintf("Content-Length: %d", n))...)(w, r)
		_ = http.NewResponseController(w).Flush()
		panic(http.ErrAbortHandler)
	}
}

// hang keeps silent until the client gives up, or much longer than any test's bound.
func hang(_ http.ResponseWriter, r *http.Request) {
	select {
	case <-r.Context().Done():
	case <-time.After(30 * time.Second):
	}
}

const modified = "Last-Modified: Sat, 21 Nov 2026 12:00:00 GMT"

func drain(t *testing.T, r *objectstore.Reader) string {
	t.Helper()
	defer r.Close()
	body, err := io.ReadAll(r)
	if err != nil {
		t.Fatal(err)
	}
	return string(body)
}

func get(ctx context.Context, b *objectstore.Bucket, opts objectstore.GetOptions) error {
	r, err := b.Get(ctx, "catalog.json", opts)
	if err != nil {
		return err
	}
	defer r.Close()
	_, err = io.Copy(io.Discard, r)
	return err
}

// TestNothingIsUnpacked: an object that its writer marked as gzip comes as it is
// stored. The SDK, and net/http behind it, would unpack a bomb unasked otherwise.
func TestNothingIsUnpacked(t *testing.T) {
	var packed bytes.Buffer
	z := gzip.NewWriter(&packed)
	if _, err := z.Write(make([]byte, 1<<20)); err != nil {
		t.Fatal(err)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	w := newWire(t, func(rw http.ResponseWriter, _ *http.Request) {
		rw.Header().Set("Content-Encoding", "gzip")
		rw.Header().Set("ETag", `"e"`)
		_, _ = rw.Write(packed.Bytes())
	})
	got, _, err := w.bucket(t).ReadAll(t.Context(), "crls/bomb.crl", 1<<30, objectstore.GetOptions{})
	if err != nil || !bytes.Equal(got, packed.Bytes()) {
		t.Errorf("%d octets of %d: %v", len(got), packed.Len(), err)
	}
}
