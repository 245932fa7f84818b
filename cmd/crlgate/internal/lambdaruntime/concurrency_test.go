package lambdaruntime

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"
)

func pids(results []Result) map[int]int {
	count := make(map[int]int)
	for _, r := range results {
		count[r.PID]++
	}
	return count
}

func TestParallelInvocationsHaveTheirOwnProcesses(t *testing.T) {
	f := start(t, nil)
	first := waiters(t, f, 6)()
	if n := len(pids(first)); n != 6 {
		t.Fatalf("6 invocations at a time ran in %d processes", n)
	}
	again := waiters(t, f, 6)()
	for pid := range pids(again) {
		if pids(first)[pid] == 0 {
			t.Errorf("process %d is new; six idle ones were there", pid)
		}
	}
	if n := len(f.Environments()); n != 6 {
		t.Errorf("%d environments, want 6", n)
	}
}

func TestMostRecentlyUsedFirst(t *testing.T) {
	f := start(t, nil)
	waiters(t, f, 4)()
	last := succeed(t, f, `1`).PID
	for range 10 {
		if r := succeed(t, f, `1`); r.PID != last {
			t.Fatalf("process %d served after %d", r.PID, last)
		}
	}
}

func TestThrottle(t *testing.T) {
	f := start(t, func(c *Config) { c.MaxEnvironments = 2 })
	release := waiters(t, f, 2)
	var throttle *ThrottleError
	if _, err := f.Invoke(t.Context(), []byte(`1`)); !errors.As(err, &throttle) || throttle.Limit != 2 || throttle.Function != "test" {
		t.Errorf("third invocation at a time: %v; want a ThrottleError with limit 2", err)
	}
	release()
	succeed(t, f, `1`)
}

func TestNeverMoreThanMaxEnvironments(t *testing.T) {
	f := start(t, func(c *Config) { c.MaxEnvironments = 3 })
	var wg sync.WaitGroup
	for i := range 12 {
		wg.Go(func() {
			for j := range 20 {
				event := `1`
				if (i+j)%5 == 0 {
					event = `{"do":"exit","code":1}`
				}
				_, err := f.Invoke(t.Context(), []byte(event))
				var throttle *ThrottleError
				if err != nil && !errors.As(err, &throttle) {
					t.Error(err)
				}
				if n := len(running(testBinary)); n > 3 {
					t.Errorf("%d processes at a time, want 3 at most", n)
				}
			}
		})
	}
	wg.Wait()
}

func TestConcurrencyInOneProcess(t *testing.T) {
	f := start(t, func(c *Config) { c.Concurrency = 8; c.MaxEnvironments = 1 })
	results := waiters(t, f, 8)()
	if n := len(pids(results)); n != 1 {
		t.Errorf("8 invocations ran in %d processes, want 1", n)
	}
	for _, r := range results {
		if !r.ColdStart || r.InitDuration <= 0 {
			t.Errorf("%+v; want a cold start", r)
		}
	}
	var c struct{ Env map[string]string }
	r := succeed(t, f, `{"do":"context"}`)
	if err := json.Unmarshal(r.Payload, &c); err != nil {
		t.Fatal(err)
	}
	if c.Env["AWS_LAMBDA_MAX_CONCURRENCY"] != "8" || c.Env["AWS_LAMBDA_INITIALIZATION_TYPE"] != "lambda-managed-instances" {
		t.Errorf("variables: %v", c.Env)
	}
	if r.ColdStart {
		t.Error("a warm process made a cold start")
	}
	release := waiters(t, f, 8)
	var throttle *ThrottleError
	if _, err := f.Invoke(t.Context(), []byte(`1`)); !errors.As(err, &throttle) {
		t.Errorf("ninth invocation at a time: %v; want a ThrottleError", err)
	}
	release()
}

func TestConcurrencyOverflowsIntoAnotherProcess(t *testing.T) {
	f := start(t, func(c *Config) { c.Concurrency = 2 })
	count := pids(waiters(t, f, 5)())
	if len(count) != 3 {
		t.Errorf("5 invocations, two a process, ran as %v", count)
	}
	for pid, n := range count {
		if n > 2 {
			t.Errorf("process %d had %d invocations at a time", pid, n)
		}
	}
}

// After a panic, aws-lambda-go ends the process when its other invocations are
// over. Until then it is not given new ones.
func TestPanicInASharedProcess(t *testing.T) {
	f := start(t, func(c *Config) { c.Concurrency = 2 })
	release := waiters(t, f, 1)
	panicked := call(t, f, `{"do":"panic","text":"boom"}`)
	wantError(t, panicked, "string", "boom")
	if r := succeed(t, f, `1`); r.PID == panicked.PID {
		t.Error("a process that is about to exit was given an invocation")
	}
	other := release()[0]
	if other.Err() != nil || other.PID != panicked.PID {
		t.Errorf("result of the other invocation: %+v; want success in process %d", other, panicked.PID)
	}
	eventually(t, "the process to exit", func() bool { return !alive(panicked.PID) })
	succeed(t, f, `1`)
}

func TestExitFailsAllThatSharesTheProcess(t *testing.T) {
	f := start(t, func(c *Config) { c.Concurrency = 2 })
	release := waiters(t, f, 1)
	for _, r := range []Result{call(t, f, `{"do":"exit","code":5}`), release()[0]} {
		wantError(t, r, ErrorTypeExit, "RequestId: "+r.RequestID+" Error: Runtime exited with error: exit status 5")
	}
	succeed(t, f, `1`)
}

// Workers that come back are used again, not passed over for new processes.
func TestBusySharedProcess(t *testing.T) {
	f := start(t, func(c *Config) { c.Concurrency = 4; c.MaxEnvironments = 1 })
	succeed(t, f, `1`)
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for range 100 {
				if _, err := f.Invoke(t.Context(), []byte(`1`)); err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	wg.Wait()
}

func TestTimeoutInASharedProcess(t *testing.T) {
	f := start(t, func(c *Config) { c.Concurrency = 2; c.Timeout = time.Second })
	file := filepath.Join(t.TempDir(), "go")
	stuck := fmt.Sprintf(`{"do":"wait","file":%q}`, file)
	late := call(t, f, stuck)
	wantError(t, late, ErrorTypeTimeout, "RequestId: "+late.RequestID+" Error: Task timed out after 1.00 seconds")
	if !alive(late.PID) {
		t.Fatal("one late invocation ended a process that could serve others")
	}
	if r := succeed(t, f, `1`); r.PID != late.PID {
		t.Errorf("process %d served, want the free worker of %d", r.PID, late.PID)
	}
	// The late worker answers, is not heard, and serves again.
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the late worker to come back", func() bool { return f.Environments()[0].InFlight == 0 })
	for pid := range pids(waiters(t, f, 2)()) {
		if pid != late.PID {
			t.Errorf("process %d served, want both workers of %d", pid, late.PID)
		}
	}
	// With every worker late, the process is of no use.
	if err := os.Remove(file); err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	for range 2 {
		wg.Go(func() {
			r, err := f.Invoke(t.Context(), []byte(stuck))
			if err != nil || r.ErrorType != ErrorTypeTimeout {
				t.Errorf("%+v, %v; want a timeout", r, err)
			}
		})
	}
	wg.Wait()
	eventually(t, "the process to be killed", func() bool { return !alive(late.PID) })
	if r := succeed(t, f, `1`); r.PID == late.PID {
		t.Error("a killed process served")
	}
}
