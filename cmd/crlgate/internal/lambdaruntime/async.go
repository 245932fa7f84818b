package lambdaruntime

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"
)

const (
	// eventOverhead is counted for each queued event besides its payload.
	eventOverhead = 1 << 10
	// systemRetry is the wait after a failure that is not the function's.
	systemRetry = time.Second
)

// An event waits in the queue, for a retry, or for its invocation to end.
type event struct {
	id       string
	payload  []byte
	queued   time.Time
	attempts int
	last     *Result // of the latest attempt
}

// An asyncQueue holds a function's asynchronous events, guarded by Function.mu.
type asyncQueue struct {
	waiting []*event               // ready to be invoked, in order
	retries map[*event]*time.Timer // waiting for their next attempt
	running int                    // being invoked
	bytes   int                    // of all three
	dropped int                    // lost to Close
	empty   chan struct{}          // closed while there is no event
}

func (q *asyncQueue) init() {
	q.retries = make(map[*event]*time.Timer)
	q.empty = make(chan struct{})
	close(q.empty)
}

func (q *asyncQueue) events() int { return len(q.waiting) + len(q.retries) + q.running }

// gone notes that an event has left the queue for good.
func (q *asyncQueue) gone(ev *event) {
	q.bytes -= len(ev.payload) + eventOverhead
	if q.events() == 0 {
		close(q.empty)
	}
}

// drop empties the queue of all but running events.
func (q *asyncQueue) drop() {
	events := q.waiting
	for ev, timer := range q.retries {
		timer.Stop()
		events = append(events, ev)
	}
	q.waiting = nil
	clear(q.retries)
	q.dropped += len(events)
	for i, ev := range events {
		q.bytes -= len(ev.payload) + eventOverhead
		if i == len(events)-1 && q.running == 0 {
			close(q.empty)
		}
	}
}

// InvokeAsync queues an event for the function, as Lambda's invocation type
// Event does, and returns its request ID. Events are handled in parallel as far
// as the function may have environments, begun in the order queued; after a
// function error one is tried again after each of Config.RetryDelays and then
// given to Config.OnFailure. An event may be handled more than once.
//
// The error is a *[QueueFullError], a *[PayloadSizeError], [ErrInvalidPayload]
// or [ErrClosed].
func (f *Function) InvokeAsync(payload []byte) (requestID string, err error) {
	if len(payload) > MaxAsyncRequestBytes {
		return "", &PayloadSizeError{Function: f.cfg.Name, Size: len(payload), Limit: MaxAsyncRequestBytes}
	}
	if !json.Valid(payload) {
		return "", fmt.Errorf("queueing an event for %s: %w", f.cfg.Name, ErrInvalidPayload)
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.closed {
		return "", fmt.Errorf("queueing an event for %s: %w", f.cfg.Name, ErrClosed)
	}
	q := &f.async
	if q.bytes+len(payload)+eventOverhead > f.cfg.AsyncQueueBytes {
		return "", &QueueFullError{Function: f.cfg.Name, Events: q.events(), Limit: f.cfg.AsyncQueueBytes}
	}
	if q.events() == 0 {
		q.empty = make(chan struct{})
	}
	ev := &event{id: newUUID(), payload: bytes.Clone(payload), queued: time.Now()}
	q.bytes += len(payload) + eventOverhead
	q.waiting = append(q.waiting, ev)
	f.pump()
	return ev.id, nil
}

// Drain waits until no asynchronous event is queued, running or waiting for a
// retry. It returns ctx's error, or [ErrClosed] if Close dropped events.
func (f *Function) Drain(ctx context.Context) error {
	for {
		f.mu.Lock()
		empty, left, dropped := f.async.empty, f.async.events(), f.async.dropped
		f.mu.Unlock()
		switch {
		case left == 0 && dropped > 0:
			return fmt.Errorf("draining the queue of %s: %d events were dropped: %w", f.cfg.Name, dropped, ErrClosed)
		case left == 0:
			return nil
		}
		select {
		case <-empty:
		case <-ctx.Done():
			return fmt.Errorf("draining the queue of %s: %d events are left: %w", f.cfg.Name, left, ctx.Err())
		}
	}
}

// pump begins attempts while there are events and the function may have
// environments for them. The caller holds mu.
func (f *Function) pump() {
	q := &f.async
	for len(q.waiting) > 0 && q.running < f.cfg.MaxEnvironments*f.cfg.Concurrency {
		ev := q.waiting[0]
		q.waiting[0] = nil
		q.waiting = q.waiting[1:]
		q.running++
		f.wg.Go(func() { f.attempt(ev) })
	}
}

// attempt invokes the function with an event once and decides what becomes of
// the event.
func (f *Function) attempt(ev *event) {
	retry := time.Duration(-1)
	condition := ""
	if time.Since(ev.queued) > f.cfg.MaxEventAge {
		condition = "EventAgeExceeded"
	} else {
		result, err := f.invoke(f.ctx, ev.id, ev.payload, true)
		switch {
		case errors.Is(err, ErrClosed) || errors.Is(err, context.Canceled):
			f.settleEvent(ev, retry, true)
			return
		case err != nil:
			retry = systemRetry
		default:
			ev.attempts++
			ev.last = &result
			if result.FunctionError != "" {
				if ev.attempts <= len(f.cfg.RetryDelays) {
					retry = f.cfg.RetryDelays[ev.attempts-1]
				} else {
					condition = "RetriesExhausted"
				}
			}
		}
	}
	if condition != "" && f.cfg.OnFailure != nil {
		f.cfg.OnFailure(f.record(ev, condition))
	}
	f.settleEvent(ev, retry, false)
}

// settleEvent ends an attempt: the event is tried again after retry if that is
// not negative, else it has left the queue, lost if it was dropped.
func (f *Function) settleEvent(ev *event, retry time.Duration, dropped bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	q := &f.async
	q.running--
	if f.closed && retry >= 0 {
		retry, dropped = -1, true
	}
	if dropped {
		q.dropped++
	}
	if retry < 0 {
		q.gone(ev)
	} else {
		q.retries[ev] = time.AfterFunc(retry, func() { f.retry(ev) })
	}
	f.pump()
}

// retry puts an event whose wait is over at the end of the queue.
func (f *Function) retry(ev *event) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if _, waits := f.async.retries[ev]; !waits {
		return // dropped in the same moment
	}
	delete(f.async.retries, ev)
	f.async.waiting = append(f.async.waiting, ev)
	f.pump()
}

// An invocationRecord is what Lambda sends to a destination.
type invocationRecord struct {
	Version        string          `json:"version"`
	Timestamp      string          `json:"timestamp"`
	RequestContext requestContext  `json:"requestContext"`
	RequestPayload json.RawMessage `json:"requestPayload"`

	ResponseContext *responseContext `json:"responseContext,omitempty"`
	ResponsePayload json.RawMessage  `json:"responsePayload,omitempty"`
}

type requestContext struct {
	RequestID   string `json:"requestId"`
	FunctionARN string `json:"functionArn"`
	Condition   string `json:"condition"`
	InvokeCount int    `json:"approximateInvokeCount"`
}

type responseContext struct {
	StatusCode      int    `json:"statusCode"`
	ExecutedVersion string `json:"executedVersion"`
	FunctionError   string `json:"functionError,omitempty"`
}

// record returns the JSON that Lambda sends to an on-failure destination.
func (f *Function) record(ev *event, condition string) []byte {
	r := invocationRecord{
		Version:   "1.0",
		Timestamp: time.Now().UTC().Format("2006-01-02T15:04:05.000Z"),
		RequestContext: requestContext{
			RequestID:   ev.id,
			FunctionARN: f.cfg.arn() + ":" + version,
			Condition:   condition,
			InvokeCount: ev.attempts,
		},
		RequestPayload: ev.payload,
	}
	if ev.last != nil {
		r.ResponseContext = &responseContext{StatusCode: 200, ExecutedVersion: version, FunctionError: ev.last.FunctionError}
		r.ResponsePayload = ev.last.Payload
		if !json.Valid(ev.last.Payload) {
			r.ResponsePayload, _ = json.Marshal(string(ev.last.Payload)) // a string always marshals
		}
	}
	var out bytes.Buffer
	enc := json.NewEncoder(&out)
	enc.SetEscapeHTML(false) // payloads as they are
	_ = enc.Encode(r)        // strings, numbers and valid JSON always marshal
	return bytes.TrimSpace(out.Bytes())
}
