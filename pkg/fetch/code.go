package fetch

import (
	"fmt"
	"time"
)

// Code says what became of the last look at a URL. docs/codes.md lists them all.
type Code string

// The codes: first those of success.
const (
	Fetched     Code = "fetched"      // new bytes, written to the upload bucket
	NotModified Code = "not_modified" // 304: still what was fetched before
	SameBytes   Code = "same_bytes"   // a whole answer, of the bytes that lie there already

	URLInvalid         Code = "url_invalid"
	SchemeUnsupported  Code = "scheme_unsupported"
	AddressRefused     Code = "address_refused"
	NameNotResolved    Code = "name_not_resolved"
	ConnectFailed      Code = "connect_failed"
	TLSFailed          Code = "tls_failed"
	TimedOut           Code = "timed_out"
	TooSlow            Code = "too_slow"
	ConnectionBroken   Code = "connection_broken"
	ServerError        Code = "server_error"
	RateLimited        Code = "rate_limited"
	StatusRefused      Code = "status_unexpected"
	NotModifiedUnasked Code = "not_modified_unasked"
	TooManyRedirects   Code = "too_many_redirects"
	RedirectRefused    Code = "redirect_refused"
	AnswerMalformed    Code = "answer_malformed"
	EncodingRefused    Code = "encoding_unsupported"
	BodyTruncated      Code = "body_truncated"
	BodyTooLarge       Code = "body_too_large"
	NotACRL            Code = "not_a_crl"
	NoSpace            Code = "no_space"
	UploadFailed       Code = "upload_failed"
)

// Failure says why a URL brought nothing. Its text names the fault and the
// remedy, and holds nothing of a body.
type Failure struct {
	Code   Code
	Detail string
	// RetryAfter is how long the server asked to wait; 0: it did not.
	RetryAfter time.Duration
	// transient: the same may work a moment later.
	transient bool
}

// Error returns the detail and the code.
func (f *Failure) Error() string { return fmt.Sprintf("%s (%s)", f.Detail, f.Code) }

func failed(code Code, format string, args ...any) *Failure {
	return &Failure{Code: code, Detail: fmt.Sprintf(format, args...)}
}

func transient(code Code, format string, args ...any) *Failure {
	f := failed(code, format, args...)
	f.transient = true
	return f
}
