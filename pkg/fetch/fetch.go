// Package fetch brings CRLs from where CAs publish them: it asks http and https
// URLs when they are due and writes what is new to the upload bucket, where the
// one preprocessing path verifies it. It verifies nothing itself beyond that
// what came is a whole CertificateList, so that an error page never takes a CRL's
// place.
//
// [Fetcher.Run] looks at everything that is due: the crl_urls of CAs' settings,
// the distribution points that the certificates of issuers name (their parent's
// CRL), and the freshestCRL of base CRLs that were fetched. [Client.Get] is one
// download, without any bucket. [Next] says when to come back.
//
// URLs come from administrators of CAs, certificates, CRLs and redirects: none of
// them chooses where in the network the fetcher goes. Addresses that are not
// public are refused when a connection is made, after the name was resolved,
// unless the operator allows the host by name.
//
// What became of each URL is a [State], an object beside the uploads.
package fetch

import (
	"context"
	"io"
	"iter"
	"log/slog"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/crlgate/crlgate/pkg/catalog"
	"github.com/crlgate/crlgate/pkg/objectstore"
)

// Defaults of [Config].
const (
	DefaultCRLPrefix   = "crls/fetched/"
	DefaultStatePrefix = "fetch/"
	DefaultMaxBytes    = 256 << 20
	DefaultTimeout     = 5 * time.Minute
	DefaultIdleTimeout = 20 * time.Second
	DefaultMinInterval = time.Minute
	DefaultMaxInterval = time.Hour
)

// MaxBytes is the longest CRL that can be fetched: what S3 takes in one PUT.
const MaxBytes = objectstore.MaxPutBytes

// Uploads is the upload bucket, of which the fetcher uses two prefixes.
type Uploads interface {
	ReadAll(ctx context.Context, key string, maxBytes int64, opts objectstore.GetOptions) ([]byte, objectstore.Object, error)
	Get(ctx context.Context, key string, opts objectstore.GetOptions) (*objectstore.Reader, error)
	Head(ctx context.Context, key string) (objectstore.Object, error)
	List(ctx context.Context, prefix string) iter.Seq2[objectstore.Object, error]
	Put(ctx context.Context, key string, body io.ReadSeeker, opts objectstore.PutOptions) (objectstore.Version, error)
	Delete(ctx context.Context, key string, opts objectstore.DeleteOptions) error
}

// Cache is the cache bucket, of which the fetcher reads the catalog.
type Cache interface {
	ReadAll(ctx context.Context, key string, maxBytes int64, opts objectstore.GetOptions) ([]byte, objectstore.Object, error)
}

// Metrics is told what happens; see package telemetry.
type Metrics interface {
	// Fetched is told of bytes that were new, and written to the upload bucket.
	Fetched(ca string)
	// Unchanged is told of an answer that brought nothing new.
	Unchanged(ca string)
	FetchFailed(ca string, code Code)
	// FetchedBytes is told of the octets of bodies, whatever became of them.
	FetchedBytes(ca string, n int64)
	// SinceSuccess is told of every URL at each run: how long ago it last
	// answered as it should or, if it never did, since when it is asked.
	SinceSuccess(ca string, age time.Duration)
}

// Config is what the fetcher may and must do. CRLPrefix and StatePrefix end in a
// slash.
type Config struct {
	CRLPrefix   string // where CRLs go, under a CRL prefix of the preprocessor
	StatePrefix string // where states go, under no prefix of the preprocessor
	// CDP fetches what the certificates of issuers name, where the CA that
	// issued them is in the catalog.
	CDP bool
	// MinInterval and MaxInterval bound the time from one look at a URL to the
	// next.
	MinInterval, MaxInterval time.Duration
	// Parallel is how many URLs are asked at a time; 0: 16.
	Parallel int
	Client   ClientConfig
}

// Fetcher brings CRLs to the upload bucket. Several may run at once: they may
// fetch the same twice, and do no other harm.
type Fetcher struct {
	uploads Uploads
	cache   Cache
	config  Config
	client  *Client
	log     *slog.Logger
	metrics Metrics
	random  func() float64 // 0 to 1, for jitter

	memory *memory
}

// memory is what one run leaves to the next, so that it reads only what has
// changed. A run holds it.
type memory struct {
	mu      sync.Mutex
	known   map[string]knownState // states as they were last read or written, by key
	catalog *catalog.Catalog      // as last read; nil: not yet
	version objectstore.Version   // of catalog
}

// New returns a fetcher. metrics may be nil.
func New(uploads Uploads, cache Cache, config Config, log *slog.Logger, metrics Metrics) *Fetcher {
	if config.Parallel <= 0 {
		config.Parallel = 16
	}
	if metrics == nil {
		metrics = noMetrics{}
	}
	return &Fetcher{
		uploads: uploads, cache: cache, config: config, client: NewClient(config.Client), log: log, metrics: metrics,
		random: rand.Float64, memory: &memory{},
	}
}

// With returns a fetcher that knows what f knows, with another log and other
// metrics: one for each invocation.
func (f *Fetcher) With(log *slog.Logger, metrics Metrics) *Fetcher {
	other := *f
	other.log, other.metrics = log, metrics
	return &other
}

type noMetrics struct{}

func (noMetrics) Fetched(string)                     {}
func (noMetrics) Unchanged(string)                   {}
func (noMetrics) FetchFailed(string, Code)           {}
func (noMetrics) FetchedBytes(string, int64)         {}
func (noMetrics) SinceSuccess(string, time.Duration) {}
