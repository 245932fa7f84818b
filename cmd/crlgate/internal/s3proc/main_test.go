package s3proc_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-lambda-go/events"
	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/crlgate/crlgate/cmd/crlgate/internal/s3proc"
)

// parentEnv makes this test binary start a server and wait to be killed; its
// value is the data folder.
const parentEnv = "CRLGATE_TEST_S3_PARENT"

// serverEnv is where the child's program is.
const serverEnv = "CRLGATE_TEST_S3_PROGRAM"

// testServer is the child's program. It is built for the tests, because linking
// it into them would make them link versitygw too.
var testServer string

func TestMain(m *testing.M) {
	if dir := os.Getenv(parentEnv); dir != "" {
		parent(dir)
	}
	os.Exit(run(m))
}

func run(m *testing.M) int {
	dir, err := os.MkdirTemp("", "s3proc-*")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dir)
	testServer = filepath.Join(dir, "testserver")
	build := exec.Command("go", "build", "-o", testServer, "../s3local/testserver")
	if out, err := build.CombinedOutput(); err != nil {
		fmt.Fprintf(os.Stderr, "building the S3 server: %v\n%s", err, out)
		return 1
	}
	return m.Run()
}

// parent starts a server, prints its endpoint and process number, and waits.
func parent(dir string) {
	s, err := s3proc.Start(context.Background(), s3proc.Options{Command: []string{os.Getenv(serverEnv)}, DataDir: dir})
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	if os.Getenv(pauseEnv) != "" {
		if err := s.Pause(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
	}
	_ = json.NewEncoder(os.Stdout).Encode(s.Endpoint)
	select {}
}

// patience is how long a test waits for something that must happen.
const patience = 30 * time.Second

// eventually waits until a condition holds.
func eventually(t *testing.T, what string, holds func() bool) {
	t.Helper()
	for deadline := time.Now().Add(patience); !holds(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("in %v, never: %s", patience, what)
		}
	}
}

const bucket = "upload-bucket"

// keys collects the decoded keys of events.
type keys struct {
	mu   sync.Mutex
	seen []string
}

func (k *keys) add(raw json.RawMessage) {
	var e events.S3Event
	if err := json.Unmarshal(raw, &e); err != nil || len(e.Records) != 1 {
		panic(fmt.Sprintf("event %s: %v", raw, err))
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	k.seen = append(k.seen, e.Records[0].S3.Object.URLDecodedKey)
}

func (k *keys) all() []string {
	k.mu.Lock()
	defer k.mu.Unlock()
	return append([]string(nil), k.seen...)
}

// start runs a server with one bucket, whose events go to handle.
func start(t *testing.T, handle func(json.RawMessage)) (*s3proc.Server, *s3.Client) {
	t.Helper()
	s, err := s3proc.Start(t.Context(), s3proc.Options{
		Command: []string{testServer},
		DataDir: t.TempDir(),
		Buckets: []s3proc.Bucket{{Name: bucket}},
		Events:  []s3proc.EventFilter{{Bucket: bucket}},
		OnEvent: handle,
		Stderr:  t.Output(),
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Stop(); err != nil {
			t.Error(err)
		}
	})
	return s, client(s, s.Endpoint)
}

// client is an S3 client of the server at an endpoint, which does not retry.
func client(s *s3proc.Server, endpoint string) *s3.Client {
	return s3.New(s3.Options{
		BaseEndpoint: &endpoint,
		Region:       s.Region,
		Credentials:  credentials.NewStaticCredentialsProvider(s.AccessKey, s.SecretKey, ""),
		Retryer:      aws.NopRetryer{},
		HTTPClient:   &http.Client{Transport: &http.Transport{}},
	})
}

func put(ctx context.Context, c *s3.Client, key, body string, more ...func(*s3.PutObjectInput)) (*s3.PutObjectOutput, error) {
	in := &s3.PutObjectInput{Bucket: new(bucket), Key: &key, Body: bytes.NewReader([]byte(body))}
	for _, m := range more {
		m(in)
	}
	return c.PutObject(ctx, in)
}

func get(ctx context.Context, c *s3.Client, key string, more ...func(*s3.GetObjectInput)) (string, error) {
	in := &s3.GetObjectInput{Bucket: new(bucket), Key: &key}
	for _, m := range more {
		m(in)
	}
	out, err := c.GetObject(ctx, in)
	if err != nil {
		return "", err
	}
	body, err := io.ReadAll(out.Body)
	return string(body), errors.Join(err, out.Body.Close())
}

// mustPut and wantGet fail the test unless all is well.
func mustPut(t *testing.T, c *s3.Client, key, body string) {
	t.Helper()
	if _, err := put(t.Context(), c, key, body); err != nil {
		t.Fatal(err)
	}
}

func wantGet(t *testing.T, c *s3.Client, key, want string) {
	t.Helper()
	if got, err := get(t.Context(), c, key); err != nil || got != want {
		t.Fatalf("%s: got %q, error %v, want %q", key, got, err, want)
	}
}
