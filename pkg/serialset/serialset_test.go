package serialset

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
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
	"mixed widths": func(r *rand.Rand, _ int) []byte { return fill(r, 1+r.IntN(20)) },
	"few":          func(r *rand.Rand, _ int) []byte { return fill(r, 1) },
	"wide":         func(r *rand.Rand, i int) []byte { return append(bytes.Repeat([]byte{0x7a}, 60), counter(i)...) },
}

func fill(r *rand.Rand, n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(r.Uint32())
	}
	return minimal(b)
}

func counter(i int) []byte { return minimal(binary.BigEndian.AppendUint32([]byte{0}, uint32(i))[1:]) }

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

// TestSetAgainstMap builds sets of many shapes and sizes and asks them for
// everything that is in them and much that is not, beside a map.
func TestSetAgainstMap(t *testing.T) {
	for name, shape := range shapes {
		for _, n := range []int{0, 1, 2, 25, 779, 780, 781, 5000, 60000} {
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
				img, err := b.Finish()
				if err != nil {
					t.Fatal(err)
				}
				data, err := io.ReadAll(img.Reader())
				if err != nil || int64(len(data)) != img.Size() {
					t.Fatalf("%d bytes, want %d: %v", len(data), img.Size(), err)
				}
				s, err := Open(data, img.Digest())
				if err != nil {
					t.Fatal(err)
				}
				check(t, s, want)
				for range 2000 {
					probe := shape(r, n+r.IntN(1000))
					_, ok := s.Lookup(probe)
					if _, in := want[string(probe)]; in != ok {
						t.Fatalf("%x found: %v, is in: %v", probe, ok, in)
					}
				}
			})
		}
	}
}

func check(t *testing.T, s *Set, want map[string]value) {
	t.Helper()
	if s.Len() != len(want) {
		t.Fatalf("%d entries, want %d", s.Len(), len(want))
	}
	var last []byte
	for e := range s.All() {
		if last != nil && bytes.Compare(last, e.Serial) >= 0 {
			t.Fatalf("%x stands before %x", last, e.Serial)
		}
		last = e.Serial
		v, ok := want[string(minimal(e.Serial))]
		if !ok || v != (value{e.Date, e.Reason}) {
			t.Fatalf("entry %x is %+v, want %+v (%v)", e.Serial, e, v, ok)
		}
	}
	for serial, v := range want {
		e, ok := s.Lookup([]byte(serial))
		if !ok || v != (value{e.Date, e.Reason}) {
			t.Fatalf("%x: %+v %v, want %+v", serial, e, ok, v)
		}
	}
}

// TestTwoIndexLevels uses serials wide enough that the root points to pages.
func TestTwoIndexLevels(t *testing.T) {
	const n = 250000
	var b Builder
	serial := make([]byte, 64)
	for i := range n {
		binary.BigEndian.PutUint64(serial[50:], uint64(i*2654435761))
		serial[0] = 1
		if err := b.Append(64, serial, []uint32{uint32(i)}, []uint8{0}); err != nil {
			t.Fatal(err)
		}
	}
	img, _ := b.Finish()
	if img.pages == 0 {
		t.Fatal("the index has one level")
	}
	if img.HeadSize() > targetRoot {
		t.Fatalf("head has %d bytes", img.HeadSize())
	}
	data, _ := io.ReadAll(img.Reader())
	s, err := Open(data, img.Digest())
	if err != nil {
		t.Fatal(err)
	}
	for i := range n {
		binary.BigEndian.PutUint64(serial[50:], uint64(i*2654435761))
		if e, ok := s.Lookup(serial); !ok || e.Date != uint32(i) {
			t.Fatalf("entry %d: %+v %v", i, e, ok)
		}
		binary.BigEndian.PutUint64(serial[50:], uint64(i*2654435761+1))
		if _, ok := s.Lookup(serial); ok {
			t.Fatalf("found what is not there, near %d", i)
		}
	}
	flipEach(t, data, img.Digest(), len(data)/100)
}

// TestEveryByteIsCovered flips bits all over a set; none may go unnoticed.
func TestEveryByteIsCovered(t *testing.T) {
	r := rand.New(rand.NewPCG(5, 5))
	var b Builder
	for range 3000 {
		s := fill(r, 16)
		_ = b.Append(len(s), s, []uint32{r.Uint32()}, []uint8{1})
	}
	img, _ := b.Finish()
	data, _ := io.ReadAll(img.Reader())
	flipEach(t, data, img.Digest(), len(data)/500)
	for _, n := range []int{0, 1, 63, 64, len(data) - 1} {
		if _, err := Open(data[:n], img.Digest()); !errors.Is(err, ErrCorrupt) {
			t.Errorf("cut to %d: %v", n, err)
		}
	}
	if _, err := Open(append(bytes.Clone(data), 0), img.Digest()); !errors.Is(err, ErrCorrupt) {
		t.Errorf("a byte more: %v", err)
	}
	newer := bytes.Clone(data)
	newer[7] = Version + 1
	if _, err := Open(newer, img.Digest()); !errors.Is(err, ErrVersion) {
		t.Errorf("newer format: %v", err)
	}
}

func flipEach(t *testing.T, data []byte, digest Digest, step int) {
	t.Helper()
	for i := 0; i < len(data); i += step {
		data[i] ^= 0x10
		if _, err := Open(data, digest); err == nil {
			t.Fatalf("a flipped bit in byte %d of %d went unnoticed", i, len(data))
		}
		data[i] ^= 0x10
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
		img, _ := b.Finish()
		for i, s := range all {
			e, ok := img.Set().Lookup(s)
			if ok != (i != skip) || ok && e.Date != uint32(i) {
				t.Errorf("without %x: %x found %v %+v", all[skip], s, ok, e)
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

func TestImageReader(t *testing.T) {
	var b Builder
	for i := range 2000 {
		s := counter(i)
		_ = b.Append(len(s), s, []uint32{1}, []uint8{0})
	}
	img, _ := b.Finish()
	data, _ := io.ReadAll(img.Reader())
	if err := iotest.TestReader(img.Reader(), data); err != nil {
		t.Fatal(err)
	}
	var w bytes.Buffer
	if _, err := img.WriteTo(&w); err != nil || !bytes.Equal(w.Bytes(), data) {
		t.Fatalf("WriteTo: %v", err)
	}
}
