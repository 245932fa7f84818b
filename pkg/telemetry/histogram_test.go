package telemetry

import (
	"bytes"
	"math"
	"math/rand/v2"
	"testing"
	"time"
)

// observe returns what a metric of distribution reports of values.
func observe(t *testing.T, values ...float64) point {
	t.Helper()
	var out bytes.Buffer
	r := NewRecorder(&out, "authorizer", time.Minute)
	for _, v := range values {
		r.Record(DecideLatency, v, Labels{})
	}
	return flush(t, r, &out, noon)["DecideLatency"+fn]
}

func TestDistributionOfFew(t *testing.T) {
	for _, values := range [][]float64{{7}, {0}, {0, 0, 5}, {-3, 5}, {1, 1000}, {1e-9, 1e300}} {
		p := observe(t, values...)
		var sum float64
		for _, v := range values {
			sum += v
		}
		got, count := p.sum()
		if math.Abs(got-sum) > 1e-9*math.Abs(sum) || int(count) != len(values) {
			t.Errorf("%v became %+v", values, p)
		}
	}
}

func TestDistributionKeepsPercentiles(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	for _, n := range []int{50, 100, 101, 10_000} {
		values := make([]float64, n)
		for i := range values {
			values[i] = math.Exp(rng.NormFloat64()*6 - 2) // over some twenty powers of ten
		}
		p := observe(t, values...)
		if len(p.values) > maxValues {
			t.Fatalf("%d values", len(p.values))
		}
		if n > maxValues && len(p.values) < maxValues/3 {
			t.Errorf("%d values became only %d", n, len(p.values))
		}
		var sum float64
		for _, v := range values {
			sum += v
		}
		if got, count := p.sum(); math.Abs(got-sum) > 1e-9*sum || int(count) != n {
			t.Errorf("sum %v of %v, want %v of %d", got, count, sum, n)
		}
		for i := 1; i < len(p.values); i++ {
			if p.values[i] < p.values[i-1] {
				t.Fatalf("values are not ascending: %v", p.values)
			}
		}
	}
}

func TestBucketsAreNarrow(t *testing.T) {
	for v := 1e-5; v < 1e12; v *= 1.01 {
		low, high := new(histogram), new(histogram)
		low.add(v)
		high.add(v * 1.13)
		both := new(histogram)
		both.add(v)
		both.add(v * 1.13) // more than an eighth above: never one bucket
		if len(both.values()) != 2 {
			t.Fatalf("%v and %v are one", v, v*1.13)
		}
	}
}
