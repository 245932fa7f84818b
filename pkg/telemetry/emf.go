package telemetry

import (
	"math"
	"slices"
	"strconv"
	"time"
	"unicode/utf8"
)

// maxDimensionValue is CloudWatch's limit on a dimension's value, in characters
// (API Reference, Dimension).
const maxDimensionValue = 1024

// dimensionValue is a value as CloudWatch takes it: printable ASCII, not blank,
// within its limit. What it does not take becomes a question mark; CA names
// that differ in nothing else then share their metrics.
func dimensionValue(s string) string {
	out := make([]byte, 0, len(s))
	blank := true
	for _, c := range s {
		if c < ' ' || c > '~' {
			c = '?'
		}
		blank = blank && c == ' '
		if len(out) < maxDimensionValue {
			out = append(out, byte(c))
		}
	}
	if blank {
		return None
	}
	return string(out)
}

// encode appends a line for each group of series that share dimensions and
// values. An EMF document has one value for a dimension, so a group cannot share
// a line with another.
func (r *Recorder) encode(buf []byte, now time.Time) []byte {
	var groups [][]*series
	at := map[string]int{}
	for _, s := range r.order {
		if !s.touched {
			continue
		}
		name := s.group()
		i, ok := at[name]
		if !ok {
			i = len(groups)
			at[name] = i
			groups = append(groups, nil)
		}
		groups[i] = append(groups[i], s)
	}
	for _, group := range groups {
		// The table has far fewer metrics than fit; a test holds that.
		buf = r.encodeGroup(buf, now, group)
	}
	return buf
}

func (s *series) by() []Dimension { return definitions[s.key.metric].By[s.key.set] }

// group names the dimensions and values of the series.
func (s *series) group() string {
	var name []byte
	for i, d := range s.by() {
		name = append(name, byte(d))
		name = append(name, s.key.values[i]...) // printable, so 0 ends it
		name = append(name, 0)
	}
	return string(name)
}

func (r *Recorder) encodeGroup(buf []byte, now time.Time, group []*series) []byte {
	slices.SortStableFunc(group, func(a, b *series) int { return int(a.key.metric) - int(b.key.metric) })
	by := group[0].by()
	buf = append(buf, `{"_aws":{"Timestamp":`...)
	buf = strconv.AppendInt(buf, now.UnixMilli(), 10)
	buf = append(buf, `,"CloudWatchMetrics":[{"Namespace":"`+Namespace+`","Dimensions":[["`+dimensionFunction+`"`...)
	for _, d := range by {
		buf = append(buf, ',')
		buf = appendString(buf, d.Name())
	}
	buf = append(buf, `]],"Metrics":[`...)
	for i, s := range group {
		if i > 0 {
			buf = append(buf, ',')
		}
		buf = append(buf, `{"Name":`...)
		buf = appendString(buf, s.key.metric.String())
		buf = append(buf, `,"Unit":`...)
		buf = appendString(buf, string(definitions[s.key.metric].Unit))
		buf = append(buf, '}')
	}
	buf = append(buf, `]}]},"`+dimensionFunction+`":`...)
	buf = appendString(buf, r.function)
	for i, d := range by {
		buf = appendMember(buf, d.Name())
		buf = appendString(buf, group[0].key.values[i])
	}
	for _, s := range group {
		buf = appendMember(buf, s.key.metric.String())
		buf = s.append(buf)
	}
	return append(buf, "}\n"...)
}

// append appends the value: a number, an array of numbers, or, for more than
// maxValues, values with counts.
func (s *series) append(buf []byte) []byte {
	h := s.histogram
	switch {
	case h == nil:
		return appendNumber(buf, s.value)
	case h.count == 1:
		return appendNumber(buf, h.sum)
	}
	values := h.values()
	if h.count > maxValues {
		return h.appendCounted(buf, values)
	}
	buf = append(buf, '[')
	for _, b := range values {
		for range b.count {
			buf = appendNumber(buf, b.mean())
			buf = append(buf, ',')
		}
	}
	buf[len(buf)-1] = ']'
	return buf
}

func (h *histogram) appendCounted(buf []byte, values []bucket) []byte {
	buf = append(buf, `{"Values":[`...)
	for _, b := range values {
		buf = appendNumber(buf, b.mean())
		buf = append(buf, ',')
	}
	buf[len(buf)-1] = ']'
	buf = append(buf, `,"Counts":[`...)
	for _, b := range values {
		buf = strconv.AppendUint(buf, b.count, 10)
		buf = append(buf, ',')
	}
	buf[len(buf)-1] = ']'
	buf = append(buf, `,"Max":`...)
	buf = appendNumber(buf, h.max)
	buf = append(buf, `,"Min":`...)
	buf = appendNumber(buf, h.min)
	buf = append(buf, `,"Count":`...)
	buf = strconv.AppendUint(buf, h.count, 10)
	buf = append(buf, `,"Sum":`...)
	buf = appendNumber(buf, h.sum)
	return append(buf, '}')
}

func appendMember(buf []byte, name string) []byte {
	buf = append(buf, ',')
	buf = appendString(buf, name)
	return append(buf, ':')
}

// appendNumber appends a finite number as JSON has it, without an exponent where
// it can do without.
func appendNumber(buf []byte, v float64) []byte {
	format := byte('f')
	if size := math.Abs(v); size != 0 && (size < 1e-6 || size >= 1e21) {
		format = 'e'
	}
	return strconv.AppendFloat(buf, v, format, -1, 64)
}

// appendString appends a string of printable ASCII as JSON has it.
func appendString(buf []byte, s string) []byte {
	buf = append(buf, '"')
	for i := range len(s) {
		if c := s[i]; c == '"' || c == '\\' {
			buf = append(buf, '\\', c)
		} else if c < utf8.RuneSelf {
			buf = append(buf, c)
		}
	}
	return append(buf, '"')
}
