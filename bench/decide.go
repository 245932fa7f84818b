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
// to answer, beside the handler that one writes first.
func decide(ctx context.Context, _ *settings) (*report, error) {
	cmd := exec.CommandContext(ctx, "go", "test", "-run", "^$", "-bench", "^BenchmarkDecide$", "-benchtime", "500ms", "-count", strconv.Itoa(decideRuns), "./pkg/authorize")
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("go test -bench BenchmarkDecide: %w\n%s", err, out)
	}
	figures := benchmarks(out)
	r := &report{}
	const name = "BenchmarkDecide/"
	for _, c := range []struct {
		key, what      string
		faster, atMost int
	}{{"first-seen", "certificate seen the first time", 5, 39}, {"seen-before", "certificate seen before", 10, 19}} {
		ours, theirs := figures[name+c.key+"/crlgate"], figures[name+c.key+"/obvious"]
		if len(ours["ns/op"]) == 0 || len(theirs["ns/op"]) == 0 {
			return nil, fmt.Errorf("BenchmarkDecide has no figures for %s:\n%s", c.key, out)
		}
		r.add(
			row{What: c.what + ": crlgate", Value: median(ours["ns/op"]) / 1e3, Unit: "µs", Rounds: decideRuns},
			row{What: c.what + ": the obvious handler", Value: median(theirs["ns/op"]) / 1e3, Unit: "µs", Rounds: decideRuns},
			row{What: c.what + ": obvious / crlgate", Value: median(theirs["ns/op"]) / median(ours["ns/op"]), Unit: "×", Target: float64(c.faster), AtLeast: true, Rounds: decideRuns},
			row{What: c.what + ": the same, processor time", Value: median(theirs["cpu-ns/op"]) / median(ours["cpu-ns/op"]), Unit: "×", Rounds: decideRuns},
			row{What: c.what + ": allocations", Value: median(ours["allocs/op"]), Target: float64(c.atMost), Rounds: decideRuns},
		)
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
