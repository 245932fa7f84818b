package fetch

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/crlgate/crlgate/internal/pki"
)

func write(t *testing.T, w io.Writer, b []byte) {
	if _, err := w.Write(b); err != nil {
		t.Log("writing:", err) // the client may have gone, which is what is tested
	}
}

func TestGetDERAndPEM(t *testing.T) {
	der := makeCRL(t, 1)
	for name, body := range map[string][]byte{"der": der, "pem": pki.CRLPEM(der)} {
		url, _ := serve(t, func(w http.ResponseWriter, r *http.Request) {
			if r.Header.Get("Accept-Encoding") != "identity" || r.Header.Get("If-None-Match") != "" {
				t.Errorf("%s: asked with %v", name, r.Header)
			}
			w.Header().Set("ETag", `"a"`)
			w.Header().Set("Last-Modified", "Mon, 01 Jun 2026 12:00:00 GMT")
			write(t, w, body)
		})
		got, d, err := get(t, newClient(t), url, Validators{})
		if err != nil || !bytes.Equal(got, body) {
			t.Fatalf("%s: %d bytes, %v", name, len(got), err)
		}
		if d.ETag != `"a"` || d.LastModified == "" || d.List.Number.Int64() != 1 || !d.List.NextUpdate.Equal(start.Add(7*24*time.Hour)) || d.Size != int64(len(body)) || d.Bytes != d.Size {
			t.Errorf("%s: %+v", name, d)
		}
	}
}

func TestConditionalRequest(t *testing.T) {
	have := Validators{ETag: `"a"`, LastModified: "Mon, 01 Jun 2026 12:00:00 GMT"}
	url, _ := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("If-None-Match") != have.ETag || r.Header.Get("If-Modified-Since") != have.LastModified {
			t.Errorf("asked with %v", r.Header)
		}
		w.WriteHeader(http.StatusNotModified)
	})
	_, d, err := get(t, newClient(t), url, have)
	if err != nil || !d.NotModified {
		t.Errorf("%+v, %v", d, err)
	}
}

// TestStatuses: what a server answers instead of a CRL, and how often it is asked.
func TestStatuses(t *testing.T) {
	for _, c := range []struct {
		status   int
		code     Code
		words    string
		requests int32
	}{
		{http.StatusInternalServerError, ServerError, "500 Internal Server Error", attempts},
		{http.StatusServiceUnavailable, ServerError, "503", attempts},
		{http.StatusTooManyRequests, RateLimited, "fewer requests", attempts},
		{http.StatusNotFound, StatusRefused, "put the URL right", 1},
		{http.StatusForbidden, StatusRefused, "403 Forbidden", 1},
		{http.StatusNoContent, StatusRefused, "204", 1},
		{http.StatusPartialContent, StatusRefused, "206", 1},
		{http.StatusNotModified, NotModifiedUnasked, "without a condition", 1},
	} {
		url, requests := serve(t, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(c.status) })
		_, _, err := get(t, newClient(t), url, Validators{})
		refused(t, err, c.code, c.words)
		if requests.Load() != c.requests {
			t.Errorf("%d: asked %d times, want %d", c.status, requests.Load(), c.requests)
		}
	}
}

func TestServerErrorThenAnswer(t *testing.T) {
	for _, status := range []int{http.StatusInternalServerError, http.StatusTooManyRequests} {
		var n atomic.Int32
		url, requests := serve(t, func(w http.ResponseWriter, _ *http.Request) {
			if n.Add(1) == 1 {
				w.Header().Set("Retry-After", "1")
				w.WriteHeader(status)
				return
			}
			write(t, w, makeCRL(t, 1))
		})
		began := time.Now()
		if _, d, err := get(t, newClient(t), url, Validators{}); err != nil || d.List == nil {
			t.Errorf("%d: %v", status, err)
		}
		if requests.Load() != 2 || time.Since(began) < time.Second {
			t.Errorf("%d: asked %d times within %v, though it was to wait a second", status, requests.Load(), time.Since(began))
		}
	}
}

func TestRetryAfterIsLeftToTheNextLook(t *testing.T) {
	url, requests := serve(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Retry-After", "600")
		w.WriteHeader(http.StatusTooManyRequests)
	})
	_, _, err := get(t, newClient(t), url, Validators{})
	refused(t, err, RateLimited, "")
	f, ok := err.(*Failure)
	if !ok || f.RetryAfter != 10*time.Minute || requests.Load() != 1 {
		t.Errorf("%+v after %d requests", f, requests.Load())
	}
	for text, want := range map[string]time.Duration{
		"": 0, "x": 0, "-1": 0, "99999999999999999999": 0, "4294967295": 24 * time.Hour, "90": 90 * time.Second,
		start.Add(time.Minute).Format(http.TimeFormat): time.Minute, start.Add(-time.Minute).Format(http.TimeFormat): 0,
		start.Add(1000 * time.Hour).Format(http.TimeFormat): 24 * time.Hour,
	} {
		if got := retryAfter(text, start); got != want {
			t.Errorf("Retry-After %q: %v, want %v", text, got, want)
		}
	}
}

func TestBodiesThatAreNoCRL(t *testing.T) {
	crl := makeCRL(t, 1)
	for name, c := range map[string]struct {
		body  []byte
		kind  string
		words string
	}{
		"html":                         {[]byte("<!doctype html><html><body>Not here, but 200 OK.</body></html>"), "text/html", "text/html"},
		"empty":                        {nil, "", "empty"},
		"cut":                          {crl[:len(crl)-10], "application/pkix-crl", "cut short"},
		"trailing":                     {append(bytes.Clone(crl), "x"...), "", "one object holds one CRL"},
		"pem cut":                      {pki.CRLPEM(crl)[:200], "", "PEM"},
		"a sequence of something else": {[]byte{0x30, 3, 2, 1, 1}, "", "tag"},
	} {
		url, requests := serve(t, func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", c.kind)
			write(t, w, c.body)
		})
		_, _, err := get(t, newClient(t), url, Validators{})
		refused(t, err, NotACRL, c.words)
		if requests.Load() != 1 {
			t.Errorf("%s: asked %d times", name, requests.Load())
		}
	}
}

// TestLeftToThePreprocessor: what is a CertificateList and yet refused by it is
// not the fetcher's to judge.
func TestLeftToThePreprocessor(t *testing.T) {
	for name, edit := range map[string]func(*pki.CRLOptions){
		"no number":  func(o *pki.CRLOptions) { o.Number = nil },
		"version":    func(o *pki.CRLOptions) { o.Version = 5 },
		"algorithms": func(o *pki.CRLOptions) { o.OuterAlgorithm = []byte{0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70} },
	} {
		body := makeCRL(t, 1, edit)
		url, _ := serve(t, func(w http.ResponseWriter, _ *http.Request) { write(t, w, body) })
		if got, _, err := get(t, newClient(t), url, Validators{}); err != nil || !bytes.Equal(got, body) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestTruncatedBody(t *testing.T) {
	crl := makeCRL(t, 1)
	for name, answer := range map[string]func(net.Conn){
		"content-length": func(c net.Conn) {
			fmt.Fprintf(c, "HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s", len(crl), crl[:len(crl)-1])
		},
		"chunked": func(c net.Conn) {
			fmt.Fprintf(c, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n%x\r\n%s\r\n", len(crl), crl)
		},
		"no answer": func(net.Conn) {},
		"half a gzip": func(c net.Conn) {
			fmt.Fprintf(c, "HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 20\r\n\r\n%s", zipped(t, crl)[:20])
		},
	} {
		var n atomic.Int32
		url := raw(t, func(c net.Conn) {
			n.Add(1)
			answer(c)
		})
		_, _, err := get(t, newClient(t), url, Validators{})
		refused(t, err, BodyTruncated, "before it was whole")
		if n.Load() != attempts {
			t.Errorf("%s: asked %d times", name, n.Load())
		}
	}
	// Without a length or chunks, only the CRL itself tells.
	url := raw(t, func(c net.Conn) { fmt.Fprintf(c, "HTTP/1.0 200 OK\r\n\r\n%s", crl[:len(crl)-1]) })
	_, _, err := get(t, newClient(t), url, Validators{})
	refused(t, err, NotACRL, "cut short")
}

func TestAnswersThatHTTPDoesNotAllow(t *testing.T) {
	for name, answer := range map[string]string{
		"no HTTP":           "SSH-2.0-OpenSSH_9.9\r\n",
		"a huge header":     "HTTP/1.1 200 OK\r\nX: " + strings.Repeat("x", 2*maxHeaderBytes) + "\r\n\r\n",
		"two lengths":       "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab",
		"gzip that is none": "HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 12\r\n\r\nnot any gzip",
	} {
		url := raw(t, func(c net.Conn) { _, _ = io.WriteString(c, answer) })
		_, _, err := get(t, newClient(t), url, Validators{})
		t.Log(name, err)
		refused(t, err, AnswerMalformed, "")
	}
}

func zipped(t *testing.T, b []byte) []byte {
	t.Helper()
	var out bytes.Buffer
	z := gzip.NewWriter(&out)
	if _, err := z.Write(b); err != nil {
		t.Fatal(err)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

func TestContentEncoding(t *testing.T) {
	crl := makeCRL(t, 1)
	answer := func(encoding string, body []byte) string {
		url, _ := serve(t, func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Encoding", encoding)
			write(t, w, body)
		})
		return url
	}
	if got, _, err := get(t, newClient(t), answer("gzip", zipped(t, crl)), Validators{}); err != nil || !bytes.Equal(got, crl) {
		t.Errorf("gzip: %v", err)
	}
	bomb := zipped(t, make([]byte, 32<<20))
	_, _, err := get(t, newClient(t, func(c *ClientConfig) { c.MaxBytes = 1 << 20 }), answer("gzip", bomb), Validators{})
	refused(t, err, BodyTooLarge, "MAX_CRL_BYTES allows 1048576")
	_, _, err = get(t, newClient(t), answer("br", crl), Validators{})
	refused(t, err, EncodingRefused, `"br"`)
}

func TestEndlessBody(t *testing.T) {
	url, requests := serve(t, func(w http.ResponseWriter, r *http.Request) {
		for r.Context().Err() == nil {
			if _, err := w.Write(make([]byte, 64<<10)); err != nil {
				return
			}
		}
	})
	small := func(c *ClientConfig) { c.MaxBytes = 1 << 20 }
	_, d, err := get(t, newClient(t, small), url, Validators{})
	refused(t, err, BodyTooLarge, "raise it")
	if d.Bytes > 2<<20 || requests.Load() != 1 {
		t.Errorf("%d bytes were read, in %d requests", d.Bytes, requests.Load())
	}
	// A length that is too much is not even begun.
	announced, _ := serve(t, func(w http.ResponseWriter, _ *http.Request) { w.Header().Set("Content-Length", "1048577") })
	_, d, err = get(t, newClient(t, small), announced, Validators{})
	refused(t, err, BodyTooLarge, "1048577 bytes")
	if d.Bytes != 0 {
		t.Errorf("%d bytes were read", d.Bytes)
	}
	exact := makeCRL(t, 1)
	fits, _ := serve(t, func(w http.ResponseWriter, _ *http.Request) { write(t, w, exact) })
	if _, _, err := get(t, newClient(t, func(c *ClientConfig) { c.MaxBytes = int64(len(exact)) }), fits, Validators{}); err != nil {
		t.Errorf("a body of exactly the limit: %v", err)
	}
}

func TestSilence(t *testing.T) {
	over := make(chan struct{})
	t.Cleanup(func() { close(over) })
	quick := func(c *ClientConfig) { c.IdleTimeout = 200 * time.Millisecond }
	for name, h := range map[string]http.HandlerFunc{
		"before the answer": func(_ http.ResponseWriter, r *http.Request) {
			select {
			case <-over:
			case <-r.Context().Done():
			}
		},
		"in the body": func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Length", "1000")
			write(t, w, makeCRL(t, 1)[:20])
			w.(http.Flusher).Flush()
			select {
			case <-over:
			case <-r.Context().Done():
			}
		},
	} {
		url, requests := serve(t, h)
		_, _, err := get(t, newClient(t, quick), url, Validators{})
		refused(t, err, TimedOut, "")
		if requests.Load() != attempts {
			t.Errorf("%s: asked %d times", name, requests.Load())
		}
	}
}

// TestSlowBytes: a byte now and then keeps the idle timeout from ending it.
func TestSlowBytes(t *testing.T) {
	slowly := func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Length", "100000")
		for range 100000 {
			if _, err := w.Write([]byte{0x30}); err != nil {
				return
			}
			w.(http.Flusher).Flush()
			select {
			case <-r.Context().Done():
				return
			case <-time.After(20 * time.Millisecond):
			}
		}
	}
	url, _ := serve(t, slowly)
	c := newClient(t)
	c.grace = 1100 * time.Millisecond
	_, _, err := get(t, c, url, Validators{})
	refused(t, err, TooSlow, "bytes a second")
	_, _, err = get(t, newClient(t, func(c *ClientConfig) { c.Timeout = time.Second }), url, Validators{})
	refused(t, err, TimedOut, "a look may take")
}
