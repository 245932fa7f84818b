package catalog_test

import (
	"bytes"
	"crypto/sha256"
	"crypto/x509/pkix"
	"encoding/json"
	"errors"
	"flag"
	"math/big"
	"os"
	"path/filepath"
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
		"parts of a CA, none":      func(_, ca map[string]any, _ []any) { ca["parts"] = map[string]any{"bits": 0} },
		"a negative head":          func(_, _ map[string]any, l []any) { l[0].(map[string]any)["set"].(map[string]any)["head"] = -1 },
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
		if _, err := catalog.Parse([]byte(text)); err == nil || errors.Is(err, catalog.ErrFormat) != (text == "null") {
			t.Errorf("%q: %v", text, err)
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
		data, _, err := c.Encode()
		if err == nil || data != nil || strings.Contains(err.Error(), "would be written") == strings.Contains(what, "JSON") {
			t.Errorf("%s: %d octets, %v", what, len(data), err)
		}
	}
}
