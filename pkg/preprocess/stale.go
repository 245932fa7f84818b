package preprocess

import (
	"context"
	"slices"
	"time"

	"github.com/crlgate/crlgate/pkg/catalog"
)

// A report is the last thing to be written of an upload. Where a preprocessor
// died before it could say that the upload is gone, or no event told of that,
// and the catalog does not name the upload any more either, the report itself is
// all that is left to tell of it.

// staleMost bounds how many reports on uploads that are gone are read at a
// prefix in one run. Of more, a run of another hour reads others.
const staleMost = 200

// stale returns upload keys under a prefix that are gone and whose reports say
// something else, in order. there are the keys of uploads.
func (p *Preprocessor) stale(ctx context.Context, prefix string, there map[string]bool, now time.Time) ([]string, error) {
	var gone []string
	for object, err := range p.cache.List(ctx, catalog.ReportPrefix+prefix) {
		if err != nil {
			return nil, err
		}
		key, ok := catalog.UploadKey(object.Key)
		if !ok || there[key] || catalog.ReportKey(key) != object.Key {
			continue
		}
		if kind, _ := p.config.Class(key); kind != "" {
			gone = append(gone, key)
		}
	}
	if len(gone) > staleMost {
		pages := (len(gone) + staleMost - 1) / staleMost
		page := int(now.Unix()/3600) % pages
		gone = gone[page*staleMost : min((page+1)*staleMost, len(gone))]
	}
	var failed error
	gone = slices.DeleteFunc(gone, func(key string) bool {
		if failed != nil {
			return true
		}
		r, err := ReadReport(ctx, p.cache, key)
		failed = err
		return r == nil || r.Outcome == OutcomeDeleted
	})
	return gone, failed
}

// staleIssuers returns the CAs that have neither a file nor a place in the
// catalog, and whose reports do not say so.
func (p *Preprocessor) staleIssuers(ctx context.Context, there map[string]bool, now time.Time) (names []string, err error) {
	keys, err := p.stale(ctx, p.config.IssuerPrefix, there, now)
	for _, key := range keys {
		_, ca := p.config.Class(key)
		names = append(names, ca)
	}
	return names, err
}

// staleCRLs notes CRLs that are gone and whose reports do not say so.
func (r *round) staleCRLs(ctx context.Context, keys map[string]bool) {
	for _, prefix := range r.p.config.CRLPrefixes {
		stale, err := r.p.stale(ctx, prefix, r.present, r.now)
		if err != nil {
			r.errs = append(r.errs, err)
		}
		for _, key := range stale {
			keys[key] = true
		}
	}
}
