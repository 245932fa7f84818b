package serialset

import (
	"bytes"
	"encoding/binary"
	"math/bits"
	"runtime"
	"sync"
	"sync/atomic"
)

// A row is an entry as it lies in a block: serial number, date, reason.

// extend writes serial into dst, sign-extended.
func extend(dst, serial []byte) {
	if pad := len(dst) - len(serial); pad > 0 {
		ext := byte(0)
		if serial[0] >= 0x80 {
			ext = 0xff
		}
		for i := range dst[:pad] {
			dst[i] = ext
		}
		dst = dst[pad:]
	}
	copy(dst, serial)
}

// window is eight octets of a serial number as one number, for comparing.
func window(row []byte, at int) uint64 { return binary.BigEndian.Uint64(row[at : at+8]) }

const removeFromCRL = 8

// outranks compares what two rows of one serial number say, date and reason:
// the one that revokes most plainly comes first. The order is total, so that
// it does not depend on the order in which the rows came.
func outranks(a, b []byte) bool {
	ra, rb := a[dateSize] == removeFromCRL, b[dateSize] == removeFromCRL
	if ra != rb {
		return rb
	}
	da, db := binary.LittleEndian.Uint32(a), binary.LittleEndian.Uint32(b)
	if da != db {
		return da < db
	}
	return a[dateSize] > b[dateSize] // of one date, a stated reason before none
}

// dedupe keeps one row of each serial number, in place.
func dedupe(rows []byte, stride, width int) []byte {
	out := 0
	for i := 0; i < len(rows); i += stride {
		row := rows[i : i+stride]
		if out > 0 {
			last := rows[out-stride : out]
			if bytes.Equal(last[:width], row[:width]) {
				if outranks(row[width:], last[width:]) {
					copy(last, row)
				}
				continue
			}
		}
		copy(rows[out:out+stride], row)
		out += stride
	}
	return rows[:out]
}

// scale maps the numbers from lo to hi onto 0 to n−1, evenly and in order;
// what lies below lo onto 0, and what lies above hi onto n−1.
type scale struct {
	lo, hi, mult uint64
	shift        uint8
}

func newScale(lo, hi uint64, n int) scale {
	s := scale{lo: lo, hi: hi, mult: uint64(n)}
	if lo == hi {
		s.mult = 0
		return s
	}
	s.shift = uint8(bits.LeadingZeros64(hi - lo))
	if top := (hi-lo)<<s.shift + 1; top != 0 {
		s.mult, _ = bits.Div64(uint64(n), 0, top) // n·2⁶⁴/top, and top > 2⁶³ > n
	}
	return s
}

func (s *scale) of(x uint64) int {
	n, _ := s.at(x)
	return n
}

// at returns the value of x and how far it is on the way to the next, of 2⁶⁴.
func (s *scale) at(x uint64) (n int, part uint64) {
	x = min(max(x, s.lo), s.hi) - s.lo
	hi, part := bits.Mul64(x<<(s.shift&63), s.mult)
	return int(hi), part
}

// pool hands out and takes back memory for units, so that the rows move from
// one place to another within little more than what they take up themselves.
type pool struct {
	mu   sync.Mutex
	free [][]byte
	slab int // units to get from the allocator the next time
}

// get returns memory for one unit: no octets, and a capacity of unitSize.
func (p *pool) get() []byte {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.free) == 0 {
		p.slab = min(max(1, 2*p.slab), 64)
		for b := make([]byte, p.slab*unitSize); len(b) > 0; b = b[unitSize:] {
			p.free = append(p.free, b[:0:unitSize])
		}
	}
	last := len(p.free) - 1
	u := p.free[last]
	p.free = p.free[:last]
	return u
}

func (p *pool) put(units ...[]byte) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, u := range units {
		p.free = append(p.free, u[:0])
	}
}

// parallel calls do for 0 to n−1, in ascending order, on as many goroutines as
// there are processors; each has a number of its own, under workers.
func parallel(n, workers int, do func(worker, i int)) {
	var next atomic.Int64
	run := func(worker int) {
		for i := int(next.Add(1)) - 1; i < n; i = int(next.Add(1)) - 1 {
			do(worker, i)
		}
	}
	var wg sync.WaitGroup
	for w := 1; w < min(workers, n); w++ {
		wg.Go(func() { run(w) })
	}
	run(0)
	wg.Wait()
}

func processors() int { return runtime.GOMAXPROCS(0) }
