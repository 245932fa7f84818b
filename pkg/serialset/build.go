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
}

// run is rows of one width in the order in which they came, in units that are
// all full but the last.
type run struct {
	width int
	units [][]byte
}

// Grow tells that n more entries, of width octets each, are about to come. It
// never needs to be called, and changes nothing of the set.
func (b *Builder) Grow(n, width int) {
	if n > 0 && n <= MaxEntries && len(b.runs) == 0 {
		b.runs = append(b.runs, run{max(width, MinWidth), make([][]byte, 0, n/unitRows(max(width, MinWidth))+1)})
	}
}

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
	return nil
}

// run returns the run that rows of a width are added to.
func (b *Builder) run(width int) *run {
	last := len(b.runs) - 1
	if last < 0 || b.runs[last].width < width {
		if last >= 0 && len(b.runs[last].units) == 0 { // Grow knew another width
			b.runs = b.runs[:last]
		}
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
	width, units := b.join()
	n, sorted := b.n, b.sorted
	s := &sorter{pool: &b.pool, width: width, stride: width + valueSize, limit: cmp.Or(b.limit, bucketSize)}
	if !sorted && n > 1 {
		units, n = s.sort(units, n)
	}
	*b = Builder{}
	l, err := newLayout(width, uint64(n))
	if err != nil {
		return nil, err
	}
	img := &Image{layout: l, head: make([]byte, l.blocksOff()), units: units}
	img.index()
	return img, nil
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
