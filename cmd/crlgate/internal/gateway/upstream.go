package gateway

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httputil"
	"net/url"
	"strings"
)

// contextPrefix begins the names of headers that carry the authorizer's context.
const contextPrefix = "X-Crlgate-"

// exchangeKey is the context key of the exchange, for upstreams of this package.
type exchangeKey struct{}

// AuthorizerContext returns what the authorizer said of the request that an
// upstream handler is serving: strings, json.Number and bool, and from a payload
// 2.0 authorizer also lists and maps. Do not modify it. It is nil without context.
func AuthorizerContext(ctx context.Context) map[string]any {
	if x, ok := ctx.Value(exchangeKey{}).(*exchange); ok && x.answer != nil {
		return x.answer.context
	}
	return nil
}

// upstreamHeader is the header that the upstream gets: the client's, without
// whatever could pass for the authorizer's context, with that context, and with
// the integration's parameter mappings applied.
func (x *exchange) upstreamHeader() http.Header {
	header := x.contextHeader()
	x.mapHeader(header)
	return header
}

func (x *exchange) contextHeader() http.Header {
	header := x.header.Clone()
	for name := range header {
		if x.reserved(name) {
			delete(header, name)
		}
	}
	if x.cfg.ContextHeaders != nil {
		for name, key := range x.cfg.ContextHeaders {
			if value, ok := headerValue(x.answer.context[key]); ok {
				header.Set(name, value)
			}
		}
		return header
	}
	for key, value := range x.answer.context {
		name := contextPrefix + strings.ReplaceAll(key, "_", "-")
		if text, ok := headerValue(value); ok && isToken(name) {
			header.Set(name, text)
		}
	}
	return header
}

// reserved reports whether only the gateway may set this header. An underscore
// counts as a hyphen, because CGI-like upstreams cannot tell them apart.
func (x *exchange) reserved(name string) bool {
	name = strings.ReplaceAll(name, "_", "-")
	if len(name) >= len(contextPrefix) && strings.EqualFold(name[:len(contextPrefix)], contextPrefix) {
		return true
	}
	for mapped := range x.cfg.ContextHeaders {
		if strings.EqualFold(strings.ReplaceAll(mapped, "_", "-"), name) {
			return true
		}
	}
	return false
}

// headerValue renders a string, number or boolean for a header. Control characters,
// which a header cannot carry, are percent-encoded.
func headerValue(value any) (string, bool) {
	var text string
	switch value := value.(type) {
	case string:
		text = value
	case json.Number:
		text = value.String()
	case bool:
		text = fmt.Sprint(value)
	default:
		return "", false
	}
	var out strings.Builder
	for _, c := range []byte(text) {
		if c < ' ' || c == 0x7f {
			fmt.Fprintf(&out, "%%%02X", c)
			continue
		}
		out.WriteByte(c)
	}
	return out.String(), true
}

// Proxy is an upstream at a URL.
type Proxy struct {
	reverse   httputil.ReverseProxy
	transport *http.Transport
}

// NewProxy makes an upstream of an http or https URL, to whose path the request's
// is appended. [Gateway.Close] closes its idle connections.
func NewProxy(target *url.URL) (*Proxy, error) {
	if target == nil || target.Host == "" || target.Scheme != "http" && target.Scheme != "https" {
		return nil, fmt.Errorf("gateway: upstream %v is not an http or https URL with a host", target)
	}
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.Proxy = nil // straight to the upstream, whatever the environment says
	p := &Proxy{transport: transport}
	p.reverse = httputil.ReverseProxy{
		Transport: transport,
		Rewrite: func(r *httputil.ProxyRequest) {
			r.SetURL(target)
			for _, name := range []string{"X-Forwarded-For", "X-Forwarded-Proto", "X-Forwarded-Port"} {
				r.Out.Header[name] = r.In.Header[name] // ReverseProxy has removed them
			}
		},
		ModifyResponse: func(r *http.Response) error {
			for _, name := range []string{"X-Amzn-Requestid", "X-Amz-Apigw-Id", "Apigw-Requestid"} {
				r.Header.Del(name) // the gateway's own stand
			}
			return nil
		},
		ErrorHandler: integrationFault,
	}
	return p, nil
}

// ServeHTTP forwards one request.
func (p *Proxy) ServeHTTP(w http.ResponseWriter, r *http.Request) { p.reverse.ServeHTTP(w, r) }

// CloseIdleConnections closes the connections to the upstream that carry no request.
func (p *Proxy) CloseIdleConnections() { p.transport.CloseIdleConnections() }

// integrationFault answers for an upstream that did not.
func integrationFault(w http.ResponseWriter, r *http.Request, err error) {
	x, ok := r.Context().Value(exchangeKey{}).(*exchange)
	if !ok {
		w.WriteHeader(http.StatusBadGateway)
		return
	}
	refused := refuseIntegrationFailure
	if errors.Is(err, context.DeadlineExceeded) {
		refused = refuseIntegrationTimeout
	}
	x.refuse(refused, "calling the upstream: %v", err).write(w, x.cfg.Form)
}

// Echo is an upstream that answers 200 with what it was told, as a JSON object:
// method, path, context (the authorizer's) and headers (the X-Crlgate ones).
func Echo() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		told := make(map[string]string)
		for name, values := range r.Header {
			if strings.HasPrefix(name, contextPrefix) {
				told[name] = strings.Join(values, ", ")
			}
		}
		body, err := json.MarshalIndent(map[string]any{
			"method":  r.Method,
			"path":    r.URL.EscapedPath(),
			"context": AuthorizerContext(r.Context()),
			"headers": told,
		}, "", "  ")
		if err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		_, _ = w.Write(append(body, '\n')) // a client that has gone away is no fault of ours
	})
}
