package telemetry

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math"
	"strings"
	"sync"
	"testing"
	"time"
)

const fn = " function=authorizer"

func newRecorder() (*Recorder, *bytes.Buffer) {
	var out bytes.Buffer
	return NewRecorder(&out, "authorizer", time.Minute), &out
}

func TestKinds(t *testing.T) {
	r, out := newRecorder()
	for _, v := range []float64{5, -2, 7} {
		r.Record(SecondsToNextUpdate, v, Labels{CA: "a", CRL: fmt.Sprint("crl", v)})
		r.Record(CRLEntries, v, Labels{CA: "a", CRL: "c"})
		r.Record(CacheBytesFetched, v, Labels{})
	}
	want(t, flush(t, r, out, noon), map[string]float64{
		"SecondsToNextUpdate" + fn:                -2,
		"SecondsToNextUpdate ca=a crl=crl5" + fn:  5,
		"SecondsToNextUpdate ca=a crl=crl-2" + fn: -2,
		"SecondsToNextUpdate ca=a crl=crl7" + fn:  7,
		"CRLEntries ca=a crl=c" + fn:              7,
		"CacheBytesFetched" + fn:                  10,
	})
	r.Record(SecondsToNextUpdate, 9, Labels{CA: "a", CRL: "crl5"})
	want(t, flush(t, r, out, noon), map[string]float64{"SecondsToNextUpdate" + fn: 9, "SecondsToNextUpdate ca=a crl=crl5" + fn: 9})
}

func TestNothingRecordedIsNothingWritten(t *testing.T) {
	r, out := newRecorder()
	want(t, flush(t, r, out, noon), nil)
	r.Count(StaleServed, Labels{})
	want(t, flush(t, r, out, noon), map[string]float64{"StaleServed" + fn: 1})
	want(t, flush(t, r, out, noon), nil)
	if out.Len() != 0 {
		t.Errorf("wrote %q", out)
	}
}

func TestWhatCannotBeRecordedIsLeftOut(t *testing.T) {
	r, out := newRecorder()
	for _, v := range []float64{math.NaN(), math.Inf(1), math.Inf(-1)} {
		r.Record(CatalogAge, v, Labels{})
		r.Record(CacheBytesFetched, v, Labels{})
	}
	r.Record(numMetrics, 1, Labels{})
	r.Record(255, 1, Labels{})
	want(t, flush(t, r, out, noon), nil)
	if s := Metric(255).String(); s != "" {
		t.Errorf("no metric is called %q", s)
	}
}

func TestFlushIfDue(t *testing.T) {
	r, out := newRecorder()
	step := func(name string, now time.Time, wantCount int) {
		t.Helper()
		out.Reset()
		r.Count(StaleServed, Labels{})
		if err := r.FlushIfDue(now); err != nil {
			t.Fatal(err)
		}
		if got := strings.Contains(out.String(), fmt.Sprintf(`"StaleServed":%d`, wantCount)); got != (wantCount > 0) || (out.Len() > 0) != (wantCount > 0) {
			t.Errorf("%s: wrote %q, want a count of %d", name, out, wantCount)
		}
	}
	step("first", noon, 1)
	step("at once", noon, 0)
	step("within the interval", noon.Add(59*time.Second), 0)
	step("when it has passed", noon.Add(60*time.Second), 3)
	step("within the next", noon.Add(119*time.Second), 0)
	step("after a freeze", noon.Add(24*time.Hour), 2)
	step("when the clock was set back", noon, 1)
}

// counting counts writes.
type counting struct {
	mu     sync.Mutex
	writes int
	buf    bytes.Buffer
}

func (c *counting) Write(p []byte) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.writes++
	return c.buf.Write(p)
}

func TestABatchIsOneWriteHoweverMany(t *testing.T) {
	var out counting
	r := NewRecorder(&out, "authorizer", time.Minute)
	for i := range 10_000 {
		r.Count(Decisions, Labels{Decision: "allow", Reason: "good", CA: fmt.Sprint("ca", i%3)})
		r.Milliseconds(DecideLatency, 150*time.Microsecond, Labels{})
		if err := r.FlushIfDue(noon.Add(time.Duration(i) * time.Millisecond)); err != nil {
			t.Fatal(err)
		}
	}
	if out.writes != 1 { // the first; ten seconds are within the interval
		t.Errorf("%d writes", out.writes)
	}
	if err := r.Flush(noon.Add(time.Minute)); err != nil {
		t.Fatal(err)
	}
	if out.writes != 2 {
		t.Errorf("%d writes", out.writes)
	}
}

type broken struct{}

func (broken) Write([]byte) (int, error) { return 0, io.ErrClosedPipe }

func TestFlushReturnsTheWritersError(t *testing.T) {
	r := NewRecorder(broken{}, "authorizer", time.Minute)
	if err := r.Flush(noon); err != nil {
		t.Errorf("nothing to write: %v", err)
	}
	r.Count(StaleServed, Labels{})
	if err := r.FlushIfDue(noon); !errors.Is(err, io.ErrClosedPipe) {
		t.Errorf("error %v", err)
	}
}

func TestANilRecorderRecordsNothing(t *testing.T) {
	var r *Recorder
	r.Count(Decisions, Labels{})
	r.Record(CatalogAge, 1, Labels{})
	r.Milliseconds(DecideLatency, time.Second, Labels{})
	if err := errors.Join(r.Flush(noon), r.FlushIfDue(noon)); err != nil {
		t.Error(err)
	}
}

func TestValuesOfADimensionAreCapped(t *testing.T) {
	r, out := newRecorder()
	for i := range 1000 {
		r.Count(CRLAccepted, Labels{CA: fmt.Sprint("ca", i)})
	}
	points := flush(t, r, out, noon)
	if len(points) != valuesPerDimension+2 {
		t.Errorf("%d points, want %d, other and the total", len(points), valuesPerDimension)
	}
	if p := points["CRLAccepted ca=other"+fn]; len(p.values) != 1 || p.values[0] != 1000-valuesPerDimension {
		t.Errorf("other: %+v", p)
	}
	if p := points["CRLAccepted"+fn]; len(p.values) != 1 || p.values[0] != 1000 {
		t.Errorf("total: %+v", p)
	}
	r.Count(CRLAccepted, Labels{CA: "ca7"}) // known ones keep their name
	r.Count(CRLAccepted, Labels{CA: "new"})
	want(t, flush(t, r, out, noon), map[string]float64{
		"CRLAccepted" + fn: 2, "CRLAccepted ca=ca7" + fn: 1, "CRLAccepted ca=other" + fn: 1,
	})
}

func TestSeriesAreCapped(t *testing.T) {
	r, out := newRecorder()
	const each = valuesPerDimension
	for ca := range each {
		for crl := range each {
			r.Record(CRLEntries, float64(ca*each+crl), Labels{CA: fmt.Sprint("ca", ca), CRL: fmt.Sprint("crl", crl)})
		}
	}
	points := flush(t, r, out, noon)
	if len(points) != maxSeries+1 {
		t.Errorf("%d points, want %d and the rest", len(points), maxSeries)
	}
	if p := points["CRLEntries ca=other crl=other"+fn]; len(p.values) != 1 || p.values[0] != each*each-1 {
		t.Errorf("the rest: %+v", p)
	}
	r.Count(StaleServed, Labels{}) // one without dimensions is never crowded out
	want(t, flush(t, r, out, noon), map[string]float64{"StaleServed" + fn: 1})
}

func TestRecordingIsRaceFreeAndLosesNothing(t *testing.T) {
	var out counting
	r := NewRecorder(&out, "authorizer", time.Nanosecond)
	const workers, each = 8, 2000
	var group sync.WaitGroup
	for w := range workers {
		group.Go(func() {
			for i := range each {
				r.Count(Decisions, Labels{Decision: "allow", Reason: "good", CA: fmt.Sprint("ca", i%50)})
				r.Record(CatalogAge, float64(i), Labels{})
				if i%100 == 0 {
					if err := r.FlushIfDue(noon.Add(time.Duration(i*workers+w) * time.Second)); err != nil {
						t.Error(err)
					}
				}
			}
		})
	}
	group.Wait()
	if err := r.Flush(noon.Add(240 * time.Hour)); err != nil {
		t.Fatal(err)
	}
	var decisions, ages float64
	for line := range strings.Lines(out.buf.String()) {
		points, err := parseEMF([]byte(line))
		if err != nil {
			t.Fatal(err)
		}
		for name, p := range points {
			sum, count := p.sum()
			switch {
			case name == "Decisions decision=allow"+fn+" reason=good":
				decisions += sum
			case name == "CatalogAge"+fn:
				ages += count
			}
		}
	}
	if decisions != workers*each || ages != workers*each {
		t.Errorf("%v decisions and %v ages, want %d", decisions, ages, workers*each)
	}
}

func TestRecordingAllocatesNothing(t *testing.T) {
	r, _ := newRecorder()
	l := Labels{Decision: "deny", Reason: "revoked", CA: "Zürich", CRL: "c", Code: "x"}
	for i := range 2 * valuesPerDimension {
		r.Count(CRLAccepted, Labels{CA: fmt.Sprint("ca", i)}) // so that the last one is past the cap
		if i == 0 {
			r.Count(CRLAccepted, l)
		}
	}
	past := Labels{Decision: "allow", Reason: "good", CA: "one too many"}
	all := func() {
		for m := range numMetrics {
			r.Record(m, 2.5, l)
		}
		r.Count(Decisions, past)
		_ = r.FlushIfDue(noon)
	}
	all()
	if err := r.Flush(noon); err != nil { // a flush does not make series be made anew
		t.Fatal(err)
	}
	if n := testing.AllocsPerRun(100, all); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func BenchmarkDecision(b *testing.B) {
	r := NewRecorder(io.Discard, "authorizer", time.Minute)
	l := Labels{Decision: "allow", Reason: "good", CA: "partner-a"}
	b.ReportAllocs()
	for b.Loop() {
		r.Count(Decisions, l)
		r.Milliseconds(DecideLatency, 150*time.Microsecond, l)
		_ = r.FlushIfDue(noon)
	}
}
