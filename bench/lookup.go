package main

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"runtime"

	"github.com/crlgate/crlgate/pkg/serialset"
)

const (
	yardstick = 160 << 20 // octets in which the yardstick looks for a word
	probes    = 200_000   // look-ups of a round
	lookRows  = 9         // rounds
)

// memoryAccess is one random load of 160 MB that depends on the one before,
// in nanoseconds of processor time, in which it does not matter whether the
// machine lets this process run. As a look-up does, it makes its address out of
// the answer.
func memoryAccess(memory []uint32) float64 {
	var x uint64
	began := cpu()
	for range probes {
		x += uint64(memory[within(mix(x), len(memory))]) + 1
	}
	took := cpu() - began
	if x == 0 {
		panic("the loads were not made")
	}
	return took / probes * 1e9
}

// asked is the processor time of one look-up in nanoseconds, of serial numbers from a
// number on. Each depends on the answer before it, so that no two overlap.
func asked(s *serialset.Set, kind shape, n int, from uint64, listed bool) (float64, error) {
	if err := sweep(s, n); err != nil {
		return 0, err
	}
	var x uint64
	found := 0
	probe := make([]byte, 16)
	began := cpu()
	for range probes {
		kind.put(probe, from+within(mix(x), n))
		e, ok := s.Lookup(probe)
		x += uint64(e.Date) + 1
		if ok {
			found++
		}
	}
	took := cpu() - began
	if listed && found != probes || !listed && found != 0 {
		return 0, fmt.Errorf("%d of %d %s serial numbers found, listed: %v", found, probes, kind.name, listed)
	}
	return took / probes * 1e9, nil
}

// sweep reads a set once from front to back. It puts as much of it into the
// processor's caches as stays there under traffic; what was measured before, the
// yardstick among it, has filled them with other things.
func sweep(s *serialset.Set, n int) error {
	listed := 0
	for range s.All() {
		listed++
	}
	if listed != n {
		return fmt.Errorf("%d entries of %d", listed, n)
	}
	return nil
}

// buildSet makes the object of a set of n entries.
func buildSet(n int, kind shape) ([]byte, serialset.Digest, error) {
	const batch = 2048
	var b serialset.Builder
	serials, dates, reasons := make([]byte, 16*batch), make([]uint32, batch), make([]uint8, batch)
	for at := 0; at < n; at += batch {
		k := min(batch, n-at)
		for i := range k {
			kind.put(serials[16*i:], uint64(at+i))
			dates[i], reasons[i] = uint32(at+i), uint8(i&3)
		}
		if err := b.Append(16, serials[:16*k], dates[:k], reasons[:k]); err != nil {
			return nil, serialset.Digest{}, err
		}
	}
	img, err := b.Finish()
	if err != nil {
		return nil, serialset.Digest{}, err
	}
	out := bytes.NewBuffer(serialset.Allocate(int(img.Size())))
	_, err = img.WriteTo(out)
	return out.Bytes(), img.Digest(), err
}

// lookUp measures sets in memory: how long an answer takes, how much memory
// they take up, and how long they take to load.
func lookUp(ctx context.Context, s *settings) (*report, error) {
	memory := make([]uint32, yardstick/4)
	for i := range memory {
		memory[i] = uint32(mix(uint64(i)))
	}
	r := &report{Charts: []chart{
		{File: "lookup.svg", Title: "One look-up in memory", Y: "nanoseconds"},
		{File: "load.svg", Title: "Loading what look-ups need", Y: "milliseconds"},
	}}
	accesses(r, memory)
	hugePages(r)
	for _, n := range s.sizes(10_000, 10_000_000) {
		if err := s.lookUpIn(r, n, memory); err != nil {
			return nil, err
		}
		if err := ctx.Err(); err != nil {
			return nil, err
		}
	}
	for _, n := range s.sizes(10_000, 10_000_000) {
		if err := s.loading(r, n); err != nil {
			return nil, err
		}
		if err := ctx.Err(); err != nil {
			return nil, err
		}
	}
	return r, nil
}

// accesses measures what an access costs by how much memory it is to: what of
// it stays in the processor's caches decides.
func accesses(r *report, memory []uint32) {
	for _, mb := range []int{1, 4, 16, 32, 64} {
		var times []float64
		for range lookRows {
			times = append(times, memoryAccess(memory[:mb<<20/4]))
		}
		r.add(row{What: fmt.Sprintf("one dependent random access to %d MB", mb), Value: median(times), Unit: "ns", Rounds: lookRows})
	}
}

// hugePages measures what an access costs to memory such as sets are put into,
// which the system may give in huge pages.
func hugePages(r *report) {
	memory := serialset.Allocate(yardstick)[:yardstick]
	for i := 0; i < len(memory); i += 4 {
		binary.LittleEndian.PutUint32(memory[i:], uint32(mix(uint64(i))))
	}
	var times []float64
	for range lookRows {
		var x uint64
		began := cpu()
		for range probes {
			x += uint64(binary.LittleEndian.Uint32(memory[4*within(mix(x), len(memory)/4):])) + 1
		}
		times = append(times, (cpu()-began)/probes*1e9)
	}
	r.add(row{What: "one to 160 MB as sets are put into (huge pages, where the system has them)", Value: median(times), Unit: "ns", Rounds: lookRows})
}

func (s *settings) lookUpIn(r *report, n int, memory []uint32) error {
	sets := make([]*serialset.Set, len(shapes))
	for i, kind := range shapes {
		data, digest, err := buildSet(n, kind)
		if err != nil {
			return err
		}
		if sets[i], err = serialset.Open(data, digest); err != nil {
			return err
		}
	}
	// Of memory as large as the set, more may lie in the processor's caches.
	alike := memory[:min(int64(len(memory)), sets[0].Size()/4)]
	calls := []func() (float64, error){
		func() (float64, error) { return memoryAccess(memory), nil },
		func() (float64, error) { return memoryAccess(alike), nil },
	}
	for i, kind := range shapes {
		calls = append(calls,
			func() (float64, error) { return asked(sets[i], kind, n, 0, true) },
			func() (float64, error) { return asked(sets[i], kind, n, uint64(n), false) })
	}
	runtime.GC()
	out, err := inTurns(lookRows, calls...)
	if err != nil {
		return err
	}
	access, near, chart := out[0], out[1], &r.Charts[0]
	out = out[2:]
	chart.point("memory access, 160 MB", n, median(access))
	target := map[int]float64{1_000_000: 0.5, 10_000_000: 2}[n]
	chart.point("memory access, set's size", n, median(near))
	r.add(
		row{What: "one dependent random access to 160 MB", Entries: n, Value: median(access), Unit: "ns", Rounds: lookRows},
		row{What: "one to memory of the set's size, 160 MB at most", Entries: n, Value: median(near), Unit: "ns", Rounds: lookRows},
	)
	for i, kind := range shapes {
		for k, what := range []string{"hit", "miss"} {
			times := out[2*i+k]
			name := kind.name + ", " + what
			r.add(row{What: name, Entries: n, Value: median(times), Unit: "ns", Rounds: lookRows})
			if kind.name == random.name {
				r.add(row{What: name + " / memory access", Entries: n, Value: ratio(times, access), Unit: "×", Rounds: lookRows, Target: target},
					row{What: name + " / access to memory of the set's size", Entries: n, Value: ratio(times, near), Unit: "×", Rounds: lookRows})
			} else {
				r.add(row{What: name + " / random " + what, Entries: n, Value: ratio(times, out[k]), Unit: "×", Rounds: lookRows, Target: 4})
			}
			if k == 0 {
				chart.point(kind.name, n, median(times))
			}
		}
		r.add(row{What: kind.name + ", memory / object", Entries: n, Value: float64(sets[i].Memory()) / float64(sets[i].Size()), Unit: "×", Target: 1.1})
	}
	return nil
}

// loading compares opening a set with decoding the AWS sample's JSON of the
// same serial numbers into a map.
func (s *settings) loading(r *report, n int) error {
	data, digest, err := buildSet(n, random)
	if err != nil {
		return err
	}
	rounds := min(9, max(1, 3_000_000/n))
	text := sampleJSON(n)
	theirs, err := inTurns(rounds, seconds(func() error { return decodeSample(text, n) }))
	if err != nil {
		return err
	}
	text = nil
	open := seconds(func() error {
		_, err := serialset.Open(data, digest)
		return err
	})
	runtime.GC()
	if _, err := open(); err != nil { // the first one touches memory first
		return err
	}
	ours, err := inTurns(max(9, rounds), open)
	if err != nil {
		return err
	}
	target := map[int]float64{1_000_000: 50, 10_000_000: 100}[n]
	r.Charts[1].point("serialset.Open", n, median(ours[0])*1e3)
	r.Charts[1].point("JSON into a map", n, median(theirs[0])*1e3)
	r.add(row{What: "load of the set", Entries: n, Value: median(ours[0]) * 1e3, Unit: "ms", Rounds: len(ours[0])},
		row{What: "JSON into a map", Entries: n, Value: median(theirs[0]) * 1e3, Unit: "ms", Rounds: rounds},
		row{What: "JSON into a map / load of the set", Entries: n, Value: median(theirs[0]) / median(ours[0]), Unit: "×", Rounds: rounds, Target: target, AtLeast: true})
	return nil
}

// hexKey writes a serial number as the AWS sample does: 0x and hex, without
// zeros in front.
func hexKey(dst, serial []byte) []byte {
	hi, lo := binary.BigEndian.Uint64(serial), binary.BigEndian.Uint64(serial[8:])
	return fmt.Appendf(dst, "0x%x%016x", hi, lo)
}
