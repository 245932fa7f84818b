// Package crash is the crash matrix: the real preprocessor is killed (SIGKILL)
// at every request that it makes of S3, before S3 has it, in the middle of a
// body, and after S3 has done it; then a new one gets one event, or one timer,
// and the buckets and the authorizer are compared with the truth.
package crash

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"

	"golang.org/x/sync/errgroup"

	"github.com/crlgate/crlgate/cmd/crlgate/faults/internal/machine"
	"github.com/crlgate/crlgate/cmd/crlgate/internal/s3proc"
)

// Config says what to run.
type Config struct {
	Binaries machine.Binaries
	// Share of the cells to run, drawn by Seed; 0 or 1: all. Every call is cut
	// at one point at least.
	Share   float64
	Seed    uint64
	Workers int
	Only    string // part of a scenario's name; "": all
	First   bool   // end with the first crash that did not recover
	Verbose func(format string, args ...any)
}

// Result is what came of it.
type Result struct {
	Cells []*Cell
	Calls map[string]int // of one run, by scenario
	Names []string       // of the scenarios, in order
}

// Failed returns the cells that did not recover.
func (r *Result) Failed() (out []*Cell) {
	for _, c := range r.Cells {
		if len(c.Faults) > 0 {
			out = append(out, c)
		}
	}
	return out
}

// Pairs of buckets: each crash takes one, and another where it leaves a state
// that was not there before, each scenario one more.
const (
	pairs      = 2600
	pairsOfOne = 700 // of the longest scenario
)

type matrix struct {
	*machine.Machine
	config Config

	mu     sync.Mutex
	result Result
}

// Run runs the matrix.
func Run(ctx context.Context, config Config) (result *Result, err error) {
	scenarios, err := Scenarios()
	if err != nil {
		return nil, err
	}
	m := &matrix{config: config, result: Result{Calls: map[string]int{}}}
	n := pairs
	if config.Only != "" {
		n = pairsOfOne
	}
	if m.Machine, err = machine.Start(ctx, config.Binaries, n); err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, m.Close()) }()
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(max(config.Workers, 1))
	for _, s := range scenarios {
		if !strings.Contains(s.Name, config.Only) {
			continue
		}
		m.result.Names = append(m.result.Names, s.Name)
		g.Go(func() error { return m.scenario(ctx, s) })
	}
	if err := g.Wait(); err != nil {
		return nil, err
	}
	slices.SortFunc(m.result.Cells, func(a, b *Cell) int {
		if a.Scenario != b.Scenario {
			return slices.Index(m.result.Names, a.Scenario) - slices.Index(m.result.Names, b.Scenario)
		}
		if a.Call != b.Call {
			return a.Call - b.Call
		}
		return int(a.Cut) - int(b.Cut)
	})
	return &m.result, nil
}

var points = []s3proc.Point{s3proc.BeforeServer, s3proc.MidBody, s3proc.AfterServer}

// scenario runs every cell of a scenario.
func (m *matrix) scenario(ctx context.Context, s *Scenario) error {
	p, err := m.prepare(ctx, s)
	if err != nil {
		return fmt.Errorf("scenario %s: %w", s.Name, err)
	}
	draw := rand.New(rand.NewPCG(m.config.Seed, uint64(len(s.Name))))
	for k := 1; ; k++ {
		must := draw.IntN(2) * 2 // before or after: every request has both
		for i, cut := range points {
			if m.config.Share > 0 && i != must && draw.Float64() >= m.config.Share {
				continue
			}
			c, err := m.cell(ctx, p, k, cut)
			if err != nil {
				return fmt.Errorf("scenario %s, call %d, cut %v: %w", s.Name, k, cut, err)
			}
			if c == nil {
				return m.whole(ctx, p, k-1)
			}
			if c.Call > 0 {
				m.add(c)
			}
			if m.config.First && len(c.Faults) > 0 {
				return nil
			}
		}
	}
}

// whole runs a scenario without a crash.
func (m *matrix) whole(ctx context.Context, p *prepared, calls int) error {
	if calls < 3 {
		return fmt.Errorf("scenario %s has %d calls: nothing was tested", p.Name, calls)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.result.Calls[p.Name] = calls
	return nil
}

func (m *matrix) add(c *Cell) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.result.Cells = append(m.result.Cells, c)
	verdict := "recovered"
	if len(c.Faults) > 0 {
		verdict = "NOT RECOVERED: " + strings.Join(c.Faults, "; ")
	}
	m.config.Verbose("%-28s call %2d  %-6s %-16s %-9v %s", c.Scenario, c.Call, c.Method, c.Class, c.Cut, verdict)
}
