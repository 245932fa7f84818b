// Command faults breaks what is around crlgate and looks whether it keeps its
// promise: a revoked client is never let in after the published bound, a good
// one is denied only for a row of the decision table, and nothing accepted is
// lost. It runs the unmodified function binaries over a real S3 server, with a
// proxy before it that breaks requests.
//
// It is a program of its own, beside the crlgate command, because the local
// stack is internal to that. docs/reliability.md says what it does, and holds
// the tables that it writes with -docs. Each run of it is a package of
// cmd/crlgate/faults/internal, and a line in the list of this file.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"time"

	"github.com/crlgate/crlgate/cmd/crlgate/faults/internal/machine"
)

// settings of a run.
type settings struct {
	binaries machine.Binaries
	only     string
	named    string
	short    bool
	seed     uint64
	docs     string
	source   string
	verbose  bool
	out      io.Writer
}

// say tells of progress.
func (s *settings) say(format string, args ...any) {
	if s.verbose {
		fmt.Fprintf(os.Stderr, format+"\n", args...)
	}
}

// runs are what there is to run, in order. Each returns what goes into the page,
// and an error if the promise was not kept.
var runs = []struct {
	name string
	run  func(context.Context, *settings) (page string, err error)
}{
	{"crash matrix", crashMatrix},
	{"fault matrix", faultMatrix},
	{"broken functions", brokenFunctions},
}

// within bounds everything together.
const within = 40 * time.Minute

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	ctx, cancel := context.WithTimeout(ctx, within)
	defer cancel()
	if err := run(ctx); err != nil {
		fmt.Fprintln(os.Stderr, "faults:", err)
		cancel()
		stop()
		os.Exit(1)
	}
}

func run(ctx context.Context) (err error) {
	s := &settings{out: os.Stdout}
	flag.StringVar(&s.binaries.Crlgate, "crlgate", "build/bin/crlgate", "the crlgate `binary`")
	flag.StringVar(&s.binaries.Functions, "functions", "build/lambda/"+runtime.GOARCH, "`folder` of the functions' binaries")
	flag.StringVar(&s.only, "only", "", "run only the run whose `name` contains this: crash, fault or broken")
	flag.StringVar(&s.named, "named", "", "with -only, run only what is `named` so, in part: a scenario of the crash matrix; LANE, FAULT on KIND of the fault matrix; FUNCTION: FAULT of the broken functions")
	flag.StringVar(&s.source, "source", ".", "top of the `repository`, of which broken functions are built")
	flag.BoolVar(&s.short, "short", false, "draw a part of the cells rather than run all")
	flag.Uint64Var(&s.seed, "seed", 1, "what the order, and what is drawn, follow from")
	flag.StringVar(&s.docs, "docs", "", "`page` to write the results into, docs/reliability.md")
	flag.BoolVar(&s.verbose, "v", false, "tell of every cell as it ends")
	flag.Parse()
	if s.docs != "" && (s.short || s.named != "") {
		return errors.New("the page is written by full runs only: leave -short and -named out")
	}
	if s.binaries.Crlgate, err = filepath.Abs(s.binaries.Crlgate); err != nil {
		return err
	}
	if s.binaries.Functions, err = filepath.Abs(s.binaries.Functions); err != nil {
		return err
	}
	if err := s.binaries.Check(); err != nil {
		return err
	}
	var errs []error
	ran := false
	for _, r := range runs {
		if !strings.Contains(r.name, s.only) {
			continue
		}
		ran = true
		if err := s.one(ctx, r.name, r.run); err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", r.name, err))
		}
	}
	if !ran {
		return fmt.Errorf("no run is called %q: use crash, fault or broken", s.only)
	}
	return errors.Join(errs...)
}
