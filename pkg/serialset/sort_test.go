package serialset

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
)

// TestAnyOrderGivesTheSameBytes builds sets in many small buckets, from the
// same entries in several orders, batches and widths, and compares the bytes
// with those of rows sorted by the standard library. One is large enough for
// buckets of the true size.
func TestAnyOrderGivesTheSameBytes(t *testing.T) {
	for name, shape := range shapes {
		sameBytes(t, name, 8000, 8<<10, shape)
	}
	sameBytes(t, "large", 30_000, 0, shapes["random16"])
}

func sameBytes(t *testing.T, name string, n, limit int, shape func(*rand.Rand, int) []byte) {
	t.Run(name, func(t *testing.T) {
		r := rand.New(rand.NewPCG(7, 7))
		serials := make([][]byte, n)
		width := MinWidth
		for i := range serials {
			serials[i] = shape(r, i)
			if i%10 == 0 && i > 0 {
				serials[i] = serials[r.IntN(i)] // now and then one comes twice
			}
			width = max(width, len(serials[i]))
		}
		var want []byte
		for order := range 3 {
			perm := r.Perm(n)
			if order == 1 {
				slices.SortFunc(perm, func(a, b int) int {
					return bytes.Compare(extended(serials[a], width), extended(serials[b], width))
				})
			}
			b := Builder{limit: limit}
			b.Expect([]int{0, n, 1}[order])
			for from := 0; from < n; {
				to := min(n, from+1+r.IntN(n/10))
				appendAll(t, &b, serials, perm[from:to], order == 2)
				from = to
			}
			img, data := finish(t, &b)
			if want == nil {
				want = data
				checkSorted(t, img, serials, width)
			}
			if !bytes.Equal(data, want) {
				t.Errorf("order %d gives other bytes", order)
			}
		}
	})
}

func extended(serial []byte, width int) []byte {
	b := make([]byte, width)
	extend(b, serial)
	return b
}

// appendAll adds some entries at once, or each with its own width.
func appendAll(t *testing.T, b *Builder, serials [][]byte, perm []int, single bool) {
	width := 1
	for _, i := range perm {
		width = max(width, len(serials[i]))
	}
	var column []byte
	var dates []uint32
	for _, i := range perm {
		date := uint32(len(serials[i])) // the same for the same serial number
		if single {
			if err := b.Append(len(serials[i]), serials[i], []uint32{date}, []uint8{1}); err != nil {
				t.Fatal(err)
			}
			continue
		}
		column = append(column, extended(serials[i], width)...)
		dates = append(dates, date)
	}
	if err := b.Append(width, column, dates, bytes.Repeat([]byte{1}, len(dates))); err != nil {
		t.Fatal(err)
	}
}

func checkSorted(t *testing.T, img *Image, serials [][]byte, width int) {
	var sorted [][]byte
	for _, s := range serials {
		sorted = append(sorted, extended(s, width))
	}
	slices.SortFunc(sorted, bytes.Compare)
	sorted = slices.CompactFunc(sorted, bytes.Equal)
	if img.Len() != len(sorted) || img.width != width {
		t.Fatalf("%d entries of %d octets, want %d of %d", img.Len(), img.width, len(sorted), width)
	}
	i := 0
	for e := range img.All() {
		if !bytes.Equal(e.Serial, sorted[i]) {
			t.Fatalf("entry %d is %x, want %x", i, e.Serial, sorted[i])
		}
		i++
	}
	s := img.Set()
	for i, serial := range sorted {
		if i%17 == 0 {
			if _, ok := s.Lookup(serial); !ok {
				t.Fatalf("%x is not found", serial)
			}
		}
	}
}

// TestScale: in order, onto all of the range, nothing beyond it.
func TestScale(t *testing.T) {
	r := rand.New(rand.NewPCG(8, 8))
	for range 2000 {
		lo, hi := r.Uint64()>>r.IntN(64), r.Uint64()>>r.IntN(64)
		if lo > hi {
			lo, hi = hi, lo
		}
		n := 1 + r.IntN(1<<r.IntN(20))
		s := newScale(lo, hi, n)
		if s.of(lo) != 0 || s.of(0) != 0 || s.of(hi) != s.of(^uint64(0)) {
			t.Fatalf("%d to %d onto %d: ends are %d and %d", lo, hi, n, s.of(lo), s.of(hi))
		}
		if hi > lo && n > 1 && s.of(hi) == 0 {
			t.Fatalf("%d to %d onto %d: all are one", lo, hi, n)
		}
		var xs []uint64
		for range 50 {
			xs = append(xs, r.Uint64()>>r.IntN(64))
		}
		slices.Sort(xs)
		last := 0
		for _, x := range append(xs, ^uint64(0)) {
			v := s.of(x)
			if v < last || v >= n {
				t.Fatalf("%d to %d onto %d: %d is %d, after %d", lo, hi, n, x, v, last)
			}
			last = v
		}
	}
}

// TestLayouts walks through all widths and many sizes: everything lies behind
// one another, and the head keeps its bound.
func TestLayouts(t *testing.T) {
	seen := map[string]bool{}
	for width := MinWidth; width <= MaxWidth; width++ {
		for n := uint64(1); n <= MaxEntries; n += 1 + n/3 {
			l, err := newLayout(width, n)
			if err != nil {
				if width <= 20 || n < 100_000_000 {
					t.Fatalf("%d entries of %d octets: %v", n, width, err)
				}
				continue
			}
			seen[fmt.Sprint(l.perBlock/unitRows(width), l.perPage/(unitSize/l.nodeEntry()))] = true
			if l.headSize() > MaxHead {
				t.Fatalf("%d entries of %d octets: head of %d", n, width, l.headSize())
			}
			end := int64(l.headSize())
			for _, i := range ends(l.pages) {
				span, k := l.pageSpan(i)
				if i == 0 && span.Offset != end || k < 1 || k > l.perPage || span.Length > 2*unitSize {
					t.Fatalf("%d entries of %d octets: page %d at %v", n, width, i, span)
				}
				if i == l.pages-1 {
					end = span.end()
				}
			}
			for _, i := range ends(l.blocks) {
				span, k := l.blockSpan(i)
				if i == 0 && span.Offset != end || k < 1 || k > l.perBlock || span.Length > 4*unitSize {
					t.Fatalf("%d entries of %d octets: block %d at %v", n, width, i, span)
				}
				if i == l.blocks-1 && span.end() != l.size() {
					t.Fatalf("%d entries of %d octets: ends at %d, not %d", n, width, span.end(), l.size())
				}
			}
		}
	}
	if len(seen) != len(ladder) {
		t.Errorf("shapes seen: %v", seen)
	}
}

func ends(n int) []int {
	switch n {
	case 0:
		return nil
	case 1:
		return []int{0}
	}
	return []int{0, n / 2, n - 1}
}
