package catalog_test

import (
	"encoding/json"
	"math/big"
	"testing"
	"time"

	"github.com/crlgate/crlgate/pkg/catalog"
)

// TestLimits: what is at the limit is still read.
func TestLimits(t *testing.T) {
	most := new(big.Int).Sub(new(big.Int).Lsh(big.NewInt(1), 160), big.NewInt(1)).String()
	for what, change := range map[string]func(l map[string]any){
		"a number of 160 bits":     func(l map[string]any) { l["number"] = most },
		"number zero":              func(l map[string]any) { l["number"] = "0" },
		"a set of nothing":         func(l map[string]any) { l["set"].(map[string]any)["size"], l["set"].(map[string]any)["head"] = 0, 0 },
		"a set without head":       func(l map[string]any) { l["set"].(map[string]any)["head"] = 0 },
		"a set that is all head":   func(l map[string]any) { l["set"].(map[string]any)["head"] = 100 },
		"a set with a short name":  func(l map[string]any) { l["set"].(map[string]any)["key"] = "sets/x" },
		"a set with a longer name": func(l map[string]any) { l["set"].(map[string]any)["key"] = "sets/x/y/z" },
	} {
		var c map[string]any
		if err := json.Unmarshal(encode(t, filled(t)), &c); err != nil {
			t.Fatal(err)
		}
		change(c["cas"].(map[string]any)["a"].(map[string]any)["crls"].([]any)[0].(map[string]any))
		data, err := json.Marshal(c)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := catalog.Parse(data); err != nil {
			t.Errorf("%s: %v", what, err)
		}
	}
}

func TestStamp(t *testing.T) {
	c := catalog.New()
	for i := range 3 {
		at := now.Add(time.Duration(i) * time.Hour).In(time.FixedZone("somewhere", 3600))
		c.Stamp(at)
		if c.Generation != uint64(i+1) || !c.Updated.Equal(at) || c.Updated.Location() != time.UTC {
			t.Errorf("generation %d of %s", c.Generation, c.Updated)
		}
	}
}

// TestAllSets: an indirect CRL has its issuer's set first, and those of others
// behind it; each is checked.
func TestAllSets(t *testing.T) {
	l := list("l", 1, now, "own")
	one, two := list("", 1, now, "one").Set, list("", 1, now, "two").Set
	l.Others = []catalog.IssuerSet{{Set: one}, {Set: two}}
	sets := l.AllSets()
	if len(sets) != 3 || sets[0] != &l.Set || *sets[1] != one || *sets[2] != two {
		t.Errorf("%+v", sets)
	}
	for i := range sets {
		c := filled(t)
		bad := *l
		bad.Others = []catalog.IssuerSet{{Set: one}, {Set: two}}
		bad.AllSets()[i].Key = "elsewhere"
		c.Publish("a", &bad)
		if _, _, err := c.Encode(); err == nil {
			t.Errorf("set %d lies elsewhere, and was written", i)
		}
	}
}
