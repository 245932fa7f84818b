// Package objectstoretest is a bucket in memory with the semantics of S3, for
// tests that must inject faults: errors before and after a write took effect,
// bodies that break off, delays. It has the methods of [objectstore.Bucket], and
// [Conform] holds both to the same answers. Whatever can be tested over a real S3
// server should be.
package objectstoretest

import (
	"bytes"
	"context"
	"crypto/sha256"
	"fmt"
	"io"
	"iter"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/crlgate/crlgate/pkg/objectstore"
)

// Store is the method set that [objectstore.Bucket] and [Bucket] share. Code that
// uses a store defines its own, smaller interface.
type Store interface {
	Name() string
	Get(ctx context.Context, key string, opts objectstore.GetOptions) (*objectstore.Reader, error)
	ReadAll(ctx context.Context, key string, maxBytes int64, opts objectstore.GetOptions) ([]byte, objectstore.Object, error)
	Head(ctx context.Context, key string) (objectstore.Object, error)
	List(ctx context.Context, prefix string) iter.Seq2[objectstore.Object, error]
	Put(ctx context.Context, key string, body io.ReadSeeker, opts objectstore.PutOptions) (objectstore.Version, error)
	Delete(ctx context.Context, key string, opts objectstore.DeleteOptions) error
}

// Bucket is a bucket in memory: strongly consistent, safe for concurrent use.
// What is set up with [Bucket.Store], [Bucket.Remove] and [Bucket.Corrupt], and
// looked at with [Bucket.Load] and [Bucket.Keys], passes by faults and history.
type Bucket struct {
	mu      sync.Mutex
	config  config
	objects map[string][]version // oldest first
	writes  int                  // so far; makes version ids and unique ETags
	faults  faults
	calls   []Call
}

type config struct {
	name        string
	versioned   bool
	uniqueETags bool
	noList      bool
	covered     bool
	pageSize    int
	now         func() time.Time
}

type version struct {
	object  objectstore.Object
	body    []byte // never changed
	deleted bool   // a delete marker
}

// Option changes what the bucket is like.
type Option func(*config)

// Versioned keeps old versions, gives version ids and lays delete markers.
func Versioned() Option { return func(c *config) { c.versioned = true } }

// UniqueETags gives each write an ETag of its own, as S3 does under KMS. Without
// it equal bytes have equal ETags, as under S3's default encryption.
func UniqueETags() Option { return func(c *config) { c.uniqueETags = true } }

// WithoutListBucket answers 403 for a missing key, as S3 does to a caller
// that lacks s3:ListBucket.
func WithoutListBucket() Option { return func(c *config) { c.noList = true } }

// CoveredKeysExist has a key under a delete marker count as existing for
// IfNoneMatch, as some servers have it, and S3 does not.
func CoveredKeysExist() Option { return func(c *config) { c.covered = true } }

// PageSize sets how many objects a page of a listing holds, 1,000 by default.
func PageSize(n int) Option { return func(c *config) { c.pageSize = n } }

// Named sets the bucket's name, "bucket" by default.
func Named(name string) Option { return func(c *config) { c.name = name } }

// Clock sets what LastModified is taken from, time.Now by default.
func Clock(now func() time.Time) Option { return func(c *config) { c.now = now } }

// NewBucket returns an empty bucket.
func NewBucket(opts ...Option) *Bucket {
	b := &Bucket{
		config:  config{name: "bucket", pageSize: 1000, now: time.Now},
		objects: map[string][]version{},
	}
	for _, opt := range opts {
		opt(&b.config)
	}
	return b
}

// Name is the bucket's name.
func (b *Bucket) Name() string { return b.config.name }

// Store puts body under key, whatever is there, and returns its version.
func (b *Bucket) Store(key string, body []byte) objectstore.Version {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.store(key, bytes.Clone(body)).Version
}

// Remove deletes what is under key.
func (b *Bucket) Remove(key string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.remove(key)
}

// Corrupt changes the stored bytes under key, and nothing else about the object
// but its size: the fault that only a hash shows. It panics if there is no object.
func (b *Bucket) Corrupt(key string, change func(body []byte) []byte) {
	b.mu.Lock()
	defer b.mu.Unlock()
	v := b.current(key)
	if v == nil {
		panic(fmt.Sprintf("objectstoretest: corrupting %q: no such object", key))
	}
	v.body = change(bytes.Clone(v.body))
	v.object.Size = int64(len(v.body))
}

// Load returns a copy of what is under key, and whether there is an object.
func (b *Bucket) Load(key string) ([]byte, objectstore.Object, bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if v := b.current(key); v != nil {
		return bytes.Clone(v.body), v.object, true
	}
	return nil, objectstore.Object{}, false
}

// Keys returns the keys that have an object, sorted.
func (b *Bucket) Keys() []string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.keys()
}

func (b *Bucket) keys() []string {
	keys := slices.Sorted(maps.Keys(b.objects))
	return slices.DeleteFunc(keys, func(key string) bool { return b.current(key) == nil })
}

// current is the newest version under key, nil if there is none or it is a
// delete marker. It is valid until the next write.
func (b *Bucket) current(key string) *version {
	versions := b.objects[key]
	if len(versions) == 0 || versions[len(versions)-1].deleted {
		return nil
	}
	return &versions[len(versions)-1]
}

// exists reports whether a write with IfNoneMatch is refused.
func (b *Bucket) exists(key string) bool {
	return b.current(key) != nil || b.config.covered && len(b.objects[key]) > 0
}

// store keeps body itself.
func (b *Bucket) store(key string, body []byte) objectstore.Object {
	v := version{body: body, object: b.next(key)}
	v.object.Size = int64(len(body))
	if b.config.uniqueETags {
		v.object.Version = objectstore.Version(fmt.Sprintf(`"write-%d"`, b.writes))
	} else {
		sum := sha256.Sum256(body)
		v.object.Version = objectstore.Version(fmt.Sprintf(`"%x"`, sum[:16]))
	}
	b.push(key, v)
	return v.object
}

// remove lays a delete marker in a versioned bucket, also where there is nothing.
func (b *Bucket) remove(key string) {
	if !b.config.versioned {
		delete(b.objects, key)
		return
	}
	b.push(key, version{deleted: true, object: b.next(key)})
}

// next is the object of the next write to key.
func (b *Bucket) next(key string) objectstore.Object {
	b.writes++
	o := objectstore.Object{Key: key, LastModified: b.config.now().UTC().Truncate(time.Second)}
	if b.config.versioned {
		o.VersionID = fmt.Sprintf("v%d", b.writes)
	}
	return o
}

func (b *Bucket) push(key string, v version) {
	if !b.config.versioned {
		b.objects[key] = nil
	}
	b.objects[key] = append(b.objects[key], v)
}
