package main

import (
	"context"
	"errors"
	"io"
	"iter"
	"strings"

	"github.com/crlgate/crlgate/functions/internal/tracing"
	"github.com/crlgate/crlgate/pkg/catalog"
	"github.com/crlgate/crlgate/pkg/objectstore"
	"github.com/crlgate/crlgate/pkg/preprocess"
)

// read reads through in, within a span.
func read(ctx context.Context, t *tracing.Tracer, in preprocess.Reads, key string, most int64, opts objectstore.GetOptions) ([]byte, objectstore.Object, error) {
	ctx, end := t.Start(ctx, "S3.GetObject", "rpc.system", "aws-api", "aws.s3.key", key)
	data, object, err := in.ReadAll(ctx, key, most, opts)
	endCall(end, err)
	return data, object, err
}

// endCall ends the span of a call. That something is not there, or has been
// changed by another, is an answer.
func endCall(end func(error), err error) {
	if errors.Is(err, objectstore.ErrNotFound) || errors.Is(err, objectstore.ErrPreconditionFailed) || errors.Is(err, objectstore.ErrNotModified) {
		err = nil
	}
	end(err)
}

// tracedUploads has a span for each call on the upload bucket. Between "open
// upload" and "publish set" a CRL is read, checked and flattened.
type tracedUploads struct {
	preprocess.Uploads
	t *tracing.Tracer
}

func (u tracedUploads) ReadAll(ctx context.Context, key string, most int64, opts objectstore.GetOptions) ([]byte, objectstore.Object, error) {
	return read(ctx, u.t, u.Uploads, key, most, opts)
}

// Get's span ends when the body begins: it is read in the context of the caller.
func (u tracedUploads) Get(ctx context.Context, key string, opts objectstore.GetOptions) (*objectstore.Reader, error) {
	_, end := u.t.Start(ctx, "open upload", "aws.s3.key", key)
	r, err := u.Uploads.Get(ctx, key, opts)
	endCall(end, err)
	return r, err
}

func (u tracedUploads) List(ctx context.Context, prefix string) iter.Seq2[objectstore.Object, error] {
	return func(yield func(objectstore.Object, error) bool) {
		ctx, end := u.t.Start(ctx, "list uploads", "prefix", prefix)
		var failed error
		for object, err := range u.Uploads.List(ctx, prefix) {
			failed = err
			if !yield(object, err) {
				break
			}
		}
		endCall(end, failed)
	}
}

// tracedCache has a span for each call on the cache bucket.
type tracedCache struct {
	preprocess.Cache
	t *tracing.Tracer
}

func (c tracedCache) ReadAll(ctx context.Context, key string, most int64, opts objectstore.GetOptions) ([]byte, objectstore.Object, error) {
	return read(ctx, c.t, c.Cache, key, most, opts)
}

func (c tracedCache) Put(ctx context.Context, key string, body io.ReadSeeker, opts objectstore.PutOptions) (objectstore.Version, error) {
	ctx, end := c.t.Start(ctx, step(key), "rpc.system", "aws-api", "aws.s3.key", key)
	version, err := c.Cache.Put(ctx, key, body, opts)
	endCall(end, err)
	return version, err
}

// step is the step of the write path that writes such an object.
func step(key string) string {
	switch {
	case strings.HasPrefix(key, "sets/"):
		return "publish set"
	case key == catalog.Key, strings.HasPrefix(key, "catalog/"):
		return "publish catalog"
	case strings.HasPrefix(key, "reports/"):
		return "report"
	}
	return "S3.PutObject"
}
