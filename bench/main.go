// Command bench measures crlgate beside what else does the job, on one machine
// and in one run: "make bench". docs/performance.md shows what came out of it.
//
// Machines differ and are shared, so what counts are medians and ratios of
// figures that were taken in turns. Nothing here fails because it is slow.
//
// Each section runs in a process of its own, so that no section works in the
// memory that another has left behind, and writes build/bench/<section>.json.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"time"
)

// settings of a run.
type settings struct {
	max     int    // entries of the largest CRL
	dir     string // where everything is written
	crlgate string // the binary
	lambda  string // folder of the functions' binaries
	docs    string // folder whose page and charts are brought up to date; "": none
	peers   bool   // measure other programs, which takes minutes at ten million
}

// sections in the order in which they run; each relies on generate alone.
var sections = []struct {
	name string
	run  func(context.Context, *settings) (*report, error)
}{
	{"generate", generate},
	{"inprocess", inProcess},
	{"process", wholeProcess},
	{"lookup", lookUp},
	{"decide", decide},
	{"stack", localStack},
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if len(os.Args) > 1 && os.Args[1] == "child" {
		check(child(os.Args[2:]))
		return
	}
	check(run(ctx))
}

func check(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context) error {
	var s settings
	most := flag.Float64("max", 1e7, "entries of the largest CRL, 1e4 to 1e8; 1e8 takes 8 GB of disk")
	flag.StringVar(&s.dir, "dir", "build/bench", "`folder` to work in")
	flag.StringVar(&s.crlgate, "crlgate", "build/bin/crlgate", "the crlgate `binary`")
	flag.StringVar(&s.lambda, "functions", "build/lambda/"+runtime.GOARCH, "`folder` of the functions' binaries")
	flag.StringVar(&s.docs, "docs", "", "bring performance.md and performance/*.svg in this `folder` up to date")
	flag.BoolVar(&s.peers, "peers", true, "measure the programs that crlgate is compared with")
	only := flag.String("only", "", "sections to run, with commas between; none: all")
	section := flag.String("section", "", "run one section in this process")
	flag.Parse()
	if s.max = int(*most); s.max < 10_000 || s.max > 100_000_000 {
		return fmt.Errorf("-max %v: use 1e4 to 1e8", *most)
	}
	if *section != "" {
		return runSection(ctx, *section, &s)
	}
	if err := os.MkdirAll(s.dir, 0o755); err != nil {
		return err
	}
	wanted := strings.Split(*only, ",")
	var ran []string
	for _, sec := range sections {
		if *only != "" && !slices.Contains(wanted, sec.name) {
			continue
		}
		began := time.Now()
		fmt.Fprintf(os.Stderr, "bench: %s …\n", sec.name)
		if err := again(ctx, "-section", sec.name); err != nil {
			return fmt.Errorf("section %s: %w", sec.name, err)
		}
		ran = append(ran, sec.name)
		fmt.Fprintf(os.Stderr, "bench: %s took %.0f s\n", sec.name, time.Since(began).Seconds())
	}
	if s.docs != "" {
		return s.document(ran)
	}
	return nil
}

// again runs this program once more, with more arguments.
func again(ctx context.Context, more ...string) error {
	self, err := os.Executable()
	if err != nil {
		return err
	}
	cmd := exec.CommandContext(ctx, self, append(more, os.Args[1:]...)...)
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) }
	cmd.WaitDelay = 20 * time.Second
	cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
	return cmd.Run()
}

func runSection(ctx context.Context, name string, s *settings) error {
	for _, sec := range sections {
		if sec.name != name {
			continue
		}
		before := load()
		r, err := sec.run(ctx, s)
		if err != nil {
			return err
		}
		r.Section, r.When = name, time.Now().UTC().Truncate(time.Second)
		r.Machine, r.LoadBefore, r.LoadAfter = machine(), before, load()
		r.print(os.Stdout)
		return r.write(s.dir)
	}
	return fmt.Errorf("there is no section %q", name)
}

// path is a file of the run.
func (s *settings) path(elem ...string) string {
	return filepath.Join(append([]string{s.dir}, elem...)...)
}

// sizes are the powers of ten from one to another, up to the largest of the run.
func (s *settings) sizes(from, to int) (out []int) {
	for n := from; n <= min(to, s.max); n *= 10 {
		out = append(out, n)
	}
	return out
}
