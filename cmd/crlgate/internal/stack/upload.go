package stack

import (
	"bytes"
	"context"
	"fmt"
	"time"

	"github.com/crlgate/crlgate/pkg/objectstore"
	"github.com/crlgate/crlgate/pkg/preprocess"
)

// Put uploads an object and returns its version.
func (s *Stack) Put(ctx context.Context, key string, data []byte) (objectstore.Version, error) {
	return s.Uploads.Put(ctx, key, bytes.NewReader(data), objectstore.PutOptions{})
}

// PutAndWait uploads an object and waits for the report on it.
func (s *Stack) PutAndWait(ctx context.Context, key string, data []byte) (*preprocess.Report, error) {
	version, err := s.Put(ctx, key, data)
	if err != nil {
		return nil, err
	}
	return AwaitReport(ctx, s.Cache, key, version)
}

// AwaitReport waits for the report on one version of an upload.
func AwaitReport(ctx context.Context, cache preprocess.Reads, key string, version objectstore.Version) (*preprocess.Report, error) {
	for {
		r, err := preprocess.ReadReport(ctx, cache, key)
		switch {
		case err != nil && ctx.Err() != nil: // the time was up within a look
			return nil, fmt.Errorf("waiting for the report on %s: %w", key, context.Cause(ctx))
		case err != nil:
			return nil, err
		case r != nil && r.ETag == string(version):
			return r, nil
		}
		select {
		case <-ctx.Done():
			return nil, fmt.Errorf("waiting for the report on %s: %w", key, context.Cause(ctx))
		case <-time.After(20 * time.Millisecond):
		}
	}
}
