// Package feed is what a local stack sees, as it happens: each request that a
// gateway answered and each report of the preprocessor. "crlgate local" prints
// the same; through here another command of the same user follows it.
//
// A [Hub] collects and a [Server] offers it on 127.0.0.1, to whoever knows its
// token; the stack's state file, readable by its owner only, holds both.
// [Follow] is the other end. The wire is HTTP with one JSON [Message] a line.
package feed

import (
	"cmp"
	"slices"
	"sync"
	"time"

	"github.com/crlgate/crlgate/cmd/crlgate/internal/gateway"
	"github.com/crlgate/crlgate/pkg/preprocess"
)

// Keep is how many of the last requests, and of the last reports, a follower
// that comes later still gets one by one. Older requests it gets as counts.
const Keep = 500

// Request is a line of a gateway's access log.
type Request struct {
	At        time.Time `json:"at"`
	ID        string    `json:"id"`
	Form      string    `json:"form"`
	Method    string    `json:"method"`
	Path      string    `json:"path"` // percent-encoded, without the query
	Status    int       `json:"status"`
	Decision  string    `json:"decision,omitempty"` // empty where the authorizer gave none
	Reason    string    `json:"reason,omitempty"`
	WouldDeny bool      `json:"would_deny,omitempty"`
	CA        string    `json:"ca,omitempty"`
	Serial    string    `json:"serial,omitempty"`
	Subject   string    `json:"subject,omitempty"`
	CRLNumber string    `json:"crl_number,omitempty"`
	Detail    string    `json:"detail,omitempty"` // why the gateway itself refused
	// Latency until the response was written.
	Latency time.Duration `json:"latency_ns"`
}

// Denied reports whether the authorizer, or the gateway in its stead, let the
// request not through.
func (r *Request) Denied() bool { return r.Decision != "allow" }

// OfRecord returns what an access log's record says.
func OfRecord(r gateway.Record) *Request {
	text := func(key string) string {
		s, _ := r.Context[key].(string)
		return s
	}
	return &Request{
		At: r.Time.UTC(), ID: r.RequestID, Form: r.Form.String(), Method: r.Method, Path: r.Path, Status: r.Status,
		Decision: r.Decision, Reason: r.Reason, WouldDeny: text("would_deny") == "true",
		CA: text("ca"), Serial: cmp.Or(text("serial"), r.CertificateSerial), Subject: text("subject"), CRLNumber: text("crl_number"),
		Detail: r.Detail, Latency: r.Latency,
	}
}

// Count is how many requests ended in one way.
type Count struct {
	Decision string `json:"decision"`
	Reason   string `json:"reason"`
	N        int    `json:"n"`
}

// Message is one line of the feed: the head, which is the first, a request, or
// a report.
type Message struct {
	Head    *Head              `json:"head,omitempty"`
	Request *Request           `json:"request,omitempty"`
	Report  *preprocess.Report `json:"report,omitempty"`
}

// Head says what the feed knows that does not follow one by one.
type Head struct {
	Since time.Time `json:"since"` // when the stack started
	// Counts are of requests since then that are not among those that follow.
	Counts []Count `json:"counts"`
}

// backlog is how far behind a follower may be before it is cut off; it then
// comes again and starts from what is kept.
const backlog = 256

// Hub collects. Its methods may be called from several goroutines.
type Hub struct {
	mu       sync.Mutex
	since    time.Time
	older    map[Count]int // by decision and reason, N zero
	requests []*Request    // the last, oldest first
	reports  []*preprocess.Report
	follow   map[chan Message]struct{}
}

// NewHub returns a hub of a stack that started at since.
func NewHub(since time.Time) *Hub {
	return &Hub{since: since.UTC(), older: map[Count]int{}, follow: map[chan Message]struct{}{}}
}

// Request adds a request.
func (h *Hub) Request(r *Request) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if len(h.requests) == Keep {
		first := h.requests[0]
		h.older[Count{Decision: first.Decision, Reason: first.Reason}]++
		h.requests = slices.Delete(h.requests, 0, 1)
	}
	h.requests = append(h.requests, r)
	h.tell(Message{Request: r})
}

// Report adds a report.
func (h *Hub) Report(r *preprocess.Report) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if len(h.reports) == Keep {
		h.reports = slices.Delete(h.reports, 0, 1)
	}
	h.reports = append(h.reports, r)
	h.tell(Message{Report: r})
}

// tell must be called with the lock held. Who is too far behind is cut off: the
// stack waits for nobody.
func (h *Hub) tell(m Message) {
	for c := range h.follow {
		select {
		case c <- m:
		default:
			delete(h.follow, c)
			close(c)
		}
	}
}

// subscribe returns what is known, and a channel of what comes, which is closed
// when its reader is too slow.
func (h *Hub) subscribe() ([]Message, chan Message) {
	h.mu.Lock()
	defer h.mu.Unlock()
	head := &Head{Since: h.since, Counts: []Count{}}
	for c, n := range h.older {
		c.N = n
		head.Counts = append(head.Counts, c)
	}
	slices.SortFunc(head.Counts, func(a, b Count) int {
		return cmp.Or(cmp.Compare(a.Decision, b.Decision), cmp.Compare(a.Reason, b.Reason))
	})
	known := []Message{{Head: head}}
	for _, r := range h.reports {
		known = append(known, Message{Report: r})
	}
	for _, r := range h.requests {
		known = append(known, Message{Request: r})
	}
	c := make(chan Message, backlog)
	h.follow[c] = struct{}{}
	return known, c
}

func (h *Hub) unsubscribe(c chan Message) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if _, ok := h.follow[c]; ok {
		delete(h.follow, c)
		close(c)
	}
}
