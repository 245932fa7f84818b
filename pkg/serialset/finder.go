package serialset

import "bytes"

// The finder takes at most one twentieth of what the rows take up: lines less
// than 11/1000, fences at most 39/1000.
const (
	bucketRows  = 16 // rows of a bucket, on average
	crowded     = 64 // rows of a bucket beyond which fences are used
	lineBuckets = 29
)

// finder finds a serial number among ascending rows. Buckets divide the range
// between the first and the last serial number evenly, by eight octets behind
// what all have in common; where a bucket begins is written down, in little
// room, so that a look-up costs two accesses to memory when serial numbers are
// spread evenly. Where they are not, buckets are crowded: then fences, copies of
// every 32nd serial number, bound the cost whatever the serial numbers are.
type finder struct {
	width, stride int
	n             int
	first         []byte // serial number of row 0
	skip          int    // octets in front that all serial numbers have in common
	scale         scale
	starts        []uint32 // while it is made: starts[b] is the first row of bucket b or a later one
	lines         []line
	fences        fences
}

// line says where buckets begin, 29 of them in one line of the cache: the row
// that the first begins with, in two halves, then, from there on, where each
// begins and where the last ends. What does not fit is beyond.
type line [2 + lineBuckets + 1]uint16

const beyond = 1<<16 - 1

// prepare makes ready for note, for n rows. It returns false where the first
// is greater than the last.
func (f *finder) prepare(rows []byte, width, n int) bool {
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
	buckets := ceilDiv(n, bucketRows)
	f.scale = newScale(window(f.first, f.skip), window(last, f.skip), buckets)
	f.starts = make([]uint32, buckets+1)
	return true
}

// note looks at rows from up to to and writes down where buckets begin in
// them. It reports whether serial numbers ascend, from the one before.
// Goroutines may call it for different rows.
func (f *finder) note(rows []byte, from, to int) bool {
	prev := rows[:f.width]
	lastBucket := 0
	if from > 0 {
		prev = rows[(from-1)*f.stride:][:f.width]
		lastBucket = f.scale.of(window(prev, f.skip))
	} else {
		from = 1
	}
	head := window(prev, 0)
	for i := from; i < to; i++ {
		row := rows[i*f.stride:][:f.width]
		x := window(row, 0)
		if x <= head && (x < head || bytes.Compare(prev[8:], row[8:]) >= 0) {
			return false
		}
		prev, head = row, x
		for b := f.scale.of(window(row, f.skip)); lastBucket < b; {
			lastBucket++
			f.starts[lastBucket] = uint32(i)
		}
	}
	return true
}

// finish ends what prepare and note began.
func (f *finder) finish(rows []byte) {
	if f.n == 0 {
		return
	}
	for b := f.scale.of(f.scale.hi) + 1; b < len(f.starts); b++ {
		f.starts[b] = uint32(f.n)
	}
	even := true
	f.lines = make([]line, ceilDiv(len(f.starts)-1, lineBuckets))
	for i := range f.lines {
		l, starts := &f.lines[i], f.starts[i*lineBuckets:]
		starts = starts[:min(len(starts), lineBuckets+1)]
		base := starts[0]
		l[0], l[1] = uint16(base), uint16(base>>16)
		for k, at := range starts {
			l[2+k] = uint16(min(at-base, beyond))
			even = even && at-base < beyond && (k == 0 || at-starts[k-1] <= crowded)
		}
	}
	f.starts = nil
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
	l, k := &f.lines[b/lineBuckets], b%lineBuckets
	from, to := l[2+k], l[3+k]
	if to == beyond || to-from > crowded {
		return f.fences.find(rows, key)
	}
	base := int(l[0]) | int(l[1])<<16
	i, j := base+int(from), base+int(to)
	// Where it lies if the bucket is filled evenly, and one before. Few rows are
	// touched, because each is likely not to be in any cache.
	at := max(i, i+int(part>>32*uint64(j-i)>>32)-1)
	for at > i && window(rows[at*f.stride:], f.skip) >= x {
		at--
	}
	for ; at < j; at++ {
		row := rows[at*f.stride:][:f.width]
		if y := window(row, f.skip); y >= x {
			if bytes.Equal(row, key) {
				return at, true
			}
			if y > x {
				break
			}
		}
	}
	return 0, false
}

// memory returns the octets that the finder takes up.
func (f *finder) memory() int64 { return int64(2*len(line{})*len(f.lines)) + f.fences.memory() }
