package catalog_test

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/crlgate/crlgate/pkg/catalog"
)

// bucket is where a catalog and its parts are stored.
type bucket struct {
	catalog []byte
	parts   map[string][]byte
}

func (b *bucket) store(t *testing.T, c *catalog.Catalog) {
	t.Helper()
	data, parts, err := c.Encode()
	if err != nil {
		t.Fatal(err)
	}
	b.catalog = data
	for k, p := range parts {
		b.parts[k] = p
	}
}

func (b *bucket) load(t *testing.T) *catalog.Catalog {
	t.Helper()
	c, err := catalog.Parse(b.catalog)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func (b *bucket) attach(t *testing.T, c *catalog.Catalog, digests []string) {
	t.Helper()
	for _, d := range digests {
		part, err := catalog.ParsePart(b.parts[catalog.PartKey(d)], d)
		if err != nil {
			t.Fatal(err)
		}
		c.Attach(d, part)
	}
}

// partition is a CRL of partition i, which has names of its own.
func partition(i int, number int64) *catalog.CRL {
	points := [][]byte{fmt.Appendf(nil, "point %d", i)}
	if i%7 == 0 {
		points = append(points, fmt.Appendf(nil, "second name of %d", i))
	}
	if i%50 == 49 {
		points = nil // one without distribution point
	}
	l := list(fmt.Sprintf("%032x", uint64(i+1)*0x9e3779b97f4a7c15), number, now, fmt.Sprintf("%d of %d", number, i))
	l.Scope.Points = points
	return l
}

// TestParts publishes partitions in random order, over and over, reading each
// time only the parts that are asked for, and compares with a plain table.
func TestParts(t *testing.T) {
	const partitions = 100
	random := rand.New(rand.NewPCG(3, 4))
	ca, _ := file(t, "a")
	b := &bucket{parts: map[string][]byte{}}
	c := catalog.New()
	c.SetIssuer(ca, catalog.Source{Key: "issuers/a.pem"})
	b.store(t, c)
	want := map[string]int64{}
	for step := range 220 {
		i := random.IntN(partitions)
		if step < partitions {
			i = step
		}
		l := partition(i, want[partition(i, 0).Line]+1)
		l.Key = ca.Certificates[0].Key.String()
		c := b.load(t)
		missing := c.MissingFor("a", l)
		if step > partitions && len(missing) > 4 {
			t.Fatalf("%d parts were asked for to publish one CRL", len(missing))
		}
		b.attach(t, c, missing)
		if code, why := c.Admit("a", l, now); code != catalog.Succeeds {
			t.Fatalf("step %d: %s: %s", step, code, why)
		}
		if n := want[l.Line]; n > 1 {
			if code, _ := c.Admit("a", partition(i, n-1), now); code != catalog.NumberTooLow {
				t.Fatalf("step %d: an older CRL is %q", step, code)
			}
		}
		c.Publish("a", l)
		if c.CAs["a"].Crowded() {
			b.attach(t, c, c.MissingCRLs("a"))
			c.CAs["a"].Split()
		}
		want[l.Line]++
		b.store(t, c)
	}

	c = b.load(t)
	if c.CAs["a"].Parts == nil || c.FloorParts == nil || len(b.catalog) > 64<<10 {
		t.Errorf("%d CRLs are not in parts: the catalog has %d octets", partitions, len(b.catalog))
	}
	b.attach(t, c, c.Missing())
	if len(c.Missing()) > 0 {
		t.Errorf("missing still: %q", c.Missing())
	}
	got := map[string]int64{}
	for l := range c.CAs["a"].Lists() {
		if got[l.Line] != 0 {
			t.Errorf("line %s is listed twice", l.Line)
		}
		got[l.Line] = l.Number.Int().Int64()
	}
	for line, n := range want {
		if got[line] != n || c.Floor(line) == nil || c.Floor(line).Number.Int().Int64() != n {
			t.Errorf("line %s: number %d, want %d; floor %+v", line, got[line], n, c.Floor(line))
		}
	}
	if len(got) != len(want) {
		t.Errorf("%d lines, want %d", len(got), len(want))
	}
	if n := len(c.InForce()["crls/a.crl"]); n != partitions {
		t.Errorf("%d in force", n)
	}

	// The CA changes its key: no CRL counts any more, every floor stays.
	next, _ := file(t, "a")
	if !c.SetIssuer(next, catalog.Source{}) {
		t.Error("no change")
	}
	b.store(t, c)
	c = b.load(t)
	b.attach(t, c, c.Missing())
	if n := len(slices.Collect(c.CAs["a"].Lists())); n != 0 {
		t.Errorf("%d CRLs of another key", n)
	}
	for line := range want {
		if c.Floor(line) == nil {
			t.Errorf("the floor of %s is gone", line)
		}
	}
}

// TestPartsKeptOnRenewal: the same key in a renewed file leaves parts as they are.
func TestPartsKeptOnRenewal(t *testing.T) {
	ca, keys := file(t, "a")
	_, second := file(t, "a")
	c := catalog.New()
	c.SetIssuer(ca, catalog.Source{})
	for i := range 100 {
		l := partition(i, 1)
		l.Key = ca.Certificates[0].Key.String()
		c.Publish("a", l)
		if c.CAs["a"].Crowded() {
			c.CAs["a"].Split()
		}
	}
	b := &bucket{parts: map[string][]byte{}}
	b.store(t, c)
	c = b.load(t)
	refs := slices.Clone(c.CAs["a"].Parts.Refs)
	b.attach(t, c, c.MissingCRLs("a"))
	both, _ := file(t, "a", keys[0], second[0])
	if !c.SetIssuer(both, catalog.Source{}) || !slices.Equal(c.CAs["a"].Parts.Refs, refs) {
		t.Error("parts changed with a certificate")
	}
	if _, parts, err := c.Encode(); err != nil || len(parts) > 0 {
		t.Errorf("%d parts written, %v", len(parts), err)
	}
}

// TestUnattachedPart: a part that was not read never passes for an empty one.
func TestUnattachedPart(t *testing.T) {
	ca, _ := file(t, "a")
	c := catalog.New()
	c.SetIssuer(ca, catalog.Source{})
	for i := range 100 {
		c.Publish("a", partition(i, 1))
		if c.CAs["a"].Crowded() {
			c.CAs["a"].Split()
		}
	}
	b := &bucket{parts: map[string][]byte{}}
	b.store(t, c)
	for what, ask := range map[string]func(c *catalog.Catalog){
		"Admit":   func(c *catalog.Catalog) { c.Admit("a", partition(1, 2), now) },
		"Publish": func(c *catalog.Catalog) { c.Publish("a", partition(1, 2)) },
		"Floor":   func(c *catalog.Catalog) { c.Floor(partition(1, 1).Line) },
		"Lists":   func(c *catalog.Catalog) { _ = slices.Collect(c.CAs["a"].Lists()) },
		"InForce": func(c *catalog.Catalog) { c.InForce() },
	} {
		func() {
			defer func() {
				if r := recover(); r == nil || !strings.Contains(fmt.Sprint(r), "was not attached") {
					t.Errorf("%s answered without the part: %v", what, r)
				}
			}()
			ask(b.load(t))
		}()
	}
	for _, data := range b.parts {
		for what, bad := range map[string][]byte{"cut short": data[:len(data)-1], "empty": nil, "altered": bytes.Replace(data, []byte("1"), []byte("2"), 1)} {
			for k := range b.parts {
				digest := strings.TrimSuffix(strings.TrimPrefix(k, "catalog/"), ".json")
				if _, err := catalog.ParsePart(bad, digest); !errors.Is(err, catalog.ErrCorrupt) {
					t.Fatalf("%s: %v", what, err)
				}
			}
		}
		break
	}
}

// TestPartContradictions: what hashes as named may still be no part.
func TestPartContradictions(t *testing.T) {
	for _, text := range []string{
		`x`, `{}`, `{"format":2}`, `{"format":1,"crls":[null]}`, `{"format":1,"crls":[{"kind":"complete","number":"1","line":"x","set":{"key":"elsewhere"}}]}`,
		`{"format":1,"floors":{"x":null}}`, `{"format":1,"floors":{"x":{}}}`,
	} {
		digest := fmt.Sprintf("%x", sha256.Sum256([]byte(text)))
		if p, err := catalog.ParsePart([]byte(text), digest); err == nil || errors.Is(err, catalog.ErrFormat) != (text == `{}` || text == `{"format":2}`) {
			t.Errorf("%s is a part: %+v, %v", text, p, err)
		}
	}
	for _, parts := range []string{
		`{"bits":-1,"refs":[]}`, `{"bits":13,"refs":[]}`, `{"bits":1,"refs":[""]}`, `{"bits":0,"refs":["00"]}`, `{"bits":0,"refs":["x"]}`,
		`{"bits":0,"refs":["` + strings.Repeat("AB", 32) + `"]}`, `{"bits":62,"refs":[""]}`, `{"bits":0,"refs":["` + strings.Repeat("ab", 32) + `x"]}`,
		`{"bits":13,"refs":[""` + strings.Repeat(`,""`, 1<<13-1) + `]}`,
	} {
		if _, err := catalog.Parse([]byte(`{"format":1,"cas":{},"floor_parts":` + parts + `}`)); err == nil {
			t.Errorf("%s refers to parts", parts)
		}
	}
	for _, parts := range []string{`{"bits":0,"refs":["` + strings.Repeat("ab", 32) + `"]}`, `{"bits":12,"refs":[""` + strings.Repeat(`,""`, 1<<12-1) + `]}`} {
		if _, err := catalog.Parse([]byte(`{"format":1,"cas":{},"floor_parts":` + parts + `}`)); err != nil {
			t.Error(err)
		}
	}
}
