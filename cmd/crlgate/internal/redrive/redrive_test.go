package redrive_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/sqs"

	"github.com/crlgate/crlgate/cmd/crlgate/internal/awsapi"
	"github.com/crlgate/crlgate/cmd/crlgate/internal/lambdaruntime"
	"github.com/crlgate/crlgate/cmd/crlgate/internal/redrive"
	"github.com/crlgate/crlgate/cmd/crlgate/internal/request"
	"github.com/crlgate/crlgate/cmd/crlgate/internal/target"
)

// function is a preprocessor that notes what it gets, and fails on what it is told to.
type function struct {
	got  []string
	fail string
}

func (f *function) Invoke(_ context.Context, payload []byte) (lambdaruntime.Result, error) {
	f.got = append(f.got, string(payload))
	if f.fail != "" && strings.Contains(string(payload), f.fail) {
		return lambdaruntime.Result{FunctionError: "Unhandled", Payload: []byte(`{"errorMessage":"S3 is down","errorType":"errorString"}`)}, nil
	}
	return lambdaruntime.Result{Payload: []byte("null")}, nil
}

func event(key string) string {
	return fmt.Sprintf(`{"Records":[{"eventSource":"aws:s3","s3":{"bucket":{"name":"uploads"},"object":{"key":%q}}}]}`, key)
}

func record(function, payload string) []byte {
	return fmt.Appendf(nil, `{"version":"1.0","requestContext":{"functionArn":"arn:aws:lambda:eu-west-1:111122223333:function:%s:$LATEST","condition":"RetriesExhausted"},"requestPayload":%s,"responsePayload":{"errorMessage":"no catalog"}}`, function, payload)
}

// start serves Lambda and SQS, and opens both as the command does.
func start(t *testing.T, f *function) (*redrive.Queue, *request.Preprocessor, *awsapi.Queue) {
	t.Helper()
	queue := &awsapi.Queue{}
	api, err := awsapi.Start(map[string]awsapi.Invoker{"pre": f}, map[string]*awsapi.Queue{"failures": queue})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := api.Close(); err != nil {
			t.Error(err)
		}
	})
	state := &target.State{API: api.Endpoint, Preprocessor: "pre", Region: "eu-west-1", AccessKey: "AKIDEXAMPLE", SecretKey: "s"}
	p, err := request.Open(t.Context(), &target.Target{Local: state}, target.Options{}, "")
	if err != nil {
		t.Fatal(err)
	}
	client := sqs.New(sqs.Options{Region: "eu-west-1", BaseEndpoint: aws.String(api.Endpoint), Credentials: credentials.NewStaticCredentialsProvider("AKIDEXAMPLE", "s", "")})
	return &redrive.Queue{Client: client, URL: api.QueueURL("failures")}, p, queue
}

// TestRun: what failed is handed over once, and deleted once it has succeeded;
// the rest stays, and says why.
func TestRun(t *testing.T) {
	f := &function{fail: "bad.crl"}
	q, p, queue := start(t, f)
	for range 15 { // more than one receive
		queue.Send(record("pre", event("crls/a.crl")))
	}
	queue.Send(record("pre", event("crls/bad.crl")))
	queue.Send(record("pre", `{"crlgate":"reconcile"}`))
	queue.Send([]byte(`{"crlgate":"reconcile"}`)) // of EventBridge
	queue.Send(record("other", `{}`))
	queue.Send([]byte(`no JSON`))
	messages, err := q.Receive(t.Context())
	if err != nil || len(messages) != 20 {
		t.Fatalf("%d messages, %v", len(messages), err)
	}
	told := 0
	if err := q.Run(t.Context(), p, p.Name(), messages, func(*redrive.Message) { told++ }); err != nil {
		t.Fatal(err)
	}
	if want := []string{event("crls/a.crl"), event("crls/bad.crl"), `{"crlgate":"reconcile"}`}; !slices.Equal(f.got, want) {
		t.Errorf("the preprocessor got %q, want %q", f.got, want)
	}
	if told != 20 {
		t.Errorf("told of %d", told)
	}
	if err := q.Release(t.Context(), messages); err != nil {
		t.Fatal(err)
	}
	again, err := q.Receive(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var left []string
	for _, m := range messages {
		if !m.Done {
			left = append(left, m.Why)
		}
	}
	if len(queue.Bodies()) != 3 || len(again) != 3 || len(left) != 3 {
		t.Fatalf("left: %q; %q", queue.Bodies(), left)
	}
	for i, want := range []string{"S3 is down", "it is of the function other", "neither an S3 event nor a timer's"} {
		if !strings.Contains(left[i], want) {
			t.Errorf("%q does not say %q", left[i], want)
		}
	}
	data, err := json.Marshal(messages[0])
	if err != nil || !strings.Contains(string(data), `"asks":"keys","keys":["crls/a.crl"],"function":"pre","fault":"no catalog","done":true`) {
		t.Errorf("%s, %v", data, err)
	}
}

// TestReconcileFails: a timer's message stays until a reconciliation succeeds.
func TestReconcileFails(t *testing.T) {
	f := &function{fail: "reconcile"}
	q, p, queue := start(t, f)
	queue.Send(record("pre", `{"crlgate":"reconcile"}`))
	messages, err := q.Receive(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var failed *request.FunctionError
	if err := q.Run(t.Context(), p, p.Name(), messages, nil); !errors.As(err, &failed) || failed.Message != "S3 is down" {
		t.Errorf("%v", err)
	}
	if n := len(queue.Bodies()); n != 1 || messages[0].Done {
		t.Errorf("%d left", n)
	}
}

// TestNoSuchQueue: the error names the queue.
func TestNoSuchQueue(t *testing.T) {
	q, _, _ := start(t, &function{})
	q.URL += "s"
	if _, err := q.Receive(t.Context()); err == nil || !strings.Contains(err.Error(), q.URL) {
		t.Errorf("%v", err)
	}
}
