package serialset

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"iter"
	"sort"
)

// Set is a set held in memory. It never changes, and may be asked from several
// goroutines at once.
type Set struct {
	layout
	head []byte // header, root and pages
	body []byte // the blocks
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
	off := l.blocksOff()
	s := &Set{layout: l, head: data[:off:off], body: data[off:]}
	if err := s.verify(); err != nil {
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

// verify checks every page and every block against the index, and that first
// keys are what the index says.
func (s *Set) verify() error {
	root := s.root()
	for i := range s.pages {
		off, n := s.pageSpan(i)
		page := s.head[off : off+int64(n*(s.width+hashSize))]
		if childHash(page) != root.hash(i) || !bytes.Equal(page[:s.width], root.key(i)) {
			return corrupt("index page %d fails its hash", i)
		}
	}
	for i := range s.blocks {
		node, k := s.node(i)
		block, _ := s.block(i)
		if childHash(block) != node.hash(k) || !bytes.Equal(block[:s.width], node.key(k)) {
			return corrupt("block %d fails its hash", i)
		}
	}
	return nil
}

// node is one node of the index: n keys, then n hashes.
type node struct {
	b        []byte
	n, width int
}

func (d node) key(i int) []byte { return d.b[i*d.width : (i+1)*d.width] }

func (d node) hash(i int) (h [hashSize]byte) {
	copy(h[:], d.b[d.n*d.width+i*hashSize:])
	return h
}

// find returns the last child whose first key is at most key; -1: none.
func (d node) find(key []byte) int {
	return sort.Search(d.n, func(i int) bool { return bytes.Compare(d.key(i), key) > 0 }) - 1
}

func (s *Set) root() node { return node{s.head[headerSize:s.headSize()], s.rootLen(), s.width} }

func (s *Set) page(i int) node {
	off, n := s.pageSpan(i)
	return node{s.head[off : off+int64(n*(s.width+hashSize))], n, s.width}
}

// node returns the index node that points to block i, and the place in it.
func (s *Set) node(i int) (node, int) {
	if s.pages == 0 {
		return s.root(), i
	}
	return s.page(i / s.perPage), i % s.perPage
}

// block returns block i and its number of entries.
func (s *Set) block(i int) ([]byte, int) {
	off, n := s.blockSpan(i)
	off -= s.blocksOff()
	return s.body[off : off+int64(n*(s.width+valueSize))], n
}

// Len returns the number of entries.
func (s *Set) Len() int { return int(s.entries) }

// Width returns the octets of each serial number.
func (s *Set) Width() int { return s.width }

// Size returns the octets held in memory.
func (s *Set) Size() int64 { return s.layout.size() }

// Lookup finds a serial number, given as DER INTEGER contents: 1 octet at
// least, minimally encoded. 255 (00 ff) and −1 (ff) are different serials.
func (s *Set) Lookup(serial []byte) (Entry, bool) {
	if len(serial) == 0 || len(serial) > s.width || s.entries == 0 {
		return Entry{}, false
	}
	var buf [MaxWidth]byte
	key := buf[:s.width]
	extend(key, serial)
	i := s.root().find(key)
	if i < 0 {
		return Entry{}, false
	}
	if s.pages > 0 {
		k := s.page(i).find(key)
		if k < 0 {
			return Entry{}, false
		}
		i = i*s.perPage + k
	}
	block, n := s.block(i)
	return lookupBlock(block, n, s.width, key)
}

func lookupBlock(block []byte, n, w int, key []byte) (Entry, bool) {
	k := sort.Search(n, func(k int) bool { return bytes.Compare(block[k*w:(k+1)*w], key) >= 0 })
	if k == n || !bytes.Equal(block[k*w:(k+1)*w], key) {
		return Entry{}, false
	}
	return entryAt(block, n, w, k), true
}

func entryAt(block []byte, n, w, k int) Entry {
	return Entry{
		Serial: block[k*w : (k+1)*w],
		Date:   binary.LittleEndian.Uint32(block[n*w+k*dateSize:]),
		Reason: block[n*(w+dateSize)+k],
	}
}

// All yields the entries in ascending order of their octets.
func (s *Set) All() iter.Seq[Entry] {
	return func(yield func(Entry) bool) {
		for i := range s.blocks {
			block, n := s.block(i)
			for k := range n {
				if !yield(entryAt(block, n, s.width, k)) {
					return
				}
			}
		}
	}
}
