package console

import (
	"bytes"
	"crypto/x509/pkix"
	"io"
	"log/slog"
	"math/big"
	"mime/multipart"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	g "maragu.dev/gomponents"

	"github.com/crlgate/crlgate/cmd/crlgate/internal/target"
	"github.com/crlgate/crlgate/internal/pki"
	"github.com/crlgate/crlgate/pkg/objectstore/objectstoretest"
	"github.com/crlgate/crlgate/pkg/preprocess"
)

// world is two buckets, filled by the real preprocessor, and a console over them.
type world struct {
	t              *testing.T
	uploads, cache *objectstoretest.Bucket
	now            time.Time
	watch          *watch
	server         *server
}

func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{t: t, uploads: objectstoretest.NewBucket(), cache: objectstoretest.NewBucket(), now: time.Now().UTC().Truncate(time.Second)}
	c := Config{Target: &target.Target{Local: &target.State{Folder: t.TempDir()}}, Every: time.Hour, Clock: func() time.Time { return w.now }}
	w.watch = newWatch(c)
	w.watch.cache = newReread(w.cache)
	w.server = newServer(w.watch)
	return w
}

func (w *world) put(key string, body []byte) {
	w.t.Helper()
	w.uploads.Store(key, body)
	p := preprocess.New(w.uploads, w.cache, preprocess.Config{IssuerPrefix: "issuers/", CRLPrefixes: []string{"crls/"}}, slog.New(slog.DiscardHandler), nil)
	if err := p.Changed(w.t.Context(), []string{key}, w.now); err != nil {
		w.t.Fatal(err)
	}
}

// unknownCA makes a CA that is not uploaded.
func (w *world) unknownCA(name string) *pki.CA {
	w.t.Helper()
	ca, err := pki.NewCA(pki.CAOptions{Name: pkix.Name{CommonName: name}})
	if err != nil {
		w.t.Fatal(err)
	}
	return ca
}

func (w *world) ca(name string) *pki.CA {
	w.t.Helper()
	ca := w.unknownCA(name)
	w.put("issuers/"+name+".pem", ca.PEM())
	return ca
}

func (w *world) crl(ca *pki.CA, number int64, life time.Duration, revoked ...*pki.Leaf) []byte {
	w.t.Helper()
	o := pki.CRLOptions{Number: big.NewInt(number), ThisUpdate: w.now, NextUpdate: w.now.Add(life)}
	for _, leaf := range revoked {
		o.Entries = append(o.Entries, pki.Entry{Serial: leaf.Certificate.SerialNumber})
	}
	data, err := ca.CRL(o)
	if err != nil {
		w.t.Fatal(err)
	}
	return data
}

func (w *world) issue(ca *pki.CA, name string) *pki.Leaf {
	w.t.Helper()
	leaf, err := ca.Issue(pki.LeafOptions{Subject: pkix.Name{CommonName: name}})
	if err != nil {
		w.t.Fatal(err)
	}
	return leaf
}

// look has the console read the bucket and work the page out.
func (w *world) look() {
	w.t.Helper()
	w.watch.look(w.t.Context())
	w.watch.show()
}

// do sends a request, with the cookie unless the change takes it away.
func (w *world) do(method, path string, body io.Reader, change func(*http.Request)) *httptest.ResponseRecorder {
	w.t.Helper()
	r := httptest.NewRequestWithContext(w.t.Context(), method, "http://127.0.0.1:8900"+path, body)
	r.AddCookie(&http.Cookie{Name: "crlgate-console-8900", Value: w.server.keys.cookie})
	if change != nil {
		change(r)
	}
	out := httptest.NewRecorder()
	w.server.ServeHTTP(out, r)
	return out
}

func (w *world) page() string {
	w.t.Helper()
	w.look()
	out := w.do("GET", "/", nil, nil)
	if out.Code != http.StatusOK {
		w.t.Fatalf("the page: %d %s", out.Code, out.Body)
	}
	return out.Body.String()
}

// drop posts files, as the script does, and returns the answer.
func (w *world) drop(files ...file) *httptest.ResponseRecorder {
	w.t.Helper()
	body, kind := form(w.t, files...)
	return w.do("POST", "/answer", body, func(r *http.Request) {
		r.Header.Set("Content-Type", kind)
		r.Header.Set("X-Crlgate-Part", "1")
	})
}

func form(t *testing.T, files ...file) (io.Reader, string) {
	t.Helper()
	var b bytes.Buffer
	w := multipart.NewWriter(&b)
	for _, f := range files {
		part, err := w.CreateFormFile("file", f.name)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := part.Write(f.data); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return &b, w.FormDataContentType()
}

func has(t *testing.T, html string, wants ...string) {
	t.Helper()
	for _, want := range wants {
		if !strings.Contains(html, want) {
			t.Errorf("%q is not in\n%s", want, html)
		}
	}
}

func text(t *testing.T, n g.Node) string {
	t.Helper()
	var b strings.Builder
	if err := n.Render(&b); err != nil {
		t.Fatal(err)
	}
	return b.String()
}
