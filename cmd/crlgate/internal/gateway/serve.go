package gateway

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"time"
)

// exchange is one request on its way through the gateway, with what the access log
// will say of it.
type exchange struct {
	*call
	gateway *Gateway
	writer  *statusWriter
	record  Record
	answer  *answer
}

// serveRequest takes one request from its headers to its access log record.
func (g *Gateway) serveRequest(w http.ResponseWriter, r *http.Request) {
	x := &exchange{call: newCall(&g.cfg, r), gateway: g, writer: &statusWriter{ResponseWriter: w}}
	x.record = x.newRecord()
	x.setResponseIDs()
	defer x.log() // also when the upstream panics
	if refused := x.authorize(); refused != noRefusal {
		x.drain()
		refused.write(x.writer, g.cfg.Form)
		return
	}
	x.forward()
}

// drain reads a refused request's body, as API Gateway does: a client that is still
// sending it might otherwise see a reset connection and not the refusal. A client that
// waits to be told to continue is not, and a body over the limit is not read.
func (x *exchange) drain() {
	if x.request.ContentLength > MaxPayloadBytes || x.request.Header.Get("Expect") != "" {
		return
	}
	_, _ = io.CopyN(io.Discard, x.request.Body, MaxPayloadBytes) // the refusal stands either way
}

func (x *exchange) newRecord() Record {
	record := Record{
		Time:      x.received,
		RequestID: x.id,
		Method:    x.request.Method,
		Path:      x.path,
		Form:      x.cfg.Form,
		Protocol:  x.request.Proto,
	}
	if x.leaf != nil {
		record.CertificateSerial = strings.ReplaceAll(colonHex(x.leaf.SerialNumber.Bytes()), ":", "")
	}
	if x.request.TLS != nil {
		record.Resumed, record.TLSVersion = x.request.TLS.DidResume, x.request.TLS.Version
	}
	return record
}

// setResponseIDs puts the request's identifier where API Gateway puts it.
func (x *exchange) setResponseIDs() {
	header := x.writer.Header()
	if x.cfg.Form == REST {
		header.Set("X-Amzn-Requestid", x.id)
		header.Set("X-Amz-Apigw-Id", x.extendedID)
		return
	}
	header.Set("Apigw-Requestid", x.id)
}

// log completes the record and hands it over.
func (x *exchange) log() {
	if x.cfg.AccessLog == nil {
		return
	}
	if x.answer != nil {
		x.record.Context = x.answer.context
		x.record.Decision, _ = x.answer.context["decision"].(string)
		x.record.Reason, _ = x.answer.context["reason"].(string)
	}
	x.record.Status = x.writer.status
	x.record.Latency = x.since(x.received)
	x.cfg.AccessLog(x.record)
}

// since is the time from start until now by the gateway's clock, never negative.
func (x *exchange) since(start time.Time) time.Duration { return max(0, x.cfg.Now().Sub(start)) }

// refuse notes why, in words for the access log, and returns the refusal.
func (x *exchange) refuse(r refusal, format string, args ...any) refusal {
	x.record.Detail = fmt.Sprintf(format, args...)
	return r
}

// authorize checks the request and asks the authorizer, or the cache of its
// answers. noRefusal is allow.
func (x *exchange) authorize() refusal {
	if refused := x.checkTruststore(); refused != noRefusal {
		return refused
	}
	if refused := x.checkRequest(); refused != noRefusal {
		return refused
	}
	identity, ok := x.identity()
	if !ok {
		return x.refuse(refuseUnauthorized, "an identity source is missing: the request needs all of %s",
			strings.Join(x.cfg.IdentitySources, ", "))
	}
	if refused := x.ask(identity); refused != noRefusal {
		return refused
	}
	switch x.answer.decide(x.arn()) {
	case allow:
		return noRefusal
	case explicitDeny:
		return x.refuse(refuseExplicitDeny, "the authorizer's answer denies %s", x.arn())
	default:
		return x.refuse(refuseImplicitDeny, "the authorizer's answer does not allow %s", x.arn())
	}
}

// ask fetches the answer for a request.
func (x *exchange) ask(identity []string) refusal {
	g := x.gateway
	var cached bool
	if x.answer, cached = g.answers.get(identity, x.received); cached {
		x.record.Cached = true
		return noRefusal
	}
	payload, err := x.event(identity)
	if err != nil {
		return x.refuse(refuseAuthorizerFault, "%v", err)
	}
	asked := x.cfg.Now()
	x.answer, err = g.invoke(x.request.Context(), payload)
	x.record.AuthorizerLatency = x.since(asked)
	switch {
	case errors.Is(err, errUnauthorized):
		return x.refuse(refuseUnauthorized, "%v", err)
	case err != nil:
		return x.refuse(refuseAuthorizerFault, "%v", err)
	}
	g.answers.put(identity, x.answer, x.received)
	return noRefusal
}

// checkTruststore looks again at a client whose connection was verified against a
// truststore that has been replaced since, and has it reconnect in any case.
func (x *exchange) checkTruststore() refusal {
	state := x.gateway.trust.Load()
	c, _ := x.request.Context().Value(connKey{}).(net.Conn)
	if !x.cfg.RequireClientCertificate || generationOf(c) == state.generation {
		return noRefusal
	}
	x.writer.Header().Set("Connection", "close")
	if err := state.admits(x.request.TLS.PeerCertificates); err != nil {
		return x.refuse(refuseUntrusted, "the truststore was replaced and no longer admits this client: %v", err)
	}
	return noRefusal
}

// checkRequest holds the limits and the routes.
func (x *exchange) checkRequest() refusal {
	switch {
	case !strings.HasPrefix(x.path, "/"):
		return x.refuse(refuseBadRequest, "the request's target %q is no path", x.path)
	case !slices.Contains(methods, x.request.Method):
		return x.refuse(refuseNoRoute, "the API has no method %s", x.request.Method)
	case x.headerBytes() > MaxHeaderBytes:
		return x.refuse(refuseHeaderTooLarge, "request line and header values have %d bytes: at most %d are allowed", x.headerBytes(), MaxHeaderBytes)
	case x.request.ContentLength > MaxPayloadBytes:
		return x.refuse(refusePayloadTooLarge, "the body has %d bytes: at most %d are allowed", x.request.ContentLength, MaxPayloadBytes)
	case x.cfg.Form == REST && len(x.arn()) > MaxMethodARNBytes:
		return x.refuse(refuseURITooLong, "the method ARN has %d bytes: at most %d are allowed", len(x.arn()), MaxMethodARNBytes)
	}
	return noRefusal
}

// forward hands the request to the upstream.
func (x *exchange) forward() {
	ctx, cancel := context.WithTimeout(context.WithValue(x.request.Context(), exchangeKey{}, x), x.cfg.IntegrationTimeout)
	defer cancel()
	out := x.request.Clone(ctx)
	out.Header = x.upstreamHeader()
	// Trailers would arrive after the headers have been stripped.
	out.Trailer = nil
	out.Header.Del("Host")
	if refused := x.readBody(out); refused != noRefusal {
		refused.write(x.writer, x.cfg.Form)
		return
	}
	x.cfg.Upstream.ServeHTTP(x.writer, out)
	if x.writer.status == 0 {
		x.writer.WriteHeader(http.StatusOK)
	}
}

// readBody buffers a body of unknown length, to hold the limit before the upstream
// sees any of it.
func (x *exchange) readBody(out *http.Request) refusal {
	if out.ContentLength >= 0 {
		return noRefusal
	}
	body, err := io.ReadAll(io.LimitReader(x.request.Body, MaxPayloadBytes+1))
	switch {
	case err != nil:
		return x.refuse(refuseBadRequest, "reading the request's body: %v", err)
	case len(body) > MaxPayloadBytes:
		return x.refuse(refusePayloadTooLarge, "the body has more than %d bytes", MaxPayloadBytes)
	}
	out.ContentLength = int64(len(body))
	out.TransferEncoding = nil
	out.Body = io.NopCloser(bytes.NewReader(body))
	return noRefusal
}

// statusWriter notes the status that goes out.
type statusWriter struct {
	http.ResponseWriter
	status int
}

// WriteHeader notes the first final status; informational ones pass through.
func (w *statusWriter) WriteHeader(status int) {
	if w.status == 0 && status >= http.StatusOK {
		w.status = status
	}
	w.ResponseWriter.WriteHeader(status)
}

// Write implies status 200 where none was set.
func (w *statusWriter) Write(p []byte) (int, error) {
	if w.status == 0 {
		w.status = http.StatusOK
	}
	return w.ResponseWriter.Write(p)
}

// Unwrap lets http.ResponseController reach the connection's writer.
func (w *statusWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }
