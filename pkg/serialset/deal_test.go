package serialset

import (
	"bytes"
	"math/rand/v2"
	"slices"
	"testing"
)

// TestDealing: rows are dealt as they come where they come in random order, and
// not where what came tells nothing of what comes; the set is the same.
func TestDealing(t *testing.T) {
	const n = 6000
	random := func(r *rand.Rand, _ int) []byte { return fill(r, 16) }
	for name, c := range map[string]struct {
		serial func(r *rand.Rand, i int) []byte
		dealt  bool
	}{
		"random":     {random, true},
		"ascending":  {func(_ *rand.Rand, i int) []byte { return counter(1<<24 + i) }, false},
		"descending": {func(_ *rand.Rand, i int) []byte { return append(counter(1<<24-i), make([]byte, 12)...) }, false},
		"one prefix": {shapes["skewed"], false},
		// The range of what comes first says little of the rest.
		"ascending and a few": {func(r *rand.Rand, i int) []byte {
			if i%100 == 7 {
				return append(counter(1<<24), fill(r, 12)...)
			}
			return append(counter(1<<24+i), make([]byte, 12)...)
		}, false},
		// Many beyond the range of those that came first: the last bucket is divided.
		"random, then greater": {func(r *rand.Rand, i int) []byte {
			if i > n/2 {
				return append([]byte{0x7f}, fill(r, 14)...)
			}
			return append([]byte{0x01}, fill(r, 14)...)
		}, true},
		"random, then wider": {func(r *rand.Rand, i int) []byte {
			if i > n/2 {
				return append([]byte{0x70}, fill(r, 19)...)
			}
			return append([]byte{0x10}, fill(r, 12)...)
		}, true},
		"wide and few, then random": {func(r *rand.Rand, i int) []byte {
			if i < 10 {
				return append([]byte{0x10}, fill(r, 8)...)
			}
			return append([]byte{0x10 + byte(r.IntN(100))}, bytes.Repeat(fill(r, 1), 15)[:15]...)
		}, true},
	} {
		t.Run(name, func(t *testing.T) {
			r := rand.New(rand.NewPCG(5, 5))
			serials := make([][]byte, n)
			width := MinWidth
			for i := range serials {
				serials[i] = c.serial(r, i)
				width = max(width, len(serials[i]))
			}
			b := Builder{limit: 8 << 10}
			b.Expect(n)
			dealt := false
			for i := 0; i < n; i += 100 {
				perm := make([]int, 100)
				for k := range perm {
					perm[k] = i + k
				}
				appendAll(t, &b, serials, perm, false)
				dealt = dealt || b.dealer != nil
			}
			if dealt != c.dealt {
				t.Errorf("dealt: %v", dealt)
			}
			img, data := finish(t, &b)
			checkSorted(t, img, serials, width)
			whole := Builder{limit: 1 << 30}
			perm := r.Perm(n)
			for part := range slices.Chunk(perm, 500) {
				appendAll(t, &whole, serials, part, false)
			}
			if _, other := finish(t, &whole); !bytes.Equal(data, other) {
				t.Error("other bytes than from rows that were not dealt")
			}
		})
	}
}

// TestExpectation: whatever is expected, buckets are of a sane number.
func TestExpectation(t *testing.T) {
	for _, n := range []int{-1, 0, 1, 1000, 1_000_000, 1 << 62} {
		var b Builder
		b.Expect(n)
		if fan := b.dealtFan(MaxWidth); fan < minFan || fan > dealtFan {
			t.Errorf("%d expected: %d buckets", n, fan)
		}
	}
}
