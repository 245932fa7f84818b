package lambdaruntime

import (
	"encoding/json"
	"errors"
	"fmt"
	"time"
)

// Limits of the Lambda service, in bytes
// (https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html).
const (
	// MaxRequestBytes is the largest payload of a synchronous invocation.
	MaxRequestBytes = 6 << 20
	// MaxAsyncRequestBytes is the largest payload of an asynchronous invocation.
	MaxAsyncRequestBytes = 1 << 20
	// MaxResponseBytes is the largest response: 6 MB and the 100 bytes that Lambda
	// grants on top.
	MaxResponseBytes = 6<<20 + 100
)

// Error types that the Lambda service itself reports, as in [Result.ErrorType].
const (
	// ErrorTypeExit says that the process ended before it answered.
	ErrorTypeExit = "Runtime.ExitError"
	// ErrorTypeTimeout says that init or the invocation reached its time limit.
	ErrorTypeTimeout = "Sandbox.Timedout"
	// ErrorTypeEntrypoint says that the binary could not be executed.
	ErrorTypeEntrypoint = "Runtime.InvalidEntrypoint"
	// ErrorTypeResponseSize says that the answer was larger than MaxResponseBytes.
	ErrorTypeResponseSize = "Function.ResponseSizeTooLarge"
)

var (
	// ErrClosed is returned by a function that has been closed, also for
	// invocations that were under way.
	ErrClosed = errors.New("function is closed")
	// ErrInvalidPayload says that an event is not JSON, which Lambda refuses
	// (InvalidRequestContentException).
	ErrInvalidPayload = errors.New("payload is not valid JSON")
)

// A ThrottleError says that every environment that the function may have is
// busy (Lambda's TooManyRequestsException, HTTP 429).
type ThrottleError struct {
	Function string // function name
	Limit    int    // Config.MaxEnvironments
}

func (e *ThrottleError) Error() string {
	return fmt.Sprintf("invoking %s: throttled: all %d environments are busy; retry later or raise MaxEnvironments", e.Function, e.Limit)
}

// A PayloadSizeError says that an event is larger than Lambda accepts
// (RequestTooLargeException, HTTP 413).
type PayloadSizeError struct {
	Function string // function name
	Size     int    // bytes
	Limit    int    // bytes
}

func (e *PayloadSizeError) Error() string {
	return fmt.Sprintf("invoking %s: payload of %d bytes is larger than the %d that Lambda accepts", e.Function, e.Size, e.Limit)
}

// A QueueFullError says that the queue of asynchronous events has reached
// Config.AsyncQueueBytes.
type QueueFullError struct {
	Function string // function name
	Events   int    // events waiting
	Limit    int    // bytes
}

func (e *QueueFullError) Error() string {
	return fmt.Sprintf("queueing an event for %s: the queue is full: %d events wait, its limit is %d bytes; wait for Drain or raise AsyncQueueBytes", e.Function, e.Events, e.Limit)
}

// A FunctionError is a [Result] that says the function failed, as a Go error.
type FunctionError struct {
	Function  string // function name
	RequestID string
	Type      string // errorType of the error document
	Message   string // errorMessage of the error document
}

func (e *FunctionError) Error() string {
	return fmt.Sprintf("function %s failed in request %s: %s: %s", e.Function, e.RequestID, e.Type, e.Message)
}

// A Result is the outcome of one invocation.
type Result struct {
	// Function is the function's name.
	Function string
	// RequestID identifies the invocation; retries of one asynchronous event share it.
	RequestID string
	// Payload is the function's answer, or the error document when FunctionError
	// is set: the bytes that the process posted, unchanged.
	Payload []byte
	// FunctionError is empty for success and "Unhandled" for a function error, as
	// in Lambda's X-Amz-Function-Error header.
	FunctionError string
	// ErrorType and ErrorMessage are taken from the error document.
	ErrorType, ErrorMessage string
	// ColdStart says that the invocation waited for its environment's init.
	ColdStart bool
	// InitDuration is the time from the start of the process to its first request
	// for an event; zero unless ColdStart.
	InitDuration time.Duration
	// Duration is the time from the delivery of the event to the request for the
	// next one, or to the end of the process; zero if init failed.
	Duration time.Duration
	// PID is the process that served the invocation; zero if none could be started.
	PID int
}

// Err returns nil for success and a *FunctionError for a function error.
func (r Result) Err() error {
	if r.FunctionError == "" {
		return nil
	}
	return &FunctionError{Function: r.Function, RequestID: r.RequestID, Type: r.ErrorType, Message: r.ErrorMessage}
}

// An errorDocument is the body of an error as runtimes and Lambda write it.
type errorDocument struct {
	Type    string `json:"errorType"`
	Message string `json:"errorMessage"`
}

// setError makes r a function error reported by the runtime with document as
// its body; header is the type given in a header or trailer, used if the
// document has none.
func (r *Result) setError(document []byte, header string) {
	var d errorDocument
	// A document of another form is passed on as it is, only without a message.
	_ = json.Unmarshal(document, &d)
	if d.Type == "" {
		d.Type = header
	}
	r.Payload, r.FunctionError, r.ErrorType, r.ErrorMessage = document, "Unhandled", d.Type, d.Message
}

// setServiceError makes r a function error reported by Lambda itself.
func (r *Result) setServiceError(errorType, message string) {
	d := errorDocument{Type: errorType, Message: message}
	document, _ := json.Marshal(d) // two strings always marshal
	r.Payload, r.FunctionError, r.ErrorType, r.ErrorMessage = document, "Unhandled", d.Type, d.Message
}
