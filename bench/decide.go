package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
)

// decideRuns is how often the benchmark of package authorize runs.
const decideRuns = 3

// decide runs the benchmark of package authorize: a warm decision, from event
// to answer, beside the handler that one writes first, for a CA with one entry
// and for one with as many as the run has, ten million at most.
func decide(ctx context.Context, s *settings) (*report, error) {
	sizes := []int{1, min(s.max, 10_000_000)}
	cmd := exec.CommandContext(ctx, "go", "test", "-timeout", "30m", "-run", "^$", "-bench", "^BenchmarkDecide$", "-benchtime", "500ms", "-count", strconv.Itoa(decideRuns), "./pkg/authorize")
	cmd.Env = append(os.Environ(), fmt.Sprintf("CRLGATE_BENCH_ENTRIES=%d,%d", sizes[0], sizes[1]))
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("go test -bench BenchmarkDecide: %w\n%s", err, out)
	}
	figures := benchmarks(out)
	r := &report{}
	for _, c := range []struct {
		key, what      string
		faster, atMost float64
	}{{"first-seen", "certificate seen the first time", 5, 39}, {"seen-before", "certificate seen before", 10, 19}} {
		var busy []float64 // crlgate's processor time, by size
		for _, n := range sizes {
			name := fmt.Sprintf("BenchmarkDecide/%d/%s/", n, c.key)
			ours, theirs := figures[name+"crlgate"], figures[name+"obvious"]
			if len(ours["ns/op"]) == 0 || len(theirs["ns/op"]) == 0 {
				return nil, fmt.Errorf("BenchmarkDecide has no figures for %s:\n%s", name, out)
			}
			busy = append(busy, median(ours["cpu-ns/op"]))
			r.add(
				row{What: c.what + ": crlgate", Entries: n, Value: median(ours["ns/op"]) / 1e3, Unit: "µs", Rounds: decideRuns},
				row{What: c.what + ": crlgate, processor time", Entries: n, Value: busy[len(busy)-1] / 1e3, Unit: "µs", Rounds: decideRuns},
				row{What: c.what + ": the obvious handler", Entries: n, Value: median(theirs["ns/op"]) / 1e3, Unit: "µs", Rounds: decideRuns},
				row{What: c.what + ": obvious / crlgate", Entries: n, Value: median(theirs["ns/op"]) / median(ours["ns/op"]), Unit: "×", Target: c.faster, AtLeast: true, Rounds: decideRuns},
				row{What: c.what + ": obvious / crlgate, processor time", Entries: n, Value: median(theirs["cpu-ns/op"]) / median(ours["cpu-ns/op"]), Unit: "×", Rounds: decideRuns},
				row{What: c.what + ": allocations", Entries: n, Value: median(ours["allocs/op"]), Target: c.atMost, Rounds: decideRuns},
			)
		}
		r.add(row{What: fmt.Sprintf("%s: processor time at %s entries / at 1", c.what, count(sizes[1])), Value: busy[1] / busy[0], Unit: "×", Rounds: decideRuns})
	}
	return r, nil
}

// benchmarks reads what "go test -bench" prints: by name without the number of
// processors, by unit.
func benchmarks(out []byte) map[string]map[string][]float64 {
	found := map[string]map[string][]float64{}
	for line := range bytes.Lines(out) {
		fields := strings.Fields(string(line))
		if len(fields) < 4 || !strings.HasPrefix(fields[0], "Benchmark") {
			continue
		}
		name := fields[0]
		if i := strings.LastIndexByte(name, '-'); i > strings.LastIndexByte(name, '/') {
			if _, err := strconv.Atoi(name[i+1:]); err == nil {
				name = name[:i]
			}
		}
		if found[name] == nil {
			found[name] = map[string][]float64{}
		}
		for i := 2; i+1 < len(fields); i += 2 {
			if x, err := strconv.ParseFloat(fields[i], 64); err == nil {
				found[name][fields[i+1]] = append(found[name][fields[i+1]], x)
			}
		}
	}
	return found
}
