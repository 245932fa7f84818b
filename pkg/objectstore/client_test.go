package objectstore_test

import (
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/crlgate/crlgate/pkg/objectstore"
)

func TestNewTakesAClientThatIsThere(t *testing.T) {
	w := newWire(t, refusal(503, "SlowDown"), answer(200, "hello", `ETag: "e"`))
	client := s3.New(s3.Options{
		Region: "eu-central-1", BaseEndpoint: aws.String(w.server.URL), UsePathStyle: true,
		Credentials: credentials.NewStaticCredentialsProvider("AKIDEXAMPLE", "secret", ""),
	})
	b := objectstore.New(client, "first")
	if b.Name() != "first" {
		t.Errorf("name %q", b.Name())
	}
	if err := get(t.Context(), b, objectstore.GetOptions{}); err != nil { // the client's own three attempts
		t.Error(err)
	}
	if err := get(t.Context(), b.Sibling("second"), objectstore.GetOptions{}); err != nil {
		t.Error(err)
	}
	if sent := w.requests(); len(sent) != 3 || sent[2].Path != "/second/catalog.json" {
		t.Errorf("sent %+v", sent)
	}
}

func TestNewBoundsAttemptsOfAClientThatIsThere(t *testing.T) {
	w := newWire(t, refusal(503, "SlowDown"))
	client := s3.New(s3.Options{
		Region: "eu-central-1", BaseEndpoint: aws.String(w.server.URL), UsePathStyle: true,
		Credentials: credentials.NewStaticCredentialsProvider("AKIDEXAMPLE", "secret", ""),
	})
	wantKinds(t, get(t.Context(), objectstore.New(client, "b", objectstore.WithMaxAttempts(1)), objectstore.GetOptions{}), objectstore.ErrUnavailable)
	if n := len(w.requests()); n != 1 {
		t.Errorf("%d attempts", n)
	}
}

func TestOpenFromTheEnvironment(t *testing.T) {
	w := newWire(t, answer(200, "hello", `ETag: "e"`))
	isolate(t)
	t.Setenv("AWS_ENDPOINT_URL_S3", w.server.URL)
	t.Setenv("AWS_REGION", "eu-west-1")
	t.Setenv("AWS_ACCESS_KEY_ID", "AKIDFROMENV")
	t.Setenv("AWS_SECRET_ACCESS_KEY", "secret")
	b, err := objectstore.Open(t.Context(), "bucket")
	if err != nil {
		t.Fatal(err)
	}
	if err := get(t.Context(), b, objectstore.GetOptions{}); err != nil {
		t.Fatal(err)
	}
	sent := w.requests()[0]
	if auth := sent.Header.Get("Authorization"); !strings.Contains(auth, "AKIDFROMENV/") || !strings.Contains(auth, "/eu-west-1/s3/") {
		t.Errorf("signed as %q", auth)
	}
	if sent.Path != "/bucket/catalog.json" {
		t.Errorf("path %q", sent.Path)
	}
}

func TestOpenFaults(t *testing.T) {
	isolate(t)
	for _, tt := range []struct {
		name  string
		opts  []objectstore.Option
		fault string
	}{
		{"", nil, "name is empty"},
		{"bucket", nil, "no AWS region: set AWS_REGION"},
		{"bucket", []objectstore.Option{objectstore.WithMaxAttempts(0)}, "at least 1"},
		{"bucket", []objectstore.Option{objectstore.WithProfile("nobody")}, "nobody"},
	} {
		if _, err := objectstore.Open(t.Context(), tt.name, tt.opts...); err == nil || !strings.Contains(err.Error(), tt.fault) {
			t.Errorf("%q: error %v, want %q", tt.name, err, tt.fault)
		}
	}
}

// By default the SDK puts the bucket's name into the host's, unless that is an IP address.
func TestACustomEndpointIsAddressedByPath(t *testing.T) {
	w := newWire(t, answer(200, "hello", `ETag: "e"`))
	b := w.bucket(t, objectstore.WithEndpoint(strings.Replace(w.server.URL, "127.0.0.1", "localhost", 1)))
	if err := get(t.Context(), b, objectstore.GetOptions{}); err != nil {
		t.Fatal(err)
	}
	if sent := w.requests()[0]; sent.Path != "/bucket/catalog.json" {
		t.Errorf("path %q", sent.Path)
	}
}
