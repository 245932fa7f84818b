// Command authorizer is the Lambda authorizer of an API Gateway with mutual
// TLS: it denies client certificates that are revoked, or whose revocation
// status cannot be told. Its settings are in config.go.
package main

import (
	"context"
	"fmt"
	"os"
	"runtime/debug"
	"time"

	"github.com/aws/aws-lambda-go/lambda"

	"github.com/crlgate/crlgate/functions/internal/invocation"
	"github.com/crlgate/crlgate/functions/internal/tracing"
	"github.com/crlgate/crlgate/pkg/authorize"
	"github.com/crlgate/crlgate/pkg/objectstore"
	"github.com/crlgate/crlgate/pkg/revocation"
	"github.com/crlgate/crlgate/pkg/telemetry"
)

// metricsInterval is how often metrics are written, at most.
const metricsInterval = 10 * time.Second

func main() { invocation.Main("authorizer", run) }

func run(ctx context.Context) error {
	c, err := readConfig(os.LookupEnv)
	if err != nil {
		return err
	}
	// The collector works harder before Lambda kills the process.
	debug.SetMemoryLimit(c.Memory * 9 / 10)
	log := telemetry.NewLogger(os.Stdout, c.Function, nil)
	recorder := telemetry.NewRecorder(os.Stdout, c.Function, metricsInterval)
	// A request waits for S3 only so long; trying twice at once beats trying
	// once for long.
	bucket, err := objectstore.Open(ctx, c.CacheBucket, objectstore.WithMaxAttempts(2), objectstore.WithAttemptTimeout(2*time.Second))
	if err != nil {
		return fmt.Errorf("reaching the cache bucket: %w", err)
	}
	tracer, err := tracing.New(ctx, c.Function)
	if err != nil {
		return err
	}
	var store revocation.Store = bucket
	var metrics revocation.Metrics = cacheMetrics{recorder}
	if tracer != nil {
		store, metrics = tracedStore{store, tracer}, tracedMetrics{metrics, tracer}
	}
	cache := revocation.New(store, revocation.Config{
		RevalidateAfter: c.RevalidateAfter, MaxUnvalidated: c.MaxUnvalidated, MemoryBudget: c.MemoryBudget,
	}, time.Now, log, metrics)
	handler := authorize.New(authorize.Config{
		Asker:      cache,
		Settings:   authorize.Settings{Observe: c.Observe, RequireChain: c.RequireChain},
		LogAllowed: c.LogAllowed, Log: log, RequestID: invocation.RequestID,
		Metrics: decisionMetrics{recorder, &modes{recorder: recorder, observe: c.Observe, catalog: cache.Catalog}, dueAfter(c.RevalidateAfter)},
	})
	cache.Warm() // in the background, while Lambda finishes the init
	lambda.StartWithOptions(tracer.Handler("decide", handler), lambda.WithContext(ctx), lambda.WithEnableSIGTERM(func() { _ = recorder.Flush(time.Now()) }))
	return nil
}
