// Package fsck finds every difference between what is uploaded and what the
// cache bucket holds: catalog, parts, sets, reports, floors.
//
// [Check] only reads. What it finds is mended by the preprocessor, on the request
// that [Result.Request] makes; what cannot be mended is said to be so. A bucket
// that is being worked on while it is checked is checked again.
package fsck

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/crlgate/crlgate/pkg/catalog"
	"github.com/crlgate/crlgate/pkg/objectstore"
	"github.com/crlgate/crlgate/pkg/preprocess"
)

// Uploads is the upload bucket.
type Uploads = preprocess.Uploads

// Cache is the cache bucket, which is only read.
type Cache interface {
	preprocess.Heads
	preprocess.ListsObjects
}

// Options say how to check.
type Options struct {
	Now time.Time
	// IssuerPrefix and CRLPrefixes are the preprocessor's.
	IssuerPrefix string
	CRLPrefixes  []string
	// Quick only measures sets; otherwise they are read to their end, and every
	// hash in them is compared.
	Quick bool
	// Deep also reads every uploaded CRL that is in force, verifies and flattens
	// it, and compares that with the catalog.
	Deep bool
	// Settle is how old an upload, or a copy of a catalog, must be for the
	// preprocessor to be expected to be done with it; 0: any.
	Settle time.Duration
	// SweepAfter is the preprocessor's; 0: what nothing refers to is left out.
	SweepAfter time.Duration
	// Progress is called with what is being looked at; may be nil. Calls do not
	// overlap.
	Progress func(what string, done, of int)
}

// Difference is one thing that is not as it should be.
type Difference struct {
	Code   Code   `json:"code"`
	Object string `json:"object"` // key of the cache or the upload bucket; of a floor the line
	CA     string `json:"ca,omitempty"`
	CRL    string `json:"crl,omitempty"` // upload key
	Detail string `json:"detail"`
	Remedy string `json:"remedy"`
	// Repairable: the preprocessor can mend it, as far as can be told.
	Repairable bool `json:"repairable"`

	key string // upload key to be looked at again; "": none
}

// Result is what a check found.
type Result struct {
	At         time.Time `json:"at"`
	Generation uint64    `json:"generation"`
	// Moved: the catalog changed during each try, so that differences may be of
	// work in progress.
	Moved       bool         `json:"moved,omitempty"`
	Checked     Checked      `json:"checked"`
	Differences []Difference `json:"differences"`
}

// Checked counts what was looked at.
type Checked struct {
	CAs     int   `json:"cas"`
	CRLs    int   `json:"crls"`
	Sets    int   `json:"sets"`
	Bytes   int64 `json:"set_bytes"`
	Parts   int   `json:"parts"`
	Reports int   `json:"reports"`
	Uploads int   `json:"uploads"`
}

// Clean reports whether there is no difference.
func (r *Result) Clean() bool { return len(r.Differences) == 0 }

// Repairable returns how many differences the preprocessor can mend.
func (r *Result) Repairable() int {
	n := 0
	for _, d := range r.Differences {
		if d.Repairable {
			n++
		}
	}
	return n
}

// maxKeys bounds the upload keys of one request: more than any synchronous
// invocation of Lambda takes would be 6 MB.
const maxKeys = 1000

// Request returns what the preprocessor is to be asked so that it mends what it
// can: one request or, of very many uploads, several.
func (r *Result) Request() []preprocess.Repair {
	var keys []string
	for _, d := range r.Differences {
		if d.Repairable && d.key != "" {
			keys = append(keys, d.key)
		}
	}
	slices.Sort(keys)
	var out []preprocess.Repair
	for part := range slices.Chunk(slices.Compact(keys), maxKeys) {
		out = append(out, preprocess.Repair{Keys: part})
	}
	if len(out) == 0 && r.Repairable() > 0 {
		out = append(out, preprocess.Repair{Keys: []string{}})
	}
	return out
}

// run is one try.
type run struct {
	ctx     context.Context
	uploads Uploads
	cache   Cache
	Options
	config preprocess.Config
	result *Result

	cat     *catalog.Catalog
	copies  []preprocess.Generation
	reports map[string]*preprocess.Report
	there   map[string]objectstore.Object // uploads
	lost    bool                          // parts are, so that what is in force is not all known
}

// tries is how often a bucket is checked that changes meanwhile.
const tries = 3

// Check finds the differences.
func Check(ctx context.Context, uploads Uploads, cache Cache, o Options) (*Result, error) {
	for try := 1; ; try++ {
		before, err := version(ctx, cache)
		if err != nil {
			return nil, err
		}
		r := &run{ctx: ctx, uploads: uploads, cache: cache, Options: o, result: &Result{At: o.Now.UTC().Truncate(time.Second), Differences: []Difference{}}}
		r.config = preprocess.Config{IssuerPrefix: o.IssuerPrefix, CRLPrefixes: o.CRLPrefixes}
		if err := r.check(); err != nil {
			return nil, err
		}
		after, err := version(ctx, cache)
		if err != nil {
			return nil, err
		}
		if before != after && !r.result.Clean() && try < tries {
			continue
		}
		r.result.Moved = before != after
		slices.SortStableFunc(r.result.Differences, func(a, b Difference) int {
			return cmp.Or(cmp.Compare(a.Code, b.Code), cmp.Compare(a.Object, b.Object))
		})
		return r.result, nil
	}
}

// version is which catalog there is; "" for none.
func version(ctx context.Context, cache Cache) (objectstore.Version, error) {
	o, err := cache.Head(ctx, catalog.Key)
	if errors.Is(err, objectstore.ErrNotFound) {
		return "", nil
	}
	return o.Version, err
}

func (r *run) check() error {
	for _, step := range []func() error{r.lists, r.catalog, r.parts, r.sets, r.crls, r.issuers, r.floors, r.unreferenced, r.deep} {
		if err := step(); err != nil {
			return err
		}
		if r.cat == nil && len(r.result.Differences) > 0 {
			return nil // without a catalog the rest says nothing
		}
	}
	return nil
}

func (r *run) progress(what string, done, of int) {
	if r.Progress != nil {
		r.Progress(what, done, of)
	}
}

// found notes a difference. key is the upload to be looked at again.
func (r *run) found(code Code, object, ca, key, format string, args ...any) {
	d := Difference{Code: code, Object: object, CA: ca, Detail: fmt.Sprintf(format, args...), Remedy: kinds[code].remedy, Repairable: kinds[code].mends, key: key}
	if k, _ := r.config.Class(key); k == preprocess.KindCRL {
		d.CRL = key
	}
	r.result.Differences = append(r.result.Differences, d)
}

// settled reports whether the preprocessor should be done with an object.
func (r *run) settled(o objectstore.Object) bool { return r.Now.Sub(o.LastModified) >= r.Settle }

// lists reads what lies where, and every report.
func (r *run) lists() error {
	r.there, r.reports = map[string]objectstore.Object{}, map[string]*preprocess.Report{}
	for _, prefix := range append([]string{r.IssuerPrefix}, r.CRLPrefixes...) {
		for o, err := range r.uploads.List(r.ctx, prefix) {
			if err != nil {
				return err
			}
			if kind, _ := r.config.Class(o.Key); kind != "" {
				r.there[o.Key] = o
			}
		}
	}
	r.result.Checked.Uploads = len(r.there)
	var keys []string
	for o, err := range r.cache.List(r.ctx, catalog.ReportPrefix) {
		if err != nil {
			return err
		}
		if key, ok := catalog.UploadKey(o.Key); ok {
			keys = append(keys, key)
		}
	}
	reports, err := parallel(r, "reports", keys, func(key string) (*preprocess.Report, error) {
		return preprocess.ReadReport(r.ctx, r.cache, key)
	})
	if err != nil {
		return err
	}
	for _, report := range reports {
		if report != nil {
			r.reports[report.Key] = report
		}
	}
	r.result.Checked.Reports = len(r.reports)
	r.copies, err = preprocess.Generations(r.ctx, r.cache)
	return err
}
