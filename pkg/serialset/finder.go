package serialset

import (
	"bytes"
	"encoding/binary"
	"math/bits"
	"math/rand/v2"
)

// finder finds a serial number among ascending rows, in three steps.
//
// Buckets divide the range between the first and the last serial number evenly,
// by eight octets behind what all have in common. How many rows each bucket has
// is written down in little more than an octet for eight rows ([line]), so that it
// stays in a processor's own cache at a million rows and mostly at ten million.
//
// Each row has a fingerprint, an octet. A serial number that is not listed mostly has
// none of its bucket's, and its rows are then not touched: they are what lies
// furthest away. Fingerprints only decide whether rows are looked at, not at which:
// so a processor that expects a hit reads the row while it waits for them. The
// place comes from the serial number, since in a bucket that is filled evenly it
// tells where its row lies, to within a row or two.
//
// Where serial numbers are not spread evenly, buckets are crowded. Then fences,
// copies of every 40th or 80th serial number, tell the place, and fingerprints the row among
// so many: that bounds the cost whatever the serial numbers are. (Chance alone crowds a
// few buckets of a million. Their lines have few rows, and need no fences.) In any case it
// is a comparison of whole serial numbers that finds.
//
// All that takes at most a tenth of what the rows take up: at width 9, where it is
// most, fingerprints 1/14, lines 1/98 and fences 1/65.
type finder struct {
	width, stride int
	n             int
	first         []byte // serial number of row 0
	skip          int    // octets in front that all serial numbers have in common
	scale         scale
	lines         []line
	prints        []byte // of each row, and some zeros
	multipliers   [MaxWidth / 8]uint64
	fences        fences

	counts []uint8 // while it is made: rows of each bucket, modulo 256, but for
	edges  []uint8 // those of each block that are in the bucket in which the block before ends
}

// prepare makes ready for note, for n rows in so many blocks. It returns false
// where the first is greater than the last.
func (f *finder) prepare(rows []byte, width, n, blocks int) bool {
	f.width, f.stride, f.n = width, width+valueSize, n
	if n == 0 {
		return true
	}
	f.first = rows[:width]
	last := rows[(n-1)*f.stride:][:width]
	if bytes.Compare(f.first, last) > 0 {
		return false
	}
	for f.skip < width-8 && f.first[f.skip] == last[f.skip] {
		f.skip++
	}
	for w := range f.multipliers {
		f.multipliers[w] = rand.Uint64() | 1 // so that nobody can choose serial numbers with one fingerprint
	}
	buckets := ceilDiv(n, bucketRows)
	f.scale = newScale(window(f.first, f.skip), window(last, f.skip), buckets)
	f.lines = make([]line, ceilDiv(buckets, lineBuckets)+1)
	f.prints = Allocate(n + 16)[:n+16]
	f.counts, f.edges = make([]uint8, lineBuckets*len(f.lines)), make([]uint8, blocks)
	return true
}

// note looks at the rows of a block, from up to to, and writes down their
// fingerprints, how many each bucket has, and with which row each line begins. It
// reports whether serial numbers ascend, from the one before. Goroutines may call
// it for different blocks.
func (f *finder) note(rows []byte, block, from, to int) bool {
	prev, bucket, edge := rows[:f.width], 0, -1
	if from > 0 {
		prev = rows[(from-1)*f.stride:][:f.width]
		bucket = f.scale.of(window(prev, f.skip))
		edge = bucket
	} else {
		f.prints[0] = f.print(prev)
		f.counts[0] = 1
		from = 1
	}
	// In variables of its own, which the loop need not read again after each store.
	sc, width, stride, skip := f.scale, f.width, f.stride, f.skip
	counts, prints := f.counts, f.prints[:to]
	two := wordsOf(width, skip) == 2 // nearly all
	m0, m1 := f.multipliers[0], f.multipliers[1]
	shared, run := uint8(0), uint8(0)              // of the bucket that the block before shares, and of the last
	next := (bucket/lineBuckets + 1) * lineBuckets // where the next line begins
	if edge < 0 {
		run = 1 // row 0
	}
	head := window(prev, 0)
	for i := from; i < to; i++ {
		row := rows[i*stride:][:width]
		x := window(row, 0)
		if x <= head && (x < head || bytes.Compare(prev[8:], row[8:]) >= 0) {
			return false
		}
		prev, head = row, x
		y := window(row, skip)
		if two {
			prints[i] = uint8((y*m0 + window(row, width-8)*m1) >> 56)
		} else {
			prints[i] = f.print(row)
		}
		b := sc.of(y)
		for ; b >= next; next += lineBuckets {
			f.lines[next/lineBuckets][0] = uint64(i)
		}
		run = 1 + run&^uint8((bucket-b)>>63) // from 1 again in the next bucket: no branch, which chance would decide
		bucket = b
		if b == edge { // which is another goroutine's to count
			shared = run
		} else {
			counts[b] = run
		}
	}
	f.edges[block] = shared
	return true
}

// finish ends what prepare and note began. Blocks have perBlock rows each.
func (f *finder) finish(rows []byte, perBlock int) {
	if f.n == 0 {
		return
	}
	for i, n := range f.edges {
		row := rows[i*perBlock*f.stride:][:f.width]
		f.counts[f.scale.of(window(row, f.skip))] += n
	}
	for i := f.scale.of(f.scale.hi)/lineBuckets + 1; i < len(f.lines); i++ {
		f.lines[i][0] = uint64(f.n)
	}
	even := true
	for i := range f.lines[:len(f.lines)-1] {
		l, counts := &f.lines[i], f.counts[i*lineBuckets:]
		n := int(f.lines[i+1][0]) - int(l[0])
		if !l.fill(counts, n) && n > lineMost {
			even = false
		}
	}
	f.counts, f.edges = nil, nil
	if !even {
		f.fences = makeFences(rows, f.n, f.width, f.skip)
	}
}

// find returns the row that has the serial number key.
func (f *finder) find(rows, key []byte) (int, bool) {
	if f.skip > 0 && !bytes.Equal(key[:f.skip], f.first[:f.skip]) {
		return 0, false
	}
	x := window(key, f.skip)
	if x < f.scale.lo || x > f.scale.hi {
		return 0, false
	}
	b, part := f.scale.at(x)
	l := &f.lines[b/lineBuckets]
	i, n := l.span(b % lineBuckets)
	p := f.print(key)
	if l[0]&crowded != 0 {
		i, j := l.first(), f.lines[b/lineBuckets+1].first()
		if f.fences.n > 0 {
			i, j = f.fences.find(key)
		}
		return f.among(rows, key, i, j, p)
	}
	found := matches(f.prints[i:], p)
	if n < 8 {
		found &= 1<<(8*uint(n)) - 1
	} else {
		found |= matches(f.prints[i+8:], p) // and perhaps of some rows behind the bucket
	}
	if found == 0 {
		return 0, false
	}
	return f.around(rows, key, x, i, i+n, part)
}

// around returns the row from i up to j, of which there are some, that has the key. It
// begins where the key lies if these rows are spread evenly, and touches few
// others, because each is likely not to be in any cache.
func (f *finder) around(rows, key []byte, x uint64, i, j int, part uint64) (int, bool) {
	at := i + int(part>>32*uint64(j-i)>>32)
	y := window(rows[at*f.stride:], f.skip)
	for ; y > x && at > i; y = window(rows[at*f.stride:], f.skip) {
		at--
	}
	for ; y < x && at < j-1; y = window(rows[at*f.stride:], f.skip) {
		at++
	}
	switch {
	case y != x:
		return 0, false
	case bytes.Equal(rows[at*f.stride:][:f.width], key):
		return at, true
	}
	return f.among(rows, key, i, j, f.print(key)) // others begin alike
}

// among returns the row from i up to j that has the key, whose fingerprint is p.
func (f *finder) among(rows, key []byte, i, j int, p uint8) (int, bool) {
	for ; i < j; i += 8 {
		for m := matches(f.prints[i:], p); m != 0; m &= m - 1 {
			at := i + bits.TrailingZeros64(m)/8
			if at < j && bytes.Equal(rows[at*f.stride:][:f.width], key) {
				return at, true
			}
		}
	}
	return 0, false
}

// print returns the fingerprint of a serial number: a sum of products with
// numbers that only this process knows, of which the uppermost octet is taken.
func (f *finder) print(serial []byte) uint8 {
	sum := window(serial, f.skip) * f.multipliers[0]
	if last := f.width - 8; last > f.skip {
		for w, at := 2, f.skip+8; at < last; w, at = w+1, at+8 {
			sum += window(serial, at) * f.multipliers[w]
		}
		sum += window(serial, last) * f.multipliers[1]
	}
	return uint8(sum >> 56)
}

// matches returns which of the first eight fingerprints are p, as the uppermost
// bits of octets, and perhaps some others where one is.
func matches(prints []byte, p uint8) uint64 {
	const each = 0x0101010101010101
	v := binary.LittleEndian.Uint64(prints) ^ uint64(p)*each
	return (v - each) &^ v & (each << 7)
}

// memory returns the octets that the finder takes up.
func (f *finder) memory() int64 {
	return int64(8*len(line{})*len(f.lines)+len(f.prints)) + f.fences.memory()
}
