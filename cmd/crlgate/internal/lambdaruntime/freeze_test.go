package lambdaruntime

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"testing"
	"time"
)

// ticks reads the number that the test function's background goroutine writes.
func ticks(t *testing.T, file string) int {
	t.Helper()
	b, err := os.ReadFile(file)
	if os.IsNotExist(err) {
		return 0
	}
	n, convErr := strconv.Atoi(string(b))
	if err != nil || convErr != nil {
		t.Fatalf("reading ticks: %v, %v", err, convErr)
	}
	return n
}

// advances waits until ticks go on.
func advances(t *testing.T, file string) {
	t.Helper()
	from := ticks(t, file)
	eventually(t, "the background goroutine to go on", func() bool { return ticks(t, file) > from })
}

// stands fails the test if ticks go on.
func stands(t *testing.T, file string) {
	t.Helper()
	from := ticks(t, file)
	time.Sleep(50 * time.Millisecond) // fifty ticks of a process that runs
	if to := ticks(t, file); to != from {
		t.Errorf("background goroutine went on from %d to %d in a frozen process", from, to)
	}
}

func TestWithoutFreezeTheBackgroundGoesOn(t *testing.T) {
	file := filepath.Join(t.TempDir(), "ticks") // removed after the process is gone
	f := start(t, nil)
	succeed(t, f, fmt.Sprintf(`{"do":"tick","file":%q}`, file))
	advances(t, file)
	advances(t, file)
}

func TestFreezeBetweenInvocations(t *testing.T) {
	file := filepath.Join(t.TempDir(), "ticks") // removed after the process is gone
	f := start(t, func(c *Config) { c.Freeze = true })
	first := succeed(t, f, fmt.Sprintf(`{"do":"tick","file":%q}`, file))
	for range 3 {
		if envs := f.Environments(); len(envs) != 1 || !envs[0].Frozen {
			t.Fatalf("after an invocation: %+v; want one frozen environment", envs)
		}
		stands(t, file)
		// While an invocation runs, so does the background.
		release := waiters(t, f, 1)
		if f.Environments()[0].Frozen {
			t.Error("frozen during an invocation")
		}
		advances(t, file)
		if r := release()[0]; r.PID != first.PID {
			t.Fatalf("process %d served, want the thawed %d", r.PID, first.PID)
		}
	}
}

func TestFreezeByHand(t *testing.T) {
	file := filepath.Join(t.TempDir(), "ticks") // removed after the process is gone
	f := start(t, nil)
	first := succeed(t, f, fmt.Sprintf(`{"do":"tick","file":%q}`, file))
	advances(t, file)
	f.Freeze()
	f.Freeze() // no effect
	if !f.Environments()[0].Frozen {
		t.Error("not frozen")
	}
	stands(t, file)
	f.Thaw()
	advances(t, file)
	f.Freeze()
	stands(t, file)
	if r := succeed(t, f, `1`); r.PID != first.PID {
		t.Errorf("process %d served, want the thawed %d", r.PID, first.PID)
	}
	advances(t, file)
}

func TestFrozenDuringAnInvocationTimesOut(t *testing.T) {
	f := start(t, func(c *Config) { c.Timeout = time.Second })
	release := waiters(t, f, 1)
	f.Freeze()
	r := release()[0]
	wantError(t, r, ErrorTypeTimeout, "RequestId: "+r.RequestID+" Error: Task timed out after 1.00 seconds")
	if alive(r.PID) {
		t.Error("the frozen process is still there")
	}
}

func TestKillFrozen(t *testing.T) {
	f := start(t, func(c *Config) { c.Freeze = true })
	pid := succeed(t, f, `1`).PID
	if err := f.Kill(pid); err != nil {
		t.Fatal(err)
	}
	if alive(pid) {
		t.Error("Kill left a frozen process")
	}
	succeed(t, f, `1`)
}

// TestRetire ends what is idle, and nothing else.
func TestRetire(t *testing.T) {
	f := start(t, func(c *Config) { c.Freeze = true })
	release := waiters(t, f, 1)
	busy := f.Environments()[0]
	if busy.Freezes != 0 {
		t.Errorf("%d freezes before any invocation was over", busy.Freezes)
	}
	if f.Retire(busy.PID) {
		t.Error("Retire ended a process in the middle of an invocation")
	}
	if r := release()[0]; r.Err() != nil || r.PID != busy.PID {
		t.Errorf("the invocation under way: %+v", r)
	}
	if envs := f.Environments(); len(envs) != 1 || envs[0].Freezes != 1 {
		t.Errorf("after one invocation: %+v; want one environment, frozen once", envs)
	}
	if !f.Retire(busy.PID) || alive(busy.PID) || len(f.Environments()) != 0 {
		t.Errorf("Retire left an idle process: %+v", f.Environments())
	}
	if f.Retire(busy.PID) || f.Retire(0) {
		t.Error("Retire of nobody says that it ended a process")
	}
	if r := call(t, f, `1`); r.Err() != nil || r.PID == busy.PID || !r.ColdStart {
		t.Errorf("after Retire: %+v; want a cold start", r)
	}
}

// TestRetiredMakesRoom has an invocation come while a process is being ended that
// still counts against the limit: it waits until the process is gone.
func TestRetiredMakesRoom(t *testing.T) {
	f := start(t, func(c *Config) { c.MaxEnvironments = 1 })
	last := succeed(t, f, `1`)
	leaving := f.environments()[0]
	f.mu.Lock()
	leaving.phase = ending
	f.mu.Unlock()
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	if _, err := f.Invoke(ctx, []byte(`1`)); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("an invocation while the only process was being ended: %v; want it to wait", err)
	}
	leaving.proc.kill()
	if r := succeed(t, f, `1`); r.PID == last.PID || !r.ColdStart {
		t.Errorf("after that: %+v; want a cold start", r)
	}
}
