package soak

import (
	"fmt"
	"slices"
	"time"

	"github.com/crlgate/crlgate/cmd/crlgate/internal/lambdaruntime"
)

// What flat means: of the processes that lived through the run, the median of the
// last quarter is beyond that of the second by a tenth and growthRoom at most. The
// first quarter is left out, in which sets are first loaded. Of a short run it is
// the highest of the second quarter: it sees too few replacements for a median to
// have the room for two sets in it.
const (
	growthShare = 0.10
	growthRoom  = 8 << 20
	shortRun    = 5 * time.Minute
)

// sample is the memory of a process at a moment, in octets resident.
type sample struct {
	at       time.Duration // since the run began
	resident int64
}

// process is an authorizer's.
type process struct {
	pid     int
	started time.Time
	samples []sample
	peak    int64
	freezes int
	// idle is since when it has been frozen, and longest how long it ever was.
	idle       time.Duration
	longest    time.Duration
	deliveries int
	gone       bool
}

// memory knows every process of the authorizer that there was.
type memory struct {
	processes []*process // in the order in which they came
}

func (m *memory) process(e lambdaruntime.Environment) *process {
	for _, p := range m.processes {
		if p.pid == e.PID && p.started.Equal(e.Started) {
			return p
		}
	}
	p := &process{pid: e.PID, started: e.Started}
	m.processes = append(m.processes, p)
	return p
}

// look takes a sample of every process.
func (m *memory) look(envs []lambdaruntime.Environment, since time.Duration) {
	there := map[*process]bool{}
	for _, e := range envs {
		if e.PID == 0 {
			continue
		}
		p := m.process(e)
		there[p] = true
		p.freezes = e.Freezes
		if !e.Frozen || e.Invocations != p.deliveries {
			p.idle, p.deliveries = since, e.Invocations
		}
		p.longest = max(p.longest, since-p.idle)
		resident, peak := lambdaruntime.Memory(e.PID)
		if resident > 0 {
			p.samples = append(p.samples, sample{since, resident})
			p.peak = max(p.peak, peak)
		}
	}
	for _, p := range m.processes {
		p.gone = p.gone || !there[p]
	}
}

// Memory is that of one process which lived through the run, in octets resident.
type Memory struct {
	PID              int
	Start, Warm, End int64 // Warm: at the end of the first quarter
	Second, Last     int64 // medians of quarters
	Peak             int64
	Freezes          int
}

// Grown says in which way memory has grown beyond the bound; "": it has not.
func (m Memory) Grown() string {
	bound := m.Second + int64(growthShare*float64(m.Second)) + growthRoom
	if m.Last <= bound {
		return ""
	}
	return fmt.Sprintf("the memory of process %d grew from %s in the second quarter to %s in the last, beyond %s", m.PID, mib(m.Second), mib(m.Last), mib(bound))
}

// lived are the processes that were there first and lived to the end of a run.
func (m *memory) lived(lasted time.Duration) (out []Memory) {
	for _, p := range m.processes[:min(kept, len(m.processes))] {
		if p.gone || len(p.samples) == 0 || p.samples[0].at > lasted/4 {
			continue
		}
		quarter := func(i time.Duration) (in []int64) {
			for _, s := range p.samples {
				if s.at >= lasted*i/4 && s.at < lasted*(i+1)/4 {
					in = append(in, s.resident)
				}
			}
			return in
		}
		first, second, last := quarter(0), quarter(1), quarter(3)
		if len(second) == 0 || len(last) == 0 {
			continue
		}
		before := middle(second)
		if lasted < shortRun {
			before = slices.Max(second)
		}
		out = append(out, Memory{
			PID: p.pid, Start: first[0], Warm: first[len(first)-1], Second: before, Last: middle(last), End: last[len(last)-1],
			Peak: p.peak, Freezes: p.freezes,
		})
	}
	return out
}

func middle(x []int64) int64 {
	x = slices.Sorted(slices.Values(x))
	return x[len(x)/2]
}

func mib(n int64) string { return fmt.Sprintf("%.1f MiB", float64(n)/(1<<20)) }
