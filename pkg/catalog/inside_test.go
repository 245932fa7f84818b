package catalog

import (
	"crypto/sha256"
	"fmt"
	"math/big"
	"strconv"
	"strings"
	"testing"
	"time"
)

// record is a CRL of a line with a distribution point.
func record(line string) *CRL {
	return &CRL{
		Name: "n", Line: line, Kind: Complete, Number: NewNumber(big.NewInt(1)), Scope: Scope{Points: [][]byte{[]byte(line)}},
		Set: Set{Key: "sets/x", SHA256: strings.Repeat("00", 32)},
	}
}

// TestCrowded: when CRLs move to parts, and when to more parts. The parts at hand
// speak for those that are not.
func TestCrowded(t *testing.T) {
	lists := func(n int, s Scope) []*CRL {
		out := make([]*CRL, n)
		for i := range out {
			out[i] = &CRL{Scope: s}
		}
		return out
	}
	point := Scope{Points: [][]byte{{1}}}
	inline := func(n int, s Scope, plain int) *CA { return &CA{CRLs: append(lists(n, s), lists(plain, Scope{})...)} }
	parts := func(bits int, held ...int) *CA {
		ca := &CA{CRLs: lists(1000, Scope{}), Parts: newParts(bits)}
		for i, n := range held {
			if n >= 0 { // or not attached
				ca.Parts.attached[i] = &Part{CRLs: lists(n, point)}
			}
		}
		return ca
	}
	for what, tt := range map[string]struct {
		ca   *CA
		want bool
	}{
		"none":                           {&CA{}, false},
		"32 inline":                      {inline(32, point, 0), false},
		"32 inline beside others":        {inline(32, point, 40), false},
		"33 inline":                      {inline(33, point, 0), true},
		"33 inline beside others":        {inline(33, point, 40), true},
		"40 of the issuer's own point":   {inline(40, Scope{Points: point.Points, IssuerPoint: true}, 0), false},
		"parts, none attached":           {parts(2), false},
		"96 in the one attached":         {parts(2, 96), false},
		"97 in the one attached":         {parts(2, 97), true},
		"97 in the one attached, not #0": {parts(2, -1, -1, 97), true},
		"192 in two":                     {parts(2, 95, 97), false},
		"193 in two":                     {parts(2, 96, 97), true},
		"100 in two":                     {parts(2, 100, 0), false},
		"97, one bit below the most":     {parts(11, 97), true},
		"97, as many parts as can be":    {parts(12, 97), false},
	} {
		if got := tt.ca.Crowded(); got != tt.want {
			t.Errorf("%s: crowded is %v", what, got)
		}
	}
}

// TestSplitBits: as many parts as are needed for 24 CRLs in each, and never more
// than 4,096. What has no distribution point of its own stays.
func TestSplitBits(t *testing.T) {
	for n, bits := range map[int]int{1: 0, 24: 0, 25: 1, 48: 1, 49: 2, 96: 2, 97: 3, 24 << 11: 11, 24<<11 + 1: 12, 24 << 12: 12, 24<<12 + 1: 12} {
		ca, l := &CA{}, record("x")
		for range n {
			ca.CRLs = append(ca.CRLs, l)
		}
		plain, issuers := &CRL{Line: "plain"}, &CRL{Line: "issuer's", Scope: Scope{Points: [][]byte{{1}}, IssuerPoint: true}}
		ca.CRLs = append(ca.CRLs, plain, issuers)
		ca.Split()
		if ca.Parts.Bits != bits || len(ca.Parts.Refs) != 1<<bits {
			t.Errorf("%d CRLs: %d bits, %d parts, want %d bits", n, ca.Parts.Bits, len(ca.Parts.Refs), bits)
		}
		if held := ca.Parts.at(ca.Parts.Index([]byte("x"))).CRLs; len(held) != n {
			t.Errorf("%d CRLs of %d are in the part of their point", len(held), n)
		}
		if len(ca.CRLs) != 2 || ca.CRLs[0] != plain || ca.CRLs[1] != issuers {
			t.Errorf("%d CRLs stay", len(ca.CRLs))
		}
	}
}

// TestPartChosen: by the first bits of the SHA-256 of a point, or of a line. Stored
// catalogs depend on it.
func TestPartChosen(t *testing.T) {
	for bits := range maxPartBits + 1 {
		p := newParts(bits)
		for i := range 40 {
			point := fmt.Append(nil, i)
			digest := fmt.Sprintf("%x", sha256.Sum256(point))
			n, err := strconv.ParseUint(digest[:16], 16, 64)
			if err != nil {
				t.Fatal(err)
			}
			want := 0
			if bits > 0 {
				want = int(n >> (64 - bits))
			}
			if got := p.Index(point); got != want {
				t.Errorf("%d bits, point with SHA-256 %s: part %d, want %d", bits, digest, got, want)
			}
			if got := p.lineIndex(digest[:32]); got != want {
				t.Errorf("%d bits, line %s: part %d, want %d", bits, digest[:32], got, want)
			}
		}
		for _, line := range []string{"", "none of hex digits", "-1"} {
			if got := p.lineIndex(line); got != 0 {
				t.Errorf("%d bits, line %q: part %d", bits, line, got)
			}
		}
	}
}

// TestFloorsMove: the 65th line moves floors to 128 parts.
func TestFloorsMove(t *testing.T) {
	c := New()
	for i := range 66 {
		if moved := c.FloorParts != nil; moved != (i > 64) {
			t.Fatalf("%d lines: in parts: %v", i, moved)
		}
		c.raise(fmt.Sprintf("%032x", i), &Floor{Number: NewNumber(big.NewInt(int64(i)))})
	}
	if len(c.Floors) != 0 || c.FloorParts.Bits != 7 || len(c.FloorParts.Refs) != 128 {
		t.Errorf("%d floors stay, %d bits, %d parts", len(c.Floors), c.FloorParts.Bits, len(c.FloorParts.Refs))
	}
}

// TestPartSize: a part that is longer than readers take is not written.
func TestPartSize(t *testing.T) {
	for _, over := range []int{0, 1} {
		l := record("x")
		ca := &CA{CRLs: []*CRL{l}}
		ca.Split()
		parts := map[string][]byte{}
		if err := ca.Parts.encode(parts); err != nil || len(parts) != 1 {
			t.Fatalf("%d parts, %v", len(parts), err)
		}
		l.Source.ETag = strings.Repeat("x", MaxPart-len(parts[PartKey(ca.Parts.Refs[0])])+over)
		parts = map[string][]byte{}
		err := ca.Parts.encode(parts)
		if over == 0 && (err != nil || len(parts[PartKey(ca.Parts.Refs[0])]) != MaxPart) {
			t.Errorf("a part of the most octets: %v", err)
		}
		if over > 0 && (err == nil || !strings.Contains(err.Error(), "16777217 bytes, more than the 16777216") || len(parts) > 0) {
			t.Errorf("one octet more: %v", err)
		}
	}
}

// TestPartsUnwritable: a CRL that JSON cannot say, in the parts of more than one
// CA, is an error and nothing is written.
func TestPartsUnwritable(t *testing.T) {
	c := New()
	for _, name := range []string{"a", "b", "c"} {
		l := record("x")
		l.NextUpdate = time.Date(10_000, 1, 1, 0, 0, 0, 0, time.UTC)
		c.CAs[name] = &CA{CRLs: []*CRL{l}}
		c.CAs[name].Split()
	}
	if data, parts, err := c.Encode(); err == nil || !strings.Contains(err.Error(), "year") || data != nil || parts != nil {
		t.Errorf("%d octets, %d parts, %v", len(data), len(parts), err)
	}
}
