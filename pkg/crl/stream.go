package crl

import (
	"io"
	"sync"
	"sync/atomic"
)

const (
	chunkSize = 256 << 10 // what is read, parsed and hashed at a time
	carrySize = 64 << 10  // the most that may straddle two chunks: the largest element read whole
	minChunk  = 1 << 10   // more than lies before the end of the signature algorithm
	chunks    = 6         // chunks in flight: one parsed, the rest read ahead or being hashed
)

// chunk is one buffer of the stream. Fresh bytes start at carrySize; what the
// parser had not yet consumed of the chunk before is copied in front of them,
// so that every element lies in one piece.
type chunk struct {
	buf  []byte // carrySize octets, then as many as a chunk has
	n    int    // fresh bytes
	err  error
	refs atomic.Int32 // the parser and, where the bytes are hashed, the hasher
}

func (c *chunk) fresh() []byte { return c.buf[carrySize : carrySize+c.n] }

// stream hands out the bytes of a reader in order, once, and hashes a part of
// them on the way. Reading ahead, parsing and hashing run on three goroutines
// once the input is longer than one chunk.
type stream struct {
	r    io.Reader
	size int // octets of a chunk, at least minChunk
	free chan *chunk
	full chan *chunk
	done chan struct{}
	wg   sync.WaitGroup

	cur    *chunk
	window []byte // unread bytes at hand, a part of cur.buf
	off    int64  // offset in the stream of window[0]
	end    int64  // offset behind the last byte taken from r
	srcErr error  // what the reader ended with, io.EOF included
	ahead  bool   // the read-ahead goroutine runs

	tapFrom, tapTo int64     // the bytes [tapFrom, tapTo) go to tap
	tap            io.Writer // a hash, or a message: its Write does not fail
	tapCh          chan tapped
	tapDone        chan struct{}
}

type tapped struct {
	c *chunk
	b []byte
}

func newStream(r io.Reader, size int) *stream {
	return &stream{r: r, size: size, done: make(chan struct{})}
}

func (s *stream) newChunk() *chunk { return &chunk{buf: make([]byte, carrySize+s.size)} }

// close stops the goroutines and waits for them; one Read of the source may
// still have to return.
func (s *stream) close() {
	close(s.done)
	s.tapWait()
	s.wg.Wait()
}

// skip consumes n bytes of the window.
func (s *stream) skip(n int) {
	s.window = s.window[n:]
	s.off += int64(n)
}

// need makes at least n bytes available in the window. It returns io.EOF when
// the source ends before, and the source's own error when it fails.
func (s *stream) need(n int) error {
	for len(s.window) < n {
		if s.srcErr != nil {
			return s.srcErr
		}
		s.more()
	}
	return nil
}

// Every element that is read whole fits into the carry, header and all.
const _ = uint(carrySize - maxHeader - max(maxAlgorithm, MaxIssuer, maxTime, MaxEntry, MaxExtensions, MaxSignature))

// more replaces the current chunk by the next one, carrying the unread bytes.
func (s *stream) more() {
	next := s.nextChunk()
	lo := carrySize - len(s.window)
	copy(next.buf[lo:carrySize], s.window)
	if s.cur != nil {
		s.release(s.cur)
	}
	s.cur, s.window = next, next.buf[lo:carrySize+next.n]
	s.srcErr = next.err
}

// nextChunk returns the next chunk; there is one, as long as none before said
// how the source ended.
func (s *stream) nextChunk() *chunk {
	if s.end == 0 {
		// The first chunk is read here: most CRLs are no longer. tapRange comes
		// to it when it is known what to tap.
		c := s.newChunk()
		fill(s.r, c, s.done)
		c.refs.Store(1)
		s.end += int64(c.n)
		return c
	}
	if !s.ahead {
		s.startReadAhead()
	}
	c := <-s.full
	s.dispatch(c, c.fresh(), s.end)
	s.end += int64(c.n)
	return c
}

func (s *stream) startReadAhead() {
	s.ahead = true
	s.free = make(chan *chunk, chunks+2)
	s.full = make(chan *chunk, chunks)
	s.wg.Add(1)
	go func() {
		defer s.wg.Done()
		for made := 0; ; {
			var c *chunk
			select {
			case c = <-s.free:
			default:
			}
			if c == nil && made < chunks { // no more than are needed
				c, made = s.newChunk(), made+1
			}
			if c == nil {
				select {
				case c = <-s.free:
				case <-s.done:
					return
				}
			}
			fill(s.r, c, s.done)
			c.refs.Store(1)
			last := c.err != nil
			select {
			case s.full <- c:
			case <-s.done:
				return
			}
			if last {
				return
			}
		}
	}()
}

// fill reads a chunk full, or what there is. It gives up between two reads
// once nobody waits any more.
func fill(r io.Reader, c *chunk, done <-chan struct{}) {
	c.n, c.err = 0, nil
	for empty := 0; c.n < len(c.buf)-carrySize; {
		select {
		case <-done:
			return
		default:
		}
		n, err := r.Read(c.buf[carrySize+c.n:])
		c.n += n
		if err != nil {
			c.err = err
			return
		}
		if n > 0 {
			empty = 0
		} else if empty++; empty > 100 {
			c.err = io.ErrNoProgress
			return
		}
	}
}

func (s *stream) release(c *chunk) {
	if c.refs.Add(-1) == 0 {
		s.free <- c // never blocks: it is there since the second chunk, and has more places than there are chunks
	}
}

// tapRange sets which bytes of the stream go to w, in order. It is called
// while the first of them are still in the current chunk, the first one.
func (s *stream) tapRange(from, to int64, w io.Writer) {
	s.tapFrom, s.tapTo, s.tap = from, to, w
	start := s.end - int64(s.cur.n)
	s.dispatch(s.cur, s.cur.fresh(), start)
}

// dispatch gives the part of b (which starts at offset start) that lies in the
// tapped range to the hasher; nothing, where there is no such range.
func (s *stream) dispatch(c *chunk, b []byte, start int64) {
	if cut := s.tapTo - start; cut < int64(len(b)) {
		b = b[:max(cut, 0)]
	}
	if cut := s.tapFrom - start; cut > 0 {
		b = b[min(cut, int64(len(b))):]
	}
	if len(b) == 0 {
		return
	}
	if s.tapCh == nil {
		if s.tapTo <= s.end || c.n < s.size {
			_, _ = s.tap.Write(b) // all in one chunk: no goroutine needed
			return
		}
		s.tapCh, s.tapDone = make(chan tapped, chunks), make(chan struct{})
		go func(ch <-chan tapped) {
			defer close(s.tapDone)
			for t := range ch {
				_, _ = s.tap.Write(t.b)
				s.release(t.c)
			}
		}(s.tapCh)
	}
	c.refs.Add(1)
	s.tapCh <- tapped{c, b}
}

// tapWait waits until all tapped bytes that were read have reached the writer.
func (s *stream) tapWait() {
	if s.tapCh != nil {
		close(s.tapCh)
		s.tapCh = nil
		<-s.tapDone
	}
}
