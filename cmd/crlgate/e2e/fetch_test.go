package e2e

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/crlgate/crlgate/cmd/crlgate/internal/stack"
	"github.com/crlgate/crlgate/internal/pki"
	"github.com/crlgate/crlgate/pkg/fetch"
	"github.com/crlgate/crlgate/pkg/preprocess"
)

// publisher is a CA's HTTP server: paths, and what lies there.
type publisher struct {
	*httptest.Server
	mu    sync.Mutex
	files map[string][]byte
	asked map[string]int // conditional requests that were answered with 304
}

func newPublisher(t testing.TB) *publisher {
	p := &publisher{files: map[string][]byte{}, asked: map[string]int{}}
	p.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		p.mu.Lock()
		defer p.mu.Unlock()
		body, ok := p.files[r.URL.Path]
		if !ok {
			http.Error(w, "<html>the CA is away</html>", http.StatusServiceUnavailable)
			return
		}
		etag := fmt.Sprintf(`"%x"`, body[len(body)-16:])
		w.Header().Set("ETag", etag)
		if r.Header.Get("If-None-Match") == etag {
			p.asked[r.URL.Path]++
			w.WriteHeader(http.StatusNotModified)
			return
		}
		_, _ = w.Write(body)
	}))
	t.Cleanup(p.Close)
	return p
}

func (p *publisher) publish(path string, body []byte) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.files[path] = body
}

func (p *publisher) unchanged(path string) int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.asked[path]
}

// quickFetcher looks every second, at a server on this machine.
func quickFetcher() stack.Config {
	return stack.Config{
		Fetch: 300 * time.Millisecond,
		Fetcher: map[string]string{
			"ALLOW_HOSTS": "127.0.0.1", "MIN_INTERVAL": "1s", "MAX_INTERVAL": "1s", "IDLE_TIMEOUT": "2s", "TIMEOUT": "10s", "MAX_CRL_BYTES": "1MiB",
		},
	}
}

// state returns the state of a URL; nil: there is none yet.
func (w *world) state(url string) *fetch.State {
	w.t.Helper()
	states := must[[]*fetch.State](w.t, "the fetcher's states")(fetch.ReadStates(w.t.Context(), w.Uploads, fetch.DefaultStatePrefix))
	for _, s := range states {
		if s.URLs[0] == url {
			return s
		}
	}
	return nil
}

// TestFetched: a CRL that is published over HTTP revokes a client, without a hand
// on any file of crlgate's; then whatever the server does, it stays revoked.
func TestFetched(t *testing.T) {
	t.Parallel()
	w := start(t, quickFetcher())
	ca := newCA(t, "alpha")
	p := newPublisher(t)
	url := p.URL + "/alpha.crl"
	leaf, good := ca.issue("to be revoked"), ca.issue("good")
	p.publish("/alpha.crl", ca.crl(nil))
	w.trust(ca)
	w.settings(ca, map[string]any{"crl_urls": []string{url}})
	w.await(leaf, http.StatusOK, "good", "403 no_crl")
	eventually(t, "a look that finds nothing new", func() bool { return p.unchanged("/alpha.crl") > 0 })

	older := ca.crl(nil)
	ca.revoke(leaf)
	p.publish("/alpha.crl", ca.crl(nil))
	w.await(leaf, http.StatusForbidden, "revoked", "200 good")
	w.expect(good, http.StatusOK, "good")
	var s *fetch.State
	eventually(t, "the state of the third CRL", func() bool {
		s = w.state(url)
		return s != nil && s.Number == "3" && s.Outcome != fetch.OutcomeFailed
	})

	// An older CRL is uploaded, and refused by the preprocessor.
	p.publish("/alpha.crl", older)
	eventually(t, "the older CRL to be refused", func() bool {
		r := must[*preprocess.Report](t, "the report")(preprocess.ReadReport(t.Context(), w.Cache, s.Key))
		return r != nil && r.Outcome == preprocess.OutcomeRefused && r.Code == "number_too_low"
	})
	w.expect(leaf, http.StatusForbidden, "revoked")

	// An error page is not even uploaded.
	p.publish("/alpha.crl", []byte("<!doctype html><html>200 OK, and yet nothing</html>"))
	eventually(t, "the error page to be reported", func() bool { return w.state(url).Code == fetch.NotACRL })
	w.expect(leaf, http.StatusForbidden, "revoked")
	w.expect(good, http.StatusOK, "good")
	w.awaitLog(`"_aws"`, `"FetchFailures"`, "crlgate-fetcher")
}

// TestFetchedChainAndDelta: the CRL of a CA's parent, which its certificate names,
// and a delta CRL that its own names.
func TestFetchedChainAndDelta(t *testing.T) {
	t.Parallel()
	w := start(t, quickFetcher())
	p := newPublisher(t)
	root := newCA(t, "root")
	below := newCAWith(t, "below", pki.CAOptions{Name: namedFor("below"), Parent: root.CA, CRLDistributionPoints: []string{"ldap://127.0.0.1/cn=root", p.URL + "/root.crl"}})
	freshest := must[[]byte](t, "freshestCRL")(pki.CDP(pki.DistributionPoint{FullNames: []string{p.URL + "/delta.crl"}}))
	base := func(o *pki.CRLOptions) { o.ExtraExtensions = freshestExtension(freshest) }
	leaf, other := below.issue("revoked by a delta"), below.issue("good")
	p.publish("/root.crl", root.crl(nil))
	p.publish("/below.crl", below.crl(base))
	w.trust(root, below)
	w.settings(below, map[string]any{"crl_urls": []string{p.URL + "/below.crl"}})
	w.await(leaf, http.StatusOK, "good", "403 no_crl")

	below.revoke(leaf)
	number := below.number
	p.publish("/delta.crl", below.crl(func(o *pki.CRLOptions) { o.BaseNumber = bigInt(number) }))
	w.await(leaf, http.StatusForbidden, "revoked", "200 good")
	w.expect(other, http.StatusOK, "good")

	root.entries = append(root.entries, pki.Entry{Serial: below.Certificate.SerialNumber, Date: time.Now().Add(-time.Minute), Reason: pki.CACompromise})
	p.publish("/root.crl", root.crl(nil))
	w.await(other, http.StatusForbidden, "issuer_revoked", "200 good")
	eventually(t, "a report on the name that cannot be fetched", func() bool {
		s := w.state("ldap://127.0.0.1/cn=root")
		return s != nil && s.Code == fetch.SchemeUnsupported && s.CA == "root" && s.Kind == fetch.FromCDP
	})
	eventually(t, "the state of the delta", func() bool {
		s := w.state(p.URL + "/delta.crl")
		return s != nil && s.Kind == fetch.FromFreshest && s.CA == "below"
	})
}

// TestHostilePublisher: each is handled, each has its report, and none keeps
// the CRL of the same CA from being fetched.
func TestHostilePublisher(t *testing.T) {
	t.Parallel()
	w := start(t, quickFetcher())
	ca := newCA(t, "alpha")
	sound := ca.crl(nil)
	var bomb bytes.Buffer
	z := gzip.NewWriter(&bomb)
	_, _ = z.Write(make([]byte, 32<<20))
	_ = z.Close()
	over := make(chan struct{})
	hang := func(r *http.Request) {
		select {
		case <-over:
		case <-r.Context().Done():
		}
	}
	mux := http.NewServeMux()
	want := map[string]fetch.Code{}
	answer := func(path string, code fetch.Code, h http.HandlerFunc) {
		mux.HandleFunc(path, h)
		want[path] = code
	}
	answer("/sound", "", func(rw http.ResponseWriter, _ *http.Request) { _, _ = rw.Write(sound) })
	answer("/304", fetch.NotModifiedUnasked, func(rw http.ResponseWriter, _ *http.Request) { rw.WriteHeader(http.StatusNotModified) })
	answer("/500", fetch.ServerError, func(rw http.ResponseWriter, _ *http.Request) { rw.WriteHeader(http.StatusInternalServerError) })
	answer("/429", fetch.RateLimited, func(rw http.ResponseWriter, _ *http.Request) {
		rw.Header().Set("Retry-After", "3600")
		rw.WriteHeader(http.StatusTooManyRequests)
	})
	answer("/silent", fetch.TimedOut, func(_ http.ResponseWriter, r *http.Request) { hang(r) })
	answer("/slow", fetch.TimedOut, func(rw http.ResponseWriter, r *http.Request) {
		for r.Context().Err() == nil {
			if _, err := rw.Write([]byte{0x30}); err != nil {
				return
			}
			rw.(http.Flusher).Flush()
			time.Sleep(100 * time.Millisecond)
		}
	})
	answer("/truncated", fetch.BodyTruncated, func(rw http.ResponseWriter, _ *http.Request) {
		rw.Header().Set("Content-Length", fmt.Sprint(len(sound)))
		_, _ = rw.Write(sound[:len(sound)/2])
	})
	answer("/endless", fetch.BodyTooLarge, func(rw http.ResponseWriter, r *http.Request) {
		for r.Context().Err() == nil {
			if _, err := rw.Write(make([]byte, 64<<10)); err != nil {
				return
			}
		}
	})
	answer("/bomb", fetch.BodyTooLarge, func(rw http.ResponseWriter, _ *http.Request) {
		rw.Header().Set("Content-Encoding", "gzip")
		_, _ = rw.Write(bomb.Bytes())
	})
	answer("/loop", fetch.TooManyRedirects, func(rw http.ResponseWriter, r *http.Request) { http.Redirect(rw, r, "/loop", http.StatusFound) })
	for path, to := range map[string]struct {
		url  string
		code fetch.Code
	}{
		"/metadata": {"http://169.254.169.254/latest/meta-data/iam/security-credentials/", fetch.AddressRefused},
		"/file":     {"file:///etc/passwd", fetch.RedirectRefused},
		"/loopback": {"http://localhost:1/", fetch.AddressRefused},
		"/mapped":   {"http://[::ffff:127.0.0.1]/", fetch.AddressRefused},
	} {
		answer(path, to.code, func(rw http.ResponseWriter, _ *http.Request) {
			rw.Header().Set("Location", to.url)
			rw.WriteHeader(http.StatusFound)
		})
	}
	answer("/header", fetch.AnswerMalformed, func(rw http.ResponseWriter, _ *http.Request) { rw.Header().Set("X", strings.Repeat("x", 1<<20)) })
	s := httptest.NewServer(mux)
	t.Cleanup(s.Close)
	t.Cleanup(func() { close(over) })

	var urls []string
	for path := range want {
		urls = append(urls, s.URL+path)
	}
	w.trust(ca)
	w.settings(ca, map[string]any{"crl_urls": urls})
	w.await(ca.issue("client"), http.StatusOK, "good", "403 no_crl")
	for path, code := range want {
		if code == "" {
			continue
		}
		var got *fetch.State
		eventually(t, "a report on "+path, func() bool { got = w.state(s.URL + path); return got != nil })
		if got.Code != code || got.Outcome != fetch.OutcomeFailed || got.Detail == "" || !got.Next.After(got.Tried.Add(-time.Second)) {
			t.Errorf("%s: %s %s: %s; want %s", path, got.Outcome, got.Code, got.Detail, code)
		}
		if len(must[[]string](t, "the fetched CRLs")(w.keys(got.Key))) > 0 {
			t.Errorf("%s: something was uploaded", path)
		}
	}
}

// keys lists the upload bucket's keys that begin so.
func (w *world) keys(prefix string) (keys []string, err error) {
	for object, err := range w.Uploads.List(w.t.Context(), prefix) {
		if err != nil {
			return nil, err
		}
		keys = append(keys, object.Key)
	}
	return keys, nil
}
