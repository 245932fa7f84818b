package wire_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"strings"
	"testing"

	"github.com/crlgate/crlgate/cmd/crlgate/internal/s3proc/wire"
)

// TestChild: a child has its configuration, says what it has to say, and ends with
// its standard input.
func TestChild(t *testing.T) {
	stdin, parent := io.Pipe()
	var out bytes.Buffer
	ended := make(chan error, 1)
	began := make(chan wire.Config)
	go func() {
		ended <- wire.Child(stdin, &out, func(ctx context.Context, cfg wire.Config, out *wire.Messages) error {
			out.Send(wire.Message{Ready: &wire.Ready{Endpoint: "http://127.0.0.1:1"}})
			began <- cfg
			<-ctx.Done()
			return nil
		})
	}()
	if err := json.NewEncoder(parent).Encode(wire.Config{DataDir: "d", Buckets: []wire.Bucket{{Name: "b"}}}); err != nil {
		t.Fatal(err)
	}
	if cfg := <-began; cfg.DataDir != "d" || len(cfg.Buckets) != 1 {
		t.Errorf("%+v", cfg)
	}
	if err := parent.Close(); err != nil {
		t.Fatal(err)
	}
	if err := <-ended; err != nil || out.String() != `{"ready":{"endpoint":"http://127.0.0.1:1"}}`+"\n" {
		t.Errorf("%v, it wrote %q", err, out.String())
	}
}

// TestChildFaults: why it ends is its last message, and what its caller is told.
func TestChildFaults(t *testing.T) {
	for stdin, want := range map[string]string{
		"":        "reading the S3 server's configuration from standard input: ",
		"hello\n": "decoding the S3 server's configuration: ",
		"{}\n":    "no port is free",
	} {
		var out bytes.Buffer
		err := wire.Child(strings.NewReader(stdin), &out, func(context.Context, wire.Config, *wire.Messages) error { return errors.New("no port is free") })
		var last wire.Message
		if err == nil || !strings.HasPrefix(err.Error(), want) || json.Unmarshal(out.Bytes(), &last) != nil || last.Error != err.Error() {
			t.Errorf("%q: %v, it wrote %q", stdin, err, out.String())
		}
	}
}
