package gateway_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/crlgate/crlgate/cmd/crlgate/internal/gateway"
)

// TestRequestParameters: the upstream sees what the mappings say, whatever the
// client sent under the same names.
func TestRequestParameters(t *testing.T) {
	policy := `{"principalId":"p","policyDocument":{"Version":"2012-10-17","Statement":[{"Action":"execute-api:Invoke","Effect":"Allow","Resource":"*"}]},` +
		`"context":{"serial":"0a1b","number":7,"flag":true,"text":"a\r\nX-Injected: 1"}}`
	simple := `{"isAuthorized":true,"context":{"serial":"0a1b","number":7,"flag":true,"text":"a\r\nX-Injected: 1"}}`
	for name, test := range map[string]struct {
		form       gateway.Form
		parameters map[string]string
		want       map[string]string // "": the header is not there
	}{
		"HTTP": {gateway.HTTP2, map[string]string{
			"overwrite:header.x-serial": "$context.authorizer.serial", "overwrite:header.X-Number": "${context.authorizer.number}",
			"overwrite:header.x-both": "s=${context.authorizer.serial};f=${context.authorizer.flag}", "overwrite:header.x-static": "static",
			"overwrite:header.x-text": "$context.authorizer.text", "append:header.x-more": "ours", "remove:header.x-gone": "",
			"overwrite:header.x-copy": "$request.header.X-Other", "overwrite:header.x-domain": "$context.domainName",
		}, map[string]string{
			"X-Serial": "0a1b", "X-Number": "7", "X-Both": "s=0a1b;f=true", "X-Static": "static", "X-Text": "a%0D%0AX-Injected: 1",
			"X-More": "forged|ours", "X-Gone": "", "X-Copy": "other", "X-Domain": "api.example.com", "X-Injected": "", "X-Untouched": "forged",
		}},
		"REST": {gateway.REST, map[string]string{
			"integration.request.header.x-serial": "context.authorizer.serial", "integration.request.header.X-Number": "context.authorizer.number",
			"integration.request.header.x-gone": "'-'", "integration.request.header.x-copy": "method.request.header.X-Other",
			"integration.request.path.proxy": "method.request.path.proxy",
		}, map[string]string{"X-Serial": "0a1b", "X-Number": "7", "X-Gone": "-", "X-Copy": "other", "X-Untouched": "forged"}},
		"value missing, the worst": {gateway.HTTP2, map[string]string{"overwrite:header.x-serial": "$context.authorizer.nothing"}, map[string]string{"X-Serial": "forged|forged again"}},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			upstream := &seen{}
			answer := policy
			if test.form == gateway.HTTP2 {
				answer = simple
			}
			cfg := w.config(test.form, always(answer))
			cfg.EnableSimpleResponses = test.form == gateway.HTTP2
			cfg.Upstream, cfg.RequestParameters = upstream, test.parameters
			f := w.start(t, cfg)
			request, err := http.NewRequest(http.MethodGet, f.url("/pets"), nil)
			if err != nil {
				t.Fatal(err)
			}
			for _, header := range []string{"x-serial", "X-NUMBER", "x-both", "x-static", "x-text", "x-more", "x-gone", "x-copy", "x-domain", "x-untouched"} {
				request.Header.Set(header, "forged")
			}
			request.Header.Add("X-Serial", "forged again")
			request.Header.Set("X-Other", "other")
			if !strings.Contains(name, "worst") {
				request.Header.Set("Connection", "close, X-Serial, X-Number") // as if they were of this hop only
			}
			response, err := f.client(t).Do(request)
			if err != nil {
				t.Fatal(err)
			}
			_ = response.Body.Close()
			for header, want := range test.want {
				got := strings.Join(upstream.header.Values(header), "|")
				if got != want {
					t.Errorf("%s is %q, want %q", header, got, want)
				}
			}
		})
	}
}

func TestRequestParametersRefused(t *testing.T) {
	for name, test := range map[string]struct {
		form       gateway.Form
		key, value string
	}{
		"reserved":             {gateway.HTTP2, "overwrite:header.X-Forwarded-For", "x"},
		"reserved by prefix":   {gateway.HTTP1, "remove:header.x-amzn-mtls-clientcert", ""},
		"query":                {gateway.HTTP2, "overwrite:querystring.a", "x"},
		"path":                 {gateway.HTTP2, "overwrite:path", "/x"},
		"another action":       {gateway.HTTP2, "set:header.a", "x"},
		"no header name":       {gateway.HTTP2, "overwrite:header.a b", "x"},
		"unknown expression":   {gateway.HTTP2, "overwrite:header.a", "$request.body.a"},
		"unknown, in a text":   {gateway.HTTP2, "overwrite:header.a", "x${context.nothing}"},
		"HTTP syntax for REST": {gateway.REST, "overwrite:header.a", "x"},
		"REST, unquoted":       {gateway.REST, "integration.request.header.a", "x"},
		"REST, path changed":   {gateway.REST, "integration.request.path.a", "method.request.path.b"},
	} {
		w := newWorld(t)
		cfg := w.config(test.form, always("{}"))
		cfg.RequestParameters = map[string]string{test.key: test.value}
		if _, err := gateway.New(cfg); err == nil || !strings.Contains(err.Error(), test.key) {
			t.Errorf("%s: %v", name, err)
		}
	}
	w := newWorld(t)
	cfg := w.config(gateway.HTTP2, always("{}"))
	cfg.RequestParameters = map[string]string{"overwrite:header.a": "x", "remove:header.A": ""}
	if _, err := gateway.New(cfg); err == nil || !strings.Contains(err.Error(), "same header") {
		t.Errorf("two mappings of one header: %v", err)
	}
}
