package gateway_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/crlgate/crlgate/cmd/crlgate/internal/gateway"
)

// Bodies of the two kinds of API.
const (
	bodyUnauthorized = `{"message":"Unauthorized"}`
	restExplicit     = `{"Message":"User is not authorized to access this resource with an explicit deny"}`
	restImplicit     = `{"Message":"User is not authorized to access this resource"}`
	restFault        = `{"message":null}`
	httpForbidden    = `{"message":"Forbidden"}`
	httpFault        = `{"message":"Internal Server Error"}`
)

// outcome is what a scripted authorizer does.
type outcome struct {
	response      string
	functionError string
	err           error
}

// policyCase is one answer of the policy form with what REST makes of it; HTTP APIs
// answer the same status, save where http says otherwise.
type policyCase struct {
	outcome
	rest int
	http int // 0: as rest
	body string
}

const (
	restARN  = "arn:aws:execute-api:eu-west-1:111122223333:abcdef123/prod/GET/x"
	stageAny = "arn:aws:execute-api:eu-west-1:111122223333:abcdef123/*"
)

func withContext(context string) string {
	return `{"principalId":"p","policyDocument":{"Statement":[{"Effect":"Allow","Action":"*","Resource":"*"}]},"context":` + context + `}`
}

var policyCases = map[string]policyCase{
	"allow":                  {outcome{response: policy("Allow", stageAny)}, 200, 0, ""},
	"allow, no context":      {outcome{response: withContext("null")}, 200, 0, ""},
	"context of scalars":     {outcome{response: withContext(`{"s":"x","n":1.5,"b":true}`)}, 200, 0, ""},
	"deny":                   {outcome{response: policy("Deny", stageAny)}, 403, 0, restExplicit},
	"allow elsewhere":        {outcome{response: policy("Allow", "arn:aws:execute-api:eu-west-1:111122223333:other/*")}, 403, 0, restImplicit},
	"Unauthorized":           {outcome{response: `{"errorMessage":"Unauthorized","errorType":"errorString"}`, functionError: "Unhandled"}, 401, 0, bodyUnauthorized},
	"Unauthorized, text":     {outcome{functionError: "Unauthorized"}, 401, 0, bodyUnauthorized},
	"not quite Unauthorized": {outcome{response: `{"errorMessage":"Unauthorized."}`, functionError: "Unhandled"}, 500, 0, restFault},
	"unauthorized, small":    {outcome{functionError: "unauthorized"}, 500, 0, restFault},
	"function error":         {outcome{response: `{"errorMessage":"no catalog","errorType":"x"}`, functionError: "Unhandled"}, 500, 0, restFault},
	// The function failed, whatever else its response says.
	"function error, allow":    {outcome{response: policy("Allow", "*"), functionError: "Unhandled"}, 500, 0, restFault},
	"throttled":                {outcome{err: errors.New("TooManyRequestsException: Rate Exceeded")}, 500, 0, restFault},
	"allow and error":          {outcome{response: policy("Allow", "*"), err: errors.New("lost")}, 500, 0, restFault},
	"nothing":                  {outcome{}, 500, 0, restFault},
	"null":                     {outcome{response: "null"}, 500, 0, restFault},
	"a text":                   {outcome{response: `"Allow"`}, 500, 0, restFault},
	"cut off":                  {outcome{response: policy("Allow", "*")[:40]}, 500, 0, restFault},
	"trailing":                 {outcome{response: policy("Allow", "*") + "{}"}, 500, 0, restFault},
	"no policy":                {outcome{response: `{"principalId":"p"}`}, 500, 0, restFault},
	"no principal":             {outcome{response: `{"policyDocument":{"Statement":[{"Effect":"Allow","Action":"*","Resource":"*"}]}}`}, 500, 0, restFault},
	"names in other case":      {outcome{response: strings.ReplaceAll(policy("Allow", "*"), "policyDocument", "PolicyDocument")}, 500, 0, restFault},
	"simple response":          {outcome{response: `{"isAuthorized":true}`}, 500, 0, restFault},
	"context with a list":      {outcome{response: withContext(`{"l":["x"]}`)}, 500, 0, restFault},
	"context with an object":   {outcome{response: withContext(`{"o":{}}`)}, 500, 0, restFault},
	"context with null":        {outcome{response: withContext(`{"n":null}`)}, 500, 0, restFault},
	"context is a list":        {outcome{response: withContext(`[]`)}, 500, 0, restFault},
	"Resource over the limit":  {outcome{response: policy("Allow", restARN+strings.Repeat("*", 513-len(restARN)))}, 500, 403, restFault},
	"Resource of the limit":    {outcome{response: policy("Allow", restARN+strings.Repeat("*", 512-len(restARN)))}, 200, 403, ""},
	"answer over the limit":    {outcome{response: withContext(`{"pad":"` + strings.Repeat("x", gateway.MaxAuthorizerResultBytes) + `"}`)}, 500, 200, restFault},
	"condition":                {outcome{response: strings.Replace(policy("Allow", "*"), `"Effect"`, `"Condition":{},"Effect"`, 1)}, 500, 0, restFault},
	"denied among the allowed": {outcome{response: `{"principalId":"p","policyDocument":{"Statement":[{"Effect":"Allow","Action":"*","Resource":"*"},{"Effect":"Deny","Action":"*","Resource":"*"}]}}`}, 403, 0, restExplicit},
}

// serving answers one request with each outcome in turn, over one connection.
func serving(t *testing.T, cfg gateway.Config, w *world) (try func(outcome) (*http.Response, string, gateway.Record)) {
	t.Helper()
	var now outcome
	cfg.Authorizer = gateway.AuthorizerFunc(func(context.Context, []byte) ([]byte, string, error) {
		return []byte(now.response), now.functionError, now.err
	})
	f := w.start(t, cfg)
	c := f.client(t)
	return func(o outcome) (*http.Response, string, gateway.Record) {
		now = o
		response, body := get(t, c, f.url("/x"))
		return response, body, f.record(t)
	}
}

func TestPolicyAnswers(t *testing.T) {
	for _, form := range []gateway.Form{gateway.REST, gateway.HTTP1, gateway.HTTP2} {
		t.Run(form.String(), func(t *testing.T) {
			w := newWorld(t)
			try := serving(t, w.config(form, always("")), w)
			for name, c := range policyCases {
				status, body := c.rest, c.body
				if form != gateway.REST {
					if c.http != 0 {
						status = c.http
					}
					body = map[int]string{401: bodyUnauthorized, 403: httpForbidden, 500: httpFault}[status]
				}
				if form == gateway.HTTP2 && strings.HasPrefix(name, "context with ") {
					status, body = 200, "" // payload 2.0 allows them
				}
				response, got, record := try(c.outcome)
				if response.StatusCode != status || body != "" && got != body {
					t.Errorf("%s: %d %s, want %d %s (%s)", name, response.StatusCode, got, status, body, record.Detail)
				}
				if record.Status != status || (record.Detail == "") != (status == 200) {
					t.Errorf("%s: the record says %d, %q", name, record.Status, record.Detail)
				}
			}
		})
	}
}

func TestSimpleAnswers(t *testing.T) {
	w := newWorld(t)
	cfg := w.config(gateway.HTTP2, always(""))
	cfg.EnableSimpleResponses = true
	try := serving(t, cfg, w)
	for name, c := range map[string]struct {
		outcome
		status int
	}{
		"true":                {outcome{response: `{"isAuthorized":true}`}, 200},
		"false":               {outcome{response: `{"isAuthorized":false,"context":{"reason":"revoked"}}`}, 403},
		"lists and objects":   {outcome{response: `{"isAuthorized":true,"context":{"l":[1],"o":{"a":null}}}`}, 200},
		"True":                {outcome{response: `{"isAuthorized":"true"}`}, 500},
		"one":                 {outcome{response: `{"isAuthorized":1}`}, 500},
		"null":                {outcome{response: `{"isAuthorized":null}`}, 500},
		"missing":             {outcome{response: `{}`}, 500},
		"name in other case":  {outcome{response: `{"IsAuthorized":true}`}, 500},
		"a policy":            {outcome{response: policy("Allow", "*")}, 500},
		"context is a text":   {outcome{response: `{"isAuthorized":true,"context":"x"}`}, 500},
		"function error":      {outcome{functionError: "Unhandled", response: `{"isAuthorized":true}`}, 500},
		"Unauthorized":        {outcome{functionError: "Unhandled", response: `{"errorMessage":"Unauthorized"}`}, 401},
		"nothing came back":   {outcome{err: errors.New("connection refused")}, 500},
		"cut off":             {outcome{response: `{"isAuthorized":true`}, 500},
		"two answers, no one": {outcome{response: `{"isAuthorized":true}{"isAuthorized":true}`}, 500},
	} {
		response, body, record := try(c.outcome)
		if response.StatusCode != c.status || record.Status != c.status {
			t.Errorf("%s: %d %s, want %d (%s)", name, response.StatusCode, body, c.status, record.Detail)
		}
	}
}

// A record says what the authorizer said, also of a denied request.
func TestRecord(t *testing.T) {
	w := newWorld(t)
	denied := `{"isAuthorized":false,"context":{"decision":"deny","reason":"revoked","crl_number":7}}`
	cfg := w.config(gateway.HTTP2, always(denied))
	cfg.EnableSimpleResponses = true
	f := w.start(t, cfg)
	response, _ := get(t, f.client(t), f.url("/a%20b?q=1"))
	r := f.record(t)
	equal(t, "Status", r.Status, http.StatusForbidden)
	equal(t, "Decision", r.Decision, "deny")
	equal(t, "Reason", r.Reason, "revoked")
	equal(t, "Context[crl_number]", fmt.Sprint(r.Context["crl_number"]), "7")
	equal(t, "Method", r.Method, "GET")
	equal(t, "Path", r.Path, "/a%20b")
	equal(t, "Form", r.Form, gateway.HTTP2)
	equal(t, "CertificateSerial", r.CertificateSerial, "a1b2")
	equal(t, "RequestID", r.RequestID, response.Header.Get("Apigw-Requestid"))
	equal(t, "Protocol", r.Protocol, "HTTP/1.1")
	equal(t, "TLSVersionName", r.TLSVersionName(), "TLS 1.3")
	equal(t, "Latency covers AuthorizerLatency", r.Latency >= r.AuthorizerLatency, true)
	equal(t, "Time is set", r.Time.IsZero(), false)
}

// An authorizer that hangs is given up after its time, and one that panics is a fault.
func TestAuthorizerHangsOrPanics(t *testing.T) {
	for _, form := range []gateway.Form{gateway.REST, gateway.HTTP1, gateway.HTTP2} {
		t.Run(form.String(), func(t *testing.T) {
			w := newWorld(t)
			release := make(chan struct{})
			cfg := w.config(form, gateway.AuthorizerFunc(func(_ context.Context, event []byte) ([]byte, string, error) {
				if strings.Contains(string(event), "/panic") {
					panic("out of order")
				}
				<-release // deaf to its context
				return []byte(policy("Allow", "*")), "", nil
			}))
			cfg.AuthorizerTimeout = 20 * time.Millisecond
			f := w.start(t, cfg)
			t.Cleanup(sync.OnceFunc(func() { close(release) }))
			for path, says := range map[string]string{"/hang": "did not answer within 20ms", "/panic": "panic: out of order"} {
				response, _ := get(t, f.client(t), f.url(path))
				equal(t, "status of "+path, response.StatusCode, http.StatusInternalServerError)
				if r := f.record(t); !strings.Contains(r.Detail, says) {
					t.Errorf("detail of %s is %q, want one that says %q", path, r.Detail, says)
				}
			}
		})
	}
}

// A client that goes away does not end the function's run, as it does not at API
// Gateway: its answer, and what the function does besides, still count.
func TestClientGoesAway(t *testing.T) {
	w := newWorld(t)
	entered, left := make(chan struct{}), make(chan struct{})
	ended := make(chan error, 1)
	f := w.start(t, w.config(gateway.REST, gateway.AuthorizerFunc(func(ctx context.Context, _ []byte) ([]byte, string, error) {
		close(entered)
		<-left
		select {
		case <-ctx.Done():
			ended <- ctx.Err()
		case <-time.After(200 * time.Millisecond): // time enough to notice that it is gone
			ended <- nil
		}
		return []byte(policy("Deny", "*")), "", nil
	})))
	ctx, leave := context.WithCancel(context.Background())
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, f.url("/"), nil)
	if err != nil {
		t.Fatal(err)
	}
	go func() {
		<-entered
		leave()
	}()
	if response, err := f.client(t).Do(request); err == nil {
		_ = response.Body.Close()
		t.Fatal("the request was not given up")
	}
	close(left)
	if err := <-ended; err != nil {
		t.Errorf("the authorizer's context ended: %v", err)
	}
	equal(t, "the record's status", f.record(t).Status, http.StatusForbidden)
}

// The method ARN's length has no bearing on the event, but a policy that repeats it is
// refused past 512 characters, and a REST API has no longer ARNs than 1600 bytes.
func TestLongPaths(t *testing.T) {
	w := newWorld(t)
	exact := &authorizer{answer: func(_ context.Context, event []byte) ([]byte, string, error) {
		_, after, _ := strings.Cut(string(event), `Arn":"`)
		arn, _, _ := strings.Cut(after, `"`)
		return []byte(policy("Allow", arn)), "", nil
	}}
	for _, c := range []struct {
		form          gateway.Form
		a             *authorizer
		length, wants int
	}{
		{gateway.REST, exact, 300, 200},
		{gateway.REST, exact, 600, 500},
		{gateway.REST, always(policy("Allow", stageAny)), 600, 200},
		{gateway.REST, always(policy("Allow", stageAny)), 1600, 414},
		{gateway.HTTP1, exact, 600, 200},
		{gateway.HTTP2, exact, 2000, 200},
	} {
		f := w.start(t, w.config(c.form, c.a))
		response, body := get(t, f.client(t), f.url("/"+strings.Repeat("p", c.length)))
		if response.StatusCode != c.wants {
			t.Errorf("%s with a path of %d: %d %s, want %d", c.form, c.length, response.StatusCode, body, c.wants)
		}
	}
}

func TestParallelRequests(t *testing.T) {
	w := newWorld(t)
	a := &authorizer{answer: func(_ context.Context, event []byte) ([]byte, string, error) {
		if strings.Contains(string(event), "/odd/") {
			return []byte(policy("Deny", "*")), "", nil
		}
		return []byte(policy("Allow", "*")), "", nil
	}}
	f := w.start(t, w.config(gateway.REST, a))
	const n = 100
	clients := []*http.Client{f.client(t), client(t, w.tlsConfig(w.client), false)}
	var group sync.WaitGroup
	for i := range n {
		group.Go(func() {
			path, want := fmt.Sprintf("/even/%d", i), http.StatusOK
			if i%2 == 1 {
				path, want = fmt.Sprintf("/odd/%d", i), http.StatusForbidden
			}
			response, err := clients[i/2%2].Get(f.url(path))
			if err != nil {
				t.Error(err)
				return
			}
			defer func() { _ = response.Body.Close() }()
			equal(t, "status of "+path, response.StatusCode, want)
		})
	}
	group.Wait()
	equal(t, "invocations", a.calls(), n)
	ids := make(map[string]bool)
	for range n {
		ids[f.record(t).RequestID] = true
	}
	equal(t, "different request ids", len(ids), n)
}
