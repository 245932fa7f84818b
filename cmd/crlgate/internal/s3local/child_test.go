package s3local_test

import (
	"bufio"
	"bytes"
	"encoding/json"
	"io"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"

	"github.com/crlgate/crlgate/cmd/crlgate/internal/s3local"
	"github.com/crlgate/crlgate/cmd/crlgate/internal/s3proc/wire"
)

// The child's standard output holds messages and nothing else, and it ends in
// an orderly way on either signal and at the end of its standard input.
func TestChildProcess(t *testing.T) {
	for name, end := range map[string]func(*os.Process, io.Closer) error{
		"SIGTERM":      func(p *os.Process, _ io.Closer) error { return p.Signal(syscall.SIGTERM) },
		"SIGINT":       func(p *os.Process, _ io.Closer) error { return p.Signal(syscall.SIGINT) },
		"end of input": func(_ *os.Process, stdin io.Closer) error { return stdin.Close() },
	} {
		t.Run(name, func(t *testing.T) {
			cmd := exec.Command(os.Args[0])
			cmd.Env = append(os.Environ(), childEnv+"=1")
			var stderr bytes.Buffer
			cmd.Stderr = &stderr
			stdin, err := cmd.StdinPipe()
			if err != nil {
				t.Fatal(err)
			}
			stdout, err := cmd.StdoutPipe()
			if err != nil {
				t.Fatal(err)
			}
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { _ = cmd.Process.Kill() })
			err = json.NewEncoder(stdin).Encode(wire.Config{
				DataDir: t.TempDir(), AccessKey: "key", SecretKey: "secret", Buckets: []wire.Bucket{{Name: plain}},
			})
			if err != nil {
				t.Fatal(err)
			}
			lines := bufio.NewScanner(stdout)
			var first wire.Message
			if !lines.Scan() || json.Unmarshal(lines.Bytes(), &first) != nil || first.Ready == nil ||
				!strings.HasPrefix(first.Ready.Endpoint, "http://127.0.0.1:") {
				t.Errorf("first line is %q, want ready", lines.Text())
			}
			if err := end(cmd.Process, stdin); err != nil {
				t.Fatal(err)
			}
			for lines.Scan() {
				t.Errorf("then it wrote %q", lines.Text())
			}
			if err := cmd.Wait(); err != nil {
				t.Errorf("it ended with %v", err)
			}
			if !strings.Contains(stderr.String(), "versioning enabled") {
				t.Errorf("what versitygw prints is not on standard error: %q", stderr.String())
			}
		})
	}
}

func TestMainRefuses(t *testing.T) {
	for name, tc := range map[string]struct{ stdin, want string }{
		"no configuration": {"", "reading the S3 server's configuration"},
		"not JSON":         {"hello\n", "decoding the S3 server's configuration"},
		"all faults at once": {
			`{"port":70000,"buckets":[{"name":"UP"}],"events":[{"bucket":"other"}]}` + "\n",
			"no data folder*port 70000*no credentials*bucket \"UP\"*events of bucket \"other\"",
		},
	} {
		t.Run(name, func(t *testing.T) {
			var stdout, stderr bytes.Buffer
			if code := s3local.Main(nil, strings.NewReader(tc.stdin), &stdout, &stderr); code != 1 {
				t.Errorf("got exit code %d, want 1", code)
			}
			var msg wire.Message
			if err := json.Unmarshal(stdout.Bytes(), &msg); err != nil {
				t.Fatalf("it wrote %q: %v", stdout.String(), err)
			}
			for part := range strings.SplitSeq(tc.want, "*") {
				if !strings.Contains(msg.Error, part) {
					t.Errorf("got error %q, want one that says %q", msg.Error, part)
				}
			}
		})
	}
	var stdout, stderr bytes.Buffer
	if code := s3local.Main([]string{"x"}, nil, &stdout, &stderr); code != 2 || stderr.Len() == 0 {
		t.Errorf("with an argument: got exit code %d and %q, want 2 and a message", code, stderr.String())
	}
}
