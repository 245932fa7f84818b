package catalog_test

import (
	"bytes"
	"crypto/sha256"
	"crypto/x509/pkix"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"math/big"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/crlgate/crlgate/internal/pki"
	"github.com/crlgate/crlgate/internal/pki/pkitest"
	"github.com/crlgate/crlgate/pkg/catalog"
	"github.com/crlgate/crlgate/pkg/crl"
	"github.com/crlgate/crlgate/pkg/issuer"
	"github.com/crlgate/crlgate/pkg/serialset"
)

var now = time.Date(2026, 11, 15, 12, 0, 0, 0, time.UTC)

// file is CA a's issuers file, of so many keys.
func file(t testing.TB, cn string, keys ...*pki.CA) (*issuer.CA, []*pki.CA) {
	t.Helper()
	if keys == nil {
		keys = []*pki.CA{pkitest.CA(t, pki.CAOptions{Name: pkix.Name{CommonName: cn}})}
	}
	ca, _, err := issuer.ParseFile(cn, pki.PEM(keys...), issuer.Policy{})
	if err != nil {
		t.Fatal(err)
	}
	return ca, keys
}

// list is a record of a CRL of a line.
func list(line string, number int64, thisUpdate time.Time, content string) *catalog.CRL {
	digest := serialset.Digest(sha256.Sum256([]byte(content)))
	return &catalog.CRL{
		Name: "crls_2fa.crl", Source: catalog.Source{Key: "crls/a.crl", ETag: content}, Line: line, Kind: catalog.Complete,
		Number: catalog.NewNumber(big.NewInt(number)), Content: content, ThisUpdate: thisUpdate, NextUpdate: thisUpdate.Add(24 * time.Hour),
		Set: catalog.Set{Key: catalog.SetKey("crls_2fa.crl", digest), Size: 100, Head: 60, SHA256: digest.String()}, Accepted: now,
	}
}

func encode(t testing.TB, c *catalog.Catalog) []byte {
	t.Helper()
	data, parts, err := c.Encode()
	if err != nil || len(parts) > 0 {
		t.Fatalf("%d parts, %v", len(parts), err)
	}
	return data
}

// filled is a catalog with something of everything.
func filled(t testing.TB) *catalog.Catalog {
	t.Helper()
	c := catalog.New()
	ca, _ := file(t, "a")
	c.SetIssuer(ca, catalog.Source{Key: "issuers/a.pem", ETag: `"1"`, VersionID: "v"})
	s, err := issuer.ParseSettings([]byte(`{"domains":["*.example.com"],"mode":"observe","grace":"1h","max_crl_age":"48h","crl":"optional","deny":["ff","-01"],"allow_until":"2026-11-16T00:00:00Z"}`), now)
	if err != nil {
		t.Fatal(err)
	}
	c.SetSettings("a", s, &catalog.Source{Key: "issuers/a.json", ETag: `"2"`})
	idp := &crl.IssuingDistributionPoint{FullName: [][]byte{append([]byte{0x86, 8}, "http://x"...)}, OnlyUserCerts: true, OnlySomeReasons: 1 << 1}
	scope, err := catalog.NewScope(idp, ca.Subject)
	if err != nil {
		t.Fatal(err)
	}
	base := list(catalog.Line(ca.Subject, ca.Certificates[0].Key, catalog.Complete, scope), 41, now, "SHA-256:01")
	base.Scope, base.Key = scope, ca.Certificates[0].Key.String()
	delta := list(catalog.Line(ca.Subject, ca.Certificates[0].Key, catalog.Delta, scope), 42, now, "SHA-256:02")
	delta.Scope, delta.Key, delta.Kind = scope, base.Key, catalog.Delta
	delta.Base = &catalog.Base{Line: base.Line, Number: catalog.NewNumber(big.NewInt(40))}
	other := list("", 0, now, "other")
	delta.Others = []catalog.IssuerSet{{Name: []byte(ca.Subject), Subject: "CN=b", Entries: 3, Set: other.Set}}
	for _, l := range []*catalog.CRL{base, delta} {
		if code, why := c.Admit("a", l, now); code != catalog.Succeeds {
			t.Fatal(code, why)
		}
		c.Publish("a", l)
	}
	c.Wait("crls/waits.crl", base.Line)
	c.Stamp(now)
	return c
}

func TestRoundTrip(t *testing.T) {
	data := encode(t, filled(t))
	c, err := catalog.Parse(data)
	if err != nil {
		t.Fatal(err)
	}
	if again := encode(t, c); !bytes.Equal(again, data) {
		t.Errorf("%s\nreads as\n%s", data, again)
	}
}

var update = flag.Bool("update", false, "write the golden file anew")

// TestGolden: a catalog that an earlier version wrote is read as it was meant,
// for ever.
func TestGolden(t *testing.T) {
	golden := filepath.Join("testdata", "catalog-1.json")
	if *update {
		if err := os.WriteFile(golden, encode(t, filled(t)), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	data, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	c, err := catalog.Parse(data)
	if err != nil {
		t.Fatal(err)
	}
	if again := encode(t, c); !bytes.Equal(again, data) {
		t.Errorf("written again it is\n%s", again)
	}
	ca, err := c.CAs["a"].Issuer("a")
	if err != nil {
		t.Fatal(err)
	}
	s := c.CAs["a"].Settings
	if c.Generation != 1 || !s.Observe() || !s.CRLOptional() || !s.ServesDomain("x.example.com") || !s.Denies([]byte{0xff}) || !s.Denies([]byte{0, 0xff}) || !s.BreakGlass(now) {
		t.Errorf("%d, %+v", c.Generation, s)
	}
	for _, l := range c.CAs["a"].CRLs {
		if want := catalog.Line(ca.Subject, ca.Certificates[0].Key, l.Kind, l.Scope); l.Line != want {
			t.Errorf("%s: line %s, and today it would be %s: every floor would be forgotten", l.Name, l.Line, want)
		}
		if f := c.Floor(l.Line); f == nil || f.Number.String() != l.Number.String() {
			t.Errorf("floor %+v", f)
		}
	}
}

// TestLineStable: lines are what floors hang on, so they never change.
func TestLineStable(t *testing.T) {
	subject := issuer.Name("name")
	for want, got := range map[string]string{
		"95cb9504809a2282ab62f78ac92f3da6": catalog.Line(subject, issuer.KeyDigest{1}, catalog.Complete, catalog.Scope{}),
	} {
		if got != want {
			t.Errorf("line %s, want %s", got, want)
		}
	}
	seen := map[string]string{}
	for what, line := range map[string]string{
		"plain":     catalog.Line(subject, issuer.KeyDigest{1}, catalog.Complete, catalog.Scope{}),
		"name":      catalog.Line("namf", issuer.KeyDigest{1}, catalog.Complete, catalog.Scope{}),
		"key":       catalog.Line(subject, issuer.KeyDigest{2}, catalog.Complete, catalog.Scope{}),
		"kind":      catalog.Line(subject, issuer.KeyDigest{1}, catalog.Delta, catalog.Scope{}),
		"user":      catalog.Line(subject, issuer.KeyDigest{1}, catalog.Complete, catalog.Scope{OnlyUserCerts: true}),
		"CA":        catalog.Line(subject, issuer.KeyDigest{1}, catalog.Complete, catalog.Scope{OnlyCACerts: true}),
		"attribute": catalog.Line(subject, issuer.KeyDigest{1}, catalog.Complete, catalog.Scope{OnlyAttributeCerts: true}),
		"indirect":  catalog.Line(subject, issuer.KeyDigest{1}, catalog.Complete, catalog.Scope{Indirect: true}),
		"reasons":   catalog.Line(subject, issuer.KeyDigest{1}, catalog.Complete, catalog.Scope{OnlySomeReasons: 2}),
		"a point":   catalog.Line(subject, issuer.KeyDigest{1}, catalog.Complete, catalog.Scope{Points: [][]byte{{1, 2}}}),
		"two":       catalog.Line(subject, issuer.KeyDigest{1}, catalog.Complete, catalog.Scope{Points: [][]byte{{1}, {2}}}),
	} {
		if other, ok := seen[line]; ok {
			t.Errorf("%s and %s are one line", what, other)
		}
		seen[line] = what
	}
}

// TestContradictions: what the writer would not write is not read.
func TestContradictions(t *testing.T) {
	good := encode(t, filled(t))
	for what, change := range map[string]func(c map[string]any, ca map[string]any, crls []any){
		"no format":           func(c, _ map[string]any, _ []any) { delete(c, "format") },
		"a newer format":      func(c, _ map[string]any, _ []any) { c["format"] = 2 },
		"CAs that are a list": func(c, _ map[string]any, _ []any) { c["cas"] = []any{} },
		"a CA that is null":   func(c, _ map[string]any, _ []any) { c["cas"] = map[string]any{"a": nil} },
		"no certificate":      func(_, ca map[string]any, _ []any) { ca["certificates"] = []any{} },
		"another certificate": func(_, ca map[string]any, _ []any) { ca["certificates"].([]any)[0].(map[string]any)["der"] = "MAA=" },
		"an empty serial":     func(_, ca map[string]any, _ []any) { ca["settings"].(map[string]any)["deny"] = []any{""} },
		"a negative grace":    func(_, ca map[string]any, _ []any) { ca["settings"].(map[string]any)["grace"] = "-1h" },
		"a CRL that is null":  func(_, _ map[string]any, l []any) { l[0] = nil },
		"no number":           func(_, _ map[string]any, l []any) { delete(l[0].(map[string]any), "number") },
		"a negative number":   func(_, _ map[string]any, l []any) { l[0].(map[string]any)["number"] = "-1" },
		"a number of 21 octets": func(_, _ map[string]any, l []any) {
			l[0].(map[string]any)["number"] = new(big.Int).Lsh(big.NewInt(1), 160).String()
		},
		"a number in hex": func(_, _ map[string]any, l []any) { l[0].(map[string]any)["number"] = "0x1" },
		"another kind":    func(_, _ map[string]any, l []any) { l[0].(map[string]any)["kind"] = "partial" },
		"no line":         func(_, _ map[string]any, l []any) { l[0].(map[string]any)["line"] = "" },
		"two of one line": func(_, _ map[string]any, l []any) { l[0].(map[string]any)["line"] = l[1].(map[string]any)["line"] },
		"every delta baseless": func(_, _ map[string]any, l []any) {
			for _, x := range l {
				delete(x.(map[string]any), "base")
			}
		},
		"a complete one with a base": func(_, _ map[string]any, l []any) {
			for _, x := range l {
				x.(map[string]any)["kind"] = "complete"
			}
		},
		"a set outside its prefix": func(_, _ map[string]any, l []any) { l[0].(map[string]any)["set"].(map[string]any)["key"] = "reports/x" },
		"a set that is the prefix": func(_, _ map[string]any, l []any) { l[0].(map[string]any)["set"].(map[string]any)["key"] = "sets/" },
		"a set without a hash":     func(_, _ map[string]any, l []any) { l[0].(map[string]any)["set"].(map[string]any)["sha256"] = "00" },
		"a head beyond the set":    func(_, _ map[string]any, l []any) { l[0].(map[string]any)["set"].(map[string]any)["head"] = 101 },
		"a negative size":          func(_, _ map[string]any, l []any) { l[0].(map[string]any)["set"].(map[string]any)["size"] = -1 },
		"a floor that is null":     func(c, _ map[string]any, _ []any) { c["floors"] = map[string]any{"x": nil} },
		"a floor without number":   func(c, _ map[string]any, _ []any) { c["floors"] = map[string]any{"x": map[string]any{}} },
	} {
		var c map[string]any
		if err := json.Unmarshal(good, &c); err != nil {
			t.Fatal(err)
		}
		ca := c["cas"].(map[string]any)["a"].(map[string]any)
		change(c, ca, ca["crls"].([]any))
		data, err := json.Marshal(c)
		if err != nil {
			t.Fatal(err)
		}
		_, err = catalog.Parse(data)
		if err == nil || errors.Is(err, catalog.ErrFormat) != strings.HasSuffix(what, " format") {
			t.Errorf("%s: %v", what, err)
		}
	}
	for _, text := range []string{"", "null", "[]", "1", `{"format":1}x`, `{"format":"1"}`} {
		if _, err := catalog.Parse([]byte(text)); err == nil {
			t.Errorf("%q is a catalog", text)
		}
	}
}

// TestNullTables: tables that are null are empty, and can be written to.
func TestNullTables(t *testing.T) {
	c, err := catalog.Parse([]byte(`{"format":1,"cas":null,"floors":null}`))
	if err != nil {
		t.Fatal(err)
	}
	ca, _ := file(t, "a")
	c.SetIssuer(ca, catalog.Source{})
	c.Publish("a", list("l", 1, now, "x"))
	if c.Floor("l") == nil {
		t.Error("no floor")
	}
}

// TestEncodeRefuses: what could not be read is not written.
func TestEncodeRefuses(t *testing.T) {
	for what, spoil := range map[string]func(c *catalog.Catalog){
		"a serial without digits": func(c *catalog.Catalog) { c.CAs["a"].Settings.Deny = []issuer.Serial{nil} },
		"no certificate":          func(c *catalog.Catalog) { c.CAs["a"].Certificates = nil },
		"a set elsewhere":         func(c *catalog.Catalog) { c.CAs["a"].CRLs[0].Set.Key = "elsewhere" },
		"a year that JSON lacks":  func(c *catalog.Catalog) { c.CAs["a"].CRLs[0].NextUpdate = now.AddDate(10_000, 0, 0) },
	} {
		c := filled(t)
		spoil(c)
		if data, _, err := c.Encode(); err == nil || data != nil {
			t.Errorf("%s: %d octets, %v", what, len(data), err)
		}
	}
}

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
