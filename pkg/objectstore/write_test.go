package objectstore_test

import (
	"bytes"
	"encoding/pem"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/crlgate/crlgate/pkg/objectstore"
)

func TestPutSendsEachConditionAsAHeader(t *testing.T) {
	tests := []struct {
		name   string
		opts   objectstore.PutOptions
		header map[string]string
	}{
		{"none", objectstore.PutOptions{}, map[string]string{"If-Match": "", "If-None-Match": "", "Cache-Control": ""}},
		{"if match", objectstore.PutOptions{IfMatch: `"e1"`}, map[string]string{"If-Match": `"e1"`, "If-None-Match": ""}},
		{"if none match", objectstore.PutOptions{IfNoneMatch: true}, map[string]string{"If-Match": "", "If-None-Match": "*"}},
		{
			"metadata",
			objectstore.PutOptions{ContentType: "application/json", CacheControl: "no-cache", Metadata: map[string]string{"crlgate-by": "alice"}},
			map[string]string{"Content-Type": "application/json", "Cache-Control": "no-cache", "X-Amz-Meta-Crlgate-By": "alice"},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			w := newWire(t, answer(200, "", `ETag: "e2"`))
			version, err := w.bucket(t).Put(t.Context(), "sets/a b.cache", strings.NewReader("content"), tt.opts)
			if err != nil || version != `"e2"` {
				t.Fatalf("%q, %v", version, err)
			}
			sent := w.requests()[0]
			if sent.Method != "PUT" || sent.Path != "/bucket/sets/a%20b.cache" || sent.Body != "content" {
				t.Errorf("sent %s %s %q", sent.Method, sent.Path, sent.Body)
			}
			tt.header["X-Amz-Checksum-Crc32"] = strings.TrimPrefix(crc32Header("content"), "X-Amz-Checksum-Crc32: ")
			tt.header["Content-Length"] = "7"
			for name, value := range tt.header {
				if got := sent.Header.Get(name); got != value {
					t.Errorf("header %s: %q, want %q", name, got, value)
				}
			}
		})
	}
}

func TestPutIfMatchOnAMissingKey(t *testing.T) {
	for _, handler := range []http.HandlerFunc{refusal(404, "NoSuchKey"), answer(404, "")} {
		b := newWire(t, handler).bucket(t)
		_, err := b.Put(t.Context(), "k", strings.NewReader("x"), objectstore.PutOptions{IfMatch: `"e"`})
		wantKinds(t, err, objectstore.ErrPreconditionFailed, objectstore.ErrNotFound)
		if want := "writing s3://bucket/k: object is not the expected version: no such object (404"; !strings.HasPrefix(err.Error(), want) {
			t.Errorf("error %v", err)
		}
		wantKinds(t, b.Delete(t.Context(), "k", objectstore.DeleteOptions{IfMatch: `"e"`}), objectstore.ErrPreconditionFailed, objectstore.ErrNotFound)
	}
	b := newWire(t, refusal(404, "NoSuchBucket")).bucket(t)
	_, err := b.Put(t.Context(), "k", strings.NewReader("x"), objectstore.PutOptions{IfMatch: `"e"`})
	wantKinds(t, err, objectstore.ErrNoBucket)
}

func TestPutConflictTellsTheRemedy(t *testing.T) {
	b := newWire(t, refusal(409, "ConditionalRequestConflict")).bucket(t)
	_, err := b.Put(t.Context(), "k", strings.NewReader("x"), objectstore.PutOptions{IfNoneMatch: true})
	wantKinds(t, err, objectstore.ErrConflict)
	if !strings.HasSuffix(err.Error(), ": nothing was written, try again") {
		t.Errorf("error %v", err)
	}
}

// A retried write meets itself: the comment on Put says so, and callers build on it.
func TestPutWhoseAnswerWasLost(t *testing.T) {
	w := newWire(t,
		func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }, // took effect, answer lost
		refusal(412, "PreconditionFailed"))
	_, err := w.bucket(t, objectstore.WithMaxAttempts(2)).Put(t.Context(), "k", strings.NewReader("content"), objectstore.PutOptions{IfMatch: `"e1"`})
	wantKinds(t, err, objectstore.ErrPreconditionFailed)
	sent := w.requests()
	if len(sent) != 2 || sent[0].Body != "content" || sent[1].Body != "content" || sent[1].Header.Get("If-Match") != `"e1"` {
		t.Errorf("sent %+v", sent)
	}
	var e *objectstore.Error
	if !errors.As(err, &e) || e.Attempts != 2 {
		t.Errorf("error %#v", err)
	}
}

// counter counts what is read, and must not be closed.
type counter struct {
	io.ReadSeeker
	read   int64
	most   int
	closed bool
}

func (c *counter) Read(p []byte) (int, error) {
	n, err := c.ReadSeeker.Read(p)
	c.read += int64(n)
	c.most = max(c.most, n)
	return n, err
}

func (c *counter) Close() error {
	c.closed = true
	return nil
}

func TestPutStreamsFromWhereTheBodyStands(t *testing.T) {
	const size = 3 << 20
	content := bytes.Repeat([]byte("0123456789abcdef"), size/16)
	name := filepath.Join(t.TempDir(), "set")
	if err := os.WriteFile(name, append([]byte("skipped"), content...), 0o600); err != nil {
		t.Fatal(err)
	}
	file, err := os.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	if _, err := file.Seek(7, io.SeekStart); err != nil {
		t.Fatal(err)
	}
	body := &counter{ReadSeeker: file}
	w := newWire(t, refusal(503, "SlowDown"), answer(200, "", `ETag: "e"`))
	if _, err := w.bucket(t, objectstore.WithMaxAttempts(2)).Put(t.Context(), "k", body, objectstore.PutOptions{}); err != nil {
		t.Fatal(err)
	}
	sent := w.requests()
	if len(sent) != 2 || sent[1].Body != string(content) || sent[1].Header.Get("Content-Length") != "3145728" {
		t.Errorf("%d attempts, the last of %d bytes", len(sent), len(sent[len(sent)-1].Body))
	}
	// Over plain HTTP: once for the checksums, once for each attempt.
	if body.read != 3*size || body.most > 1<<20 || body.closed {
		t.Errorf("read %d bytes, at most %d at once; closed: %v", body.read, body.most, body.closed)
	}
}

func TestPutEmptyBody(t *testing.T) {
	w := newWire(t, answer(200, "", `ETag: "e"`))
	if _, err := w.bucket(t).Put(t.Context(), "k", bytes.NewReader(nil), objectstore.PutOptions{IfNoneMatch: true}); err != nil {
		t.Fatal(err)
	}
	if sent := w.requests()[0]; sent.Body != "" || sent.Header.Get("If-None-Match") != "*" {
		t.Errorf("sent %+v", sent)
	}
}

// vast claims a size without having it.
type vast struct{ size, at int64 }

func (v *vast) Read([]byte) (int, error) { return 0, errors.New("read") }

func (v *vast) Seek(offset int64, whence int) (int64, error) {
	v.at = map[int]int64{io.SeekStart: 0, io.SeekCurrent: v.at, io.SeekEnd: v.size}[whence] + offset
	return v.at, nil
}

func TestPutRefusesWhatCannotBe(t *testing.T) {
	w := newWire(t, answer(200, "", `ETag: "e"`))
	b := w.bucket(t)
	for _, tt := range []struct {
		name, key string
		body      io.ReadSeeker
		opts      objectstore.PutOptions
		fault     string
	}{
		{"two conditions", "k", strings.NewReader("x"), objectstore.PutOptions{IfMatch: "e", IfNoneMatch: true}, "both IfMatch and IfNoneMatch"},
		{"no key", "", strings.NewReader("x"), objectstore.PutOptions{}, "key is empty"},
		{"long key", strings.Repeat("k", 1025), strings.NewReader("x"), objectstore.PutOptions{}, "1025 bytes"},
		{"no body", "k", nil, objectstore.PutOptions{}, "body"},
		{"past S3's limit", "k", &vast{size: 5<<30 + 1}, objectstore.PutOptions{}, "5368709121 bytes are more than the limit of 5368709120"},
	} {
		_, err := b.Put(t.Context(), tt.key, tt.body, tt.opts)
		if err == nil || !strings.Contains(err.Error(), tt.fault) || objectstore.IsTransient(err) {
			t.Errorf("%s: error %v, want %q", tt.name, err, tt.fault)
		}
	}
	if n := len(w.requests()); n != 0 {
		t.Errorf("%d requests went out", n)
	}
}

func TestDelete(t *testing.T) {
	w := newWire(t, answer(204, ""))
	b := w.bucket(t)
	for _, opts := range []objectstore.DeleteOptions{{}, {IfMatch: `"e1"`, VersionID: "v1"}} {
		if err := b.Delete(t.Context(), "a b", opts); err != nil {
			t.Fatal(err)
		}
	}
	plain, conditional := w.requests()[0], w.requests()[1]
	if plain.Method != "DELETE" || plain.Path != "/bucket/a%20b" || plain.Header.Get("If-Match") != "" || strings.Contains(plain.Query, "versionId") {
		t.Errorf("sent %+v", plain)
	}
	if conditional.Header.Get("If-Match") != `"e1"` || !strings.Contains(conditional.Query, "versionId=v1") {
		t.Errorf("sent %+v", conditional)
	}
}

func TestPutOverTLSReadsTheBodyOnce(t *testing.T) {
	w := &wire{}
	w.server = httptest.NewTLSServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			t.Errorf("reading the request's body: %v", err)
		}
		w.seen = append(w.seen, request{Header: r.Header.Clone(), Body: string(body)})
		answer(200, "", `ETag: "e"`)(rw, r)
	}))
	t.Cleanup(w.server.Close)
	authority := filepath.Join(t.TempDir(), "ca.pem")
	block := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: w.server.Certificate().Raw})
	if err := os.WriteFile(authority, block, 0o600); err != nil {
		t.Fatal(err)
	}
	isolate(t)
	t.Setenv("AWS_CA_BUNDLE", authority)
	b, err := objectstore.Open(t.Context(), "bucket", objectstore.WithEndpoint(w.server.URL), objectstore.WithRegion("eu-central-1"),
		objectstore.WithStaticCredentials("AKIDEXAMPLE", "secret"), objectstore.WithMaxAttempts(1))
	if err != nil {
		t.Fatal(err)
	}
	body := &counter{ReadSeeker: strings.NewReader("content")}
	if _, err := b.Put(t.Context(), "k", body, objectstore.PutOptions{IfMatch: `"e1"`}); err != nil {
		t.Fatal(err)
	}
	sent := w.requests()[0]
	sum := strings.TrimPrefix(crc32Header("content"), "X-Amz-Checksum-Crc32: ")
	if sent.Header.Get("X-Amz-Trailer") != "x-amz-checksum-crc32" || !strings.Contains(sent.Body, "content") || !strings.Contains(sent.Body, sum) {
		t.Errorf("sent %+v", sent)
	}
	if sent.Header.Get("If-Match") != `"e1"` || body.read != int64(len("content")) {
		t.Errorf("If-Match %q, %d bytes read", sent.Header.Get("If-Match"), body.read)
	}
}
