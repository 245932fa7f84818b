package lambdaruntime

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"
)

func TestPayloadsPassUnchanged(t *testing.T) {
	f := start(t, nil)
	for _, payload := range []string{
		`{"a":1}`, ` { "b" : "\u00e9<&>" } `, "null", "3e400", "[1,\n2]", `"é\u2028"`,
		`{"long":"` + strings.Repeat("x", MaxRequestBytes-11) + `"}`,
	} {
		if r := succeed(t, f, payload); string(r.Payload) != payload {
			t.Errorf("sent %.40q, got %.40q", payload, r.Payload)
		}
	}
}

func TestOneProcessServesInvocationsInTurn(t *testing.T) {
	f := start(t, nil)
	first := succeed(t, f, `{"do":"pid"}`)
	if !first.ColdStart || first.InitDuration <= 0 || first.Duration <= 0 || first.Function != "test" {
		t.Errorf("first invocation: %+v; want a cold start with durations", first)
	}
	if string(first.Payload) != fmt.Sprint(first.PID) {
		t.Errorf("PID is %d, the process says %s", first.PID, first.Payload)
	}
	for range 20 {
		r := succeed(t, f, `{"do":"pid"}`)
		if r.PID != first.PID || r.ColdStart || r.InitDuration != 0 {
			t.Fatalf("later invocation: %+v; want process %d, warm", r, first.PID)
		}
	}
	envs := f.Environments()
	if len(envs) != 1 || envs[0].PID != first.PID || envs[0].Invocations != 21 || envs[0].InFlight != 0 || !envs[0].Ready || envs[0].Frozen {
		t.Errorf("Environments: %+v", envs)
	}
}

func TestFunctionErrors(t *testing.T) {
	f := start(t, nil)
	pid := succeed(t, f, `{"do":"pid"}`).PID
	for _, c := range []struct{ event, errorType, message string }{
		{`{"do":"error","text":"no such thing"}`, "errorString", "no such thing"},
		{`{"do":"named-error","text":"named"}`, "NamedError", "named"},
		{`{"do":"document-error","text":"own"}`, "Custom.Type", "own"},
		{`{"do":"error","text":"Unauthorized"}`, "errorString", "Unauthorized"},
	} {
		r := call(t, f, c.event)
		wantError(t, r, c.errorType, c.message)
		if r.PID != pid {
			t.Errorf("%s: process %d; a returned error must not end process %d", c.event, r.PID, pid)
		}
		var err *FunctionError
		if !errors.As(r.Err(), &err) || err.Type != c.errorType || err.Message != c.message || err.RequestID != r.RequestID {
			t.Errorf("Err() = %v", r.Err())
		}
	}
}

func TestPanicEndsTheProcessOnly(t *testing.T) {
	f := start(t, nil)
	r := call(t, f, `{"do":"panic","text":"boom"}`)
	wantError(t, r, "string", "boom")
	if !bytes.Contains(r.Payload, []byte(`"stackTrace"`)) {
		t.Errorf("payload %s has no stack trace", r.Payload)
	}
	if alive(r.PID) {
		t.Error("the process that panicked is still there")
	}
	if next := succeed(t, f, `{"do":"pid"}`); next.PID == r.PID || !next.ColdStart {
		t.Errorf("next invocation: %+v; want a new process", next)
	}
}

func TestExitDuringInvocation(t *testing.T) {
	for _, c := range []struct {
		code   int
		reason string
	}{
		{1, "Runtime exited with error: exit status 1"},
		{3, "Runtime exited with error: exit status 3"},
		{0, "Runtime exited without providing a reason"},
	} {
		f := start(t, nil)
		r := call(t, f, fmt.Sprintf(`{"do":"exit","code":%d}`, c.code))
		wantError(t, r, ErrorTypeExit, "RequestId: "+r.RequestID+" Error: "+c.reason)
		if len(f.Environments()) != 0 {
			t.Errorf("Environments: %+v; want none", f.Environments())
		}
		succeed(t, f, `1`)
	}
}

func TestExitBetweenInvocations(t *testing.T) {
	f := start(t, nil)
	file := filepath.Join(t.TempDir(), "exit")
	r := succeed(t, f, fmt.Sprintf(`{"do":"exit-later","code":2,"file":%q}`, file))
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the process to be gone", func() bool { return len(f.Environments()) == 0 })
	if next := succeed(t, f, `1`); next.PID == r.PID || !next.ColdStart {
		t.Errorf("next invocation: %+v; want a new process", next)
	}
}

func TestAnswerThatBreaksOff(t *testing.T) {
	f := start(t, func(c *Config) { c.Env = map[string]string{"INIT": "broken-reader"} })
	r := call(t, f, `1`)
	wantError(t, r, "NamedError", "broke off")
}

func TestKillDuringInvocation(t *testing.T) {
	f := start(t, nil)
	release := waiters(t, f, 2)
	envs := f.Environments()
	if len(envs) != 2 {
		t.Fatalf("Environments: %+v; want two", envs)
	}
	if err := f.Kill(envs[0].PID); err != nil {
		t.Fatal(err)
	}
	if alive(envs[0].PID) {
		t.Error("Kill returned and the process is still there")
	}
	var killed, served int
	for _, r := range release() {
		if r.PID == envs[0].PID {
			wantError(t, r, ErrorTypeExit, "RequestId: "+r.RequestID+" Error: Runtime exited with error: signal: killed")
			killed++
		} else if r.Err() == nil {
			served++
		}
	}
	if killed != 1 || served != 1 {
		t.Errorf("%d killed, %d served; want one each: the death of one process must not disturb another", killed, served)
	}
	if err := f.Kill(envs[0].PID); err == nil {
		t.Error("Kill of a process that is gone: no error")
	}
	f.KillAll()
	if len(f.Environments()) != 0 {
		t.Errorf("Environments after KillAll: %+v", f.Environments())
	}
}

func TestTimeoutKillsAndRestarts(t *testing.T) {
	l := new(logs)
	f := start(t, func(c *Config) { c.Timeout = time.Second; c.Log = l.add })
	r := call(t, f, `{"do":"sleep","millis":600000}`)
	wantError(t, r, ErrorTypeTimeout, "RequestId: "+r.RequestID+" Error: Task timed out after 1.00 seconds")
	if r.Duration < time.Second {
		t.Errorf("timed out after %v, before its time", r.Duration)
	}
	if alive(r.PID) {
		t.Error("the process that timed out is still there")
	}
	if next := succeed(t, f, `{"do":"pid"}`); next.PID == r.PID || !next.ColdStart {
		t.Errorf("next invocation: %+v; want a new process", next)
	}
	if _, ok := l.find("\tStatus: timeout"); !ok {
		t.Errorf("no REPORT line says timeout:\n%s", l)
	}
}

func TestInitFailures(t *testing.T) {
	exit := "Runtime exited with error: exit status 7"
	for _, c := range []struct {
		name               string
		env                map[string]string
		errorType, message string
	}{
		{"exit", map[string]string{"INIT": "exit", "INIT_CODE": "7"}, ErrorTypeExit, "RequestId: ID Error: " + exit},
		{"exit 0", map[string]string{"INIT": "exit", "INIT_CODE": "0"}, ErrorTypeExit, "RequestId: ID Error: Runtime exited without providing a reason"},
		{"timeout", map[string]string{"INIT": "hang"}, ErrorTypeTimeout, "RequestId: ID Error: Init timed out after 0.50 seconds"},
		{"init/error", map[string]string{"INIT": "report"}, "Config.Missing", "no settings"},
	} {
		t.Run(c.name, func(t *testing.T) {
			l := new(logs)
			f := start(t, func(cfg *Config) {
				cfg.Env = c.env
				cfg.Log = l.add
				if c.name == "timeout" {
					cfg.InitTimeout = 500 * time.Millisecond
				}
			})
			for range 2 { // each invocation tries again
				r := call(t, f, `1`)
				wantError(t, r, c.errorType, strings.Replace(c.message, "ID", r.RequestID, 1))
				if !r.ColdStart || r.InitDuration != 0 || r.Duration != 0 {
					t.Errorf("result: %+v; want a cold start without durations", r)
				}
				if r.PID == 0 || alive(r.PID) {
					t.Errorf("process %d is still there", r.PID)
				}
			}
			if _, ok := l.find("INIT_REPORT"); !ok {
				t.Errorf("the log does not report the failed init:\n%s", l)
			}
			if line, ok := l.find("refusing to start"); c.env["INIT"] == "exit" && (!ok || line.Platform || line.PID == 0) {
				t.Errorf("the log lacks the reason the process gave:\n%s", l)
			}
		})
	}
}

func TestInitIsRetriedByTheNextInvocation(t *testing.T) {
	f := start(t, func(c *Config) {
		c.Env = map[string]string{"INIT": "exit-once", "INIT_FILE": filepath.Join(t.TempDir(), "tried")}
	})
	r := call(t, f, `1`)
	wantError(t, r, ErrorTypeExit, "RequestId: "+r.RequestID+" Error: Runtime exited with error: exit status 9")
	succeed(t, f, `1`)
}

func TestBinaryThatCannotRun(t *testing.T) {
	path := filepath.Join(t.TempDir(), "bootstrap")
	if err := os.WriteFile(path, []byte("not a program"), 0o700); err != nil {
		t.Fatal(err)
	}
	f := start(t, func(c *Config) { c.Binary = path })
	r := call(t, f, `1`)
	wantError(t, r, ErrorTypeEntrypoint, "RequestId: "+r.RequestID+" Error: fork/exec "+path+": exec format error")
}

func TestResponseSize(t *testing.T) {
	f := start(t, nil)
	if r := succeed(t, f, fmt.Sprintf(`{"do":"large","bytes":%d}`, MaxResponseBytes)); len(r.Payload) != MaxResponseBytes {
		t.Errorf("got %d bytes, want %d", len(r.Payload), MaxResponseBytes)
	}
	r := call(t, f, fmt.Sprintf(`{"do":"large","bytes":%d}`, MaxResponseBytes+1))
	wantError(t, r, ErrorTypeResponseSize, "Response payload size exceeded maximum allowed payload size (6291556 bytes).")
	succeed(t, f, `1`)
}

func TestRefusedPayloads(t *testing.T) {
	f := start(t, nil)
	for _, payload := range []string{"", "{", `{"a":1}x`, "\xff"} {
		if _, err := f.Invoke(t.Context(), []byte(payload)); !errors.Is(err, ErrInvalidPayload) {
			t.Errorf("Invoke %q: %v; want ErrInvalidPayload", payload, err)
		}
		if _, err := f.InvokeAsync([]byte(payload)); !errors.Is(err, ErrInvalidPayload) {
			t.Errorf("InvokeAsync %q: %v; want ErrInvalidPayload", payload, err)
		}
	}
	large := bytes.Repeat([]byte("1"), MaxRequestBytes+1)
	var size *PayloadSizeError
	if _, err := f.Invoke(t.Context(), large); !errors.As(err, &size) || size.Size != len(large) || size.Limit != MaxRequestBytes {
		t.Errorf("Invoke: %v; want a PayloadSizeError", err)
	}
	if _, err := f.InvokeAsync(large[:MaxAsyncRequestBytes+1]); !errors.As(err, &size) || size.Limit != MaxAsyncRequestBytes {
		t.Errorf("InvokeAsync: %v; want a PayloadSizeError", err)
	}
	if len(f.Environments()) != 0 {
		t.Error("refused payloads started a process")
	}
}

func TestContextOfAnInvocation(t *testing.T) {
	t.Setenv("LAMBDARUNTIME_SECRET", "of the parent")
	f := start(t, func(c *Config) {
		c.Timeout = 20 * time.Second
		c.MemoryMB = 512
		c.Region, c.AccountID = "eu-central-1", "000000000042"
		c.Env = map[string]string{"MODE": "observe", "EMPTY": ""}
		c.Credentials = Credentials{AccessKeyID: "key-id", SecretAccessKey: "secret"}
		c.LogFormat, c.LogLevel = "JSON", "DEBUG"
	})
	before := time.Now()
	r := succeed(t, f, `{"do":"context"}`)
	after := time.Now()
	var c struct {
		Deadline                         time.Time
		RequestID, ARN, Trace, Directory string
		Env                              map[string]string
		Memory, Concurrency              int
		LogStream                        string
	}
	if err := json.Unmarshal(r.Payload, &c); err != nil {
		t.Fatal(err)
	}
	// The header has milliseconds.
	if c.Deadline.Before(before.Add(20*time.Second-time.Millisecond)) || c.Deadline.After(after.Add(20*time.Second)) {
		t.Errorf("deadline %v, want 20 s after an instant between %v and %v", c.Deadline, before, after)
	}
	if c.RequestID != r.RequestID || !regexp.MustCompile(`^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$`).MatchString(c.RequestID) {
		t.Errorf("request ID %q, want the UUID %q", c.RequestID, r.RequestID)
	}
	if c.ARN != "arn:aws:lambda:eu-central-1:000000000042:function:test" {
		t.Errorf("ARN %q", c.ARN)
	}
	if !regexp.MustCompile(`^Root=1-[0-9a-f]{8}-[0-9a-f]{24};Parent=[0-9a-f]{16};Sampled=0$`).MatchString(c.Trace) {
		t.Errorf("trace %q", c.Trace)
	}
	if c.Memory != 512 || c.Concurrency != 1 || c.LogStream == "" {
		t.Errorf("memory %d, concurrency %d, log stream %q", c.Memory, c.Concurrency, c.LogStream)
	}
	root, err := filepath.EvalSymlinks(filepath.Dir(testBinary))
	if err != nil {
		t.Fatal(err)
	}
	if c.Directory != root {
		t.Errorf("working directory %q, want the binary's, %q", c.Directory, root)
	}
	want := map[string]string{
		"MODE": "observe", "EMPTY": "", "_HANDLER": "bootstrap",
		"PATH": "/usr/local/bin:/usr/bin:/bin:/opt/bin", "LANG": "en_US.UTF-8", "TZ": ":UTC",
		"AWS_REGION": "eu-central-1", "AWS_DEFAULT_REGION": "eu-central-1",
		"AWS_ACCESS_KEY_ID": "key-id", "AWS_SECRET_ACCESS_KEY": "secret",
		"AWS_LAMBDA_FUNCTION_NAME": "test", "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "512", "AWS_LAMBDA_FUNCTION_VERSION": "$LATEST",
		"AWS_LAMBDA_INITIALIZATION_TYPE": "on-demand", "AWS_LAMBDA_RUNTIME_API": f.Environments()[0].Address,
		"AWS_LAMBDA_LOG_GROUP_NAME": "/aws/lambda/test", "AWS_LAMBDA_LOG_STREAM_NAME": c.LogStream,
		"AWS_LAMBDA_LOG_FORMAT": "JSON", "AWS_LAMBDA_LOG_LEVEL": "DEBUG",
		"LAMBDA_TASK_ROOT": filepath.Dir(testBinary), "LAMBDA_RUNTIME_DIR": "/var/runtime",
		"_X_AMZN_TRACE_ID": c.Trace, // set by aws-lambda-go
	}
	for name, value := range want {
		if got, ok := c.Env[name]; !ok || got != value {
			t.Errorf("%s is %q, want %q", name, got, value)
		}
		delete(c.Env, name)
	}
	if len(c.Env) > 0 {
		t.Errorf("variables that Lambda does not set: %v", c.Env)
	}
}

func TestInvokeContext(t *testing.T) {
	f := start(t, nil)
	done, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := f.Invoke(done, []byte(`1`)); !errors.Is(err, context.Canceled) || len(f.Environments()) != 0 {
		t.Errorf("Invoke with an ended context: %v, %+v", err, f.Environments())
	}
	file := filepath.Join(t.TempDir(), "go")
	ctx, cancel := context.WithCancel(t.Context())
	failed := make(chan error)
	go func() {
		_, err := f.Invoke(ctx, fmt.Appendf(nil, `{"do":"wait","file":%q}`, file))
		failed <- err
	}()
	eventually(t, "the invocation to begin", func() bool {
		envs := f.Environments()
		return len(envs) == 1 && envs[0].Invocations == 1
	})
	cancel()
	if err := <-failed; !errors.Is(err, context.Canceled) {
		t.Errorf("Invoke: %v; want context.Canceled", err)
	}
	if n := f.Environments()[0].InFlight; n != 1 {
		t.Errorf("%d invocations under way, want the one that nobody waits for", n)
	}
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the invocation to end by itself", func() bool { return f.Environments()[0].InFlight == 0 })
	if r := succeed(t, f, `1`); r.ColdStart {
		t.Error("the environment of an abandoned invocation was not used again")
	}
}
