package objectstore

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"

	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/smithy-go"
	smithyhttp "github.com/aws/smithy-go/transport/http"
)

// Sentinels to branch on with errors.Is.
var (
	// ErrNotModified: the object still is the version of IfNoneMatch (304).
	ErrNotModified = errors.New("not modified")
	// ErrNotFound: no object under the key, or no such version of it (404).
	ErrNotFound = errors.New("no such object")
	// ErrNoBucket: there is no such bucket (404 NoSuchBucket). It is not
	// ErrNotFound, so that a mistyped bucket does not pass for an empty one; but a
	// Head cannot tell them apart.
	ErrNoBucket = errors.New("no such bucket")
	// ErrPreconditionFailed: the object is not as IfMatch or IfNoneMatch wants
	// it (412). S3 answers 404 to a write with If-Match on a key without an
	// object; that is this error and ErrNotFound both.
	ErrPreconditionFailed = errors.New("object is not the expected version")
	// ErrConflict: another write was under way (409 ConditionalRequestConflict or
	// OperationAborted). Nothing was written; the SDK does not try again, so the
	// caller does.
	ErrConflict = errors.New("conflicting write under way")
	// ErrForbidden: S3 denies access (403). To a caller without s3:ListBucket, a
	// missing key looks like this too.
	ErrForbidden = errors.New("access denied")
	// ErrRange: the range begins at or after the object's end (416).
	ErrRange = errors.New("range not satisfiable")
	// ErrUnavailable: S3 could not be asked, did not answer in time, answered
	// 5xx or asked to slow down, or a body broke off. The same may work later.
	ErrUnavailable = errors.New("S3 is unavailable")
)

// Op says what was being done to an object.
type Op string

// The operations, as they read in an error.
const (
	OpGet    Op = "getting"
	OpRead   Op = "reading" // the body, after a Get
	OpHead   Op = "looking up"
	OpPut    Op = "writing"
	OpDelete Op = "deleting"
	OpList   Op = "listing"
)

// Error is the error of every operation of a bucket. Branch on the sentinels;
// the fields are for reports. It never says what the object holds.
type Error struct {
	Op          Op
	Bucket, Key string // the key is the prefix when listing
	// Status, Code, Message and RequestID are what S3 answered; Status is 0 if
	// there was no answer, Code and Message are "" where S3 has no words for it.
	Status                   int
	Code, Message, RequestID string
	// Attempts is how often it was tried; 0: not told.
	Attempts int
	// IfMatch: it was a write conditional on a version.
	IfMatch bool
	Err     error // what the SDK, or the network, said
}

// Is reports whether target is the sentinel, or one of the two, of this error.
func (e *Error) Is(target error) bool {
	kind, also := e.kinds()
	return target != nil && (target == kind || target == also)
}

// Unwrap returns what the SDK, or the network, said.
func (e *Error) Unwrap() error { return e.Err }

// kinds maps what S3 answered to sentinels; nil for what has none.
func (e *Error) kinds() (kind, also error) {
	if e.Status == 0 {
		return e.kindUnanswered(), nil
	}
	if transientCodes[e.Code] {
		return ErrUnavailable, nil
	}
	switch e.Status {
	case http.StatusNotModified:
		return ErrNotModified, nil
	case http.StatusForbidden:
		return ErrForbidden, nil
	case http.StatusNotFound:
		if e.Code == "NoSuchBucket" {
			return ErrNoBucket, nil
		}
		if e.IfMatch {
			return ErrPreconditionFailed, ErrNotFound
		}
		return ErrNotFound, nil
	case http.StatusMethodNotAllowed:
		// Reading a version that is a delete marker: the object was gone then.
		if e.Op == OpGet || e.Op == OpHead {
			return ErrNotFound, nil
		}
	case http.StatusConflict:
		if e.Code == "ConditionalRequestConflict" || e.Code == "OperationAborted" {
			return ErrConflict, nil
		}
		return nil, nil // such as a name that is taken: trying again does not help
	case http.StatusPreconditionFailed:
		return ErrPreconditionFailed, nil
	case http.StatusRequestedRangeNotSatisfiable:
		return ErrRange, nil
	case http.StatusRequestTimeout, http.StatusTooManyRequests:
		return ErrUnavailable, nil
	case http.StatusNotImplemented:
		return nil, nil
	}
	if e.Status >= 500 {
		return ErrUnavailable, nil
	}
	return e.kindUnanswered(), nil
}

// transientCodes are S3's error codes that call for another try, whatever their
// status (Amazon S3 API Reference, "Error responses").
var transientCodes = map[string]bool{
	"SlowDown": true, "Throttling": true, "ThrottlingException": true, "RequestLimitExceeded": true,
	"RequestTimeout": true, "InternalError": true, "ServiceUnavailable": true,
	// The body did not arrive as it was sent.
	"BadDigest": true, "IncompleteBody": true,
	// The clock, after a freeze; the SDK corrects it from the answer's date.
	"RequestTimeTooSkewed": true,
}

// kindUnanswered is for errors without a status of their own: the network's, and
// answers that broke off.
func (e *Error) kindUnanswered() error {
	var timeout net.Error
	var sending *smithyhttp.RequestSendError
	var silence *timeoutError
	switch {
	case e.Err == nil || cancelled(e.Err) || errors.Is(e.Err, errClosed):
		return nil
	case e.Op == OpRead,
		errors.As(e.Err, &sending), errors.As(e.Err, &silence),
		errors.As(e.Err, &timeout) && timeout.Timeout(),
		errors.Is(e.Err, context.DeadlineExceeded), errors.Is(e.Err, io.ErrUnexpectedEOF):
		return ErrUnavailable
	}
	return nil
}

// Error names the operation, the object, the fault and, where there is one, the remedy.
func (e *Error) Error() string {
	var s strings.Builder
	fmt.Fprintf(&s, "%s s3://%s/%s: ", e.Op, e.Bucket, printable(e.Key))
	kind, also := e.kinds()
	if kind != nil {
		s.WriteString(kind.Error())
		if also != nil {
			s.WriteString(": " + also.Error())
		}
	}
	if e.Status != 0 {
		if kind != nil {
			s.WriteString(" ")
		}
		s.WriteString(e.answer())
	}
	if text := e.cause(); text != "" {
		if kind != nil || e.Status != 0 {
			s.WriteString(": ")
		}
		s.WriteString(text)
	}
	if remedy := remedies[kind]; remedy != "" {
		s.WriteString(": " + remedy)
	}
	return s.String()
}

var remedies = map[error]string{
	ErrForbidden: "the caller lacks a permission, or the key does not exist: without s3:ListBucket on the bucket, S3 answers 403 for a missing key",
	ErrNoBucket:  "check the bucket's name and region",
	ErrConflict:  "nothing was written, try again",
}

// answer is what S3 said, in brackets.
func (e *Error) answer() string {
	parts := []string{strconv.Itoa(e.Status)}
	if e.Code != "" {
		parts[0] += " " + e.Code
	}
	if e.Message != "" {
		parts[0] += ": " + strings.TrimSuffix(e.Message, ".")
	}
	if e.Attempts > 1 {
		parts = append(parts, fmt.Sprintf("%d attempts", e.Attempts))
	}
	if e.RequestID != "" {
		parts = append(parts, "request id "+e.RequestID)
	}
	return "(" + strings.Join(parts, ", ") + ")"
}

// cause is the text of an error that is not an answer of S3.
func (e *Error) cause() string {
	var api smithy.APIError
	if e.Err == nil || errors.As(e.Err, &api) {
		return ""
	}
	err := e.Err
	var operation *smithy.OperationError
	if errors.As(err, &operation) {
		err = operation.Err
	}
	var sending *smithyhttp.RequestSendError
	if errors.As(err, &sending) {
		err = sending.Err
	}
	if e.Status == 0 && e.Attempts > 1 {
		return fmt.Sprintf("after %d attempts: %v", e.Attempts, err)
	}
	return err.Error()
}

// failure returns how an error of that operation is told.
func (b *Bucket) failure(op Op, key string) func(*call, error) error {
	return func(c *call, err error) error {
		e := &Error{Op: op, Bucket: b.name, Key: key, Err: err}
		if c != nil {
			e.Attempts = int(c.attempts.Load())
		}
		var response *awshttp.ResponseError
		if errors.As(err, &response) && response.Response != nil {
			e.Status, e.RequestID = response.HTTPStatusCode(), response.RequestID
		}
		var api smithy.APIError
		if errors.As(err, &api) {
			e.Code, e.Message = api.ErrorCode(), api.ErrorMessage()
		}
		return e
	}
}

// printable is the key as it can stand on one line.
func printable(key string) string {
	quoted := strconv.Quote(key)
	return quoted[1 : len(quoted)-1]
}

// TooLargeError says that a body is longer than the caller, or S3, takes.
type TooLargeError struct {
	Op          Op
	Bucket, Key string
	Limit, Size int64 // bytes
}

func (e *TooLargeError) Error() string {
	return fmt.Sprintf("%s s3://%s/%s: %d bytes are more than the limit of %d", e.Op, e.Bucket, printable(e.Key), e.Size, e.Limit)
}

// IsTransient reports whether the same call may succeed later: S3 was
// [ErrUnavailable], a write met another ([ErrConflict]), a body broke off, or
// time ran out. A caller's own cancellation is not transient.
func IsTransient(err error) bool {
	return errors.Is(err, ErrUnavailable) || errors.Is(err, ErrConflict) ||
		errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, context.DeadlineExceeded)
}
