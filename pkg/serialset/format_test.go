package serialset

import (
	"bytes"
	"encoding/hex"
	"fmt"
	"os"
	"strings"
	"testing"
)

const formatPage = "../../docs/cache-format.md"

// pageExample returns the block of code behind a marker in the specification.
func pageExample(t *testing.T, name string) string {
	t.Helper()
	page, err := os.ReadFile(formatPage)
	if err != nil {
		t.Fatal(err)
	}
	_, rest, ok := strings.Cut(string(page), "<!-- example: "+name+" -->\n```\n")
	text, _, end := strings.Cut(rest, "```")
	if !ok || !end {
		t.Fatalf("%s has no example %q", formatPage, name)
	}
	return text
}

// TestWorkedExample holds the specification's example to builder and readers,
// octet by octet.
func TestWorkedExample(t *testing.T) {
	dump := pageExample(t, "set")
	var want []byte
	for line := range strings.Lines(dump) {
		columns, _, _ := strings.Cut(line, "|")
		offset, octets, _ := strings.Cut(columns, " ")
		b, err := hex.DecodeString(strings.ReplaceAll(octets, " ", ""))
		if err != nil || offset != fmt.Sprintf("%08x", len(want)) {
			t.Fatalf("line %q: %v", line, err)
		}
		want = append(want, b...)
	}
	if hex.Dump(want) != dump {
		t.Errorf("the example's text column differs:\n%s", hex.Dump(want))
	}

	entries := []struct {
		serial []byte
		value
	}{
		{[]byte{0xff}, value{1775001600, 4}},
		{[]byte{0x01}, value{1767225600, 0}},
		{[]byte{0x00, 0xff}, value{1772323200, 1}},
	}
	var b Builder
	for _, e := range entries {
		if err := b.Append(len(e.serial), e.serial, []uint32{e.date}, []uint8{e.reason}); err != nil {
			t.Fatal(err)
		}
	}
	img, got := finish(t, &b)
	if !bytes.Equal(got, want) {
		t.Fatalf("the builder makes\n%s", hex.Dump(got))
	}
	page, err := os.ReadFile(formatPage)
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(page), "`"+img.Digest().String()+"`") {
		t.Errorf("the page lacks the digest %v", img.Digest())
	}
	s := openBoth(t, want, img.Digest())
	if s.set.Len() != len(entries) {
		t.Errorf("%d entries", s.set.Len())
	}
	for _, e := range entries {
		if got, ok := s.lookup(e.serial); !ok || (value{got.Date, got.Reason}) != e.value {
			t.Errorf("%x: %+v %v", e.serial, got, ok)
		}
	}
}

// TestSpecifiedLimits holds the specification's numbers to the code.
func TestSpecifiedLimits(t *testing.T) {
	page, err := os.ReadFile(formatPage)
	if err != nil {
		t.Fatal(err)
	}
	comma := func(n int) string {
		s := fmt.Sprint(n)
		for i := len(s) - 3; i > 0; i -= 3 {
			s = s[:i] + "," + s[i:]
		}
		return s
	}
	shape := func(n uint64) string {
		l, err := newLayout(16, n)
		if err != nil {
			t.Fatal(err)
		}
		return fmt.Sprint(l.perBlock/unitRows(16), l.perPage > 0)
	}
	for i, want := range []string{"1 false", "2 false", "4 false", "1 true"} {
		rows, cells := "", strings.Split(string(page), fmt.Sprintf("\n| %d | ", i+1))
		if len(cells) > 1 {
			line, _, _ := strings.Cut(cells[1], " |\n")
			rows = line[strings.LastIndex(line, "| ")+2:]
		}
		most := MaxEntries
		if i < 3 {
			most = (MaxHead - headerSize) / (16 + hashSize) * (1 << i) * unitRows(16)
			if shape(uint64(most)+1) == want {
				t.Errorf("%d entries have shape %s", most+1, want)
			}
		}
		if rows != comma(most) || shape(uint64(most)) != want {
			t.Errorf("shape %d: the page says %q, want %s; %d entries have shape %s", i+1, rows, comma(most), most, shape(uint64(most)))
		}
	}
	if _, err := newLayout(39, MaxEntries); err != nil {
		t.Error(err)
	}
	if _, err := newLayout(40, MaxEntries); err == nil {
		t.Error("wider serial numbers fit too")
	}
	for _, n := range []int{MaxHead, MaxEntries, unitSize, 2 * unitSize, MaxHead + 4*unitSize} {
		if !strings.Contains(string(page), comma(n)) {
			t.Errorf("the page does not say %s", comma(n))
		}
	}
}
