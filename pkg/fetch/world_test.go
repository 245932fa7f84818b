package fetch

import (
	"bytes"
	"log/slog"
	"net/http"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/crlgate/crlgate/internal/pki"
	"github.com/crlgate/crlgate/pkg/catalog"
	"github.com/crlgate/crlgate/pkg/issuer"
	"github.com/crlgate/crlgate/pkg/objectstore/objectstoretest"
)

// world is a fetcher over buckets in memory, and what it publishes.
type world struct {
	t              *testing.T
	uploads, cache *objectstoretest.Bucket
	fetcher        *Fetcher
	log            bytes.Buffer
	metrics        recorder
	catalog        *catalog.Catalog
	now            time.Time
}

type recorder struct {
	mu     sync.Mutex
	counts map[string]int
	ages   map[string]time.Duration
	bytes  int64
}

func (r *recorder) count(what string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.counts == nil {
		r.counts = map[string]int{}
	}
	r.counts[what]++
}
func (r *recorder) Fetched(ca string)             { r.count("fetched " + ca) }
func (r *recorder) Unchanged(ca string)           { r.count("unchanged " + ca) }
func (r *recorder) FetchFailed(ca string, c Code) { r.count("failed " + ca + " " + string(c)) }
func (r *recorder) FetchedBytes(_ string, n int64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.bytes += n
}

func (r *recorder) SinceSuccess(ca string, age time.Duration) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.ages == nil {
		r.ages = map[string]time.Duration{}
	}
	r.ages[ca] = age
}

func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{
		t: t, uploads: objectstoretest.NewBucket(objectstoretest.Named("uploads")), cache: objectstoretest.NewBucket(objectstoretest.Named("cache")),
		catalog: catalog.New(), now: start,
	}
	w.fetcher = New(w.uploads, w.cache, Config{
		CRLPrefix: DefaultCRLPrefix, StatePrefix: DefaultStatePrefix, CDP: true, MinInterval: time.Minute, MaxInterval: time.Hour,
		Client: ClientConfig{AllowHosts: []string{"127.0.0.1"}, Folder: t.TempDir(), Timeout: time.Minute},
	}, slog.New(slog.NewTextHandler(&w.log, nil)), &w.metrics)
	w.fetcher.client.pause = time.Millisecond
	return w
}

// ca adds a CA to the catalog, with URLs in its settings.
func (w *world) ca(name string, ca *pki.CA, urls ...string) {
	w.t.Helper()
	parsed, _, err := issuer.ParseFile(name, ca.PEM(), issuer.Policy{})
	if err != nil {
		w.t.Fatal(err)
	}
	w.catalog.SetIssuer(parsed, catalog.Source{Key: "issuers/" + name + ".pem", ETag: "e"})
	w.catalog.SetSettings(name, issuer.Settings{CRLURLs: urls}, nil)
	w.publish()
}

func (w *world) publish() {
	w.t.Helper()
	w.catalog.Stamp(w.now)
	data, _, err := w.catalog.Encode()
	if err != nil {
		w.t.Fatal(err)
	}
	w.cache.Store(catalog.Key, data)
}

func (w *world) run(want Want) Summary {
	w.t.Helper()
	s, err := w.fetcher.Run(w.t.Context(), w.now, want)
	if err != nil {
		w.t.Fatal(err)
	}
	return s
}

// one runs everything and returns the state of the only source.
func (w *world) one(want Want) *State {
	w.t.Helper()
	s := w.run(want)
	if len(s.Looks) != 1 || s.Left != 0 {
		w.t.Fatalf("%d looks, %d left, want one", len(s.Looks), s.Left)
	}
	return s.Looks[0].State
}

func (w *world) is(s *State, outcome Outcome, code Code) {
	w.t.Helper()
	if s.Outcome != outcome || s.Code != code || s.Detail == "" {
		w.t.Errorf("%s %s: %s; want %s %s", s.Outcome, s.Code, s.Detail, outcome, code)
	}
}

// publisher serves what it was given last, with an ETag.
type publisher struct {
	mu    sync.Mutex
	body  []byte
	etag  string
	lie   bool // always 304 where a condition comes
	asked []string
}

func (p *publisher) set(body []byte, etag string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.body, p.etag = body, etag
}

// publishes has the CA "a" name a server that publishes the CRL of a number, under that
// as its ETag.
func (w *world) publishes(number int64) *publisher {
	w.t.Helper()
	p := &publisher{}
	p.set(makeCRL(w.t, number), strconv.Quote(strconv.FormatInt(number, 10)))
	url, _ := serve(w.t, p.ServeHTTP)
	w.ca("a", testCA(), url)
	return p
}

func (p *publisher) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	p.mu.Lock()
	defer p.mu.Unlock()
	have := r.Header.Get("If-None-Match")
	p.asked = append(p.asked, have)
	w.Header().Set("ETag", p.etag)
	switch {
	case have != "" && (p.lie || have == p.etag):
		w.WriteHeader(http.StatusNotModified)
	case p.body == nil:
		w.WriteHeader(http.StatusInternalServerError)
	default:
		_, _ = w.Write(p.body)
	}
}

// always serves one body.
func always(body []byte) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(body) }
}
