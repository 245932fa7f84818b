package main

import (
	"fmt"
	"strings"
	"time"
)

// What the sample requests have in common: GET /orders/17?expand=lines&expand=price.
const (
	account        = "111122223333"
	region         = "eu-west-1"
	domain         = "api.example.com"
	sourceIP       = "203.0.113.17"
	userAgent      = "curl/8.5.0"
	path           = "/orders/17"
	rawQuery       = "expand=lines&expand=price"
	requestTimeFmt = "02/Jan/2006:15:04:05 -0700"
)

// received is the moment of every request; X-Ray's trace identifier has it too.
var received = time.Date(2026, time.November, 14, 12, 1, 36, 512e6, time.UTC)

// clientCert is the certificate of a mutual-TLS connection.
type clientCert struct {
	ClientCertPem string   `json:"clientCertPem"`
	SubjectDN     string   `json:"subjectDN"`
	IssuerDN      string   `json:"issuerDN"`
	SerialNumber  string   `json:"serialNumber"`
	Validity      validity `json:"validity"`
}

type validity struct {
	NotBefore string `json:"notBefore"`
	NotAfter  string `json:"notAfter"`
}

// eventHTTP1 is the event of an HTTP API in payload format 1.0. Its identity
// sources are null, since the authorizer has none.
type eventHTTP1 struct {
	Version            string  `json:"version"`
	IdentitySource     *string `json:"identitySource"`
	AuthorizationToken *string `json:"authorizationToken"`
	eventV1
}

// eventV1 is the event of a REST API's REQUEST authorizer, and what payload
// format 1.0 has in common with it.
type eventV1 struct {
	Type                            string              `json:"type"`
	MethodARN                       string              `json:"methodArn"`
	Resource                        string              `json:"resource"`
	Path                            string              `json:"path"`
	HTTPMethod                      string              `json:"httpMethod"`
	Headers                         map[string]string   `json:"headers"`
	MultiValueHeaders               map[string][]string `json:"multiValueHeaders"`
	QueryStringParameters           map[string]string   `json:"queryStringParameters"`
	MultiValueQueryStringParameters map[string][]string `json:"multiValueQueryStringParameters"`
	PathParameters                  map[string]string   `json:"pathParameters"`
	StageVariables                  map[string]string   `json:"stageVariables"`
	RequestContext                  contextV1           `json:"requestContext"`
}

type contextV1 struct {
	ResourceID        string     `json:"resourceId"`
	ResourcePath      string     `json:"resourcePath"`
	HTTPMethod        string     `json:"httpMethod"`
	ExtendedRequestID string     `json:"extendedRequestId"`
	RequestTime       string     `json:"requestTime"`
	Path              string     `json:"path"`
	AccountID         string     `json:"accountId"`
	Protocol          string     `json:"protocol"`
	Stage             string     `json:"stage"`
	DomainPrefix      string     `json:"domainPrefix"`
	RequestTimeEpoch  int64      `json:"requestTimeEpoch"`
	RequestID         string     `json:"requestId"`
	Identity          identityV1 `json:"identity"`
	DomainName        string     `json:"domainName"`
	DeploymentID      string     `json:"deploymentId,omitempty"`
	APIID             string     `json:"apiId"`
}

// identityV1 is the caller; what only IAM or Cognito supplies is null.
type identityV1 struct {
	CognitoIdentityPoolID         *string     `json:"cognitoIdentityPoolId"`
	AccountID                     *string     `json:"accountId"`
	CognitoIdentityID             *string     `json:"cognitoIdentityId"`
	Caller                        *string     `json:"caller"`
	SourceIP                      string      `json:"sourceIp"`
	PrincipalOrgID                *string     `json:"principalOrgId"`
	AccessKey                     *string     `json:"accessKey"`
	CognitoAuthenticationType     *string     `json:"cognitoAuthenticationType"`
	CognitoAuthenticationProvider *string     `json:"cognitoAuthenticationProvider"`
	UserARN                       *string     `json:"userArn"`
	UserAgent                     string      `json:"userAgent"`
	User                          *string     `json:"user"`
	ClientCert                    *clientCert `json:"clientCert,omitempty"`
}

// eventV2 is the event of an HTTP API in payload format 2.0.
type eventV2 struct {
	Version               string            `json:"version"`
	Type                  string            `json:"type"`
	RouteARN              string            `json:"routeArn"`
	IdentitySource        []string          `json:"identitySource"`
	RouteKey              string            `json:"routeKey"`
	RawPath               string            `json:"rawPath"`
	RawQueryString        string            `json:"rawQueryString"`
	Cookies               []string          `json:"cookies"`
	Headers               map[string]string `json:"headers"`
	QueryStringParameters map[string]string `json:"queryStringParameters"`
	RequestContext        contextV2         `json:"requestContext"`
	PathParameters        map[string]string `json:"pathParameters"`
}

type contextV2 struct {
	AccountID      string          `json:"accountId"`
	APIID          string          `json:"apiId"`
	Authentication *authentication `json:"authentication,omitempty"`
	DomainName     string          `json:"domainName"`
	DomainPrefix   string          `json:"domainPrefix"`
	HTTP           httpV2          `json:"http"`
	RequestID      string          `json:"requestId"`
	RouteKey       string          `json:"routeKey"`
	Stage          string          `json:"stage"`
	Time           string          `json:"time"`
	TimeEpoch      int64           `json:"timeEpoch"`
}

type authentication struct {
	ClientCert clientCert `json:"clientCert"`
}

type httpV2 struct {
	Method    string `json:"method"`
	Path      string `json:"path"`
	Protocol  string `json:"protocol"`
	SourceIP  string `json:"sourceIp"`
	UserAgent string `json:"userAgent"`
}

// requestEvents are the authorizer's events by file name. A request without
// certificate is one that came through the execute-api endpoint, which knows
// no mutual TLS; the malformed one has a certificate that ends in its middle.
func requestEvents(p *samplePKI) map[string]any {
	malformed := p.good.cert
	malformed.ClientCertPem = malformed.ClientCertPem[:len(malformed.ClientCertPem)/2] + "\n-----END CERTIFICATE-----\n"
	events := make(map[string]any)
	for name, cert := range map[string]*clientCert{
		"good": &p.good.cert, "revoked": &p.revoked.cert, "no-certificate": nil, "malformed": &malformed,
	} {
		events["rest-"+name+".json"] = restEvent(cert)
		events["http1-"+name+".json"] = http1Event(cert)
		events["http2-"+name+".json"] = http2Event(cert)
	}
	return events
}

// host is the domain name of a request, and its first label.
func host(cert *clientCert, api string) (name, prefix string) {
	name = domain
	if cert == nil {
		name = api + ".execute-api." + region + ".amazonaws.com"
	}
	prefix, _, _ = strings.Cut(name, ".")
	return name, prefix
}

// headers are those of the request as a REST API passes them on.
func headers(host string) map[string]string {
	return map[string]string{
		"Accept": "application/json", "Host": host, "User-Agent": userAgent, "X-Amzn-Trace-Id": fmt.Sprintf("Root=1-%08x-3c5d8f1e2b4a697081726354", received.Unix()),
		"X-Forwarded-For": sourceIP, "X-Forwarded-Port": "443", "X-Forwarded-Proto": "https",
	}
}

func multi(single map[string]string) map[string][]string {
	m := make(map[string][]string, len(single))
	for k, v := range single {
		m[k] = []string{v}
	}
	return m
}

func restEvent(cert *clientCert) eventV1 {
	const api, stage = "a1b2c3d4e5", "prod"
	name, prefix := host(cert, api)
	contextPath := path
	if cert == nil {
		contextPath = "/" + stage + path
	}
	h := headers(name)
	return eventV1{
		Type:                  "REQUEST",
		MethodARN:             "arn:aws:execute-api:" + region + ":" + account + ":" + api + "/" + stage + "/GET" + path,
		Resource:              "/orders/{id}",
		Path:                  path,
		HTTPMethod:            "GET",
		Headers:               h,
		MultiValueHeaders:     multi(h),
		QueryStringParameters: map[string]string{"expand": "price"},
		MultiValueQueryStringParameters: map[string][]string{
			"expand": {"lines", "price"},
		},
		PathParameters: map[string]string{"id": "17"},
		StageVariables: map[string]string{},
		RequestContext: contextV1{
			ResourceID: "x7k2m9", ResourcePath: "/orders/{id}", HTTPMethod: "GET",
			ExtendedRequestID: "UKf3GHXpDoEEjQw=", RequestTime: received.Format(requestTimeFmt), Path: contextPath,
			AccountID: account, Protocol: "HTTP/1.1", Stage: stage, DomainPrefix: prefix,
			RequestTimeEpoch: received.UnixMilli(), RequestID: "5f0c2a77-6d3f-4a2e-9a51-1b7c0e4d8f26",
			Identity:   identityV1{SourceIP: sourceIP, UserAgent: userAgent, ClientCert: cert},
			DomainName: name, DeploymentID: "q8w4zt", APIID: api,
		},
	}
}

func http1Event(cert *clientCert) eventHTTP1 {
	const api, stage, route = "f6g7h8i9j0", "$default", "GET /orders/{id}"
	name, prefix := host(cert, api)
	h := headers(name)
	h["Content-Length"] = "0"
	return eventHTTP1{Version: "1.0", eventV1: eventV1{
		Type:                  "REQUEST",
		MethodARN:             "arn:aws:execute-api:" + region + ":" + account + ":" + api + "/" + stage + "/GET" + path,
		Resource:              "/orders/{id}",
		Path:                  path,
		HTTPMethod:            "GET",
		Headers:               h,
		MultiValueHeaders:     multi(h),
		QueryStringParameters: map[string]string{"expand": "price"},
		MultiValueQueryStringParameters: map[string][]string{
			"expand": {"lines", "price"},
		},
		PathParameters: map[string]string{"id": "17"},
		RequestContext: contextV1{
			ResourceID: route, ResourcePath: "/orders/{id}", HTTPMethod: "GET",
			ExtendedRequestID: "UKf3GiK7joEEMdA=", RequestTime: received.Format(requestTimeFmt), Path: path,
			AccountID: account, Protocol: "HTTP/1.1", Stage: stage, DomainPrefix: prefix,
			RequestTimeEpoch: received.UnixMilli(), RequestID: "UKf3GiK7joEEMdA=",
			Identity:   identityV1{SourceIP: sourceIP, UserAgent: userAgent, ClientCert: cert},
			DomainName: name, APIID: api,
		},
	}}
}

func http2Event(cert *clientCert) eventV2 {
	const api, stage, route = "f6g7h8i9j0", "$default", "GET /orders/{id}"
	name, prefix := host(cert, api)
	h := map[string]string{"content-length": "0"}
	for k, v := range headers(name) {
		h[strings.ToLower(k)] = v
	}
	e := eventV2{
		Version:               "2.0",
		Type:                  "REQUEST",
		RouteARN:              "arn:aws:execute-api:" + region + ":" + account + ":" + api + "/" + stage + "/GET" + path,
		RouteKey:              route,
		RawPath:               path,
		RawQueryString:        rawQuery,
		Cookies:               []string{"session=7f3a", "theme=dark"},
		Headers:               h,
		QueryStringParameters: map[string]string{"expand": "lines,price"},
		PathParameters:        map[string]string{"id": "17"},
		RequestContext: contextV2{
			AccountID: account, APIID: api, DomainName: name, DomainPrefix: prefix,
			HTTP:      httpV2{Method: "GET", Path: path, Protocol: "HTTP/1.1", SourceIP: sourceIP, UserAgent: userAgent},
			RequestID: "UKf3HjM1DoEEPgw=", RouteKey: route, Stage: stage,
			Time: received.Format(requestTimeFmt), TimeEpoch: received.UnixMilli(),
		},
	}
	if cert != nil {
		e.RequestContext.Authentication = &authentication{ClientCert: *cert}
	}
	return e
}
