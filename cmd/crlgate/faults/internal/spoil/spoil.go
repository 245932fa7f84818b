// Package spoil is what can go wrong with S3's answers: [Faults], each of which
// makes a fault for the proxy before the S3 server, for one kind of GET of the
// authorizer.
package spoil

import (
	"bytes"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"strings"
	"time"

	"github.com/crlgate/crlgate/cmd/crlgate/internal/s3proc"
)

// Kinds of GET.
const (
	Catalog = "catalog"
	Part    = "part"
	Index   = "set index"
	Block   = "block range"
	Whole   = "whole set"
)

// Kinds are all of them.
var Kinds = []string{Catalog, Part, Index, Block, Whole}

// OldPutBack is the name of the fault that answers with what was stored before.
const OldPutBack = "old object put back"

// Before returns the bytes that stood before under the key of a GET of this
// kind; nil: none are known. A nil Before knows none.
type Before func(kind, key string) []byte

// Fault is one that befalls GETs.
type Fault struct {
	Name string
	make func(before Before, kind string, draw *rand.Rand) *s3proc.Fault
	// Total: no GET that it befalls can succeed; of a fault of bodies, none whose
	// answer has one.
	Total bool
	// Slow: it takes requests as long as they wait.
	Slow bool
}

// On makes the fault for one kind of GET, drawing what is random from draw; nil:
// it makes no sense there.
func (f Fault) On(kind string, before Before, draw *rand.Rand) *s3proc.Fault {
	return f.make(before, kind, draw)
}

func plain(f s3proc.Fault) func(Before, string, *rand.Rand) *s3proc.Fault {
	return func(Before, string, *rand.Rand) *s3proc.Fault { return &f }
}

func altered(change func(*http.Response) error) *s3proc.Fault {
	f := s3proc.Alter(change)
	return &f
}

// Faults are all of them.
var Faults = []Fault{
	{Name: "404", make: plain(s3proc.Answer(http.StatusNotFound)), Total: true},
	{Name: "403", make: plain(s3proc.Answer(http.StatusForbidden)), Total: true},
	{Name: "412", make: plain(s3proc.Answer(http.StatusPreconditionFailed)), Total: true},
	{Name: "409", make: plain(s3proc.Answer(http.StatusConflict)), Total: true},
	{Name: "500", make: plain(s3proc.Answer(http.StatusInternalServerError)), Total: true},
	{Name: "503 SlowDown", make: plain(s3proc.Answer(http.StatusServiceUnavailable)), Total: true},
	{Name: "503 once", make: plain(s3proc.Answer(http.StatusServiceUnavailable).Times(1))},
	{Name: "reset before the headers", make: plain(s3proc.Reset()), Total: true},
	{Name: "reset once", make: plain(s3proc.Reset().Times(1))},
	{Name: "broken after the headers", make: plain(s3proc.Cut(0)), Total: true},
	{Name: "torn body", make: plain(s3proc.Cut(40)), Total: true},
	{Name: "short body", make: shortens, Total: true},
	{Name: "bit flip", make: flips, Total: true},
	{Name: "wrong ETag", make: func(_ Before, _ string, draw *rand.Rand) *s3proc.Fault {
		etag := fmt.Sprintf(`"%032x"`, draw.Uint64())
		return altered(func(resp *http.Response) error {
			resp.Header.Set("ETag", etag)
			return nil
		})
	}},
	{Name: OldPutBack, make: putBack, Total: true},
	{Name: "wrong Content-Range", make: wrongRange, Total: true},
	{Name: "slow first byte", make: plain(s3proc.Delay(1500 * time.Millisecond)), Slow: true},
	{Name: "slow bytes", make: plain(s3proc.Drip(16, 150*time.Millisecond)), Slow: true, Total: true},
	{Name: "hang", make: plain(s3proc.Hang()), Slow: true, Total: true},
	{Name: "redirect", make: func(Before, string, *rand.Rand) *s3proc.Fault {
		return altered(func(resp *http.Response) error {
			s3proc.ReplaceBody(resp, []byte(`<?xml version="1.0"?><Error><Code>PermanentRedirect</Code><Message>injected</Message><Endpoint>elsewhere.invalid</Endpoint></Error>`))
			resp.StatusCode, resp.Status = http.StatusMovedPermanently, "301 Moved Permanently"
			resp.Header.Set("Location", "http://127.0.0.1:1/elsewhere")
			return nil
		})
	}, Total: true},
}

// edited changes the body of answers that have one; a catalog that has not changed
// has none.
func edited(change func(*http.Response, []byte)) *s3proc.Fault {
	return altered(func(resp *http.Response) error {
		if resp.StatusCode >= 300 {
			return nil
		}
		body, err := io.ReadAll(resp.Body)
		if err != nil {
			return err
		}
		_ = resp.Body.Close()
		if len(body) == 0 {
			s3proc.ReplaceBody(resp, body)
			return nil
		}
		change(resp, body)
		return nil
	})
}

// shortens loses the second half of the body, and says so.
func shortens(Before, string, *rand.Rand) *s3proc.Fault {
	return edited(func(resp *http.Response, body []byte) { s3proc.ReplaceBody(resp, body[:len(body)/2]) })
}

// flips inverts one bit, as in memory or on a disk: what S3 says of the whole
// object, its checksum, stays; of a range it says none.
func flips(_ Before, _ string, draw *rand.Rand) *s3proc.Fault {
	at, bit := draw.Uint64(), byte(1)<<draw.IntN(8)
	return edited(func(resp *http.Response, body []byte) {
		body[at%uint64(len(body))] ^= bit
		resp.Body = io.NopCloser(bytes.NewReader(body))
	})
}

// putBack answers with what was stored before, as a copy that lags behind does.
func putBack(before Before, kind string, _ *rand.Rand) *s3proc.Fault {
	if before == nil {
		return nil
	}
	return altered(func(resp *http.Response) error {
		old := before(kind, resp.Request.URL.Path)
		if old == nil {
			return nil
		}
		_, _ = io.Copy(io.Discard, resp.Body)
		_ = resp.Body.Close()
		resp.StatusCode, resp.Status = http.StatusOK, "200 OK"
		if from, to, ok := ParseRange(resp.Request.Header.Get("Range")); ok {
			size := int64(len(old))
			from, to = min(from, size-1), min(to, size-1)
			resp.StatusCode, resp.Status = http.StatusPartialContent, "206 Partial Content"
			resp.Header.Set("Content-Range", fmt.Sprintf("bytes %d-%d/%d", from, to, size))
			old = old[from : to+1]
		}
		s3proc.ReplaceBody(resp, old)
		resp.Header.Set("ETag", `"0123456789abcdef0123456789abcdef"`)
		return nil
	})
}

// wrongRange answers a range with the header of another.
func wrongRange(_ Before, kind string, _ *rand.Rand) *s3proc.Fault {
	if kind == Catalog || kind == Part {
		return nil // never asked by range
	}
	return altered(func(resp *http.Response) error {
		if from, to, ok := ParseRange(resp.Request.Header.Get("Range")); ok {
			resp.Header.Set("Content-Range", fmt.Sprintf("bytes %d-%d/%d", from+1, to+1, to+1000))
		}
		return nil
	})
}

// ParseRange reads the Range header of a GET: first and last octet.
func ParseRange(s string) (from, to int64, ok bool) {
	n, err := fmt.Sscanf(s, "bytes=%d-%d", &from, &to)
	return from, to, err == nil && n == 2
}

// CAOf returns which of these CAs a set's key is of, whose uploads are named for
// them, crls/CA…; "": of none.
func CAOf(key string, cas []string) string {
	for _, ca := range cas {
		if strings.Contains(key, "crls_2f"+ca) {
			return ca
		}
	}
	return ""
}
