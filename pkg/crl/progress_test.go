package crl

import (
	"bytes"
	"errors"
	"io"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/crlgate/crlgate/internal/pki/pkitest"
)

// pauses hands out one octet after so many reads of none, again and again.
type pauses struct {
	data  string
	empty []int
}

func (p *pauses) Read(b []byte) (int, error) {
	if p.data == "" {
		return 0, io.EOF
	}
	if p.empty[0] > 0 {
		p.empty[0]--
		return 0, nil
	}
	n := copy(b, p.data[:1])
	p.data, p.empty = p.data[n:], p.empty[1:]
	return n, nil
}

// TestSourcePauses: a hundred reads of nothing in a row are borne, and one more
// is a source that makes no progress; what was read before stays.
func TestSourcePauses(t *testing.T) {
	for _, c := range []struct {
		empty []int
		want  int // octets
	}{
		{[]int{100, 0, 0, 0}, 4},
		{[]int{101, 0, 0, 0}, 0},
		{[]int{0, 100, 100, 100}, 4},
		{[]int{0, 0, 101, 0}, 2},
		{[]int{100, 100, 1, 101}, 3},
	} {
		s := newStream(&pauses{"octe", slices.Clone(c.empty)}, minChunk)
		err := s.need(c.want)
		if err != nil || string(s.window) != "octe"[:c.want] {
			t.Errorf("after pauses of %d: %q, %v", c.empty, s.window, err)
		}
		want := io.ErrNoProgress
		if c.want == 4 {
			want = io.EOF
		}
		if err := s.need(c.want + 1); !errors.Is(err, want) {
			t.Errorf("after pauses of %d, then: %v, want %v", c.empty, err, want)
		}
		s.close()
	}
}

// slowReader says whether a read of it is under way, and how many there were;
// each takes a minute, and is of a hundred octets at most.
type slowReader struct {
	r              io.Reader
	reads, reading atomic.Int32
}

func (s *slowReader) Read(p []byte) (int, error) {
	s.reads.Add(1)
	s.reading.Add(1)
	defer s.reading.Add(-1)
	time.Sleep(time.Minute)
	return s.r.Read(p[:min(len(p), 100)])
}

// TestReadWaitsForItsSource: where a fault is found while the source is read, that
// read is waited for, and there is no other.
func TestReadWaitsForItsSource(t *testing.T) {
	der := pkitest.CRL(t, testCA(t), testOptions(mixedEntries(600)...))
	at := 3*minChunk + bytes.Index(der[3*minChunk:], []byte("\x17\x0d26"))
	der[at] = 0xff // the tag of a revocation date
	if len(der) < at+8*minChunk {
		t.Fatalf("only %d octets", len(der))
	}
	synctest.Test(t, func(t *testing.T) {
		source := &slowReader{r: bytes.NewReader(der)}
		s := newStream(source, minChunk)
		p := &parser{s: s, list: &List{}}
		err := p.certificateList()
		if e := (*Error)(nil); !errors.As(err, &e) || e.Code != Malformed || !strings.Contains(e.Detail, "revocation date") {
			t.Errorf("%v", err)
		}
		synctest.Wait()
		if source.reading.Load() != 1 {
			t.Error("nothing is read ahead while the fault is found")
		}
		reads := source.reads.Load()
		s.close()
		if source.reading.Load() != 0 || source.reads.Load() != reads {
			t.Errorf("%d reads are under way, and %d were begun", source.reading.Load(), source.reads.Load()-reads)
		}
	})
}

// endedReader counts the reads behind its end.
type endedReader struct {
	left int
	err  error
	late atomic.Int32
}

func (e *endedReader) Read(p []byte) (int, error) {
	if e.left == 0 && e.err == nil {
		e.late.Add(1)
		return 0, io.EOF
	}
	n := min(len(p), e.left)
	if e.left -= n; e.left > 0 {
		return n, nil
	}
	err := e.err
	e.err = nil
	return n, err
}

// TestSourceIsLeftAloneAtItsEnd: a source that has ended, or failed, is not read
// again.
func TestSourceIsLeftAloneAtItsEnd(t *testing.T) {
	for _, end := range []error{io.EOF, errors.New("connection reset")} {
		for _, octets := range []int{10, minChunk, 5*minChunk + 10} {
			synctest.Test(t, func(t *testing.T) {
				source := &endedReader{left: octets, err: end}
				s := newStream(source, minChunk)
				for range 3 {
					if err := s.need(octets + 1); !errors.Is(err, end) {
						t.Errorf("%d octets, then %v, want %v", octets, err, end)
					}
				}
				synctest.Wait()
				s.close()
				if n := source.late.Load(); n > 0 {
					t.Errorf("%d octets, then %v, and then %d reads more", octets, end, n)
				}
			})
		}
	}
}

// TestSignedPartMeetsChunks: the digest is that of the signed part, whether its
// last octets, or the octets behind it, lie in a chunk of their own.
func TestSignedPartMeetsChunks(t *testing.T) {
	ca := testCA(t)
	der := pkitest.CRL(t, ca, testOptions(mixedEntries(60)...))
	head, _, _ := elementLength(der)
	inner, length, _ := elementLength(der[head:])
	end := head + inner + int(length)
	for _, border := range []int{end - 2, end - 1, end, end + 1, end + 2, len(der) - 1, len(der)} {
		for _, size := range []int{border, border / 2, (border + 1) / 2} {
			got := readAll(bytes.NewReader(der), Options{}, size)
			if got.err != nil {
				t.Fatalf("chunks of %d: %v", size, got.err)
			}
			if err := got.list.CheckSignature(ca.Key.Public()); err != nil {
				t.Errorf("signed part up to %d, chunks of %d: %v", end, size, err)
			}
		}
	}
}

// TestMessage: what an Ed25519 signature is over is gathered as it comes, in
// room that doubles where it is too small and is never more than is claimed.
func TestMessage(t *testing.T) {
	for _, size := range []int{1, 1000, 1001, 4096} {
		m := &message{size: size}
		var want []byte
		for i := 0; len(want) < size; i++ {
			piece := bytes.Repeat([]byte{byte(i + 1)}, min([]int{1, 1, 0, 5, 100, 1, 3}[i%7], size-len(want)))
			want = append(want, piece...)
			room := cap(m.b)
			if len(want) > room {
				room = max(len(want), min(2*len(want), size))
			}
			n, err := m.Write(piece)
			if n != len(piece) || err != nil || !bytes.Equal(m.b, want) {
				t.Fatalf("%d of %d octets written, %v; %d gathered, want %d", n, len(piece), err, len(m.b), len(want))
			}
			if cap(m.b) != room {
				t.Errorf("room for %d octets of %d, want %d", cap(m.b), size, room)
			}
		}
	}
}
