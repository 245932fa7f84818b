package gateway

import (
	"crypto/rand"
	"crypto/x509"
	"encoding/base64"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"
)

// call is one request as API Gateway sees it: what events, identity sources and
// the upstream are told of it.
type call struct {
	cfg        *Config
	request    *http.Request
	received   time.Time
	id         string // requestId
	extendedID string // extendedRequestId
	sourceIP   string
	path       string      // percent-encoded, without stage
	header     http.Header // with Host and what the gateway adds
	query      url.Values
	leaf       *x509.Certificate // nil without certificate
}

// methods are those that ANY stands for.
var methods = []string{
	http.MethodDelete, http.MethodGet, http.MethodHead, http.MethodOptions,
	http.MethodPatch, http.MethodPost, http.MethodPut,
}

// newCall reads the facts of a request.
func newCall(cfg *Config, r *http.Request) *call {
	c := &call{
		cfg:        cfg,
		request:    r,
		received:   cfg.Now(),
		id:         newUUID(),
		extendedID: newExtendedID(),
		sourceIP:   r.RemoteAddr,
		path:       r.URL.EscapedPath(),
		query:      r.URL.Query(),
	}
	if host, _, err := net.SplitHostPort(r.RemoteAddr); err == nil {
		c.sourceIP = host
	}
	if cfg.Form != REST {
		c.id = c.extendedID // an HTTP API has one identifier only
	}
	if r.TLS != nil && len(r.TLS.PeerCertificates) > 0 {
		c.leaf = r.TLS.PeerCertificates[0]
	}
	c.header = c.eventHeader()
	return c
}

// eventHeader is the client's header as API Gateway passes it on: without what
// belongs to the connection, with Host and the X-Forwarded headers.
func (c *call) eventHeader() http.Header {
	header := endToEnd(c.request.Header)
	header.Set("Host", c.request.Host)
	forwarded := slices.Concat(header.Values("X-Forwarded-For"), []string{c.sourceIP})
	header.Set("X-Forwarded-For", strings.Join(forwarded, ", "))
	header.Set("X-Forwarded-Proto", "https")
	header.Set("X-Forwarded-Port", "443")
	if local, ok := c.request.Context().Value(http.LocalAddrContextKey).(net.Addr); ok {
		if _, port, err := net.SplitHostPort(local.String()); err == nil {
			header.Set("X-Forwarded-Port", port)
		}
	}
	if header.Get("X-Amzn-Trace-Id") == "" {
		header.Set("X-Amzn-Trace-Id", fmt.Sprintf("Root=1-%08x-%x", c.received.Unix(), random(12)))
	}
	return header
}

// endToEnd copies a header without the fields of the connection (RFC 9110,
// section 7.6.1), among them those that Connection names: a client must not be able
// to name, and so remove, what the gateway itself adds afterwards.
func endToEnd(header http.Header) http.Header {
	header = header.Clone()
	if header == nil {
		header = make(http.Header)
	}
	for _, value := range header.Values("Connection") {
		for name := range strings.SplitSeq(value, ",") {
			header.Del(strings.TrimSpace(name))
		}
	}
	for _, name := range []string{
		"Connection", "Keep-Alive", "Proxy-Connection", "Te", "Trailer", "Transfer-Encoding", "Upgrade",
	} {
		header.Del(name)
	}
	return header
}

// arn is the ARN of the method (REST) or route (HTTP API) that was called.
func (c *call) arn() string {
	return fmt.Sprintf("arn:%s:execute-api:%s:%s:%s/%s/%s%s", c.cfg.partition(),
		c.cfg.Region, c.cfg.AccountID, c.cfg.APIID, c.cfg.Stage, c.request.Method, c.path)
}

// staged is the path with a named stage of an HTTP API in front. API Gateway puts
// it there on a custom domain too; $default never shows.
func (c *call) staged() string {
	if c.cfg.Form == REST || c.cfg.Stage == "$default" {
		return c.path
	}
	return "/" + c.cfg.Stage + c.path
}

// resource is the resource or route that matched, with its path parameters.
func (c *call) resource() (name string, parameters map[string]string) {
	switch {
	case c.cfg.Form != REST:
		return "$default", nil
	case c.path == "/":
		return "/", map[string]string{}
	default:
		return "/{proxy+}", map[string]string{"proxy": strings.TrimPrefix(c.path, "/")}
	}
}

// domainPrefix is the first label of the domain name.
func (c *call) domainPrefix() string {
	prefix, _, _ := strings.Cut(c.cfg.DomainName, ".")
	return prefix
}

// headerBytes is the size that the quota on header values counts: the request
// line and the values.
func (c *call) headerBytes() int {
	r := c.request
	n := len(r.Method) + len(" ") + len(r.RequestURI) + len(" ") + len(r.Proto) + len(r.Host)
	for _, values := range r.Header {
		for _, value := range values {
			n += len(value)
		}
	}
	return n
}

// random returns n random bytes. crypto/rand.Read never fails.
func random(n int) []byte {
	out := make([]byte, n)
	_, _ = rand.Read(out)
	return out
}

// newUUID makes a random UUID (RFC 9562, version 4), the form of REST request ids.
func newUUID() string {
	id := random(16)
	id[6] = id[6]&0x0f | 0x40
	id[8] = id[8]&0x3f | 0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", id[:4], id[4:6], id[6:8], id[8:10], id[10:])
}

// newExtendedID makes an identifier of the form that API Gateway uses for extended
// request ids, and for all ids of HTTP APIs: 16 characters of base64, padded.
func newExtendedID() string { return base64.StdEncoding.EncodeToString(random(11)) }
