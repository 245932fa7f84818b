package crl

import (
	"bytes"
	"math/big"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/crlgate/crlgate/internal/pki"
	"github.com/crlgate/crlgate/internal/pki/pkitest"
)

// plainly are n entries of the shape that plainEntries is for: serials of 2 to
// 20 octets of either sign, dates of all years that a UTCTime has, and every
// reason or none.
func plainly(n int) []pki.Entry {
	r := rand.New(rand.NewPCG(3, 4))
	reasons := []pki.Reason{pki.NoReason, pki.Unspecified, pki.KeyCompromise, pki.CACompromise, pki.AffiliationChanged, pki.Superseded, pki.CessationOfOperation, pki.CertificateHold, pki.RemoveFromCRL, pki.PrivilegeWithdrawn, pki.AACompromise}
	from, to := time.Date(1950, 1, 1, 0, 0, 0, 0, time.UTC).Unix(), time.Date(2050, 1, 1, 0, 0, 0, 0, time.UTC).Unix()
	entries := make([]pki.Entry, n)
	for i := range entries {
		serial := make([]byte, 13+i%8)
		if i%16 == 0 {
			serial = make([]byte, 2+i/16%19)
		}
		for k := range serial {
			serial[k] = byte(r.Uint32())
		}
		for !minimalInteger(serial) {
			serial[0]++
		}
		entries[i] = pki.Entry{RawSerial: serial, Date: time.Unix(from+r.Int64N(to-from), 0).UTC(), Reason: reasons[r.IntN(len(reasons))]}
	}
	// The widest first, so that all others fit beside it.
	entries[0].RawSerial = bytes.Repeat([]byte{0x55}, 20)
	return entries
}

// plainChunk holds a small CRL in one piece.
const plainChunk = 4 << 10

// readGenerally is readAll without plainEntries.
func readGenerally(der []byte) (o outcome) {
	s := newStream(bytes.NewReader(der), plainChunk)
	defer s.close()
	p := &parser{s: s, list: &List{}, onlyGeneral: true, sink: func(b *Batch) error {
		for i := range b.Len() {
			o.entries = append(o.entries, entryRecord{shorten(b.Serials[i*b.Width : (i+1)*b.Width]), b.Dates[i], b.Reasons[i], string(b.CertificateIssuer)})
		}
		o.batches = append(o.batches, b.Len())
		return nil
	}}
	if o.err = p.certificateList(); o.err == nil {
		o.list = p.list
	}
	return o
}

// TestPlainEntriesAreUsed: most entries of the usual shape are read by
// plainEntries, and none of another shape is.
func TestPlainEntriesAreUsed(t *testing.T) {
	encode := func(entries ...pki.Entry) []byte {
		der := pkitest.CRL(t, testCA(t), testOptions(entries...))
		for _, e := range elements(t, der, 0, 0) {
			if e.depth == 2 && der[e.at] == tagSequence && e.length > 1000 {
				return der[e.at+e.head:][:e.length]
			}
		}
		t.Fatal("no revokedCertificates")
		return nil
	}
	read := func(list []byte) int {
		p := plainParser(20)
		p.plainEntries(list)
		return p.list.Entries
	}
	entries := plainly(200)
	for i := range entries { // those more than eight octets shorter are not copied
		if len(entries[i].RawSerial) < 12 {
			entries[i].RawSerial = bytes.Repeat([]byte{0x80}, 12)
		}
	}
	if got := read(encode(entries...)); got < 195 {
		t.Errorf("%d of 200 entries", got)
	}
	entries[100].InvalidityDate = testTime
	if got := read(encode(entries...)); got != 100 {
		t.Errorf("%d entries before one with another extension, want 100", got)
	}
	entries[50].Serial, entries[50].RawSerial = new(big.Int).Lsh(big.NewInt(1), 165), nil
	if got := read(encode(entries...)); got != 50 {
		t.Errorf("%d entries before one with a wider serial number, want 50", got)
	}
}

// plainParser has an empty batch of the given width.
func plainParser(width int) *parser {
	p := &parser{list: &List{Version: 2}}
	p.entries.batch = Batch{Width: width, Serials: make([]byte, 0, batchEntries*width+plainWidth+8), Dates: make([]uint32, 0, batchEntries), Reasons: make([]Reason, 0, batchEntries)}
	return p
}

// TestPlainEntriesReadWhatIsUsual: and all of it, to the last octet and entry
// that there is room for.
func TestPlainEntriesReadWhatIsUsual(t *testing.T) {
	sized := func(size int) []byte { return tlv(0x30, tlv(2, bytes.Repeat([]byte{0x55}, size)), plainDate) }
	room := func(entries ...[]byte) []byte { return append(slices.Concat(entries...), make([]byte, plainRoom)...) }
	for width := 1; width < 40; width++ {
		for size := 1; size <= width; size++ {
			want := 0
			if size >= 2 && width <= plainWidth && width-size <= 8 {
				want = 1
			}
			p := plainParser(width)
			if n := p.plainEntries(room(sized(size))); n != want*(size+19) || p.list.Entries != want {
				t.Errorf("serial number of %d octets beside others of %d: %d octets of %d entries read", size, width, n, p.list.Entries)
			}
		}
	}
	for reason := range 256 {
		want := 0
		if reason <= 10 && reason != 7 {
			want = 1
		}
		p := plainParser(4)
		p.plainEntries(room(tlv(0x30, tlv(2, []byte{1, 2, 3, 4}), plainDate, []byte(plainReason), []byte{byte(reason)})))
		if p.list.Entries != want || want == 1 && p.entries.batch.Reasons[0] != Reason(reason) {
			t.Errorf("reason %d: %d entries read, with %v", reason, p.list.Entries, p.entries.batch.Reasons)
		}
	}

	three := bytes.Repeat(sized(4), 3)
	for behind, want := range map[int]int{plainRoom - 23: 3, plainRoom - 24: 2, plainRoom - 69: 1, plainRoom - 70: 0} {
		p := plainParser(4)
		if n := p.plainEntries(append(bytes.Clone(three), make([]byte, plainRoom)...)[:len(three)+behind]); n != 23*want || p.list.Entries != want {
			t.Errorf("%d octets behind three entries: %d read", behind, p.list.Entries)
		}
	}
	p := plainParser(4)
	list := room(bytes.Repeat(sized(4), batchEntries+1))
	for _, first := range []int{0, 100} { // with so many in the batch before
		p.entries.batch.Serials, p.entries.batch.Dates, p.entries.batch.Reasons = p.entries.batch.Serials[:4*first], p.entries.batch.Dates[:first], p.entries.batch.Reasons[:first]
		p.list.Entries = first
		if n := p.plainEntries(list); n != 23*(batchEntries-first) || p.list.Entries != batchEntries || p.entries.batch.Len() != batchEntries {
			t.Errorf("%d octets read, %d entries, %d of them in the batch", n, p.list.Entries, p.entries.batch.Len())
		}
	}
	for name, p := range map[string]*parser{"v1": plainParser(4), "only the general way": plainParser(4)} {
		p.onlyGeneral = name != "v1"
		if name == "v1" {
			p.list.Version = 1
		}
		if n := p.plainEntries(room(sized(4))); n != 0 || p.list.Entries != 0 {
			t.Errorf("%s: %d entries read", name, p.list.Entries)
		}
	}
}

// TestPlainEntriesOfEveryWidth: serial numbers of either sign beside wider ones,
// dates around 1970 and what is refused are as the general reading has them.
func TestPlainEntriesOfEveryWidth(t *testing.T) {
	source := func(version []byte, entries ...[]byte) []byte {
		f := soundFields()
		f.entries = tlv(0x30, entries...)
		if f.version = version; version == nil {
			f.extensions = nil
		}
		return f.der()
	}
	octets := func(first byte, n int) []byte { return append([]byte{first}, bytes.Repeat([]byte{0x33}, n-1)...) }
	last := [][]byte{
		nil,
		tlv(0x30, []byte{2, 0}, plainDate),
		tlv(0x30, []byte{2, 1, 0}, plainDate),
		tlv(0x30, []byte{2, 2, 0, 1}, plainDate),
		tlv(0x30, []byte{2, 2, 0xff, 0x80}, plainDate),
		tlv(0x30, []byte{2, 2, 1, 1}, plainDate, []byte{5, 0}),
		append(tlv(0x30, []byte{2, 2, 1, 1}, plainDate), 0),
	}
	for width := 2; width < 36; width++ {
		entries := [][]byte{tlv(0x30, tlv(2, octets(0x55, width)), plainDate)}
		for size := max(1, width-10); size <= width; size++ {
			for _, first := range []byte{0x01, 0x7f, 0x80, 0xfe} {
				serial := tlv(2, octets(first, size))
				entries = append(entries, tlv(0x30, serial, []byte("\x17\x0d691231235959Z")), tlv(0x30, serial, []byte("\x17\x0d700101000000Z"), []byte(plainReason), []byte{10}))
			}
		}
		entries = append(entries, bytes.Repeat(entries[0], 5)) // room behind
		for _, bad := range last {
			der := source([]byte{2, 1, 1}, append(slices.Clone(entries), bad, bytes.Repeat(entries[0], 5))...)
			if d := differ(readAll(bytes.NewReader(der), Options{}, plainChunk), readGenerally(der)); d != "" {
				t.Fatalf("serial numbers of up to %d octets, %x: %s", width, bad, d)
			}
		}
	}
	extended := tlv(0x30, tlv(2, octets(1, 4)), plainDate, []byte(plainReason), []byte{1})
	without := bytes.Repeat(tlv(0x30, tlv(2, octets(1, 4)), plainDate), 5)
	got := readAll(bytes.NewReader(source(nil, without, extended, without)), Options{AllowNoNumber: true}, chunkSize)
	if got.code() != VersionUnsupported || len(got.entries) != 0 {
		t.Errorf("v1 with an entry that has extensions: %v", got.err)
	}
}

// TestPlainEntriesAgree: with every octet of every entry changed in many ways,
// what is read and what is refused is the same with plainEntries as without.
func TestPlainEntriesAgree(t *testing.T) {
	entries := plainly(8)
	der := pkitest.CRL(t, testCA(t), testOptions(entries...))
	if d := differ(readAll(bytes.NewReader(der), Options{}, plainChunk), readGenerally(der)); d != "" {
		t.Fatal(d)
	}
	accepted, refused := 0, 0
	for i := 2; i < len(der)-80; i++ {
		for _, to := range []byte{
			0x00, 0x07, 0x0b, 0x18, '/', '0', '1', '2', '3', '6', '9', ':', 'Z', 0x80, 0xff,
			der[i] + 1, der[i] - 1, der[i] ^ 0x80, der[i] + 14, der[i] - 14,
		} {
			old := der[i]
			der[i] = to
			fast, slow := readAll(bytes.NewReader(der), Options{AllowSHA1: true}, plainChunk), readGenerally(der)
			if d := differ(fast, slow); d != "" {
				t.Fatalf("octet %d, %02x as %02x: %s", i, old, to, d)
			}
			if fast.err == nil {
				accepted++
			} else {
				refused++
			}
			der[i] = old
		}
	}
	if accepted < 300 || refused < 1000 {
		t.Errorf("%d changed CRLs were accepted and %d refused: this shows little", accepted, refused)
	}
}

// TestPlainTimes compares every day of a UTCTime's hundred years, days and hours
// that do not exist, and times with any other octet, with the general reading.
func TestPlainTimes(t *testing.T) {
	for _, text := range []string{"\x17\x0d261101000000Z", "\x17\x0d491231235959Z", "\x17\x0d500101090909Z", "\x17\x0d000229191949Z"} {
		for at := range text {
			for to := range 256 {
				b := []byte(text)
				b[at] = byte(to)
				sec, ok := plainTimeAt((*[plainTime]byte)(b))
				wantSec, want := parseTime(b[0], b[2:])
				if want = want && b[1] == 13; !want {
					wantSec = 0
				}
				if ok != want || sec != wantSec {
					t.Fatalf("%x: %d %v, want %d %v", b, sec, ok, wantSec, want)
				}
			}
		}
	}
	b := []byte("\x17\x0dYYMMDDHHMMSSZ")
	put := func(at, n int) { b[at], b[at+1] = byte('0'+n/10), byte('0'+n%10) }
	for year := range 100 {
		for month := range 100 {
			for day := range 33 {
				put(2, year)
				put(4, month)
				put(6, day)
				put(8, (year+day)%26)
				put(10, (month*7+day)%62)
				put(12, (day*3+year)%62)
				sec, ok := plainTimeAt((*[plainTime]byte)(b))
				wantSec, want := parseTime(b[0], b[2:])
				if ok != want || sec != wantSec {
					t.Fatalf("%s: %d %v, want %d %v", b[2:], sec, ok, wantSec, want)
				}
			}
		}
	}
}
