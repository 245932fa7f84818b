// Package serialset is the set: the serial numbers of one CRL, sorted, with
// revocation dates and reasons, in one immutable object that is searched as it
// lies. docs/cache-format.md specifies the object byte by byte.
//
// A [Builder] takes entries in any order and makes an [Image]; [Open] verifies
// a downloaded object against the digest that the catalog gives and answers
// [Set.Lookup]. Every byte is covered: the digest covers the head (header and
// root of the index), the index carries a hash of every page and every block.
package serialset

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"time"
)

// Version is the format that this package writes, and the only one it reads.
const Version = 1

// Layout of the object. All numbers are little-endian.
const (
	magic      = "CRLGSET"
	headerSize = 64

	dateSize   = 4
	reasonSize = 1
	valueSize  = dateSize + reasonSize // what an entry has beside its serial number
	hashSize   = 16                    // octets of SHA-256 that the index keeps of each child

	targetBlock = 16 << 10 // octets of a full block, at most
	targetPage  = 16 << 10 // octets of a full index page, at most
	targetRoot  = 64 << 10 // octets of the head, at most

	// MaxWidth is the widest serial number, in octets.
	MaxWidth = 64
	// MaxEntries is how many entries one set can hold.
	MaxEntries = 500_000_000
)

// Digest is the SHA-256 of a set's head; through the hashes in the index it
// covers every byte of the set.
type Digest [sha256.Size]byte

// String returns the digest in lower-case hex.
func (d Digest) String() string { return hex.EncodeToString(d[:]) }

// ParseDigest reads what [Digest.String] writes.
func ParseDigest(s string) (Digest, error) {
	var d Digest
	b, err := hex.DecodeString(s)
	if err != nil || len(b) != len(d) {
		return d, fmt.Errorf("%q is not a SHA-256 in hex", s)
	}
	copy(d[:], b)
	return d, nil
}

// Entry is what a set knows of one serial number.
type Entry struct {
	Serial []byte // DER INTEGER contents, sign-extended to the set's width
	Date   uint32 // revocation date in seconds since 1970, clamped to 32 bits
	Reason uint8  // CRLReason (RFC 5280 §5.3.1)
}

// RevocationDate returns the revocation date.
func (e Entry) RevocationDate() time.Time { return time.Unix(int64(e.Date), 0).UTC() }

// ErrCorrupt says that bytes are not those that the catalog, or the index,
// vouches for.
var ErrCorrupt = errors.New("set is corrupt")

// ErrVersion says that a set is of a format that this reader does not know.
var ErrVersion = errors.New("set has an unknown format version")

func corrupt(format string, args ...any) error {
	return fmt.Errorf("%w: %s", ErrCorrupt, fmt.Sprintf(format, args...))
}

// layout is what follows from a header: where everything lies.
type layout struct {
	width   int    // octets of a serial number
	entries uint64 // all entries
	perBlock,
	perPage int // entries of a full block; index entries of a full page
	blocks int
	pages  int // 0: the root points to blocks itself
}

// newLayout derives the layout for a number of entries; nothing of it is a
// choice of the writer.
func newLayout(width int, entries uint64) layout {
	l := layout{width: width, entries: entries}
	l.perBlock = targetBlock / (width + valueSize)
	l.perPage = targetPage / (width + hashSize)
	l.blocks = int((entries + uint64(l.perBlock) - 1) / uint64(l.perBlock))
	if headerSize+l.blocks*(width+hashSize) > targetRoot {
		l.pages = (l.blocks + l.perPage - 1) / l.perPage
	}
	return l
}

// rootLen is the number of index entries in the root.
func (l *layout) rootLen() int {
	if l.pages > 0 {
		return l.pages
	}
	return l.blocks
}

func (l *layout) headSize() int { return headerSize + l.rootLen()*(l.width+hashSize) }

// pageSpan returns where page i lies and how many index entries it has.
func (l *layout) pageSpan(i int) (off int64, n int) {
	n = min(l.perPage, l.blocks-i*l.perPage)
	return int64(l.headSize()) + int64(i*l.perPage)*int64(l.width+hashSize), n
}

func (l *layout) blocksOff() int64 {
	off := int64(l.headSize())
	if l.pages > 0 {
		off += int64(l.blocks) * int64(l.width+hashSize)
	}
	return off
}

// blockSpan returns where block i lies and how many entries it has.
func (l *layout) blockSpan(i int) (off int64, n int) {
	first := uint64(i) * uint64(l.perBlock)
	n = int(min(uint64(l.perBlock), l.entries-first))
	return l.blocksOff() + int64(first)*int64(l.width+valueSize), n
}

func (l *layout) size() int64 {
	return l.blocksOff() + int64(l.entries)*int64(l.width+valueSize)
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
		return layout{}, corrupt("it does not begin with %q", magic)
	}
	if b[7] != Version {
		return layout{}, fmt.Errorf("%w: %d, and this reader knows %d: deploy a newer crlgate", ErrVersion, b[7], Version)
	}
	le := binary.LittleEndian
	width, entries := le.Uint32(b[8:]), le.Uint64(b[24:])
	if width < 1 || width > MaxWidth || entries > MaxEntries {
		return layout{}, corrupt("header claims %d entries of %d octets", entries, width)
	}
	l := newLayout(int(width), entries)
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
