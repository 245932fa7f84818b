package gateway

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"time"
)

// Form is the shape of the events that an authorizer gets, which also decides
// how its answers are read and how refusals look. The zero value is no form.
type Form int

// The three forms in which API Gateway calls a REQUEST authorizer.
const (
	REST  Form = iota + 1 // REST API, REQUEST authorizer: no version, policy answers
	HTTP1                 // HTTP API, payload format 1.0: policy answers
	HTTP2                 // HTTP API, payload format 2.0: simple or policy answers
)

var formNames = map[Form]string{REST: "rest", HTTP1: "http-1.0", HTTP2: "http-2.0"}

// String returns the form's name as [ParseForm] reads it.
func (f Form) String() string {
	if name, ok := formNames[f]; ok {
		return name
	}
	return fmt.Sprintf("form(%d)", int(f))
}

// ParseForm reads a form's name: rest, http-1.0 or http-2.0.
func ParseForm(name string) (Form, error) {
	for form, known := range formNames {
		if name == known {
			return form, nil
		}
	}
	return 0, fmt.Errorf("form %q is not known: use rest, http-1.0 or http-2.0", name)
}

// Authorizer is a Lambda authorizer as API Gateway invokes it.
type Authorizer interface {
	// Invoke runs the function on one event. functionError is empty when the
	// function returned; otherwise it is the kind or text of its failure, and
	// response may hold Lambda's error object, of which errorMessage is read.
	// err is a failure to invoke at all: throttled, timed out, not running.
	// Invoke is called concurrently.
	Invoke(ctx context.Context, payload []byte) (response []byte, functionError string, err error)
}

// AuthorizerFunc makes an [Authorizer] of a function.
type AuthorizerFunc func(ctx context.Context, payload []byte) (response []byte, functionError string, err error)

// Invoke calls f.
func (f AuthorizerFunc) Invoke(ctx context.Context, payload []byte) ([]byte, string, error) {
	return f(ctx, payload)
}

// Limits and defaults. Sizes and times are API Gateway's quotas.
const (
	// MaxPayloadBytes is the largest request body: 10 MB.
	MaxPayloadBytes = 10 << 20
	// MaxHeaderBytes is the largest sum of request line and header values.
	MaxHeaderBytes = 10240
	// MaxMethodARNBytes is the longest method ARN of a REST API that has
	// authorization; a longer one is answered 414.
	MaxMethodARNBytes = 1600
	// MaxResourceLength is the longest Resource, in characters, in the policy
	// that a REST API's authorizer returns.
	MaxResourceLength = 512
	// MaxAuthorizerResultBytes is the largest answer of a REST API's authorizer.
	MaxAuthorizerResultBytes = 8 << 10
	// MaxAuthorizerTTL is the longest time that an answer may be cached.
	MaxAuthorizerTTL = time.Hour

	restTimeout           = 29 * time.Second // authorizer and integration of a REST API
	httpAuthorizerTimeout = 10 * time.Second
	httpTimeout           = 30 * time.Second // integration of an HTTP API
)

// Config says what a [Gateway] stands in for.
type Config struct {
	// Form is the form of events and answers. Required.
	Form Form
	// Authorizer decides on each request. Required.
	Authorizer Authorizer
	// Upstream gets the requests that are allowed; see [NewProxy] and [Echo].
	// Required.
	Upstream http.Handler

	// EnableSimpleResponses has the authorizer of form HTTP2 answer with
	// isAuthorized; false has it answer with a policy, API Gateway's default.
	EnableSimpleResponses bool
	// IdentitySources are API Gateway's expressions, such as
	// method.request.header.Authorization (REST) or
	// $request.header.Authorization (HTTP). A request that lacks one is answered
	// 401 without a call of the authorizer.
	IdentitySources []string
	// AuthorizerTTL keeps answers for that long, keyed by the values of
	// IdentitySources and by nothing else: one client's allow then serves any
	// other client that sends the same values. 0, the default here, keeps none.
	AuthorizerTTL time.Duration
	// AuthorizerTimeout bounds one call of the authorizer. Default: 10 s for
	// HTTP APIs, 29 s for REST.
	AuthorizerTimeout time.Duration
	// IntegrationTimeout bounds one call of the upstream. Default: 30 s for
	// HTTP APIs, 29 s for REST.
	IntegrationTimeout time.Duration

	// DomainName is the custom domain name. Default: the execute-api name.
	DomainName string
	// Stage defaults to prod for REST and to $default for HTTP APIs.
	Stage string
	// APIID defaults to a1b2c3d4e5.
	APIID string
	// Region defaults to us-east-1.
	Region string
	// AccountID is 12 digits. Default: 123456789012.
	AccountID string
	// StageVariables are copied to each event.
	StageVariables map[string]string

	// ServerCertificate is what the gateway shows to clients. Required.
	ServerCertificate tls.Certificate
	// RequireClientCertificate turns mutual TLS on. Off, no client certificate is
	// asked for and events have no clientCert, as through execute-api.
	RequireClientCertificate bool
	// Truststore are the CAs that clients are verified against. Required, with at
	// least one certificate, if RequireClientCertificate is set.
	Truststore []*x509.Certificate

	// ContextHeaders maps a header's name to the key of the authorizer's context
	// whose value it carries upstream. Nil maps each key that has a string, number or
	// boolean to X-Crlgate-<Key>, with underscores as hyphens. Headers of these
	// names that a client sends never reach the upstream; nor does any X-Crlgate-*.
	ContextHeaders map[string]string

	// RequestParameters are the parameter mappings of the API's integration, in the
	// syntax of the form's API, such as "overwrite:header.x-serial" with
	// "$context.authorizer.serial" (HTTP) or "integration.request.header.x-serial"
	// with "context.authorizer.serial" (REST). They are applied last.
	RequestParameters map[string]string

	// AccessLog, if set, gets one record per request, after the response. It is called
	// concurrently and delays the end of the request.
	AccessLog func(Record)
	// ErrorLog, if set, gets failed handshakes and other faults of connections.
	ErrorLog *slog.Logger
	// Now is the clock for events, caching and certificate validity. Default: time.Now.
	Now func() time.Time
}

// withDefaults returns the configuration with its defaults filled in, or every
// fault of it at once.
func (c Config) withDefaults() (Config, error) {
	if c.Stage == "" {
		c.Stage = "$default"
		if c.Form == REST {
			c.Stage = "prod"
		}
	}
	setDefault(&c.APIID, "a1b2c3d4e5")
	setDefault(&c.Region, "us-east-1")
	setDefault(&c.AccountID, "123456789012")
	setDefault(&c.DomainName, c.APIID+".execute-api."+c.Region+".amazonaws.com")
	authorizer, integration := httpAuthorizerTimeout, httpTimeout
	if c.Form == REST {
		authorizer, integration = restTimeout, restTimeout
	}
	setDefault(&c.AuthorizerTimeout, authorizer)
	setDefault(&c.IntegrationTimeout, integration)
	if c.Now == nil {
		c.Now = time.Now
	}
	return c, c.faults()
}

func setDefault[T comparable](value *T, otherwise T) {
	var zero T
	if *value == zero {
		*value = otherwise
	}
}

// faults returns all that is wrong with the configuration, joined.
func (c Config) faults() error {
	var faults []error
	fault := func(wrong bool, format string, args ...any) {
		if wrong {
			faults = append(faults, fmt.Errorf("gateway: "+format, args...))
		}
	}
	_, known := formNames[c.Form]
	fault(!known, "Form %d is not known: set REST, HTTP1 or HTTP2", int(c.Form))
	fault(c.Authorizer == nil, "Authorizer is missing: set the function to call")
	fault(c.Upstream == nil, "Upstream is missing: set a handler, such as Echo()")
	fault(c.EnableSimpleResponses && c.Form != HTTP2,
		"EnableSimpleResponses needs payload format 2.0, not %s: set Form to HTTP2 or leave it off", c.Form)
	fault(len(c.ServerCertificate.Certificate) == 0, "ServerCertificate is missing: set the certificate of %s", c.DomainName)
	fault(c.RequireClientCertificate && len(c.Truststore) == 0,
		"Truststore is empty: give at least one CA certificate, or no client could connect")
	fault(c.AuthorizerTTL < 0 || c.AuthorizerTTL > MaxAuthorizerTTL,
		"AuthorizerTTL %s is out of range: use 0 to %s", c.AuthorizerTTL, MaxAuthorizerTTL)
	fault(c.AuthorizerTTL > 0 && len(c.IdentitySources) == 0,
		"AuthorizerTTL %s without IdentitySources: API Gateway needs at least one to key its cache", c.AuthorizerTTL)
	fault(c.AuthorizerTimeout < 0, "AuthorizerTimeout %s is negative: use 0 for the default", c.AuthorizerTimeout)
	fault(c.IntegrationTimeout < 0, "IntegrationTimeout %s is negative: use 0 for the default", c.IntegrationTimeout)
	for header := range c.ContextHeaders {
		fault(!isToken(header), "ContextHeaders: %q is not a header name", header)
	}
	if _, err := parseMappings(c.Form, c.RequestParameters); err != nil {
		faults = append(faults, err)
	}
	for _, expression := range c.IdentitySources {
		if _, err := parseIdentitySource(c.Form, expression); err != nil {
			faults = append(faults, err)
		}
	}
	return errors.Join(faults...)
}

// partition is the ARN partition of the configured Region.
func (c Config) partition() string {
	switch {
	case strings.HasPrefix(c.Region, "cn-"):
		return "aws-cn"
	case strings.HasPrefix(c.Region, "us-gov-"):
		return "aws-us-gov"
	default:
		return "aws"
	}
}

// isToken reports whether s can be a header's name (RFC 9110, section 5.6.2).
func isToken(s string) bool {
	if s == "" {
		return false
	}
	for _, c := range []byte(s) {
		letterOrDigit := 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9'
		if !letterOrDigit && strings.IndexByte("!#$%&'*+-.^_`|~", c) < 0 {
			return false
		}
	}
	return true
}
