package serialset

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"sort"
)

// Span is a range of the octets of a set object.
type Span struct{ Offset, Length int64 }

func (s Span) end() int64 { return s.Offset + s.Length }

// Index is the head of a set that lies elsewhere: header and root of the
// index, some 64 KiB at most. It never changes, and may be asked from several
// goroutines at once. A look-up takes these steps; [Index.Lookup] takes them
// all, for callers that keep nothing:
//
//	ref, ok := index.Find(serial) // not ok: the set does not have it
//	if ok && ref.Page {
//		page, err := ref.OpenPage(read(ref.Span))
//		ref, ok = page.Find(serial)
//	}
//	if ok {
//		block, err := ref.OpenBlock(read(ref.Span))
//		entry, ok = block.Lookup(serial)
//	}
type Index struct {
	layout
	root node
}

// OpenIndex verifies the head of a set against the digest that the catalog
// gives it. The index keeps head. The error wraps [ErrCorrupt] or [ErrVersion].
func OpenIndex(head []byte, digest Digest) (*Index, error) {
	l, err := parseHeader(head)
	if err != nil {
		return nil, err
	}
	if len(head) != l.headSize() {
		return nil, corrupt("its head has %d bytes and %d were read", l.headSize(), len(head))
	}
	if got := Digest(sha256.Sum256(head)); got != digest {
		return nil, corrupt("header and index have SHA-256 %v and the catalog says %v", got, digest)
	}
	x := &Index{l, rootNode(head, &l)}
	if !x.root.ascending(nil) {
		return nil, corrupt("serial numbers of the index do not ascend")
	}
	return x, nil
}

// Len returns the number of entries in the set.
func (x *Index) Len() int { return int(x.entries) }

// Width returns the octets of each serial number.
func (x *Index) Width() int { return x.width }

// Size returns the size of the whole set object, in octets.
func (x *Index) Size() int64 { return x.size() }

// Ref is a page or a block to read: the one place where a serial number can
// be, what lies there, and what its hash must be. It is safe to read more than
// once, and to keep what Open returns under Span.
type Ref struct {
	Span
	Page   bool // a page of the index; otherwise a block
	Number int  // of the page or the block, from 0

	layout     *layout
	hash       [hashSize]byte
	key, next  []byte // first serial number in it, and the first behind it, if known
	childCount int
}

// Find returns what to read in order to know whether the set has a serial
// number, given as for [Set.Lookup]; false: the set does not have it.
func (x *Index) Find(serial []byte) (Ref, bool) {
	return find(x.root, &x.layout, serial, 0, x.pages > 0, nil)
}

// find returns the child of an index node that may have a serial number. The
// first child is number first; next is the key that follows the node's last.
func find(d node, l *layout, serial []byte, first int, page bool, next []byte) (Ref, bool) {
	if len(serial) == 0 || len(serial) > l.width {
		return Ref{}, false
	}
	var buf [MaxWidth]byte
	key := buf[:l.width]
	extend(key, serial)
	k := d.find(key)
	if k < 0 {
		return Ref{}, false
	}
	r := Ref{Page: page, Number: first + k, layout: l, hash: d.hash(k), key: d.key(k), next: next}
	if k+1 < d.n {
		r.next = d.key(k + 1)
	}
	if page {
		r.Span, r.childCount = l.pageSpan(r.Number)
	} else {
		r.Span, r.childCount = l.blockSpan(r.Number)
	}
	return r, true
}

// verify checks that data is what the index says.
func (r *Ref) verify(data []byte) error {
	what := "block"
	if r.Page {
		what = "index page"
	}
	switch {
	case int64(len(data)) != r.Length:
		return corrupt("%s %d has %d bytes and %d were read", what, r.Number, r.Length, len(data))
	case childHash(data) != r.hash:
		return corrupt("%s %d fails its hash", what, r.Number)
	case !bytes.Equal(data[:len(r.key)], r.key):
		return corrupt("%s %d does not begin with the serial number that the index gives it", what, r.Number)
	}
	return nil
}

// Page is a verified page of the index. It never changes.
type Page struct {
	ref Ref
	node
}

// OpenPage verifies data, which was read at the reference's span. The page
// keeps data. The error wraps [ErrCorrupt].
func (r Ref) OpenPage(data []byte) (*Page, error) {
	if !r.Page {
		return nil, corrupt("block %d is not an index page", r.Number)
	}
	if err := r.verify(data); err != nil {
		return nil, err
	}
	p := &Page{r, node{data, r.childCount, r.layout.width}}
	if !p.ascending(r.next) {
		return nil, corrupt("serial numbers of index page %d do not ascend", r.Number)
	}
	return p, nil
}

// Find returns the block to read, as [Index.Find] does, for a serial number for
// which the index named this page. It panics for any other: the page cannot
// tell whether the set has that, and must not seem to.
func (p *Page) Find(serial []byte) (Ref, bool) {
	l := p.ref.layout
	r, ok := find(p.node, l, serial, p.ref.Number*l.perPage, false, p.ref.next)
	if !ok || !below(serial, p.ref.next) {
		panic(fmt.Sprintf("serialset: index page %d asked about %x, which it does not cover", p.ref.Number, serial))
	}
	return r, true
}

// below reports whether a serial number lies before next; nil: before the end.
func below(serial, next []byte) bool {
	if next == nil {
		return true
	}
	var buf [MaxWidth]byte
	key := buf[:len(next)]
	extend(key, serial)
	return bytes.Compare(key, next) < 0
}

// Block is a verified block. It never changes.
type Block struct {
	ref           Ref
	rows          []byte
	width, stride int
}

// OpenBlock verifies data, which was read at the reference's span. The block
// keeps data. The error wraps [ErrCorrupt].
func (r Ref) OpenBlock(data []byte) (*Block, error) {
	if r.Page {
		return nil, corrupt("index page %d is not a block", r.Number)
	}
	if err := r.verify(data); err != nil {
		return nil, err
	}
	b := &Block{r, data, r.layout.width, r.layout.stride()}
	if !b.ascending(r.next) {
		return nil, corrupt("serial numbers of block %d do not ascend", r.Number)
	}
	return b, nil
}

func (b *Block) key(i int) []byte { return b.rows[i*b.stride:][:b.width] }

// Len returns the number of entries.
func (b *Block) Len() int { return len(b.rows) / b.stride }

func (b *Block) ascending(next []byte) bool {
	for i := 1; i < b.Len(); i++ {
		if bytes.Compare(b.key(i-1), b.key(i)) >= 0 {
			return false
		}
	}
	return next == nil || bytes.Compare(b.key(b.Len()-1), next) < 0
}

// Lookup finds a serial number, given as for [Set.Lookup], for which the index
// or a page named this block. It panics for any other: the block cannot tell
// whether the set has that, and must not seem to.
func (b *Block) Lookup(serial []byte) (Entry, bool) {
	var buf [MaxWidth]byte
	key := buf[:b.width]
	inside := len(serial) > 0 && len(serial) <= b.width
	if inside {
		extend(key, serial)
		inside = bytes.Compare(key, b.ref.key) >= 0 && below(serial, b.ref.next)
	}
	if !inside {
		panic(fmt.Sprintf("serialset: block %d asked about %x, which it does not cover", b.ref.Number, serial))
	}
	i := sort.Search(b.Len(), func(i int) bool { return bytes.Compare(b.key(i), key) >= 0 })
	if i == b.Len() || !bytes.Equal(b.key(i), key) {
		return Entry{}, false
	}
	return entryOf(b.rows[i*b.stride:(i+1)*b.stride], b.width), true
}

// Lookup finds a serial number, reading the page and the block that it takes
// through read. It keeps nothing of what it reads. An error means that nothing
// is known of the serial number.
func (x *Index) Lookup(serial []byte, read func(Span) ([]byte, error)) (Entry, bool, error) {
	ref, ok := x.Find(serial)
	if !ok {
		return Entry{}, false, nil
	}
	data, err := read(ref.Span)
	if err != nil {
		return Entry{}, false, err
	}
	if ref.Page {
		page, err := ref.OpenPage(data)
		if err != nil {
			return Entry{}, false, err
		}
		ref, _ = page.Find(serial)
		if data, err = read(ref.Span); err != nil {
			return Entry{}, false, err
		}
	}
	block, err := ref.OpenBlock(data)
	if err != nil {
		return Entry{}, false, err
	}
	e, ok := block.Lookup(serial)
	return e, ok, nil
}
