package crl

import (
	"bytes"
	"crypto/x509/pkix"
	"errors"
	"fmt"
	"io"
	"math/big"
	"math/rand/v2"
	"reflect"
	"slices"
	"testing"
	"time"

	"github.com/crlgate/crlgate/internal/pki"
	"github.com/crlgate/crlgate/internal/pki/pkitest"
)

var testTime = time.Date(2026, 6, 1, 12, 0, 0, 0, time.UTC)

// entryRecord is one entry as the sink saw it.
type entryRecord struct {
	serial []byte // INTEGER contents, the sign extension taken off again
	date   uint32
	reason Reason
	issuer string
}

// outcome is all that a reading shows to its caller.
type outcome struct {
	list    *List
	err     error
	entries []entryRecord
	batches []int // their lengths
}

func (o outcome) code() Code {
	var e *Error
	if errors.As(o.err, &e) {
		return e.Code
	}
	return ""
}

// readAll reads r in chunks of the given size.
func readAll(r io.Reader, opts Options, size int) outcome {
	var o outcome
	o.list, o.err = read(r, opts, func(b *Batch) error {
		if len(b.Serials) != b.Width*b.Len() || len(b.Reasons) != b.Len() || b.Len() == 0 {
			return fmt.Errorf("batch of %d dates, %d reasons and %d octets of serials of width %d", b.Len(), len(b.Reasons), len(b.Serials), b.Width)
		}
		for i := range b.Len() {
			o.entries = append(o.entries, entryRecord{shorten(b.Serials[i*b.Width : (i+1)*b.Width]), b.Dates[i], b.Reasons[i], string(b.CertificateIssuer)})
		}
		o.batches = append(o.batches, b.Len())
		return nil
	}, size)
	return o
}

// shorten returns a copy of an INTEGER's contents without repeated signs.
func shorten(b []byte) []byte {
	for !minimalInteger(b) {
		b = b[1:]
	}
	return bytes.Clone(b)
}

// differ says in words how two readings of the same bytes differ; "": not.
func differ(a, b outcome) string {
	switch {
	case (a.err == nil) != (b.err == nil) || a.code() != b.code():
		return fmt.Sprintf("one ends in %v, the other in %v", a.err, b.err)
	case !slices.Equal(a.batches, b.batches):
		return fmt.Sprintf("batches of %d and of %d", a.batches, b.batches)
	case !slices.EqualFunc(a.entries, b.entries, func(x, y entryRecord) bool {
		return bytes.Equal(x.serial, y.serial) && x.date == y.date && x.reason == y.reason && x.issuer == y.issuer
	}):
		return "the entries differ"
	case !reflect.DeepEqual(a.list, b.list):
		return "the lists differ"
	}
	return ""
}

// cutReader hands out data in pieces of random length, sometimes of none, and
// sometimes the last together with io.EOF, as a reader may.
type cutReader struct {
	data []byte
	rand *rand.Rand
	max  int
}

func newCutReader(data []byte, seed uint64) *cutReader {
	r := rand.New(rand.NewPCG(seed, 1))
	return &cutReader{data: data, rand: r, max: []int{1, 3, 100, 5000, 300 << 10}[r.IntN(5)]}
}

func (c *cutReader) Read(p []byte) (int, error) {
	if len(c.data) == 0 {
		return 0, io.EOF
	}
	n := min(c.rand.IntN(c.max+1), len(p), len(c.data))
	copy(p, c.data[:n])
	c.data = c.data[n:]
	if len(c.data) == 0 && n > 0 && c.rand.IntN(2) == 0 {
		return n, io.EOF
	}
	return n, nil
}

func testCA(tb testing.TB) *pki.CA {
	return pkitest.CA(tb, pki.CAOptions{Name: pkix.Name{CommonName: "Test CA"}})
}

func testOptions(entries ...pki.Entry) pki.CRLOptions {
	return pki.CRLOptions{Number: big.NewInt(7), ThisUpdate: testTime, NextUpdate: testTime.AddDate(0, 0, 7), Entries: entries}
}

// mixedEntries are n entries of every shape, with serials of many widths.
func mixedEntries(n int) []pki.Entry {
	entries := make([]pki.Entry, n)
	for i := range entries {
		serial := new(big.Int).Lsh(big.NewInt(int64(i+1)), uint(i*37%150))
		entries[i] = pki.Entry{Serial: serial, Date: testTime.Add(-time.Duration(i) * time.Minute)}
		switch i % 4 {
		case 1:
			entries[i].Reason = pki.KeyCompromise
		case 2:
			entries[i].Reason, entries[i].InvalidityDate = pki.Superseded, testTime
		case 3:
			entries[i].InvalidityDate = testTime
		}
	}
	return entries
}
