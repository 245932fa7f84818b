package serialset

import "encoding/binary"

const (
	bucketRows  = 4   // rows of a bucket, on average
	lineBuckets = 56  // buckets of a line
	bucketMost  = 15  // rows of a bucket, at most, that a line can count
	lineMost    = 320 // rows of a line that are looked through without fences
	crowded     = 1 << 31
)

// line says where buckets begin, 56 of them in half a line of the processor's
// cache: the row with which the first begins, in 32 bits, then how many rows each
// has, in 4 bits. Where one has more it says only that these are crowded.
type line [4]uint64

// fill enters how many rows each bucket has, by counts modulo 256, into a line of
// which the first row is entered, and which has so many rows in all. It returns
// false if buckets are crowded.
func (l *line) fill(counts []uint8, rows int) bool {
	sum, more := 0, uint64(0)
	for k := 0; k < lineBuckets; k += 8 { // eight counts at once, from octets to halves
		x := binary.LittleEndian.Uint64(counts[k:])
		more |= x & 0xf0f0f0f0f0f0f0f0
		sum += int(x * 0x0101010101010101 >> 56) // right if none is more than 15
		x = (x | x>>4) & 0x00ff00ff00ff00ff
		x = (x | x>>8) & 0x0000ffff0000ffff
		x = (x | x>>16) & 0x00000000ffffffff
		l[(8+k)/16] |= x << ((8 + k) % 16 * 4)
	}
	if more != 0 || sum != rows { // not equal: one has 256 or more
		l[0] |= crowded
		return false
	}
	return true
}

// first returns the row with which the line begins.
func (l *line) first() int { return int(l[0] & (crowded - 1)) }

// span returns the first row of bucket k, and how many it has. It means nothing
// where buckets are crowded.
func (l *line) span(k int) (row, n int) {
	// The counts in front of bucket k are added up all at once, without a branch,
	// which a processor could only guess.
	at := uint(k+8) * 4 // bit at which the bucket's own begins
	sum := nibbles(l[0]>>32<<32&lowest(min(at, 64))) +
		nibbles(l[1]&lowest(min(max(at, 64)-64, 64))) +
		nibbles(l[2]&lowest(min(max(at, 128)-128, 64))) +
		nibbles(l[3]&lowest(max(at, 192)-192))
	const pairs = 0x00ff00ff00ff00ff // eight sums of at most 120 each, then four, then one
	sum = (sum&pairs + sum>>8&pairs) * 0x0001000100010001 >> 48
	return int(uint32(l[0]) + uint32(sum)), int(l[at/64] >> (at % 64) & bucketMost)
}

// lowest returns the lowest n bits, set.
func lowest(n uint) uint64 { return 1<<n - 1 }

// nibbles adds the two halves of each octet.
func nibbles(x uint64) uint64 {
	const low = 0x0f0f0f0f0f0f0f0f
	return x&low + x>>4&low
}
