package objectstoretest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"math"
	"slices"
	"strings"

	"github.com/crlgate/crlgate/pkg/objectstore"
)

// Call is one request as the bucket saw it.
type Call struct {
	Op  objectstore.Op
	Key string // the prefix when listing
	// IfMatch and IfNoneMatch are the conditions; IfNoneMatch is "*" for a Put
	// that wants no object there.
	IfMatch, IfNoneMatch objectstore.Version
	VersionID            string
	Range                objectstore.Range
	// Version is the version that was read or written, also when the answer was
	// then lost; "" if none was.
	Version objectstore.Version
	Err     error // as it was returned
}

// Calls returns all calls so far, in the order in which they ended.
func (b *Bucket) Calls() []Call {
	b.mu.Lock()
	defer b.mu.Unlock()
	return slices.Clone(b.calls)
}

// Count returns the number of calls of op on key so far; "" stands for any.
func (b *Bucket) Count(op objectstore.Op, key string) int {
	n := 0
	for _, c := range b.Calls() {
		if (op == "" || c.Op == op) && (key == "" || c.Key == key) {
			n++
		}
	}
	return n
}

// ResetCalls forgets the calls so far.
func (b *Bucket) ResetCalls() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.calls = nil
}

// Get is [objectstore.Bucket.Get].
func (b *Bucket) Get(ctx context.Context, key string, opts objectstore.GetOptions) (*objectstore.Reader, error) {
	c := Call{
		Op: objectstore.OpGet, Key: key,
		IfMatch: opts.IfMatch, IfNoneMatch: opts.IfNoneMatch, VersionID: opts.VersionID, Range: opts.Range,
	}
	var r *objectstore.Reader
	err := b.do(ctx, c, func(c *Call) error {
		v, err := b.find(key, opts.VersionID)
		switch {
		case err != nil:
			return err
		case opts.IfMatch != "" && opts.IfMatch != v.object.Version:
			return Answer(412, "PreconditionFailed")
		case opts.IfNoneMatch == v.object.Version:
			return Answer(304, "NotModified")
		}
		body, err := cut(v.body, opts.Range)
		if err != nil {
			return err
		}
		c.Version = v.object.Version
		r = objectstore.NewReader(b.config.name, v.object, opts.Range.Offset, int64(len(body)), b.body(key, body))
		return nil
	})
	if err != nil {
		return nil, err
	}
	return r, nil
}

func (b *Bucket) body(key string, body []byte) io.ReadCloser {
	if after, torn := b.torn(key); torn {
		return tornBody{bytes.NewReader(body[:min(after, len(body))])}
	}
	return io.NopCloser(bytes.NewReader(body))
}

// find is the version to read.
func (b *Bucket) find(key, id string) (*version, error) {
	if err := checkKey(key); err != nil {
		return nil, err
	}
	if id == "" {
		if v := b.current(key); v != nil {
			return v, nil
		}
		if b.config.noList {
			return nil, Answer(403, "AccessDenied")
		}
		return nil, Answer(404, "NoSuchKey")
	}
	versions := b.objects[key]
	at := slices.IndexFunc(versions, func(v version) bool { return v.object.VersionID == id })
	if at < 0 {
		return nil, Answer(404, "NoSuchVersion")
	}
	if versions[at].deleted {
		return nil, Answer(405, "MethodNotAllowed")
	}
	return &versions[at], nil
}

func cut(body []byte, r objectstore.Range) ([]byte, error) {
	size := int64(len(body))
	switch {
	case r == objectstore.Range{}:
		return body, nil
	case r.Offset < 0 || r.Length < 0 || r.Offset > math.MaxInt64-r.Length:
		return nil, fmt.Errorf("range of %d bytes from %d is not one", r.Length, r.Offset)
	case r.Offset >= size:
		return nil, Answer(416, "InvalidRange")
	case r.Length == 0 || r.Length > size-r.Offset:
		return body[r.Offset:], nil
	}
	return body[r.Offset : r.Offset+r.Length], nil
}

// ReadAll is [objectstore.Bucket.ReadAll], with three attempts.
func (b *Bucket) ReadAll(ctx context.Context, key string, maxBytes int64, opts objectstore.GetOptions) ([]byte, objectstore.Object, error) {
	for attempt := 1; ; attempt++ {
		r, err := b.Get(ctx, key, opts)
		if err != nil {
			return nil, objectstore.Object{}, err
		}
		body, err := r.ReadAll(maxBytes)
		if err == nil {
			return body, r.Object, nil
		}
		if attempt >= objectstore.DefaultMaxAttempts || ctx.Err() != nil || !errors.Is(err, objectstore.ErrUnavailable) {
			return nil, objectstore.Object{}, err
		}
	}
}

// Head is [objectstore.Bucket.Head].
func (b *Bucket) Head(ctx context.Context, key string) (objectstore.Object, error) {
	var o objectstore.Object
	err := b.do(ctx, Call{Op: objectstore.OpHead, Key: key}, func(c *Call) error {
		v, err := b.find(key, "")
		if err != nil {
			return err
		}
		o, c.Version = v.object, v.object.Version
		return nil
	})
	if err != nil {
		return objectstore.Object{}, err
	}
	return o, nil
}

// Put is [objectstore.Bucket.Put]. Its conditions are judged when it takes effect.
func (b *Bucket) Put(ctx context.Context, key string, body io.ReadSeeker, opts objectstore.PutOptions) (objectstore.Version, error) {
	c := Call{Op: objectstore.OpPut, Key: key, IfMatch: opts.IfMatch}
	if opts.IfNoneMatch {
		c.IfNoneMatch = "*"
	}
	var written objectstore.Version
	err := b.do(ctx, c, func(c *Call) error {
		if err := checkPut(key, body, opts); err != nil {
			return err
		}
		content, err := io.ReadAll(body)
		if err != nil {
			return err
		}
		if err := b.match(key, opts.IfMatch); err != nil {
			return err
		}
		if opts.IfNoneMatch && b.exists(key) {
			return Answer(412, "PreconditionFailed")
		}
		written = b.store(key, content).Version
		c.Version = written
		return nil
	})
	if err != nil {
		return "", err
	}
	return written, nil
}

func checkPut(key string, body io.ReadSeeker, opts objectstore.PutOptions) error {
	switch {
	case body == nil:
		return errors.New("measuring the body: there is none")
	case opts.IfMatch != "" && opts.IfNoneMatch:
		return errors.New("both IfMatch and IfNoneMatch are set, want at most one")
	}
	return checkKey(key)
}

// match judges the If-Match of a write.
func (b *Bucket) match(key string, want objectstore.Version) error {
	v := b.current(key)
	switch {
	case want == "" || v != nil && v.object.Version == want:
		return nil
	case v == nil:
		return Answer(404, "NoSuchKey")
	}
	return Answer(412, "PreconditionFailed")
}

// Delete is [objectstore.Bucket.Delete].
func (b *Bucket) Delete(ctx context.Context, key string, opts objectstore.DeleteOptions) error {
	c := Call{Op: objectstore.OpDelete, Key: key, IfMatch: opts.IfMatch, VersionID: opts.VersionID}
	return b.do(ctx, c, func(*Call) error {
		if err := checkKey(key); err != nil {
			return err
		}
		if err := b.match(key, opts.IfMatch); err != nil {
			return err
		}
		if opts.VersionID == "" {
			b.remove(key)
			return nil
		}
		b.objects[key] = slices.DeleteFunc(b.objects[key], func(v version) bool { return v.object.VersionID == opts.VersionID })
		return nil
	})
}

// List is [objectstore.Bucket.List]. Each page shows the bucket as it is when the
// page is fetched.
func (b *Bucket) List(ctx context.Context, prefix string) iter.Seq2[objectstore.Object, error] {
	return func(yield func(objectstore.Object, error) bool) {
		for last, more := "", true; more; {
			var page []objectstore.Object
			err := b.do(ctx, Call{Op: objectstore.OpList, Key: prefix}, func(*Call) error {
				if b.config.noList {
					return Answer(403, "AccessDenied")
				}
				page, more = b.page(prefix, last)
				return nil
			})
			if err != nil {
				yield(objectstore.Object{}, err)
				return
			}
			for _, o := range page {
				if !yield(o, nil) {
					return
				}
				last = o.Key
			}
		}
	}
}

// page returns the objects after last, without version ids as S3 does, and
// whether there are more.
func (b *Bucket) page(prefix, last string) (page []objectstore.Object, more bool) {
	for _, key := range b.keys() {
		if !strings.HasPrefix(key, prefix) || key <= last {
			continue
		}
		if len(page) == b.config.pageSize {
			return page, true
		}
		o := b.current(key).object
		o.VersionID = ""
		page = append(page, o)
	}
	return page, false
}

func checkKey(key string) error {
	if key == "" {
		return errors.New("the key is empty")
	}
	if len(key) > 1024 {
		return fmt.Errorf("the key has %d bytes, more than S3's limit of 1024", len(key))
	}
	return nil
}
