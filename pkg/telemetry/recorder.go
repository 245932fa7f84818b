// Package telemetry is what crlgate tells its operators: metrics in CloudWatch's
// embedded metric format ([Metrics]), and what it logs ([NewLogger], [Keys],
// [Messages]). docs/operations.md has the same tables, with what to do.
//
// A [Recorder] adds up what happens in memory and writes it in batches, one line
// for each group of dimensions, whenever [Recorder.FlushIfDue] finds that the
// interval has passed: never a line a request. Recording takes a fraction of a
// microsecond and, once a series is known, allocates nothing. What is recorded and
// not yet flushed is lost if the process is killed, so a run that ends calls
// [Recorder.Flush].
//
// The format is that of the Amazon CloudWatch User Guide, "Specification: Embedded
// metric format". Distributions of more than 100 values are written as an object of
// Values and Counts with Min, Max, Sum and Count, which that page does not describe; it
// is the form in which AWS's own exporter of the OpenTelemetry collector writes
// histograms.
package telemetry

import (
	"io"
	"sync"
	"time"
)

// Namespace is crlgate's namespace in CloudWatch.
const Namespace = "crlgate"

const (
	// valuesPerDimension caps the distinct values of one dimension in a process;
	// further ones are reported together as Other. Each is a metric that costs.
	valuesPerDimension = 100
	// maxSeries caps the series of a process, over all metrics.
	maxSeries = 2000

	// Other stands for the values of a dimension past the cap.
	Other = "other"
	// None stands for a value that is not known, as of the CA of a certificate that
	// cannot be parsed.
	None = "none"
)

// Labels are the values of the dimensions of what is recorded. A metric takes
// those that it is reported by, and ignores the others.
type Labels struct {
	Decision, Reason, CA, CRL, Code string
}

func (l *Labels) value(d Dimension) string {
	switch d {
	case ByDecision:
		return l.Decision
	case ByReason:
		return l.Reason
	case ByCA:
		return l.CA
	case ByCRL:
		return l.CRL
	case ByCode:
		return l.Code
	}
	return ""
}

// Recorder aggregates metrics in memory. A nil Recorder records nothing. It is
// safe for concurrent use.
type Recorder struct {
	function string
	interval time.Duration

	writing sync.Mutex // held while writing, so that batches do not mix
	out     io.Writer

	mu     sync.Mutex // guards what follows; never held while writing
	last   time.Time  // of the last flush that wrote, without its monotonic part
	left   time.Time  // when FlushIfDue last left something unwritten; zero: nothing is
	fresh  bool       // something was recorded since
	known  [numDimensions]map[string]string
	series map[seriesKey]*series
	order  []*series // as they came up: the order of a group's metrics
	buf    []byte    // of the last flush, for the next
}

// maxBy is the largest number of dimensions in a set of the table.
const maxBy = 2

// seriesKey is a metric under one of its dimension sets, with the values.
type seriesKey struct {
	metric Metric
	set    uint8
	values [maxBy]string
}

// series is what was recorded under a key since the last flush.
type series struct {
	key       seriesKey
	touched   bool
	value     float64    // unless the kind is Distribution
	histogram *histogram // if it is
}

// NewRecorder returns a recorder that writes the metrics of that function to out,
// at most once an interval unless told to.
func NewRecorder(out io.Writer, function string, interval time.Duration) *Recorder {
	r := &Recorder{function: dimensionValue(function), interval: interval, out: out, series: map[seriesKey]*series{}}
	for d := range r.known {
		r.known[d] = map[string]string{}
	}
	return r
}

// Count adds one to a counter.
func (r *Recorder) Count(m Metric, l Labels) { r.Record(m, 1, l) }

// Milliseconds records a duration in a metric of that unit.
func (r *Recorder) Milliseconds(m Metric, d time.Duration, l Labels) {
	r.Record(m, float64(d)/float64(time.Millisecond), l)
}

// Record records a value: a counter adds it, a distribution takes it in, and so
// on as the metric's [Kind] says. A value that is not finite is left out, as is an
// unknown metric.
func (r *Recorder) Record(m Metric, value float64, l Labels) {
	if r == nil || m >= numMetrics || value-value != 0 { // Inf-Inf and NaN are NaN
		return
	}
	def := &definitions[m]
	r.mu.Lock()
	defer r.mu.Unlock()
	r.fresh = true
	for set, by := range def.By {
		key := seriesKey{metric: m, set: uint8(set)}
		for i, d := range by {
			key.values[i] = r.intern(d, l.value(d))
		}
		r.find(key).record(def.Kind, value)
	}
}

// intern returns what stands for a dimension's value in CloudWatch.
func (r *Recorder) intern(d Dimension, value string) string {
	if value == "" {
		return None
	}
	if known, ok := r.known[d][value]; ok {
		return known
	}
	if len(r.known[d]) >= valuesPerDimension {
		return Other
	}
	// Copies: the caller's string may be part of something large.
	known := dimensionValue(value)
	r.known[d][string([]byte(value))] = known
	return known
}

// find returns the series of key; past the cap, the one that stands for the rest.
func (r *Recorder) find(key seriesKey) *series {
	if s := r.series[key]; s != nil {
		return s
	}
	if len(r.series) >= maxSeries {
		for i := range definitions[key.metric].By[key.set] {
			key.values[i] = Other
		}
		if s := r.series[key]; s != nil {
			return s
		}
	}
	s := &series{key: key}
	if definitions[key.metric].Kind == Distribution {
		s.histogram = new(histogram)
	}
	r.series[key] = s
	r.order = append(r.order, s)
	return s
}

func (s *series) record(kind Kind, value float64) {
	switch {
	case kind == Distribution:
		s.histogram.add(value)
	case kind == Counter:
		s.value += value
	case !s.touched || (kind == Lowest) == (value < s.value):
		s.value = value
	}
	s.touched = true
}

func (s *series) reset() {
	s.touched, s.value = false, 0
	if s.histogram != nil {
		*s.histogram = histogram{}
	}
}

// FlushIfDue writes what was recorded if the interval has passed since something
// was last written; the first time at once, so that what an idle function recorded
// does not wait. Call it at the end of each invocation. Time is the wall clock's: after a
// freeze, or when the clock was set back, it is due.
func (r *Recorder) FlushIfDue(now time.Time) error { return r.flush(now, ifDue) }

// FlushOld writes what FlushIfDue left unwritten longer than the interval ago, with
// the time at which it did. Call it at the beginning of each invocation: an
// environment may have been frozen since, for hours, and what was recorded before
// belongs to that time and not to now.
func (r *Recorder) FlushOld(now time.Time) error { return r.flush(now, ifOld) }

// Flush writes what was recorded since the last flush: at the end of a run, and on
// SIGTERM. A batch whose writing fails is lost.
func (r *Recorder) Flush(now time.Time) error { return r.flush(now, always) }

// when says on what condition a flush writes.
type when uint8

const (
	always when = iota
	ifDue
	ifOld
)

func (r *Recorder) flush(now time.Time, when when) error {
	if r == nil {
		return nil
	}
	now = now.Round(0)
	if !r.due(now, when) { // the cheap answer, on nearly every request
		return nil
	}
	r.writing.Lock()
	defer r.writing.Unlock()
	batch := r.take(now, when)
	if len(batch) == 0 {
		return nil
	}
	_, err := r.out.Write(batch)
	return err
}

func (r *Recorder) due(now time.Time, when when) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.dueLocked(now, when)
}

func (r *Recorder) dueLocked(now time.Time, when when) bool {
	switch when {
	case ifDue:
		since := now.Sub(r.last)
		due := r.fresh && (r.last.IsZero() || since >= r.interval || since < 0)
		if r.fresh && !due {
			r.left = now
		}
		return due
	case ifOld:
		return r.old(now)
	}
	return r.fresh
}

// old reports whether all that is unwritten was recorded a while ago.
func (r *Recorder) old(now time.Time) bool {
	return r.fresh && !r.left.IsZero() && now.Sub(r.left) >= r.interval
}

// take encodes what was recorded and starts anew. What it returns is good until
// the next take; r.writing is held.
func (r *Recorder) take(now time.Time, when when) []byte {
	r.mu.Lock()
	defer r.mu.Unlock()
	if !r.dueLocked(now, when) { // another goroutine was first
		return nil
	}
	if when != ifDue && r.old(now) {
		now = r.left
	}
	r.last, r.left, r.fresh = now, time.Time{}, false
	r.buf = r.encode(r.buf[:0], now)
	for _, s := range r.order {
		s.reset()
	}
	return r.buf
}
