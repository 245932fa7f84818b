package catalog_test

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/crlgate/crlgate/pkg/catalog"
)

// apart is a catalog with CAs a and b, each of 48 partitions in parts, and its
// floors in parts; b's first part is the same as a's.
func apart(t *testing.T) (*catalog.Catalog, *bucket) {
	t.Helper()
	c := catalog.New()
	for _, name := range []string{"a", "b"} {
		ca, _ := file(t, name)
		c.SetIssuer(ca, catalog.Source{})
		for i := range 48 {
			c.Publish(name, point(name, i, 1))
		}
		c.CAs[name].Split()
	}
	if c.FloorParts == nil {
		t.Fatal("floors are not in parts")
	}
	b := &bucket{parts: map[string][]byte{}}
	b.store(t, c)
	return b.load(t), b
}

// point is a CRL with a distribution point of its own; CAs a and b have the same
// ones in one of their parts.
func point(ca string, i int, number int64) *catalog.CRL {
	names := [][]byte{fmt.Append(nil, i)}
	if (&catalog.Parts{Bits: 1}).Index(names[0]) == 1 {
		ca = "both"
	}
	l := list(fmt.Sprintf("%032x", fmt.Sprintf("%-8s%08d", ca, i)), number, now, fmt.Sprint(ca, i, " ", number))
	l.Scope.Points = names
	return l
}

// TestMissing names every part that was not read, in order and once, whichever
// tables refer to it; and one that is handed over is missing nowhere.
func TestMissing(t *testing.T) {
	c, b := apart(t)
	a, other := c.CAs["a"].Parts, c.CAs["b"].Parts
	if a.Bits != 1 || a.Refs[1] != other.Refs[1] || a.Refs[0] == other.Refs[0] {
		t.Fatalf("parts %q and %q", a.Refs, other.Refs)
	}
	want := map[string]bool{}
	for _, p := range []*catalog.Parts{a, other, c.FloorParts} {
		for _, ref := range p.Refs {
			if ref != "" {
				want[ref] = true
			}
		}
	}
	sorted := slices.Sorted(maps.Keys(want))
	for range 8 { // whatever the order of a map
		if got := c.Missing(); !slices.Equal(got, sorted) {
			t.Fatalf("missing %q, want %q", got, sorted)
		}
	}
	keys := c.PartKeys()
	slices.Sort(keys)
	keys = slices.Compact(keys)
	for i := range sorted {
		sorted[i] = catalog.PartKey(sorted[i])
	}
	if !slices.Equal(keys, sorted) {
		t.Errorf("keys %q, want %q", keys, sorted)
	}

	b.attach(t, c, []string{a.Refs[1]})
	for _, ca := range []string{"a", "b"} {
		if got := c.MissingCRLs(ca); len(got) != 1 || got[0] != c.CAs[ca].Parts.Refs[0] {
			t.Errorf("CA %s: missing %q", ca, got)
		}
	}
	if c.MissingCRLs("none") != nil || c.MissingFor("none", list("", 1, now, "x")) != nil {
		t.Error("parts of no CA are missing")
	}
	for _, ca := range []string{"a", "b"} {
		for i := range 48 {
			l := point(ca, i, 2)
			got := c.MissingFor(ca, l)
			own := c.CAs[ca].Parts.Index(l.Scope.Points[0]) == 0
			if !slices.Equal(got[:1], c.MissingFloor(l.Line)) || (len(got) == 2) != own || own && got[1] != c.CAs[ca].Parts.Refs[0] {
				t.Errorf("CA %s, point %d: missing %q", ca, i, got)
			}
			// One of the issuer's own point is in no part.
			l.Scope.IssuerPoint = true
			if got := c.MissingFor(ca, l); len(got) != 1 {
				t.Errorf("CA %s, point %d as the issuer's own: missing %q", ca, i, got)
			}
		}
	}
}

// TestReadingWritesNothing: what was only read is not written again, and what was
// changed is not undone by a part that is handed over again.
func TestReadingWritesNothing(t *testing.T) {
	c, b := apart(t)
	missing := c.Missing()
	b.attach(t, c, missing)
	for i := range 48 {
		l := point("a", i, 1)
		if got := c.Serving("a", &l.Scope, l.Line); got == nil || got.Line != l.Line || c.Floor(l.Line) == nil {
			t.Errorf("point %d: %+v, floor %+v", i, got, c.Floor(l.Line))
		}
		if code, _ := c.Admit("a", l, now); code != catalog.Same {
			t.Errorf("point %d: %s", i, code)
		}
	}
	if _, parts, err := c.Encode(); err != nil || len(parts) > 0 {
		t.Errorf("%d parts are written after reading, %v", len(parts), err)
	}
	next := point("a", 0, 2)
	c.Publish("a", next)
	b.attach(t, c, missing)
	if c.Serving("a", &next.Scope, next.Line) != next || c.Floor(next.Line).Number.String() != "2" {
		t.Error("a change was undone")
	}
	if _, parts, err := c.Encode(); err != nil || len(parts) != 2 {
		t.Errorf("%d parts are written after one CRL, %v", len(parts), err)
	}
}

// TestEmptiedPart: a part without CRLs is none, one with a single CRL is one.
func TestEmptiedPart(t *testing.T) {
	c, b := apart(t)
	b.attach(t, c, c.Missing())
	var first []*catalog.CRL // of the first part
	for l := range c.CAs["a"].Lists() {
		if c.CAs["a"].Parts.Index(l.Scope.Points[0]) == 0 {
			first = append(first, l)
		}
	}
	for left := len(first); left > 0; left-- {
		if !c.Forget("a", first[left-1]) {
			t.Fatalf("CRL %d was not in force", left-1)
		}
		if left > 3 {
			continue
		}
		b.store(t, c)
		d := b.load(t)
		if (d.CAs["a"].Parts.Refs[0] == "") != (left == 1) {
			t.Errorf("%d CRLs left: part %q", left-1, d.CAs["a"].Parts.Refs[0])
		}
		b.attach(t, d, d.Missing())
		for i, l := range first {
			if serves := d.Serving("a", &l.Scope, l.Line) != nil; serves != (i < left-1) {
				t.Errorf("%d CRLs left: CRL %d serves: %v", left-1, i, serves)
			}
		}
	}
	if _, ok := b.parts[catalog.PartKey("")]; ok {
		t.Error("an empty part was written")
	}
}

// TestDropParts: lost parts are done without; what is in others stays.
func TestDropParts(t *testing.T) {
	c, b := apart(t)
	own := 0 // a point of CA a alone, in its first part
	for c.CAs["a"].Parts.Index(point("a", own, 1).Scope.Points[0]) != 0 {
		own++
	}
	floor := c.MissingFloor(point("a", own, 1).Line)
	lost := []string{c.CAs["a"].Parts.Refs[0], floor[0], "", "no part at all"}
	kept := c.CAs["a"].Parts.Refs[1]
	b.attach(t, c, c.Missing())
	c.Publish("a", point("a", own, 2))                  // a change to a lost part is lost with it
	fresh := list(strings.Repeat("f", 32), 1, now, "x") // its floor's part was never written
	c.Publish("a", fresh)
	c.DropParts(lost)
	if c.Floor(fresh.Line) == nil {
		t.Error("what is in a part that was not written yet is gone")
	}
	if refs := c.CAs["a"].Parts.Refs; refs[0] != "" || refs[1] != kept || c.CAs["b"].Parts.Refs[0] == "" {
		t.Errorf("parts %q", refs)
	}
	if c.Floor(point("a", own, 1).Line) != nil || c.Floor(point("b", own, 1).Line) == nil {
		t.Error("not the floors that were lost are gone")
	}
	for i := range 48 {
		l := point("a", i, 1)
		if serves := c.Serving("a", &l.Scope, l.Line) != nil; serves != (c.CAs["a"].Parts.Index(l.Scope.Points[0]) == 1) {
			t.Errorf("point %d serves: %v", i, serves)
		}
	}
	b.store(t, c)
	d := b.load(t)
	b.attach(t, d, d.Missing())
	if d.CAs["a"].Parts.Refs[0] != "" {
		t.Error("a lost part came back")
	}
}

// TestAllFloors: every floor, wherever floors are; and no more than is asked for.
// The same holds of CRLs.
func TestAllFloors(t *testing.T) {
	parted, b := apart(t)
	b.attach(t, parted, parted.Missing())
	inline := catalog.New()
	ca, _ := file(t, "a")
	inline.SetIssuer(ca, catalog.Source{})
	for i := range 30 {
		inline.Publish("a", point("a", i, 1))
	}
	for what, c := range map[string]*catalog.Catalog{"inline": inline, "in parts": parted} {
		got := map[string]*catalog.Floor{}
		for line, f := range c.AllFloors() {
			if got[line] != nil {
				t.Errorf("%s: line %s twice", what, line)
			}
			got[line] = f
		}
		lines := 0
		for name, ca := range c.CAs {
			for l := range ca.Lists() {
				if f := got[l.Line]; f == nil || f.Content != l.Content {
					t.Errorf("%s: CA %s: line %s has the floor %+v", what, name, l.Line, f)
				}
				lines++
			}
		}
		if lines < 30 || len(got) > lines {
			t.Errorf("%s: %d floors for %d CRLs", what, len(got), lines)
		}
		for range c.AllFloors() {
			break
		}
		for range c.CAs["a"].Lists() {
			break
		}
	}
	if !slices.Equal(parted.Once(), []string{"a", "b"}) || !slices.Equal(inline.Once(), []string{"a"}) || len(catalog.New().Once()) != 0 {
		t.Errorf("once: %q, %q", parted.Once(), inline.Once())
	}
}
