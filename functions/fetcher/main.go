// Command fetcher is the Lambda function that brings CRLs from where CAs publish
// them to the upload bucket. A timer invokes it; it looks at what is due. Its
// settings are in config.go.
package main

import (
	"context"
	"fmt"
	"os"
	"time"

	"github.com/aws/aws-lambda-go/lambda"

	"github.com/crlgate/crlgate/functions/internal/invocation"
	"github.com/crlgate/crlgate/pkg/fetch"
	"github.com/crlgate/crlgate/pkg/objectstore"
	"github.com/crlgate/crlgate/pkg/telemetry"
)

func main() { invocation.Main("fetcher", run) }

func run(ctx context.Context) error {
	c, err := readConfig(os.LookupEnv)
	if err != nil {
		return err
	}
	uploads, err := objectstore.Open(ctx, c.UploadBucket, objectstore.WithMaxAttempts(4), objectstore.WithAttemptTimeout(20*time.Second))
	if err != nil {
		return fmt.Errorf("reaching the upload bucket: %w", err)
	}
	log := telemetry.NewLogger(os.Stdout, c.Function, nil)
	h := &handler{config: c, fetcher: fetch.New(uploads, uploads.Sibling(c.CacheBucket), c.Config, log, nil)}
	lambda.StartWithOptions(h, lambda.WithContext(ctx))
	return nil
}

type handler struct {
	config  config
	fetcher *fetch.Fetcher // what it knows outlasts an invocation
}

// Invoke handles one event. What went wrong with a URL is in its state, log and
// metrics, and no error; an error means that the buckets could not be read or
// written, which the next run tries again.
func (h *handler) Invoke(ctx context.Context, payload []byte) ([]byte, error) {
	i := invocation.Begin(ctx, h.config.Function)
	request, err := fetch.ParseRequest(payload)
	if err != nil || request.Ready {
		return []byte("null"), err
	}
	s, err := h.fetcher.With(i.Log, metrics{i.Metrics}).Run(ctx, i.Began(), request.Want)
	return i.End(telemetry.FetchLatency, s.Answer(), err)
}

// metrics records what the fetcher does.
type metrics struct{ r *telemetry.Recorder }

func (m metrics) Fetched(ca string)   { m.r.Count(telemetry.CRLFetched, telemetry.Labels{CA: ca}) }
func (m metrics) Unchanged(ca string) { m.r.Count(telemetry.CRLUnchanged, telemetry.Labels{CA: ca}) }

func (m metrics) FetchFailed(ca string, code fetch.Code) {
	m.r.Count(telemetry.FetchFailures, telemetry.Labels{CA: ca, Code: string(code)})
}

func (m metrics) FetchedBytes(ca string, n int64) {
	m.r.Record(telemetry.FetchBytes, float64(n), telemetry.Labels{CA: ca})
}

func (m metrics) SinceSuccess(ca string, age time.Duration) {
	m.r.Record(telemetry.FetchAge, age.Seconds(), telemetry.Labels{CA: ca})
}
