// Command soak keeps crlgate's local stack under load for a quarter of an hour,
// with revocations, CRL replacements and S3 faults under way, holds every answer
// against the truth, and looks at the authorizers' memory. docs/reliability.md says
// what it does, and holds the figures that it writes with -docs.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/crlgate/crlgate/cmd/crlgate/faults/internal/page"
	"github.com/crlgate/crlgate/cmd/crlgate/faults/internal/soak"
)

// name of the place in the page that is this run's.
const name = "soak"

// Of -short, where nothing else is said.
const (
	shortDuration = 2 * time.Minute
	shortReplace  = 15 * time.Second
	beside        = 4 * time.Minute // what start, audit and end may take together
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx)
	stop()
	if errors.Is(err, flag.ErrHelp) {
		return
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "soak:", err)
		os.Exit(1)
	}
}

const usage = `Usage: soak -functions DIR [flags], or make soak SOAK_ARGS='…'

Runs the local stack with the real function binaries under mutual-TLS traffic, while
certificates are revoked, CRLs replaced, S3 disturbed, and authorizers frozen, thawed
and replaced. Exits with 1 if an answer was wrong, or memory grew. Uses only
127.0.0.1, some 1.5 GB of memory and, in 15 minutes, 1.5 GB below the temporary folder;
leaves nothing behind, also when it is interrupted.

`

func flags(c *soak.Config, short *bool, docs *string) *flag.FlagSet {
	f := flag.NewFlagSet("soak", flag.ContinueOnError)
	f.Usage = func() {
		fmt.Fprint(f.Output(), usage)
		f.PrintDefaults()
	}
	f.StringVar(&c.Binaries.Crlgate, "crlgate", "build/bin/crlgate", "the crlgate `binary`")
	f.StringVar(&c.Binaries.Functions, "functions", "build/lambda/"+runtime.GOARCH, "`folder` of the functions' binaries")
	f.DurationVar(&c.Duration, "duration", 15*time.Minute, "how long traffic lasts")
	f.BoolVar(short, "short", false, fmt.Sprintf("%v, with a replacement every %v", shortDuration, shortReplace))
	f.Float64Var(&c.Rate, "rate", 100, "`requests` a second, on average, at random moments")
	f.IntVar(&c.Entries, "entries", 1_000_000, "`entries` of the large CRL")
	f.DurationVar(&c.Replace, "replace", time.Minute, "time from one replacement of the large CRL to the next")
	f.DurationVar(&c.Revoke, "revoke", 4*time.Second, "time from one revocation of a CA to the next; three CAs revoke")
	f.DurationVar(&c.Quiet, "quiet", 15*time.Second, "time without faults, before each time of faults; processes are retired as often")
	f.Uint64Var(&c.Seed, "seed", 1, "what is random follows from it, but for keys and what takes how long")
	f.StringVar(&c.Break, "break", "", "put in a `fault` of crlgate's own, to see that it is found: "+strings.Join(soak.Breaks, ", "))
	f.BoolVar(&c.Stop, "stop", false, "end at the first wrong answer")
	f.DurationVar(&c.Every, "every", 15*time.Second, "time from one line of progress to the next")
	f.StringVar(docs, "docs", "", "`page` to write the figures into, docs/reliability.md")
	return f
}

func read(args []string) (c soak.Config, docs string, err error) {
	var short bool
	f := flags(&c, &short, &docs)
	if err := f.Parse(args); err != nil {
		return c, "", err
	}
	given := map[string]bool{}
	f.Visit(func(f *flag.Flag) { given[f.Name] = true })
	if short && !given["duration"] {
		c.Duration = shortDuration
	}
	if short && !given["replace"] {
		c.Replace = shortReplace
	}
	switch {
	case f.NArg() > 0:
		return c, "", fmt.Errorf("%q: this takes flags only; see -help", f.Arg(0))
	case docs != "" && (short || c.Break != ""):
		return c, "", errors.New("the page is written by full runs only: leave -short and -break out")
	case c.Break != "" && !slices.Contains(soak.Breaks, c.Break):
		return c, "", fmt.Errorf("-break %s: use one of %s", c.Break, strings.Join(soak.Breaks, ", "))
	case c.Duration < 5*time.Second || c.Duration > 24*time.Hour:
		return c, "", fmt.Errorf("-duration %v: use 5s to 24h", c.Duration)
	case c.Rate <= 0 || c.Rate > 10_000:
		return c, "", fmt.Errorf("-rate %v: use up to 10000 requests a second", c.Rate)
	case c.Entries < 1 || c.Entries > 10_000_000:
		return c, "", fmt.Errorf("-entries %d: use 1 to 10000000", c.Entries)
	case c.Replace <= 0 || c.Revoke <= 0 || c.Quiet <= 0 || c.Every <= 0:
		return c, "", errors.New("-replace, -revoke, -quiet and -every must be positive")
	}
	for _, path := range []*string{&c.Binaries.Crlgate, &c.Binaries.Functions} {
		if *path, err = filepath.Abs(*path); err != nil {
			return c, "", err
		}
	}
	return c, docs, nil
}

func run(ctx context.Context) error {
	c, docs, err := read(os.Args[1:])
	if err != nil {
		return err
	}
	c.Progress = func(format string, args ...any) { fmt.Fprintf(os.Stderr, format+"\n", args...) }
	fmt.Fprintf(os.Stderr, "soak: seed %d; starting the stack …\n", c.Seed)
	ctx, cancel := context.WithTimeout(ctx, c.Duration+beside)
	defer cancel()
	r, err := soak.Run(ctx, c)
	if r == nil || r.Requests == 0 {
		return err
	}
	text := r.Page()
	fmt.Println(text)
	if len(r.Violations) > 0 {
		fmt.Fprintln(os.Stderr, r.Failures())
		err = errors.Join(fmt.Errorf("%d wrong, of which %d let somebody in", len(r.Violations), r.Violations.WrongAllows()), err)
	}
	if err == nil && docs != "" {
		text += fmt.Sprintf("\nSeed %d; %d processors, %s, %s.\n", c.Seed, runtime.NumCPU(), runtime.Version(), time.Now().UTC().Format("2 January 2006, 15:04 MST"))
		return page.Write(docs, name, text)
	}
	return err
}
