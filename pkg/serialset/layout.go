package serialset

import (
	"crypto/sha256"
	"encoding/binary"
	"fmt"
)

// Layout of the object. All numbers are little-endian.
const (
	magic      = "CRLGSET"
	headerSize = 64

	dateSize   = 4
	reasonSize = 1
	valueSize  = dateSize + reasonSize // what a row has behind its serial number
	hashSize   = 16                    // octets of SHA-256 that the index keeps of each child

	// unitSize is the octets of a unit, at most: as many whole rows as fit.
	// Blocks are one, two or four units. Pages follow the same measure.
	unitSize = 16 << 10
)

// layout is what follows from a header: where everything lies.
type layout struct {
	width   int    // octets of a serial number
	entries uint64 // all entries
	perBlock,
	perPage int // entries of a full block; index entries of a full page, 0 without pages
	blocks int
	pages  int // 0: the root points to blocks itself
}

// ladder is the shapes that a set can have, by units a block and a page. The
// first whose head fits into MaxHead is taken. Larger blocks come before pages,
// because a look-up by range then takes two reads and not three.
var ladder = [...]struct{ block, page int }{{1, 0}, {2, 0}, {4, 0}, {1, 1}, {2, 2}}

// newLayout derives the layout for a number of entries; nothing of it is a
// choice of the writer.
func newLayout(width int, entries uint64) (layout, error) {
	for _, shape := range ladder {
		l := layout{width: width, entries: entries}
		l.perBlock = shape.block * unitRows(width)
		l.blocks = ceilDiv(int(entries), l.perBlock)
		if shape.page > 0 {
			l.perPage = shape.page * unitSize / l.nodeEntry()
			l.pages = ceilDiv(l.blocks, l.perPage)
		}
		if l.headSize() <= MaxHead {
			return l, nil
		}
	}
	return layout{}, fmt.Errorf("serialset: %d serial numbers of %d octets are more than a set can index", entries, width)
}

func ceilDiv(a, b int) int { return (a + b - 1) / b }

// unitRows is the number of rows in a full unit.
func unitRows(width int) int { return unitSize / (width + valueSize) }

// stride is the octets of a row: serial number, date, reason.
func (l *layout) stride() int { return l.width + valueSize }

// nodeEntry is the octets that the index has for each child.
func (l *layout) nodeEntry() int { return l.width + hashSize }

// rootLen is the number of index entries in the root.
func (l *layout) rootLen() int {
	if l.pages > 0 {
		return l.pages
	}
	return l.blocks
}

func (l *layout) headSize() int { return headerSize + l.rootLen()*l.nodeEntry() }

// pageSpan returns where page i lies and how many index entries it has.
func (l *layout) pageSpan(i int) (s Span, n int) {
	n = min(l.perPage, l.blocks-i*l.perPage)
	off := int64(l.headSize()) + int64(i*l.perPage)*int64(l.nodeEntry())
	return Span{off, int64(n * l.nodeEntry())}, n
}

func (l *layout) blocksOff() int64 {
	off := int64(l.headSize())
	if l.pages > 0 {
		off += int64(l.blocks) * int64(l.nodeEntry())
	}
	return off
}

// blockSpan returns where block i lies and how many entries it has.
func (l *layout) blockSpan(i int) (s Span, n int) {
	first := i * l.perBlock
	n = min(l.perBlock, int(l.entries)-first)
	return Span{l.blocksOff() + int64(first)*int64(l.stride()), int64(n * l.stride())}, n
}

func (l *layout) size() int64 {
	return l.blocksOff() + int64(l.entries)*int64(l.stride())
}

// putHeader writes the header into the first headerSize octets of b.
func (l *layout) putHeader(b []byte) {
	copy(b, magic)
	b[7] = Version
	le := binary.LittleEndian
	le.PutUint32(b[8:], uint32(l.width))
	le.PutUint32(b[12:], uint32(l.perBlock))
	le.PutUint32(b[16:], uint32(l.perPage))
	le.PutUint32(b[20:], uint32(l.rootLen()))
	le.PutUint64(b[24:], l.entries)
	le.PutUint64(b[32:], uint64(l.size()))
	le.PutUint32(b[40:], uint32(l.pages))
	le.PutUint32(b[44:], uint32(l.blocks))
	// The rest is reserved, and zero.
}

// parseHeader reads a header and refuses whatever the writer would not write.
func parseHeader(b []byte) (layout, error) {
	if len(b) < headerSize || string(b[:7]) != magic {
		return layout{}, corrupt("it does not begin with a header of %d bytes and %q", headerSize, magic)
	}
	if b[7] != Version {
		return layout{}, fmt.Errorf("%w: %d, and this reader knows %d: deploy a newer crlgate", ErrVersion, b[7], Version)
	}
	le := binary.LittleEndian
	width, entries := le.Uint32(b[8:]), le.Uint64(b[24:])
	if width < MinWidth || width > MaxWidth || entries > MaxEntries || entries == 0 && width != MinWidth {
		return layout{}, corrupt("header claims %d entries of %d octets", entries, width)
	}
	l, err := newLayout(int(width), entries)
	if err != nil {
		return layout{}, corrupt("header claims %d entries of %d octets, more than a set can index", entries, width)
	}
	var want [headerSize]byte
	l.putHeader(want[:])
	if string(b[:headerSize]) != string(want[:]) {
		return layout{}, corrupt("header contradicts itself")
	}
	return l, nil
}

func childHash(b []byte) (h [hashSize]byte) {
	sum := sha256.Sum256(b)
	copy(h[:], sum[:])
	return h
}
