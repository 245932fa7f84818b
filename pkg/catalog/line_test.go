package catalog_test

import (
	"crypto/sha256"
	"fmt"
	"math/big"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/crlgate/crlgate/pkg/catalog"
	"github.com/crlgate/crlgate/pkg/crl"
	"github.com/crlgate/crlgate/pkg/serialset"
)

// delta is a record of a delta CRL to a line.
func delta(line string, number, base int64) *catalog.CRL {
	l := list("delta to "+line, number, now, fmt.Sprint("delta ", number))
	l.Kind, l.Base = catalog.Delta, &catalog.Base{Line: line, Number: catalog.NewNumber(big.NewInt(base))}
	return l
}

// TestOfItsOwnNumber: a delta CRL to the complete one of its own number is one, and
// neither a complete CRL nor a delta to another.
func TestOfItsOwnNumber(t *testing.T) {
	for l, want := range map[*catalog.CRL]bool{
		list("a", 3, now, "3"): false, delta("a", 3, 3): true, delta("a", 3, 2): false, delta("a", 2, 3): false,
	} {
		if l.OfItsOwnNumber() != want {
			t.Errorf("number %s to %+v: %v", l.Number, l.Base, !want)
		}
	}
}

// TestEmpty: entries of any certificate issuer count.
func TestEmpty(t *testing.T) {
	others := func(entries ...int) (out []catalog.IssuerSet) {
		for _, n := range entries {
			out = append(out, catalog.IssuerSet{Entries: n})
		}
		return out
	}
	for what, tt := range map[string]struct {
		own    int
		others []catalog.IssuerSet
		want   bool
	}{
		"none":                    {0, nil, true},
		"its own":                 {1, nil, false},
		"another's":               {0, others(0, 1), false},
		"another's, and its own":  {1, others(1), false},
		"none of two others":      {0, others(0, 0), true},
		"its own, and no other's": {1, others(0), false},
	} {
		l := list("a", 1, now, "1")
		l.Entries, l.Others = tt.own, tt.others
		if l.Empty() != tt.want {
			t.Errorf("%s: %v", what, !tt.want)
		}
	}
}

// TestAdmitDelta: a delta CRL needs a complete one in force that is not older than
// its base.
func TestAdmitDelta(t *testing.T) {
	for _, tt := range []struct {
		what    string
		serving int64 // number of the complete CRL; 0: none
		base    int64
		want    catalog.Code
		why     string
	}{
		{"no complete CRL", 0, 3, catalog.BaseMissing, "it is a delta to CRL number 3, and no complete CRL of its key and scope is in force; upload that"},
		{"an older one", 2, 3, catalog.BaseMissing, "it is a delta to CRL number 3, and the complete CRL in force is the older number 2; upload a newer one"},
		{"its base", 3, 3, catalog.Succeeds, ""},
		{"a newer one", 4, 3, catalog.Succeeds, ""},
	} {
		c := catalog.New()
		ca, _ := file(t, "a")
		c.SetIssuer(ca, catalog.Source{})
		c.Publish("a", list("another line", 9, now, "other"))
		if tt.serving > 0 {
			c.Publish("a", list("line", tt.serving, now, "x"))
		}
		l := delta("line", 5, tt.base)
		if code, why := c.Admit("a", l, now); code != tt.want || !strings.HasPrefix(why, tt.why) {
			t.Errorf("%s: %s: %s", tt.what, code, why)
		}
		// What an expired one revokes counts all the same.
		if code, _ := c.Admit("a", l, l.NextUpdate.Add(time.Hour)); code != tt.want {
			t.Errorf("%s, expired: %s", tt.what, code)
		}
		c.Publish("a", delta("line", 6, tt.base))
		if code, _ := c.Admit("a", delta("line", 5, tt.base), now); code != catalog.NumberTooLow {
			t.Errorf("%s: an older delta: %s", tt.what, code)
		}
	}
}

// TestWords: a refusal names the numbers and times that clash, and says what helps.
func TestWords(t *testing.T) {
	c := catalog.New()
	ca, _ := file(t, "a")
	c.SetIssuer(ca, catalog.Source{})
	zone := time.FixedZone("somewhere", 3600)
	c.Publish("a", list("line", 5, now.In(zone), "five"))
	for _, tt := range []struct {
		l     *catalog.CRL
		words []string
	}{
		{list("line", 5, now, "five"), []string{"number 5 is in force already"}},
		{list("line", 4, now, "four"), []string{"number 4 is lower than 5"}},
		{list("line", 5, now, "other"), []string{"number 5 was accepted before with other content"}},
		{list("line", 6, now.Add(-time.Hour).In(zone), "six"), []string{"thisUpdate 2026-11-15T11:00:00Z", "before 2026-11-15T12:00:00Z", "number 5"}},
		{list("new", 1, now.Add(-25*time.Hour).In(zone), "old"), []string{"nextUpdate 2026-11-15T11:00:00Z is past", "upload a current CRL"}},
	} {
		code, why := c.Admit("a", tt.l, now)
		for _, w := range tt.words {
			if !strings.Contains(why, w) {
				t.Errorf("%s: %q lacks %q", code, why, w)
			}
		}
		if below := slices.Contains([]catalog.Code{catalog.NumberTooLow, catalog.NumberReused, catalog.ThisUpdateWentBack}, code); code.BelowFloor() != below {
			t.Errorf("%s is below the floor: %v", code, code.BelowFloor())
		}
	}
	for _, code := range []catalog.Code{catalog.Succeeds, catalog.Same, catalog.Expired, catalog.BaseMissing, ""} {
		if code.BelowFloor() {
			t.Errorf("%q is below the floor", code)
		}
	}
}

// TestBeyond: a line is further than a CRL where another, not older, was accepted.
func TestBeyond(t *testing.T) {
	number := func(n int64) *catalog.Number { return catalog.NewNumber(big.NewInt(n)) }
	floor := &catalog.Floor{Number: number(5), Content: "five"}
	for _, tt := range []struct {
		what    string
		floor   *catalog.Floor
		number  *catalog.Number
		content string
		want    bool
	}{
		{"no floor", nil, number(5), "five", false},
		{"the same", floor, number(5), "five", false},
		{"the same content, an older number", floor, number(4), "five", false},
		{"without number", floor, nil, "other", false},
		{"an older one", floor, number(4), "four", true},
		{"other content", floor, number(5), "other", true},
		{"a newer one", floor, number(6), "six", false},
	} {
		if got := tt.floor.Beyond(tt.number, tt.content); got != tt.want {
			t.Errorf("%s: %v", tt.what, got)
		}
	}
}

// TestFloors: what raises, lowers and keeps the floor of a line.
func TestFloors(t *testing.T) {
	c := catalog.New()
	for _, name := range []string{"a", "b"} {
		ca, _ := file(t, name)
		c.SetIssuer(ca, catalog.Source{})
	}
	is := func(what, line string, number int64, content string) {
		t.Helper()
		if f := c.Floor(line); f == nil || f.Number.Int().Int64() != number || f.Content != content {
			t.Errorf("%s: floor %+v", what, f)
		}
	}
	five := list("line", 5, now, "five")
	c.Publish("a", five)
	is("published", "line", 5, "five")
	if f := c.Floor("line"); f.CA != "a" || !f.ThisUpdate.Equal(now) {
		t.Errorf("floor %+v", f)
	}
	c.LowerFloor("a", list("line", 3, now, "three"))
	is("lowered", "line", 3, "three")
	if c.Serving("a", &five.Scope, "line") != five {
		t.Error("with its floor, the line lost its CRL")
	}
	for range 3 { // whatever the order of a map
		c.LowerFloor("a", list("line", 3, now, "three"))
		if !c.RaiseFloors() {
			t.Error("nothing was raised")
		}
		is("raised", "line", 5, "five")
		if c.RaiseFloors() {
			t.Error("raised once more")
		}
	}
	c.Publish("a", list("zz", 1, now, "last"))
	c.Publish("b", list("y", 1, now, "y"))
	c.LowerFloor("a", list("line", 3, now, "three"))
	if !c.RaiseFloors() { // one of several, not the last
		t.Error("nothing was raised")
	}

	for _, tt := range []struct {
		line   string
		number int64
		want   bool
	}{{"line", 4, false}, {"line", 5, false}, {"line", 6, true}, {"line", 6, false}, {"new", 0, true}, {"new", 0, false}} {
		f := &catalog.Floor{CA: "a", Number: catalog.NewNumber(big.NewInt(tt.number)), Content: fmt.Sprint(tt)}
		if got := c.RaiseFloor(tt.line, f); got != tt.want || (c.Floor(tt.line) == f) != tt.want {
			t.Errorf("%s to %d: %v, floor %+v", tt.line, tt.number, got, c.Floor(tt.line))
		}
	}

	if !c.Forget("a", five) || c.Forget("a", five) || c.Forget("none", five) || c.Serving("a", &five.Scope, "line") != nil {
		t.Error("not forgotten once")
	}
	if zz := list("zz", 1, now, "last"); c.Serving("a", &zz.Scope, "zz") == nil {
		t.Error("another line was forgotten")
	}
	is("forgotten", "line", 6, "{line 6 true}")

	other := list("zz", 1, now, "last")
	other.Entries = 77
	c.Replace("a", other)
	if got := c.Serving("a", &other.Scope, "zz"); got != other || len(c.CAs["a"].CRLs) != 1 {
		t.Errorf("replaced: %+v", got)
	}
	is("replaced", "zz", 1, "last")
}

// TestOrder: CRLs lie in the order of their names, then of their lines, whatever
// the order in which they came.
func TestOrder(t *testing.T) {
	want := []string{"a 1", "a 2", "b 0", "b 1"}
	for _, order := range [][]int{{0, 1, 2, 3}, {3, 2, 1, 0}, {2, 0, 3, 1}} {
		c := catalog.New()
		ca, _ := file(t, "a")
		c.SetIssuer(ca, catalog.Source{})
		for _, i := range order {
			l := list(want[i], 1, now, want[i])
			l.Name = want[i][:1]
			c.Publish("a", l)
		}
		var got []string
		for _, l := range c.CAs["a"].CRLs {
			got = append(got, l.Line)
		}
		if !slices.Equal(got, want) {
			t.Errorf("%q", got)
		}
	}
}

// TestWaitingEnds: what enters waits no more; as many wait as may.
func TestWaitingEnds(t *testing.T) {
	c := filled(t)
	l := list("line", 1, now, "x")
	c.Wait(l.Source.Key, "another")
	c.Publish("a", l)
	if _, waits := c.Waiting[l.Source.Key]; waits {
		t.Error("it entered, and waits")
	}
	for i := len(c.Waiting); i < 1000; i++ {
		if !c.Wait(fmt.Sprint(i), "x") {
			t.Fatalf("only %d wait", i)
		}
	}
	if c.Wait("one more", "x") {
		t.Error("too many wait")
	}
}

// TestDiffers: what a record says otherwise than another of the same CRL.
func TestDiffers(t *testing.T) {
	sum := func(s string) string { return serialset.Digest(sha256.Sum256([]byte(s))).String() }
	for what, tt := range map[string]struct {
		change func(l *catalog.CRL)
		words  string
	}{
		"nothing":               {func(*catalog.CRL) {}, ""},
		"the upload":            {func(l *catalog.CRL) { l.Source.ETag = "z" }, ""},
		"the name":              {func(l *catalog.CRL) { l.Name = "z" }, ""},
		"when it entered":       {func(l *catalog.CRL) { l.Accepted = now.Add(1) }, ""},
		"where its set is":      {func(l *catalog.CRL) { l.Set.Key = "sets/z" }, ""},
		"the content":           {func(l *catalog.CRL) { l.Content = "z" }, "other content"},
		"issuers":               {func(l *catalog.CRL) { l.Others = nil }, "of the certificates of 2 issuers, and the catalog of 1"},
		"a digest":              {func(l *catalog.CRL) { l.Set.SHA256 = sum("z") }, "flattens to: digest " + sum("z") + ", want " + sum("x")},
		"a size":                {func(l *catalog.CRL) { l.Set.Size++ }, "flattens to"},
		"a head":                {func(l *catalog.CRL) { l.Set.Head++ }, "flattens to"},
		"another's digest":      {func(l *catalog.CRL) { l.Others[0].Set.SHA256 = sum("z") }, "flattens to"},
		"the number":            {func(l *catalog.CRL) { l.Number = catalog.NewNumber(big.NewInt(6)) }, "says number 6, "},
		"thisUpdate":            {func(l *catalog.CRL) { l.ThisUpdate = now.Add(time.Hour) }, "thisUpdate 2026-11-15T13:00:00Z"},
		"nextUpdate":            {func(l *catalog.CRL) { l.NextUpdate = now.Add(time.Hour) }, "nextUpdate 2026-11-15T13:00:00Z, 0 entries, or a scope or key, that the CRL does not have: number 5, thisUpdate 2026-11-15T12:00:00Z, nextUpdate 2026-11-16T12:00:00Z, 0 entries"},
		"entries":               {func(l *catalog.CRL) { l.Entries = 3 }, " 3 entries, or"},
		"the key":               {func(l *catalog.CRL) { l.Key = "z" }, "a scope or key"},
		"the scope":             {func(l *catalog.CRL) { l.Scope.OnlyCACerts = true }, "a scope or key"},
		"what it is a delta to": {func(l *catalog.CRL) { l.Base = &catalog.Base{Line: "z"} }, "a scope or key"},
	} {
		record := func() *catalog.CRL {
			l := list("line", 5, now, "x")
			l.Others = []catalog.IssuerSet{{Name: []byte("n"), Set: list("", 0, now, "other").Set}}
			return l
		}
		l, other := record(), record()
		tt.change(l)
		if got := l.Differs(other); (got == "") != (tt.words == "") || !strings.Contains(got, tt.words) {
			t.Errorf("%s: %q", what, got)
		}
	}
}

// TestScopeOfPoint: a scope keeps its reasons, knows the issuer's own point, and
// refuses names that are more than one element.
func TestScopeOfPoint(t *testing.T) {
	ca, _ := file(t, "a")
	own := catalog.DirectoryPoint(ca.Subject)
	if own[0] != 0 || string(own[1:]) != string(ca.Subject) {
		t.Errorf("point %x", own)
	}
	for what, tt := range map[string]struct {
		idp  crl.IssuingDistributionPoint
		want catalog.Scope
		bad  bool
	}{
		"some reasons": {crl.IssuingDistributionPoint{OnlySomeReasons: 2}, catalog.Scope{OnlySomeReasons: 2}, false},
		"a URI":        {crl.IssuingDistributionPoint{FullName: [][]byte{{0x86, 1, 'x'}}}, catalog.Scope{Points: [][]byte{{0x86, 1, 'x'}}}, false},
		"an empty one": {crl.IssuingDistributionPoint{FullName: [][]byte{{}}}, catalog.Scope{Points: [][]byte{{}}}, false},
		"its own":      {crl.IssuingDistributionPoint{FullName: [][]byte{{0xa4, 2, 0x30, 0}}}, catalog.Scope{Points: [][]byte{{0}}, IssuerPoint: true}, false},
		"its own and another": {
			crl.IssuingDistributionPoint{FullName: [][]byte{{0x86, 1, 'x'}, {0xa4, 2, 0x30, 0}}},
			catalog.Scope{Points: [][]byte{{0}, {0x86, 1, 'x'}}, IssuerPoint: true},
			false,
		},
		"more behind": {crl.IssuingDistributionPoint{FullName: [][]byte{{0xa4, 2, 0x30, 0, 0}}}, catalog.Scope{}, true},
		"cut short":   {crl.IssuingDistributionPoint{FullName: [][]byte{{0xa4, 3, 0x30, 0}}}, catalog.Scope{}, true},
	} {
		s, err := catalog.NewScope(&tt.idp, "")
		if (err != nil) != tt.bad || fmt.Sprint(s) != fmt.Sprint(tt.want) {
			t.Errorf("%s: %+v, %v", what, s, err)
		}
	}
}
