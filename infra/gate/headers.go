package gate

import (
	"github.com/aws/aws-cdk-go/awscdk/v2/awsapigatewayv2"
	"github.com/aws/jsii-runtime-go"
)

// clientHeaders are the headers that tell a backend of the client, with the key of the authorizer's context that
// each carries. The authorizer leaves none of these values out where it allows a request, so that each header is
// always set and never the client's own.
var clientHeaders = []struct{ name, key string }{
	{"x-client-cert-ca", "ca"},
	{"x-client-cert-crl-number", "crl_number"},
	{"x-client-cert-fingerprint", "fingerprint"},
	{"x-client-cert-issuer", "issuer"},
	{"x-client-cert-reason", "reason"},
	{"x-client-cert-san", "san"},
	{"x-client-cert-serial", "serial"},
	{"x-client-cert-subject", "subject"},
}

// forgeableHeaders are headers by which other proxies tell of a client certificate, and which many a backend believes:
// those of RFC 9440, Envoy's, and those of common configurations of nginx. API Gateway hands a client's own on.
var forgeableHeaders = []string{
	"client-cert", "client-cert-chain", "ssl-client-cert", "x-client-cert", "x-forwarded-client-cert", "x-ssl-cert", "x-ssl-client-cert",
}

// HttpClientHeaders maps what the authorizer says of the client to headers, for the ParameterMapping of an integration of
// an HTTP API. What a client sends under these names is overwritten, and headers by which other proxies tell of a
// certificate are removed. docs/backend.md lists the headers.
func HttpClientHeaders() awsapigatewayv2.ParameterMapping {
	mapping := awsapigatewayv2.NewParameterMapping()
	for _, h := range clientHeaders {
		mapping.OverwriteHeader(jsii.String(h.name), awsapigatewayv2.MappingValue_Custom(jsii.String("$context.authorizer."+h.key)))
	}
	for _, name := range forgeableHeaders {
		mapping.RemoveHeader(jsii.String(name))
	}
	return mapping
}

// RestClientHeaders is HttpClientHeaders for a REST API: the RequestParameters of an HTTP or HTTP proxy integration. A
// Lambda proxy integration takes no mappings; its function finds the same in event.requestContext.authorizer. A
// REST API removes no headers, so those of other proxies are overwritten with a hyphen.
func RestClientHeaders() *map[string]*string {
	parameters := map[string]*string{}
	for _, h := range clientHeaders {
		parameters["integration.request.header."+h.name] = jsii.String("context.authorizer." + h.key)
	}
	for _, name := range forgeableHeaders {
		parameters["integration.request.header."+name] = jsii.String("'-'")
	}
	return &parameters
}
