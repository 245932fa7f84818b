// Package soak keeps the local stack under load for minutes: real function
// binaries, mutual TLS and a real S3 server, while certificates are revoked, CRLs
// of a million entries are replaced, S3 is disturbed, and authorizers are frozen,
// thawed and replaced. Every answer is held against the truth, and the memory of
// the authorizers must not grow. See [Run].
package soak

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/crlgate/crlgate/cmd/crlgate/faults/internal/client"
	"github.com/crlgate/crlgate/cmd/crlgate/faults/internal/machine"
	"github.com/crlgate/crlgate/cmd/crlgate/faults/internal/oracle"
)

// What is run. The times are shorter than the defaults, so that a run meets each
// bound often.
const (
	revalidateAfter = 2 * time.Second
	maxUnvalidated  = 30 * time.Second
	// refreshWithin is what docs/freshness.md gives one refresh, d, and the load of
	// a set, L, beside REVALIDATE_AFTER.
	refreshWithin = 7 * time.Second
	// processes bounds the authorizer's, and with that the requests under way: one
	// that finds none free waits, and its wait counts.
	processes = 10
	memoryMB  = 128 // of the authorizer, the least that Lambda has
	kept      = 2   // processes that are never retired: their memory is what is judged
	warmUp    = 5 * time.Second
)

// Deliberate faults of what is put to the test, for Config.Break: each must be
// found.
const (
	// BreakStale runs an authorizer that looks at the catalog once an hour.
	BreakStale = "stale"
	// BreakOutage takes S3 away and does not tell the oracle.
	BreakOutage = "outage"
)

// Breaks are all of them.
var Breaks = []string{BreakStale, BreakOutage}

// Config says what to run.
type Config struct {
	Binaries machine.Binaries
	Duration time.Duration // of the traffic
	Rate     float64       // requests a second, on average
	Entries  int           // of the large CRL
	Replace  time.Duration // from one replacement of the large CRL to the next
	Revoke   time.Duration // from one revocation of a CA to the next
	Quiet    time.Duration // from one time of faults to the next
	Seed     uint64
	Break    string // one of Breaks; "": nothing
	Stop     bool   // end at the first wrong answer
	// Progress gets a line now and then.
	Progress func(format string, args ...any)
	Every    time.Duration // from one line to the next
}

// soak is a run under way.
type soak struct {
	Config
	*world
	bounds oracle.Bounds
	began  time.Time
	stop   context.CancelCauseFunc

	faults plan

	mu     sync.Mutex // of what follows
	memory memory
	draw   *rand.Rand
	result Result
}

// errWrong ends a run at its first wrong answer.
var errWrong = errors.New("an answer was wrong")

// Run runs the soak. The error is of what could not be run, and of an interrupt;
// what was wrong is in the result, which is there then too as far as it came; nil:
// the stack did not start.
func Run(ctx context.Context, c Config) (_ *Result, err error) {
	s := &soak{
		Config: c, draw: rand.New(rand.NewPCG(c.Seed, 0)),
		bounds: oracle.Bounds{RevalidateAfter: revalidateAfter, MaxUnvalidated: maxUnvalidated, Refresh: refreshWithin},
	}
	s.result.Denies = map[string]int{}
	setup := time.Now()
	if s.world, err = newWorld(ctx, c); err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, s.world.close()) }()
	c.Progress("ready after %.0f s: %d CAs, a CRL of %d entries, %.0f requests a second for %v", time.Since(setup).Seconds(), len(s.cas), c.Entries, c.Rate, c.Duration)
	return &s.result, s.run(ctx)
}

// run is everything that goes on at once, and the audit at the end.
func (s *soak) run(ctx context.Context) (err error) {
	s.began = time.Now()
	running, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	s.stop = stop
	working, cancel := context.WithTimeout(running, s.Duration)
	defer cancel()
	var background sync.WaitGroup
	var publishers errgroup.Group
	for _, a := range s.cas {
		if a.name != bare {
			publishers.Go(func() error { return s.revoking(working, running, a) })
		}
	}
	background.Go(func() { s.breaking(working) })
	background.Go(func() { s.watching(working) })
	background.Go(func() { s.telling(working) })
	s.traffic(working, running)
	cancel()
	err = publishers.Wait()
	background.Wait()
	s.finish()
	if err != nil {
		return err
	}
	switch {
	case context.Cause(running) == errWrong:
		return nil
	case ctx.Err() != nil:
		return fmt.Errorf("ended after %v of %v: %w", time.Since(s.began).Round(time.Second), s.Duration, context.Cause(ctx))
	case s.Break != "":
		return nil // everything would be found again
	}
	return s.audit(running)
}

// violation notes a wrong answer, with what was known around it.
func (s *soak) violation(l *leaf, a client.Answer, wrong string) {
	var b strings.Builder
	fmt.Fprintf(&b, "%s at %.1f s: %s", l, a.Began.Sub(s.began).Seconds(), wrong)
	fmt.Fprintf(&b, "; answered %d %s in %.0f ms", a.Status, a.Reason, a.Took.Seconds()*1e3)
	if number, ok := a.Context["crl_number"]; ok {
		fmt.Fprintf(&b, " by CRL number %v", number)
	}
	if by := s.invoked.by(a.ID); by != "" {
		fmt.Fprintf(&b, " by %s", by)
	}
	if l.Begun.Load() != nil {
		fmt.Fprintf(&b, "; revoked by CRL number %d", l.number)
	}
	for _, e := range s.faults.near(a) {
		fmt.Fprintf(&b, "; %s", e.since(s.began))
	}
	s.wrong(b.String())
}

// wrong notes anything that is not as it must be.
func (s *soak) wrong(what string) {
	s.mu.Lock()
	s.result.Violations = append(s.result.Violations, what)
	n := len(s.result.Violations)
	s.mu.Unlock()
	if n <= 10 {
		s.Progress("WRONG: %s", what)
	}
	if s.Stop {
		s.stop(errWrong)
	}
}
