package serialset

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"iter"
	"sync/atomic"
)

// Set is a set held in memory. It never changes, and may be asked from several
// goroutines at once.
type Set struct {
	layout
	data []byte // the object
	rows []byte // its blocks: row after row

	finder finder
}

// Open verifies data, a whole set, against the digest that the catalog gives
// it, and returns it for look-ups. The set keeps data. The error wraps
// [ErrCorrupt] or [ErrVersion].
func Open(data []byte, digest Digest) (*Set, error) {
	l, err := parseHeader(data)
	if err != nil {
		return nil, err
	}
	if int64(len(data)) != l.size() {
		return nil, corrupt("it has %d bytes and its header says %d", len(data), l.size())
	}
	if got := Digest(sha256.Sum256(data[:l.headSize()])); got != digest {
		return nil, corrupt("header and index have SHA-256 %v and the catalog says %v", got, digest)
	}
	s := newSet(l, data)
	if err := s.verifyPages(); err != nil {
		return nil, err
	}
	if err := s.load(s.verifyBlock); err != nil {
		return nil, err
	}
	return s, nil
}

// Inspect opens a set without a digest to compare with: it shows that the set
// is whole, not that it is the right one.
func Inspect(data []byte) (*Set, Digest, error) {
	l, err := parseHeader(data)
	if err != nil {
		return nil, Digest{}, err
	}
	if int64(len(data)) < int64(l.headSize()) {
		return nil, Digest{}, corrupt("it has %d bytes and its head alone has %d", len(data), l.headSize())
	}
	digest := Digest(sha256.Sum256(data[:l.headSize()]))
	s, err := Open(data, digest)
	return s, digest, err
}

func newSet(l layout, data []byte) *Set {
	return &Set{layout: l, data: data, rows: data[l.blocksOff():]}
}

// verifyPages checks every page of the index against the root.
func (s *Set) verifyPages() error {
	root := rootNode(s.data, &s.layout)
	for i := range s.pages {
		span, _ := s.pageSpan(i)
		page := s.data[span.Offset:span.end()]
		if childHash(page) != root.hash(i) || !bytes.Equal(page[:s.width], root.key(i)) {
			return corrupt("index page %d fails its hash", i)
		}
	}
	return nil
}

// verifyBlock checks block i against the index.
func (s *Set) verifyBlock(i int) error {
	node, k := nodeOf(s.data, &s.layout, i)
	span, _ := s.blockSpan(i)
	return checkBlock(i, s.data[span.Offset:span.end()], node.key(k), node.hash(k))
}

func checkBlock(i int, block, key []byte, hash [hashSize]byte) error {
	if childHash(block) != hash {
		return corrupt("block %d fails its hash", i)
	}
	if !bytes.Equal(block[:len(key)], key) {
		return corrupt("block %d does not begin with the serial number that the index gives it", i)
	}
	return nil
}

// load checks every block with verify, if there is one, checks that serial
// numbers ascend, and makes the finder, all in one pass over the blocks.
func (s *Set) load(verify func(i int) error) error {
	if !s.finder.prepare(s.rows, s.width, int(s.entries), s.blocks) {
		return corrupt("its first serial number is greater than its last")
	}
	const few = 8 // blocks that a goroutine takes at once
	var failed atomic.Pointer[error]
	parallel(ceilDiv(s.blocks, few), processors(), func(_, i int) {
		for k := i * few; k < min((i+1)*few, s.blocks); k++ {
			if failed.Load() != nil {
				return
			}
			if err := s.loadBlock(k, verify); err != nil {
				first := err // of its own, so that err need not be allocated each time
				failed.CompareAndSwap(nil, &first)
				return
			}
		}
	})
	if err := failed.Load(); err != nil {
		return *err
	}
	s.finder.finish(s.rows, s.perBlock)
	return nil
}

func (s *Set) loadBlock(i int, verify func(int) error) error {
	if verify != nil {
		if err := verify(i); err != nil {
			return err
		}
	}
	from := i * s.perBlock
	if !s.finder.note(s.rows, i, from, min(from+s.perBlock, int(s.entries))) {
		return corrupt("serial numbers of block %d do not ascend", i)
	}
	return nil
}

// Len returns the number of entries.
func (s *Set) Len() int { return int(s.entries) }

// Width returns the octets of each serial number.
func (s *Set) Width() int { return s.width }

// Size returns the size of the object, in octets.
func (s *Set) Size() int64 { return s.size() }

// Memory returns the octets that the set takes up in memory: the object and
// what makes look-ups quick. It is at most [MaxMemory] of the object's size.
func (s *Set) Memory() int64 { return s.Size() + s.finder.memory() }

// MaxMemory returns the most octets that a set of a size takes up in memory.
func MaxMemory(size int64) int64 { return size + size/10 + 256 }

// Lookup finds a serial number, given as DER INTEGER contents: 1 octet at
// least, minimally encoded. 255 (00 ff) and −1 (ff) are different serials.
func (s *Set) Lookup(serial []byte) (Entry, bool) {
	if len(serial) == 0 || len(serial) > s.width || s.entries == 0 {
		return Entry{}, false
	}
	key := serial
	if len(serial) < s.width {
		var buf [MaxWidth]byte
		key = buf[:s.width]
		extend(key, serial)
	}
	i, ok := s.finder.find(s.rows, key)
	if !ok {
		return Entry{}, false
	}
	stride := s.stride()
	return entryOf(s.rows[i*stride:(i+1)*stride], s.width), true
}

func entryOf(row []byte, width int) Entry {
	return Entry{
		Serial: row[:width:width],
		Date:   binary.LittleEndian.Uint32(row[width:]),
		Reason: row[width+dateSize],
	}
}

// All yields the entries in ascending order of their octets.
func (s *Set) All() iter.Seq[Entry] {
	return func(yield func(Entry) bool) {
		stride := s.stride()
		for i := 0; i < len(s.rows); i += stride {
			if !yield(entryOf(s.rows[i:i+stride], s.width)) {
				return
			}
		}
	}
}
