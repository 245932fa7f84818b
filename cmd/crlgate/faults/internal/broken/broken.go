// Package broken shows that the matrices can fail: it builds the preprocessor,
// or the authorizer, with one fault put in on purpose, and runs on it the part of
// the crash matrix, or of the fault matrix, that must find that. See [Run].
package broken

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"

	"golang.org/x/sync/errgroup"

	"github.com/crlgate/crlgate/cmd/crlgate/faults/internal/crash"
	"github.com/crlgate/crlgate/cmd/crlgate/faults/internal/machine"
	"github.com/crlgate/crlgate/cmd/crlgate/faults/internal/page"
	"github.com/crlgate/crlgate/cmd/crlgate/faults/internal/reads"
)

// Config says what to run.
type Config struct {
	Binaries machine.Binaries // of which the sound functions and the S3 server are taken
	Source   string           // top of the repository
	Seed     uint64
	Short    bool   // only those faults that are marked so
	Only     string // part of a fault's name, or of its function's; "": all
	Verbose  func(format string, args ...any)
}

// Finding is what became of one broken function.
type Finding struct {
	*Fault
	// Found is the first that was not as it must be; "": nothing was, so that
	// the matrix does not see this fault.
	Found string
}

// Result is what became of all of them.
type Result struct{ Findings []*Finding }

// Missed returns those that were not found.
func (r *Result) Missed() (out []*Finding) {
	for _, f := range r.Findings {
		if f.Found == "" {
			out = append(out, f)
		}
	}
	return out
}

// Table has a line a broken function.
func (r *Result) Table() string {
	t := page.NewTable("function", "what was broken in it", "put to", "the first that was found")
	for _, f := range r.Findings {
		found := f.Found
		if found == "" {
			found = "**nothing**"
		}
		matrix := "crash matrix"
		if f.Function == "authorizer" {
			matrix = "fault matrix"
		}
		t.Row(f.Function, f.Name, matrix+": "+f.Run, found)
	}
	return t.String()
}

// parallel is how many broken functions run at a time.
const parallel = 4

// Run builds and runs every broken function.
func Run(ctx context.Context, config Config) (result *Result, err error) {
	dir, err := os.MkdirTemp("", "crlgate-broken-")
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	result = &Result{}
	g, run := errgroup.WithContext(ctx)
	g.SetLimit(parallel)
	for i := range Faults {
		f := &Faults[i]
		if config.Short && !f.Short || !strings.Contains(f.Function+": "+f.Name, config.Only) {
			continue
		}
		// One after the other: the compiler takes every core by itself.
		folder, err := f.Build(run, config.Source, config.Binaries.Functions, dir)
		if err != nil {
			return nil, errors.Join(err, g.Wait())
		}
		found := &Finding{Fault: f}
		result.Findings = append(result.Findings, found)
		g.Go(func() (err error) {
			if found.Found, err = f.find(run, config, folder); err != nil {
				return fmt.Errorf("the %s so broken that %s: %w", f.Function, f.Name, err)
			}
			config.Verbose("%s: %s: found: %s", f.Function, f.Name, found.Found)
			return nil
		})
	}
	return result, g.Wait()
}

// find runs the matrix that must find the fault, and returns what it says first.
func (f *Fault) find(ctx context.Context, config Config, folder string) (string, error) {
	binaries := config.Binaries
	binaries.Functions = folder
	silent := func(string, ...any) {}
	if f.Function == "preprocessor" {
		r, err := crash.Run(ctx, crash.Config{Binaries: binaries, Seed: config.Seed, Workers: 2, Only: f.Run, First: true, Verbose: silent})
		if err != nil {
			return "", err
		}
		if len(r.Cells) == 0 {
			return "", fmt.Errorf("no scenario is called %q", f.Run)
		}
		for _, c := range r.Failed() {
			return fmt.Sprintf("killed %v at call %d (%s %s): %s", c.Cut, c.Call, c.Method, c.Class, c.Faults[0]), nil
		}
		return "", nil
	}
	r, err := reads.Run(ctx, reads.Config{Binaries: binaries, Seed: config.Seed, Only: f.Run, Verbose: silent})
	if err != nil {
		return "", err
	}
	if len(r.Cells) == 0 {
		return "", fmt.Errorf("no fault is called %q", f.Run)
	}
	if len(r.Violations) > 0 {
		return r.Violations[0], nil
	}
	return "", nil
}
