package serialset

import (
	"cmp"
	"encoding/binary"
)

const (
	// dealAfter is the octets of rows, by the limit of a bucket, that a builder
	// gathers before it asks whether they tell how the rest will be spread.
	dealAfter = 4
	// dealtRatio is how many times less than the limit a bucket is to have. It
	// may turn out larger, and the less it has, the more of it stays in cache.
	dealtRatio = 4
	dealtFan   = 1024 // buckets, at most
)

// dealer distributes rows over buckets as they come, once those that came
// before tell how serial numbers are spread: rows are moved once less, and
// while the rest of the CRL is still being read. Where they told wrong, buckets
// are of unequal size, and larger ones are divided further.
type dealer struct {
	sorter
	scale   scale
	buckets []bucket
}

// startDealing makes a dealer of the rows in the newest run where they look as
// if they came in random order.
func (b *Builder) startDealing() {
	r := &b.runs[len(b.runs)-1]
	full := len(r.units) - 1
	if b.sorted || b.asked || full*unitSize < dealAfter*b.bucketLimit() {
		return
	}
	b.asked = true
	lo, hi, ok := foretell(r.units[:full], r.width+valueSize)
	if !ok {
		return
	}
	d := &dealer{sorter: b.sorter(r.width), scale: newScale(lo, hi, b.dealtFan(r.width))}
	d.buckets = make([]bucket, d.scale.of(hi)+1)
	for _, u := range r.units {
		d.deal(u, 0, &d.scale, d.buckets)
		b.pool.put(u)
	}
	r.units = nil
	b.dealer = d
}

// dealtFan is how many buckets rows are dealt to.
func (b *Builder) dealtFan(width int) int {
	n := cmp.Or(b.expected, dealtFan*b.bucketLimit()/dealtRatio)
	return min(max(minFan, ceilDiv(n*(width+valueSize)*dealtRatio, b.bucketLimit())), dealtFan)
}

// foretell returns the range that the first eight octets of further rows are
// likely to have. It is not ok where the later half of the rows leaves the range
// of the earlier one, as in a list that is sorted here and there, or where they
// are too much alike.
func foretell(units [][]byte, stride int) (lo, hi uint64, ok bool) {
	var outside, seen int
	lo = ^uint64(0)
	half := len(units) / 2
	var from, to uint64
	for i, u := range units {
		if i == half {
			from, to = lo, hi
		}
		for at := 0; at < len(u); at += 7 * stride {
			x := window(u, at)
			lo, hi = min(lo, x), max(hi, x)
			if i >= half {
				seen++
				if x < from || x > to {
					outside++
				}
			}
		}
	}
	margin := (hi - lo) / 128
	return lo - min(lo, margin), hi + min(^hi, margin), half > 0 && hi-lo >= 1<<32 && outside*16 <= seen
}

// add deals entries in columns, of the dealer's width or less.
func (d *dealer) add(width int, serials []byte, dates []uint32, reasons []uint8) {
	var tmp [MaxWidth]byte
	full := d.full()
	for i, date := range dates {
		serial := serials[i*width : (i+1)*width]
		if width < d.width {
			extend(tmp[:d.width], serial)
			serial = tmp[:d.width]
		}
		b := &d.buckets[d.scale.of(window(serial, 0))]
		if b.room == 0 {
			b.grow(d.pool, full)
		}
		row := b.last[full-b.room:][:d.stride]
		b.room -= d.stride
		moveOctets(row, serial)
		value := row[len(row)-valueSize:]
		binary.LittleEndian.PutUint32(value, date)
		value[dateSize] = reasons[i]
	}
}

// addRun deals the rows of a run of less width.
func (d *dealer) addRun(r run) {
	for _, u := range r.units {
		for rows := u; len(rows) > 0; rows = rows[r.width+valueSize:] {
			value := rows[r.width : r.width+valueSize]
			d.add(r.width, rows[:r.width], []uint32{binary.LittleEndian.Uint32(value)}, value[dateSize:])
		}
		d.pool.put(u)
	}
}

// end returns the buckets.
func (d *dealer) end() []bucket {
	for i := range d.buckets {
		d.close(&d.buckets[i])
	}
	return d.buckets
}

// stopDealing makes a run again of what was dealt: wider serial numbers come.
func (b *Builder) stopDealing() {
	r := &b.runs[len(b.runs)-1]
	for _, k := range b.dealer.end() {
		r.units = append(r.units, k.units...)
	}
	b.dealer, b.asked = nil, false
}
