package fetch

import (
	"compress/gzip"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"syscall"
	"time"

	"github.com/crlgate/crlgate/pkg/crl"
)

const (
	// smallBody is how long bodies may be that are kept beside each other; of
	// longer ones there is one at a time, so that space for that one and
	// Parallel small ones is enough.
	smallBody = 8 << 20

	// A body that comes slower than slowest on average is given up after
	// defaultGrace: one octet now and then keeps any idle timeout from ending it.
	slowest      = 1 << 10 // octets a second
	defaultGrace = 30 * time.Second
)

// errTooSlow and errSilent are why a body is given up.
var (
	errTooSlow = transient(TooSlow, "the body comes at less than %d bytes a second", slowest)
	errSilent  = errors.New("silent")
)

// body reads a body to a temporary file and looks whether it is a CRL. cancel
// ends the request.
func (c *Client) body(ctx context.Context, cancel context.CancelCauseFunc, url string, resp *http.Response, read *int64) (_ *Download, err error) {
	if resp.ContentLength > c.config.MaxBytes {
		return nil, c.tooLarge(fmt.Sprintf("%d bytes", resp.ContentLength))
	}
	f, err := os.CreateTemp(c.config.Folder, "crlgate-fetch-*")
	if err != nil {
		return nil, failed(NoSpace, "making a temporary file: %v", err)
	}
	d := &Download{Body: f}
	defer func() {
		if err != nil {
			_ = d.Close() // what failed goes before it
		}
	}()
	idle := time.AfterFunc(c.config.IdleTimeout, func() { cancel(errSilent) })
	defer idle.Stop()
	in := &source{ctx: ctx, r: resp.Body, idle: idle, limit: c.config.IdleTimeout, began: time.Now(), read: read, client: c, url: url, size: resp.ContentLength}
	defer in.release()
	decoded, err := decode(in, resp.Header.Get("Content-Encoding"))
	if err != nil {
		return nil, err
	}
	sum := sha256.New()
	n, err := io.Copy(io.MultiWriter(f, sum), &capped{r: decoded, left: c.config.MaxBytes, over: c.tooLarge("more")})
	idle.Stop()
	if err != nil {
		return nil, err
	}
	d.Size = n
	sum.Sum(d.SHA256[:0])
	if err := d.look(resp); err != nil {
		return nil, err
	}
	return d, nil
}

func (c *Client) tooLarge(what string) *Failure {
	return failed(BodyTooLarge, "the body has %s, and MAX_CRL_BYTES allows %d; raise it if the CRL is meant to be so large", what, c.config.MaxBytes)
}

// look reads the header of what came. Whether it is to be believed is for the
// preprocessor; here it must be one whole CertificateList.
func (d *Download) look(resp *http.Response) error {
	if d.Size == 0 {
		return failed(NotACRL, "the body is empty")
	}
	if _, err := d.Body.Seek(0, io.SeekStart); err != nil {
		return failed(NoSpace, "reading the temporary file: %v", err)
	}
	list, err := crl.ReadHeader(d.Body, 0)
	var fault *crl.Error
	switch {
	case err == nil:
		d.List = list
	case !errors.As(err, &fault):
		return failed(NoSpace, "reading the temporary file: %v", err)
	case fault.Code == crl.Malformed || fault.Code == crl.TrailingData || fault.Code == crl.TooLarge:
		what := "what came"
		if kind := resp.Header.Get("Content-Type"); kind != "" {
			what = fmt.Sprintf("what came (%d bytes of %s)", d.Size, clip(validator(kind)))
		}
		return failed(NotACRL, "%s is no CRL in DER or PEM: %v", what, fault)
	}
	if _, err := d.Body.Seek(0, io.SeekStart); err != nil {
		return failed(NoSpace, "reading the temporary file: %v", err)
	}
	return nil
}

// source is a body as it comes: counted, and given up when it stands still or
// crawls.
type source struct {
	ctx    context.Context
	r      io.Reader
	idle   *time.Timer
	limit  time.Duration
	began  time.Time
	waited time.Duration // of that, for the place of the large body
	n      int64
	read   *int64
	client *Client
	url    string
	size   int64
	holds  bool // the place of the large body
}

func (s *source) Read(p []byte) (int, error) {
	s.idle.Reset(s.limit)
	n, err := s.r.Read(p)
	s.idle.Stop()
	s.n += int64(n)
	*s.read += int64(n)
	if s.client.config.Progress != nil {
		s.client.config.Progress(s.url, s.n, s.size)
	}
	if took := time.Since(s.began) - s.waited; err == nil && took > s.client.grace && s.n < int64(took/time.Second)*slowest {
		return n, errTooSlow
	}
	if err == nil && s.n > smallBody && !s.holds {
		err = s.hold()
	}
	return n, err
}

// hold waits for the place of the large body.
func (s *source) hold() error {
	began := time.Now()
	select {
	case s.client.large <- struct{}{}:
		s.holds = true
		s.waited += time.Since(began)
		return nil
	case <-s.ctx.Done():
		return s.ctx.Err()
	}
}

func (s *source) release() {
	if s.holds {
		<-s.client.large
	}
}

// decode undoes a content encoding. None is asked for; some servers send gzip
// all the same, because the file on their disk is.
func decode(r io.Reader, encoding string) (io.Reader, error) {
	switch strings.ToLower(strings.TrimSpace(encoding)) {
	case "", "identity":
		return r, nil
	case "gzip", "x-gzip":
		z, err := gzip.NewReader(r)
		if err != nil {
			return nil, fmt.Errorf("decoding gzip: %w", err)
		}
		return z, nil
	}
	return nil, failed(EncodingRefused, "the body is encoded as %q, which was not asked for; have the server send it as it is", clip(validator(encoding)))
}

// capped ends in an error once there is more than it may hand over.
type capped struct {
	r    io.Reader
	left int64
	over error
}

func (c *capped) Read(p []byte) (int, error) {
	if int64(len(p)) > c.left+1 {
		p = p[:c.left+1]
	}
	n, err := c.r.Read(p)
	if c.left -= int64(n); c.left < 0 {
		return 0, c.over
	}
	return n, err
}

// full reports whether an error is that of a full disk.
func full(err error) bool { return errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) }
