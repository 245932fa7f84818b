package main

import (
	"context"
	"errors"
	"time"

	"github.com/crlgate/crlgate/functions/internal/tracing"
	"github.com/crlgate/crlgate/pkg/objectstore"
	"github.com/crlgate/crlgate/pkg/revocation"
)

// tracedStore has a span for each read of the cache bucket.
type tracedStore struct {
	revocation.Store
	t *tracing.Tracer
}

func (s tracedStore) ReadAll(ctx context.Context, key string, most int64, opts objectstore.GetOptions) ([]byte, objectstore.Object, error) {
	ctx, end := s.t.Start(ctx, "S3.GetObject", "rpc.system", "aws-api", "aws.s3.key", key)
	data, object, err := s.Store.ReadAll(ctx, key, most, opts)
	if errors.Is(err, objectstore.ErrNotModified) {
		end(nil) // what a refresh hopes for
	} else {
		end(err)
	}
	return data, object, err
}

// tracedMetrics has a span for each refresh, which no request owns.
type tracedMetrics struct {
	revocation.Metrics
	t *tracing.Tracer
}

func (m tracedMetrics) Refreshed(took time.Duration, err error) {
	m.t.Past("refresh", took, err)
	m.Metrics.Refreshed(took, err)
}
