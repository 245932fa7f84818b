package proctest_test

import (
	"errors"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/crlgate/crlgate/cmd/crlgate/internal/proctest"
)

// shell runs a script, and returns when that has printed "ready".
func shell(t *testing.T, script string) *proctest.Process {
	t.Helper()
	p := proctest.Start(t, exec.Command("sh", "-c", script))
	for deadline := time.Now().Add(time.Minute); !strings.Contains(p.Output.String(), "ready\n"); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("it printed %q", p.Output.String())
		}
	}
	return p
}

func TestStop(t *testing.T) {
	p := shell(t, "trap 'echo bye >&2; kill $!; exit 3' INT; sleep 600 & echo ready; wait")
	select {
	case <-p.Ended():
		t.Fatal("it has ended by itself")
	default:
	}
	err := p.Stop(os.Interrupt)
	var exit *exec.ExitError
	if !errors.As(err, &exit) || exit.ExitCode() != 3 || exit.Pid() != p.PID() {
		t.Errorf("it ended with %v, want exit code 3", err)
	}
	if said := p.Output.String(); !strings.Contains(said, "bye\n") {
		t.Errorf("it printed %q", said)
	}
	<-p.Ended()
}

func TestGoodEnd(t *testing.T) {
	p := shell(t, "echo ready")
	<-p.Ended()
	if err := p.Kill(); err != nil {
		t.Error(err)
	}
	if err := p.Stop(os.Interrupt); !errors.Is(err, os.ErrProcessDone) {
		t.Errorf("stopped when it had ended: %v", err)
	}
}

// TestKilledAtTheEnd: a test that forgets its process leaves none.
func TestKilledAtTheEnd(t *testing.T) {
	var p *proctest.Process
	t.Run("test", func(t *testing.T) { p = shell(t, "trap '' INT TERM; echo ready; exec sleep 600") })
	select {
	case <-p.Ended():
	default:
		t.Error("it runs")
	}
	if err := p.Kill(); err == nil || !strings.Contains(err.Error(), "killed") {
		t.Errorf("it ended with %v", err)
	}
}
