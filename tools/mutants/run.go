package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"
)

// A runner runs test binaries, each time in a process of its own with a
// temporary folder of its own.
type runner struct {
	root    string
	dir     string // of this run
	overlay string
	workers int
	say     func(format string, args ...any)
}

// Limits of one process, so that a mutant that loops and allocates, or writes,
// does no harm to the machine.
const (
	memoryLimit = 6 << 20 // KiB of address space
	fileLimit   = 4 << 20 // blocks of 512 bytes
)

// What became of a mutant.
type outcome int

const (
	untried outcome = iota
	survived
	unreached
	killed
	timedOut
)

// A verdict is an outcome and, for a killed mutant, by which tests.
type verdict struct {
	outcome outcome
	by      string
}

// command runs a test binary under limits, in a process group of its own.
func (r *runner) command(ctx context.Context, b *binary, env []string, args ...string) *exec.Cmd {
	limited := fmt.Sprintf(`ulimit -v %d; ulimit -f %d; exec "$@"`, memoryLimit, fileLimit)
	cmd := exec.CommandContext(ctx, "sh", append([]string{"-c", limited, "sh", b.path}, args...)...)
	cmd.Dir = b.dir
	cmd.Env = append(os.Environ(), env...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	cmd.WaitDelay = 10 * time.Second
	return cmd
}

// run runs these tests of one binary and says whether they pass. An error
// other than a failed test is one of the machine.
func (r *runner) run(ctx context.Context, b *binary, names []string, limit time.Duration, env ...string) (passed, inTime bool, output string, err error) {
	tmp, err := os.MkdirTemp(r.dir, "run")
	if err != nil {
		return false, false, "", err
	}
	defer os.RemoveAll(tmp)
	within, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	for i, name := range names {
		names[i] = regexp.QuoteMeta(name)
	}
	cmd := r.command(within, b, append(env, "TMPDIR="+tmp),
		"-test.run", "^("+strings.Join(names, "|")+")$", "-test.failfast", "-test.timeout", "0", "-test.paniconexit0")
	var tail tailWriter
	cmd.Stdout, cmd.Stderr = &tail, &tail
	err = cmd.Run()
	if cmd.Process != nil { // what it started
		_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL)
	}
	var exit *exec.ExitError
	switch {
	case err == nil:
		return true, true, tail.String(), nil
	case ctx.Err() != nil:
		return false, false, "", ctx.Err()
	case within.Err() != nil:
		return false, false, tail.String(), nil
	case errors.As(err, &exit):
		return false, true, tail.String(), nil
	}
	return false, false, "", fmt.Errorf("running %s: %w", b.path, err)
}

// tailWriter keeps the last of what is written.
type tailWriter struct{ kept []byte }

const tailLength = 16 << 10

func (t *tailWriter) Write(p []byte) (int, error) {
	t.kept = append(t.kept, p...)
	if over := len(t.kept) - tailLength; over > tailLength {
		t.kept = slices.Delete(t.kept, 0, over)
	}
	return len(p), nil
}

func (t *tailWriter) String() string { return string(t.kept) }

// baseline runs each test of a binary alone and without a mutant: how long it
// takes, and which mutants it reaches. A test that fails here says nothing
// about mutants, and is an error.
func (r *runner) baseline(ctx context.Context, b *binary) error {
	return each(ctx, r.workers, b.tests, func(i int, t *test) error {
		record := filepath.Join(r.dir, fmt.Sprintf("reached-%s-%d", filepath.Base(b.path), i))
		defer os.Remove(record)
		start := time.Now()
		passed, _, output, err := r.run(ctx, b, []string{t.name}, 10*time.Minute, envReach+"="+record)
		if err != nil {
			return err
		}
		if !passed {
			return fmt.Errorf("%s of %s fails without any mutant:\n%s", t.name, b.folder, output)
		}
		t.seconds = time.Since(start).Seconds()
		t.reaches = map[int]bool{}
		text, err := os.ReadFile(record)
		if err != nil && !errors.Is(err, os.ErrNotExist) {
			return err
		}
		for _, line := range strings.Fields(string(text)) {
			id, err := strconv.Atoi(line)
			if err != nil {
				return fmt.Errorf("what %s reached: %w", t.name, err)
			}
			t.reaches[id] = true
		}
		return nil
	})
}

// fastSeconds is how much of the fastest tests is run together first.
const fastSeconds = 0.7

// slowSeconds is how long a test takes alone that an explained mutant is not put to:
// each of them would run every slow test to its end, which takes hours.
const slowSeconds = 2

// try runs the tests of a binary that reach a mutant, the fastest first, with
// the mutant switched on.
func (r *runner) try(ctx context.Context, b *binary, m *Mutant, explained bool) (verdict, error) {
	var reaching []*test
	for _, t := range b.tests {
		if t.reaches[m.ID] && (!explained || t.seconds <= slowSeconds) {
			reaching = append(reaching, t)
		}
	}
	if len(reaching) == 0 {
		return verdict{outcome: unreached}, nil
	}
	slices.SortStableFunc(reaching, func(a, b *test) int { return cmp.Compare(a.seconds, b.seconds) })
	for len(reaching) > 0 {
		n, seconds := 0, 0.0
		for n < len(reaching) && (n == 0 || seconds+reaching[n].seconds <= fastSeconds) {
			seconds += reaching[n].seconds
			n++
		}
		batch := reaching[:n]
		reaching = reaching[n:]
		if seconds > fastSeconds { // the slow ones together
			for _, t := range reaching {
				seconds += t.seconds
			}
			batch, reaching = append(batch, reaching...), nil
		}
		var names []string
		for _, t := range batch {
			names = append(names, t.name)
		}
		passed, inTime, output, err := r.run(ctx, b, names, r.limit(seconds), envMutant+"="+strconv.Itoa(m.ID))
		switch {
		case err != nil:
			return verdict{}, err
		case !inTime:
			return verdict{timedOut, b.folder}, nil
		case !passed:
			return verdict{killed, b.folder + " " + failedTest(output)}, nil
		}
	}
	return verdict{outcome: survived}, nil
}

// limit is how long tests that take so many seconds may take with a mutant.
func (r *runner) limit(seconds float64) time.Duration {
	return 8*time.Second + time.Duration(6*seconds*float64(time.Second))
}

var failLine = regexp.MustCompile(`(?m)^--- FAIL: (\S+)`)

// failedTest is the test that an output says failed, if it does.
func failedTest(output string) string {
	if found := failLine.FindStringSubmatch(output); found != nil {
		return found[1]
	}
	return "(the process ended)"
}

// each calls f for each item, on some goroutines, until one fails.
func each[T any](ctx context.Context, workers int, items []T, f func(int, T) error) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	next := make(chan int)
	var wg sync.WaitGroup
	for range workers {
		wg.Go(func() {
			for i := range next {
				if err := f(i, items[i]); err != nil {
					cancel(err)
				}
			}
		})
	}
feed:
	for i := range items {
		select {
		case next <- i:
		case <-ctx.Done():
			break feed
		}
	}
	close(next)
	wg.Wait()
	return context.Cause(ctx)
}
