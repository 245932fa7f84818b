package main

import (
	"os"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"time"
)

func median(xs []float64) float64 {
	xs = slices.Sorted(slices.Values(xs))
	if len(xs) == 0 {
		return 0
	}
	if m := len(xs) / 2; len(xs)%2 == 0 {
		return (xs[m-1] + xs[m]) / 2
	} else {
		return xs[m]
	}
}

// ratio is the median of the ratios of figures that were taken next to each
// other, which what else the machine does befalls alike.
func ratio(of, to []float64) float64 {
	rs := make([]float64, min(len(of), len(to)))
	for i := range rs {
		rs[i] = of[i] / to[i]
	}
	return median(rs)
}

// inTurns calls the functions one after another, rounds times, and returns the
// figures of each.
func inTurns(rounds int, fs ...func() (float64, error)) ([][]float64, error) {
	out := make([][]float64, len(fs))
	for range rounds {
		for i, f := range fs {
			x, err := f()
			if err != nil {
				return nil, err
			}
			out[i] = append(out[i], x)
		}
	}
	return out, nil
}

// seconds times a call. The collector runs before, not in between.
func seconds(f func() error) func() (float64, error) {
	return func() (float64, error) {
		runtime.GC()
		began := time.Now()
		err := f()
		return time.Since(began).Seconds(), err
	}
}

// cpu is the processor time that this process has had.
func cpu() float64 {
	var r syscall.Rusage
	if syscall.Getrusage(syscall.RUSAGE_SELF, &r) != nil {
		return 0
	}
	return float64(r.Utime.Nano()+r.Stime.Nano()) / 1e9
}

// load is the system's load average of the last minute; "": it does not say.
func load() string {
	b, err := os.ReadFile("/proc/loadavg")
	if err != nil {
		return ""
	}
	first, _, _ := strings.Cut(string(b), " ")
	return first
}

// machine says in words what the figures were taken on.
func machine() string {
	name := runtime.GOARCH
	if b, err := os.ReadFile("/proc/cpuinfo"); err == nil {
		for line := range strings.Lines(string(b)) {
			if key, value, ok := strings.Cut(line, ":"); ok && strings.TrimSpace(key) == "model name" {
				name = strings.TrimSpace(value)
				break
			}
		}
	}
	return name + ", " + count(runtime.NumCPU()) + " processors, " + runtime.Version() + " " + runtime.GOOS + "/" + runtime.GOARCH
}
