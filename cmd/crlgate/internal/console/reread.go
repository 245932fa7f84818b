package console

import (
	"context"
	"errors"
	"iter"
	"strings"
	"sync"

	"github.com/crlgate/crlgate/cmd/crlgate/internal/status"
	"github.com/crlgate/crlgate/pkg/catalog"
	"github.com/crlgate/crlgate/pkg/objectstore"
)

// reread reads the cache bucket again and again, and what has not changed only
// once: reports by the versions of a listing, everything else by conditional GET.
type reread struct {
	status.Cache

	mu     sync.Mutex
	listed map[string]objectstore.Version // by the last listing of the reports
	seen   map[string]body
}

type body struct {
	object objectstore.Object
	data   []byte
}

func newReread(cache status.Cache) *reread { return &reread{Cache: cache, seen: map[string]body{}} }

// List lists, and remembers which versions there are; what is gone is forgotten.
func (c *reread) List(ctx context.Context, prefix string) iter.Seq2[objectstore.Object, error] {
	return func(yield func(objectstore.Object, error) bool) {
		listed := map[string]objectstore.Version{}
		for object, err := range c.Cache.List(ctx, prefix) {
			if err == nil {
				listed[object.Key] = object.Version
				c.mu.Lock()
				if c.listed == nil {
					c.listed = map[string]objectstore.Version{}
				}
				c.listed[object.Key] = object.Version
				c.mu.Unlock()
			}
			if !yield(object, err) || err != nil {
				return
			}
		}
		c.forget(prefix, listed)
	}
}

func (c *reread) forget(prefix string, listed map[string]objectstore.Version) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for key := range c.seen {
		if _, there := listed[key]; strings.HasPrefix(key, prefix) && !there {
			delete(c.seen, key)
			delete(c.listed, key)
		}
	}
}

// ReadAll reads an object whole, or returns what was read of it before where
// that is still its state. Ranges are passed on.
func (c *reread) ReadAll(ctx context.Context, key string, maxBytes int64, opts objectstore.GetOptions) ([]byte, objectstore.Object, error) {
	if opts != (objectstore.GetOptions{}) || strings.HasPrefix(key, "sets/") {
		return c.Cache.ReadAll(ctx, key, maxBytes, opts)
	}
	c.mu.Lock()
	had, ok := c.seen[key]
	current := ok && c.listed[key] != "" && c.listed[key] == had.object.Version
	c.mu.Unlock()
	if current {
		return had.data, had.object, nil
	}
	if ok {
		opts.IfNoneMatch = had.object.Version
	}
	data, object, err := c.Cache.ReadAll(ctx, key, maxBytes, opts)
	if ok && errors.Is(err, objectstore.ErrNotModified) {
		return had.data, had.object, nil
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if err == nil {
		if key == catalog.Key {
			c.newCatalog()
		}
		c.seen[key] = body{object, data}
	}
	return data, object, err
}

// newCatalog forgets the parts of the catalog before, which are named by their
// content. The lock must be held.
func (c *reread) newCatalog() {
	for key := range c.seen {
		if !strings.HasPrefix(key, catalog.ReportPrefix) {
			delete(c.seen, key)
		}
	}
}
