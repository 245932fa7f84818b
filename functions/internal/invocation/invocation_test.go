package invocation_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/aws/aws-lambda-go/lambdacontext"

	"github.com/crlgate/crlgate/functions/internal/invocation"
	"github.com/crlgate/crlgate/pkg/telemetry"
)

// asFunction is set for the process in which TestMain is a function's.
const asFunction = "CRLGATE_TEST_AS_FUNCTION"

func TestMain(m *testing.M) {
	switch os.Getenv(asFunction) {
	case "bad":
		invocation.Main("keeper", func(context.Context) error { return errors.New("no bucket") })
	case "good":
		invocation.Main("keeper", func(ctx context.Context) error { return ctx.Err() })
	default:
		os.Exit(m.Run())
	}
}

func TestProcess(t *testing.T) {
	for how, want := range map[string]struct {
		code int
		says string
	}{"bad": {1, "keeper: no bucket\n"}, "good": {0, ""}} {
		cmd := exec.Command(os.Args[0])
		cmd.Env = append(os.Environ(), asFunction+"="+how)
		var says bytes.Buffer
		cmd.Stderr = &says
		err := cmd.Run()
		if code := cmd.ProcessState.ExitCode(); code != want.code || says.String() != want.says {
			t.Errorf("%s: %v, exit code %d, says %q; want %d and %q", how, err, code, says.String(), want.code, want.says)
		}
	}
}

func TestRequestID(t *testing.T) {
	ctx := lambdacontext.NewContext(t.Context(), &lambdacontext.LambdaContext{AwsRequestID: "r-1"})
	if got := invocation.RequestID(ctx); got != "r-1" {
		t.Errorf("%q", got)
	}
	if got := invocation.RequestID(t.Context()); got != "" {
		t.Errorf("outside of Lambda: %q", got)
	}
}

// emitted returns the lines that what writes to standard output, decoded.
func emitted(t *testing.T, what func()) (lines []map[string]any) {
	t.Helper()
	f, err := os.Create(filepath.Join(t.TempDir(), "stdout"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	stdout := os.Stdout
	os.Stdout = f
	what()
	os.Stdout = stdout
	data, err := os.ReadFile(f.Name())
	if err != nil {
		t.Fatal(err)
	}
	for line := range bytes.Lines(data) {
		fields := map[string]any{}
		if err := json.Unmarshal(line, &fields); err != nil {
			t.Fatalf("%v in %q", err, line)
		}
		lines = append(lines, fields)
	}
	return lines
}

// TestEnd: what an invocation leaves: its own lines and the last one, by request and
// function, then its metrics and how long it took; and what Lambda is told.
func TestEnd(t *testing.T) {
	failure := errors.New("S3 is down")
	for _, tt := range []struct {
		err        error
		msg, level string
	}{{nil, "done", "INFO"}, {failure, "not done", "ERROR"}} {
		ctx := lambdacontext.NewContext(t.Context(), &lambdacontext.LambdaContext{AwsRequestID: "r-1"})
		var body []byte
		var err error
		before := time.Now()
		lines := emitted(t, func() {
			i := invocation.Begin(ctx, "gate-fetcher")
			if began := i.Began(); began.Before(before.Round(0)) || time.Since(began) > time.Hour || began != began.Round(0) {
				t.Errorf("it began at %v", began)
			}
			i.Log.Info("one")
			i.Metrics.Count(telemetry.CRLFetched, telemetry.Labels{CA: "a"})
			body, err = i.End(telemetry.FetchLatency, map[string]int{"n": 1}, tt.err)
		})
		if string(body) != `{"n":1}` || !errors.Is(err, tt.err) {
			t.Errorf("%s: answers %s, %v", tt.msg, body, err)
		}
		if len(lines) < 4 {
			t.Fatalf("%s: %v", tt.msg, lines)
		}
		last := lines[1]
		_, timed := last[telemetry.KeyDurationMS].(float64)
		if lines[0]["msg"] != "one" || last["msg"] != tt.msg || last["level"] != tt.level || !timed || (last[telemetry.KeyErr] == failure.Error()) != (tt.err != nil) {
			t.Errorf("%s: %v", tt.msg, lines)
		}
		var metrics []string
		for n, l := range lines {
			if l["function"] != "gate-fetcher" || n < 2 && l[telemetry.KeyRequestID] != "r-1" {
				t.Errorf("%s: line %d: %v", tt.msg, n, l)
			}
			for name := range l {
				metrics = append(metrics, name)
			}
		}
		for _, name := range []string{"CRLFetched", "FetchLatency"} {
			if !slices.Contains(metrics, name) {
				t.Errorf("%s: %s is not written: %v", tt.msg, name, lines)
			}
		}
	}
}

// TestFaults: an answer that has no JSON is an error, and outside of Lambda a line has
// no request id.
func TestFaults(t *testing.T) {
	var err error
	lines := emitted(t, func() { _, err = invocation.Begin(t.Context(), "f").End(telemetry.FetchLatency, func() {}, nil) })
	if err == nil {
		t.Error("no error")
	}
	if _, ok := lines[0][telemetry.KeyRequestID]; ok {
		t.Errorf("%v", lines[0])
	}
}

// TestFlush: what was recorded is written by Flush too.
func TestFlush(t *testing.T) {
	lines := emitted(t, func() {
		i := invocation.Begin(t.Context(), "f")
		i.Metrics.Count(telemetry.TruststoreMoved, telemetry.Labels{})
		if err := i.Flush(); err != nil {
			t.Error(err)
		}
	})
	if len(lines) != 1 || lines[0]["TruststoreMoved"] != 1.0 {
		t.Errorf("%v", lines)
	}
}
