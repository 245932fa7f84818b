package s3proc

import (
	"bytes"
	"encoding/xml"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// A Fault is what befalls a request on its way through a [Proxy].
type Fault struct {
	status  int
	applied bool
	delay   time.Duration
	until   <-chan struct{}
	hang    bool
	cut     bool
	cutAt   int64
	corrupt bool
	flipAt  int64
	times   int

	// See break.go.
	at        Point
	call      func()
	reset     bool
	alter     func(*http.Response) error
	dripBytes int
	dripPause time.Duration
}

// Answer answers with this status, and the error code that S3 gives with it,
// without asking the server.
func Answer(status int) Fault { return Fault{status: status} }

// AnswerApplied lets the server do what is asked, and answers with this status
// all the same: a write that took effect and is reported as failed.
func AnswerApplied(status int) Fault { return Fault{status: status, applied: true} }

// Delay holds requests up for a time.
func Delay(d time.Duration) Fault { return Fault{delay: d} }

// HoldUntil holds requests up until the channel is closed or read from.
func HoldUntil(c <-chan struct{}) Fault { return Fault{until: c} }

// Hang never answers. The request ends when the client gives up or the proxy is
// closed.
func Hang() Fault { return Fault{hang: true} }

// Cut breaks the connection after n bytes of the answer's body. The headers
// still promise the whole. A body that is no longer than that stays whole.
func Cut(n int64) Fault { return Fault{cut: true, cutAt: n} }

// Corrupt inverts the byte at this offset of the answer's body, and takes the
// checksums from the answer: as if it had been stored that way, so that the
// client's own library does not notice.
func Corrupt(offset int64) Fault { return Fault{corrupt: true, flipAt: offset} }

// Times is the same fault, for the first n requests that match; n must be
// positive.
func (f Fault) Times(n int) Fault {
	f.times = n
	return f
}

// faultKey is where a request's context holds the fault to inject into its
// answer.
type faultKey struct{}

// spoil injects a fault into the server's answer.
func spoil(resp *http.Response) error {
	fault, _ := resp.Request.Context().Value(faultKey{}).(*Fault)
	if fault == nil {
		return nil
	}
	if fault.call != nil {
		breakAnswer(resp, fault.call)
	}
	if fault.alter != nil {
		if err := fault.alter(resp); err != nil {
			return err
		}
	}
	if fault.dripBytes > 0 {
		resp.Body = &drippingBody{ReadCloser: resp.Body, done: resp.Request.Context().Done(), bytes: fault.dripBytes, pause: fault.dripPause}
	}
	if fault.cut {
		resp.Body = &cutBody{ReadCloser: resp.Body, left: fault.cutAt}
	}
	if fault.corrupt {
		resp.Body = &corruptBody{ReadCloser: resp.Body, left: fault.flipAt}
		dropChecksums(resp)
	}
	return nil
}

// ReplaceBody gives an answer another body, for [Alter]. Checksums go: it is as if
// it had been stored so. The old body is the caller's to close.
func ReplaceBody(resp *http.Response, body []byte) {
	dropChecksums(resp)
	resp.Body, resp.ContentLength = io.NopCloser(bytes.NewReader(body)), int64(len(body))
	resp.Header.Set("Content-Length", strconv.Itoa(len(body)))
}

func dropChecksums(resp *http.Response) {
	for name := range resp.Header {
		if strings.HasPrefix(name, "X-Amz-Checksum-") {
			resp.Header.Del(name)
		}
	}
}

// A cutBody fails after left bytes, whereupon the proxy breaks the connection.
type cutBody struct {
	io.ReadCloser
	left int64
}

func (b *cutBody) Read(p []byte) (int, error) {
	if b.left == 0 {
		// Whether the body ends here anyway is only known by reading on.
		if n, err := b.ReadCloser.Read(make([]byte, 1)); n == 0 && err == io.EOF {
			return 0, io.EOF
		}
		return 0, io.ErrUnexpectedEOF
	}
	if int64(len(p)) > b.left {
		p = p[:b.left]
	}
	n, err := b.ReadCloser.Read(p)
	b.left -= int64(n)
	return n, err
}

// A corruptBody inverts the byte that follows left others.
type corruptBody struct {
	io.ReadCloser
	left int64 // negative once done
}

func (b *corruptBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	if b.left >= 0 && b.left < int64(n) {
		p[b.left] ^= 0xff
	}
	b.left -= int64(n)
	return n, err
}

// s3Codes are the error codes that S3 gives with a status where several would
// be possible, the one that a client of an object store meets.
var s3Codes = map[int]string{
	http.StatusForbidden:           "AccessDenied",
	http.StatusNotFound:            "NoSuchKey",
	http.StatusConflict:            "ConditionalRequestConflict",
	http.StatusPreconditionFailed:  "PreconditionFailed",
	http.StatusInternalServerError: "InternalError",
	http.StatusServiceUnavailable:  "SlowDown",
}

// writeError answers as S3 does: an XML error, but no body for HEAD and 304.
func writeError(w http.ResponseWriter, r *http.Request, status int) {
	code := s3Codes[status]
	if code == "" {
		code = strings.ReplaceAll(http.StatusText(status), " ", "")
	}
	if r.Method == http.MethodHead || status == http.StatusNotModified {
		w.WriteHeader(status)
		return
	}
	body, err := xml.Marshal(struct {
		XMLName xml.Name `xml:"Error"`
		Code    string
		Message string
	}{Code: code, Message: "injected: " + http.StatusText(status)})
	if err != nil {
		panic(err) // it is made of two plain strings
	}
	w.Header().Set("Content-Type", "application/xml")
	w.Header().Set("Content-Length", strconv.Itoa(len(xml.Header)+len(body)))
	w.WriteHeader(status)
	_, _ = io.WriteString(w, xml.Header)
	_, _ = w.Write(body)
}
