package s3proc_test

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/crlgate/crlgate/cmd/crlgate/internal/s3proc"
)

// pauseEnv makes the parent process pause its server.
const pauseEnv = "CRLGATE_TEST_S3_PAUSED"

// refused says whether nobody listens at an endpoint.
func refused(t *testing.T, endpoint string) bool {
	t.Helper()
	u, err := url.Parse(endpoint)
	if err != nil {
		t.Fatal(err)
	}
	conn, err := net.DialTimeout("tcp", u.Host, time.Second)
	if err == nil {
		conn.Close()
	}
	return errors.Is(err, syscall.ECONNREFUSED)
}

func TestStopLeavesNothing(t *testing.T) {
	var seen keys
	s, c := start(t, seen.add)
	for i := range 50 {
		mustPut(t, c, fmt.Sprint("k/", i), "x")
	}
	done := s.Done()
	if err := s.Stop(); err != nil {
		t.Fatal(err)
	}
	if got := seen.all(); len(got) != 50 || got[0] != "k/0" || got[49] != "k/49" {
		t.Errorf("by the end of Stop OnEvent had %d events, %q, want all 50 in order", len(got), got)
	}
	select {
	case <-done:
	default:
		t.Error("Done is not closed after Stop")
	}
	if !refused(t, s.Endpoint) {
		t.Error("the port is still open after Stop")
	}
	if err := s.Stop(); err != nil {
		t.Errorf("second Stop: %v", err)
	}
	if err := s.Restart(t.Context()); err == nil {
		t.Error("Restart after Stop: no error")
	}
}

func TestKillAndRestart(t *testing.T) {
	var seen keys
	s, c := start(t, seen.add)
	mustPut(t, c, "before", "kept")
	endpoint := s.Endpoint
	if err := s.Kill(); err != nil {
		t.Fatal(err)
	}
	if !refused(t, endpoint) {
		t.Error("the port is still open after Kill")
	}
	if _, err := get(t.Context(), c, "before"); !errors.Is(err, syscall.ECONNREFUSED) {
		t.Errorf("GET after Kill: got %v, want connection refused", err)
	}
	if err := s.Kill(); err != nil {
		t.Errorf("second Kill: %v", err)
	}
	if err := s.Pause(); !errors.Is(err, os.ErrProcessDone) {
		t.Errorf("Pause after Kill: got %v, want os.ErrProcessDone", err)
	}
	if err := s.Restart(t.Context()); err != nil {
		t.Fatal(err)
	}
	if s.Endpoint != endpoint {
		t.Errorf("endpoint was %s, is %s", endpoint, s.Endpoint)
	}
	wantGet(t, c, "before", "kept")
	mustPut(t, c, "after", "x")
	eventually(t, "events from both runs, in order", func() bool {
		return slices.Equal(seen.all(), []string{"before", "after"})
	})
}

// Restart of a running server, with a client that keeps its connection.
func TestRestartWhileRunning(t *testing.T) {
	s, c := start(t, nil)
	mustPut(t, c, "k", "x")
	if err := s.Restart(t.Context()); err != nil {
		t.Fatal(err)
	}
	wantGet(t, c, "k", "x")
}

func TestPauseResume(t *testing.T) {
	s, c := start(t, nil)
	mustPut(t, c, "k", "x")
	if err := s.Pause(); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	if got, err := get(ctx, c, "k"); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("GET while paused: got %q, %v, want it to hang", got, err)
	}
	if err := s.Resume(); err != nil {
		t.Fatal(err)
	}
	wantGet(t, c, "k", "x")

	if err := s.Pause(); err != nil {
		t.Fatal(err)
	}
	if err := s.Stop(); err != nil {
		t.Errorf("stopping a paused server: %v", err)
	}
}

// A slow OnEvent holds nobody up but itself.
func TestSlowOnEvent(t *testing.T) {
	release := make(chan struct{})
	var seen keys
	s, c := start(t, func(raw json.RawMessage) {
		<-release
		seen.add(raw)
	})
	// More than a pipe holds, so that a child that had to wait would.
	name := strings.Repeat("n", 200)
	const count = 300
	for i := range count {
		mustPut(t, c, fmt.Sprintf("%s/%d", name, i), "x")
	}
	if got := seen.all(); len(got) != 0 {
		t.Fatalf("OnEvent handled %d events while it was held", len(got))
	}
	close(release)
	if err := s.Stop(); err != nil {
		t.Fatal(err)
	}
	got := seen.all()
	if len(got) != count {
		t.Fatalf("OnEvent had %d events, want %d", len(got), count)
	}
	for i, key := range got {
		if want := fmt.Sprintf("%s/%d", name, i); key != want {
			t.Fatalf("event %d is of %q, want %q", i, key, want)
		}
	}
}

func TestTwoServers(t *testing.T) {
	var seenA, seenB keys
	a, ca := start(t, seenA.add)
	b, cb := start(t, seenB.add)
	if a.Endpoint == b.Endpoint || a.SecretKey == b.SecretKey || a.AccessKey == b.AccessKey {
		t.Fatalf("two servers share %s, %s or a secret", a.Endpoint, a.AccessKey)
	}
	mustPut(t, ca, "only-a", "a")
	mustPut(t, cb, "only-b", "b")
	wantGet(t, ca, "only-a", "a")
	wantGet(t, cb, "only-b", "b")
	if got, err := get(t.Context(), cb, "only-a"); err == nil {
		t.Errorf("the second server has the first one's object: %q", got)
	}
	if got, err := get(t.Context(), client(a, b.Endpoint), "only-b"); err == nil {
		t.Errorf("the second server takes the first one's credentials: %q", got)
	}
	for _, s := range []*s3proc.Server{a, b} {
		if err := s.Stop(); err != nil {
			t.Error(err)
		}
	}
	if a, b := seenA.all(), seenB.all(); !slices.Equal(a, []string{"only-a"}) || !slices.Equal(b, []string{"only-b"}) {
		t.Errorf("got events %q and %q", a, b)
	}
}

// Env alone is enough for the SDK's default configuration.
func TestEnv(t *testing.T) {
	s, _ := start(t, nil)
	for _, v := range s.Env() {
		name, value, _ := strings.Cut(v, "=")
		t.Setenv(name, value)
	}
	cfg, err := config.LoadDefaultConfig(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	c := s3.NewFromConfig(cfg)
	mustPut(t, c, "k", "x")
	wantGet(t, c, "k", "x")
}

func TestSecretStaysOffCommandLine(t *testing.T) {
	s, _ := start(t, nil)
	lines, err := filepath.Glob("/proc/[0-9]*/cmdline")
	if err != nil {
		t.Fatal(err)
	}
	if len(lines) == 0 {
		out, err := exec.Command("ps", "-axww", "-o", "command").Output()
		if err != nil {
			t.Fatal(err)
		}
		lines = append(lines, filepath.Join(t.TempDir(), "ps"))
		if err := os.WriteFile(lines[0], out, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	found := false
	for _, file := range lines {
		b, _ := os.ReadFile(file) // a process may be gone
		found = found || strings.Contains(string(b), testServer)
		if strings.Contains(string(b), s.SecretKey) {
			t.Errorf("the secret key is in a command line: %q", b)
		}
	}
	if !found {
		t.Error("the server's process was not among those looked at")
	}
}

// The server dies with its parent, even one that is killed. So does a paused
// server, which cannot see its input end: the kernel sends SIGHUP and SIGCONT to
// a stopped process group whose last tie to its session is gone.
func TestParentDeath(t *testing.T) {
	for name, env := range map[string][]string{"running": nil, "paused": {pauseEnv + "=1"}} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			cmd := exec.Command(os.Args[0])
			cmd.Env = append(append(os.Environ(), parentEnv+"="+dir, serverEnv+"="+testServer), env...)
			cmd.Stderr = t.Output()
			out, err := cmd.StdoutPipe()
			if err != nil {
				t.Fatal(err)
			}
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { _ = cmd.Process.Kill() })
			line, err := bufio.NewReader(out).ReadBytes('\n')
			if err != nil {
				t.Fatal(err)
			}
			var endpoint string
			if err := json.Unmarshal(line, &endpoint); err != nil {
				t.Fatal(err)
			}
			if refused(t, endpoint) {
				t.Fatal("the server does not listen before its parent dies")
			}
			if err := cmd.Process.Kill(); err != nil {
				t.Fatal(err)
			}
			_ = cmd.Wait()
			eventually(t, "the server's port closed after its parent was killed", func() bool { return refused(t, endpoint) })
		})
	}
}

func TestStartFails(t *testing.T) {
	good := func(t *testing.T) s3proc.Options {
		return s3proc.Options{Command: []string{testServer}, DataDir: t.TempDir()}
	}
	for name, tc := range map[string]struct {
		spoil func(*testing.T, *s3proc.Options)
		want  string
	}{
		"no command":      {func(_ *testing.T, o *s3proc.Options) { o.Command = nil }, "no command"},
		"missing program": {func(_ *testing.T, o *s3proc.Options) { o.Command = []string{"/nonexistent/crlgate"} }, "no such file"},
		"another program": {func(_ *testing.T, o *s3proc.Options) { o.Command = []string{"echo", "hello"} }, `"hello\n", which is no message`},
		"program that dies": {func(_ *testing.T, o *s3proc.Options) {
			o.Command = []string{"sh", "-c", "echo out of luck >&2; exit 3"}
		}, "exit status 3)\nIt printed: out of luck"},
		"argument":       {func(_ *testing.T, o *s3proc.Options) { o.Command = append(o.Command, "x") }, "takes no arguments"},
		"no folder":      {func(_ *testing.T, o *s3proc.Options) { o.DataDir = "" }, "no data folder"},
		"bad folder":     {func(_ *testing.T, o *s3proc.Options) { o.DataDir = testServer }, "making the S3 data folder"},
		"bad bucket":     {func(_ *testing.T, o *s3proc.Options) { o.Buckets = []s3proc.Bucket{{Name: "../up"}} }, `bucket "../up"`},
		"events of none": {func(_ *testing.T, o *s3proc.Options) { o.Events = []s3proc.EventFilter{{Bucket: "other"}} }, `events of bucket "other"`},
		"port in use": {func(t *testing.T, o *s3proc.Options) {
			l, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { l.Close() })
			o.Port = l.Addr().(*net.TCPAddr).Port
		}, "address already in use"},
	} {
		t.Run(name, func(t *testing.T) {
			o := good(t)
			tc.spoil(t, &o)
			s, err := s3proc.Start(t.Context(), o)
			if err == nil {
				_ = s.Stop()
				t.Fatal("no error")
			}
			if !strings.Contains(err.Error(), tc.want) {
				t.Errorf("got error %q, want one that says %q", err, tc.want)
			}
		})
	}
	t.Run("not in time", func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
		defer cancel()
		o := good(t)
		o.Command = []string{"sleep", "1000"}
		if _, err := s3proc.Start(ctx, o); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("got error %v, want context.DeadlineExceeded", err)
		}
	})
}

// A server that dies by itself is noticed, and Stop says so.
func TestUnexpectedEnd(t *testing.T) {
	s, err := s3proc.Start(t.Context(), s3proc.Options{
		Command: []string{"sh", "-c", `read config; echo '{"ready":{"endpoint":"http://127.0.0.1:1"}}'; echo '{"error":"disk on fire"}'; exit 1`},
		DataDir: t.TempDir(),
	})
	if err != nil {
		t.Fatal(err)
	}
	select {
	case <-s.Done():
	case <-time.After(patience):
		t.Fatal("Done is not closed")
	}
	if err := s.Stop(); err == nil || !strings.Contains(err.Error(), "disk on fire") {
		t.Errorf("Stop: got %v, want an error that says why", err)
	}
}
