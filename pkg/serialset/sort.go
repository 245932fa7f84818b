package serialset

import (
	"slices"
	"sync"
)

const (
	// bucketSize is the octets of rows that are sorted at once, so that they
	// and a copy of them fit into a core's own cache.
	bucketSize = 512 << 10
	// A pass makes at least minFan buckets, so that few passes suffice whatever
	// the keys, and at most maxFan, because each has a unit being written.
	minFan, maxFan = 64, 512
)

// sorter sorts rows that lie in units, within little more memory than they
// take up: rows are distributed by value over buckets that fit into the cache,
// then each bucket is sorted to its final place. Its time is bounded by
// rows × width whatever the keys, so that no choice of serial numbers can slow
// it down much.
type sorter struct {
	pool          *pool
	width, stride int
	limit         int // octets of rows that are sorted at once

	mu  sync.Mutex
	out [][]byte // the sorted rows; nil where nothing was written yet
	n   int      // rows in all
}

// bucket is rows in units, in any order. Units may be full or not.
type bucket struct {
	units [][]byte
	rows  int

	// While rows are dealt: the last unit, and the octets still free in it.
	last []byte
	room int
}

// piece is the sorted rows of one bucket: where they begin in out, and how
// many are left without duplicates.
type piece struct{ at, rows, kept int }

// sort returns the rows in ascending order without duplicates, and their
// number. It consumes units.
func (s *sorter) sort(units [][]byte, n int) ([][]byte, int) {
	buckets := []bucket{{units: units, rows: n}}
	if n*s.stride > s.limit {
		skip, lo, hi := s.sample(units)
		buckets = s.distribute(units, skip, newScale(lo, hi, s.fan(n)), processors())
	}
	return s.settleAll(buckets, n)
}

// settleAll sorts buckets, of n rows in all, which come in ascending order. It
// consumes them.
func (s *sorter) settleAll(buckets []bucket, n int) ([][]byte, int) {
	s.n = n
	s.out = make([][]byte, ceilDiv(n, unitRows(s.width)))
	pieces := make([][]piece, len(buckets))
	at := 0
	for i, b := range buckets {
		pieces[i] = []piece{{at: at, rows: b.rows}}
		at += b.rows
	}
	scratch := make([]scratch, processors())
	parallel(len(buckets), len(scratch), func(worker, i int) {
		at := pieces[i][0].at
		pieces[i] = s.settle(buckets[i], at, &scratch[worker], pieces[i][:0])
		buckets[i] = bucket{}
	})
	return s.compact(slices.Concat(pieces...))
}

func (s *sorter) fan(rows int) int {
	return min(max(minFan, ceilDiv(rows*s.stride, s.limit)), maxFan)
}

// settle sorts a bucket to its place in the output, dividing it further while
// it is too large.
func (s *sorter) settle(b bucket, at int, tmp *scratch, pieces []piece) []piece {
	if b.rows == 0 {
		return pieces
	}
	if b.rows*s.stride <= s.limit {
		rows := s.sortBucket(b, tmp)
		s.emit(rows, at)
		return append(pieces, piece{at, b.rows, len(rows) / s.stride})
	}
	skip, lo, hi := s.survey(b.units)
	if lo == hi { // all alike: one row stays
		row := append([]byte(nil), b.units[0][:s.stride]...)
		for _, u := range b.units {
			for i := 0; i < len(u); i += s.stride {
				if outranks(u[i+s.width:i+s.stride], row[s.width:]) {
					copy(row, u[i:])
				}
			}
		}
		s.pool.put(b.units...)
		s.emit(row, at)
		return append(pieces, piece{at, b.rows, 1})
	}
	for _, sub := range s.distribute(b.units, skip, newScale(lo, hi, s.fan(b.rows)), 1) {
		pieces = s.settle(sub, at, tmp, pieces)
		at += sub.rows
	}
	return pieces
}

// sample looks at some of the rows and returns the range of their first eight
// octets; only where these differ too little does it look at all rows.
func (s *sorter) sample(units [][]byte) (skip int, lo, hi uint64) {
	lo = ^uint64(0)
	step := 1 + len(units)/1024
	for i := 0; i < len(units); i += step {
		u := units[i]
		for at := 0; at < len(u); at += 127 * s.stride {
			x := window(u[at:], 0)
			lo, hi = min(lo, x), max(hi, x)
		}
	}
	if hi-lo < 1<<32 {
		return s.survey(units)
	}
	return 0, lo, hi
}

// survey returns an offset that all rows are alike before, and the range of
// the eight octets there, of which at least three differ unless they are the
// last. lo and hi are the same if all rows are.
func (s *sorter) survey(units [][]byte) (skip int, lo, hi uint64) {
	for {
		lo, hi = ^uint64(0), 0
		for _, u := range units {
			for at := skip; at < len(u); at += s.stride {
				x := window(u, at)
				lo, hi = min(lo, x), max(hi, x)
			}
		}
		alike := commonOctets(lo, hi)
		if alike < 5 || skip == s.width-8 {
			return skip, lo, hi
		}
		skip = min(skip+alike, s.width-8)
	}
}

// distribute moves rows into buckets, in order of the scale's value of the
// eight octets at skip. It consumes units.
func (s *sorter) distribute(units [][]byte, skip int, sc scale, workers int) []bucket {
	n := sc.of(sc.hi) + 1
	workers = min(workers, len(units))
	parts := make([][]bucket, workers)
	for i := range parts {
		parts[i] = make([]bucket, n)
	}
	const few = 16 // units that a worker takes at once
	parallel(ceilDiv(len(units), few), workers, func(worker, i int) {
		for _, u := range units[i*few : min((i+1)*few, len(units))] {
			s.deal(u, skip, &sc, parts[worker])
			s.pool.put(u)
		}
	})
	all := parts[0]
	for i := range all {
		s.close(&all[i])
		for _, more := range parts[1:] {
			s.close(&more[i])
			all[i].units = append(all[i].units, more[i].units...)
			all[i].rows += more[i].rows
		}
	}
	return all
}

func (s *sorter) deal(u []byte, skip int, sc *scale, buckets []bucket) {
	stride, full := s.stride, s.full()
	for ; len(u) > 0; u = u[stride:] {
		b := &buckets[sc.of(window(u, skip))]
		if b.room == 0 {
			b.grow(s.pool, full)
		}
		moveOctets(b.last[full-b.room:], u[:stride])
		b.room -= stride
	}
}

// grow adds a unit for rows to be dealt to.
func (b *bucket) grow(p *pool, full int) {
	b.last = p.get()[:full]
	b.units = append(b.units, b.last)
	b.room = full
}

// close ends the dealing to a bucket.
func (s *sorter) close(b *bucket) {
	for i, u := range b.units {
		if i == len(b.units)-1 {
			b.units[i] = u[:len(u)-b.room]
		}
		b.rows += len(b.units[i]) / s.stride
	}
	b.last, b.room = nil, 0
}

// full is the octets of a full unit.
func (s *sorter) full() int { return unitRows(s.width) * s.stride }

// emit writes sorted rows to their place in the output, which is row at.
func (s *sorter) emit(rows []byte, at int) {
	per := unitRows(s.width)
	for len(rows) > 0 {
		u := s.unit(at / per)
		n := copy(u[at%per*s.stride:], rows)
		rows = rows[n:]
		at += n / s.stride
	}
}

// unit returns unit i of the output.
func (s *sorter) unit(i int) []byte {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.out[i] == nil {
		per := unitRows(s.width)
		s.out[i] = s.pool.get()[:min(per, s.n-i*per)*s.stride]
	}
	return s.out[i]
}

// compact closes the gaps that duplicates left.
func (s *sorter) compact(pieces []piece) ([][]byte, int) {
	kept := 0
	for _, p := range pieces {
		kept += p.kept
	}
	if kept == s.n {
		return s.out, kept
	}
	kept = 0
	per := unitRows(s.width)
	for _, p := range pieces {
		for i := p.at; i < p.at+p.kept; i++ {
			if i != kept {
				copy(s.unit(kept / per)[kept%per*s.stride:][:s.stride], s.out[i/per][i%per*s.stride:])
			}
			kept++
		}
	}
	s.out = s.out[:ceilDiv(kept, per)]
	last := len(s.out) - 1
	s.out[last] = s.out[last][:(kept-last*per)*s.stride]
	return s.out, kept
}
