package catalog_test

import (
	"math/big"
	"testing"
	"time"

	"github.com/crlgate/crlgate/pkg/catalog"
)

// TestRevives: an expired complete CRL enters with a delta that is current, newer
// and to it, where nothing but the other keeps each of the two out.
func TestRevives(t *testing.T) {
	number := func(n int64) *catalog.Number { return catalog.NewNumber(big.NewInt(n)) }
	for what, tt := range map[string]struct {
		change func(c *catalog.Catalog, base, delta *catalog.CRL)
		want   bool
	}{
		"a current delta":           {func(_ *catalog.Catalog, _, _ *catalog.CRL) {}, true},
		"a delta to an older one":   {func(_ *catalog.Catalog, _, d *catalog.CRL) { d.Base.Number = number(1) }, true},
		"a delta to a newer one":    {func(_ *catalog.Catalog, _, d *catalog.CRL) { d.Base.Number = number(6) }, false},
		"a delta of its number":     {func(_ *catalog.Catalog, _, d *catalog.CRL) { d.Number = number(5) }, false},
		"a delta of a lower number": {func(_ *catalog.Catalog, _, d *catalog.CRL) { d.Number = number(4) }, false},
		"a delta at its nextUpdate": {func(_ *catalog.Catalog, _, d *catalog.CRL) { d.NextUpdate = now }, true},
		"an expired delta":          {func(_ *catalog.Catalog, _, d *catalog.CRL) { d.NextUpdate = now.Add(-time.Second) }, false},
		"a delta of its moment":     {func(_ *catalog.Catalog, b, d *catalog.CRL) { d.ThisUpdate = b.ThisUpdate }, true},
		"a delta of before it":      {func(_ *catalog.Catalog, b, d *catalog.CRL) { d.ThisUpdate = b.ThisUpdate.Add(-time.Second) }, false},
		"a delta to another line":   {func(_ *catalog.Catalog, _, d *catalog.CRL) { d.Base.Line = "another" }, false},
		"a complete CRL":            {func(_ *catalog.Catalog, _, d *catalog.CRL) { d.Kind, d.Base = catalog.Complete, nil }, false},
		"a current complete CRL":    {func(_ *catalog.Catalog, b, _ *catalog.CRL) { b.NextUpdate = now }, false},
		"a line that served": {func(c *catalog.Catalog, b, _ *catalog.CRL) {
			c.LowerFloor("a", b)
		}, false},
		"a line that was further": {func(c *catalog.Catalog, _, _ *catalog.CRL) {
			c.LowerFloor("a", list("line", 9, now, "nine"))
		}, false},
		"a delta that is too old": {func(c *catalog.Catalog, _, d *catalog.CRL) {
			further := *d
			further.Number = number(9)
			c.LowerFloor("a", &further)
		}, false},
		"a base that serves": {func(c *catalog.Catalog, b, _ *catalog.CRL) {
			other := *b
			other.Content, other.NextUpdate = "other", now
			c.Replace("a", &other)
		}, false},
	} {
		c := catalog.New()
		ca, _ := file(t, "a")
		c.SetIssuer(ca, catalog.Source{})
		base, d := list("line", 5, now.Add(-48*time.Hour), "five"), delta("line", 6, 5)
		tt.change(c, base, d)
		if got := c.Revives("a", base, d, now); got != tt.want {
			t.Errorf("%s: revives is %v", what, got)
		}
	}
}
