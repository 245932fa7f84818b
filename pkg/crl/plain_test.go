package crl

import (
	"bytes"
	"math/big"
	"math/rand/v2"
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
		p := &parser{list: &List{Version: 2}}
		p.entries.batch = Batch{Width: 20, Serials: make([]byte, 0, batchEntries*20+plainWidth+8), Dates: make([]uint32, 0, batchEntries), Reasons: make([]Reason, 0, batchEntries)}
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

// TestPlainTimes compares every day of a UTCTime's hundred years, and days and
// hours that do not exist, with the general reading.
func TestPlainTimes(t *testing.T) {
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
				if ok != want || ok && sec != wantSec {
					t.Fatalf("%s: %d %v, want %d %v", b[2:], sec, ok, wantSec, want)
				}
			}
		}
	}
}
