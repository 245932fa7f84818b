package gateway_test

import (
	"crypto/x509"
	"encoding/pem"
	"maps"
	"net/http"
	"slices"
	"testing"
	"time"

	"github.com/aws/aws-lambda-go/events"

	"github.com/crlgate/crlgate/cmd/crlgate/internal/gateway"
)

// at is a moment inside the certificates' validity, with a day of one digit to show
// how the forms pad it.
var at = time.Date(2026, time.November, 5, 9, 8, 7, 654e6, time.UTC)

// send makes the one request that the tests of events look at.
func send(t *testing.T, f *fixture) (*http.Response, string) {
	t.Helper()
	request, err := http.NewRequest(http.MethodPost, f.url("/pets/1?a=1&a=2&b=x%20y"), nil)
	if err != nil {
		t.Fatal(err)
	}
	request.Host = "api.example.com"
	request.Header = http.Header{
		"X-Two":           {"one", "two"},
		"User-Agent":      {"test/1"},
		"Cookie":          {"c1=1; c2=2"},
		"X-Forwarded-For": {"192.0.2.7"},
		"Authorization":   {"token"},
	}
	return do(t, f.client(t), request)
}

func (w *world) eventConfig(form gateway.Form, a gateway.Authorizer) gateway.Config {
	cfg := w.config(form, a)
	cfg.Now = func() time.Time { return at }
	cfg.StageVariables = map[string]string{"tier": "gold"}
	return cfg
}

// checkCertificate compares an event's clientCert with the certificate that was sent.
func checkCertificate(t *testing.T, w *world, pemText, subject, issuer, serial, notBefore, notAfter string) {
	t.Helper()
	block, rest := pem.Decode([]byte(pemText))
	if block == nil || len(rest) != 0 {
		t.Fatalf("clientCertPem %q is not one PEM block", pemText)
	}
	parsed, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	equal(t, "the event's certificate is the one sent", parsed.Equal(w.client.Certificate), true)
	equal(t, "clientCertPem", pemText, string(w.client.PEM()))
	equal(t, "subjectDN", subject, `C=US,O=Example\, Inc.,CN=client one`)
	equal(t, "issuerDN", issuer, "C=US,CN=Partner A")
	equal(t, "serialNumber", serial, "a1:b2")
	for text, want := range map[string]time.Time{notBefore: parsed.NotBefore, notAfter: parsed.NotAfter} {
		got, err := time.Parse("Jan _2 15:04:05 2006 MST", text)
		if err != nil || !got.Equal(want) {
			t.Errorf("validity %q is not %s (%v)", text, want, err)
		}
	}
}

// raw decodes the last event into a map.
func raw(t *testing.T, a *authorizer) map[string]any {
	t.Helper()
	var event map[string]any
	a.lastEvent(t, &event)
	return event
}

func TestRESTEvent(t *testing.T) {
	w := newWorld(t)
	a := always(policy("Allow", "*"))
	f := w.start(t, w.eventConfig(gateway.REST, a))
	response, _ := send(t, f)
	equal(t, "status", response.StatusCode, http.StatusOK)

	var e events.APIGatewayCustomAuthorizerRequestTypeRequest
	a.lastEvent(t, &e)
	equal(t, "type", e.Type, "REQUEST")
	equal(t, "methodArn", e.MethodArn, "arn:aws:execute-api:eu-west-1:111122223333:abcdef123/prod/POST/pets/1")
	equal(t, "resource", e.Resource, "/{proxy+}")
	equal(t, "path", e.Path, "/pets/1")
	equal(t, "httpMethod", e.HTTPMethod, "POST")
	equal(t, "headers[X-Two]", e.Headers["X-Two"], "two")
	equal(t, "multiValueHeaders[X-Two]", slices.Equal(e.MultiValueHeaders["X-Two"], []string{"one", "two"}), true)
	equal(t, "headers[Host]", e.Headers["Host"], "api.example.com")
	equal(t, "headers[X-Forwarded-For]", e.Headers["X-Forwarded-For"], "192.0.2.7, 127.0.0.1")
	equal(t, "headers[X-Forwarded-Proto]", e.Headers["X-Forwarded-Proto"], "https")
	equal(t, "queryStringParameters", maps.Equal(e.QueryStringParameters, map[string]string{"a": "2", "b": "x y"}), true)
	equal(t, "multiValueQueryStringParameters[a]", slices.Equal(e.MultiValueQueryStringParameters["a"], []string{"1", "2"}), true)
	equal(t, "pathParameters", maps.Equal(e.PathParameters, map[string]string{"proxy": "pets/1"}), true)
	equal(t, "stageVariables", maps.Equal(e.StageVariables, map[string]string{"tier": "gold"}), true)
	c := e.RequestContext
	equal(t, "requestContext.path", c.Path, "/pets/1")
	equal(t, "accountId", c.AccountID, "111122223333")
	equal(t, "stage", c.Stage, "prod")
	equal(t, "requestId", c.RequestID, response.Header.Get("x-amzn-RequestId"))
	equal(t, "requestId has an UUID's length", len(c.RequestID), 36)
	equal(t, "resourcePath", c.ResourcePath, "/{proxy+}")
	equal(t, "apiId", c.APIID, "abcdef123")
	equal(t, "sourceIp", c.Identity.SourceIP, "127.0.0.1")
	cert := c.Identity.ClientCert
	checkCertificate(t, w, cert.ClientCertPem, cert.SubjectDN, cert.IssuerDN, cert.SerialNumber, cert.Validity.NotBefore, cert.Validity.NotAfter)

	event := raw(t, a)
	if _, there := event["version"]; there {
		t.Error("a REST event has no version")
	}
	checkContextV1(t, event, response.Header.Get("x-amz-apigw-id"))
}

// checkContextV1 looks at what aws-lambda-go's structs leave out.
func checkContextV1(t *testing.T, event map[string]any, extendedID string) {
	t.Helper()
	requestContext := event["requestContext"].(map[string]any)
	for name, want := range map[string]any{
		"extendedRequestId": extendedID,
		"requestTime":       "05/Nov/2026:09:08:07 +0000",
		"requestTimeEpoch":  float64(at.UnixMilli()),
		"protocol":          "HTTP/1.1",
		"domainName":        "api.example.com",
		"domainPrefix":      "api",
	} {
		equal(t, name, requestContext[name], want)
	}
	equal(t, "userAgent", requestContext["identity"].(map[string]any)["userAgent"], any("test/1"))
}

func TestRESTRootEvent(t *testing.T) {
	w := newWorld(t)
	a := always(policy("Allow", "arn:aws:execute-api:eu-west-1:111122223333:abcdef123/prod/GET/"))
	f := w.start(t, w.config(gateway.REST, a))
	response, _ := get(t, f.client(t), f.url("/"))
	equal(t, "status", response.StatusCode, http.StatusOK)
	var e events.APIGatewayCustomAuthorizerRequestTypeRequest
	a.lastEvent(t, &e)
	equal(t, "resource", e.Resource, "/")
	equal(t, "path", e.Path, "/")
	equal(t, "number of path parameters", len(e.PathParameters), 0)
}

func TestHTTP1Event(t *testing.T) {
	w := newWorld(t)
	a := always(policy("Allow", "*"))
	cfg := w.eventConfig(gateway.HTTP1, a)
	cfg.IdentitySources = []string{"$request.header.Authorization", "$request.querystring.b"}
	f := w.start(t, cfg)
	response, _ := send(t, f)
	equal(t, "status", response.StatusCode, http.StatusOK)

	var e events.APIGatewayV2CustomAuthorizerV1Request
	a.lastEvent(t, &e)
	equal(t, "version", e.Version, "1.0")
	equal(t, "type", e.Type, "REQUEST")
	equal(t, "methodArn", e.MethodArn, "arn:aws:execute-api:eu-west-1:111122223333:abcdef123/$default/POST/pets/1")
	equal(t, "identitySource", e.IdentitySource, "token,x y")
	equal(t, "authorizationToken", e.AuthorizationToken, "token,x y")
	equal(t, "resource", e.Resource, "$default")
	equal(t, "path", e.Path, "/pets/1")
	equal(t, "httpMethod", e.HTTPMethod, "POST")
	equal(t, "headers[X-Two]", e.Headers["X-Two"], "two")
	equal(t, "queryStringParameters", maps.Equal(e.QueryStringParameters, map[string]string{"a": "2", "b": "x y"}), true)
	equal(t, "pathParameters is null", e.PathParameters == nil, true)
	c := e.RequestContext
	equal(t, "stage", c.Stage, "$default")
	equal(t, "resourceId", c.ResourceID, "$default")
	equal(t, "requestId", c.RequestID, response.Header.Get("apigw-requestid"))
	equal(t, "sourceIp", c.Identity.SourceIP, "127.0.0.1")
	cert := c.Identity.ClientCert
	checkCertificate(t, w, cert.ClientCertPem, cert.SubjectDN, cert.IssuerDN, cert.SerialNumber, cert.Validity.NotBefore, cert.Validity.NotAfter)
	checkContextV1(t, raw(t, a), c.RequestID)
}

func TestHTTP2Event(t *testing.T) {
	w := newWorld(t)
	a := always(`{"isAuthorized":true}`)
	cfg := w.eventConfig(gateway.HTTP2, a)
	cfg.EnableSimpleResponses = true
	cfg.IdentitySources = []string{"$request.header.Authorization"}
	f := w.start(t, cfg)
	response, _ := send(t, f)
	equal(t, "status", response.StatusCode, http.StatusOK)

	var e events.APIGatewayV2CustomAuthorizerV2Request
	a.lastEvent(t, &e)
	equal(t, "version", e.Version, "2.0")
	equal(t, "type", e.Type, "REQUEST")
	equal(t, "routeArn", e.RouteArn, "arn:aws:execute-api:eu-west-1:111122223333:abcdef123/$default/POST/pets/1")
	equal(t, "identitySource", slices.Equal(e.IdentitySource, []string{"token"}), true)
	equal(t, "routeKey", e.RouteKey, "$default")
	equal(t, "rawPath", e.RawPath, "/pets/1")
	equal(t, "rawQueryString", e.RawQueryString, "a=1&a=2&b=x%20y")
	equal(t, "cookies", slices.Equal(e.Cookies, []string{"c1=1", "c2=2"}), true)
	equal(t, "headers[x-two]", e.Headers["x-two"], "one,two")
	equal(t, "headers[host]", e.Headers["host"], "api.example.com")
	equal(t, "queryStringParameters", maps.Equal(e.QueryStringParameters, map[string]string{"a": "1,2", "b": "x y"}), true)
	c := e.RequestContext
	equal(t, "accountId", c.AccountID, "111122223333")
	equal(t, "apiId", c.APIID, "abcdef123")
	equal(t, "domainName", c.DomainName, "api.example.com")
	equal(t, "domainPrefix", c.DomainPrefix, "api")
	equal(t, "http", c.HTTP, events.APIGatewayV2HTTPRequestContextHTTPDescription{
		Method: "POST", Path: "/pets/1", Protocol: "HTTP/1.1", SourceIP: "127.0.0.1", UserAgent: "test/1",
	})
	equal(t, "requestId", c.RequestID, response.Header.Get("apigw-requestid"))
	equal(t, "requestContext.routeKey", c.RouteKey, "$default")
	equal(t, "stage", c.Stage, "$default")
	equal(t, "time", c.Time, "05/Nov/2026:09:08:07 +0000")
	equal(t, "timeEpoch", c.TimeEpoch, at.UnixMilli())
	cert := c.Authentication.ClientCert
	checkCertificate(t, w, cert.ClientCertPem, cert.SubjectDN, cert.IssuerDN, cert.SerialNumber, cert.Validity.NotBefore, cert.Validity.NotAfter)
}

// A named stage of an HTTP API shows in paths, though not twice in ARNs.
func TestNamedStageOfHTTPAPI(t *testing.T) {
	w := newWorld(t)
	a := always(policy("Allow", "*"))
	cfg := w.config(gateway.HTTP2, a)
	cfg.Stage = "live"
	f := w.start(t, cfg)
	get(t, f.client(t), f.url("/pets"))
	var e events.APIGatewayV2CustomAuthorizerV2Request
	a.lastEvent(t, &e)
	equal(t, "rawPath", e.RawPath, "/live/pets")
	equal(t, "routeArn", e.RouteArn, "arn:aws:execute-api:eu-west-1:111122223333:abcdef123/live/GET/pets")
}

// Without mutual TLS no certificate is asked for, and events have no clientCert, even
// if the client would have sent one.
func TestNoClientCertWithoutMutualTLS(t *testing.T) {
	for _, form := range []gateway.Form{gateway.REST, gateway.HTTP1, gateway.HTTP2} {
		t.Run(form.String(), func(t *testing.T) {
			w := newWorld(t)
			a := always(policy("Allow", "*"))
			cfg := w.config(form, a)
			cfg.RequireClientCertificate, cfg.Truststore, cfg.DomainName = false, nil, ""
			f := w.start(t, cfg)
			response, _ := get(t, f.client(t), f.url("/x"))
			equal(t, "status", response.StatusCode, http.StatusOK)
			event := raw(t, a)["requestContext"].(map[string]any)
			if identity, ok := event["identity"].(map[string]any); ok {
				_, there := identity["clientCert"]
				equal(t, "clientCert is there", there, false)
			}
			_, there := event["authentication"]
			equal(t, "authentication is there", there, false)
			equal(t, "domainName", event["domainName"], any("abcdef123.execute-api.eu-west-1.amazonaws.com"))
			equal(t, "record's serial", f.record(t).CertificateSerial, "")
		})
	}
}

// A header's name or value cannot add a second certificate to the event.
func TestEventIsWellFormedForHostileHeaders(t *testing.T) {
	w := newWorld(t)
	a := always(policy("Allow", "*"))
	f := w.start(t, w.config(gateway.REST, a))
	request, err := http.NewRequest(http.MethodGet, f.url(`/","clientCert":{"clientCertPem":"x`), nil)
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("X-Hostile", `","requestContext":{"identity":{"clientCert":{"clientCertPem":"x"}}},"x":"`)
	do(t, f.client(t), request)
	var e events.APIGatewayCustomAuthorizerRequestTypeRequest
	a.lastEvent(t, &e)
	equal(t, "clientCertPem", e.RequestContext.Identity.ClientCert.ClientCertPem, string(w.client.PEM()))
	equal(t, "headers[X-Hostile]", e.Headers["X-Hostile"], request.Header.Get("X-Hostile"))
}
