package serialset

import (
	"bytes"
	"math/bits"
)

// scratch is the memory of one worker, used again for every bucket.
type scratch struct {
	rows   []byte
	starts []uint32
}

func (t *scratch) reset(rows, groups int) {
	if cap(t.rows) < rows {
		t.rows = make([]byte, rows)
	}
	if cap(t.starts) < groups {
		t.starts = make([]uint32, groups)
	}
	t.rows, t.starts = t.rows[:rows], t.starts[:groups]
	clear(t.starts)
}

func commonOctets(a, b uint64) int { return bits.LeadingZeros64(a^b) / 8 }

// groupMax is the rows that may have one value before they are sorted by
// themselves; fewer are left to insertion.
const groupMax = 16

// sortBucket returns the rows of a bucket in ascending order without
// duplicates, in t. It consumes the bucket's units.
//
// The rows are counted by value and laid out by it, in twice as many groups as
// there are rows; what little is still out of order is put right by insertion.
func (s *sorter) sortBucket(b bucket, t *scratch) []byte {
	skip, lo, hi := s.survey(b.units)
	sc := newScale(lo, hi, 2*b.rows)
	t.reset(b.rows*s.stride, sc.of(hi)+2)
	starts := t.starts[1:]
	for _, u := range b.units {
		for at := skip; at < len(u); at += s.stride {
			starts[sc.of(window(u, at))]++
		}
	}
	// From counts to where each group begins; large groups are remembered.
	var large []int
	sum := uint32(0)
	for i, n := range starts {
		if n > groupMax {
			large = append(large, i)
		}
		starts[i] = sum
		sum += n
	}
	stride := s.stride
	for _, u := range b.units {
		for ; len(u) > 0; u = u[stride:] {
			row := u[:stride]
			p := &starts[sc.of(window(row, skip))]
			moveOctets(t.rows[int(*p)*stride:], row)
			*p++
		}
	}
	s.pool.put(b.units...)
	for _, i := range large { // starts[i] is the group's end by now
		from := 0
		if i > 0 {
			from = int(starts[i-1])
		}
		sortRows(t.rows[from*stride:int(starts[i])*stride], stride, s.width)
	}
	if insertion(t.rows, stride, skip, s.width) {
		return dedupe(t.rows, stride, s.width)
	}
	return t.rows
}

// insertion sorts rows that are nearly in order, and reports whether any two
// have the same serial number. All rows are alike before octet skip.
func insertion(rows []byte, stride, skip, width int) (twice bool) {
	var tmp [MaxWidth + valueSize]byte
	last := uint64(0)
	for i := 0; i < len(rows); i += stride {
		x := window(rows, i+skip)
		if x > last || i == 0 {
			last = x
			continue
		}
		j := i
		for j > 0 {
			y := window(rows, j-stride+skip)
			if y == x {
				c := bytes.Compare(rows[j-stride+skip:j-stride+width], rows[i+skip:i+width])
				twice = twice || c == 0
				if c <= 0 {
					break
				}
			} else if y < x {
				break
			}
			j -= stride
		}
		if j < i {
			moveOctets(tmp[:], rows[i:i+stride])
			for k := i; k > j; k -= stride { // by one row each; mostly it is one
				moveOctets(rows[k:], rows[k-stride:k])
			}
			moveOctets(rows[j:], tmp[:stride])
		}
	}
	return twice
}
