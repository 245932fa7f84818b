package serialset

import (
	"bytes"
)

// The finder takes at most one twentieth of what the rows take up: buckets at
// most 36/1000, fences the rest.
const (
	bucketRows = 16 // rows of a bucket, on average
	crowded    = 64 // rows of a bucket beyond which fences are used
	fenceEvery = 64 // rows from one fence to the next
)

// finder finds a serial number among ascending rows. Buckets divide the range
// between the first and the last serial number evenly, by eight octets behind
// what all have in common; where a bucket begins is written down, so that a
// look-up costs two accesses to memory when serial numbers are spread evenly.
// Where they are not, buckets are crowded: then fences, copies of every 64th
// serial number in full, bound the cost whatever the serial numbers are.
type finder struct {
	width, stride int
	n             int
	first         []byte // serial number of row 0
	skip          int    // octets in front that all serial numbers have in common
	scale         scale
	starts        []uint32 // starts[b] is the first row of bucket b or a later one
	fences        []byte
}

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
	used := f.scale.of(f.scale.hi) + 1
	for b := used; b < len(f.starts); b++ {
		f.starts[b] = uint32(f.n)
	}
	for b := range used {
		if f.starts[b+1]-f.starts[b] > crowded {
			f.fence(rows)
			return
		}
	}
}

func (f *finder) fence(rows []byte) {
	f.fences = make([]byte, 0, ceilDiv(f.n, fenceEvery)*f.width)
	for i := 0; i < f.n; i += fenceEvery {
		f.fences = append(f.fences, rows[i*f.stride:][:f.width]...)
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
	i, j := int(f.starts[b]), int(f.starts[b+1])
	if n := j - i; n <= crowded {
		// Where it lies if the bucket is filled evenly, and one before. Few
		// rows are touched, because each is likely not to be in any cache.
		at := max(i, i+int(part>>32*uint64(n)>>32)-1)
		for at > i && window(rows[at*f.stride:], f.skip) >= x {
			at--
		}
		i = at
	} else {
		i, j = f.narrow(rows, key, i, j)
	}
	for ; i < j; i++ {
		row := rows[i*f.stride:][:f.width]
		if y := window(row, f.skip); y >= x {
			if bytes.Equal(row, key) {
				return i, true
			}
			if y > x {
				break
			}
		}
	}
	return 0, false
}

// narrow returns a few of the rows from i up to j, among them key's if it is
// there.
func (f *finder) narrow(rows, key []byte, i, j int) (int, int) {
	lo, hi := i/fenceEvery, ceilDiv(j, fenceEvery) // the fence of lo may be greater than key, that of hi is
	for hi-lo > 1 {
		if m := (lo + hi) / 2; bytes.Compare(f.fences[m*f.width:][:f.width], key) > 0 {
			hi = m
		} else {
			lo = m
		}
	}
	i, j = max(i, lo*fenceEvery), min(j, hi*fenceEvery)
	for j-i > 8 {
		if m := (i + j) / 2; bytes.Compare(rows[m*f.stride:][:f.width], key) > 0 {
			j = m
		} else {
			i = m
		}
	}
	return i, j
}

// memory returns the octets that the finder takes up.
func (f *finder) memory() int64 { return int64(4*len(f.starts) + len(f.fences)) }
