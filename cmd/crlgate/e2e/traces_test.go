package e2e

import (
	"compress/gzip"
	"encoding/hex"
	"io"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"slices"
	"sync"
	"testing"

	collector "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	tracev1 "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/proto"

	"github.com/crlgate/crlgate/cmd/crlgate/internal/stack"
	"github.com/crlgate/crlgate/pkg/preprocess"
)

// spans is an OTLP receiver that keeps what it is sent.
type spans struct {
	mu   sync.Mutex
	all  []*tracev1.Span
	from map[string]bool // service names
	bad  error
}

func (s *spans) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body := io.Reader(r.Body)
	if r.Header.Get("Content-Encoding") == "gzip" {
		unzipped, err := gzip.NewReader(body)
		if err != nil {
			w.WriteHeader(http.StatusBadRequest)
			return
		}
		body = unzipped
	}
	data, err := io.ReadAll(body)
	var request collector.ExportTraceServiceRequest
	if err == nil {
		err = proto.Unmarshal(data, &request)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if err != nil || r.URL.Path != "/v1/traces" {
		s.bad = err
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	for _, resource := range request.ResourceSpans {
		for _, a := range resource.Resource.Attributes {
			if a.Key == "service.name" {
				s.from[a.Value.GetStringValue()] = true
			}
		}
		for _, scope := range resource.ScopeSpans {
			s.all = append(s.all, scope.Spans...)
		}
	}
}

// named returns the spans of a name.
func (s *spans) named(name string) (found []*tracev1.Span) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, span := range s.all {
		if span.Name == name {
			found = append(found, span)
		}
	}
	return found
}

// TestTraces runs functions that were built with the tag otel: to a collector that
// the environment names they send spans of each invocation, its S3 calls and
// refreshes, within the trace that Lambda passes on; to none, where it names none.
func TestTraces(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for _, name := range []string{"preprocessor", "authorizer"} {
		if err := build(filepath.Join(dir, name, "bootstrap"), "./functions/"+name, "-trimpath", "-buildvcs=false", "-tags", "lambda.norpc,otel"); err != nil {
			t.Fatal(err)
		}
	}
	received := &spans{from: map[string]bool{}}
	server := httptest.NewServer(received)
	t.Cleanup(server.Close)
	settings := map[string]string{
		"OTEL_EXPORTER_OTLP_ENDPOINT": server.URL, "OTEL_TRACES_SAMPLER": "always_on", "OTEL_RESOURCE_ATTRIBUTES": "deployment.environment=test",
	}
	ca := newCA(t, "alpha")
	w := start(t, stack.Config{Binaries: dir, Authorizer: settings, Preprocessor: settings})
	w.trust(ca)
	w.publish(ca)
	w.await(ca.issue("good"), http.StatusOK, "good", "no_crl", "unknown_issuer", "cache_unavailable")
	w.upload("crls/page.crl", []byte("<html>"), preprocess.OutcomeRefused)
	names := []string{"decide", "refresh", "S3.GetObject", "preprocess", "open upload", "publish set", "publish catalog", "report"}
	for _, name := range names {
		eventually(t, "a span "+name, func() bool { return len(received.named(name)) > 0 })
	}
	received.mu.Lock()
	if received.bad != nil || !received.from["crlgate-authorizer"] || !received.from["crlgate-preprocessor"] {
		t.Errorf("%v; services %v", received.bad, received.from)
	}
	received.mu.Unlock()
	decide := received.named("decide")[0]
	if len(decide.TraceId) != 16 || len(decide.ParentSpanId) != 8 || decide.Kind != tracev1.Span_SPAN_KIND_SERVER {
		t.Errorf("decide has trace %s and parent %q", hex.EncodeToString(decide.TraceId), decide.ParentSpanId)
	}
	set := received.named("publish set")[0]
	if !slices.ContainsFunc(received.named("preprocess"), func(s *tracev1.Span) bool {
		return string(s.SpanId) == string(set.ParentSpanId) && string(s.TraceId) == string(set.TraceId)
	}) {
		t.Error("publish set lies in no span of an invocation")
	}
	quiet := start(t, stack.Config{Binaries: dir, Authorizer: map[string]string{"OTEL_EXPORTER_OTLP_ENDPOINT": server.URL, "OTEL_SDK_DISABLED": "true"}})
	before := len(received.named("decide"))
	if _, err := quiet.Authorizer.Invoke(t.Context(), []byte(`{"requestContext":{}}`)); err != nil {
		t.Fatal(err)
	}
	if n := len(received.named("decide")); n != before {
		t.Errorf("%d spans of functions that have tracing turned off", n-before)
	}
}
