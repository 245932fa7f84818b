package serialset

import (
	"bytes"
	"encoding/binary"
	"math/rand/v2"
	"testing"
)

// TestLine counts rows of buckets in a line and asks it back for each, beside a
// sum by hand; what it cannot count, it says.
func TestLine(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 3))
	for range 2000 {
		counts, first := make([]uint8, lineBuckets), r.IntN(MaxEntries)
		most, sum := 1+r.IntN(bucketMost), 0
		for i := range 1 + r.IntN(lineBuckets) {
			counts[i] = uint8(r.IntN(most + 1))
			sum += int(counts[i])
		}
		l := line{uint64(first)}
		if !l.fill(counts, sum) || l[0]&crowded != 0 {
			t.Fatalf("%v are crowded", counts)
		}
		at := first
		for k := range lineBuckets {
			n := int(counts[k])
			if row, rows := l.span(k); row != at || rows != n {
				t.Fatalf("%v from %d: bucket %d has %d rows from %d, want %d from %d", counts, first, k, rows, row, n, at)
			}
			at += n
		}
		counts[r.IntN(lineBuckets)] = bucketMost + 1
		for name, rows := range map[string]int{"sixteen": sumOf(counts), "modulo 256": sum + 256} {
			l = line{uint64(first)}
			if l.fill(counts, rows) || l[0]&crowded == 0 {
				t.Fatalf("%s: %v are not crowded", name, counts)
			}
		}
	}
	// 256 in one bucket count as none.
	l := line{7}
	if l.fill(make([]uint8, lineBuckets), 256) || l[0] != 7|crowded {
		t.Errorf("256 rows that count as none: %x", l)
	}
}

func sumOf(counts []uint8) (sum int) {
	for _, n := range counts {
		sum += int(n)
	}
	return sum
}

// TestMatches compares with one fingerprint after the other.
func TestMatches(t *testing.T) {
	r := rand.New(rand.NewPCG(4, 4))
	prints := make([]byte, 8)
	for range 100_000 {
		p := uint8(r.IntN(256))
		lowest := -1
		for i := range prints {
			prints[i] = p ^ uint8(r.IntN(3)*(1+r.IntN(2)*127))
			if prints[i] == p && lowest < 0 {
				lowest = i
			}
		}
		m := matches(prints, p)
		if (m == 0) != (lowest < 0) {
			t.Fatalf("%x among %x: %x", p, prints, m)
		}
		for i, q := range prints {
			if q == p && m>>(8*i+7)&1 == 0 {
				t.Fatalf("%x among %x: %x", p, prints, m)
			}
		}
		if lowest >= 0 && m&(1<<(8*lowest+7)-1) != 0 {
			t.Fatalf("%x among %x: %x", p, prints, m)
		}
	}
}

// TestPrintsCoverAll: fingerprints depend on every octet that serial numbers do
// not have in common, so that none can be made that are all alike.
func TestPrintsCoverAll(t *testing.T) {
	for width := MinWidth; width <= MaxWidth; width++ {
		for _, skip := range []int{0, width - 8} {
			f := finder{width: width, skip: skip}
			for w := range f.multipliers {
				f.multipliers[w] = mix(uint64(w)) | 1
			}
			for at := skip; at < width; at++ {
				seen := map[uint8]bool{}
				serial := make([]byte, width)
				for v := range 64 {
					serial[at] = uint8(v)
					seen[f.print(serial)] = true
				}
				if len(seen) < 2 {
					t.Errorf("width %d, skip %d: octet %d does not matter", width, skip, at)
				}
			}
		}
	}
}

// TestAlike: fingerprints that are all the same are no more than a loss of time.
func TestAlike(t *testing.T) {
	for _, n := range []int{1, 40, 3000, 8000} {
		for _, shape := range benchShapes {
			data, digest := benchSet(t, n, shape.put)
			s, err := Open(data, digest)
			if err != nil {
				t.Fatal(err)
			}
			clear(s.finder.prints)
			clear(s.finder.multipliers[:])
			askShape(t, s, n, shape.name, shape.put)
		}
	}
}

// TestShapes asks sets of each shape and of sizes around those of blocks and
// lines for all that they list and as many that they do not, and holds them to the memory
// that they may take.
func TestShapes(t *testing.T) {
	for _, n := range []int{1, 2, 3, 223, 224, 225, 779, 780, 781, 50_000} {
		for _, shape := range benchShapes {
			data, digest := benchSet(t, n, shape.put)
			s, err := Open(data, digest)
			if err != nil {
				t.Fatal(err)
			}
			if s.Memory() > MaxMemory(s.Size()) {
				t.Errorf("%s, %d: %d octets for a set of %d", shape.name, n, s.Memory(), s.Size())
			}
			askShape(t, s, n, shape.name, shape.put)
		}
	}
}

// TestCrowdedByChance: a few serial numbers that lie together make a line that cannot
// count them, and no fences, since they are found among the line's rows.
func TestCrowdedByChance(t *testing.T) {
	const n, together = 50_000, 20
	put := func(dst []byte, i uint64) {
		if i %= 2 * n; i < together || i-n < together { // those of n on are not listed
			putRandom(dst, 12345)
			dst[15] = byte(i / n)
			dst[14] = byte(i % n)
			return
		}
		putRandom(dst, i+1<<32)
	}
	data, digest := benchSet(t, n, put)
	s, err := Open(data, digest)
	if err != nil {
		t.Fatal(err)
	}
	lines := 0
	for _, l := range s.finder.lines {
		if l[0]&crowded != 0 {
			lines++
		}
	}
	if lines == 0 || s.finder.fences.n != 0 {
		t.Errorf("%d crowded lines, fences of %d rows", lines, s.finder.fences.n)
	}
	askShape(t, s, n, "crowded", put)
}

func askShape(t *testing.T, s *Set, n int, name string, put func([]byte, uint64)) {
	t.Helper()
	probe := make([]byte, 16)
	for i := range uint64(n) {
		put(probe, i)
		if e, ok := s.Lookup(minimal(probe)); !ok || e.Date != uint32(i) {
			t.Fatalf("%s, %d: entry %d: %v %v", name, n, i, e, ok)
		}
		put(probe, uint64(n)+i)
		if e, ok := s.Lookup(minimal(probe)); ok {
			t.Fatalf("%s, %d: %x gives %v", name, n, probe, e)
		}
	}
}

// TestMemory holds sets of every width to the memory that they may take, with
// fences as well.
func TestMemory(t *testing.T) {
	const n = 6000
	for width := MinWidth; width <= MaxWidth; width++ {
		var b Builder
		for i := range n {
			s := bytes.Repeat([]byte{0x40}, width)
			binary.BigEndian.PutUint32(s[width-4:], uint32(i))
			if i == n-1 {
				s[0]++ // far from all others, which are together in one bucket
			}
			if err := b.Append(width, s, []uint32{uint32(i)}, []uint8{0}); err != nil {
				t.Fatal(err)
			}
		}
		img, _ := finish(t, &b)
		s := img.Set()
		if len(s.finder.fences.levels) == 0 {
			t.Fatalf("width %d: no fences", width)
		}
		if s.Memory() > MaxMemory(s.Size()) {
			t.Errorf("width %d: %d octets for a set of %d", width, s.Memory(), s.Size())
		}
	}
}

// TestAllocate: memory for sets is empty, as large as asked for, and whole.
func TestAllocate(t *testing.T) {
	for _, n := range []int{0, 1, 4096, 2<<20 - 1, 2 << 20, 4<<20 + 1, 9<<20 + 12345} {
		b := Allocate(n)
		if len(b) != 0 || cap(b) < n {
			t.Fatalf("%d: %d of %d", n, len(b), cap(b))
		}
		b = b[:n]
		for i := range b {
			if b[i] != 0 {
				t.Fatalf("%d: octet %d is %d", n, i, b[i])
			}
			b[i] = byte(i % 251)
		}
		for i := range b {
			if b[i] != byte(i%251) {
				t.Fatalf("%d: octet %d is lost", n, i)
			}
		}
	}
}

// FuzzFinder builds sets of serial numbers that lie as the input says, apart by
// any power of two and any number in a row, and asks for what they list and for what
// lies beside it. An input is a byte for the width, then pairs: how far apart,
// and how many.
func FuzzFinder(f *testing.F) {
	for _, seed := range finderSeeds() {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		if len(data) == 0 {
			return
		}
		width := MinWidth + int(data[0])%(MaxWidth-MinWidth+1)
		var b Builder
		serial := make([]byte, width)
		serial[0] = 0x40
		listed := map[string]uint32{}
		for data = data[1:]; len(data) >= 2 && len(listed) < 5000; data = data[2:] {
			for range 1 + int(data[1])*8 {
				advance(serial, int(data[0])%(8*width-2))
				if _, ok := listed[string(serial)]; ok || serial[0]&0xc0 != 0x40 {
					serial[0] = serial[0]&0x3f | 0x40 // keeps its sign, and its width
					continue
				}
				listed[string(serial)] = uint32(len(listed))
				if err := b.Append(width, serial, []uint32{uint32(len(listed) - 1)}, []uint8{0}); err != nil {
					t.Fatal(err)
				}
			}
		}
		img, _ := finish(t, &b)
		s := img.Set()
		if s.Memory() > MaxMemory(s.Size()) {
			t.Fatalf("%d octets for a set of %d", s.Memory(), s.Size())
		}
		for name, date := range listed {
			probe := []byte(name)
			if e, ok := s.Lookup(probe); !ok || e.Date != date {
				t.Fatalf("%x: %v %v, want %d", probe, e, ok, date)
			}
			probe[width-1-int(date)%(width-1)] ^= 1 << (date % 7)
			want, in := listed[string(probe)]
			if e, ok := s.Lookup(probe); ok != in || ok && e.Date != want {
				t.Fatalf("%x: %v %v, want %d %v", probe, e, ok, want, in)
			}
		}
	})
}

// advance adds 2^bit to a number.
func advance(serial []byte, bit int) {
	carry := uint(1) << (bit % 8)
	for at := len(serial) - 1 - bit/8; at >= 0 && carry > 0; at-- {
		carry += uint(serial[at])
		serial[at] = byte(carry)
		carry >>= 8
	}
}

// finderSeeds are sets that are even, crowded, and both in turns.
func finderSeeds() map[string][]byte {
	seeds := map[string][]byte{
		"even":          {8, 100, 255},
		"one_after_one": {8, 0, 255, 0, 255},
		"far_apart":     {0, 0, 200, 61, 0, 3, 200},
		"wide":          {56, 0, 100, 130, 30, 250, 60, 255, 7},
		"few":           {12, 5, 0},
	}
	both := []byte{12}
	for i := range 40 {
		both = append(both, byte(i*4), byte(i*7%32))
	}
	seeds["every_scale"] = both
	return seeds
}
