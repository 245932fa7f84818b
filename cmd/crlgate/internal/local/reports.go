package local

import (
	"cmp"
	"context"
	"maps"
	"slices"
	"time"

	"github.com/crlgate/crlgate/cmd/crlgate/internal/status"
	"github.com/crlgate/crlgate/pkg/catalog"
	"github.com/crlgate/crlgate/pkg/objectstore"
	"github.com/crlgate/crlgate/pkg/preprocess"
)

// reports watches the reports in the cache bucket.
type reports struct {
	cache   status.Cache
	objects map[string]objectstore.Version // of the reports' objects
	seen    map[string]gist                // by upload key
	awaited map[string]awaited             // by upload key
}

// gist is what makes a report worth printing again.
type gist struct {
	etag, detail string
	outcome      preprocess.Outcome
	code         preprocess.Code
}

// awaited is an upload that has no report yet.
type awaited struct {
	version objectstore.Version
	since   time.Time
}

// await notes that a report on an upload should come. It returns false where the
// last report is on the same bytes, so that none may come.
func (r *reports) await(key string, version objectstore.Version) bool {
	if r.seen[key].etag == string(version) {
		return false
	}
	if r.awaited == nil {
		r.awaited = map[string]awaited{}
	}
	r.awaited[key] = awaited{version, time.Now()}
	return true
}

// givenUp is when no report can be expected any more: Lambda's longest timeout.
const givenUp = 15 * time.Minute

// waiting returns an upload whose report is being waited for the longest, and
// since when; "" where there is none.
func (r *reports) waiting() (key string, since time.Time) {
	maps.DeleteFunc(r.awaited, func(_ string, a awaited) bool { return time.Since(a.since) > givenUp })
	for _, k := range slices.Sorted(maps.Keys(r.awaited)) {
		if a := r.awaited[k]; key == "" || a.since.Before(since) {
			key, since = k, a.since
		}
	}
	return key, since
}

// news returns the reports that say something new, in the order of time. The
// first call returns all but those on uploads that are gone.
func (r *reports) news(ctx context.Context) ([]*preprocess.Report, error) {
	first := r.objects == nil
	if first {
		r.objects = map[string]objectstore.Version{}
	}
	var out []*preprocess.Report
	for object, err := range r.cache.List(ctx, catalog.ReportPrefix) {
		if err != nil {
			return out, err
		}
		key, ok := status.UploadKey(object.Key)
		if !ok || r.objects[object.Key] == object.Version {
			continue
		}
		report, err := preprocess.ReadReport(ctx, r.cache, key)
		if err != nil {
			return out, err
		}
		r.objects[object.Key] = object.Version
		if report == nil {
			continue
		}
		key = report.Key
		if a, ok := r.awaited[key]; ok && string(a.version) == report.ETag {
			delete(r.awaited, key)
		}
		g := gist{report.ETag, report.Detail, report.Outcome, report.Code}
		if r.seen[key] != g && !(first && report.Outcome == preprocess.OutcomeDeleted) {
			out = append(out, report)
		}
		r.seen[key] = g
	}
	slices.SortStableFunc(out, func(a, b *preprocess.Report) int { return cmp.Or(a.At.Compare(b.At), rank(a.Key)-rank(b.Key)) })
	return out, nil
}
