package serialset

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"fmt"
)

// Builder gathers entries in any order and makes a set of them. Its memory is
// little more than that of the finished set. The zero value is ready to use.
type Builder struct {
	pool   pool
	runs   []run
	n      int
	sorted bool // every row so far is greater than the one before
	limit  int  // octets of rows to sort at once; 0: bucketSize

	expected int // entries in all; 0: not known
	dealer   *dealer
	asked    bool // whether rows are to be dealt as they come
}

// run is rows of one width in the order in which they came, in units that are
// all full but the last. What a dealer had is in any order, and its units need
// not be full.
type run struct {
	width int
	units [][]byte
}

// Expect tells about how many entries there will be in all. It changes nothing
// of the set, only how quickly it is made.
func (b *Builder) Expect(n int) { b.expected = min(max(n, 0), MaxEntries) }

// Len returns the number of entries gathered, duplicates counted.
func (b *Builder) Len() int { return b.n }

// Append adds entries in columns: serials holds DER INTEGER contents,
// sign-extended to width octets each; dates are seconds since 1970; reasons
// are CRLReasons. Widths may differ from call to call. The set is as wide as
// the widest, and MinWidth at least.
func (b *Builder) Append(width int, serials []byte, dates []uint32, reasons []uint8) error {
	n := len(dates)
	if width < 1 || width > MaxWidth || len(serials) != n*width || len(reasons) != n {
		return fmt.Errorf("serialset: %d octets of serials of width %d with %d dates and %d reasons", len(serials), width, n, len(reasons))
	}
	if b.n+n > MaxEntries {
		return fmt.Errorf("serialset: more than %d entries", MaxEntries)
	}
	if n == 0 {
		return nil
	}
	if b.dealer != nil {
		if width <= b.dealer.width {
			b.dealer.add(width, serials, dates, reasons)
			b.n += n
			return nil
		}
		b.stopDealing()
	}
	r := b.run(max(width, MinWidth))
	stride := r.width + valueSize
	full := unitRows(r.width) * stride
	for n > 0 {
		if len(r.units) == 0 || len(r.units[len(r.units)-1]) == full {
			r.units = append(r.units, b.pool.get())
		}
		u := &r.units[len(r.units)-1]
		k := min(n, (full-len(*u))/stride)
		start := len(*u)
		*u = (*u)[:start+k*stride]
		fillRows((*u)[start:], r.width, width, serials, dates[:k], reasons)
		b.watch(*u, start, r.width)
		serials, dates, reasons, n = serials[k*width:], dates[k:], reasons[k:], n-k
		b.n += k
	}
	b.startDealing()
	return nil
}

// run returns the run that rows of a width are added to.
func (b *Builder) run(width int) *run {
	last := len(b.runs) - 1
	if last < 0 || b.runs[last].width < width {
		b.runs = append(b.runs, run{width: width})
		last = len(b.runs) - 1
	}
	return &b.runs[last]
}

// fillRows writes columns of serials of width octets as rows of greater or
// equal width.
func fillRows(rows []byte, rowWidth, width int, serials []byte, dates []uint32, reasons []uint8) {
	stride := rowWidth + valueSize
	pad := rowWidth - width
	for i, date := range dates {
		row := rows[i*stride : (i+1)*stride]
		serial := serials[i*width : (i+1)*width]
		if pad > 0 {
			extend(row[:rowWidth], serial)
		} else {
			moveOctets(row, serial)
		}
		value := row[len(row)-valueSize:]
		binary.LittleEndian.PutUint32(value, date)
		value[dateSize] = reasons[i]
	}
}

// watch notes whether the rows are still ascending, after those from start on
// were added to unit u.
func (b *Builder) watch(u []byte, start, width int) {
	if b.n == 0 {
		b.sorted = true
	}
	if !b.sorted {
		return
	}
	stride := width + valueSize
	if start == 0 && b.n > 0 {
		b.sorted = bytes.Compare(b.before(width), u[:width]) < 0
	}
	for i := max(start, stride); b.sorted && i < len(u); i += stride {
		b.sorted = bytes.Compare(u[i-stride:i-stride+width], u[i:i+width]) < 0
	}
}

// before returns the serial number of the row before the newest unit, extended
// to a width.
func (b *Builder) before(width int) []byte {
	r := &b.runs[len(b.runs)-1]
	units := r.units[:len(r.units)-1]
	if len(units) == 0 {
		r = &b.runs[len(b.runs)-2]
		units = r.units
	}
	u := units[len(units)-1]
	key := make([]byte, width)
	extend(key, u[len(u)-r.width-valueSize:len(u)-valueSize])
	return key
}

// Finish sorts the entries, drops duplicates and lays the set out. The builder
// is empty afterwards. Of several entries for one serial number the one that
// revokes most plainly stays: a reason other than removeFromCRL before
// removeFromCRL, then the earlier date.
func (b *Builder) Finish() (*Image, error) {
	width, units, n := b.ascending()
	*b = Builder{}
	l, err := newLayout(width, uint64(n))
	if err != nil {
		return nil, err
	}
	img := &Image{layout: l, head: make([]byte, l.blocksOff()), units: units}
	img.index()
	return img, nil
}

// ascending returns all rows in order, without duplicates, and their number.
func (b *Builder) ascending() (width int, units [][]byte, n int) {
	if d := b.dealer; d != nil {
		for _, r := range b.runs[:len(b.runs)-1] {
			d.addRun(r)
		}
		units, n = d.settleAll(d.end(), b.n)
		return d.width, units, n
	}
	width, units = b.join()
	if b.sorted || b.n < 2 {
		return width, units, b.n
	}
	s := b.sorter(width)
	units, n = s.sort(units, b.n)
	return width, units, n
}

func (b *Builder) bucketLimit() int { return cmp.Or(b.limit, bucketSize) }

func (b *Builder) sorter(width int) sorter {
	return sorter{pool: &b.pool, width: width, stride: width + valueSize, limit: b.bucketLimit()}
}

// join returns all rows in units of one width. Extending serial numbers does
// not change their order: positive ones, which begin with a bit of 0, stay
// before negative ones.
func (b *Builder) join() (width int, units [][]byte) {
	switch len(b.runs) {
	case 0:
		return MinWidth, nil
	case 1:
		if b.n == 0 {
			return MinWidth, nil
		}
		return b.runs[0].width, b.runs[0].units
	}
	width = b.runs[len(b.runs)-1].width
	out := writer{pool: &b.pool, full: unitRows(width) * (width + valueSize)}
	for _, r := range b.runs {
		stride := r.width + valueSize
		for _, u := range r.units {
			for i := 0; i < len(u); i += stride {
				row := out.next(width + valueSize)
				extend(row[:width], u[i:i+r.width])
				copy(row[width:], u[i+r.width:i+stride])
			}
			b.pool.put(u)
		}
	}
	return width, out.units
}

// writer lays rows one after another into units.
type writer struct {
	pool  *pool
	full  int // octets of a full unit
	units [][]byte
}

// next returns room for one more row.
func (w *writer) next(stride int) []byte {
	if last := len(w.units) - 1; last < 0 || len(w.units[last]) == w.full {
		w.units = append(w.units, w.pool.get())
	}
	u := &w.units[len(w.units)-1]
	n := len(*u)
	*u = (*u)[:n+stride]
	return (*u)[n:]
}
