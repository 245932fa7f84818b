package telemetry

import "math"

const (
	// An octave is divided into parts of equal width, so that a value differs from
	// its bucket's mean by at most an eighth.
	partsPerOctave = 8
	// Octaves reach from 2^-20 (a nanosecond in milliseconds) to 2^44 (half a
	// millennium in milliseconds); what is beyond goes into the outermost.
	lowestExponent = -20
	octaves        = 64
	// maxValues is EMF's limit on the values of one metric.
	maxValues = 100
)

// histogram keeps how values are distributed, in constant space. Each bucket has
// its own sum, so that mean and total are exact.
type histogram struct {
	zeros    bucket // zero and below
	buckets  [octaves * partsPerOctave]bucket
	count    uint64
	sum      float64
	min, max float64
}

type bucket struct {
	count uint64
	sum   float64
}

func (b *bucket) mean() float64 { return b.sum / float64(b.count) }

func (h *histogram) add(v float64) {
	if h.count == 0 || v < h.min {
		h.min = v
	}
	if h.count == 0 || v > h.max {
		h.max = v
	}
	h.count++
	h.sum += v
	b := h.bucket(v)
	b.count++
	b.sum += v
}

func (h *histogram) bucket(v float64) *bucket {
	if v <= 0 {
		return &h.zeros
	}
	fraction, exponent := math.Frexp(v) // v = fraction × 2^exponent, ½ ≤ fraction < 1
	part := int((fraction*2 - 1) * partsPerOctave)
	at := (exponent-1-lowestExponent)*partsPerOctave + part
	return &h.buckets[min(max(at, 0), len(h.buckets)-1)]
}

// values returns at most maxValues buckets that are not empty, ascending.
// Neighbours are put together until they are few enough.
func (h *histogram) values() []bucket {
	for width := 1; ; width *= 2 {
		var out []bucket
		if h.zeros.count > 0 {
			out = append(out, h.zeros)
		}
		for at := 0; at < len(h.buckets); at += width {
			var b bucket
			for _, part := range h.buckets[at:min(at+width, len(h.buckets))] {
				b.count += part.count
				b.sum += part.sum
			}
			if b.count > 0 {
				out = append(out, b)
			}
		}
		if len(out) <= maxValues {
			return out
		}
	}
}
