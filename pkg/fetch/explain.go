package fetch

import (
	"compress/flate"
	"compress/gzip"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"strings"
	"syscall"
)

// explain turns what went wrong in an attempt into a failure with a code.
func (c *Client) explain(ctx context.Context, err error) *Failure {
	var own *Failure
	if errors.As(err, &own) {
		return own
	}
	if asked := (*url.Error)(nil); errors.As(err, &asked) {
		err = asked.Err // it repeats the URL, which the report has
	}
	if f := explainTLS(err); f != nil {
		return f
	}
	var netError net.Error
	var path *os.PathError
	switch {
	case full(err):
		return failed(NoSpace, "writing the temporary file: %v; give the function more ephemeral storage, or lower MAX_CRL_BYTES", err)
	case errors.As(err, &path):
		return failed(NoSpace, "writing the temporary file: %v", err)
	case errors.Is(err, errSilent), errors.Is(context.Cause(ctx), errSilent):
		return transient(TimedOut, "the server was silent for %v", c.config.IdleTimeout)
	case ctx.Err() != nil:
		return transient(TimedOut, "it took more than the %v that a look may take", c.config.Timeout)
	case errors.Is(err, context.DeadlineExceeded), errors.As(err, &netError) && netError.Timeout():
		return transient(TimedOut, "the server did not answer in time: %v", err)
	case errors.Is(err, context.Canceled):
		return transient(TimedOut, "the server was silent for %v", c.config.IdleTimeout)
	case errors.Is(err, gzip.ErrHeader), errors.Is(err, gzip.ErrChecksum), isFlate(err):
		return failed(AnswerMalformed, "the body is said to be gzip and is not: %v", err)
	case errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, io.EOF):
		return transient(BodyTruncated, "the answer ended before it was whole (%v)", err)
	case errors.Is(err, syscall.ECONNREFUSED), errors.Is(err, syscall.EHOSTUNREACH), errors.Is(err, syscall.ENETUNREACH), dialing(err):
		return transient(ConnectFailed, "connecting failed: %v", err)
	case errors.Is(err, syscall.ECONNRESET), errors.Is(err, syscall.EPIPE), errors.Is(err, net.ErrClosed):
		return transient(ConnectionBroken, "the connection broke: %v", err)
	}
	text := clip(printable(err.Error()))
	if strings.Contains(text, "missing Location") || strings.Contains(text, "failed to parse Location") {
		return failed(RedirectRefused, "the server redirects to nowhere: %s", text)
	}
	return failed(AnswerMalformed, "the answer is not what HTTP allows: %s", text)
}

// explainTLS explains what is wrong with the server's certificate or its TLS;
// nil: nothing of that kind.
func explainTLS(err error) *Failure {
	var verify *tls.CertificateVerificationError
	var unknown x509.UnknownAuthorityError
	var invalid x509.CertificateInvalidError
	var host x509.HostnameError
	var alert tls.AlertError
	var record tls.RecordHeaderError
	switch {
	case errors.Is(err, http.ErrSchemeMismatch):
		return failed(TLSFailed, "the server does not speak TLS; ask it by http")
	case errors.As(err, &verify), errors.As(err, &unknown), errors.As(err, &invalid), errors.As(err, &host):
		return failed(TLSFailed, "the server's certificate does not verify: %v; CRLs are signed, so that http will do as well", err)
	case errors.As(err, &alert), errors.As(err, &record), strings.HasPrefix(err.Error(), "tls: "), strings.HasPrefix(err.Error(), "remote error: tls: "):
		return failed(TLSFailed, "the TLS handshake failed: %s", clip(printable(err.Error())))
	}
	return nil
}

func isFlate(err error) bool {
	var corrupt flate.CorruptInputError
	return errors.As(err, &corrupt)
}

// dialing reports whether an error is of a connection that was not made.
func dialing(err error) bool {
	var op *net.OpError
	return errors.As(err, &op) && op.Op == "dial"
}

// printable is a text of a server's as a report may hold it.
func printable(s string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f || r == '�' {
			return '?'
		}
		return r
	}, s)
}
