package serialset

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"io"
)

// Builder gathers entries in any order and makes a set of them. Its memory is
// that of the finished set, as long as Grow was told how much comes.
type Builder struct {
	width  int
	rows   []byte // entry after entry: serial, date (big-endian), reason
	sorted bool   // every row so far is greater than the one before
}

// Grow makes room for n more entries of the given width, in octets.
func (b *Builder) Grow(n, width int) {
	if b.rows == nil {
		b.setWidth(width)
		b.rows = make([]byte, 0, n*(b.width+valueSize))
	}
}

func (b *Builder) setWidth(width int) {
	if b.rows == nil {
		b.width, b.sorted = width, true
	}
}

// Len returns the number of entries gathered, duplicates counted.
func (b *Builder) Len() int {
	if b.width == 0 {
		return 0
	}
	return len(b.rows) / (b.width + valueSize)
}

// Append adds entries in columns: serials holds DER INTEGER contents,
// sign-extended to width octets each; dates are seconds since 1970; reasons
// are CRLReasons. Widths may differ from call to call.
func (b *Builder) Append(width int, serials []byte, dates []uint32, reasons []uint8) error {
	n := len(dates)
	if width < 1 || width > MaxWidth || len(serials) != n*width || len(reasons) != n {
		return fmt.Errorf("serialset: %d octets of serials of width %d with %d dates and %d reasons", len(serials), width, n, len(reasons))
	}
	if n == 0 {
		return nil
	}
	b.setWidth(width)
	if b.Len()+n > MaxEntries {
		return fmt.Errorf("serialset: more than %d entries", MaxEntries)
	}
	if width > b.width {
		b.widen(width)
	}
	stride := b.width + valueSize
	start := len(b.rows)
	b.rows = append(b.rows, make([]byte, n*stride)...)
	row := b.rows[start:]
	for i := range n {
		serial := serials[i*width : (i+1)*width]
		extend(row[:b.width], serial)
		binary.BigEndian.PutUint32(row[b.width:], dates[i])
		row[b.width+dateSize] = reasons[i]
		row = row[stride:]
	}
	if b.sorted {
		b.sorted = ascending(b.rows[max(0, start-stride):], stride, b.width)
	}
	return nil
}

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

func ascending(rows []byte, stride, width int) bool {
	for i := stride; i < len(rows); i += stride {
		if bytes.Compare(rows[i-stride:i-stride+width], rows[i:i+width]) >= 0 {
			return false
		}
	}
	return true
}

// widen rewrites the rows for a greater width.
func (b *Builder) widen(width int) {
	old, oldStride := b.rows, b.width+valueSize
	stride := width + valueSize
	n := len(old) / oldStride
	b.rows = make([]byte, n*stride, cap(old)/oldStride*stride)
	for i := range n {
		from, to := old[i*oldStride:(i+1)*oldStride], b.rows[i*stride:(i+1)*stride]
		extend(to[:width], from[:b.width])
		copy(to[width:], from[b.width:])
	}
	if n > 0 {
		b.sorted = ascending(b.rows, stride, width) // a sign may now stand elsewhere
	}
	b.width = width
}

// Finish sorts the entries, drops duplicates and lays the set out. The builder
// is empty afterwards. Of several entries for one serial number the one that
// revokes most plainly stays: a reason other than removeFromCRL before
// removeFromCRL, then the earlier date.
func (b *Builder) Finish() (*Image, error) {
	rows, width, sorted := b.rows, b.width, b.sorted
	*b = Builder{}
	if width == 0 {
		width = 1
	}
	stride := width + valueSize
	if !sorted {
		sortRows(rows, stride, width)
		rows = dedupe(rows, stride, width)
	}
	l := newLayout(width, uint64(len(rows)/stride))
	img := &Image{layout: l, head: make([]byte, l.blocksOff()), body: rows}
	img.arrange()
	return img, nil
}

const removeFromCRL = 8

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

// outranks compares what two rows of one serial number say, date and reason.
func outranks(a, b []byte) bool {
	ra, rb := a[dateSize] == removeFromCRL, b[dateSize] == removeFromCRL
	if ra != rb {
		return rb
	}
	if c := bytes.Compare(a[:dateSize], b[:dateSize]); c != 0 {
		return c < 0
	}
	return a[dateSize] > b[dateSize] // of one date, a stated reason before none; the order must not depend on the input
}

// Image is a finished set, ready to be written.
type Image struct {
	layout
	head []byte // header, root and pages
	body []byte // the blocks
}

// arrange turns rows into blocks, in place, and fills the index.
func (m *Image) arrange() {
	l := &m.layout
	l.putHeader(m.head)
	w, stride := l.width, l.width+valueSize
	scratch := make([]byte, l.perBlock*stride)
	index := m.indexOver(l.blocks, l.pages > 0)
	for i := range l.blocks {
		off, n := l.blockSpan(i)
		off -= l.blocksOff()
		block := m.body[off : off+int64(n*stride)]
		rows := scratch[:copy(scratch, block)]
		dates, reasons := block[n*w:], block[n*(w+dateSize):]
		for k := range n {
			row := rows[k*stride : (k+1)*stride]
			copy(block[k*w:(k+1)*w], row)
			binary.LittleEndian.PutUint32(dates[k*dateSize:], binary.BigEndian.Uint32(row[w:]))
			reasons[k] = row[w+dateSize]
		}
		index(i, block[:w], childHash(block))
	}
	if l.pages == 0 {
		return
	}
	root := m.indexOver(l.pages, false)
	for i := range l.pages {
		off, n := l.pageSpan(i)
		page := m.head[off : off+int64(n*(w+hashSize))]
		root(i, page[:w], childHash(page))
	}
}

// indexOver returns a function that sets index entry i of n, in the pages or
// in the root: keys in one column, hashes in the next.
func (m *Image) indexOver(n int, paged bool) func(i int, key []byte, hash [hashSize]byte) {
	w := m.width
	return func(i int, key []byte, hash [hashSize]byte) {
		node, k := m.head[headerSize:], n
		if paged {
			off, entries := m.pageSpan(i / m.perPage)
			node, k = m.head[off:], entries
			i %= m.perPage
		}
		copy(node[i*w:], key)
		copy(node[k*w+i*hashSize:], hash[:])
	}
}

// Len returns the number of entries.
func (m *Image) Len() int { return int(m.entries) }

// Size returns the size in octets.
func (m *Image) Size() int64 { return m.layout.size() }

// HeadSize returns the octets that the digest covers.
func (m *Image) HeadSize() int64 { return int64(m.headSize()) }

// Digest returns the digest, which names the set.
func (m *Image) Digest() Digest { return sha256.Sum256(m.head[:m.headSize()]) }

// Reader returns a reader of the whole object.
func (m *Image) Reader() io.ReadSeeker { return &imageReader{m: m} }

// WriteTo writes the whole object.
func (m *Image) WriteTo(w io.Writer) (int64, error) {
	a, err := w.Write(m.head)
	if err != nil {
		return int64(a), err
	}
	b, err := w.Write(m.body)
	return int64(a) + int64(b), err
}

// Set returns the image as a set that can be asked, without copying it.
func (m *Image) Set() *Set { return &Set{layout: m.layout, head: m.head, body: m.body} }

type imageReader struct {
	m   *Image
	off int64
}

func (r *imageReader) Read(p []byte) (int, error) {
	if head := int64(len(r.m.head)); r.off < head {
		n := copy(p, r.m.head[r.off:])
		r.off += int64(n)
		return n, nil
	} else if r.off-head < int64(len(r.m.body)) {
		n := copy(p, r.m.body[r.off-head:])
		r.off += int64(n)
		return n, nil
	}
	return 0, io.EOF
}

func (r *imageReader) Seek(off int64, whence int) (int64, error) {
	switch whence {
	case io.SeekCurrent:
		off += r.off
	case io.SeekEnd:
		off += r.m.Size()
	}
	if off < 0 {
		return 0, fmt.Errorf("serialset: seek to %d", off)
	}
	r.off = off
	return off, nil
}
