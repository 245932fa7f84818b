package s3proc

import (
	"context"
	"io"
	"net"
	"net/http"
	"time"
)

// A Point is how far a request has come on its way through a [Proxy].
type Point int

// The points.
const (
	// BeforeServer: nothing of the request has reached the server.
	BeforeServer Point = iota
	// MidBody: half of the request's body has reached the server, or, of a
	// request without one, half of the answer's body has reached the client. A
	// request whose body and answer are both empty never comes there.
	MidBody
	// AfterServer: the server has done all that it was asked, and the client
	// has no word of it.
	AfterServer
)

// String names the point.
func (p Point) String() string {
	switch p {
	case BeforeServer:
		return "before S3"
	case MidBody:
		return "mid-body"
	case AfterServer:
		return "after S3"
	}
	return "nowhere"
}

// Break calls f when a request has come to the point, and then breaks the
// client's connection. At [MidBody] of a request that writes, the server's
// connection is broken too. A request that never comes to the point passes.
func Break(at Point, f func()) Fault { return Fault{at: at, call: f} }

// Reset resets the client's connection instead of an answer, without asking the
// server.
func Reset() Fault { return Fault{reset: true} }

// Alter lets f change the server's answer before the client gets it.
func Alter(f func(*http.Response) error) Fault { return Fault{alter: f} }

// Drip sends the answer's body n bytes at a time, with a pause before each: it
// never stands still for longer and takes as long as it takes.
func Drip(n int, pause time.Duration) Fault { return Fault{dripBytes: n, dripPause: pause} }

// breakAt forwards a request up to the fault's point.
func (p *Proxy) breakAt(forward http.Handler, w http.ResponseWriter, r *http.Request, fault *Fault) {
	switch {
	case fault.at == BeforeServer:
		fault.call()
	case fault.at == AfterServer:
		forward.ServeHTTP(&discard{header: http.Header{}}, r)
		fault.call()
	case r.ContentLength > 1:
		r.Body = &breakingBody{ReadCloser: r.Body, left: r.ContentLength / 2, call: fault.call}
		forward.ServeHTTP(w, r)
		return
	default:
		forward.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), faultKey{}, fault)))
		return
	}
	panic(http.ErrAbortHandler)
}

// reset sends a TCP reset.
func reset(w http.ResponseWriter) {
	conn, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	if tcp, ok := conn.(*net.TCPConn); ok {
		_ = tcp.SetLinger(0)
	}
	_ = conn.Close()
}

// A breakingBody calls a function after left bytes and fails then.
type breakingBody struct {
	io.ReadCloser
	left int64
	call func()
}

func (b *breakingBody) Read(p []byte) (int, error) {
	if b.left == 0 {
		if b.call != nil {
			b.call()
			b.call = nil
		}
		return 0, io.ErrUnexpectedEOF
	}
	n, err := b.ReadCloser.Read(p[:min(int64(len(p)), b.left)])
	b.left -= int64(n)
	return n, err
}

// breakAnswer has the answer break in the middle of its body, if it has one.
func breakAnswer(resp *http.Response, call func()) {
	switch {
	case resp.ContentLength > 1:
		resp.Body = &breakingBody{ReadCloser: resp.Body, left: resp.ContentLength / 2, call: call}
	case resp.ContentLength < 0: // of a length that the server does not tell: a listing
		resp.Body = &breakingBody{ReadCloser: resp.Body, left: 32, call: call}
	}
}

// A drippingBody is slow.
type drippingBody struct {
	io.ReadCloser
	done  <-chan struct{} // of the request
	bytes int
	pause time.Duration
}

func (b *drippingBody) Read(p []byte) (int, error) {
	t := time.NewTimer(b.pause)
	defer t.Stop()
	select {
	case <-t.C:
	case <-b.done:
		return 0, context.Canceled
	}
	return b.ReadCloser.Read(p[:min(len(p), b.bytes)])
}
