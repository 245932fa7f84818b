package crl

import (
	"bytes"
	"errors"
	"io"
	"math/big"
	"runtime"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/iotest"
	"time"

	"github.com/crlgate/crlgate/internal/pki"
	"github.com/crlgate/crlgate/internal/pki/pkitest"
)

// TestChunksDoNotShow reads CRLs in chunks of every size from the smallest on,
// so that each element straddles two chunks in some of them.
func TestChunksDoNotShow(t *testing.T) {
	ca := testCA(t)
	indirect := testOptions(mixedEntries(150)...)
	indirect.IDP = &pki.IDP{Indirect: true}
	for i := range indirect.Entries {
		if i%10 == 3 {
			indirect.Entries[i].CertificateIssuer = ca.Name()
		}
	}
	for name, der := range map[string][]byte{
		"mixed": pkitest.CRL(t, ca, testOptions(mixedEntries(150)...)), "indirect": pkitest.CRL(t, ca, indirect),
	} {
		for _, file := range [][]byte{der, pki.CRLPEM(der), der[:len(der)-1], append(bytes.Clone(der), 0)} {
			want := readAll(bytes.NewReader(file), Options{}, chunkSize)
			if want.err == nil && (want.list.Entries != 150 || len(want.entries) != 150) {
				t.Fatalf("%s: %d entries, and %d in batches", name, want.list.Entries, len(want.entries))
			}
			for size := minChunk; size < minChunk+97; size++ {
				if d := differ(want, readAll(newCutReader(file, uint64(size)), Options{}, size)); d != "" {
					t.Errorf("%s in chunks of %d: %s", name, size, d)
				}
			}
		}
	}
}

// TestLargeEntriesWhereverTheyLie: whether an entry of an unusual size or form
// is read, and how it is refused, must not depend on where a chunk ends. It
// did: entries over MaxEntry were read if they lay in one chunk.
func TestLargeEntriesWhereverTheyLie(t *testing.T) {
	date := []byte("\x17\x0d261101000000Z")
	serial := []byte{2, 1, 9}
	sized := func(n int) []byte { // an entry of n octets, by an unknown extension
		unknown := func(n int) []byte {
			return tlv(0x30, tlv(0x30, []byte{6, 3, 0x55, 0x1d, 0x7f}, tlv(4, make([]byte, n))))
		}
		fill := n
		for len(serial)+len(date)+len(unknown(fill)) > n {
			fill--
		}
		return tlv(0x30, serial, date, unknown(fill))
	}
	cases := []struct {
		name  string
		entry []byte
		want  Code
	}{
		{"as large as allowed", sized(MaxEntry), ""},
		{"larger", sized(MaxEntry + 1), TooLarge},
		{"of 64 KiB", sized(65530), TooLarge},
		{"of 70,000 octets", sized(70000), TooLarge},
		{"with a length in the long form without need", append([]byte{0x30, 0x81, byte(len(serial) + len(date))}, slices.Concat(serial, date)...), Malformed},
		{"with a leading zero in its length", append([]byte{0x30, 0x83, 0, 0x01, 0x00}, make([]byte, 256)...), Malformed},
		{"with an indefinite length", []byte{0x30, 0x80, 0, 0}, Malformed},
		{"with a length of seven octets", []byte{0x30, 0x87, 1, 0, 0, 0, 0, 0, 0, 0}, Malformed},
		{"of another tag that claims much", []byte{0x31, 0x83, 0x10, 0, 0, 0}, Malformed},
		{"that claims a terabyte", []byte{0x30, 0x86, 1, 0, 0, 0, 0, 0}, TooLarge},
		{"that ends the field within its length", []byte{0x30, 0x83, 0x10}, Malformed},
		{"that ends the field within its tag", []byte{0x30}, Malformed},
	}
	ca := testCA(t)
	for _, c := range cases {
		for _, before := range []int{0, 1, 150, 300, 431, 432, 433, 434, 435, 436, 437, 438, 439, 440, 500} {
			o := testOptions(pki.Entry{RawSerial: bytes.Repeat([]byte{1}, 20)})
			for range before / 40 {
				o.Entries = append(o.Entries, o.Entries[0])
			}
			for range before % 40 {
				o.Entries[0].RawSerial = append(o.Entries[0].RawSerial, 1) // shifts what follows by one octet
			}
			o.Entries = append(o.Entries, pki.Entry{Raw: c.entry})
			der := pkitest.CRL(t, ca, o)
			for _, size := range []int{minChunk, chunkSize} {
				got := readAll(bytes.NewReader(der), Options{}, size)
				if got.code() != c.want || (got.err == nil) != (c.want == "") {
					t.Errorf("entry %s, %d octets in, chunks of %d: %v, want %q", c.name, before, size, got.err, c.want)
				}
			}
		}
	}
}

// TestEntryHeadersMeetChunks: what is wrong with the header of an entry is said in
// the same words wherever in it a chunk ends.
func TestEntryHeadersMeetChunks(t *testing.T) {
	before := bytes.Repeat(plainEntry, 60)
	for _, bad := range [][]byte{
		{0x31, 20},
		{0x31, 0x82, 1, 0},
		{0x30, 0x80},
		{0x30, 0x81, 5},
		{0x30, 0x82, 0, 0x90},
		{0x30, 0x83, 0, 1, 0},
		{0x30, 0x87, 1, 0, 0, 0, 0, 0, 0},
		{0x30, 0xff},
		{0x30, 0x82, 0x80, 1},
		{0x30, 0x83, 1, 0, 0},
		{0x30, 0x86, 1, 0, 0, 0, 0, 0},
		{0x30, 0x81, 0xff},
		{0x30, 0x82, 1, 0},
		{0x30, 0x7f},
	} {
		f := soundFields()
		f.entries = tlv(0x30, before, bad, make([]byte, 40))
		der := f.der()
		at := bytes.Index(der, before) + len(before)
		want := text(readAll(bytes.NewReader(der), Options{}, chunkSize).err)
		if !strings.HasPrefix(want, "entry 61 ") {
			t.Errorf("%x: %s", bad, want)
		}
		for k := range 10 {
			if got := text(readAll(bytes.NewReader(der), Options{}, at+k).err); got != want {
				t.Errorf("%x, a chunk ends after %d octets: %s, want %s", bad, k, got, want)
			}
		}
	}
}

// tlv encodes one element of any length.
func tlv(tag byte, contents ...[]byte) []byte {
	body := slices.Concat(contents...)
	return append(tlvHeader(tag, int64(len(body))), body...)
}

func tlvHeader(tag byte, n int64) []byte {
	if n < 0x80 {
		return []byte{tag, byte(n)}
	}
	var octets []byte
	for ; n > 0; n >>= 8 {
		octets = append([]byte{byte(n)}, octets...)
	}
	return append([]byte{tag, 0x80 | byte(len(octets))}, octets...)
}

// noMoreGoroutines fails if there are more goroutines than before, even after
// waiting.
func noMoreGoroutines(t *testing.T, before int, what string) {
	t.Helper()
	for deadline := time.Now().Add(5 * time.Second); runtime.NumGoroutine() > before; {
		if time.Now().After(deadline) {
			t.Fatalf("%s: %d goroutines, %d before", what, runtime.NumGoroutine(), before)
		}
		time.Sleep(time.Millisecond)
	}
}

// TestNoGoroutineOutlivesRead ends readings of a CRL of many chunks in every
// way and place.
func TestNoGoroutineOutlivesRead(t *testing.T) {
	ca := testCA(t)
	o := testOptions(mixedEntries(20000)...)
	der := pkitest.CRL(t, ca, o)
	if len(der) < 3*chunkSize {
		t.Fatalf("%d octets are too few", len(der))
	}
	fail := errors.New("fails on purpose")
	before := runtime.NumGoroutine()
	for _, size := range []int{4 << 10, chunkSize} {
		for _, at := range []int{0, 1, 200, size - 1, size, size + 1, 3*size + 5, len(der) / 2, len(der) - 80, len(der) - 1} {
			broken := bytes.Clone(der)
			broken[at] = 0xff // another tag, length, date or signature
			_, _ = read(bytes.NewReader(broken), Options{}, nil, size)
			noMoreGoroutines(t, before, "altered byte")

			source := io.MultiReader(bytes.NewReader(der[:at]), iotest.ErrReader(fail))
			if _, err := read(source, Options{}, nil, size); !errors.Is(err, fail) {
				t.Errorf("source that fails at %d, chunks of %d: %v", at, size, err)
			}
			noMoreGoroutines(t, before, "source's error")

			if _, err := read(bytes.NewReader(der[:at]), Options{}, nil, size); err == nil {
				t.Errorf("cut at %d, chunks of %d: accepted", at, size)
			}
			noMoreGoroutines(t, before, "cut short")
		}
		for batch := range 8 {
			n := 0
			_, err := read(bytes.NewReader(der), Options{}, func(*Batch) error {
				if n++; n > batch {
					return fail
				}
				return nil
			}, size)
			if !errors.Is(err, fail) {
				t.Errorf("sink that fails on batch %d: %v", batch, err)
			}
			noMoreGoroutines(t, before, "sink's error")
		}
		if got := readAll(bytes.NewReader(der), Options{}, size); got.err != nil || got.list.Entries != 20000 {
			t.Errorf("chunks of %d: %v", size, got.err)
		}
		noMoreGoroutines(t, before, "sound CRL")
	}
}

// TestSourceIsNotReadAfterRead: once Read has returned, the caller may close
// the source and reuse it.
func TestSourceIsNotReadAfterRead(t *testing.T) {
	der := pkitest.CRL(t, testCA(t), testOptions(mixedEntries(3000)...))
	der[5000+bytes.Index(der[5000:], []byte("\x17\x0d26"))] = 0xff // the tag of a revocation date
	before := runtime.NumGoroutine()
	source := &closableReader{r: bytes.NewReader(der)}
	if _, err := read(source, Options{}, nil, minChunk); err == nil {
		t.Fatal("accepted")
	}
	source.closed.Store(true)
	noMoreGoroutines(t, before, "after Read")
	if source.late.Load() {
		t.Error("the source was read after Read had returned")
	}
}

type closableReader struct {
	r            io.Reader
	closed, late atomic.Bool
}

func (c *closableReader) Read(p []byte) (int, error) {
	if c.closed.Load() {
		c.late.Store(true)
	}
	return c.r.Read(p)
}

// TestFailureThatWrapsEOFIsNoEnd: a connection that broke is not a CRL that
// was cut short, and is worth another try.
func TestFailureThatWrapsEOFIsNoEnd(t *testing.T) {
	der := pkitest.CRL(t, testCA(t), testOptions(mixedEntries(3)...))
	torn := &wrapped{io.EOF}
	for at := range len(der) + 1 {
		for _, file := range [][]byte{der[:at], pki.CRLPEM(der)[:at]} {
			_, err := Read(io.MultiReader(bytes.NewReader(file), iotest.ErrReader(torn)), Options{}, nil)
			var e *Error
			if !errors.Is(err, torn) || errors.As(err, &e) {
				t.Fatalf("torn at %d: %v", at, err)
			}
		}
	}
}

type wrapped struct{ err error }

func (w *wrapped) Error() string { return "connection torn: " + w.err.Error() }
func (w *wrapped) Unwrap() error { return w.err }

// TestSourceWithoutProgressEnds: a reader that returns neither bytes nor an
// error forever.
func TestSourceWithoutProgressEnds(t *testing.T) {
	der := pkitest.CRL(t, testCA(t), testOptions(mixedEntries(3)...))
	for _, at := range []int{0, 1, 100, len(der)} {
		_, err := Read(io.MultiReader(bytes.NewReader(der[:at]), idle{}), Options{}, nil)
		if !errors.Is(err, io.ErrNoProgress) {
			t.Errorf("idle from %d on: %v", at, err)
		}
	}
}

type idle struct{}

func (idle) Read([]byte) (int, error) { return 0, nil }

// TestWidthOnlyGrows: a batch ends where it is full and where a wider serial number
// comes, and the next one is as wide as any before.
func TestWidthOnlyGrows(t *testing.T) {
	wide, narrow := tlv(0x30, tlv(2, bytes.Repeat([]byte{1}, 20)), plainDate), tlv(0x30, tlv(2, bytes.Repeat([]byte{1}, 14)), plainDate)
	list := slices.Concat(narrow, wide, bytes.Repeat(narrow, batchEntries-1), narrow, wide, narrow)
	general, widths := false, []int(nil)
	for range 2 {
		s := newStream(soundParts().list(list, 1, numberExtension), chunkSize)
		p := &parser{s: s, list: &List{}, onlyGeneral: general, sink: func(b *Batch) error {
			widths = append(widths, b.Width, b.Len())
			return nil
		}}
		if err := p.certificateList(); err != nil || !slices.Equal(widths, []int{14, 1, 20, batchEntries, 20, 3}) {
			t.Errorf("widths and lengths %d, %v", widths, err)
		}
		s.close()
		general, widths = true, nil
	}
}

// TestClaimed: the first batch tells how many entries there will be, exactly
// where all are of one length.
func TestClaimed(t *testing.T) {
	const n = 3 * batchEntries
	entries := make([]pki.Entry, n)
	for i := range entries {
		entries[i] = pki.Entry{Serial: new(big.Int).Add(new(big.Int).Lsh(big.NewInt(1), 120), big.NewInt(int64(i))), Date: testTime}
	}
	batches := 0
	_, err := Read(bytes.NewReader(pkitest.CRL(t, testCA(t), testOptions(entries...))), Options{}, func(b *Batch) error {
		batches++
		if b.Claimed != n {
			t.Errorf("batch %d: %d claimed, want %d", batches, b.Claimed, n)
		}
		return nil
	})
	if err != nil || batches < 3 {
		t.Errorf("%d batches: %v", batches, err)
	}
}
