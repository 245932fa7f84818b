package preprocess_test

import (
	"bytes"
	"crypto/x509/pkix"
	"encoding/json"
	"fmt"
	"log/slog"
	"math/big"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/crlgate/crlgate/internal/pki"
	"github.com/crlgate/crlgate/internal/pki/pkitest"
	"github.com/crlgate/crlgate/pkg/catalog"
	"github.com/crlgate/crlgate/pkg/issuer"
	"github.com/crlgate/crlgate/pkg/objectstore"
	"github.com/crlgate/crlgate/pkg/objectstore/objectstoretest"
	"github.com/crlgate/crlgate/pkg/preprocess"
	"github.com/crlgate/crlgate/pkg/serialset"
)

// now is the moment at which everything happens, unless a test says otherwise.
var now = time.Date(2026, 11, 15, 12, 0, 0, 0, time.UTC)

const uploadBucket = "uploads"

// world is an upload bucket, a cache bucket, and the preprocessor between them.
type world struct {
	t              testing.TB
	uploads, cache *objectstoretest.Bucket
	config         preprocess.Config
	metrics        *metrics
	log            bytes.Buffer
	now            time.Time
}

func newWorld(t testing.TB, opts ...objectstoretest.Option) *world {
	return &world{
		t: t, now: now, metrics: &metrics{},
		uploads: objectstoretest.NewBucket(append(opts, objectstoretest.Named(uploadBucket))...),
		cache:   objectstoretest.NewBucket(append(opts, objectstoretest.Named("cache"))...),
		config:  preprocess.Config{UploadBucket: uploadBucket, IssuerPrefix: "issuers/", CRLPrefixes: []string{"crls/", "crl/"}},
	}
}

func (w *world) preprocessor() *preprocess.Preprocessor {
	return preprocess.New(w.uploads, w.cache, w.config, slog.New(slog.NewJSONHandler(&w.log, nil)), w.metrics)
}

// event is S3's notification of these keys.
func event(keys ...string) []byte {
	var records []string
	for _, key := range keys {
		records = append(records, fmt.Sprintf(`{"eventVersion":"2.1","eventSource":"aws:s3","eventName":"ObjectCreated:Put","s3":{"bucket":{"name":%q},"object":{"key":%q}}}`,
			uploadBucket, strings.ReplaceAll(url.QueryEscape(key), "%2F", "/")))
	}
	return []byte(`{"Records":[` + strings.Join(records, ",") + `]}`)
}

// tryHandle has the preprocessor handle an event of the keys; none: the timer's.
func (w *world) tryHandle(keys ...string) error {
	payload := []byte(preprocess.ReconcileRequest)
	if len(keys) > 0 {
		payload = event(keys...)
	}
	return w.preprocessor().Handle(w.t.Context(), payload, w.now)
}

func (w *world) handle(keys ...string) {
	w.t.Helper()
	if err := w.tryHandle(keys...); err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) reconcile() {
	w.t.Helper()
	w.handle()
}

// upload stores an object and delivers its event.
func (w *world) upload(key string, data []byte) {
	w.t.Helper()
	w.uploads.Store(key, data)
	w.handle(key)
}

// remove deletes an object and delivers its event.
func (w *world) remove(key string) {
	w.t.Helper()
	w.uploads.Remove(key)
	w.handle(key)
}

func (w *world) catalog() *catalog.Catalog {
	w.t.Helper()
	data, _, ok := w.cache.Load(catalog.Key)
	if !ok {
		return catalog.New()
	}
	c, err := catalog.Parse(data)
	if err != nil {
		w.t.Fatal(err)
	}
	return c
}

func (w *world) catalogVersion() objectstore.Version {
	_, object, _ := w.cache.Load(catalog.Key)
	return object.Version
}

func (w *world) report(key string) *preprocess.Report {
	w.t.Helper()
	data, _, ok := w.cache.Load(catalog.ReportKey(key))
	if !ok {
		w.t.Fatalf("no report on %s", key)
	}
	var r preprocess.Report
	if err := json.Unmarshal(data, &r); err != nil {
		w.t.Fatal(err)
	}
	return &r
}

// outcome is a report in short: "accepted unchanged".
func (w *world) outcome(key string) string {
	w.t.Helper()
	r := w.report(key)
	return string(r.Outcome) + " " + string(r.Code)
}

func (w *world) wantOutcome(key, want string) {
	w.t.Helper()
	if got := w.outcome(key); got != want {
		w.t.Errorf("%s: %s, want %s: %s", key, got, want, w.report(key).Detail)
	}
}

// inForce lists what the catalog says serves: "ca #number key".
func (w *world) inForce() []string {
	w.t.Helper()
	return inForce(w.catalog())
}

func inForce(c *catalog.Catalog) []string {
	var out []string
	for name, ca := range c.CAs {
		for _, l := range ca.CRLs {
			out = append(out, fmt.Sprintf("%s #%s %s", name, l.Number, l.Source.Key))
		}
	}
	slices.Sort(out)
	return out
}

func (w *world) wantInForce(want ...string) {
	w.t.Helper()
	if got := w.inForce(); !slices.Equal(got, want) {
		w.t.Errorf("in force: %q, want %q", got, want)
	}
	w.check()
}

// check holds what is true of a cache bucket at any time: the catalog can be
// read, and every set that it names is there, whole, and the one it names.
func (w *world) check() {
	w.t.Helper()
	for _, ca := range w.catalog().CAs {
		for _, l := range ca.CRLs {
			for _, s := range l.AllSets() {
				digest, err := s.Digest()
				if err != nil {
					w.t.Fatal(err)
				}
				data, _, ok := w.cache.Load(s.Key)
				if !ok {
					w.t.Fatalf("the catalog names %s, which is not there", s.Key)
				}
				if _, err := serialset.Open(data, digest); err != nil || int64(len(data)) != s.Size {
					w.t.Fatalf("%s of %d bytes: %v", s.Key, len(data), err)
				}
			}
		}
	}
}

// revoked reports whether a CRL of the CA lists the serial number.
func (w *world) revoked(ca string, serial int64) bool {
	w.t.Helper()
	for _, l := range w.catalog().CAs[ca].CRLs {
		digest, err := l.Set.Digest()
		if err != nil {
			w.t.Fatal(err)
		}
		data, _, _ := w.cache.Load(l.Set.Key)
		set, err := serialset.Open(data, digest)
		if err != nil {
			w.t.Fatal(err)
		}
		contents, err := issuer.ParseSerial(big.NewInt(serial).Text(16))
		if err != nil {
			w.t.Fatal(err)
		}
		if _, hit := set.Lookup(contents); hit {
			return true
		}
	}
	return false
}

// reads counts the GETs of an upload that carried its body.
func (w *world) reads(key string) int {
	n := 0
	for _, c := range w.uploads.Calls() {
		if c.Op == objectstore.OpGet && c.Key == key && c.Version != "" {
			n++
		}
	}
	return n
}

// metrics records what it is told.
type metrics struct {
	mu  sync.Mutex
	got []string
}

func (m *metrics) add(format string, args ...any) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.got = append(m.got, fmt.Sprintf(format, args...))
}

func (m *metrics) CRLAccepted(ca, crl string, entries int, until time.Duration) {
	m.add("accepted %s %s %d %v", ca, crl, entries, until)
}

func (m *metrics) CRLServes(ca, crl string, entries int, until time.Duration) {
	m.add("serves %s %s %d %v", ca, crl, entries, until)
}
func (m *metrics) CRLRejected(code string)  { m.add("rejected %s", code) }
func (m *metrics) CRLPending(code string)   { m.add("pending %s", code) }
func (m *metrics) IssuersChanged(ca string) { m.add("issuers %s", ca) }

func (m *metrics) SerialsCompared(ca string, before, added, vanished int) {
	m.add("compared %s %d +%d -%d", ca, before, added, vanished)
}
func (m *metrics) IssuersVanished(ca string) { m.add("vanished %s", ca) }
func (m *metrics) UploadGone(ca, crl string) { m.add("gone %s %s", ca, crl) }

func (m *metrics) CAServes(ca string, until time.Duration) { m.add("ca %s %v", ca, until) }

func (m *metrics) count(what string) int {
	m.mu.Lock()
	defer m.mu.Unlock()
	n := 0
	for _, got := range m.got {
		if strings.HasPrefix(got, what) {
			n++
		}
	}
	return n
}

func newCA(t testing.TB, cn string) *pki.CA {
	t.Helper()
	return pkitest.CA(t, pki.CAOptions{Name: pkix.Name{CommonName: cn, Organization: []string{"Partner"}}})
}

// crlOf makes a CRL of a number that lists serial numbers, issued an hour ago
// for a day.
func crlOf(t testing.TB, ca *pki.CA, number int64, serials ...int64) []byte {
	t.Helper()
	return crlWith(t, ca, pki.CRLOptions{Number: big.NewInt(number), Entries: entries(serials...)})
}

// crlWith fills in thisUpdate and nextUpdate where they are not set.
func crlWith(t testing.TB, ca *pki.CA, o pki.CRLOptions) []byte {
	t.Helper()
	if o.ThisUpdate.IsZero() {
		o.ThisUpdate = now.Add(-time.Hour)
	}
	if o.NextUpdate.IsZero() {
		o.NextUpdate = o.ThisUpdate.Add(24 * time.Hour)
	}
	return pkitest.CRL(t, ca, o)
}

func entries(serials ...int64) []pki.Entry {
	var out []pki.Entry
	for _, s := range serials {
		out = append(out, pki.Entry{Serial: big.NewInt(s), Reason: pki.KeyCompromise})
	}
	return out
}

func number(n int64) *big.Int { return big.NewInt(n) }
