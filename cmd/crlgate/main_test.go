package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/crlgate/crlgate/cmd/crlgate/internal/target"
)

// TestMain also lets the test binary be crlgate, the local S3 server included.
// It therefore is not run with -race; what there is to race is in the internal
// packages, which are.
func TestMain(m *testing.M) {
	testscript.Main(withFunctions{m}, map[string]func(){"crlgate": main})
}

// withFunctions builds the functions before the tests, unless CRLGATE_FUNCTIONS
// says where they are.
type withFunctions struct{ m *testing.M }

func (w withFunctions) Run() int {
	if os.Getenv("CRLGATE_FUNCTIONS") != "" {
		return w.m.Run()
	}
	dir, err := os.MkdirTemp("", "crlgate-functions-")
	if err != nil {
		panic(err)
	}
	defer os.RemoveAll(dir)
	for _, name := range []string{"preprocessor", "authorizer", "truststore", "fetcher"} {
		build := exec.Command("go", "build", "-trimpath", "-buildvcs=false", "-tags", "lambda.norpc", "-o", filepath.Join(dir, name, "bootstrap"), "../../functions/"+name)
		build.Env = append(os.Environ(), "CGO_ENABLED=0")
		if out, err := build.CombinedOutput(); err != nil {
			fmt.Fprintf(os.Stderr, "building the %s: %v\n%s", name, err, out)
			return 1
		}
	}
	if err := os.Setenv("CRLGATE_FUNCTIONS", dir); err != nil {
		panic(err)
	}
	return w.m.Run()
}

func TestScripts(t *testing.T) {
	repo, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	testscript.Run(t, testscript.Params{
		Dir: "testdata/script",
		Setup: func(e *testscript.Env) error {
			e.Setenv("TESTDATA", filepath.Join(repo, "testdata"))
			e.Setenv("EVENTS", filepath.Join(repo, "events"))
			e.Setenv("CRLGATE_FUNCTIONS", os.Getenv("CRLGATE_FUNCTIONS"))
			e.Setenv("AWS_EC2_METADATA_DISABLED", "true")
			return nil
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){"exits": exits_, "await": await, "profile": profile, "report": report, "queued": queued},
	})
}

// exits_ runs crlgate and wants an exit code: exits 2 check --nonsense.
func exits_(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 1 {
		ts.Fatalf("usage: exits code args...")
	}
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	got := 0
	var exit *exec.ExitError
	if err := ts.Exec("crlgate", args[1:]...); errors.As(err, &exit) {
		got = exit.ExitCode()
	} else {
		ts.Check(err)
	}
	if got != want {
		ts.Fatalf("crlgate %q: exit code %d, want %d", args[1:], got, want)
	}
}

// profile writes an AWS configuration with one profile, which leads to the S3
// server of a local stack, and has the commands that follow use it: profile
// name state-file.
func profile(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: profile name state-file")
	}
	var s target.State
	ts.Check(json.Unmarshal([]byte(ts.ReadFile(args[1])), &s))
	config := ts.MkAbs("aws-config")
	ts.Check(os.WriteFile(config, fmt.Appendf(nil, "[profile %s]\naws_access_key_id = %s\naws_secret_access_key = %s\nregion = %s\nendpoint_url = %s\n",
		args[0], s.AccessKey, s.SecretKey, s.Region, s.Endpoint), 0o600))
	ts.Setenv("AWS_CONFIG_FILE", config)
}

// report waits until the report of the local stack in this folder on an upload
// says something: report key pattern.
func report(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: report key pattern")
	}
	want := regexp.MustCompile(args[1])
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(50 * time.Millisecond) {
		data, err := os.ReadFile(ts.MkAbs(".crlgate/s3/objects/crlgate-cache/reports/" + args[0] + ".json"))
		if err == nil && want.Match(data) {
			return
		}
		if time.Now().After(deadline) {
			ts.Fatalf("waiting for a report on %s that says %q: %v, %s", args[0], args[1], err, data)
		}
	}
}

// queued waits until the failure queue of the local stack in this folder says
// something: queued pattern.
func queued(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: queued pattern")
	}
	want := regexp.MustCompile(args[0])
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(200 * time.Millisecond) {
		if err := ts.Exec("crlgate", "redrive", "--dry-run", "--json"); err == nil && want.MatchString(ts.ReadFile("stdout")) {
			return
		} else if exit := (*exec.ExitError)(nil); err != nil && (!errors.As(err, &exit) || exit.ExitCode() != 1) {
			ts.Fatalf("redrive: %v", err)
		}
		if want.MatchString(ts.ReadFile("stdout")) {
			return
		}
		if time.Now().After(deadline) {
			ts.Fatalf("waiting for a message that says %q", args[0])
		}
	}
}

// await waits for a file.
func await(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: await file")
	}
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(20 * time.Millisecond) {
		_, err := os.Stat(ts.MkAbs(args[0]))
		if err == nil {
			return
		}
		if !errors.Is(err, fs.ErrNotExist) || time.Now().After(deadline) {
			ts.Fatalf("waiting for %s: %v", args[0], err)
		}
	}
}
