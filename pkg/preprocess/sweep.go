package preprocess

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/crlgate/crlgate/pkg/catalog"
	"github.com/crlgate/crlgate/pkg/objectstore"
)

// What nothing refers to any more is swept once that has been so for
// Config.SweepAfter. Two must never lose what they need:
//
//   - An authorizer that holds an older catalog finds what it names: an object is
//     kept for as long as the catalog that was current SweepAfter ago names it, or
//     the one that is current now.
//   - A preprocessor that is about to publish has just written what it will name,
//     or, if that was there already and old, written it again; and what is younger
//     than SweepAfter is kept. So an object that came to be named since is young,
//     and the two catalogs above stand for all in between. Before it is deleted, an
//     object is looked up once more, and the catalog is read again every now and
//     then. What is left is a deletion that takes longer than all of a
//     publication; a timer after it finds the set missing and writes it anew.

// Sweeping, by Config.SweepAfter.
const (
	// sweepMost bounds what one run deletes; the next goes on.
	sweepMost = 500
	// sweepCheck is how many are deleted between two looks at the catalog.
	sweepCheck = 20
	// deleteTimeout bounds one deletion, so that none takes effect long after
	// its object was last looked at.
	deleteTimeout = 10 * time.Second
)

// fresh is how old an object may be that is taken for young without being
// written again.
func (c *Config) fresh() time.Duration { return min(time.Hour, c.SweepAfter/4) }

// refresh writes an object again that is there already, if it is not young.
func (p *Preprocessor) refresh(ctx context.Context, key string, body io.ReadSeeker, contentType string, now time.Time) error {
	if p.config.SweepAfter <= 0 {
		return nil
	}
	object, err := p.cache.Head(ctx, key)
	switch {
	case errors.Is(err, objectstore.ErrNotFound): // swept between the two
	case err != nil:
		return err
	case now.Sub(object.LastModified) < p.config.fresh():
		return nil
	}
	return p.overwrite(ctx, key, body, contentType)
}

// sweep deletes what nothing has referred to for Config.SweepAfter.
func (p *Preprocessor) sweep(ctx context.Context, now time.Time) error {
	if p.config.SweepAfter <= 0 {
		return nil
	}
	swept, err := p.sweepOnce(ctx, now)
	if swept > 0 {
		p.log.Info("swept", "objects", swept)
	}
	if err != nil {
		return fmt.Errorf("sweeping: %w", err)
	}
	return nil
}

func (p *Preprocessor) sweepOnce(ctx context.Context, now time.Time) (swept int, err error) {
	c, version, err := p.loadCatalog(ctx)
	if err != nil || version == "" {
		return 0, err
	}
	if err := p.attach(ctx, c, c.Missing()); err != nil {
		return 0, err
	}
	unused, err := Unreferenced(ctx, p.cache, c, now, p.config.SweepAfter, p.config.fresh())
	if err != nil {
		return 0, err
	}
	for i, object := range unused[:min(len(unused), sweepMost)] {
		if i%sweepCheck == 0 {
			if _, again, err := p.loadCatalog(ctx); err != nil || again != version {
				return swept, err // changed meanwhile: the next timer sweeps
			}
		}
		done, err := p.sweepObject(ctx, object)
		if err != nil {
			return swept, err
		}
		if done {
			swept++
			p.log.Info("object swept", "object", object.Key, "bytes", object.Size, "age_seconds", int64(now.Sub(object.LastModified).Seconds()))
		}
	}
	return swept, nil
}

// sweepObject deletes an object if it still is as it was listed.
func (p *Preprocessor) sweepObject(ctx context.Context, listed objectstore.Object) (bool, error) {
	object, err := p.cache.Head(ctx, listed.Key)
	if errors.Is(err, objectstore.ErrNotFound) || err == nil && (object.Version != listed.Version || object.LastModified.After(listed.LastModified)) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	ctx, cancel := context.WithTimeout(ctx, deleteTimeout)
	defer cancel()
	err = p.cache.Delete(ctx, listed.Key, objectstore.DeleteOptions{})
	return err == nil, err
}

// Unreferenced returns the objects of the cache bucket that no catalog of the
// time after now minus keep has named, and that are older than keep and fresh
// together, in the order of their keys: sets, their forms in JSON, parts of
// catalogs, and copies of catalogs. c is the catalog, with all parts attached.
func Unreferenced(ctx context.Context, cache interface {
	Reads
	ListsObjects
}, c *catalog.Catalog, now time.Time, keep, fresh time.Duration,
) ([]objectstore.Object, error) {
	copies, err := Generations(ctx, cache)
	if err != nil {
		return nil, err
	}
	used := map[string]bool{}
	refer(used, c)
	var old []objectstore.Object
	for _, prefix := range []string{catalog.PartPrefix, catalog.SetPrefix} {
		for object, err := range cache.List(ctx, prefix) {
			if err != nil {
				return nil, err
			}
			if now.Sub(object.LastModified) > keep+fresh && !used[object.Key] && ours(object.Key) {
				old = append(old, object)
			}
		}
	}
	kept := current(copies, now.Add(-keep))
	for _, g := range copies[:kept] {
		used[g.Object.Key] = true
	}
	if len(old) == 0 || kept == 0 {
		return unusedOf(old, used), nil
	}
	// With those that were followed shortly before: a copy may be that of a catalog
	// that never came to be, and the one before it the one that was current.
	last := kept
	for last < len(copies) && copies[last-1].Object.LastModified.After(now.Add(-keep-time.Hour)) {
		last++
	}
	for _, g := range copies[kept-1 : last] {
		used[g.Object.Key] = true
		before, _, err := g.Read(ctx, cache)
		if errors.Is(err, errDamagedCopy) {
			return nil, nil // what it named is not known
		}
		if err == nil {
			err = attach(ctx, cache, before, before.Missing())
		}
		if errors.Is(err, objectstore.ErrNotFound) && g.Number < copies[kept-1].Number {
			break // its own parts were swept already
		}
		if err != nil {
			return nil, err
		}
		refer(used, before)
	}
	return unusedOf(old, used), nil
}

func unusedOf(objects []objectstore.Object, used map[string]bool) []objectstore.Object {
	return slices.DeleteFunc(objects, func(o objectstore.Object) bool { return used[o.Key] })
}

// ours reports whether a key is one that the preprocessor writes. What others
// put into the bucket is not swept.
func ours(key string) bool {
	return strings.HasPrefix(key, catalog.PartPrefix) && strings.HasSuffix(key, ".json") ||
		strings.HasPrefix(key, catalog.SetPrefix) && (strings.HasSuffix(key, ".cache") || strings.HasSuffix(key, ".cache.json"))
}

// current returns how many of the copies, newest first, are of catalogs that
// were current at a moment or came after it. The newest always is.
func current(copies []Generation, at time.Time) int {
	for i, g := range copies {
		if !g.Object.LastModified.After(at) {
			return i + 1 // it was current then; those before it were not yet
		}
	}
	return len(copies)
}

// refer notes every object that a catalog names. All parts must be attached.
func refer(used map[string]bool, c *catalog.Catalog) {
	for _, key := range c.PartKeys() {
		used[key] = true
	}
	for _, ca := range c.CAs {
		for l := range ca.Lists() {
			used[catalog.JSONKey(l.Name)] = true
			for _, set := range l.AllSets() {
				used[set.Key] = true
			}
		}
	}
}
