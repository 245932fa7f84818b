// Package gateway stands in, on this machine, for Amazon API Gateway with a
// regional custom domain and mutual TLS. It terminates TLS, builds the event
// that a Lambda authorizer gets, applies the authorizer's answer, and on allow
// hands the request to an upstream.
//
// Call [New], then [Gateway.Listen] and [Gateway.Serve]; [Gateway.Close] ends
// it. [Gateway.SetTruststore] replaces the trusted CAs while it runs. One
// Gateway is one API on one domain name, in one [Form]; run several to have
// several.
//
// What follows API Gateway, and from where:
//
//   - events: "Input to an API Gateway Lambda authorizer" (REST), "Control
//     access to HTTP APIs with AWS Lambda authorizers" (payload 1.0 and 2.0),
//     and events recorded from real APIs;
//   - answers and status codes: "Output from an API Gateway Lambda authorizer",
//     "Call an API with API Gateway Lambda authorizers", "Gateway response
//     types";
//   - limits: "Quotas for configuring and running a REST API" and the same for
//     an HTTP API.
//
// The API behind it is the usual catch-all: a REST API with the resources "/"
// and "/{proxy+}" and the method ANY, or an HTTP API with the route $default.
//
// Known differences from API Gateway. Header names in REST and 1.0 events are in
// Go's canonical case, not the client's. The Host header is not compared with
// the domain name, so that a client can connect by address; domainName in the
// event is always the configured one. Paths in events are as the client sent
// them, percent-encoding included. An answer with Condition, NotAction or
// NotResource is refused with status 500, since these are not evaluated here.
// After a change of truststore, requests over connections verified under the
// former one are checked against the new; what API Gateway does with such
// connections is not documented.
package gateway
