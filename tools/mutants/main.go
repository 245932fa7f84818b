// Command mutants says how much the tests notice: it makes thousands of small
// changes to a package, one at a time, and runs the tests that reach each. A
// mutant that no test fails on is a survivor: a behaviour that no test holds,
// code that does nothing, or a change without effect. Survivors that were
// looked at and have a reason are kept in a reviewed file; others fail the run.
//
// All mutants of a run are compiled into the test binaries at once, each behind
// a switch (mutant schemata), and a first run records which test reaches which
// mutant. So a mutant costs one short process and no compilation. The source
// is left alone: the Go tool reads the mutated files through -overlay.
//
// It is run by make from the top of the repository: "make mutants".
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"syscall"
	"time"
)

const usage = `usage: mutants [flags]

Changes the packages in many small ways, one at a time, and says which changes
no test notices. Exit status: 0 if every mutant is killed or explained, 1 if
not, 2 if it could not run.

`

// options are what the flags say.
type options struct {
	root      string
	packages  []string
	also      []string
	filter    *regexp.Regexp
	explained string
	docs      string
	workers   int
	within    time.Duration
	list      bool
	verbose   bool
}

func parse(args []string) (*options, error) {
	o := &options{}
	flags := flag.NewFlagSet("mutants", flag.ContinueOnError)
	flags.Usage = func() {
		fmt.Fprint(flags.Output(), usage)
		flags.PrintDefaults()
	}
	packages := flags.String("package", "", "comma-separated `folders` of the packages to mutate, such as pkg/crl,pkg/catalog")
	also := flags.String("also", "", "comma-separated `folders` of packages whose tests are run on what a package's own tests let live")
	filter := flags.String("run", "", "only mutants whose line, as it is printed, matches this `regexp`: a file, a function, a change")
	flags.StringVar(&o.root, "C", ".", "`folder` of the module")
	flags.StringVar(&o.explained, "explained", "", "`file` of explained survivors; an entry that no longer holds fails the run")
	flags.StringVar(&o.docs, "docs", "", "Markdown `file` whose table of scores is brought up to date")
	flags.IntVar(&o.workers, "workers", runtime.NumCPU(), "how many test processes run at once")
	flags.DurationVar(&o.within, "within", 0, "leave out tests that take longer than this `duration` alone, for a first look; 0: none")
	flags.BoolVar(&o.list, "list", false, "print the mutants and run nothing")
	flags.BoolVar(&o.verbose, "v", false, "print every mutant and what became of it")
	if err := flags.Parse(args); err != nil {
		return nil, err
	}
	if flags.NArg() > 0 || *packages == "" || o.workers < 1 {
		return nil, fmt.Errorf("packages are named with -package, and nothing but flags is taken; see mutants --help")
	}
	var err error
	if o.filter, err = regexp.Compile(*filter); err != nil {
		return nil, fmt.Errorf("-run: %w", err)
	}
	if o.root, err = filepath.Abs(o.root); err != nil {
		return nil, err
	}
	if o.root, err = filepath.EvalSymlinks(o.root); err != nil {
		return nil, err
	}
	o.packages, o.also = folders(*packages), folders(*also)
	if o.docs != "" && (*filter != "" || o.within > 0) {
		return nil, fmt.Errorf("-docs wants whole packages and all tests, without -run and -within")
	}
	return o, nil
}

func folders(list string) []string {
	var all []string
	for f := range strings.FieldsFuncSeq(list, func(r rune) bool { return r == ',' || r == ' ' }) {
		all = append(all, strings.TrimPrefix(strings.TrimSuffix(filepath.ToSlash(f), "/"), "./"))
	}
	return all
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	o, err := parse(os.Args[1:])
	if errors.Is(err, flag.ErrHelp) {
		return
	}
	var clean bool
	if err == nil {
		start := time.Now()
		say := func(format string, args ...any) {
			fmt.Fprintf(os.Stderr, "%5s  %s\n", time.Since(start).Round(time.Second), fmt.Sprintf(format, args...))
		}
		clean, err = o.run(ctx, os.Stdout, say)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "mutants:", err)
		stop()
		os.Exit(2)
	}
	if !clean {
		os.Exit(1)
	}
}
