package serialset

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
)

// sortedRows makes rows of distinct serial numbers that are alike before octet
// skip and often alike behind it, in order, and as many keys that are among
// them or beside them.
func sortedRows(r *rand.Rand, n, width, skip int) (rows []byte, keys [][]byte) {
	serials := map[string]bool{}
	for len(serials) < n {
		b := bytes.Repeat([]byte{0x42}, width)
		for i := skip; i < width; i++ {
			b[i] = byte(r.IntN(2)) // many share all but their last octets
		}
		binary.BigEndian.PutUint32(b[width-4:], r.Uint32()>>r.IntN(20))
		serials[string(b)] = true
	}
	var sorted [][]byte
	for s := range serials {
		sorted = append(sorted, []byte(s))
	}
	slices.SortFunc(sorted, bytes.Compare)
	for i, s := range sorted {
		rows = append(rows, s...)
		rows = append(rows, byte(i), byte(i>>8), byte(i>>16), 0, 1)
		beside := slices.Clone(s)
		beside[skip+r.IntN(width-skip)] ^= 1 << r.IntN(8)
		keys = append(keys, s, beside)
	}
	return rows, keys
}

// TestFences asks where to look for what is there and what is not in rows of each width,
// with and without octets in common, in sizes around those of nodes and levels,
// beside a search by the standard library.
func TestFences(t *testing.T) {
	for width := MinWidth; width <= MaxWidth; width++ {
		r, every := rand.New(rand.NewPCG(6, uint64(width))), fenceEvery(width)
		for _, skip := range []int{0, min(width-8, 1+r.IntN(8)), width - 8} {
			for _, n := range []int{1, 2, every - 1, every, every + 1, 97, every*fenceNode + 1} {
				rows, keys := sortedRows(r, n, width, skip)
				f := makeFences(rows, n, width, skip)
				if i, j := f.find(rows[:width]); i != 0 || j != min(n, every) {
					t.Fatalf("width %d, skip %d, %d rows: the first is in %d to %d", width, skip, n, i, j)
				}
				for _, key := range keys {
					want, listed := searchRows(rows, n, width, key)
					i, j := f.find(key)
					if i < 0 || j > n || j-i > every || listed && (want < i || want >= j) {
						t.Fatalf("width %d, skip %d, %d rows: %x is in %d to %d; want %d, %v", width, skip, n, key, i, j, want, listed)
					}
				}
			}
		}
	}
}

func searchRows(rows []byte, n, width int, key []byte) (int, bool) {
	stride := width + valueSize
	index := make([]int, n)
	for i := range index {
		index[i] = i
	}
	return slices.BinarySearchFunc(index, key, func(i int, key []byte) int {
		return bytes.Compare(rows[i*stride:][:width], key)
	})
}

// TestManyLevels: fences upon fences, and a bucket with more rows than a line can count.
func TestManyLevels(t *testing.T) {
	const n = 200_000
	r := rand.New(rand.NewPCG(9, 9))
	put := func(i int) []byte {
		b := make([]byte, 16)
		b[0] = 0x40
		binary.BigEndian.PutUint64(b[8:], uint64(i)<<8)
		if i == n-1 {
			b[1] = 0xff // one far from all others, which come to lie in one bucket
		}
		return b
	}
	var b Builder
	for i := range n {
		if err := b.Append(16, put(i), []uint32{uint32(i)}, []uint8{0}); err != nil {
			t.Fatal(err)
		}
	}
	img, data := finish(t, &b)
	s, err := Open(data, img.Digest())
	if err != nil {
		t.Fatal(err)
	}
	if levels := len(s.finder.fences.levels); levels != 4 {
		t.Errorf("%d levels of fences", levels)
	}
	if l := s.finder.lines[0]; l[0]&crowded == 0 {
		t.Errorf("the first line is %x, which does not say that its buckets are crowded", l)
	}
	if s.Memory() > MaxMemory(s.Size()) {
		t.Errorf("%d octets for a set of %d", s.Memory(), s.Size())
	}
	for k := range 20_000 {
		i := r.IntN(n)
		if k < 100 {
			i = n - 1 - k
		}
		if e, ok := s.Lookup(put(i)); !ok || e.Date != uint32(i) {
			t.Fatalf("entry %d: %v %v", i, e, ok)
		}
		miss := put(i)
		miss[15] = 1
		if e, ok := s.Lookup(miss); ok {
			t.Fatalf("%x gives %v", miss, e)
		}
	}
}

// TestTies: many serial numbers of a bucket that differ only behind the eight
// octets by which buckets are told apart.
func TestTies(t *testing.T) {
	for _, width := range []int{16, 20, 33, MaxWidth} {
		t.Run(fmt.Sprint(width), func(t *testing.T) {
			const n = 3000
			r := rand.New(rand.NewPCG(2, uint64(width)))
			serials := make([][]byte, n)
			var b Builder
			for i := range serials {
				s := make([]byte, width)
				binary.BigEndian.PutUint64(s, 1<<62|mix(uint64(i/40))>>2)
				binary.BigEndian.PutUint32(s[width-4:], uint32(i%40)*3+1)
				serials[i] = s
			}
			r.Shuffle(n, func(i, j int) { serials[i], serials[j] = serials[j], serials[i] })
			for i, s := range serials {
				if err := b.Append(width, s, []uint32{uint32(i)}, []uint8{0}); err != nil {
					t.Fatal(err)
				}
			}
			img, data := finish(t, &b)
			both := openBoth(t, data, img.Digest())
			for i, s := range serials {
				if e, ok := both.lookup(s); !ok || e.Date != uint32(i) {
					t.Fatalf("%x gives %v %v", s, e, ok)
				}
				beside := slices.Clone(s)
				beside[width-1]++
				if e, ok := both.lookup(beside); ok {
					t.Fatalf("%x gives %v", beside, e)
				}
			}
		})
	}
}
