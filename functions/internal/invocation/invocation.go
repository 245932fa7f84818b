// Package invocation is what the functions have in common: a process that says why
// it cannot start, and for each invocation a log that bears Lambda's request id,
// metrics that are written when it ends, and one line that says how it ended.
//
// Main and RequestID do for a function that answers requests too; [Begin] is for
// those that run to an end and are not waited for, as it makes a log and a recorder
// each time.
package invocation

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"time"

	"github.com/aws/aws-lambda-go/lambdacontext"

	"github.com/crlgate/crlgate/pkg/telemetry"
)

// Main is a function's main: it runs it and ends the process with exit code 1 and
// the error, behind the function's name, if it cannot go on.
func Main(function string, run func(context.Context) error) {
	if err := run(context.Background()); err != nil {
		fmt.Fprintf(os.Stderr, "%s: %v\n", function, err)
		os.Exit(1)
	}
}

// RequestID returns the request id of the invocation that ctx is of; empty where
// Lambda gave none.
func RequestID(ctx context.Context) string {
	if lc, ok := lambdacontext.FromContext(ctx); ok {
		return lc.AwsRequestID
	}
	return ""
}

// Invocation is one invocation of a function.
type Invocation struct {
	// Log bears the request id, where Lambda gave one.
	Log *slog.Logger
	// Metrics are written by End and by Flush.
	Metrics *telemetry.Recorder

	began time.Time
}

// Begin begins an invocation. function is the name that logs and metrics bear.
func Begin(ctx context.Context, function string) *Invocation {
	began := time.Now()
	log := telemetry.NewLogger(os.Stdout, function, nil)
	if id := RequestID(ctx); id != "" {
		log = log.With(telemetry.KeyRequestID, id)
	}
	return &Invocation{Log: log, Metrics: telemetry.NewRecorder(os.Stdout, function, 0), began: began}
}

// Began is when it began, by the wall clock.
func (i *Invocation) Began() time.Time { return i.began.Round(0) }

// End ends an invocation with the answer, which is encoded as JSON, or with an
// error: it records how long it took as the metric latency, logs "done" or "not
// done", and writes the metrics. What it returns is what Lambda is to have.
func (i *Invocation) End(latency telemetry.Metric, answer any, err error) ([]byte, error) {
	took := time.Since(i.began)
	i.Metrics.Milliseconds(latency, took, telemetry.Labels{})
	if err != nil {
		i.Log.Error("not done", telemetry.KeyDurationMS, took.Milliseconds(), telemetry.KeyErr, err)
	} else {
		i.Log.Info("done", telemetry.KeyDurationMS, took.Milliseconds())
	}
	body, encoding := json.Marshal(answer)
	return body, errors.Join(err, encoding, i.Flush())
}

// Flush writes the metrics of an invocation that ends in another way than by End.
func (i *Invocation) Flush() error { return i.Metrics.Flush(time.Now()) }
