package s3local_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"os"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-lambda-go/events"
	"github.com/aws/aws-sdk-go-v2/aws"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/smithy-go"

	"github.com/crlgate/crlgate/cmd/crlgate/internal/s3local"
	"github.com/crlgate/crlgate/cmd/crlgate/internal/s3proc"
)

// childEnv makes this test binary run the server instead of the tests.
const childEnv = "CRLGATE_TEST_S3_SERVER"

func TestMain(m *testing.M) {
	if os.Getenv(childEnv) != "" {
		os.Exit(s3local.Main(nil, os.Stdin, os.Stdout, os.Stderr))
	}
	os.Exit(m.Run())
}

// patience is how long a test waits for something that must happen.
const patience = 30 * time.Second

// notices collects the events of a server.
type notices struct {
	mu  sync.Mutex
	raw []json.RawMessage
}

func (n *notices) add(event json.RawMessage) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.raw = append(n.raw, event)
}

// await returns the records of the first count events, each decoded as a
// function would, and forgets them.
func (n *notices) await(t *testing.T, count int) []events.S3EventRecord {
	t.Helper()
	for deadline := time.Now().Add(patience); ; time.Sleep(time.Millisecond) {
		n.mu.Lock()
		if len(n.raw) >= count {
			raw := n.raw[:count]
			n.raw = n.raw[count:]
			n.mu.Unlock()
			return decode(t, raw)
		}
		have := len(n.raw)
		n.mu.Unlock()
		if time.Now().After(deadline) {
			t.Fatalf("got %d events, want %d", have, count)
		}
	}
}

// left are the records that nobody has awaited.
func (n *notices) left(t *testing.T) []events.S3EventRecord {
	t.Helper()
	n.mu.Lock()
	defer n.mu.Unlock()
	return decode(t, n.raw)
}

func decode(t *testing.T, raw []json.RawMessage) []events.S3EventRecord {
	t.Helper()
	var records []events.S3EventRecord
	for _, r := range raw {
		var e events.S3Event
		if err := json.Unmarshal(r, &e); err != nil {
			t.Fatalf("decoding %s: %v", r, err)
		}
		if len(e.Records) != 1 {
			t.Fatalf("event %s: got %d records, want 1", r, len(e.Records))
		}
		records = append(records, e.Records[0])
	}
	return records
}

// The buckets of every test server.
const (
	plain     = "plain-bucket"
	versioned = "versioned-bucket"
	filtered  = "filtered-bucket"
	silent    = "silent-bucket"
)

// start runs a server on a folder of its own, with the buckets above.
func start(t *testing.T, dir string) (*s3proc.Server, *s3.Client, *notices) {
	t.Helper()
	seen := &notices{}
	server, err := s3proc.Start(t.Context(), s3proc.Options{
		Command: []string{os.Args[0]},
		Env:     []string{childEnv + "=1"},
		DataDir: dir,
		Region:  "eu-central-1",
		Buckets: []s3proc.Bucket{{Name: plain}, {Name: versioned, Versioned: true}, {Name: filtered}, {Name: silent}},
		Events: []s3proc.EventFilter{
			{Bucket: plain},
			{Bucket: versioned},
			{Bucket: filtered, Prefixes: []string{"crls/", "issuers/"}},
			{Bucket: filtered, Prefixes: []string{"crls/a"}},
		},
		OnEvent: seen.add,
		Stderr:  t.Output(),
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := server.Stop(); err != nil {
			t.Error(err)
		}
	})
	return server, client(server.Endpoint, server.Region, server.AccessKey, server.SecretKey), seen
}

// client is an S3 client that does not retry.
func client(endpoint, region, access, secret string) *s3.Client {
	return s3.New(s3.Options{
		BaseEndpoint: &endpoint,
		Region:       region,
		Credentials:  credentials.NewStaticCredentialsProvider(access, secret, ""),
		Retryer:      aws.NopRetryer{},
		HTTPClient:   &http.Client{Transport: &http.Transport{}},
	})
}

// put stores an object and returns the answer.
func put(t *testing.T, c *s3.Client, bucket, key, body string, more ...func(*s3.PutObjectInput)) *s3.PutObjectOutput {
	t.Helper()
	out, err := tryPut(t.Context(), c, bucket, key, body, more...)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func tryPut(ctx context.Context, c *s3.Client, bucket, key, body string, more ...func(*s3.PutObjectInput)) (*s3.PutObjectOutput, error) {
	in := &s3.PutObjectInput{Bucket: &bucket, Key: &key, Body: bytes.NewReader([]byte(body))}
	for _, m := range more {
		m(in)
	}
	return c.PutObject(ctx, in)
}

// get reads an object.
func get(t *testing.T, c *s3.Client, bucket, key string, more ...func(*s3.GetObjectInput)) (string, *s3.GetObjectOutput, error) {
	t.Helper()
	in := &s3.GetObjectInput{Bucket: &bucket, Key: &key}
	for _, m := range more {
		m(in)
	}
	out, err := c.GetObject(t.Context(), in)
	if err != nil {
		return "", nil, err
	}
	defer out.Body.Close()
	body, err := io.ReadAll(out.Body)
	return string(body), out, err
}

// wantError checks an error's HTTP status and S3 code.
func wantError(t *testing.T, err error, status int, code string) {
	t.Helper()
	var resp *awshttp.ResponseError
	var api smithy.APIError
	if !errors.As(err, &resp) || !errors.As(err, &api) {
		t.Fatalf("got %v, want an S3 error with status %d, code %s", err, status, code)
	}
	if resp.HTTPStatusCode() != status || api.ErrorCode() != code {
		t.Errorf("got status %d, code %s (%v), want %d, %s", resp.HTTPStatusCode(), api.ErrorCode(), err, status, code)
	}
}
