package serialset_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"slices"
	"testing"
	"testing/iotest"

	"github.com/crlgate/crlgate/pkg/serialset"
)

// scanned builds a set of n entries whose serial numbers have width octets.
func scanned(t *testing.T, width, n int) (*serialset.Image, []byte) {
	t.Helper()
	var b serialset.Builder
	for i := range n {
		serial := make([]byte, width)
		binary.BigEndian.PutUint32(serial[width-4:], uint32(i+1)*7)
		serial[0] |= 0x01
		if err := b.Append(width, serial, []uint32{uint32(i)}, []uint8{1}); err != nil {
			t.Fatal(err)
		}
	}
	m, err := b.Finish()
	if err != nil {
		t.Fatal(err)
	}
	var object bytes.Buffer
	if _, err := m.WriteTo(&object); err != nil {
		t.Fatal(err)
	}
	return m, object.Bytes()
}

// shapes are numbers of entries and widths that make sets of no block, of one, of several, and of pages.
var shapes = []struct{ width, n int }{{8, 0}, {8, 1}, {20, 5000}, {64, 900_000}}

func TestScanYieldsWhatTheSetHolds(t *testing.T) {
	for _, shape := range shapes {
		m, object := scanned(t, shape.width, shape.n)
		next := 0
		want := slices.Collect(m.All())
		for e, err := range serialset.Scan(iotest.HalfReader(bytes.NewReader(object)), m.Digest()) {
			if err != nil {
				t.Fatalf("%+v: %v", shape, err)
			}
			if w := want[next]; !bytes.Equal(e.Serial, w.Serial) || e.Date != w.Date || e.Reason != w.Reason {
				t.Fatalf("%+v: entry %d is %x, want %x", shape, next, e.Serial, w.Serial)
			}
			next++
		}
		if next != shape.n {
			t.Errorf("%+v: %d entries", shape, next)
		}
	}
}

func TestScanStopsWhenAsked(t *testing.T) {
	m, object := scanned(t, 20, 5000)
	n := 0
	for range serialset.Scan(bytes.NewReader(object), m.Digest()) {
		if n++; n == 3 {
			break
		}
	}
	if n != 3 {
		t.Errorf("%d entries", n)
	}
}

// TestScanRefusesDamage: an octet changed, or the end missing, is an error and never a shorter set.
func TestScanRefusesDamage(t *testing.T) {
	for _, shape := range shapes[1:] {
		m, object := scanned(t, shape.width, shape.n)
		scan := func(data []byte) (n int, err error) {
			for _, err := range serialset.Scan(bytes.NewReader(data), m.Digest()) {
				if err != nil {
					return n, err
				}
				n++
			}
			return n, nil
		}
		for _, at := range []int{0, 9, 40, 64, 70, len(object) / 3, len(object) / 2, len(object) - 1} {
			if at >= len(object) {
				continue
			}
			object[at] ^= 0x40
			if n, err := scan(object); !errors.Is(err, serialset.ErrCorrupt) {
				t.Errorf("%+v: octet %d changed: %d entries, %v", shape, at, n, err)
			}
			object[at] ^= 0x40
			if n, err := scan(object[:at]); !errors.Is(err, serialset.ErrCorrupt) {
				t.Errorf("%+v: cut at %d: %d entries, %v", shape, at, n, err)
			}
		}
		broken := errors.New("broken")
		var got error
		for _, err := range serialset.Scan(io.MultiReader(bytes.NewReader(object[:len(object)/2]), iotest.ErrReader(broken)), m.Digest()) {
			got = err
		}
		if !errors.Is(got, broken) {
			t.Errorf("%+v: a reader that fails: %v", shape, got)
		}
	}
}
