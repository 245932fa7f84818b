// Command preprocessor is the Lambda function behind the upload bucket: it
// verifies issuers and CRLs, flattens CRLs into sets and keeps the catalog. It
// is invoked by S3 event notifications and by a timer. Its settings are in
// config.go.
package main

import (
	"context"
	"fmt"
	"os"
	"time"

	"github.com/aws/aws-lambda-go/lambda"

	"github.com/crlgate/crlgate/functions/internal/invocation"
	"github.com/crlgate/crlgate/functions/internal/tracing"
	"github.com/crlgate/crlgate/pkg/objectstore"
	"github.com/crlgate/crlgate/pkg/preprocess"
	"github.com/crlgate/crlgate/pkg/telemetry"
)

func main() { invocation.Main("preprocessor", run) }

func run(ctx context.Context) error {
	c, err := readConfig(os.LookupEnv)
	if err != nil {
		return err
	}
	uploads, err := objectstore.Open(ctx, c.UploadBucket, objectstore.WithMaxAttempts(4), objectstore.WithAttemptTimeout(20*time.Second))
	if err != nil {
		return fmt.Errorf("reaching the upload bucket: %w", err)
	}
	tracer, err := tracing.New(ctx, c.Function)
	if err != nil {
		return err
	}
	h := &handler{config: c, uploads: uploads, cache: uploads.Sibling(c.CacheBucket)}
	if tracer != nil {
		h.uploads, h.cache = tracedUploads{h.uploads, tracer}, tracedCache{h.cache, tracer}
	}
	lambda.StartWithOptions(tracer.Handler("preprocess", h), lambda.WithContext(ctx))
	return nil
}

type handler struct {
	config  config
	uploads preprocess.Uploads
	cache   preprocess.Cache
}

// Invoke handles one event. What went wrong for good was reported and is no
// error; an error makes Lambda try the event again and, at the end, put it on
// the failure queue.
func (h *handler) Invoke(ctx context.Context, payload []byte) ([]byte, error) {
	i := invocation.Begin(ctx, h.config.Function)
	p := preprocess.New(h.uploads, h.cache, h.config.Config, i.Log, metrics{i.Metrics})
	answer, err := p.Answer(ctx, payload, i.Began()) // nil for events
	return i.End(telemetry.PreprocessLatency, answer, err)
}

// metrics records what the preprocessor does.
type metrics struct{ r *telemetry.Recorder }

func (m metrics) CRLAccepted(ca, crl string, entries int, until time.Duration) {
	labels := telemetry.Labels{CA: ca, CRL: crl}
	m.r.Count(telemetry.CRLAccepted, labels)
	m.CRLServes(ca, crl, entries, until)
}

func (m metrics) CRLServes(ca, crl string, entries int, until time.Duration) {
	labels := telemetry.Labels{CA: ca, CRL: crl}
	m.r.Record(telemetry.CRLEntries, float64(entries), labels)
	m.r.Record(telemetry.SecondsToNextUpdate, until.Seconds(), labels)
}

func (m metrics) CRLRejected(code string) {
	m.r.Count(telemetry.CRLRejected, telemetry.Labels{Code: code})
}

func (m metrics) CRLPending(code string) {
	m.r.Count(telemetry.CRLPending, telemetry.Labels{Code: code})
}

func (m metrics) IssuersChanged(ca string) {
	m.r.Count(telemetry.IssuersChanged, telemetry.Labels{CA: ca})
}

func (m metrics) IssuersVanished(ca string) {
	m.r.Count(telemetry.IssuersVanished, telemetry.Labels{CA: ca})
}

func (m metrics) UploadGone(ca, _ string) {
	m.r.Count(telemetry.UploadsGone, telemetry.Labels{CA: ca})
}

func (m metrics) SerialsCompared(ca string, before, added, vanished int) {
	labels := telemetry.Labels{CA: ca}
	m.r.Record(telemetry.SerialsAdded, float64(added), labels)
	m.r.Record(telemetry.SerialsVanished, float64(vanished), labels)
	if before > 0 {
		m.r.Record(telemetry.SerialsVanishedShare, 100*float64(vanished)/float64(before), labels)
	}
}

func (m metrics) CAServes(ca string, until time.Duration) {
	m.r.Record(telemetry.SecondsToNotAfter, until.Seconds(), telemetry.Labels{CA: ca})
}
