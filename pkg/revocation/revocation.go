// Package revocation is the read path up to a status: it keeps the catalog and
// the sets warm, and says of a client certificate whether it is good, revoked
// or unknown, and why.
//
// [Cache.Ask] answers one certificate. It never decides: an [Answer] carries
// every fact that package authorize's decision table asks for.
//
// What it keeps is revalidated by conditional GETs of the one catalog object;
// a set is fetched when it is first needed, verified, replaced whole and never
// changed. Requests share one refresh. All ages are of the wall clock, since
// the monotonic clock of a frozen environment may have stood still.
package revocation

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/crlgate/crlgate/pkg/crl"
	"github.com/crlgate/crlgate/pkg/issuer"
	"github.com/crlgate/crlgate/pkg/objectstore"
)

// Store is the cache bucket, which is only read.
type Store interface {
	ReadAll(ctx context.Context, key string, maxBytes int64, opts objectstore.GetOptions) ([]byte, objectstore.Object, error)
}

// Metrics is told what happens; see package telemetry.
type Metrics interface {
	Refreshed(took time.Duration, err error)
	SetLoaded(bytes int64)
	RangeRead(bytes int64)
	HashFailed(object string)
	CatalogRefused(why string)
}

// Config bounds the cache.
type Config struct {
	// RevalidateAfter is the age from which a request waits for the catalog to
	// be revalidated; from half of it on, a refresh runs in the background. 0:
	// every request waits for a revalidation begun after it arrived.
	RevalidateAfter time.Duration
	// MaxUnvalidated is the age beyond which the catalog is stale.
	MaxUnvalidated time.Duration
	// MemoryBudget bounds the octets of all sets in memory, old and new
	// together while one replaces the other.
	MemoryBudget int64
	// WarmWait is how long a request waits for a refresh when it could be
	// answered from what is warm; ColdWait when it could not.
	WarmWait, ColdWait time.Duration
}

// Defaults of [Config].
const (
	DefaultRevalidateAfter = 10 * time.Second
	DefaultMaxUnvalidated  = 15 * time.Minute
	DefaultWarmWait        = time.Second
	DefaultColdWait        = 6 * time.Second
)

// Status of a certificate. The zero value is unknown, which is never good.
type Status uint8

// The statuses.
const (
	Unknown Status = iota
	Good
	Revoked
)

// String returns "unknown", "good" or "revoked".
func (s Status) String() string {
	switch s {
	case Good:
		return "good"
	case Revoked:
		return "revoked"
	}
	return "unknown"
}

// Errors that an [Answer] carries as Unavailable.
var (
	// ErrNoCatalog: no catalog could be read yet.
	ErrNoCatalog = errors.New("no catalog")
	// ErrTooLarge: a set does not fit the memory budget.
	ErrTooLarge = errors.New("set does not fit MEMORY_BUDGET")
)

// Answer is what is known of a certificate's revocation. Its zero value knows
// nothing and is never good.
type Answer struct {
	Status Status

	// CA is the name of the certificate's CA; "": not in the catalog, or more
	// than one left. Settings are that CA's.
	CA       string
	Settings issuer.Settings

	// Hit tells of the entry that revokes; nil unless Status is Revoked.
	Hit *Hit
	// IssuerRevoked: the key that issued the certificate is itself revoked.
	IssuerRevoked bool

	// Unavailable: there is no catalog, or an object that is needed is missing
	// or fails its hash. It names the object.
	Unavailable error
	// Age is how long ago what was asked was last known to be current;
	// negative: the clock went back, and Stale holds.
	Age   time.Duration
	Stale bool // older than MaxUnvalidated

	NoCRL      bool // the CA has no CRL
	OutOfScope bool // it has, and none covers this certificate for all reasons
	Expired    bool // one covers it and is out of date
	// ChainUnknown: the status of the CA's own chain is not known.
	ChainUnknown bool

	// CRL tells of the newest CRL that was asked; nil: none was.
	CRL *Asked
	// Detail says in words what stood in the way of a good status.
	Detail string

	// signerUnknown: what vouches for the certificate is signed by a key of
	// which the chain is not known.
	signerUnknown bool
	cut           bool      // a question led back to itself
	until         time.Time // the first date to pass that this rests on; zero: none

	trace *Considered // how it came about; nil: nobody asks
}

// Hit is the entry that revokes a certificate.
type Hit struct {
	Date     time.Time
	Reason   crl.Reason
	DenyList bool // from the CA's deny list, and no CRL
}

// Asked is a CRL that was asked.
type Asked struct {
	Name       string
	Number     string
	ThisUpdate time.Time
	NextUpdate time.Time
}

// Cache keeps the catalog and the sets warm. It is safe for concurrent use.
type Cache struct {
	store   Store
	config  Config
	log     *slog.Logger
	metrics Metrics
	clock   func() time.Time

	current atomic.Pointer[inForce]
	coming  atomic.Pointer[snapshot] // what is to replace it, while its sets are fetched; nil: nothing

	mu       sync.Mutex
	flight   *flight // the refresh under way, if any
	next     *flight // one that has not begun, for RevalidateAfter 0
	failedAt time.Time
	installs sync.Mutex // one snapshot is installed at a time

	sets   setStore
	ranges ranges
	parts  partStore
}

// inForce is the snapshot that answers, and when it was last known to be what
// the bucket holds, by the wall clock. Both hang on one pointer, so that no
// request takes an old snapshot for as young as the one that replaces it.
type inForce struct {
	*snapshot
	validated time.Time
}

// New returns an empty cache over the cache bucket. clock is time.Now but in
// tests. metrics may be nil.
func New(store Store, config Config, clock func() time.Time, log *slog.Logger, metrics Metrics) *Cache {
	if config.WarmWait == 0 {
		config.WarmWait = DefaultWarmWait
	}
	if config.ColdWait == 0 {
		config.ColdWait = DefaultColdWait
	}
	if metrics == nil {
		metrics = noMetrics{}
	}
	wall := func() time.Time { return clock().Round(0) } // without the monotonic reading
	c := &Cache{store: store, config: config, clock: wall, log: log, metrics: metrics}
	c.ranges = ranges{store: store, metrics: metrics}
	c.sets = setStore{ranges: &c.ranges, store: store, budget: config.MemoryBudget, log: log, metrics: metrics, clock: wall, arrived: c.trim}
	return c
}

type noMetrics struct{}

func (noMetrics) Refreshed(time.Duration, error) {}
func (noMetrics) SetLoaded(int64)                {}
func (noMetrics) RangeRead(int64)                {}
func (noMetrics) HashFailed(string)              {}
func (noMetrics) CatalogRefused(string)          {}
