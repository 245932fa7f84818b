// Package preprocess is the write path: it moves the catalog in the cache
// bucket toward what lies in the upload bucket.
//
// [Preprocessor.Handle] takes an S3 event, or the timer's request. For each
// changed key it reads what the bucket holds now: an issuers file, settings, or
// a CRL. A CRL is streamed, checked, flattened, published and reported on; the
// set goes first and the catalog last, with If-Match on the catalog that was
// read, so that a reader sees the old CRL or the new one and never half of
// either.
//
// [ReadCRL] and [Candidate.Verify] are the same checks without buckets.
package preprocess

import (
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"log/slog"
	"slices"
	"time"

	"github.com/crlgate/crlgate/pkg/crl"
	"github.com/crlgate/crlgate/pkg/issuer"
	"github.com/crlgate/crlgate/pkg/objectstore"
)

// Reads is what is needed of a bucket to read small objects whole.
type Reads interface {
	ReadAll(ctx context.Context, key string, maxBytes int64, opts objectstore.GetOptions) ([]byte, objectstore.Object, error)
}

// Uploads is the upload bucket, which is only read.
type Uploads interface {
	Reads
	Get(ctx context.Context, key string, opts objectstore.GetOptions) (*objectstore.Reader, error)
	List(ctx context.Context, prefix string) iter.Seq2[objectstore.Object, error]
}

// ListsObjects is what is needed of a bucket to find objects.
type ListsObjects interface {
	List(ctx context.Context, prefix string) iter.Seq2[objectstore.Object, error]
}

// Cache is the cache bucket.
type Cache interface {
	Heads
	ListsObjects
	Delete(ctx context.Context, key string, opts objectstore.DeleteOptions) error
	Put(ctx context.Context, key string, body io.ReadSeeker, opts objectstore.PutOptions) (objectstore.Version, error)
}

// Metrics is told what happens; see package telemetry.
type Metrics interface {
	CRLAccepted(ca, crl string, entries int, untilNextUpdate time.Duration)
	// CRLServes is told of every CRL in force, at each reconciliation.
	CRLServes(ca, crl string, entries int, untilNextUpdate time.Duration)
	CRLRejected(code string)
	// CRLPending is told of a CRL that waits, each time that it is looked at.
	CRLPending(code string)
	// SerialsCompared is told what became of the serial numbers that the CRL
	// before had, once a complete CRL has replaced it.
	SerialsCompared(ca string, before, added, vanished int)
	IssuersChanged(ca string)
	// IssuersVanished is told of every CA that is not withdrawn although its file
	// is gone, each time that it is looked at.
	IssuersVanished(ca string)
	// UploadGone is told of every CRL in force whose upload is gone, at each
	// reconciliation.
	UploadGone(ca, crl string)
	// CAServes is told of every CA, at each reconciliation: how long until the
	// first of its keys has no certificate any more whose notAfter lies ahead.
	CAServes(ca string, untilNotAfter time.Duration)
}

// Config is what the preprocessor may and must do.
type Config struct {
	UploadBucket string
	IssuerPrefix string   // "issuers/"
	CRLPrefixes  []string // "crls/", "crl/"
	MaxCRLBytes  int64
	AllowSHA1    bool
	Pinned       []issuer.Fingerprint
	CacheJSON    bool
	// PublishTruststore keeps catalog.TruststoreKey at the issuers' certificates.
	// It needs Pinned: whoever writes issuers would decide who may connect.
	PublishTruststore bool
	// SweepAfter is how long an object of the cache bucket that nothing refers to
	// any more is kept; 0: for ever.
	SweepAfter time.Duration
}

func (c *Config) policy() issuer.Policy {
	return issuer.Policy{AllowSHA1: c.AllowSHA1, Pinned: c.Pinned}
}

func (c *Config) crlOptions() crl.Options {
	return crl.Options{MaxBytes: c.MaxCRLBytes, AllowSHA1: c.AllowSHA1}
}

// ruleset is raised whenever crlgate learns to accept CRLs that it refused
// before: those are then read again.
const ruleset = 2

// rules names what a CRL is judged by, its issuers apart.
func (c *Config) rules() string {
	return fmt.Sprintf("%d sha1=%t max=%d", ruleset, c.AllowSHA1, c.MaxCRLBytes)
}

// Preprocessor is the write path over two buckets. Several may run at once,
// also in different processes.
type Preprocessor struct {
	uploads Uploads
	cache   Cache
	config  Config
	log     *slog.Logger
	metrics Metrics
}

// New returns a preprocessor. metrics may be nil.
func New(uploads Uploads, cache Cache, config Config, log *slog.Logger, metrics Metrics) *Preprocessor {
	if metrics == nil {
		metrics = noMetrics{}
	}
	return &Preprocessor{uploads: uploads, cache: cache, config: config, log: log, metrics: metrics}
}

type noMetrics struct{}

func (noMetrics) CRLAccepted(string, string, int, time.Duration) {}
func (noMetrics) CRLServes(string, string, int, time.Duration)   {}
func (noMetrics) CRLRejected(string)                             {}
func (noMetrics) CRLPending(string)                              {}
func (noMetrics) SerialsCompared(string, int, int, int)          {}
func (noMetrics) IssuersChanged(string)                          {}
func (noMetrics) IssuersVanished(string)                         {}
func (noMetrics) UploadGone(string, string)                      {}
func (noMetrics) CAServes(string, time.Duration)                 {}

// Handle does what an invocation's payload asks for. Permanent faults of
// uploads are reported and are no error; an error means that something could
// not be done now and is worth another try of the whole payload, which does no
// harm to what was done already.
func (p *Preprocessor) Handle(ctx context.Context, payload []byte, now time.Time) error {
	_, err := p.Answer(ctx, payload, now)
	return err
}

// Answer is Handle for those who wait for it: it returns what there is to tell
// of a request, to be written as JSON; nil of events.
func (p *Preprocessor) Answer(ctx context.Context, payload []byte, now time.Time) (any, error) {
	request, err := ParseEvent(payload, p.config.UploadBucket)
	if err != nil {
		return nil, err
	}
	switch {
	case request.Test:
		p.log.Info("S3 test event: notifications are wired")
		return nil, nil
	case request.Reconcile:
		return nil, p.Reconcile(ctx, now)
	case request.Repair != nil:
		return nil, p.repair(ctx, request.Repair, now)
	case request.Forget != nil:
		return p.forget(ctx, request.Forget, now)
	}
	return nil, p.Changed(ctx, request.Keys, now)
}

// Changed brings the catalog up to date with these keys of the upload bucket.
func (p *Preprocessor) Changed(ctx context.Context, keys []string, now time.Time) error {
	var errs []error
	var cas, crls []string // CAs whose issuers or settings were touched, each once
	issuersChanged := false
	for _, key := range keys {
		switch kind, ca := p.config.Class(key); kind {
		case KindIssuer, KindSettings:
			if !slices.Contains(cas, ca) {
				cas = append(cas, ca)
			}
			// Also where nothing is found to have changed: it may have been
			// done by a try that failed before it came to the CRLs.
			issuersChanged = issuersChanged || kind == KindIssuer
		case KindCRL:
			crls = append(crls, key)
		default:
			if p.config.misnamed(key) {
				errs = append(errs, p.syncUnknown(ctx, key, now))
				continue
			}
			p.log.Info("ignored: not an issuer, settings or CRL", "object", key, "code", Ignored)
		}
	}
	for _, ca := range cas {
		changed, err := p.syncIssuer(ctx, ca, now)
		issuersChanged = issuersChanged || changed
		errs = append(errs, err)
	}
	for _, key := range crls {
		_, err := p.syncCRL(ctx, key, now)
		errs = append(errs, err)
	}
	if issuersChanged {
		// A CRL that waited for this issuer, or an issuers file that waited
		// for a key to become free, can count now.
		errs = append(errs, p.Reconcile(ctx, now))
	}
	return errors.Join(errs...)
}
