package crl

import (
	"bytes"
	"math/big"
	"testing"

	"github.com/crlgate/crlgate/internal/pki"
	"github.com/crlgate/crlgate/internal/pki/pkitest"
)

// element is where an element of a CRL lies.
type element struct {
	at, head, length int
	depth            int
}

// elements lists the elements of der, from offset base of a whole, going into
// constructed ones and into the values of extensions.
func elements(t *testing.T, der []byte, base, depth int) []element {
	t.Helper()
	var out []element
	for pos := 0; pos < len(der); {
		head, length, fault := elementLength(der[pos:])
		if fault != "" || head == 0 || pos+head+int(length) > len(der) {
			t.Fatalf("no element at %d", base+pos)
		}
		e := element{base + pos, head, int(length), depth}
		out = append(out, e)
		contents := der[pos+head : pos+head+e.length]
		if tag := der[pos]; tag&0x20 != 0 || tag == tagOctets {
			out = append(out, elements(t, contents, base+pos+head, depth+1)...)
		}
		pos += head + e.length
	}
	return out
}

// everything is a CRL with every extension that is known, none of whose parts
// may be of another length or type.
func everything(t *testing.T) []byte {
	ca := testCA(t)
	o := testOptions(mixedEntries(4)...)
	o.IDP = &pki.IDP{
		FullNames: []string{"http://crl.example.com/1"}, RawNames: [][]byte{pki.DirectoryName(ca.Name())},
		OnlyUser: true, Indirect: true, Reasons: pki.FlagKeyCompromise,
	}
	o.BaseNumber = big.NewInt(300)
	o.Entries[1].CertificateIssuer = ca.Name()
	der := pkitest.CRL(t, ca, o)
	if got := readAll(bytes.NewReader(der), Options{}, chunkSize); got.err != nil {
		t.Fatal(got.err)
	}
	return der
}

// TestEveryLengthMatters makes every element of a CRL longer and shorter by
// one, empty, of indefinite length, and of no written length at all.
func TestEveryLengthMatters(t *testing.T) {
	der := everything(t)
	all := elements(t, der, 0, 0)
	if len(all) < 80 {
		t.Fatalf("only %d elements", len(all))
	}
	for _, e := range all {
		last := e.at + e.head - 1 // the last octet of the length
		for _, to := range []byte{der[last] + 1, der[last] - 1, 0, 0x80, 0x81, 0x84, 0x86, 0x87, 0xff} {
			if to == der[last] {
				continue
			}
			broken := bytes.Clone(der)
			broken[last] = to
			for _, size := range []int{minChunk, chunkSize} {
				got := readAll(bytes.NewReader(broken), Options{}, size)
				if got.code() == "" {
					t.Errorf("element of tag 0x%02x at %d, length octet %02x as %02x: %v", der[e.at], e.at, der[last], to, got.err)
				}
			}
		}
	}
}

// TestEveryTagMatters changes every tag. What may be of several types is left
// out: the strings of names, whose types package issuer compares.
func TestEveryTagMatters(t *testing.T) {
	der := everything(t)
	for _, e := range elements(t, der, 0, 0) {
		switch tag := der[e.at]; {
		case tag == 0x13 || tag == 0x0c: // a string of a name
			continue
		}
		for _, to := range []byte{0x00, 0x05, 0x1f, 0x24, 0x31, 0x3f, 0x9f, 0xbf, 0xdf, 0xff} {
			if to == der[e.at] {
				continue
			}
			broken := bytes.Clone(der)
			broken[e.at] = to
			if got := readAll(bytes.NewReader(broken), Options{}, chunkSize); got.code() == "" {
				t.Errorf("tag 0x%02x at %d (depth %d) as 0x%02x: %v", der[e.at], e.at, e.depth, to, got.err)
			}
		}
	}
}

// TestOneBitFlipNeverPassesUnseen: whatever bit is flipped, the CRL is refused
// or its signature does not verify any more.
func TestOneBitFlipNeverPassesUnseen(t *testing.T) {
	ca := testCA(t)
	der := pkitest.CRL(t, ca, testOptions(mixedEntries(2)...))
	if err := readAll(bytes.NewReader(der), Options{}, chunkSize).list.CheckSignature(ca.Key.Public()); err != nil {
		t.Fatal(err)
	}
	for i := range der {
		for bit := range 8 {
			broken := bytes.Clone(der)
			broken[i] ^= 1 << bit
			got := readAll(bytes.NewReader(broken), Options{AllowSHA1: true, AllowNoNumber: true}, chunkSize)
			if got.err == nil && got.list.CheckSignature(ca.Key.Public()) == nil {
				t.Errorf("bit %d of octet %d flipped, and nobody noticed", bit, i)
			}
		}
	}
}
