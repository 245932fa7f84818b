package e2e

import (
	"bytes"
	"fmt"
	"net/http"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/crlgate/crlgate/cmd/crlgate/internal/s3proc"
	"github.com/crlgate/crlgate/cmd/crlgate/internal/stack"
	"github.com/crlgate/crlgate/internal/pki"
	"github.com/crlgate/crlgate/pkg/objectstore"
	"github.com/crlgate/crlgate/pkg/preprocess"
)

// upload is one of a series, of which the events are tampered with.
type upload struct {
	key  string
	data []byte
}

// series is a CA's certificates, settings and two CRLs, the second of which
// revokes more, and another CA's; and what must come of it.
type series struct {
	alpha, beta                 *authority
	uploads                     []upload
	good, first, second, stands *pki.Leaf
}

func newSeries(t *testing.T) *series {
	s := &series{alpha: newCA(t, "alpha"), beta: newCA(t, "beta")}
	s.good, s.first, s.second, s.stands = s.alpha.issue("good"), s.alpha.issue("first"), s.alpha.issue("second"), s.beta.issue("stands")
	s.alpha.revoke(s.first)
	one := s.alpha.crl(nil)
	s.alpha.revoke(s.second)
	two := s.alpha.crl(nil)
	s.uploads = []upload{
		{"issuers/alpha.pem", s.alpha.PEM()},
		{"crls/alpha.crl", one},
		{"issuers/beta.pem", s.beta.PEM()},
		{"issuers/beta.json", []byte(`{"crl": "optional"}`)},
		{"crls/alpha.crl", two},
	}
	return s
}

func (s *series) holds(w *world) {
	w.t.Helper()
	w.awaitTruststore(s.alpha, s.beta)
	w.expect(s.good, http.StatusOK, "good")
	w.expect(s.first, http.StatusForbidden, "revoked")
	w.expect(s.second, http.StatusForbidden, "revoked")
	w.expect(s.stands, http.StatusOK, "no_crl")
	c := w.catalog()
	if crls := c.CAs["alpha"].CRLs; len(crls) != 1 || crls[0].Number.String() != "2" {
		w.t.Errorf("CRLs of alpha in the catalog: %d, want number 2 alone", len(crls))
	}
	if f := w.Failures(); len(f) > 0 {
		w.t.Errorf("the failure queue holds %s", bytes.Join(f, []byte("\n")))
	}
}

// mailbox holds events back.
type mailbox struct {
	mu     sync.Mutex
	events [][]byte
}

func (m *mailbox) keep(event []byte) [][]byte {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.events = append(m.events, bytes.Clone(event))
	return nil
}

func (m *mailbox) len() int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return len(m.events)
}

// TestEventsDoubled has every event come three times.
func TestEventsDoubled(t *testing.T) {
	t.Parallel()
	var came atomic.Int32
	w := start(t, stack.Config{EventFilter: func(e []byte) [][]byte {
		came.Add(1)
		return [][]byte{e, e, e}
	}})
	s := newSeries(t)
	for _, u := range s.uploads {
		w.put(u.key, u.data)
	}
	eventually(t, "CRL number 2 to be in force", func() bool { return w.inForce("alpha", "2") })
	w.drain()
	s.holds(w)
	before := w.catalog().Generation
	came.Store(0)
	w.put("crls/alpha.crl", s.uploads[4].data) // once more: the same bytes change nothing
	eventually(t, "the event to come", func() bool { return came.Load() > 0 })
	eventually(t, "the three to be handled", func() bool { return len(w.logLines("START RequestId")) >= 3*(len(s.uploads)+1) })
	w.drain()
	if after := w.catalog().Generation; after != before {
		t.Errorf("the same CRL again moved the catalog from generation %d to %d", before, after)
	}
}

// inForce reports whether a CRL number of a CA is in the catalog.
func (w *world) inForce(ca, number string) bool {
	w.t.Helper()
	objects := false
	for o, err := range w.Cache.List(w.t.Context(), "catalog.json") {
		objects = objects || err == nil && o.Key == "catalog.json"
	}
	if !objects {
		return false
	}
	c := w.catalog()
	if c.CAs[ca] == nil {
		return false
	}
	for _, l := range c.CAs[ca].CRLs {
		if l.Number.String() == number {
			return true
		}
	}
	return false
}

// TestEventsReordered delivers every event, the last one first; and then, to
// another stack, only after all the uploads, in an order of its own.
func TestEventsReordered(t *testing.T) {
	t.Parallel()
	for what, order := range map[string]func([][]byte){
		"backwards":     func(e [][]byte) { slices.Reverse(e) },
		"inside out":    func(e [][]byte) { e[0], e[2] = e[2], e[0]; e[1], e[4] = e[4], e[1] },
		"late in order": func([][]byte) {},
	} {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			var box mailbox
			w := start(t, stack.Config{EventFilter: box.keep})
			s := newSeries(t)
			for _, u := range s.uploads {
				w.put(u.key, u.data)
			}
			eventually(t, "all events to come", func() bool { return box.len() == len(s.uploads) })
			order(box.events)
			for _, e := range box.events {
				w.Deliver(e)
				w.drain() // one after another: the order is what is tested
			}
			s.holds(w)
		})
	}
}

// TestOrderOfUploads uploads the CRL before its issuer: it is pending, and
// counts when the issuer comes.
func TestOrderOfUploads(t *testing.T) {
	t.Parallel()
	w := start(t, stack.Config{})
	alpha := newCA(t, "alpha")
	good, revoked := alpha.issue("good"), alpha.issue("revoked")
	alpha.revoke(revoked)
	crl := alpha.crl(nil)
	r := w.upload("crls/early.crl", crl, preprocess.OutcomePending)
	if r.Code != preprocess.IssuerUnknown {
		t.Errorf("a CRL without issuer is pending as %s (%s)", r.Code, r.Detail)
	}
	w.trust(alpha)
	w.awaitOutcome("crls/early.crl", preprocess.OutcomeAccepted)
	w.expect(good, http.StatusOK, "good")
	w.expect(revoked, http.StatusForbidden, "revoked")
}

// awaitOutcome waits for an outcome of the last upload under a key.
func (w *world) awaitOutcome(key string, want preprocess.Outcome) {
	w.t.Helper()
	eventually(w.t, fmt.Sprintf("%s to be %s", key, want), func() bool {
		r, err := preprocess.ReadReport(w.t.Context(), w.Cache, key)
		return err == nil && r != nil && r.Outcome == want
	})
}

// TestEventsLost loses every event. What was uploaded counts when the timer
// asks for everything to be looked at.
func TestEventsLost(t *testing.T) {
	t.Parallel()
	var box mailbox
	w := start(t, stack.Config{EventFilter: box.keep})
	s := newSeries(t)
	for _, u := range s.uploads {
		w.put(u.key, u.data)
	}
	eventually(t, "all events to come", func() bool { return box.len() == len(s.uploads) })
	w.awaitTruststore(s.alpha)
	w.expect(s.good, http.StatusForbidden, "cache_unavailable")
	w.Deliver([]byte(preprocess.ReconcileRequest))
	w.drain()
	s.holds(w)

	// An issuer that is taken away, too, is noticed by the timer alone.
	if err := w.Uploads.Delete(t.Context(), "issuers/beta.pem", objectstore.DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
	w.Deliver([]byte(preprocess.ReconcileRequest))
	w.drain()
	if w.catalog().CAs["beta"] != nil {
		t.Error("beta's file is gone, and beta is still in the catalog")
	}
}

// TestTimer loses every event and has the timer run: it finds the uploads by
// itself.
func TestTimer(t *testing.T) {
	t.Parallel()
	var box mailbox
	w := start(t, stack.Config{EventFilter: box.keep, Reconcile: time.Second})
	s := newSeries(t)
	for _, u := range s.uploads {
		w.put(u.key, u.data)
	}
	eventually(t, "CRL number 2 to be in force", func() bool { return w.inForce("alpha", "2") })
	w.awaitOutcome("issuers/beta.json", preprocess.OutcomeAccepted)
	s.holds(w)
}

// TestPreprocessorsRace uploads many CRLs of many CAs at once. Two
// preprocessors take them and meet on the catalog, and none is lost.
func TestPreprocessorsRace(t *testing.T) {
	t.Parallel()
	const cas, partitions = 5, 6
	w := start(t, stack.Config{ProxyPreprocessor: true})
	type partition struct {
		ca            *authority
		key           string
		crl           []byte
		good, revoked *pki.Leaf
	}
	var all []*partition
	var uploads []upload
	var authorities []*authority
	for i := range cas {
		ca := newCA(t, fmt.Sprintf("ca%d", i))
		authorities = append(authorities, ca)
		for j := range partitions {
			uri := fmt.Sprintf("http://crl.example/%s/%d.crl", ca.name, j)
			leaf := func(name string) *pki.Leaf {
				return ca.issueWith(name, pki.LeafOptions{CRLDistributionPoints: []string{uri}})
			}
			p := &partition{ca: ca, key: fmt.Sprintf("crls/%s-%d.crl", ca.name, j), good: leaf("good"), revoked: leaf("revoked")}
			p.crl = ca.crl(func(o *pki.CRLOptions) {
				o.IDP = &pki.IDP{FullNames: []string{uri}}
				o.Entries = []pki.Entry{{Serial: p.revoked.Certificate.SerialNumber}}
			})
			all = append(all, p)
			uploads = append(uploads, upload{p.key, p.crl})
		}
	}
	// Every write of the catalog takes so long that another one comes between.
	// A changed issuer would have everything looked at again, and so make good
	// what was lost: the CAs come first.
	w.trust(authorities...)
	w.drain()
	catalogPUT := s3proc.Object(http.MethodPut, stack.CacheBucket, "catalog.json")
	w.Proxy.Inject(catalogPUT, s3proc.Delay(30*time.Millisecond))
	var wg sync.WaitGroup
	for _, u := range uploads {
		wg.Go(func() {
			if _, err := w.Put(t.Context(), u.key, u.data); err != nil {
				t.Errorf("uploading %s: %v", u.key, err)
			}
		})
	}
	wg.Wait()
	for _, p := range all {
		w.awaitOutcome(p.key, preprocess.OutcomeAccepted)
	}
	w.drain()
	writers := map[int]int{}
	for _, l := range w.logLines("catalog written") {
		writers[l.PID]++
	}
	beaten := 0
	for _, r := range w.Proxy.Matching(catalogPUT) {
		if r.Status == http.StatusPreconditionFailed || r.Status == http.StatusConflict {
			beaten++
		}
	}
	t.Logf("catalog written, by process: %v; %d writes came second and were tried again", writers, beaten)
	if len(writers) < 2 || beaten == 0 {
		t.Error("the preprocessors never met on the catalog: this shows nothing")
	}
	inCatalog := map[string]bool{}
	c := w.catalog()
	for _, ca := range c.CAs {
		for _, l := range ca.CRLs {
			inCatalog[l.Source.Key] = true
		}
	}
	for _, p := range all {
		if !inCatalog[p.key] {
			t.Errorf("%s is lost", p.key)
		}
		w.expect(p.good, http.StatusOK, "good")
		w.expect(p.revoked, http.StatusForbidden, "revoked")
	}
	if f := w.Failures(); len(f) > 0 {
		t.Errorf("the failure queue holds %s", bytes.Join(f, []byte("\n")))
	}
}
