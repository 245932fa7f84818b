package machine

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/crlgate/crlgate/pkg/objectstore"
)

// Objects are what a bucket holds, by key.
type Objects map[string][]byte

// Keys returns the keys in order.
func (o Objects) Keys() []string { return slices.Sorted(maps.Keys(o)) }

// Contents are what both buckets of a pair hold.
type Contents struct {
	Uploads, Cache Objects
	// Old says when those objects of the cache bucket were written that were
	// not written lately.
	Old map[string]time.Time
}

// lately is how long ago everything was written that a run itself writes.
const lately = 30 * time.Minute

// Clone returns a copy whose maps are its own.
func (c Contents) Clone() Contents {
	return Contents{maps.Clone(c.Uploads), maps.Clone(c.Cache), maps.Clone(c.Old)}
}

const (
	maxObject = 1 << 30
	parallel  = 8
)

// Read returns all that the buckets hold.
func (p *Pair) Read(ctx context.Context) (c Contents, err error) {
	if c.Uploads, _, err = readAll(ctx, p.Uploads); err != nil {
		return c, err
	}
	c.Cache, c.Old, err = readAll(ctx, p.Cache)
	return c, err
}

func readAll(ctx context.Context, b *objectstore.Bucket) (Objects, map[string]time.Time, error) {
	var mu sync.Mutex
	out, old := Objects{}, map[string]time.Time{}
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(parallel)
	for o, err := range b.List(ctx, "") {
		if err != nil {
			return nil, nil, errors.Join(err, g.Wait())
		}
		if time.Since(o.LastModified) > lately {
			old[o.Key] = o.LastModified
		}
		g.Go(func() error {
			data, _, err := b.ReadAll(ctx, o.Key, maxObject, objectstore.GetOptions{})
			if errors.Is(err, objectstore.ErrNotFound) {
				return nil // gone since it was listed
			}
			mu.Lock()
			defer mu.Unlock()
			out[o.Key] = data
			return err
		})
	}
	return out, old, g.Wait()
}

// Fill puts objects into the buckets, which were empty.
func (p *Pair) Fill(ctx context.Context, c Contents) error {
	g, put := errgroup.WithContext(ctx)
	g.SetLimit(parallel)
	for bucket, objects := range map[*objectstore.Bucket]Objects{p.Uploads: c.Uploads, p.Cache: c.Cache} {
		for key, data := range objects {
			g.Go(func() error { return Put(put, bucket, key, data) })
		}
	}
	if err := g.Wait(); err != nil {
		return err
	}
	for key, written := range c.Old {
		if err := p.age(key, written); err != nil {
			return err
		}
	}
	return nil
}

// age makes an object of the cache bucket look as if it had been written then:
// S3 says when that was, and the local server takes it from the file.
func (p *Pair) age(key string, written time.Time) error {
	path := filepath.Join(p.m.dir, "objects", p.Cache.Name(), filepath.FromSlash(key))
	if err := os.Chtimes(path, written, written); err != nil {
		return fmt.Errorf("making %s look old: %w", key, err)
	}
	return nil
}
