package serialset

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"io"
	"math/bits"
	"os"
	"slices"
	"sort"
	"testing"
)

// Machines differ and are shared: compare ratios within one run. Sets of ten
// million entries are measured where CRLGATE_BENCH_LARGE is set.
func benchSizes(all ...int) []int {
	if os.Getenv("CRLGATE_BENCH_LARGE") == "" {
		return all[:len(all)-1]
	}
	return all
}

// mix is a bijection of 64 bits (the finalizer of splitmix64): serial numbers
// come out of it without a table that would take part in what is measured.
func mix(x uint64) uint64 {
	x += 0x9e3779b97f4a7c15
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}

// benchShapes write the i-th serial number of 16 octets, positive and distinct.
var benchShapes = []struct {
	name string
	put  func(dst []byte, i uint64)
}{
	{"random", putRandom},
	{"sequential", func(dst []byte, i uint64) {
		binary.BigEndian.PutUint64(dst, 0)
		binary.BigEndian.PutUint64(dst[8:], i)
	}},
	{"skewed", func(dst []byte, i uint64) { // one prefix of 8 octets, then a counter, shuffled
		binary.BigEndian.PutUint64(dst, 0x1122334455667708)
		binary.BigEndian.PutUint64(dst[8:], i*0x9e3779b97f4a7c15>>24)
	}},
	{"hostile", putHostile},
}

// putHostile writes serial numbers of which every octet splits off a few and
// leaves the rest together.
func putHostile(dst []byte, i uint64) {
	x := mix(i)
	binary.BigEndian.PutUint64(dst, 0)
	binary.BigEndian.PutUint64(dst[8:], x>>1)
	if k := bits.TrailingZeros64(x); k >= 9 {
		dst[k%8] = 1
	}
	for at := range bits.LeadingZeros64(mix(x)) / 2 {
		dst[at%8] |= 1
	}
}

func putRandom(dst []byte, i uint64) {
	x := mix(i)
	binary.BigEndian.PutUint64(dst, x>>1)
	binary.BigEndian.PutUint64(dst[8:], mix(x))
}

const benchBatch = 2048 // entries that come at once, as package crl hands them over

type columns struct {
	serials []byte
	dates   []uint32
	reasons []uint8
}

func makeColumns(n int, put func([]byte, uint64)) columns {
	c := columns{make([]byte, 16*n), make([]uint32, n), make([]uint8, n)}
	for i := range n {
		put(c.serials[16*i:], uint64(i))
		c.dates[i], c.reasons[i] = uint32(i), uint8(i&3)
	}
	return c
}

func (c columns) fill(b *Builder) {
	for n := len(c.dates); n > 0; {
		k := min(n, benchBatch)
		at := len(c.dates) - n
		if err := b.Append(16, c.serials[16*at:16*(at+k)], c.dates[at:at+k], c.reasons[at:at+k]); err != nil {
			panic(err)
		}
		n -= k
	}
}

func perEntry(b *testing.B, n int) {
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(n), "ns/entry")
}

func size(n int) string {
	if n >= 1_000_000 {
		return fmt.Sprintf("%dM", n/1_000_000)
	}
	return fmt.Sprintf("%dk", n/1000)
}

func BenchmarkBuild(b *testing.B) {
	for _, n := range benchSizes(10_000, 1_000_000, 10_000_000) {
		for _, shape := range benchShapes {
			c := makeColumns(n, shape.put)
			b.Run("append/"+shape.name+"/"+size(n), func(b *testing.B) {
				b.ReportAllocs()
				for b.Loop() {
					var builder Builder
					c.fill(&builder)
				}
				perEntry(b, n)
			})
			b.Run("finish/"+shape.name+"/"+size(n), func(b *testing.B) {
				b.ReportAllocs()
				for b.Loop() {
					b.StopTimer()
					var builder Builder
					c.fill(&builder)
					b.StartTimer()
					if _, err := builder.Finish(); err != nil {
						b.Fatal(err)
					}
				}
				perEntry(b, n)
			})
		}
	}
	// What the hash alone takes of one core, block by block.
	block := make([]byte, 16<<10)
	b.Run("sha256", func(b *testing.B) {
		for b.Loop() {
			sha256.Sum256(block)
		}
		b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(len(block))*21, "ns/entry")
	})
}

func benchSet(tb testing.TB, n int, put func([]byte, uint64)) ([]byte, Digest) {
	var builder Builder
	makeColumns(n, put).fill(&builder)
	img, err := builder.Finish()
	if err != nil {
		tb.Fatal(err)
	}
	data := make([]byte, img.Size())
	if _, err := io.ReadFull(img.Reader(), data); err != nil {
		tb.Fatal(err)
	}
	return data, img.Digest()
}

func BenchmarkOpen(b *testing.B) {
	for _, n := range benchSizes(10_000, 1_000_000, 10_000_000) {
		data, digest := benchSet(b, n, putRandom)
		b.Run(size(n), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := Open(data, digest); err != nil {
					b.Fatal(err)
				}
			}
			perEntry(b, n)
		})
	}
}

// BenchmarkLookup asks for serials at random, each hit depending on the answer
// before it, so that no two overlap. "probe alone" is what making the serial
// number takes of every figure.
func BenchmarkLookup(b *testing.B) {
	b.Run("memory access", benchMemoryAccess)
	b.Run("probe alone", func(b *testing.B) {
		benchProbes(b, 1, putRandom, func(p []byte) (uint64, bool) { return uint64(p[0]), true })
	})
	for _, n := range benchSizes(10_000, 1_000_000, 10_000_000) {
		for _, shape := range benchShapes {
			b.Run("set/"+shape.name+"/"+size(n), func(b *testing.B) {
				data, digest := benchSet(b, n, shape.put)
				s, err := Open(data, digest)
				if err != nil {
					b.Fatal(err)
				}
				benchProbes(b, n, shape.put, func(p []byte) (uint64, bool) {
					e, ok := s.Lookup(p)
					return uint64(e.Date), ok
				})
			})
		}
		b.Run("map/random/"+size(n), func(b *testing.B) { benchMap(b, n) })
		b.Run("binary search/random/"+size(n), func(b *testing.B) { benchBinary(b, n) })
		b.Run("strings/random/"+size(n), func(b *testing.B) { benchStrings(b, n) })
	}
}

// benchMemoryAccess is one random load of 160 MB that depends on the one
// before: the yardstick.
func benchMemoryAccess(b *testing.B) {
	memory := make([]uint32, 40_000_000)
	for i := range memory {
		memory[i] = uint32(i)
	}
	var x uint64
	for b.Loop() {
		hi, _ := bits.Mul64(mix(x), uint64(len(memory)))
		x += uint64(memory[hi]) + 1
	}
}

func benchProbes(b *testing.B, n int, put func([]byte, uint64), lookup func([]byte) (uint64, bool)) {
	for kind, from := range []uint64{0, uint64(n)} {
		b.Run([]string{"hit", "miss"}[kind], func(b *testing.B) {
			b.ReportAllocs()
			var x uint64
			probe := make([]byte, 16)
			found := 0
			for b.Loop() {
				hi, _ := bits.Mul64(mix(x), uint64(n))
				put(probe, from+hi)
				value, ok := lookup(minimal(probe))
				x += value + 1
				if ok {
					found++
				}
			}
			if from == 0 && found != b.N {
				b.Fatalf("%d of %d found", found, b.N)
			}
		})
	}
}

// sortedKeys are the serial numbers of the random shape.
func sortedKeys(n int) [][16]byte {
	keys := make([][16]byte, n)
	for i := range keys {
		putRandom(keys[i][:], uint64(i))
	}
	slices.SortFunc(keys, func(a, b [16]byte) int { return bytes.Compare(a[:], b[:]) })
	return keys
}

func benchMap(b *testing.B, n int) {
	m := make(map[[20]byte]uint32, n)
	for i := range n {
		var key [20]byte
		putRandom(key[4:], uint64(i))
		m[key] = uint32(i)
	}
	benchProbes(b, n, putRandom, func(p []byte) (uint64, bool) {
		var key [20]byte
		copy(key[20-len(p):], p)
		v, ok := m[key]
		return uint64(v), ok
	})
}

func benchBinary(b *testing.B, n int) {
	keys := sortedKeys(n)
	benchProbes(b, n, putRandom, func(p []byte) (uint64, bool) {
		var key [16]byte
		copy(key[16-len(p):], p)
		i := sort.Search(n, func(i int) bool { return bytes.Compare(keys[i][:], key[:]) >= 0 })
		return uint64(i), i < n && keys[i] == key
	})
}

func benchStrings(b *testing.B, n int) {
	texts := make([]string, n)
	for i, key := range sortedKeys(n) {
		texts[i] = hex.EncodeToString(key[:])
	}
	benchProbes(b, n, putRandom, func(p []byte) (uint64, bool) {
		var key [16]byte
		copy(key[16-len(p):], p)
		var text [32]byte
		hex.Encode(text[:], key[:])
		i := sort.Search(n, func(i int) bool { return texts[i] >= string(text[:]) })
		return uint64(i), i < n && texts[i] == string(text[:])
	})
}
