package reads

import (
	"bytes"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/crlgate/crlgate/cmd/crlgate/internal/s3proc"
)

// Kinds of GET.
const (
	kindCatalog = "catalog"
	kindPart    = "part"
	kindIndex   = "set index"
	kindBlock   = "block range"
	kindWhole   = "whole set"
)

var kinds = []string{kindCatalog, kindPart, kindIndex, kindBlock, kindWhole}

// fault is one that befalls GETs.
type fault struct {
	name string
	// make makes the fault for one kind of GET; nil: it makes no sense there.
	make func(w *world, kind string, draw *rand.Rand) *s3proc.Fault
	// total: no GET that it befalls can succeed.
	total bool
	// slow: it takes requests as long as they wait.
	slow bool
}

func plain(f s3proc.Fault) func(*world, string, *rand.Rand) *s3proc.Fault {
	return func(*world, string, *rand.Rand) *s3proc.Fault { return &f }
}

func altered(change func(*http.Response) error) *s3proc.Fault {
	f := s3proc.Alter(change)
	return &f
}

// faults are all of them.
var faults = []fault{
	{name: "404", make: plain(s3proc.Answer(http.StatusNotFound)), total: true},
	{name: "403", make: plain(s3proc.Answer(http.StatusForbidden)), total: true},
	{name: "412", make: plain(s3proc.Answer(http.StatusPreconditionFailed)), total: true},
	{name: "409", make: plain(s3proc.Answer(http.StatusConflict)), total: true},
	{name: "500", make: plain(s3proc.Answer(http.StatusInternalServerError)), total: true},
	{name: "503 SlowDown", make: plain(s3proc.Answer(http.StatusServiceUnavailable)), total: true},
	{name: "503 once", make: plain(s3proc.Answer(http.StatusServiceUnavailable).Times(1))},
	{name: "reset before the headers", make: plain(s3proc.Reset()), total: true},
	{name: "reset once", make: plain(s3proc.Reset().Times(1))},
	{name: "broken after the headers", make: withBody(s3proc.Cut(0)), total: true},
	{name: "torn body", make: withBody(s3proc.Cut(40)), total: true},
	{name: "short body", make: whenBody(shorten), total: true},
	{name: "bit flip", make: flips, total: true},
	{name: "wrong ETag", make: func(_ *world, _ string, draw *rand.Rand) *s3proc.Fault {
		etag := fmt.Sprintf(`"%032x"`, draw.Uint64())
		return altered(func(resp *http.Response) error {
			resp.Header.Set("ETag", etag)
			return nil
		})
	}},
	{name: "old object put back", make: putBack, total: true},
	{name: "wrong Content-Range", make: wrongRange, total: true},
	{name: "slow first byte", make: plain(s3proc.Delay(1500 * time.Millisecond)), slow: true},
	{name: "slow bytes", make: withBody(s3proc.Drip(16, 150*time.Millisecond)), slow: true, total: true},
	{name: "hang", make: plain(s3proc.Hang()), slow: true, total: true},
	{name: "redirect", make: func(*world, string, *rand.Rand) *s3proc.Fault {
		return altered(func(resp *http.Response) error {
			replace(resp, []byte(`<?xml version="1.0"?><Error><Code>PermanentRedirect</Code><Message>injected</Message><Endpoint>elsewhere.invalid</Endpoint></Error>`))
			resp.StatusCode, resp.Status = http.StatusMovedPermanently, "301 Moved Permanently"
			resp.Header.Set("Location", "http://127.0.0.1:1/elsewhere")
			return nil
		})
	}, total: true},
}

// withBody is for faults of a body, of which a catalog that has not changed has
// none: there, any request finds one that has.
func withBody(f s3proc.Fault) func(*world, string, *rand.Rand) *s3proc.Fault { return plain(f) }

// whenBody alters answers that have a body.
func whenBody(change func(*http.Response, []byte)) func(*world, string, *rand.Rand) *s3proc.Fault {
	return func(*world, string, *rand.Rand) *s3proc.Fault { return altered(edit(change)) }
}

func edit(change func(*http.Response, []byte)) func(*http.Response) error {
	return func(resp *http.Response) error {
		if resp.StatusCode >= 300 {
			return nil
		}
		body, err := io.ReadAll(resp.Body)
		if err != nil {
			return err
		}
		_ = resp.Body.Close()
		if len(body) == 0 {
			replace(resp, body)
			return nil
		}
		change(resp, body)
		return nil
	}
}

// replace gives an answer another body. Checksums go: it is as if it had been
// stored so.
func replace(resp *http.Response, body []byte) {
	for name := range resp.Header {
		if strings.HasPrefix(name, "X-Amz-Checksum-") {
			resp.Header.Del(name)
		}
	}
	resp.Body, resp.ContentLength = io.NopCloser(bytes.NewReader(body)), int64(len(body))
	resp.Header.Set("Content-Length", strconv.Itoa(len(body)))
}

// shorten loses the second half of the body, and says so.
func shorten(resp *http.Response, body []byte) { replace(resp, body[:len(body)/2]) }

// flips inverts one bit, as in memory or on a disk: what S3 says of the whole
// object, its checksum, stays; of a range it says none.
func flips(_ *world, _ string, draw *rand.Rand) *s3proc.Fault {
	at, bit := draw.Uint64(), byte(1)<<draw.IntN(8)
	return altered(edit(func(resp *http.Response, body []byte) {
		body[at%uint64(len(body))] ^= bit
		resp.Body = io.NopCloser(bytes.NewReader(body))
	}))
}

// putBack answers with what was stored before, as a copy that lags behind does.
func putBack(w *world, kind string, _ *rand.Rand) *s3proc.Fault {
	return altered(func(resp *http.Response) error {
		what := kind
		if kind == kindIndex || kind == kindBlock || kind == kindWhole {
			what = "set of " + caOf(resp.Request.URL.Path)
		}
		old := w.before(what)
		if old == nil {
			return nil
		}
		_, _ = io.Copy(io.Discard, resp.Body)
		_ = resp.Body.Close()
		resp.StatusCode, resp.Status = http.StatusOK, "200 OK"
		if from, to, ok := parseRange(resp.Request.Header.Get("Range")); ok {
			size := int64(len(old))
			from, to = min(from, size-1), min(to, size-1)
			resp.StatusCode, resp.Status = http.StatusPartialContent, "206 Partial Content"
			resp.Header.Set("Content-Range", fmt.Sprintf("bytes %d-%d/%d", from, to, size))
			old = old[from : to+1]
		}
		replace(resp, old)
		resp.Header.Set("ETag", `"0123456789abcdef0123456789abcdef"`)
		return nil
	})
}

// wrongRange answers a range with the header of another.
func wrongRange(_ *world, kind string, _ *rand.Rand) *s3proc.Fault {
	if kind == kindCatalog || kind == kindPart {
		return nil // never asked by range
	}
	return altered(func(resp *http.Response) error {
		if from, to, ok := parseRange(resp.Request.Header.Get("Range")); ok {
			resp.Header.Set("Content-Range", fmt.Sprintf("bytes %d-%d/%d", from+1, to+1, to+1000))
		}
		return nil
	})
}

func parseRange(s string) (from, to int64, ok bool) {
	n, err := fmt.Sscanf(s, "bytes=%d-%d", &from, &to)
	return from, to, err == nil && n == 2
}

// caOf is the CA of a set's key.
func caOf(path string) string {
	for _, ca := range caNames {
		if strings.Contains(path, "crls_2f"+ca) {
			return ca
		}
	}
	return ""
}
