package fetch

import (
	"context"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/http"
	"net/url"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/crlgate/crlgate/pkg/crl"
	"github.com/crlgate/crlgate/pkg/issuer"
)

// Bounds of one download.
const (
	maxRedirects    = 5
	maxHeaderBytes  = 64 << 10
	connectTimeout  = 10 * time.Second
	attempts        = 3
	firstPause      = time.Second
	longestPause    = 30 * time.Second // that a Retry-After may ask for within one look
	maxValidator    = 1024             // octets of an ETag or a date that are kept
	maxStatusDetail = 200
)

// ClientConfig bounds downloads. The zero value of a field is its default.
type ClientConfig struct {
	// AllowHosts are hosts, exactly as URLs name them and in lower case, that
	// may be at private, loopback or link-local addresses.
	AllowHosts []string
	MaxBytes   int64         // of a CRL, decoded
	Timeout    time.Duration // of one look at a URL, with all that is tried
	// IdleTimeout is how long a server may be silent: until it is connected,
	// until its answer begins, between two pieces of a body.
	IdleTimeout time.Duration
	// Folder is where bodies are kept until they are known to be whole; "": the
	// system's.
	Folder string
	// Resolver looks names up; nil: the system's.
	Resolver Resolver
	// RootCAs are what https servers are verified with; nil: the system's.
	RootCAs *x509.CertPool
	// Progress is told of a body as it comes: octets so far, and in all or -1;
	// may be nil.
	Progress func(url string, done, size int64)
}

// Client downloads CRLs. It is safe for concurrent use.
type Client struct {
	config ClientConfig
	http   *http.Client
	dialer *dialer
	large  chan struct{} // held by the one body that is longer than smallBody
	random func() float64
	pause  time.Duration // before the second attempt; tests shorten it
	grace  time.Duration // for a slow body to gain speed; likewise
}

// NewClient returns a client.
func NewClient(c ClientConfig) *Client {
	if c.MaxBytes <= 0 {
		c.MaxBytes = DefaultMaxBytes
	}
	c.MaxBytes = min(c.MaxBytes, MaxBytes)
	if c.Timeout <= 0 {
		c.Timeout = DefaultTimeout
	}
	if c.IdleTimeout <= 0 {
		c.IdleTimeout = DefaultIdleTimeout
	}
	if c.Resolver == nil {
		c.Resolver = net.DefaultResolver
	}
	d := &dialer{resolver: c.Resolver, allow: c.AllowHosts, timeout: min(connectTimeout, c.IdleTimeout), connect: connect}
	cl := &Client{config: c, dialer: d, large: make(chan struct{}, 1), random: rand.Float64, pause: firstPause, grace: defaultGrace}
	cl.http = &http.Client{
		CheckRedirect: checkRedirect,
		Transport: &http.Transport{
			// No Proxy: a proxy would look names up and connect in our place,
			// where nobody checks the address.
			DialContext:            d.dial,
			TLSClientConfig:        &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: c.RootCAs},
			TLSHandshakeTimeout:    min(connectTimeout, c.IdleTimeout),
			ResponseHeaderTimeout:  c.IdleTimeout,
			MaxResponseHeaderBytes: maxHeaderBytes,
			// Each look connects anew: a connection kept would outlive the
			// check of its address, and Lambda's freeze.
			DisableKeepAlives:  true,
			DisableCompression: true,
		},
	}
	return cl
}

func connect(ctx context.Context, d *net.Dialer, network, address string) (net.Conn, error) {
	return d.DialContext(ctx, network, address)
}

// Validators are what a server gave to tell later whether something has changed
// (RFC 9110 §8.8).
type Validators struct {
	ETag         string `json:"etag,omitempty"`
	LastModified string `json:"last_modified,omitempty"`
}

// Any reports whether there is one.
func (v Validators) Any() bool { return v.ETag != "" || v.LastModified != "" }

// Download is a body that came whole and is a CertificateList. It must be closed.
type Download struct {
	// NotModified: the server says that it is what the validators were given
	// with; nothing else is set then.
	NotModified bool
	Body        *os.File // at its beginning; removed by Close
	Size        int64
	SHA256      [sha256.Size]byte
	Validators
	// List is what the CRL says, its entries apart; nil where it holds
	// something that only the preprocessor judges.
	List *crl.List
	// Bytes is how many octets of bodies were read, those of attempts that
	// failed included.
	Bytes int64
}

// Close removes the body.
func (d *Download) Close() error {
	if d == nil || d.Body == nil {
		return nil
	}
	return errors.Join(d.Body.Close(), os.Remove(d.Body.Name()))
}

// Get downloads a CRL to a temporary file, or finds that it is still what the
// validators were given with. What a moment may cure is tried again, within the
// time that a look may take. The error is a *[Failure], or the context's.
func (c *Client) Get(ctx context.Context, text string, have Validators) (*Download, error) {
	u, failure := parse(text)
	if failure != nil {
		return nil, failure
	}
	whole := ctx
	ctx, cancel := context.WithTimeout(ctx, c.config.Timeout)
	defer cancel()
	var read int64
	for attempt := 1; ; attempt++ {
		d, err := c.try(ctx, u, have, &read)
		if err == nil {
			d.Bytes = read
			return d, nil
		}
		failure := c.explain(ctx, err)
		if whole.Err() != nil {
			return nil, fmt.Errorf("fetching %s: %w", text, context.Cause(whole))
		}
		if !failure.transient || attempt == attempts || !c.wait(ctx, attempt, failure) {
			return &Download{Bytes: read}, failure
		}
	}
}

// parse reads a URL that is to be fetched.
func parse(text string) (*url.URL, *Failure) {
	u, err := issuer.ParseCRLURL(text)
	switch {
	case errors.Is(err, issuer.ErrURLScheme):
		return nil, failed(SchemeUnsupported, "%v; have the CA publish its CRL by http, or upload it by other means", err)
	case err != nil:
		return nil, failed(URLInvalid, "it is %v", err)
	}
	return u, nil
}

// wait waits before the next attempt; false where that is not worth it now.
func (c *Client) wait(ctx context.Context, attempt int, f *Failure) bool {
	pause := c.pause << (attempt - 1)
	pause = pause/2 + time.Duration(c.random()*float64(pause)) // half to one and a half
	if f.RetryAfter > longestPause {
		return false
	}
	pause = max(pause, f.RetryAfter)
	if deadline, ok := ctx.Deadline(); ok && time.Until(deadline) < pause {
		return false
	}
	t := time.NewTimer(pause)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-t.C:
		return true
	}
}

// try makes one attempt.
func (c *Client) try(ctx context.Context, u *url.URL, have Validators, read *int64) (*Download, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, u.String(), nil)
	if err != nil {
		return nil, failed(URLInvalid, "%v", err)
	}
	req.Header.Set("Accept", "application/pkix-crl, application/octet-stream, */*;q=0.1")
	req.Header.Set("Accept-Encoding", "identity")
	req.Header.Set("User-Agent", "crlgate-fetcher")
	if have.ETag != "" {
		req.Header.Set("If-None-Match", have.ETag)
	}
	if have.LastModified != "" {
		req.Header.Set("If-Modified-Since", have.LastModified)
	}
	resp, err := c.http.Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	if resp.StatusCode == http.StatusNotModified && have.Any() {
		return &Download{NotModified: true}, nil
	}
	if f := refuseStatus(resp, time.Now()); f != nil {
		return nil, f
	}
	d, err := c.body(ctx, cancel, u.String(), resp, read)
	if err != nil {
		return nil, err
	}
	d.Validators = Validators{validator(resp.Header.Get("ETag")), validator(resp.Header.Get("Last-Modified"))}
	return d, nil
}

// validator is a header that is worth giving back.
func validator(text string) string {
	if len(text) > maxValidator || strings.ContainsFunc(text, func(r rune) bool { return r < ' ' || r > '~' }) {
		return ""
	}
	return text
}

// refuseStatus says what is wrong with a status other than 200; nil: nothing.
func refuseStatus(resp *http.Response, now time.Time) *Failure {
	status := strconv.Itoa(resp.StatusCode)
	if text := http.StatusText(resp.StatusCode); text != "" {
		status += " " + text
	}
	switch code := resp.StatusCode; {
	case code == http.StatusOK:
		return nil
	case code == http.StatusNotModified:
		return failed(NotModifiedUnasked, "the server answered %s to a request without a condition; have it mended", status)
	case code == http.StatusTooManyRequests:
		f := transient(RateLimited, "the server asks for fewer requests (%s)", status)
		f.RetryAfter = retryAfter(resp.Header.Get("Retry-After"), now)
		return f
	case code >= 500:
		f := transient(ServerError, "the server answered %s", status)
		f.RetryAfter = retryAfter(resp.Header.Get("Retry-After"), now)
		return f
	case code == http.StatusNotFound || code == http.StatusGone:
		return failed(StatusRefused, "the server answered %s: ask the CA where its CRL is now, and put the URL right", status)
	}
	return failed(StatusRefused, "the server answered %s, which is no CRL", status)
}

// retryAfter reads Retry-After (RFC 9110 §10.2.3): seconds, or a date. 0: none.
func retryAfter(text string, now time.Time) time.Duration {
	const most = 24 * time.Hour
	if n, err := strconv.ParseUint(text, 10, 32); err == nil {
		return min(time.Duration(n)*time.Second, most)
	}
	if at, err := http.ParseTime(text); err == nil {
		return max(0, min(at.Sub(now), most))
	}
	return 0
}

// checkRedirect looks at where a server points: as many as a few, and each a URL
// that could have been asked for in the first place.
func checkRedirect(req *http.Request, via []*http.Request) error {
	if len(via) > maxRedirects {
		return failed(TooManyRedirects, "more than %d redirects; the last points to %s", maxRedirects, clip(req.URL.Redacted()))
	}
	if _, f := parse(req.URL.String()); f != nil {
		return failed(RedirectRefused, "the server redirects to %s: %s", clip(req.URL.Redacted()), f.Detail)
	}
	req.Header.Del("Referer")
	return nil
}

func clip(s string) string {
	if len(s) > maxStatusDetail {
		return s[:maxStatusDetail] + "…"
	}
	return s
}
