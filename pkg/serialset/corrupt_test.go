package serialset

import (
	"bytes"
	"encoding/binary"
	"errors"
	"math/rand/v2"
	"testing"
)

// TestEveryByteIsCovered flips a bit of every byte; none may go unnoticed,
// neither by a reader of the whole nor by one that reads ranges.
func TestEveryByteIsCovered(t *testing.T) {
	r := rand.New(rand.NewPCG(5, 5))
	var b Builder
	for range 850 { // one full block and a short one
		s := fill(r, 16)
		_ = b.Append(len(s), s, []uint32{r.Uint32()}, []uint8{1})
	}
	img, data := finish(t, &b)
	sound := bytes.Clone(data)
	s := openBoth(t, data, img.Digest())
	for i := range data {
		data[i] ^= 1 << r.IntN(8)
		if i < img.headSize()+1000 || i%9 == 0 { // the rest of the blocks is alike
			if _, err := Open(data, img.Digest()); err == nil {
				t.Fatalf("byte %d of %d: Open did not notice", i, len(data))
			}
		}
		if err := s.rangesFail(i, img.Digest()); err == nil {
			t.Fatalf("byte %d of %d: OpenIndex and OpenBlock did not notice", i, len(data))
		}
		data[i] = sound[i]
	}
	if _, err := Open(data, img.Digest()); err != nil {
		t.Fatalf("put right again: %v", err)
	}
	for _, n := range []int{0, 1, 63, 64, len(data) - 1} {
		if _, err := Open(data[:n], img.Digest()); !errors.Is(err, ErrCorrupt) {
			t.Errorf("cut to %d: %v", n, err)
		}
		if _, err := OpenIndex(data[:n], img.Digest()); !errors.Is(err, ErrCorrupt) {
			t.Errorf("head cut to %d: %v", n, err)
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
	if _, err := OpenIndex(newer[:img.HeadSize()], img.Digest()); !errors.Is(err, ErrVersion) {
		t.Errorf("newer format: %v", err)
	}
}

// rangesFail reads what covers byte i, by range, and returns the error. For a
// byte of a block the index is the one opened before the byte changed.
func (b *both) rangesFail(i int, digest Digest) error {
	l := &b.set.layout
	if i < l.headSize() {
		_, err := OpenIndex(b.data[:l.headSize()], digest)
		return err
	}
	for k := range l.blocks {
		span, _ := l.blockSpan(k)
		if int64(i) < span.Offset || int64(i) >= span.end() {
			continue
		}
		ref, ok := b.index.Find(b.index.root.key(k))
		if !ok || ref.Span != span || ref.Page || ref.Number != k {
			b.t.Fatalf("block %d lies at %v, and the index says %+v %v", k, span, ref, ok)
		}
		_, err := ref.OpenBlock(b.data[span.Offset:span.end()])
		if !errors.Is(err, ErrCorrupt) {
			return nil
		}
		return err
	}
	b.t.Fatalf("byte %d lies nowhere", i)
	return nil
}

// twoLevels is a set whose root points to pages. Wide serials make it small.
func twoLevels(t *testing.T) (*Image, []byte) {
	const n = 800_000
	var b Builder
	serials := make([]byte, 1000*MaxWidth)
	dates := make([]uint32, 1000)
	for at := 0; at < n; at += len(dates) {
		for i := range dates {
			wideSerial(serials[i*MaxWidth:], at+i)
			dates[i] = uint32(at + i)
		}
		if err := b.Append(MaxWidth, serials, dates, make([]byte, len(dates))); err != nil {
			t.Fatal(err)
		}
	}
	img, data := finish(t, &b)
	if img.pages < 2 {
		t.Fatalf("the index has %d pages", img.pages)
	}
	return img, data
}

// wideSerial writes the i-th serial number; even ones are in the set.
func wideSerial(dst []byte, i int) {
	dst[0] = 1
	binary.BigEndian.PutUint64(dst[50:], uint64(i)*2654435761*2)
}

func TestTwoIndexLevels(t *testing.T) {
	img, data := twoLevels(t)
	s := openBoth(t, data, img.Digest())
	serial := make([]byte, MaxWidth)
	r := rand.New(rand.NewPCG(3, 3))
	for range 500 {
		i := r.IntN(s.set.Len())
		wideSerial(serial, i)
		if e, ok := s.lookup(serial); !ok || e.Date != uint32(i) {
			t.Fatalf("entry %d: %+v %v", i, e, ok)
		}
		serial[57]++
		if _, ok := s.lookup(serial); ok {
			t.Fatalf("found what is not there, near %d", i)
		}
	}
	// Every byte of the last page, and some of everything else.
	span, _ := img.pageSpan(img.pages - 1)
	ref, ok := s.index.Find(s.index.root.key(img.pages - 1))
	if !ok || !ref.Page || ref.Span != span {
		t.Fatalf("page %d lies at %v, and the index says %+v %v", img.pages-1, span, ref, ok)
	}
	page := bytes.Clone(data[span.Offset:span.end()])
	for i := range page {
		page[i] ^= 0x10
		if _, err := ref.OpenPage(page); !errors.Is(err, ErrCorrupt) {
			t.Fatalf("byte %d of an index page: %v", i, err)
		}
		page[i] ^= 0x10
	}
	s.checkOutside(ref, page)
	if _, err := ref.OpenBlock(page); !errors.Is(err, ErrCorrupt) {
		t.Errorf("a page opened as a block: %v", err)
	}
	for i := 7; i < len(data); i += len(data) / 8 {
		data[i] ^= 0x10
		if _, err := Open(data, img.Digest()); err == nil {
			t.Fatalf("a flipped bit in byte %d of %d went unnoticed", i, len(data))
		}
		data[i] ^= 0x10
	}
}

// checkOutside asks the last two pages, and a block, about serial numbers that
// they do not cover: they must not say that the set lacks them.
func (b *both) checkOutside(last Ref, data []byte) {
	b.t.Helper()
	page, err := last.OpenPage(data)
	if err != nil {
		b.t.Fatal(err)
	}
	first := b.index.root.key(0)
	b.panics("the last page on the first serial number", func() { page.Find(first) })
	ref, ok := page.Find(page.key(0))
	if !ok {
		b.t.Fatal("the last page does not cover its own first serial number")
	}
	block, err := ref.OpenBlock(b.data[ref.Offset:ref.end()])
	if err != nil {
		b.t.Fatal(err)
	}
	for _, serial := range [][]byte{nil, first, page.key(1), make([]byte, MaxWidth+1)} {
		b.panics("a block on another's serial number", func() { block.Lookup(serial) })
	}
	if _, ok := block.Lookup(page.key(0)); !ok {
		b.t.Error("a block lacks its own first serial number")
	}
	before, _ := b.index.Find(b.index.root.key(b.index.root.n - 2))
	page, err = before.OpenPage(b.data[before.Offset:before.end()])
	if err != nil {
		b.t.Fatal(err)
	}
	b.panics("the last page but one on a serial number of the last", func() { page.Find(last.key) })
}

func (b *both) panics(what string, do func()) {
	b.t.Helper()
	defer func() {
		if recover() == nil {
			b.t.Errorf("%s: no panic", what)
		}
	}()
	do()
}

// TestOrderIsChecked seals rows in wrong order, as a faulty writer would, with
// hashes that are right: readers refuse them all the same.
func TestOrderIsChecked(t *testing.T) {
	r := rand.New(rand.NewPCG(6, 6))
	var b Builder
	for range 2000 {
		s := fill(r, 16)
		_ = b.Append(len(s), s, []uint32{1}, []uint8{1})
	}
	sound, _ := finish(t, &b)
	stride := sound.stride()
	swap := func(i, j int) func([]byte) {
		return func(rows []byte) {
			a, b := rows[i*stride:(i+1)*stride], rows[j*stride:(j+1)*stride]
			for k := range a {
				a[k], b[k] = b[k], a[k]
			}
		}
	}
	for name, spoil := range map[string]func(rows []byte){
		"inside a block":        swap(100, 101),
		"across blocks":         swap(779, 780),
		"first and last":        swap(0, 1999),
		"first of two blocks":   swap(780, 1560),
		"one twice":             func(rows []byte) { copy(rows[500*stride:501*stride], rows[499*stride:]) },
		"one twice, two blocks": func(rows []byte) { copy(rows[780*stride:781*stride], rows[779*stride:]) },
	} {
		var rows []byte
		for _, u := range sound.units {
			rows = append(rows, u...)
		}
		spoil(rows)
		data, digest := seal(sound.width, rows)
		if _, err := Open(data, digest); !errors.Is(err, ErrCorrupt) {
			t.Errorf("%s: Open: %v", name, err)
		}
		if !rangesNotice(data, digest) {
			t.Errorf("%s: not noticed by range", name)
		}
	}
	var rows []byte
	for _, u := range sound.units {
		rows = append(rows, u...)
	}
	data, digest := seal(sound.width, rows)
	if _, err := Open(data, digest); err != nil || digest != sound.Digest() {
		t.Errorf("sound: %v", err)
	}
}

// rangesNotice reads every block by range and reports whether any is refused.
func rangesNotice(data []byte, digest Digest) bool {
	l, err := parseHeader(data)
	if err != nil {
		return true
	}
	x, err := OpenIndex(data[:l.headSize()], digest)
	if err != nil {
		return true
	}
	for i := range x.blocks {
		ref, ok := x.Find(x.root.key(i))
		if !ok {
			return true
		}
		if _, err := ref.OpenBlock(data[ref.Offset:ref.end()]); err != nil {
			return true
		}
	}
	return false
}

// seal makes a set of rows as they are, with an index that fits them.
func seal(width int, rows []byte) ([]byte, Digest) {
	l, err := newLayout(width, uint64(len(rows)/(width+valueSize)))
	if err != nil {
		panic(err)
	}
	img := &Image{layout: l, head: make([]byte, l.blocksOff())}
	for full := unitRows(width) * l.stride(); len(rows) > 0; {
		n := min(full, len(rows))
		img.units = append(img.units, rows[:n:n])
		rows = rows[n:]
	}
	img.index()
	data := bytes.Clone(img.head)
	for _, u := range img.units {
		data = append(data, u...)
	}
	return data, img.Digest()
}
