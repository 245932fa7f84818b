//go:build otel

package tracing

import (
	"context"
	"encoding/hex"
	"fmt"
	"os"
	"strings"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracehttp"
	"go.opentelemetry.io/otel/sdk/resource"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"
)

// flushTimeout bounds how long an invocation waits for its spans to be sent: a
// frozen environment sends nothing, and what is left is sent with the next.
const flushTimeout = time.Second

// Tracer makes spans and sends them at the end of each invocation.
type Tracer struct {
	provider *sdktrace.TracerProvider
	tracer   trace.Tracer
}

// New returns a tracer for a function of that name; nil where the environment
// names no collector.
func New(ctx context.Context, function string) (*Tracer, error) {
	if !enabled(os.Getenv) {
		return nil, nil
	}
	exporter, err := otlptracehttp.New(ctx)
	if err != nil {
		return nil, fmt.Errorf("traces: %w", err)
	}
	// Later ones go before: what the environment says stands.
	described, err := resource.New(ctx, resource.WithAttributes(
		attribute.String("service.name", function), attribute.String("faas.name", function), attribute.String("cloud.provider", "aws"),
	), resource.WithFromEnv())
	if err != nil {
		return nil, fmt.Errorf("traces: %w", err)
	}
	provider := sdktrace.NewTracerProvider(sdktrace.WithBatcher(exporter), sdktrace.WithResource(described))
	return &Tracer{provider, provider.Tracer("github.com/crlgate/crlgate")}, nil
}

func enabled(get func(string) string) bool {
	named := get("OTEL_EXPORTER_OTLP_ENDPOINT") != "" || get("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT") != ""
	return named && !strings.EqualFold(get("OTEL_SDK_DISABLED"), "true") && get("OTEL_TRACES_EXPORTER") != "none"
}

// Handler has a span for each invocation of h, within Lambda's own where X-Ray
// traces the function.
func (t *Tracer) Handler(name string, h Handler) Handler {
	if t == nil {
		return h
	}
	return traced{t, name, h}
}

type traced struct {
	t    *Tracer
	name string
	h    Handler
}

// Invoke invokes the handler.
func (h traced) Invoke(ctx context.Context, payload []byte) ([]byte, error) {
	// aws-lambda-go puts the invocation's _X_AMZN_TRACE_ID under this key.
	header, _ := ctx.Value("x-amzn-trace-id").(string)
	if parent, ok := parseXRay(header); ok {
		ctx = trace.ContextWithRemoteSpanContext(ctx, parent)
	}
	inner, span := h.t.tracer.Start(ctx, h.name, trace.WithSpanKind(trace.SpanKindServer))
	out, err := h.h.Invoke(inner, payload)
	end(span, err)
	flush, cancel := context.WithTimeout(context.WithoutCancel(ctx), flushTimeout)
	defer cancel()
	_ = h.t.provider.ForceFlush(flush) // traces are never a reason to fail
	return out, err
}

// parseXRay reads an X-Ray tracing header (AWS X-Ray Developer Guide, "Tracing
// header"): Root=1-5759e988-bd862e3fe1be46a994272793;Parent=53995c3f42cd8ad8;Sampled=1.
func parseXRay(header string) (trace.SpanContext, bool) {
	var c trace.SpanContextConfig
	for field := range strings.SplitSeq(header, ";") {
		key, value, _ := strings.Cut(strings.TrimSpace(field), "=")
		switch key {
		case "Root":
			id, err := hex.DecodeString(strings.ReplaceAll(strings.TrimPrefix(value, "1-"), "-", ""))
			if err == nil && len(id) == len(c.TraceID) {
				c.TraceID = trace.TraceID(id)
			}
		case "Parent":
			if id, err := hex.DecodeString(value); err == nil && len(id) == len(c.SpanID) {
				c.SpanID = trace.SpanID(id)
			}
		case "Sampled":
			c.TraceFlags = c.TraceFlags.WithSampled(value == "1")
		}
	}
	c.Remote = true
	parent := trace.NewSpanContext(c)
	return parent, parent.IsValid()
}

func (t *Tracer) start(ctx context.Context, name string, attributes []string) (context.Context, func(error)) {
	ctx, span := t.tracer.Start(ctx, name, trace.WithAttributes(pairs(attributes)...))
	return ctx, func(err error) { end(span, err) }
}

func (t *Tracer) past(name string, took time.Duration, err error) {
	now := time.Now()
	_, span := t.tracer.Start(context.Background(), name, trace.WithTimestamp(now.Add(-took)))
	end(span, err)
}

func pairs(texts []string) (out []attribute.KeyValue) {
	for i := 0; i+1 < len(texts); i += 2 {
		out = append(out, attribute.String(texts[i], texts[i+1]))
	}
	return out
}

func end(span trace.Span, err error) {
	if err != nil {
		span.SetStatus(codes.Error, err.Error())
	}
	span.End()
}
