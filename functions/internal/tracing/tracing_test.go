//go:build otel

package tracing

import (
	"encoding/hex"
	"testing"
)

func TestParseXRay(t *testing.T) {
	const root, parent = "Root=1-5759e988-bd862e3fe1be46a994272793", "Parent=53995c3f42cd8ad8"
	for header, want := range map[string]struct{ valid, sampled bool }{
		root + ";" + parent + ";Sampled=1":                 {true, true},
		root + ";" + parent + ";Sampled=0":                 {true, false},
		root + "; " + parent + ";Sampled=1;Lineage=a:0":    {true, true},
		root + ";" + parent:                                {true, false},
		root + ";Sampled=1":                                {},
		parent + ";Sampled=1":                              {},
		"Root=1-5759e988-bd862e3fe1be46a9942727;" + parent: {},
		"Root=1-zz;Parent=zz;Sampled=1":                    {},
		"":                                                 {},
	} {
		c, ok := parseXRay(header)
		if ok != want.valid || ok && c.IsSampled() != want.sampled {
			t.Errorf("%q: %v, sampled %v", header, ok, c.IsSampled())
		}
		if id := c.TraceID(); ok && hex.EncodeToString(id[:]) != "5759e988bd862e3fe1be46a994272793" {
			t.Errorf("%q: trace %v", header, id)
		}
	}
}

func TestEnabled(t *testing.T) {
	for name, test := range map[string]struct {
		env  map[string]string
		want bool
	}{
		"nothing":  {nil, false},
		"endpoint": {map[string]string{"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:4318"}, true},
		"traces":   {map[string]string{"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "http://127.0.0.1:4318"}, true},
		"disabled": {map[string]string{"OTEL_EXPORTER_OTLP_ENDPOINT": "x", "OTEL_SDK_DISABLED": "TRUE"}, false},
		"none":     {map[string]string{"OTEL_EXPORTER_OTLP_ENDPOINT": "x", "OTEL_TRACES_EXPORTER": "none"}, false},
	} {
		if got := enabled(func(k string) string { return test.env[k] }); got != test.want {
			t.Errorf("%s: %v", name, got)
		}
	}
}
