package preprocess_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"

	"github.com/crlgate/crlgate/internal/pki"
	"github.com/crlgate/crlgate/pkg/catalog"
	"github.com/crlgate/crlgate/pkg/objectstore"
	"github.com/crlgate/crlgate/pkg/objectstore/objectstoretest"
	"github.com/crlgate/crlgate/pkg/preprocess"
)

// scenario is one event, and what lay in the buckets before it.
type scenario struct {
	what   string
	before func(t *testing.T, w *world, a, b *pki.CA, crls [3][]byte)
	event  []string // none: the timer
}

var scenarios = []scenario{
	{"first CRL", func(_ *testing.T, w *world, a, _ *pki.CA, crls [3][]byte) {
		w.upload(pem, a.PEM())
		w.uploads.Store(key, crls[0])
	}, []string{key}},
	{"next CRL", func(_ *testing.T, w *world, a, _ *pki.CA, crls [3][]byte) {
		w.upload(pem, a.PEM())
		w.upload(key, crls[0])
		w.uploads.Store(key, crls[1])
	}, []string{key}},
	{"older CRL", func(_ *testing.T, w *world, a, _ *pki.CA, crls [3][]byte) {
		w.upload(pem, a.PEM())
		w.upload(key, crls[1])
		w.uploads.Store(key, crls[0])
	}, []string{key}},
	{"issuer that a CRL waits for", func(_ *testing.T, w *world, a, _ *pki.CA, crls [3][]byte) {
		w.upload(key, crls[0])
		w.upload(settings, []byte(`{"mode":"observe"}`))
		w.uploads.Store(pem, a.PEM())
	}, []string{pem}},
	{"issuer withdrawn", func(_ *testing.T, w *world, a, b *pki.CA, crls [3][]byte) {
		w.upload(pem, a.PEM())
		w.upload("issuers/b.pem", b.PEM())
		w.upload(key, crls[0])
		w.upload("crls/b.crl", crls[2])
		w.uploads.Remove(pem)
	}, []string{pem}},
	{"settings", func(_ *testing.T, w *world, a, _ *pki.CA, _ [3][]byte) {
		w.upload(pem, a.PEM())
		w.uploads.Store(settings, []byte(`{"mode":"observe"}`))
	}, []string{settings}},
	{"settings withdrawn", func(_ *testing.T, w *world, a, _ *pki.CA, _ [3][]byte) {
		w.upload(pem, a.PEM())
		w.upload(settings, []byte(`{"mode":"observe"}`))
		w.uploads.Remove(settings)
	}, []string{settings}},
	{"CRL deleted", func(_ *testing.T, w *world, a, _ *pki.CA, crls [3][]byte) {
		w.upload(pem, a.PEM())
		w.upload(key, crls[0])
		w.uploads.Remove(key)
	}, []string{key}},
	{"timer, everything to do", func(_ *testing.T, w *world, a, b *pki.CA, crls [3][]byte) {
		w.upload("issuers/b.pem", b.PEM())
		w.upload("crls/b.crl", crls[2])
		w.uploads.Store(pem, a.PEM())
		w.uploads.Store(settings, []byte(`{"mode":"observe"}`))
		w.uploads.Store(key, crls[1])
	}, nil},
	{"timer, nothing to do", func(_ *testing.T, w *world, a, b *pki.CA, crls [3][]byte) {
		w.upload(pem, a.PEM())
		w.upload("issuers/b.pem", b.PEM())
		w.upload(key, crls[0])
		w.upload("crls/b.crl", crls[2])
	}, nil},
}

// fault is what goes wrong with one call.
type fault struct {
	what    string
	after   bool // once it took effect
	forever bool // and with every call after it
	err     func(op objectstore.Op) error
}

var errCrash = errors.New("the process was killed")

var faults = []fault{
	{"503 before", false, false, func(objectstore.Op) error { return objectstoretest.Answer(503, "SlowDown") }},
	{"503 after", true, false, func(objectstore.Op) error { return objectstoretest.Answer(503, "ServiceUnavailable") }},
	{"403", false, false, func(objectstore.Op) error { return objectstoretest.Answer(403, "AccessDenied") }},
	{"409", false, false, func(op objectstore.Op) error {
		if op != objectstore.OpPut {
			return nil
		}
		return objectstoretest.Answer(409, "ConditionalRequestConflict")
	}},
	{"412 after", true, false, func(op objectstore.Op) error {
		if op != objectstore.OpPut {
			return nil // a write that the SDK tried twice meets itself
		}
		return objectstoretest.Answer(412, "PreconditionFailed")
	}},
	crash,
	{"crash after", true, true, func(objectstore.Op) error { return errCrash }},
}

// crash ends a process: from then on nothing works.
var crash = fault{"crash before", false, true, func(objectstore.Op) error { return errCrash }}

// killedAt has an event of key handled by a process that is killed at call number
// n, and returns how many calls there were and how it ended; nil: before that.
func (w *world) killedAt(n int64, key string) (calls int64, err error) {
	made := w.strike(n, crash)
	defer w.calm()
	err = w.tryHandle(key)
	return made.Load(), err
}

// strike makes call number n, counted over both buckets, go wrong. It returns
// how many calls there have been.
func (w *world) strike(n int64, f fault) *atomic.Int64 {
	var calls atomic.Int64
	var down atomic.Bool // calls may come at a time
	before := func(op objectstore.Op, _ string) error {
		if i := calls.Add(1); down.Load() || !f.after && i == n {
			down.Store(f.forever)
			return f.err(op)
		}
		return nil
	}
	after := func(op objectstore.Op, _ string) error {
		if f.after && calls.Load() == n && !down.Load() {
			down.Store(f.forever)
			return f.err(op)
		}
		return nil
	}
	for _, b := range []*objectstoretest.Bucket{w.uploads, w.cache} {
		b.Before(before)
		b.After(after)
	}
	return &calls
}

func copyBucket(to, from *objectstoretest.Bucket) {
	for _, k := range from.Keys() {
		data, _, _ := from.Load(k)
		to.Store(k, data)
	}
}

func (w *world) calm() {
	for _, b := range []*objectstoretest.Bucket{w.uploads, w.cache} {
		b.Before(nil)
		b.After(nil)
	}
}

// outcomes are all reports, without what a second try may say otherwise.
func (w *world) outcomes() map[string]string {
	w.t.Helper()
	out := map[string]string{}
	for _, k := range w.cache.Keys() {
		if !strings.HasPrefix(k, catalog.ReportPrefix) {
			continue
		}
		var r preprocess.Report
		data, _, _ := w.cache.Load(k)
		if err := json.Unmarshal(data, &r); err != nil {
			w.t.Fatal(err)
		}
		code := r.Code
		if r.Outcome == preprocess.OutcomeAccepted {
			code = preprocess.Accepted // or unchanged
		}
		out[r.Key] = fmt.Sprint(r.Outcome, code, r.CA, r.Number, r.ETag)
	}
	return out
}

// TestFaults has every call of every scenario go wrong in every way. Whatever
// happens, the buckets hold together; what failed says so; and when Lambda
// sends the event again, all is as if nothing had happened.
func TestFaults(t *testing.T) { synctest.Test(t, testFaults) } // so that nobody waits between tries

func testFaults(t *testing.T) {
	a, b := newCA(t, "a"), newCA(t, "b")
	crls := [3][]byte{crlOf(t, a, 5, 1), crlOf(t, a, 6, 1, 2), crlOf(t, b, 7, 3)}
	struck := 0
	for _, s := range scenarios {
		template := newWorld(t)
		s.before(t, template, a, b, crls)
		setUp := func() *world {
			w := newWorld(t)
			copyBucket(w.uploads, template.uploads)
			copyBucket(w.cache, template.cache)
			return w
		}
		w := setUp()
		start := canonical(t, w.catalog())
		calls := w.strike(0, faults[0])
		w.handle(s.event...)
		n := calls.Load()
		w.calm()
		want, reports, end := canonical(t, w.catalog()), w.outcomes(), w.catalog().Generation
		for fi, f := range faults {
			for i := int64(1); i <= n; i++ {
				if raced && (int(i)+fi)%8 != 0 {
					continue
				}
				w := setUp()
				w.strike(i, f)
				err := w.tryHandle(s.event...)
				w.calm()
				w.check()
				where := fmt.Sprintf("%s, call %d of %d, %s", s.what, i, n, f.what)
				got := canonical(t, w.catalog())
				switch {
				case err == nil && (got != want || !maps.Equal(w.outcomes(), reports)):
					t.Errorf("%s: no error, and the event was not done: %q", where, w.outcomes())
				case len(s.event) > 0 && s.event[0] == key && got != start && got != want:
					t.Errorf("%s: half of the event was done: %s", where, got)
				}
				// All that may fail unnoticed is the comparison with the CRL before, which comes last.
				compared := !strings.Contains(w.log.String(), "not compared with the CRL before")
				if err == nil && compared && f.err(objectstore.OpGet) != nil && strings.HasPrefix(f.what, "crash") {
					t.Errorf("%s: no error", where)
				}
				if err := w.tryHandle(s.event...); err != nil {
					t.Errorf("%s: the second try: %v", where, err)
				}
				w.check()
				if got := canonical(t, w.catalog()); got != want {
					t.Errorf("%s: the second try leaves %s\nwant %s", where, got, want)
				}
				if got := w.outcomes(); !maps.Equal(got, reports) {
					t.Errorf("%s: the second try reports\n%q, want\n%q", where, got, reports)
				}
				if g := w.catalog().Generation; g != end {
					t.Errorf("%s: generation %d, want %d: something was written twice, or lost", where, g, end)
				}
				struck++
			}
		}
	}
	if struck < 1000 && !raced || struck < 100 {
		t.Errorf("only %d faults", struck)
	}
	t.Logf("%d faults", struck)
}

// TestTornBody: a CRL whose body breaks off was not read, and is no malformed one.
func TestTornBody(t *testing.T) {
	for _, form := range []func([]byte) []byte{func(der []byte) []byte { return der }, pki.CRLPEM} {
		w, ca := withCRL(t)
		next := form(crlOf(t, ca, 6, 1, 2, 3))
		for after := range len(next) {
			w.uploads.Store(key, next)
			w.uploads.Tear(key, after, 1)
			if err := w.tryHandle(key); !errors.Is(err, objectstore.ErrUnavailable) {
				t.Fatalf("torn after %d of %d: %v", after, len(next), err)
			}
			w.wantOutcome(key, "accepted accepted") // of the CRL before
		}
		w.wantInForce("a #5 " + key)
		w.handle(key)
		w.wantInForce("a #6 " + key)
	}
}

// TestDamagedCatalog: what cannot be read is never written over.
func TestDamagedCatalog(t *testing.T) {
	for what, damage := range map[string]func([]byte) []byte{
		"cut short":      func(b []byte) []byte { return b[:len(b)/2] },
		"empty":          func([]byte) []byte { return nil },
		"a newer format": func(b []byte) []byte { return []byte(strings.Replace(string(b), `"format": 1`, `"format": 2`, 1)) },
		"contradictory": func(b []byte) []byte {
			return []byte(strings.Replace(string(b), `"kind": "complete"`, `"kind": "?"`, 1))
		},
		"another certificate": func(b []byte) []byte {
			return []byte(strings.Replace(string(b), `"der": "MII`, `"der": "MIJ`, 1))
		},
	} {
		w, ca := withCRL(t)
		w.cache.Corrupt(catalog.Key, damage)
		before, _, _ := w.cache.Load(catalog.Key)
		w.uploads.Store(key, crlOf(t, ca, 6))
		w.uploads.Store("issuers/b.pem", newCA(t, "b").PEM())
		w.uploads.Remove(pem)
		for _, event := range [][]string{{key}, {"issuers/b.pem"}, {pem}, nil} {
			err := w.tryHandle(event...)
			if err == nil || !strings.Contains(err.Error(), catalog.Key) {
				t.Errorf("%s: %v", what, err)
			}
			if what == "a newer format" && !errors.Is(err, catalog.ErrFormat) {
				t.Errorf("%s: %v", what, err)
			}
		}
		if after, _, _ := w.cache.Load(catalog.Key); string(after) != string(before) {
			t.Errorf("%s: the catalog was written over", what)
		}
		w.wantOutcome(key, "accepted accepted") // the report before: this is no word on the upload
	}
}

// TestWithoutListBucket: S3 answers 403 for what is not there, and nothing is
// taken for deleted.
func TestWithoutListBucket(t *testing.T) {
	w, ca := newWorld(t, objectstoretest.WithoutListBucket()), newCA(t, "a")
	w.uploads.Store(pem, ca.PEM())
	if err := w.tryHandle(pem); !errors.Is(err, objectstore.ErrForbidden) {
		t.Errorf("%v", err)
	}
	if keys := w.cache.Keys(); len(keys) != 0 {
		t.Errorf("written: %q", keys)
	}
}

// TestUnreadableIssuer: an issuers file that cannot be read now is not gone.
func TestUnreadableIssuer(t *testing.T) {
	for _, status := range []int{403, 500, 503} {
		for _, k := range []string{pem, settings} {
			w, _ := withCRL(t)
			w.upload(settings, []byte(`{"mode":"observe"}`))
			before := w.catalogVersion()
			w.uploads.Before(func(op objectstore.Op, key string) error {
				if op == objectstore.OpGet && key == k {
					return objectstoretest.Answer(status, "")
				}
				return nil
			})
			for _, event := range [][]string{{pem}, {settings}, nil} {
				if err := w.tryHandle(event...); err == nil {
					t.Errorf("%d on %s: no error", status, k)
				}
			}
			if w.catalogVersion() != before {
				t.Errorf("%d on %s changed the catalog: %q", status, k, w.inForce())
			}
		}
	}
}

// TestNoBucket: a bucket that is not there is not an empty one.
func TestNoBucket(t *testing.T) {
	w, _ := withCRL(t)
	before := w.catalogVersion()
	w.uploads.Before(func(objectstore.Op, string) error { return objectstoretest.Answer(404, "NoSuchBucket") })
	for _, event := range [][]string{{pem}, {key}, nil} {
		if err := w.tryHandle(event...); !errors.Is(err, objectstore.ErrNoBucket) {
			t.Errorf("%v", err)
		}
	}
	if w.catalogVersion() != before {
		t.Error("the catalog changed")
	}
}

// TestDeadline: time that runs out is an error, and leaves things whole.
func TestDeadline(t *testing.T) {
	w, ca := withCRL(t)
	w.uploads.Store(key, crlOf(t, ca, 6))
	ctx, cancel := context.WithCancel(t.Context())
	w.cache.Before(func(op objectstore.Op, k string) error {
		if op == objectstore.OpPut && k == catalog.Key {
			cancel()
			return objectstoretest.Answer(412, "PreconditionFailed")
		}
		return nil
	})
	if err := w.preprocessor().Handle(ctx, event(key), w.now); !errors.Is(err, context.Canceled) {
		t.Errorf("%v", err)
	}
	w.calm()
	w.wantInForce("a #5 " + key)
}

// TestAlwaysBeaten: a writer that never comes first gives up with an error.
func TestAlwaysBeaten(t *testing.T) { synctest.Test(t, testAlwaysBeaten) }

func testAlwaysBeaten(t *testing.T) {
	w, ca := withCRL(t)
	w.uploads.Store(key, crlOf(t, ca, 6))
	w.cache.Before(func(op objectstore.Op, k string) error {
		if op == objectstore.OpPut && k == catalog.Key {
			return objectstoretest.Answer(412, "PreconditionFailed")
		}
		return nil
	})
	if err := w.tryHandle(key); !errors.Is(err, objectstore.ErrPreconditionFailed) {
		t.Errorf("%v", err)
	}
	w.calm()
	w.wantInForce("a #5 " + key)
	if got := w.metrics.count("accepted a"); got != 1 {
		t.Errorf("counted %d as accepted: %q", got, slices.Compact(w.metrics.got))
	}
}
