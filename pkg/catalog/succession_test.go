package catalog_test

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/crlgate/crlgate/internal/pki"
	"github.com/crlgate/crlgate/pkg/catalog"
	"github.com/crlgate/crlgate/pkg/crl"
	"github.com/crlgate/crlgate/pkg/issuer"
)

// TestAdmit is the table of succession, within one line.
func TestAdmit(t *testing.T) {
	hour := func(n int) time.Time { return now.Add(time.Duration(n) * time.Hour) }
	for _, tt := range []struct {
		what    string
		number  int64
		this    int // hours from now
		next    int
		content string
		want    catalog.Code
	}{
		{"the same", 5, -2, 22, "five", catalog.Same},
		{"the same, expired", 5, -2, -1, "five", catalog.Same},
		{"the next", 6, -1, 23, "six", catalog.Succeeds},
		{"the next, of the same moment", 6, -2, 22, "six", catalog.Succeeds},
		{"the next, expired", 6, -2, -1, "six", catalog.Succeeds},
		{"the next, thisUpdate back", 6, -3, 21, "six", catalog.ThisUpdateWentBack},
		{"equal number", 5, -1, 23, "other", catalog.NumberReused},
		{"equal number, thisUpdate back", 5, -3, 21, "other", catalog.NumberReused},
		{"lower number", 4, -1, 23, "four", catalog.NumberTooLow},
		{"lower number, thisUpdate back", 4, -3, 21, "four", catalog.NumberTooLow},
		{"zero", 0, -1, 23, "zero", catalog.NumberTooLow},
	} {
		for _, served := range []bool{true, false} { // whether the CA went away and came back
			c := catalog.New()
			ca, _ := file(t, "a")
			c.SetIssuer(ca, catalog.Source{})
			c.Publish("a", list("line", 5, hour(-2), "five"))
			want := tt.want
			if !served {
				c.RemoveIssuer("a")
				c.SetIssuer(ca, catalog.Source{})
				if want == catalog.Same {
					want = catalog.Succeeds // it comes back
				}
			}
			l := list("line", tt.number, hour(tt.this), tt.content)
			l.NextUpdate = hour(tt.next)
			before := encode(t, c)
			code, why := c.Admit("a", l, now)
			if code != want || (why == "") != (code == catalog.Succeeds) {
				t.Errorf("%s (served %v): %s, want %s: %s", tt.what, served, code, want, why)
			}
			if !bytes.Equal(encode(t, c), before) {
				t.Errorf("%s: Admit changed the catalog", tt.what)
			}
			if code, _ := c.Admit("a", list("another line", 1, hour(-9), "x"), now); code != catalog.Succeeds {
				t.Errorf("another line: %s", code)
			}
		}
	}
	c := catalog.New()
	l := list("line", 1, hour(-48), "x")
	if code, _ := c.Admit("a", l, now); code != catalog.Expired {
		t.Errorf("an expired first CRL: %s", code)
	}
	l.NextUpdate = now
	if code, _ := c.Admit("a", l, now); code != catalog.Succeeds {
		t.Errorf("at its nextUpdate: %s", code)
	}
}

func TestScopeIsCanonical(t *testing.T) {
	uri := func(s string) []byte { return append([]byte{0x86, byte(len(s))}, s...) }
	dn := func(tag int, cn string) []byte {
		der, err := pki.RawName([]pki.Attribute{{Type: pki.OIDCommonName, Tag: tag, Value: cn}})
		if err != nil {
			t.Fatal(err)
		}
		return pki.DirectoryName(der)
	}
	scope := func(idp crl.IssuingDistributionPoint) catalog.Scope {
		s, err := catalog.NewScope(&idp, "")
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	type idp = crl.IssuingDistributionPoint
	same := func(what string, a, b idp, want bool) {
		t.Helper()
		x, y := fmt.Sprintf("%+v", scope(a)), fmt.Sprintf("%+v", scope(b))
		if (x == y) != want {
			t.Errorf("%s: %s and %s", what, x, y)
		}
	}
	same("order of names", idp{FullName: [][]byte{uri("a"), uri("b")}}, idp{FullName: [][]byte{uri("b"), uri("a")}}, true)
	same("a name twice", idp{FullName: [][]byte{uri("a"), uri("a")}}, idp{FullName: [][]byte{uri("a")}}, true)
	same("case of a URI", idp{FullName: [][]byte{uri("a")}}, idp{FullName: [][]byte{uri("A")}}, false)
	same("case and string type of a directory name", idp{FullName: [][]byte{dn(0x0c, "Point  One")}}, idp{FullName: [][]byte{dn(0x13, "point one")}}, true)
	same("directory names", idp{FullName: [][]byte{dn(0x0c, "one")}}, idp{FullName: [][]byte{dn(0x0c, "two")}}, false)
	same("a long directory name", idp{FullName: [][]byte{dn(0x0c, strings.Repeat("x", 200))}}, idp{FullName: [][]byte{dn(0x0c, strings.Repeat("X", 200))}}, true)
	same("all reasons and none", idp{OnlySomeReasons: crl.AllReasons, OnlyUserCerts: true}, idp{OnlyUserCerts: true}, true)
	same("flags", idp{OnlyUserCerts: true}, idp{OnlyCACerts: true}, false)
	same("indirect", idp{OnlyUserCerts: true, Indirect: true}, idp{OnlyUserCerts: true}, false)

	relative, err := pki.RelativeName([]pki.Attribute{{Type: pki.OIDCommonName, Value: "one"}})
	if err != nil {
		t.Fatal(err)
	}
	same("a relative name is the name it stands for", idp{RelativeName: relative}, idp{FullName: [][]byte{dn(0x0c, "One")}}, true)
	if s, err := catalog.NewScope(nil, ""); err != nil || s.Points != nil {
		t.Errorf("%+v, %v", s, err)
	}
	for what, bad := range map[string]idp{
		"a directory name that is none": {FullName: [][]byte{{0xa4, 2, 5, 0}}}, "one cut short": {FullName: [][]byte{{0xa4, 0x82, 1}}},
		"one without length": {FullName: [][]byte{{0xa4}}}, "a relative name that is none": {RelativeName: []byte{5, 0}},
	} {
		if s, err := catalog.NewScope(&bad, ""); err == nil {
			t.Errorf("%s: %+v", what, s)
		}
	}
}

// TestSetIssuer: what stays and what goes with a new issuers file.
func TestSetIssuer(t *testing.T) {
	one, oneKey := file(t, "a")
	_, twoKey := file(t, "a")
	both, _ := file(t, "a", oneKey[0], twoKey[0])
	c := catalog.New()
	if !c.SetIssuer(both, catalog.Source{Key: "k", ETag: "1"}) || c.SetIssuer(both, catalog.Source{Key: "k", ETag: "2"}) {
		t.Error("the same certificates again are a change, or the first are none")
	}
	for i, cert := range both.Certificates {
		l := list(fmt.Sprint(i), 1, now, fmt.Sprint(i))
		l.Key = cert.Key.String()
		c.Publish("a", l)
	}
	if !c.SetIssuer(one, catalog.Source{}) || len(c.CAs["a"].CRLs) != 1 || c.CAs["a"].CRLs[0].Line != "0" {
		t.Errorf("%+v", c.CAs["a"].CRLs)
	}
	if c.Floor("1") == nil {
		t.Error("the floor of a key that left is gone")
	}
	if holder := c.HolderOf(both.Certificates[0], "b"); holder != "a" {
		t.Errorf("held by %q", holder)
	}
	if holder := c.HolderOf(both.Certificates[0], "a") + c.HolderOf(both.Certificates[1], "b"); holder != "" {
		t.Errorf("held by %q", holder)
	}
	if c.SetSettings("none", issuer.Settings{}, nil) || c.SetSettings("a", issuer.Settings{}, nil) || c.RemoveIssuer("none") {
		t.Error("nothing is a change")
	}
	renamed, _ := file(t, "b", oneKey[0])
	renamed.Name, renamed.Subject = "a", "another"
	if !c.SetIssuer(renamed, catalog.Source{}) && len(c.CAs["a"].CRLs) != 0 {
		t.Error("CRLs of another name were kept")
	}
	c.CAs["a"].Certificates[0].DER = []byte{1}
	if _, err := c.CAs["a"].Issuer("a"); err == nil {
		t.Error("a certificate that is none was read")
	}
}

func TestMoveSource(t *testing.T) {
	c := filled(t)
	l := *c.CAs["a"].CRLs[0]
	if c.MoveSource("a", &l) || c.MoveSource("none", &l) {
		t.Error("nothing is a change")
	}
	l.Source.ETag = "new"
	if !c.MoveSource("a", &l) || c.Serving("a", &l.Scope, l.Line).Source.ETag != "new" || len(c.CAs["a"].CRLs) != 2 {
		t.Errorf("%+v", c.CAs["a"].CRLs)
	}
	if got := c.InForce()["crls/a.crl"]; !slices.Contains(got, "new") {
		t.Errorf("%q", got)
	}
	l.Source.Key = "elsewhere"
	if c.MoveSource("a", &l) {
		t.Error("a copy became the source")
	}
}

// TestWaiting: who waits is woken until it waits no more, and waits are bounded.
func TestWaiting(t *testing.T) {
	c := catalog.New()
	if !c.Wait("b", "x") || !c.Wait("a", "x") || c.Wait("a", "x") || !c.Wait("c", "y") {
		t.Error("news that is none")
	}
	for range 2 {
		if got := c.Wake("x"); !slices.Equal(got, []string{"a", "b"}) {
			t.Errorf("%q, %v", got, c.Waiting)
		}
	}
	if !c.Unwait("a") || c.Unwait("a") || !slices.Equal(c.Wake("x"), []string{"b"}) || len(c.Waiting) != 2 {
		t.Errorf("after one waits no more: %v", c.Waiting)
	}
	for i := range 5000 {
		c.Wait(fmt.Sprint("k", i), "z")
	}
	if len(c.Waiting) > 1000 {
		t.Errorf("%d wait", len(c.Waiting))
	}
}

// TestReportKeys: distinct, and never longer than a key of S3 may be.
func TestReportKeys(t *testing.T) {
	seen := map[string]bool{}
	for n := 980; n <= 1024; n++ {
		for _, s := range []string{strings.Repeat("x", n), strings.Repeat("ü", n/2), strings.Repeat("x", n-1) + "y"} {
			k := catalog.ReportKey(s)
			if len(k) > 1024 || seen[k] && s != strings.Repeat("ü", n/2) || !strings.HasPrefix(k, "reports/") || !strings.HasSuffix(k, ".json") || strings.ToValidUTF8(k, "") != k {
				t.Errorf("%d octets: %q", n, k)
			}
			seen[k] = true
		}
	}
}

// FuzzParse: nothing that is read as a catalog panics, and it is written again
// as something equal.
func FuzzParse(f *testing.F) {
	golden, err := filepath.Glob("testdata/catalog-*.json")
	if err != nil || len(golden) == 0 {
		f.Fatalf("no golden catalog: %v", err)
	}
	for _, name := range golden {
		data, err := os.ReadFile(name)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data)
	}
	f.Add([]byte(`{"format":1,"generation":0,"updated":"2026-11-15T12:00:00Z","cas":null}`))
	f.Add([]byte(`{"format":1,"cas":{},"floors":{"x":{"number":"1"}},"floor_parts":{"bits":0,"refs":[""]}}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		c, err := catalog.Parse(data)
		if err != nil {
			return
		}
		for name, ca := range c.CAs {
			_, _ = ca.Issuer(name)
		}
		written, _, err := c.Encode()
		if err != nil {
			t.Fatalf("%q was read and cannot be written: %v", data, err)
		}
		back, err := catalog.Parse(written)
		if err != nil {
			t.Fatal(err)
		}
		again, _, err := back.Encode()
		if err != nil || !bytes.Equal(again, written) {
			t.Errorf("%s\nreads as\n%s (%v)", written, again, err)
		}
	})
}
