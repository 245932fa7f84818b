package serialset

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"runtime"
	"testing"
	"testing/iotest"
)

// shapes are the kinds of serial numbers that CAs, or their enemies, choose.
var shapes = map[string]func(r *rand.Rand, i int) []byte{
	"random16":   func(r *rand.Rand, _ int) []byte { return fill(r, 16) },
	"sequential": func(_ *rand.Rand, i int) []byte { return counter(i) },
	"descending": func(_ *rand.Rand, i int) []byte { return counter(1<<30 - i) },
	"skewed": func(_ *rand.Rand, i int) []byte {
		return append([]byte{0x11, 0x22, 0x33, 0x44, 0x55, 0x66, 0x77, 0x08}, binary.BigEndian.AppendUint64(nil, uint64(i*7919))...)
	},
	"hostile": func(_ *rand.Rand, i int) []byte {
		b := make([]byte, 17)
		putHostile(b[1:], uint64(i))
		return minimal(b)
	},
	"mixed widths": func(r *rand.Rand, _ int) []byte { return fill(r, 1+r.IntN(20)) },
	"few":          func(r *rand.Rand, _ int) []byte { return fill(r, 1) },
	"two crowds": func(r *rand.Rand, i int) []byte {
		return append([]byte{byte(1 + i%2*0x7e), 9, 9, 9, 9, 9, 9, 9, 9}, fill(r, 3)...)
	},
	"wide": func(_ *rand.Rand, i int) []byte { return append(bytes.Repeat([]byte{0x7a}, 60), counter(i)...) },
}

func fill(r *rand.Rand, n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(r.Uint32())
	}
	return minimal(b)
}

func counter(i int) []byte { return minimal(binary.BigEndian.AppendUint32([]byte{0}, uint32(i))) }

// minimal drops what DER would not encode.
func minimal(b []byte) []byte {
	for len(b) > 1 && (b[0] == 0 && b[1] < 0x80 || b[0] == 0xff && b[1] >= 0x80) {
		b = b[1:]
	}
	return b
}

type value struct {
	date   uint32
	reason uint8
}

func finish(t testing.TB, b *Builder) (*Image, []byte) {
	t.Helper()
	img, err := b.Finish()
	if err != nil {
		t.Fatal(err)
	}
	data, err := io.ReadAll(img.Reader())
	if err != nil || int64(len(data)) != img.Size() {
		t.Fatalf("%d bytes, want %d: %v", len(data), img.Size(), err)
	}
	return img, data
}

// both opens a set in both ways, and asks both.
type both struct {
	t     testing.TB
	data  []byte
	set   *Set
	index *Index
}

func openBoth(t testing.TB, data []byte, digest Digest) *both {
	t.Helper()
	s, err := Open(data, digest)
	if err != nil {
		t.Fatal(err)
	}
	if s.Memory() > MaxMemory(s.Size()) {
		t.Errorf("a set of %d bytes takes up %d", s.Size(), s.Memory())
	}
	x, err := OpenIndex(data[:s.headSize()], digest)
	if err != nil {
		t.Fatal(err)
	}
	if x.Len() != s.Len() || x.Width() != s.Width() || x.Size() != s.Size() {
		t.Errorf("index of %d entries of %d octets, %d in all; set of %d of %d, %d in all", x.Len(), x.Width(), x.Size(), s.Len(), s.Width(), s.Size())
	}
	return &both{t, data, s, x}
}

func (b *both) read(s Span) ([]byte, error) { return b.data[s.Offset:s.end()], nil }

func (b *both) lookup(serial []byte) (Entry, bool) {
	b.t.Helper()
	e, ok := b.set.Lookup(serial)
	r, found, err := b.index.Lookup(serial, b.read)
	if err != nil || found != ok || r.Date != e.Date || r.Reason != e.Reason || !bytes.Equal(r.Serial, e.Serial) {
		b.t.Fatalf("%x: whole %v %v, by range %v %v %v", serial, e, ok, r, found, err)
	}
	return e, ok
}

// TestSetAgainstMap builds sets of many shapes and sizes and asks them for
// everything that is in them and much that is not, beside a map.
func TestSetAgainstMap(t *testing.T) {
	for name, shape := range shapes {
		for _, n := range []int{0, 1, 2, 25, 780, 781, 2000} {
			t.Run(fmt.Sprintf("%s/%d", name, n), func(t *testing.T) {
				r := rand.New(rand.NewPCG(1, uint64(n)))
				want := map[string]value{}
				var b Builder
				for i := range n {
					serial, v := shape(r, i), value{uint32(1000 + i), uint8(i % 7)}
					if err := b.Append(len(serial), serial, []uint32{v.date}, []uint8{v.reason}); err != nil {
						t.Fatal(err)
					}
					if old, ok := want[string(serial)]; !ok || v.date < old.date {
						want[string(serial)] = v
					}
				}
				img, data := finish(t, &b)
				s := openBoth(t, data, img.Digest())
				check(t, s, want)
				for range 300 {
					probe := shape(r, n+r.IntN(1000))
					_, ok := s.lookup(probe)
					if _, in := want[string(probe)]; in != ok {
						t.Fatalf("%x found: %v, is in: %v", probe, ok, in)
					}
				}
				for _, probe := range [][]byte{nil, {0}, {0x7f}, {0x80}, {0xff}, bytes.Repeat([]byte{0x7f}, 64), bytes.Repeat([]byte{0x80}, 65)} {
					_, ok := s.lookup(probe)
					if _, in := want[string(probe)]; in != ok {
						t.Fatalf("%x found: %v, is in: %v", probe, ok, in)
					}
				}
			})
		}
	}
}

func check(t *testing.T, s *both, want map[string]value) {
	t.Helper()
	if s.set.Len() != len(want) {
		t.Fatalf("%d entries, want %d", s.set.Len(), len(want))
	}
	var last []byte
	for e := range s.set.All() {
		if last != nil && bytes.Compare(last, e.Serial) >= 0 {
			t.Fatalf("%x stands before %x", last, e.Serial)
		}
		last = e.Serial
		v, ok := want[string(e.Contents())]
		if !ok || v != (value{e.Date, e.Reason}) {
			t.Fatalf("entry %x is %+v, want %+v (%v)", e.Serial, e, v, ok)
		}
	}
	for serial, v := range want {
		e, ok := s.lookup([]byte(serial))
		if !ok || v != (value{e.Date, e.Reason}) {
			t.Fatalf("%x: %+v %v, want %+v", serial, e, ok, v)
		}
	}
}

// TestSerialsKeepTheirSign: 255 and −1 differ, and so do 0 and absence.
func TestSerialsKeepTheirSign(t *testing.T) {
	all := [][]byte{{0x00, 0xff}, {0xff}, {0x00}, {0x80}, {0x00, 0x80}, {0x7f}, {0xff, 0x7f}}
	for skip := range all {
		var b Builder
		for i, s := range all {
			if i != skip {
				_ = b.Append(len(s), s, []uint32{uint32(i)}, []uint8{0})
			}
		}
		img, data := finish(t, &b)
		s := openBoth(t, data, img.Digest())
		for i, serial := range all {
			e, ok := s.lookup(serial)
			if ok != (i != skip) || ok && e.Date != uint32(i) {
				t.Errorf("without %x: %x found %v %+v", all[skip], serial, ok, e)
			}
		}
	}
}

// TestDuplicatesKeepWhatRevokes: the order of the CRL must not matter.
func TestDuplicatesKeepWhatRevokes(t *testing.T) {
	rows := []value{{5, 8}, {9, 1}, {7, 0}, {7, 4}, {1, 8}}
	for range rows {
		rows = append(rows[1:], rows[0])
		var b Builder
		for _, v := range rows {
			_ = b.Append(1, []byte{3}, []uint32{v.date}, []uint8{v.reason})
		}
		img, _ := b.Finish()
		e, ok := img.Set().Lookup([]byte{3})
		if !ok || img.Len() != 1 || (value{e.Date, e.Reason}) != (value{7, 4}) {
			t.Errorf("%v: %+v %v of %d", rows, e, ok, img.Len())
		}
	}
}

// TestAppendRefuses what does not fit together, and keeps what it has.
func TestAppendRefuses(t *testing.T) {
	var b Builder
	if err := b.Append(2, []byte{1, 2}, []uint32{1}, []uint8{0}); err != nil {
		t.Fatal(err)
	}
	for _, width := range []int{-1, 0, 1, 3, 65} {
		if err := b.Append(width, []byte{1, 2}, []uint32{1}, []uint8{0}); err == nil {
			t.Errorf("width %d was accepted", width)
		}
	}
	if err := b.Append(1, []byte{1}, []uint32{1}, nil); err == nil {
		t.Error("an entry without a reason was accepted")
	}
	if img, _ := finish(t, &b); img.Len() != 1 {
		t.Errorf("%d entries", img.Len())
	}
	if b.Len() != 0 {
		t.Error("Finish left something behind")
	}
}

func TestImageReader(t *testing.T) {
	for _, n := range []int{0, 1, 2000} {
		var b Builder
		for i := range n {
			s := counter(i)
			_ = b.Append(len(s), s, []uint32{1}, []uint8{0})
		}
		img, data := finish(t, &b)
		if err := iotest.TestReader(img.Reader(), data); err != nil {
			t.Fatal(err)
		}
		var w bytes.Buffer
		if _, err := img.WriteTo(&w); err != nil || !bytes.Equal(w.Bytes(), data) {
			t.Fatalf("WriteTo: %v", err)
		}
		r := img.Reader()
		if off, err := r.Seek(-int64(len(data)/3), io.SeekEnd); err != nil || off != int64(len(data)-len(data)/3) {
			t.Fatalf("sought to %d: %v", off, err)
		}
		w.Reset()
		if _, err := io.Copy(&w, r); err != nil || !bytes.Equal(w.Bytes(), data[len(data)-len(data)/3:]) {
			t.Fatalf("the last third: %v", err)
		}
		i := 0
		set := img.Set()
		for e := range img.All() {
			if got, ok := set.Lookup(e.Serial); !ok || got.Date != e.Date {
				t.Fatalf("%x is not in the set", e.Serial)
			}
			i++
		}
		if i != n || set.Len() != n {
			t.Fatalf("%d entries, set of %d, want %d", i, set.Len(), n)
		}
	}
}

// TestHeaderCannotMakeReadersAllocate: what a header claims costs nothing
// until the bytes are there.
func TestHeaderCannotMakeReadersAllocate(t *testing.T) {
	for _, width := range []int{MinWidth, 16, 20} {
		l, err := newLayout(width, MaxEntries)
		if err != nil {
			t.Fatal(err)
		}
		head := make([]byte, headerSize)
		l.putHeader(head)
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		_, err1 := Open(head, Digest{})
		_, _, err2 := Inspect(head)
		_, err3 := OpenIndex(head, Digest{})
		runtime.ReadMemStats(&after)
		for _, err := range []error{err1, err2, err3} {
			if !errors.Is(err, ErrCorrupt) {
				t.Errorf("width %d: %v", width, err)
			}
		}
		if n := after.TotalAlloc - before.TotalAlloc; n > 64<<10 {
			t.Errorf("width %d: %d bytes allocated for %d that were given", width, n, len(head))
		}
	}
}
