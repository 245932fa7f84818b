package lambdaruntime

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// testBinary is a real aws-lambda-go program, internal/testfunc.
var testBinary string

func TestMain(m *testing.M) {
	os.Exit(run(m))
}

func run(m *testing.M) int {
	dir, err := os.MkdirTemp("", "lambdaruntime")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dir)
	testBinary = filepath.Join(dir, "bootstrap")
	if out, err := exec.Command("go", "build", "-o", testBinary, "./internal/testfunc").CombinedOutput(); err != nil {
		fmt.Fprintf(os.Stderr, "building the test function: %v\n%s", err, out)
		return 1
	}
	code := m.Run()
	if left := running(testBinary); len(left) > 0 {
		fmt.Fprintf(os.Stderr, "the tests left processes of the test function: %v\n", left)
		code = 1
	}
	return code
}

// running returns the processes that run a binary, as /proc tells.
func running(binary string) (pids []int) {
	links, _ := filepath.Glob("/proc/[0-9]*/exe")
	for _, link := range links {
		if target, _ := os.Readlink(link); strings.TrimSuffix(target, " (deleted)") == binary {
			pid, _ := strconv.Atoi(strings.Split(link, "/")[2])
			pids = append(pids, pid)
		}
	}
	return pids
}

// alive says whether a process exists and is not a zombie.
func alive(pid int) bool {
	if syscall.Kill(pid, 0) != nil {
		return false
	}
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return os.IsNotExist(err) && !procMounted()
	}
	_, after, _ := strings.Cut(string(stat), ") ")
	return !strings.HasPrefix(after, "Z")
}

func procMounted() bool {
	_, err := os.Stat("/proc/self/stat")
	return err == nil
}

// start starts the test function with a quick but sufficient Config, changed by
// change, and closes it with the test.
func start(t *testing.T, change func(*Config)) *Function {
	t.Helper()
	cfg := Config{Name: "test", Binary: testBinary, Timeout: 30 * time.Second}
	if change != nil {
		change(&cfg)
	}
	f, err := Start(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := f.Close(); err != nil {
			t.Errorf("Close: %v", err)
		}
	})
	return f
}

// call invokes f and fails the test if there is no result.
func call(t *testing.T, f *Function, payload string) Result {
	t.Helper()
	r, err := f.Invoke(t.Context(), []byte(payload))
	if err != nil {
		t.Fatalf("Invoke %s: %v", payload, err)
	}
	return r
}

// succeed invokes f and fails the test unless the function succeeds.
func succeed(t *testing.T, f *Function, payload string) Result {
	t.Helper()
	r := call(t, f, payload)
	if err := r.Err(); err != nil {
		t.Fatalf("Invoke %s: %v", payload, err)
	}
	return r
}

// wantError checks a function error and that its payload says the same.
func wantError(t *testing.T, r Result, errorType, message string) {
	t.Helper()
	if r.FunctionError != "Unhandled" || r.ErrorType != errorType || r.ErrorMessage != message {
		t.Errorf("got %s, %q: %q; want Unhandled, %q: %q", r.FunctionError, r.ErrorType, r.ErrorMessage, errorType, message)
	}
	var d errorDocument
	if err := json.Unmarshal(r.Payload, &d); err != nil || d.Type != r.ErrorType || d.Message != r.ErrorMessage {
		t.Errorf("payload %s does not say %q: %q", r.Payload, r.ErrorType, r.ErrorMessage)
	}
}

// eventually polls until ok or fails the test.
func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(30 * time.Second); !ok(); time.Sleep(2 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("waited in vain: %s", what)
		}
	}
}

// logs collects lines.
type logs struct {
	mu    sync.Mutex
	lines []LogLine
}

func (l *logs) add(line LogLine) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.lines = append(l.lines, line)
}

// find returns the first line that contains text.
func (l *logs) find(text string) (LogLine, bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, line := range l.lines {
		if strings.Contains(line.Text, text) {
			return line, true
		}
	}
	return LogLine{}, false
}

func (l *logs) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	var b strings.Builder
	for _, line := range l.lines {
		fmt.Fprintf(&b, "%d %v %s\n", line.PID, line.Platform, line.Text)
	}
	return b.String()
}

// waiters invokes f n times in parallel so that each invocation waits. It
// returns when all have begun, with a function that lets them go on and returns
// their results.
func waiters(t *testing.T, f *Function, n int) (release func() []Result) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "go")
	results := make([]Result, n)
	errs := make([]error, n)
	var wg sync.WaitGroup
	for i := range n {
		wg.Go(func() {
			results[i], errs[i] = f.Invoke(t.Context(), fmt.Appendf(nil, `{"do":"wait","file":%q}`, file))
		})
	}
	eventually(t, "invocations to begin", func() bool {
		begun, _ := filepath.Glob(file + ".*")
		return len(begun) == n
	})
	return func() []Result {
		t.Helper()
		if err := os.WriteFile(file, nil, 0o600); err != nil {
			t.Fatal(err)
		}
		wg.Wait()
		for _, err := range errs {
			if err != nil {
				t.Error(err)
			}
		}
		return results
	}
}
