package e2e

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/crlgate/crlgate/cmd/crlgate/internal/stack"
)

// The binaries under test.
var (
	crlgateBinary  string // the crlgate command
	functionsDir   string // preprocessor/bootstrap and authorizer/bootstrap
	panickingDir   string // the same preprocessor, and an authorizer that panics on request
	s3Command      []string
	builtDir       string // what is built for the tests
	parallelStacks = "6"
)

const module = "github.com/crlgate/crlgate"

func TestMain(m *testing.M) { os.Exit(run(m)) }

func run(m *testing.M) (code int) {
	flag.Parse()
	if testing.Short() {
		fmt.Fprintln(os.Stderr, "e2e: -short makes no difference: these tests take minutes")
	}
	dir, err := os.MkdirTemp("", "crlgate-e2e-")
	if err == nil {
		defer func() {
			if err := os.RemoveAll(dir); err != nil {
				fmt.Fprintln(os.Stderr, "e2e: removing the binaries:", err)
				code = 1
			}
		}()
		builtDir = dir
		err = binaries(dir)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "e2e: the binaries under test:", err)
		return 1
	}
	// The tests wait for most of their time, whatever the number of processors.
	if !given("test.parallel") {
		_ = flag.Set("test.parallel", parallelStacks)
	}
	return m.Run()
}

func given(name string) (set bool) {
	flag.Visit(func(f *flag.Flag) { set = set || f.Name == name })
	return set
}

// binaries builds what the environment does not name.
func binaries(dir string) (err error) {
	began := time.Now()
	if crlgateBinary = os.Getenv("CRLGATE_BIN"); crlgateBinary == "" {
		crlgateBinary = filepath.Join(dir, "crlgate")
		fmt.Fprintln(os.Stderr, "e2e: building crlgate and the S3 server in it; the first time takes minutes …")
		if err := build(crlgateBinary, "./cmd/crlgate", "-trimpath", "-buildvcs=false"); err != nil {
			return err
		}
	}
	if crlgateBinary, err = filepath.Abs(crlgateBinary); err != nil {
		return err
	}
	s3Command = []string{crlgateBinary, "s3-server"}
	if os.Getenv("CRLGATE_MINIO") != "" { // the other S3 server; see make test-minio
		s3Command = []string{filepath.Join(dir, "s3minio")}
		if err := build(s3Command[0], "./cmd/crlgate/internal/s3minio", "-trimpath", "-buildvcs=false"); err != nil {
			return err
		}
	}
	if functionsDir = os.Getenv("CRLGATE_FUNCTIONS"); functionsDir == "" {
		functionsDir = filepath.Join(dir, "functions")
		for _, name := range []string{"preprocessor", "authorizer", "truststore", "fetcher"} {
			if err := buildFunction(filepath.Join(functionsDir, name, "bootstrap"), "./functions/"+name); err != nil {
				return err
			}
		}
	}
	if functionsDir, err = filepath.Abs(functionsDir); err != nil {
		return err
	}
	panickingDir = filepath.Join(dir, "panicking")
	if err := buildFunction(filepath.Join(panickingDir, "authorizer", "bootstrap"), "./cmd/crlgate/e2e/internal/panicking"); err != nil {
		return err
	}
	if err := os.Symlink(filepath.Join(functionsDir, "preprocessor"), filepath.Join(panickingDir, "preprocessor")); err != nil {
		return err
	}
	fmt.Fprintf(os.Stderr, "e2e: binaries ready after %.1fs\n", time.Since(began).Seconds())
	return nil
}

// buildFunction builds a function as the Makefile does, for this machine.
func buildFunction(out, pkg string) error {
	if raceDetector {
		return build(out, pkg, "-race", "-trimpath", "-buildvcs=false", "-tags", "lambda.norpc")
	}
	return build(out, pkg, "-trimpath", "-buildvcs=false", "-tags", "lambda.norpc", "-ldflags", "-s -w -buildid=")
}

func build(out, pkg string, flags ...string) error {
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, "go", append(append([]string{"build", "-o", out}, flags...), pkg)...)
	cmd.Dir = filepath.Join("..", "..", "..") // the module
	cgo := "0"
	if raceDetector {
		cgo = "1"
	}
	cmd.Env = append(os.Environ(), "CGO_ENABLED="+cgo)
	if said, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("go build %s: %w\n%s", pkg, err, said)
	}
	return nil
}

// TestTheS3ServerIsNotLinked holds that the tests and the stack start the S3
// server and do not contain it: it is large, and not free of races.
func TestTheS3ServerIsNotLinked(t *testing.T) {
	t.Parallel()
	list := func(args ...string) string {
		out, err := exec.CommandContext(t.Context(), "go", append([]string{"list", "-deps"}, args...)...).Output()
		if err != nil {
			var exit *exec.ExitError
			if errors.As(err, &exit) {
				t.Fatalf("go list: %v\n%s", err, exit.Stderr)
			}
			t.Fatalf("go list: %v", err)
		}
		return string(out)
	}
	const server = "github.com/versity/versitygw"
	if deps := list("-test", "."); strings.Contains(deps, server) || !strings.Contains(deps, module+"/cmd/crlgate/internal/stack") {
		t.Errorf("the dependencies of this test contain %s, or not even the stack", server)
	}
	if deps := list(module + "/cmd/crlgate"); !strings.Contains(deps, server) {
		t.Errorf("the dependencies of the crlgate command do not contain %s: this test looks for the wrong package", server)
	}
}

// TestWhichS3 holds that these tests run against the S3 server that was asked
// for: MinIO where the environment names it, and else the embedded one.
func TestWhichS3(t *testing.T) {
	t.Parallel()
	w := start(t, stack.Config{})
	res, err := http.Get(w.S3.Endpoint + "/nobody-may-list-this")
	if err != nil {
		t.Fatal(err)
	}
	_ = res.Body.Close()
	if got, minio := res.Header.Get("Server"), os.Getenv("CRLGATE_MINIO") != ""; strings.EqualFold(got, "MinIO") != minio {
		t.Errorf("the S3 server is %q, and MinIO was asked for: %t", got, minio)
	}
}

// TestStartThatFails: a stack whose S3 server does not start says so, and leaves
// nothing behind that would have to be closed.
func TestStartThatFails(t *testing.T) {
	t.Parallel()
	s, err := stack.Start(t.Context(), stack.Config{Binaries: functionsDir, S3Command: []string{"false"}, DataDir: t.TempDir()})
	if s != nil || err == nil || !strings.Contains(err.Error(), "starting the S3 server") {
		t.Errorf("%v, %v", s, err)
	}
}
