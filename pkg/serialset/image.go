package serialset

import (
	"crypto/sha256"
	"fmt"
	"io"
	"iter"
)

// Image is a finished set, ready to be written. It never changes.
type Image struct {
	layout
	head  []byte   // header, root and pages
	units [][]byte // the blocks, in units that are all full but the last
}

// index hashes blocks and pages into the head, and writes the header.
func (m *Image) index() {
	l := &m.layout
	l.putHeader(m.head)
	perBlock := l.perBlock / unitRows(l.width) // units of a full block
	w := l.width
	parallel(l.blocks, processors(), func(_, i int) {
		units := m.units[i*perBlock : min((i+1)*perBlock, len(m.units))]
		node, k := m.node(i)
		node.set(k, units[0][:w], hashUnits(units))
	})
	for i := range l.pages {
		span, _ := l.pageSpan(i)
		page := m.head[span.Offset:span.end()]
		m.root().set(i, page[:w], childHash(page))
	}
}

func hashUnits(units [][]byte) (h [hashSize]byte) {
	if len(units) == 1 {
		return childHash(units[0])
	}
	hash := sha256.New()
	for _, u := range units {
		hash.Write(u)
	}
	var sum [sha256.Size]byte
	copy(h[:], hash.Sum(sum[:0]))
	return h
}

func (m *Image) root() node { return rootNode(m.head, &m.layout) }

// node returns the index node that points to block i, and the place in it.
func (m *Image) node(i int) (node, int) { return nodeOf(m.head, &m.layout, i) }

// Len returns the number of entries.
func (m *Image) Len() int { return int(m.entries) }

// Size returns the size of the object, in octets.
func (m *Image) Size() int64 { return m.layout.size() }

// HeadSize returns the octets that the digest covers.
func (m *Image) HeadSize() int64 { return int64(m.headSize()) }

// Digest returns the digest, which names the set.
func (m *Image) Digest() Digest { return sha256.Sum256(m.head[:m.headSize()]) }

// All yields the entries in ascending order of their octets.
func (m *Image) All() iter.Seq[Entry] {
	return func(yield func(Entry) bool) {
		stride := m.stride()
		for _, u := range m.units {
			for i := 0; i < len(u); i += stride {
				if !yield(entryOf(u[i:i+stride], m.width)) {
					return
				}
			}
		}
	}
}

// Set returns the image as a set that can be asked. It is a copy, as large as
// the image.
func (m *Image) Set() *Set {
	data := Allocate(int(m.Size()))
	data = append(data, m.head...)
	for _, u := range m.units {
		data = append(data, u...)
	}
	s := newSet(m.layout, data)
	if err := s.load(nil); err != nil {
		panic(err) // the image was sorted and hashed by Finish
	}
	return s
}

// WriteTo writes the whole object.
func (m *Image) WriteTo(w io.Writer) (int64, error) { return (&imageReader{m: m}).WriteTo(w) }

// Reader returns a reader of the whole object. It is also an io.WriterTo.
func (m *Image) Reader() io.ReadSeeker { return &imageReader{m: m} }

type imageReader struct {
	m   *Image
	off int64
}

// rest returns some of what comes at the reader's offset; nothing at the end.
func (r *imageReader) rest() []byte {
	head := int64(len(r.m.head))
	if r.off < head {
		return r.m.head[r.off:]
	}
	full := int64(unitRows(r.m.width) * r.m.stride())
	i := (r.off - head) / full
	if i >= int64(len(r.m.units)) {
		return nil
	}
	u := r.m.units[i]
	return u[min((r.off-head)%full, int64(len(u))):]
}

// Read reads.
func (r *imageReader) Read(p []byte) (int, error) {
	total := 0
	for len(p) > 0 {
		n := copy(p, r.rest())
		if n == 0 {
			break
		}
		r.off += int64(n)
		total += n
		p = p[n:]
	}
	if total == 0 && len(p) > 0 {
		return 0, io.EOF
	}
	return total, nil
}

// WriteTo writes the rest.
func (r *imageReader) WriteTo(w io.Writer) (total int64, err error) {
	for b := r.rest(); len(b) > 0; b = r.rest() {
		n, err := w.Write(b)
		r.off += int64(n)
		total += int64(n)
		if err != nil {
			return total, err
		}
	}
	return total, nil
}

// Seek sets the offset of the next Read.
func (r *imageReader) Seek(off int64, whence int) (int64, error) {
	switch whence {
	case io.SeekStart:
	case io.SeekCurrent:
		off += r.off
	case io.SeekEnd:
		off += r.m.Size()
	default:
		return 0, fmt.Errorf("serialset: seek from %d", whence)
	}
	if off < 0 {
		return 0, fmt.Errorf("serialset: seek to %d", off)
	}
	r.off = off
	return off, nil
}
