package main

import (
	"context"
	"fmt"
	"os"
	"time"

	"github.com/crlgate/crlgate/cmd/crlgate/faults/internal/broken"
	"github.com/crlgate/crlgate/cmd/crlgate/faults/internal/crash"
	"github.com/crlgate/crlgate/cmd/crlgate/faults/internal/page"
	"github.com/crlgate/crlgate/cmd/crlgate/faults/internal/reads"
)

// one runs one of the runs and writes what it found into the page, also if
// that is bad.
func (s *settings) one(ctx context.Context, name string, run func(context.Context, *settings) (string, error)) error {
	began := time.Now()
	fmt.Fprintf(os.Stderr, "%s: seed %d …\n", name, s.seed)
	text, err := run(ctx, s)
	fmt.Fprintf(os.Stderr, "%s: %.0f s\n", name, time.Since(began).Seconds())
	if text == "" {
		return err
	}
	fmt.Fprintln(s.out, text)
	if s.docs != "" {
		text += fmt.Sprintf("\nSeed %d; the run took %.0f s.\n", s.seed, time.Since(began).Seconds())
		if werr := page.Write(s.docs, name, text); werr != nil {
			return werr
		}
	}
	return err
}

// shortShare is the share of crashes that the short run draws, beside one for
// each call.
const shortShare = 0.1

func crashMatrix(ctx context.Context, s *settings) (string, error) {
	c := crash.Config{Binaries: s.binaries, Seed: s.seed, Workers: 3, Only: s.named, Verbose: s.say}
	if s.short {
		c.Share = shortShare
	}
	r, err := crash.Run(ctx, c)
	if err != nil {
		return "", err
	}
	text := r.Summary() + "\n<details><summary>Every call</summary>\n\n" + r.Table() + "\n</details>\n"
	if n := len(r.Failed()); n > 0 {
		fmt.Fprint(os.Stderr, r.Failures())
		return text, fmt.Errorf("%d of %d crashes did not recover", n, len(r.Cells))
	}
	if len(r.Cells) == 0 {
		return "", fmt.Errorf("no scenario is called %q", s.named)
	}
	return text, nil
}

// leastStruck is how many GETs a full run befalls at least.
const leastStruck = 2000

func faultMatrix(ctx context.Context, s *settings) (string, error) {
	r, err := reads.Run(ctx, reads.Config{Binaries: s.binaries, Seed: s.seed, Short: s.short, Only: s.named, Verbose: s.say})
	if err != nil {
		return "", err
	}
	text := fmt.Sprintf("%d faults befell %d GETs; %d answers, of which %d let somebody in wrongly, and %d were wrong in any way.\n\n%s\n%s",
		len(r.Cells), r.Struck(), r.Answers, r.Violations.WrongAllows(), len(r.Violations), r.Summary(), r.Table())
	switch {
	case len(r.Violations) > 0:
		fmt.Fprintln(os.Stderr, r.Violations)
		return text, fmt.Errorf("%d answers were wrong", len(r.Violations))
	case len(r.Cells) == 0:
		return "", fmt.Errorf("no fault is called %q", s.named)
	case !s.short && s.named == "" && r.Struck() < leastStruck:
		return text, fmt.Errorf("the faults befell %d GETs, want %d", r.Struck(), leastStruck)
	}
	return text, nil
}

// brokenFunctions shows that the two matrices can fail.
func brokenFunctions(ctx context.Context, s *settings) (string, error) {
	r, err := broken.Run(ctx, broken.Config{Binaries: s.binaries, Source: s.source, Seed: s.seed, Short: s.short, Only: s.named, Verbose: s.say})
	if err != nil {
		return "", err
	}
	if len(r.Findings) == 0 {
		return "", fmt.Errorf("nothing that is broken is called %q", s.named)
	}
	if n := len(r.Missed()); n > 0 {
		return r.Table(), fmt.Errorf("%d of %d broken functions were not found to be so", n, len(r.Findings))
	}
	return r.Table(), nil
}
