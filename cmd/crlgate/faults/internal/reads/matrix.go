// Package reads is the fault matrix of the read path: a proxy before S3 spoils
// the GETs of the real authorizer, each kind of GET by each kind of fault, while
// real clients call over mutual TLS and certificates are revoked. Every answer
// is held against the truth.
package reads

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/crlgate/crlgate/cmd/crlgate/faults/internal/client"
	"github.com/crlgate/crlgate/cmd/crlgate/faults/internal/machine"
	"github.com/crlgate/crlgate/cmd/crlgate/faults/internal/oracle"
	"github.com/crlgate/crlgate/cmd/crlgate/faults/internal/spoil"
	"github.com/crlgate/crlgate/cmd/crlgate/internal/gateway"
)

// Config says what to run.
type Config struct {
	Binaries machine.Binaries
	Seed     uint64
	// Short draws a seventh of what each lane goes through.
	Short bool
	// Only names what to run, in part: "LANE, FAULT on KIND"; "": all.
	Only    string
	Verbose func(format string, args ...any)
}

// Cell is one kind of GET by one fault in one lane.
type Cell struct {
	Lane, Kind, Fault string
	Struck            int // GETs that the fault befell
	Answers           int // while it lasted, and until all was right again
	Allows            int
	Denies            map[string]int // by reason
	Slowest           time.Duration  // of the authorizer
	Recovered         time.Duration
	// Late is how many clients were let in whose revocation had been accepted, as
	// may be within the bound; Latest is how long it had been.
	Late       int
	Latest     time.Duration
	Violations []string
}

// Result is what came of it.
type Result struct {
	Cells   []*Cell
	Lanes   []Lane
	Answers int // all of them
	// Violations are all, those outside of cells too.
	Violations oracle.Violations
}

// Struck is how many GETs were befallen.
func (r *Result) Struck() (n int) {
	for _, c := range r.Cells {
		n += c.Struck
	}
	return n
}

type matrix struct {
	config Config
	world  *world

	mu     sync.Mutex
	result Result
	open   map[*episode]*Cell
}

func lanes() []Lane {
	const s = time.Second
	return []Lane{
		{Name: "warm", Kinds: []string{spoil.Catalog, spoil.Part, spoil.Whole}, RevalidateAfter: s, MaxUnvalidated: 30 * s, Held: true, Form: gateway.REST},
		{Name: "warm until stale", Kinds: []string{spoil.Catalog}, RevalidateAfter: s, MaxUnvalidated: 5 * s, Long: true, Held: true, Form: gateway.HTTP2},
		{Name: "cold", Kinds: []string{spoil.Catalog, spoil.Part}, RevalidateAfter: s, MaxUnvalidated: 30 * s, Cold: true, Form: gateway.REST},
		{Name: "cold, sets", Kinds: []string{spoil.Index, spoil.Block, spoil.Whole}, RevalidateAfter: s, MaxUnvalidated: 30 * s, Cold: true, Form: gateway.HTTP1},
		{Name: "by range", Kinds: []string{spoil.Index, spoil.Block, spoil.Whole}, RevalidateAfter: s, MaxUnvalidated: 30 * s, Budget: "200KiB", Form: gateway.HTTP2},
		{Name: "by range, cold", Kinds: []string{spoil.Index, spoil.Block}, RevalidateAfter: s, MaxUnvalidated: 30 * s, Budget: "200KiB", Cold: true, Form: gateway.HTTP1},
		{Name: "four environments, frozen", Kinds: []string{spoil.Catalog, spoil.Part, spoil.Whole}, RevalidateAfter: s, MaxUnvalidated: 30 * s, Environments: 4, Freeze: true, Form: gateway.REST},
		{Name: "REVALIDATE_AFTER=0", Kinds: []string{spoil.Catalog, spoil.Part, spoil.Whole}, MaxUnvalidated: 30 * s, Held: true, Form: gateway.HTTP2},
	}
}

// Run runs the matrix.
func Run(ctx context.Context, config Config) (result *Result, err error) {
	m := &matrix{config: config, open: map[*episode]*Cell{}}
	if m.world, err = newWorld(ctx, config.Binaries); err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, m.world.close()) }()
	m.result.Lanes = lanes()
	g, ctx := errgroup.WithContext(ctx)
	for i, l := range m.result.Lanes {
		g.Go(func() error {
			if err := m.lane(ctx, l, uint64(i)); err != nil {
				return fmt.Errorf("lane %s: %w", l.Name, err)
			}
			return nil
		})
	}
	if err := g.Wait(); err != nil {
		return nil, err
	}
	return &m.result, nil
}

// turn is one fault on one kind of GET.
type turn struct {
	kind  string
	fault spoil.Fault
}

// turns are what a lane goes through, in an order of its own.
func (m *matrix) turns(r *lane, seed uint64) (out []turn) {
	n := 0
	for _, kind := range r.Kinds {
		for _, f := range spoil.Faults {
			n++
			named := strings.Contains(fmt.Sprintf("%s, %s on %s", r.Name, f.Name, kind), m.config.Only)
			if named && (!m.config.Short || uint64(n)%7 == seed%7) {
				out = append(out, turn{kind, f})
			}
		}
	}
	r.draw.Shuffle(len(out), func(i, j int) { out[i], out[j] = out[j], out[i] })
	return out
}

// lane runs a lane: clients call all the while.
func (m *matrix) lane(ctx context.Context, l Lane, seed uint64) (err error) {
	r, err := m.start(l, seed)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, r.close()) }()
	turns := m.turns(r, seed)
	if len(turns) == 0 {
		return nil
	}
	if _, wrong := r.recovered(ctx); wrong != "" {
		return fmt.Errorf("before any fault: %s", wrong)
	}
	calling, stop := context.WithCancel(ctx)
	var clients sync.WaitGroup
	for _, ca := range caNames {
		clients.Go(func() { r.call(calling, ca) })
	}
	defer clients.Wait()
	defer stop()
	for _, t := range turns {
		if err := r.run(ctx, t.kind, t.fault); err != nil {
			return fmt.Errorf("%s on %s: %w", t.fault.Name, t.kind, err)
		}
	}
	return nil
}

// call has a CA's clients call, one after the other, for as long as ctx lasts.
func (r *lane) call(ctx context.Context, ca string) {
	for {
		for _, l := range r.leaves(ca) {
			r.ask(ctx, l)
			select {
			case <-ctx.Done():
				return
			case <-time.After(60 * time.Millisecond):
			}
		}
	}
}

func (m *matrix) cell(e *episode) *Cell {
	c := m.open[e]
	if c == nil {
		c = &Cell{Lane: e.lane.Name, Kind: e.kind, Fault: e.fault.Name, Denies: map[string]int{}}
		m.open[e] = c
		m.result.Cells = append(m.result.Cells, c)
	}
	return c
}

// answered counts an answer.
func (m *matrix) answered(l *Leaf, e *episode, a client.Answer) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.result.Answers++
	if e == nil {
		return
	}
	c := m.cell(e)
	c.Answers++
	if a.Status == 200 {
		c.Allows++
		if accepted := l.Accepted.Load(); accepted != nil && a.Began.After(*accepted) {
			c.Late, c.Latest = c.Late+1, max(c.Latest, a.Began.Sub(*accepted))
		}
	} else {
		c.Denies[a.Reason]++
	}
	c.Slowest = max(c.Slowest, a.Took)
}

func (m *matrix) violation(r *lane, e *episode, what string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	where := r.Name
	if e != nil {
		where += ", " + e.String()
		c := m.cell(e)
		c.Violations = append(c.Violations, what)
	}
	m.result.Violations = append(m.result.Violations, where+": "+what)
	m.config.Verbose("VIOLATION %s: %s", where, what)
}

// ended notes the end of an episode.
func (m *matrix) ended(r *lane, e *episode, took time.Duration, wrong string) {
	if wrong != "" {
		m.violation(r, e, wrong)
	}
	if e.struck.Load() == 0 {
		m.violation(r, e, "the fault befell no GET: nothing was tested")
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	c := m.cell(e)
	c.Struck, c.Recovered = int(e.struck.Load()), took
	m.config.Verbose("%-26s %-12s %-26s %3d GETs %4d answers, denied %v, slowest %v, recovered in %v",
		c.Lane, c.Kind, c.Fault, c.Struck, c.Answers, c.Denies, c.Slowest.Round(time.Millisecond), took.Round(time.Millisecond))
}
