package serialset

import (
	"bytes"
	"errors"
	"io"
	"iter"
)

// Scan reads a whole set object front to back and yields its entries in
// ascending order of their octets, each verified before it is yielded, with an
// entry's Serial valid until the next. It holds the index and one block in
// memory, whatever the size of the set. The last that it yields may be an
// error, which wraps [ErrCorrupt] or [ErrVersion] or is the reader's; what came
// before it is true, and there may be more.
func Scan(r io.Reader, digest Digest) iter.Seq2[Entry, error] {
	return func(yield func(Entry, error) bool) {
		s, err := newScanner(r, digest)
		if err != nil {
			yield(Entry{}, err)
			return
		}
		for i := range s.blocks {
			block, err := s.next(i)
			if err != nil {
				yield(Entry{}, err)
				return
			}
			for ; len(block) > 0; block = block[s.stride():] {
				if !yield(entryOf(block[:s.stride()], s.width), nil) {
					return
				}
			}
		}
	}
}

// scanner reads a set's blocks in order.
type scanner struct {
	layout
	from  io.Reader
	index []byte // head and pages
	block []byte
	last  []byte // serial number before the block
}

func newScanner(r io.Reader, digest Digest) (*scanner, error) {
	header, err := readNext(r, nil, headerSize)
	if err != nil {
		return nil, err
	}
	l, err := parseHeader(header)
	if err != nil {
		return nil, err
	}
	index, err := readNext(r, header, l.headSize()-headerSize)
	if err != nil {
		return nil, err
	}
	if _, err := OpenIndex(index, digest); err != nil {
		return nil, err
	}
	if index, err = readNext(r, index, int(l.blocksOff())-l.headSize()); err != nil {
		return nil, err
	}
	if err := newSet(l, index).verifyPages(); err != nil {
		return nil, err
	}
	return &scanner{layout: l, from: r, index: index}, nil
}

// next reads block i and verifies it.
func (s *scanner) next(i int) (block []byte, err error) {
	span, _ := s.blockSpan(i)
	if s.block, err = readNext(s.from, s.block[:0], int(span.Length)); err != nil {
		return nil, err
	}
	node, k := nodeOf(s.index, &s.layout, i)
	if err := checkBlock(i, s.block, node.key(k), node.hash(k)); err != nil {
		return nil, err
	}
	before := s.last
	for row := s.block; len(row) > 0; row = row[s.stride():] {
		if before != nil && bytes.Compare(before, row[:s.width]) >= 0 {
			return nil, corrupt("serial numbers of block %d do not ascend", i)
		}
		before = row[:s.width]
	}
	s.last = append(s.last[:0], before...)
	return s.block, nil
}

// readNext appends the next n octets to data.
func readNext(r io.Reader, data []byte, n int) ([]byte, error) {
	have := len(data)
	data = append(data, make([]byte, n)...)
	_, err := io.ReadFull(r, data[have:])
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return nil, corrupt("it ends early")
	}
	return data, err
}
