// Package redrive empties the failure queue: what failed is given to the
// preprocessor again, and a message is deleted only once that has succeeded.
//
// Messages are records of failed invocations, as Lambda sends them to a
// destination, or events that EventBridge could not deliver. Events are hints, so
// keys that several messages name are handed over once, and a reconciliation at
// the end makes up for every timer that failed.
package redrive

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"
)

// Preprocessor is who does the work.
type Preprocessor interface {
	Invoke(ctx context.Context, payload []byte) ([]byte, error)
	Reconcile(ctx context.Context) error
}

// Queue is the failure queue.
type Queue struct {
	Client *sqs.Client
	URL    string
}

// Message is one message, and what became of it.
type Message struct {
	ID   string    `json:"id"`
	Sent time.Time `json:"sent"`
	// Asks says what the event asks for: "reconcile", "keys" or "other".
	Asks string   `json:"asks"`
	Keys []string `json:"keys,omitempty"`
	// Function is the one that failed; Fault its error, the last one.
	Function string `json:"function,omitempty"`
	Fault    string `json:"fault,omitempty"`
	// Done: it was given to the preprocessor, which succeeded, and deleted.
	Done bool `json:"done"`
	// Why it was not, in words.
	Why string `json:"why,omitempty"`

	event   json.RawMessage
	receipt string
}

// What a message asks for.
const (
	asksReconcile = "reconcile"
	asksKeys      = "keys"
	asksOther     = "other"
)

// hidden is how long a message is not handed out again: longer than the longest
// run of the preprocessor.
const hidden = 20 * time.Minute

// mostMessages bounds one redrive; another goes on.
const mostMessages = 10_000

// Receive takes every message that the queue hands out. They are hidden from
// others until Release, Delete, or some minutes have passed.
func (q *Queue) Receive(ctx context.Context) ([]*Message, error) {
	var out []*Message
	seen := map[string]bool{}
	for empty := 0; empty < 2 && len(out) < mostMessages; {
		r, err := q.Client.ReceiveMessage(ctx, &sqs.ReceiveMessageInput{
			QueueUrl: aws.String(q.URL), MaxNumberOfMessages: 10, VisibilityTimeout: int32(hidden / time.Second), WaitTimeSeconds: 1,
			MessageSystemAttributeNames: []types.MessageSystemAttributeName{types.MessageSystemAttributeNameSentTimestamp},
		})
		if err != nil {
			return out, fmt.Errorf("receiving from %s: %w", q.URL, err)
		}
		if len(r.Messages) == 0 {
			empty++ // a queue may hand out nothing although it holds something
		}
		for _, in := range r.Messages {
			m := parse(in)
			if !seen[m.ID] {
				seen[m.ID] = true
				out = append(out, m)
			}
		}
	}
	slices.SortStableFunc(out, func(a, b *Message) int { return a.Sent.Compare(b.Sent) })
	return out, nil
}

// parse reads a message.
func parse(in types.Message) *Message {
	m := &Message{ID: aws.ToString(in.MessageId), receipt: aws.ToString(in.ReceiptHandle), Asks: asksOther}
	if ms, err := strconv.ParseInt(in.Attributes["SentTimestamp"], 10, 64); err == nil {
		m.Sent = time.UnixMilli(ms).UTC()
	}
	body := []byte(aws.ToString(in.Body))
	var record struct {
		RequestContext struct {
			FunctionARN string `json:"functionArn"`
			Condition   string `json:"condition"`
		} `json:"requestContext"`
		RequestPayload  json.RawMessage `json:"requestPayload"`
		ResponsePayload struct {
			ErrorMessage string `json:"errorMessage"`
		} `json:"responsePayload"`
	}
	m.event = body // EventBridge sends what it could not deliver as it is
	if err := json.Unmarshal(body, &record); err == nil && len(record.RequestPayload) > 0 {
		m.event = record.RequestPayload
		m.Function = functionName(record.RequestContext.FunctionARN)
		if m.Fault = record.ResponsePayload.ErrorMessage; m.Fault == "" {
			m.Fault = record.RequestContext.Condition
		}
	}
	var event struct {
		Crlgate string `json:"crlgate"`
		Records []struct {
			EventSource string `json:"eventSource"`
			S3          struct {
				Object struct {
					Key string `json:"key"`
				} `json:"object"`
			} `json:"s3"`
		} `json:"Records"`
	}
	if json.Unmarshal(m.event, &event) != nil {
		return m
	}
	switch {
	case event.Crlgate == "reconcile":
		m.Asks = asksReconcile
	case len(event.Records) > 0:
		m.Asks = asksKeys
		for _, r := range event.Records {
			m.Keys = append(m.Keys, r.S3.Object.Key) // as S3 encodes it
			if r.EventSource != "aws:s3" {
				m.Asks = asksOther
			}
		}
	}
	return m
}

// functionName is the name in a function's ARN, with or without a version.
func functionName(arn string) string {
	parts := strings.Split(arn, ":")
	if len(parts) < 7 {
		return arn
	}
	return parts[6]
}

// release hands a message back at once.
func (q *Queue) release(ctx context.Context, m *Message) error {
	_, err := q.Client.ChangeMessageVisibility(ctx, &sqs.ChangeMessageVisibilityInput{QueueUrl: aws.String(q.URL), ReceiptHandle: aws.String(m.receipt), VisibilityTimeout: 0})
	return err
}

// Release hands back every message that was not deleted.
func (q *Queue) Release(ctx context.Context, messages []*Message) error {
	var errs []error
	for _, m := range messages {
		if !m.Done {
			errs = append(errs, q.release(ctx, m))
		}
	}
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("handing messages back to %s: %w", q.URL, err)
	}
	return nil
}

// Run gives what failed to the preprocessor and deletes each message whose work
// is done. told, if not nil, is called with each message as that is known.
// preprocessor is the function's name: what failed in another one is left.
func (q *Queue) Run(ctx context.Context, p Preprocessor, preprocessor string, messages []*Message, told func(*Message)) error {
	if told == nil {
		told = func(*Message) {}
	}
	handed := map[string]error{} // by keys, so that a thousand alike are one
	var timers []*Message
	for _, m := range messages {
		switch {
		case m.Function != "" && m.Function != functionName(preprocessor):
			m.Why = "it is of the function " + m.Function + ", whose timer comes again by itself; delete it when that has succeeded"
		case m.Asks == asksReconcile:
			timers = append(timers, m)
			continue
		case m.Asks != asksKeys:
			m.Why = "it is neither an S3 event nor a timer's; look at it, and delete it by hand"
		default:
			id := strings.Join(m.Keys, "\n")
			err, known := handed[id]
			if !known {
				_, err = p.Invoke(ctx, m.event)
				handed[id] = err
			}
			if err := q.settle(ctx, m, err); err != nil {
				return err
			}
		}
		told(m)
	}
	// Also where no timer failed: an event may have been lost for the same reason.
	err := p.Reconcile(ctx)
	for _, m := range timers {
		if err := q.settle(ctx, m, err); err != nil {
			return err
		}
		told(m)
	}
	return err
}

// settle deletes a message whose work is done, and says why another is not.
func (q *Queue) settle(ctx context.Context, m *Message, failed error) error {
	if failed != nil {
		m.Why = failed.Error()
		return nil
	}
	if _, err := q.Client.DeleteMessage(ctx, &sqs.DeleteMessageInput{QueueUrl: aws.String(q.URL), ReceiptHandle: aws.String(m.receipt)}); err != nil {
		return fmt.Errorf("deleting message %s, whose event was handled: %w", m.ID, err)
	}
	m.Done = true
	return nil
}
