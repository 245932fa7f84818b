package serialset

import "math/bits"

const (
	fenceEvery = 32 // rows from one fence to the next
	fenceNode  = 16 // fences that are looked at at once
	near       = 8  // rows that are looked at at once
)

// fences are copies of every 32nd serial number and, in levels above them, of
// every 16th of those below. They find any serial number in a number of steps that
// does not depend on how serial numbers are spread. A step compares all fences
// of a node, without a branch that depends on the outcome.
type fences struct {
	width, skip int
	n           int // rows
	levels      [][]uint64
}

// makeFences makes the fences of n rows, which are alike before octet skip.
func makeFences(rows []byte, n, width, skip int) fences {
	f := fences{width: width, skip: skip, n: n}
	words, count := wordsOf(width, skip), ceilDiv(n, fenceEvery)
	level := make([]uint64, 0, words*count)
	for i := 0; i < n; i += fenceEvery {
		row := rows[i*(width+valueSize):][:width]
		for w := range words {
			level = append(level, window(row, wordAt(width, skip, w)))
		}
	}
	f.levels = append(f.levels, level)
	for count > fenceNode {
		below := level
		count = ceilDiv(count, fenceNode)
		level = make([]uint64, 0, words*count)
		for i := 0; i < len(below); i += fenceNode * words {
			level = append(level, below[i:i+words]...)
		}
		f.levels = append(f.levels, level)
	}
	return f
}

// find returns the row that has the serial number key, which is like all others
// before octet skip.
func (f *fences) find(rows, key []byte) (int, bool) {
	c := newComparer(f.width, f.skip, key)
	node := 0
	for i := len(f.levels) - 1; i >= 0; i-- {
		level := f.levels[i][node*fenceNode*c.words:]
		level = level[:min(len(level), fenceNode*c.words)]
		reached := c.reached(level)
		if reached == 0 {
			return 0, false // less than the first row
		}
		node = node*fenceNode + reached - 1
	}
	return c.find(rows, node*fenceEvery, min((node+1)*fenceEvery, f.n))
}

func (f *fences) memory() (n int64) {
	for _, level := range f.levels {
		n += int64(8 * len(level))
	}
	return n
}

// comparer compares one serial number with others, in words of eight octets.
// The last word ends where serial numbers end and may overlap the one before;
// that does not change the order.
type comparer struct {
	width, skip, words int
	key                [MaxWidth / 8]uint64
}

// wordsOf is how many words serial numbers have behind octet skip.
func wordsOf(width, skip int) int { return ceilDiv(width-skip, 8) }

// wordAt is the octet at which word w begins.
func wordAt(width, skip, w int) int { return min(skip+8*w, width-8) }

func newComparer(width, skip int, key []byte) comparer {
	c := comparer{width: width, skip: skip, words: wordsOf(width, skip)}
	for w := range c.words {
		c.key[w] = window(key, wordAt(width, skip, w))
	}
	return c
}

// reached returns how many of some fences are not greater than the key.
func (c *comparer) reached(fences []uint64) (n int) {
	if c.words == 2 { // nearly all
		for ; len(fences) >= 2; fences = fences[2:] {
			_, borrow := bits.Sub64(c.key[1], fences[1], 0)
			_, borrow = bits.Sub64(c.key[0], fences[0], borrow)
			n += 1 - int(borrow)
		}
		return n
	}
	for ; len(fences) > 0; fences = fences[c.words:] {
		borrow := uint64(0)
		for w := c.words - 1; w >= 0; w-- {
			_, borrow = bits.Sub64(c.key[w], fences[w], borrow)
		}
		n += 1 - int(borrow)
	}
	return n
}

// less returns how many of n rows are less than the key: those at i, i+step
// and so on.
func (c *comparer) less(rows []byte, i, step, n int) (less int) {
	stride := c.width + valueSize
	r := rows[i*stride:]
	first, last := c.skip, c.width-8
	for k := range n {
		row := r[k*step*stride:][:c.width]
		_, borrow := bits.Sub64(window(row, last), c.key[c.words-1], 0)
		for w := c.words - 2; w > 0; w-- {
			_, borrow = bits.Sub64(window(row, first+8*w), c.key[w], borrow)
		}
		if c.words > 1 {
			_, borrow = bits.Sub64(window(row, first), c.key[0], borrow)
		}
		less += int(borrow)
	}
	return less
}

// find returns the row from i up to j that has the key. Each step looks at
// eight rows at once.
func (c *comparer) find(rows []byte, i, j int) (int, bool) {
	for j-i > near {
		step := ceilDiv(j-i, near)
		less := c.less(rows, i, step, ceilDiv(j-i, step))
		if less == 0 {
			j = i + 1
			break
		}
		// The key is greater than row i+(less-1)*step, and not than the next.
		i, j = i+(less-1)*step+1, min(i+less*step+1, j)
	}
	i += c.less(rows, i, 1, j-i)
	if i == j {
		return 0, false
	}
	row := rows[i*(c.width+valueSize):][:c.width]
	for w := range c.words {
		if window(row, wordAt(c.width, c.skip, w)) != c.key[w] {
			return 0, false
		}
	}
	return i, true
}
