// Package tracing sends traces of a function's invocations to an OpenTelemetry
// collector, where the function was built with the tag otel and the standard
// environment variables name one:
//
//	OTEL_EXPORTER_OTLP_ENDPOINT (or …_TRACES_ENDPOINT)   turns it on
//	OTEL_SDK_DISABLED=true, OTEL_TRACES_EXPORTER=none     turn it off all the same
//	OTEL_EXPORTER_OTLP_HEADERS, OTEL_SERVICE_NAME, OTEL_RESOURCE_ATTRIBUTES,
//	OTEL_TRACES_SAMPLER, …                                as OpenTelemetry has them
//
// Without the tag, which is the default, nothing of OpenTelemetry is linked, and
// [New] always returns nil: no tracing. A nil Tracer traces nothing.
package tracing

import (
	"context"
	"time"
)

// Handler is what Lambda's loop invokes.
type Handler interface {
	Invoke(ctx context.Context, payload []byte) ([]byte, error)
}

// Past is a span that has ended by now: what somebody else has timed.
func (t *Tracer) Past(name string, took time.Duration, err error) {
	if t != nil {
		t.past(name, took, err)
	}
}

// Start begins a span within that of ctx. attributes are keys and values in
// turn. The function that it returns ends the span.
func (t *Tracer) Start(ctx context.Context, name string, attributes ...string) (context.Context, func(error)) {
	if t == nil {
		return ctx, func(error) {}
	}
	return t.start(ctx, name, attributes)
}
