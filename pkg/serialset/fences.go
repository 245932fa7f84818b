package serialset

import "math/bits"

const fenceNode = 16 // fences that are looked at at once

// fenceEvery is how many rows there are from one fence to the next: few where
// that keeps the finder within a tenth of the rows.
func fenceEvery(width int) int {
	if width < 12 {
		return 80
	}
	return 40
}

// fences are copies of every 40th or 80th serial number and, in levels above them, of
// every 16th of those below. They find any serial number in a number of steps that
// does not depend on how serial numbers are spread. A step compares all fences
// of a node, without a branch that depends on the outcome.
type fences struct {
	width, skip int
	n, every    int // rows, and those from one fence to the next
	levels      [][]uint64
}

// makeFences makes the fences of n rows, which are alike before octet skip.
func makeFences(rows []byte, n, width, skip int) fences {
	f := fences{width: width, skip: skip, n: n, every: fenceEvery(width)}
	words, count := wordsOf(width, skip), ceilDiv(n, f.every)
	level := make([]uint64, 0, words*count)
	for i := 0; i < n; i += f.every {
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

// find returns the rows, from i up to j, among which the serial number key is if it is
// listed. It is like all others before octet skip.
func (f *fences) find(key []byte) (i, j int) {
	c := newComparer(f.width, f.skip, key)
	node := 0
	for i := len(f.levels) - 1; i >= 0; i-- {
		level := f.levels[i][node*fenceNode*c.words:]
		level = level[:min(len(level), fenceNode*c.words)]
		reached := c.reached(level)
		if reached == 0 {
			return 0, 0 // less than the first row
		}
		node = node*fenceNode + reached - 1
	}
	return node * f.every, min((node+1)*f.every, f.n)
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
		if len(fences) == 2*fenceNode {
			return reachedFull(c.key[0], c.key[1], (*[2 * fenceNode]uint64)(fences))
		}
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

// reachedFull is reached for a full node and two words.
func reachedFull(hi, lo uint64, fences *[2 * fenceNode]uint64) (n int) {
	n = fenceNode
	for i := 0; i < len(fences); i += 2 {
		_, borrow := bits.Sub64(lo, fences[i+1], 0)
		_, borrow = bits.Sub64(hi, fences[i], borrow)
		n -= int(borrow)
	}
	return n
}
