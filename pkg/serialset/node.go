package serialset

import (
	"bytes"
	"sort"
)

// node is one node of the index, the root or a page: n keys, then n hashes. A
// child's key is its own first key.
type node struct {
	b        []byte
	n, width int
}

func rootNode(head []byte, l *layout) node {
	return node{head[headerSize:l.headSize()], l.rootLen(), l.width}
}

// nodeOf returns the index node that points to block i, and the place in it.
func nodeOf(head []byte, l *layout, i int) (node, int) {
	if l.pages == 0 {
		return rootNode(head, l), i
	}
	span, n := l.pageSpan(i / l.perPage)
	return node{head[span.Offset:span.end()], n, l.width}, i % l.perPage
}

func (d node) key(i int) []byte { return d.b[i*d.width : (i+1)*d.width] }

func (d node) hash(i int) (h [hashSize]byte) {
	copy(h[:], d.b[d.n*d.width+i*hashSize:])
	return h
}

func (d node) set(i int, key []byte, h [hashSize]byte) {
	copy(d.key(i), key)
	copy(d.b[d.n*d.width+i*hashSize:], h[:])
}

// find returns the last child whose first key is at most key; -1: none.
func (d node) find(key []byte) int {
	return sort.Search(d.n, func(i int) bool { return bytes.Compare(d.key(i), key) > 0 }) - 1
}

// ascending reports whether the keys are, and lie below next, if there is one.
func (d node) ascending(next []byte) bool {
	for i := 1; i < d.n; i++ {
		if bytes.Compare(d.key(i-1), d.key(i)) >= 0 {
			return false
		}
	}
	return next == nil || d.n == 0 || bytes.Compare(d.key(d.n-1), next) < 0
}
