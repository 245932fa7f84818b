package s3proc

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"
)

// A Request is what a [Proxy] saw of one request. Key and Query are decoded.
type Request struct {
	Method string
	Bucket string
	Key    string // empty for a request about a bucket
	Query  url.Values
	// The conditions and the range that the client asked for.
	Range             string
	IfMatch           string
	IfNoneMatch       string
	IfModifiedSince   string
	IfUnmodifiedSince string
	// Status is the status that the client was answered with; 0 while it
	// waits, and for good if it was given none.
	Status int
	// Sent is how many octets of the answer's body the client was sent so far.
	Sent int64
	// Fault says whether a fault was injected.
	Fault bool
}

// A Proxy stands between S3 clients and an S3 server. It records each request
// and injects the faults that it is told to. Requests go on as they came, Host
// header included, so that the server can verify their signatures. Where the
// server cannot be reached, the proxy breaks the client's connection.
type Proxy struct {
	// Endpoint is the base URL to give to clients.
	Endpoint string

	server *http.Server
	closed chan struct{} // closed by Close, for requests that hang
	served chan struct{} // closed when the server has ended

	mu       sync.Mutex
	requests []*Request
	faults   []*injection
}

// An injection is a fault and the requests that it befalls.
type injection struct {
	match func(Request) bool
	fault Fault
	left  int // how often it still strikes; negative for ever
}

// NewProxy starts a proxy on a free port of 127.0.0.1, for the S3 server at
// target, a base URL.
func NewProxy(target string) (*Proxy, error) {
	to, err := url.Parse(target)
	if err != nil {
		return nil, fmt.Errorf("starting a proxy for %q: %w", target, err)
	}
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("starting a proxy for %s: %w", target, err)
	}
	p := &Proxy{
		Endpoint: "http://" + l.Addr().String(),
		closed:   make(chan struct{}),
		served:   make(chan struct{}),
	}
	transport := &http.Transport{
		MaxIdleConnsPerHost:   64,
		IdleConnTimeout:       time.Minute,
		ExpectContinueTimeout: time.Second,
		DisableCompression:    true, // it would add a header
	}
	forward := &httputil.ReverseProxy{
		Rewrite: func(r *httputil.ProxyRequest) {
			r.Out.URL.Scheme, r.Out.URL.Host = to.Scheme, to.Host
			r.Out.Host = r.In.Host // signed
		},
		Transport:      transport,
		FlushInterval:  -1,
		ModifyResponse: spoil,
		ErrorHandler:   func(http.ResponseWriter, *http.Request, error) { panic(http.ErrAbortHandler) },
		ErrorLog:       log.New(io.Discard, "", 0),
	}
	p.server = &http.Server{
		Handler:  http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { p.serve(forward, w, r) }),
		ErrorLog: log.New(io.Discard, "", 0),
	}
	go func() {
		defer close(p.served)
		defer transport.CloseIdleConnections()
		_ = p.server.Serve(l) // ends with ErrServerClosed
	}()
	return p, nil
}

// Close ends the proxy at once. Requests under way lose their connection.
func (p *Proxy) Close() error {
	p.mu.Lock()
	select {
	case <-p.closed:
	default:
		close(p.closed)
	}
	p.mu.Unlock()
	err := p.server.Close()
	<-p.served
	return err
}

// Requests are the requests so far, in the order in which they came, those
// that still wait included.
func (p *Proxy) Requests() []Request { return p.Matching(Any) }

// Matching are those of Requests that match.
func (p *Proxy) Matching(match func(Request) bool) []Request {
	p.mu.Lock()
	defer p.mu.Unlock()
	var found []Request
	for _, r := range p.requests {
		if match(*r) {
			found = append(found, *r)
		}
	}
	return found
}

// Forget empties the record. Requests under way are no longer recorded.
func (p *Proxy) Forget() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.requests = nil
}

// Inject lets a fault befall every request that matches, from now on until the
// function that it returns is called. Of several that match, the one injected
// last strikes. match must not call the Proxy.
func (p *Proxy) Inject(match func(Request) bool, fault Fault) (remove func()) {
	in := &injection{match: match, fault: fault, left: -1}
	if fault.times > 0 {
		in.left = fault.times
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.faults = append(p.faults, in)
	return func() {
		p.mu.Lock()
		defer p.mu.Unlock()
		p.faults = slices.DeleteFunc(p.faults, func(f *injection) bool { return f == in })
	}
}

// Any matches every request.
func Any(Request) bool { return true }

// Object matches requests with this method for this object.
func Object(method, bucket, key string) func(Request) bool {
	return func(r Request) bool { return r.Method == method && r.Bucket == bucket && r.Key == key }
}

// Prefix matches requests with this method for objects of this bucket whose
// keys begin with prefix.
func Prefix(method, bucket, prefix string) func(Request) bool {
	return func(r Request) bool {
		return r.Method == method && r.Bucket == bucket && r.Key != "" && strings.HasPrefix(r.Key, prefix)
	}
}

// record notes a request and draws the fault, if any, that befalls it.
func (p *Proxy) record(r *http.Request) (*Request, *Fault) {
	bucket, key, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, "/"), "/")
	req := &Request{
		Method:            r.Method,
		Bucket:            bucket,
		Key:               key,
		Query:             r.URL.Query(),
		Range:             r.Header.Get("Range"),
		IfMatch:           r.Header.Get("If-Match"),
		IfNoneMatch:       r.Header.Get("If-None-Match"),
		IfModifiedSince:   r.Header.Get("If-Modified-Since"),
		IfUnmodifiedSince: r.Header.Get("If-Unmodified-Since"),
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.requests = append(p.requests, req)
	for _, f := range slices.Backward(p.faults) {
		if f.left == 0 || !f.match(*req) {
			continue
		}
		f.left-- // below zero it only falls
		req.Fault = true
		return req, &f.fault
	}
	return req, nil
}

// answered notes a request's status.
func (p *Proxy) answered(r *Request, status int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if r.Status == 0 {
		r.Status = status
	}
}

// sent notes that more of a request's answer was sent.
func (p *Proxy) sent(r *Request, n int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	r.Sent += int64(n)
}

// serve answers one request.
func (p *Proxy) serve(forward http.Handler, w http.ResponseWriter, r *http.Request) {
	req, fault := p.record(r)
	w = &statusWriter{
		ResponseWriter: w,
		answered:       func(status int) { p.answered(req, status) },
		sent:           func(n int) { p.sent(req, n) },
		flush:          fault != nil && fault.cut,
	}
	if fault == nil {
		forward.ServeHTTP(w, r)
		return
	}
	if err := p.wait(r.Context(), fault); err != nil {
		panic(http.ErrAbortHandler)
	}
	switch {
	case fault.call != nil:
		p.breakAt(forward, w, r, fault)
	case fault.reset:
		reset(w)
	case fault.status == 0:
		forward.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), faultKey{}, fault)))
	case fault.applied:
		forward.ServeHTTP(&discard{header: http.Header{}}, r)
		writeError(w, r, fault.status)
	default:
		_, _ = io.Copy(io.Discard, r.Body) // else the client fails at sending
		writeError(w, r, fault.status)
	}
}

// errHung ends a request that was to hang.
var errHung = errors.New("hung")

// wait does what a fault asks for before a request goes on.
func (p *Proxy) wait(ctx context.Context, fault *Fault) error {
	var after <-chan time.Time
	if fault.delay > 0 {
		t := time.NewTimer(fault.delay)
		defer t.Stop()
		after = t.C
	} else if fault.until == nil && !fault.hang {
		return nil
	}
	select {
	case <-after:
		return nil
	case <-fault.until:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	case <-p.closed:
		return errHung
	}
}

// A statusWriter tells of the status and of how much is written.
type statusWriter struct {
	http.ResponseWriter
	answered func(status int)
	sent     func(n int)
	flush    bool // send the header at once: the connection may break next
}

func (w *statusWriter) WriteHeader(status int) {
	if status >= 200 { // 100 Continue is not the answer
		w.answered(status)
	}
	w.ResponseWriter.WriteHeader(status)
	if w.flush {
		_ = http.NewResponseController(w.ResponseWriter).Flush() // a write would fail too
	}
}

func (w *statusWriter) Write(b []byte) (int, error) {
	w.answered(http.StatusOK) // does nothing if a status was written
	n, err := w.ResponseWriter.Write(b)
	w.sent(n)
	return n, err
}

// Unwrap lets http.ResponseController flush.
func (w *statusWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// discard takes an answer that the client is not to see.
type discard struct{ header http.Header }

func (d *discard) Header() http.Header         { return d.header }
func (d *discard) Write(b []byte) (int, error) { return len(b), nil }
func (d *discard) WriteHeader(int)             {}
