package preprocess_test

import (
	"context"
	"crypto/sha256"
	"fmt"
	"io"
	"iter"
	"strings"

	"github.com/crlgate/crlgate/pkg/objectstore"
	"github.com/crlgate/crlgate/pkg/objectstore/objectstoretest"
)

// store is a bucket as a process sees it.
type store struct {
	*objectstoretest.Bucket
	p        *process
	readOnly bool // nobody writes it in this scenario
}

var readFaults = []mishap{crashBefore, unavailableBefore, forbidden}

func digest(b []byte) string { return fmt.Sprintf("%x", sha256.Sum256(b)) }

func (s store) ReadAll(ctx context.Context, key string, maxBytes int64, opts objectstore.GetOptions) (body []byte, o objectstore.Object, err error) {
	err = s.p.call(objectstore.OpGet, key, s.readOnly, readFaults, func() (string, error) {
		var err error
		body, o, err = s.Bucket.ReadAll(ctx, key, maxBytes, opts)
		return digest(body), err
	})
	return body, o, err
}

func (s store) Get(ctx context.Context, key string, opts objectstore.GetOptions) (r *objectstore.Reader, err error) {
	err = s.p.call(objectstore.OpGet, key, s.readOnly, append(readFaults[:len(readFaults):len(readFaults)], torn), func() (string, error) {
		var err error
		if r, err = s.Bucket.Get(ctx, key, opts); err != nil {
			return "", err
		}
		return string(r.Object.Version), nil
	})
	return r, err
}

func (s store) Head(ctx context.Context, key string) (o objectstore.Object, err error) {
	err = s.p.call(objectstore.OpHead, key, s.readOnly, readFaults, func() (string, error) {
		var err error
		o, err = s.Bucket.Head(ctx, key)
		return string(o.Version), err
	})
	return o, err
}

func (s store) List(ctx context.Context, prefix string) iter.Seq2[objectstore.Object, error] {
	return func(yield func(objectstore.Object, error) bool) {
		var found []objectstore.Object
		err := s.p.call(objectstore.OpList, prefix, s.readOnly, readFaults, func() (string, error) {
			var names strings.Builder
			for o, err := range s.Bucket.List(ctx, prefix) {
				if err != nil {
					return "", err
				}
				found = append(found, o)
				fmt.Fprintf(&names, "%s %s\n", o.Key, o.Version)
			}
			return names.String(), nil
		})
		if err != nil {
			yield(objectstore.Object{}, err)
			return
		}
		for _, o := range found {
			if !yield(o, nil) {
				return
			}
		}
	}
}

func (s store) Put(ctx context.Context, key string, body io.ReadSeeker, opts objectstore.PutOptions) (v objectstore.Version, err error) {
	may := []mishap{crashBefore, crashAfter, unavailableBefore, unavailableAfter, forbidden}
	if opts.IfMatch != "" || opts.IfNoneMatch {
		may = append(may, conflict)
	}
	err = s.p.call(objectstore.OpPut, key, false, may, func() (string, error) {
		var err error
		v, err = s.Bucket.Put(ctx, key, body, opts)
		return string(v), err
	})
	return v, err
}

func (s store) Delete(ctx context.Context, key string, opts objectstore.DeleteOptions) error {
	may := []mishap{crashBefore, crashAfter, unavailableBefore, unavailableAfter, forbidden}
	return s.p.call(objectstore.OpDelete, key, false, may, func() (string, error) { return "", s.Bucket.Delete(ctx, key, opts) })
}
