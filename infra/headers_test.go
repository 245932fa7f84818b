package main

import (
	"maps"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// mappings are the mappings of headers of an integration: name to value, "" where it is removed.
func mappings(t *testing.T, parameters any) map[string]string {
	t.Helper()
	out := map[string]string{}
	all, _ := parameters.(map[string]any)
	for key, value := range all {
		for _, prefix := range []string{"overwrite:header.", "remove:header.", "integration.request.header."} {
			if name, ok := strings.CutPrefix(key, prefix); ok {
				out[name] = strings.TrimPrefix(value.(string), "$")
			}
		}
	}
	return out
}

// TestHeadersForTheBackend: both APIs set the same headers from the authorizer's context, the values are ones that
// the authorizer never leaves out, and what other proxies say of certificates does not get through.
func TestHeadersForTheBackend(t *testing.T) {
	sample, behind := resources(t), resourcesOf(t, with(complete, backend))
	var all []map[string]string
	for _, integration := range slices.Concat(sample["AWS::ApiGatewayV2::Integration"], behind["AWS::ApiGatewayV2::Integration"]) {
		all = append(all, mappings(t, integration["RequestParameters"]))
	}
	for _, method := range behind["AWS::ApiGateway::Method"] {
		integration := method["Integration"].(map[string]any)
		if integration["Type"] != "HTTP_PROXY" {
			t.Errorf("a method leads to %v", integration["Type"])
		}
		all = append(all, mappings(t, integration["RequestParameters"]))
	}
	if len(all) != 5 { // the sample function's; two paths of each API
		t.Fatalf("%d integrations", len(all))
	}
	documented := documentedHeaders(t)
	optional := []string{"would_deny", "revocation_date"}
	for _, found := range all {
		set := map[string]string{}
		for name, value := range found {
			if key, ok := strings.CutPrefix(value, "context.authorizer."); ok {
				set[name] = key
				if !slices.Contains(contextKeys(t), key) || slices.Contains(optional, key) {
					t.Errorf("%s is set from %s, which may be missing: the client's own would stay", name, key)
				}
			} else if value != "" && value != "'-'" {
				t.Errorf("%s is set to %s", name, value)
			}
		}
		if !maps.Equal(set, documented) {
			t.Errorf("headers %v, and docs/backend.md has %v", set, documented)
		}
		for _, name := range []string{"client-cert", "client-cert-chain", "x-forwarded-client-cert", "ssl-client-cert"} {
			if _, ok := found[name]; !ok {
				t.Errorf("a client's %s reaches the backend", name)
			}
		}
	}
	for _, method := range sample["AWS::ApiGateway::Method"] {
		if p := method["Integration"].(map[string]any)["RequestParameters"]; p != nil {
			t.Errorf("a Lambda proxy integration of a REST API takes no mappings: %v", p)
		}
	}
}

// documentedHeaders are the headers of the table in docs/backend.md, with the key of each.
func documentedHeaders(t *testing.T) map[string]string {
	t.Helper()
	page, err := os.ReadFile("../docs/backend.md")
	if err != nil {
		t.Fatal(err)
	}
	out := map[string]string{}
	for _, found := range regexp.MustCompile("(?m)^\\| `([a-z_]+)` \\| `(x-client-cert-[a-z-]+)` \\|").FindAllStringSubmatch(string(page), -1) {
		out[found[2]] = found[1]
	}
	return out
}
