package objectstore

import (
	"context"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/smithy-go/middleware"
)

// timeoutError says that an attempt was given up because S3 was silent for too
// long. It does not unwrap to the cancellation that ended the attempt, which the
// SDK would take for the caller's and not try again.
type timeoutError struct{ silence time.Duration }

func (e *timeoutError) Error() string {
	return fmt.Sprintf("no answer within %v", e.silence)
}

// Timeout and RetryableError are what the SDK's retryer asks.
func (e *timeoutError) Timeout() bool        { return true }
func (e *timeoutError) RetryableError() bool { return true }

// call is one call of the S3 API: it bounds each of its attempts, and counts them.
type call struct {
	limit    time.Duration
	attempts atomic.Int32
	last     *attempt // the attempt whose answer the caller got
}

// call returns the SDK option that bounds the attempts of one call to limit
// each, and the call to look at afterwards. Its last attempt must be ended.
func (b *Bucket) call(limit time.Duration) (*call, func(*s3.Options)) {
	c := &call{limit: limit}
	return c, func(o *s3.Options) {
		// An object without a checksum is no news for the log.
		o.DisableLogOutputChecksumValidationSkipped = true
		if b.limits.maxAttempts > 0 {
			o.RetryMaxAttempts = b.limits.maxAttempts
		}
		o.APIOptions = append(o.APIOptions, func(stack *middleware.Stack) error {
			return stack.Finalize.Insert(c, "Retry", middleware.After)
		})
	}
}

// end gives up what the last attempt still holds.
func (c *call) end() {
	if c.last != nil {
		c.last.end()
	}
}

// ID names the middleware.
func (c *call) ID() string { return "crlgate:AttemptTimeout" }

// HandleFinalize makes one attempt. Attempts of one call follow one another, so
// last needs no lock.
func (c *call) HandleFinalize(ctx context.Context, in middleware.FinalizeInput, next middleware.FinalizeHandler) (
	middleware.FinalizeOutput, middleware.Metadata, error,
) {
	c.attempts.Add(1)
	c.end()
	c.last = newAttempt(ctx, c.limit)
	c.last.arm()
	out, meta, err := next.HandleFinalize(c.last.ctx, in)
	c.last.disarm()
	if err != nil {
		err = c.last.explain(err)
	}
	return out, meta, err
}

// attempt is a context that is cancelled when nothing comes for too long.
type attempt struct {
	ctx    context.Context
	cancel context.CancelCauseFunc
	limit  time.Duration
	timer  *time.Timer // nil: no bound
}

func newAttempt(ctx context.Context, limit time.Duration) *attempt {
	a := &attempt{limit: limit}
	a.ctx, a.cancel = context.WithCancelCause(ctx)
	return a
}

// arm starts, or starts again, the time within which something must come.
func (a *attempt) arm() {
	switch {
	case a.limit <= 0:
	case a.timer == nil:
		a.timer = time.AfterFunc(a.limit, func() { a.cancel(&timeoutError{a.limit}) })
	default:
		a.timer.Reset(a.limit)
	}
}

func (a *attempt) disarm() {
	if a.timer != nil {
		a.timer.Stop()
	}
}

func (a *attempt) end() {
	a.disarm()
	a.cancel(nil)
}

// explain returns the reason why the attempt was cancelled, if it was by its own
// bound, else err.
func (a *attempt) explain(err error) error {
	if cause, ok := context.Cause(a.ctx).(*timeoutError); ok {
		return cause
	}
	return err
}
