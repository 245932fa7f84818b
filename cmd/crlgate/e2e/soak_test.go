package e2e

import (
	"bytes"
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

// interrupting calls interrupt once something was said.
type interrupting struct {
	said      bytes.Buffer // not embedded: its ReadFrom would go round Write
	at        string
	interrupt func()
}

func (w *interrupting) Write(p []byte) (int, error) {
	n, err := w.said.Write(p)
	if w.at != "" && strings.Contains(w.said.String(), w.at) {
		w.interrupt()
	}
	return n, err
}

// soakBinary is make soak's program, built by the first test that asks for it.
var soakBinary = sync.OnceValues(func() (string, error) {
	binary := filepath.Join(builtDir, "soak")
	return binary, build(binary, "./cmd/crlgate/faults/soak", "-trimpath", "-buildvcs=false")
})

// soak runs make soak's program for a while, on a small CRL, and interrupts it
// once it has said something; "": not.
func soak(t *testing.T, interruptAt string, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	binary, err := soakBinary()
	if err != nil {
		t.Fatal(err)
	}
	tmp := t.TempDir()
	ctx, cancel := context.WithTimeout(t.Context(), 4*time.Minute)
	defer cancel()
	args = append([]string{"-crlgate", crlgateBinary, "-functions", functionsDir, "-entries", "2000", "-rate", "40", "-revoke", "1s", "-replace", "3s"}, args...)
	cmd := exec.CommandContext(ctx, binary, args...)
	cmd.Env = append(os.Environ(), "TMPDIR="+tmp)
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) }
	cmd.WaitDelay = 20 * time.Second
	var out bytes.Buffer
	words := interrupting{at: interruptAt, interrupt: cancel}
	cmd.Stdout, cmd.Stderr = &out, &words
	err = cmd.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) && !errors.Is(err, context.Canceled) {
		t.Fatalf("%v\n%s", err, words.said.String())
	}
	if left, err := os.ReadDir(tmp); err != nil || len(left) > 0 {
		t.Errorf("left behind: %v %v", left, err)
	}
	return cmd.ProcessState.ExitCode(), out.String(), words.said.String()
}

// TestSoak runs a soak of some seconds, with faults, and finds nothing wrong.
func TestSoak(t *testing.T) {
	t.Parallel()
	code, out, words := soak(t, "", "-duration", "25s", "-quiet", "4s", "-every", "5s")
	if code != 0 || !strings.Contains(out, "| **wrong answers** | **0** |") {
		t.Errorf("exit %d\n%s\n%s", code, out, words)
	}
	for _, want := range []string{"denied `revoked`", "denied `no_crl`", "denied `out_of_scope`", "freezes"} {
		if !strings.Contains(out, want) {
			t.Errorf("no %q in\n%s", want, out)
		}
	}
	for _, never := range []string{"| revocations accepted | 0 |", "| complete CRLs replaced | 0,", "| faults of the authorizers' GETs | 0,", "| let in | 0 |"} {
		if strings.Contains(out, never) {
			t.Errorf("%q in\n%s", never, out)
		}
	}
}

// TestSoakFinds has an authorizer that looks at the catalog too seldom, and an S3
// that is gone without the oracle's knowing: each is found, and said in words that
// name the client, the bound and the process.
func TestSoakFinds(t *testing.T) {
	for name, wants := range map[string][]string{
		"stale":  {"WRONG ALLOW: let in ", "after its revocation was accepted", "revoked by CRL number", "by process"},
		"outage": {"WRONG DENY: nothing that was broken explains it", "answered 403 cache_", "by process"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			code, out, words := soak(t, "", "-duration", "2m", "-quiet", map[string]string{"stale": "1m", "outage": "4s"}[name], "-stop", "-break", name)
			if code != 1 || !strings.Contains(words, "wrong, of which") {
				t.Errorf("exit %d\n%s\n%s", code, out, words)
			}
			for _, want := range wants {
				if !strings.Contains(words, want) {
					t.Errorf("no %q in\n%s", want, words)
				}
			}
		})
	}
}

// TestSoakInterrupted ends a soak, which takes down what it started and says how
// far it came.
func TestSoakInterrupted(t *testing.T) {
	t.Parallel()
	code, out, words := soak(t, " requests, ", "-duration", "10m", "-every", "2s")
	if code != 1 || !strings.Contains(words, "soak: ended after ") || !strings.Contains(out, "| requests | ") {
		t.Errorf("exit %d\n%s\n%s", code, out, words)
	}
	if strings.Contains(words, "WRONG") {
		t.Error(words)
	}
}
