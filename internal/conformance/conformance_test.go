package conformance_test

import (
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/crlgate/crlgate/internal/conformance"
)

func TestCases(t *testing.T) {
	dir := t.TempDir()
	t.Setenv("CRLGATE_CONFORMANCE", dir)
	at := func(names ...string) (files []string) {
		for _, n := range names {
			files = append(files, filepath.Join(dir, n))
		}
		return files
	}
	manifest := `{"id": "a", "time": "2020-01-01T00:00:00Z", "anchor": "z.crt", "chain": ["i.crt"], "issuer": "i.crt", "crls": [{"path": "2.crl", "signer": "i.crt", "expect": "accept"}, {"path": "1.crl", "signer": "s.crt"}], "leaf": "l.crt", "expect_leaf": "good", "also_ok": ["undetermined"]}
{"id": "b", "anchor": "", "issuer": "i.crt", "crls": [], "leaf": null}
`
	if err := os.WriteFile(filepath.Join(dir, "manifest.jsonl"), []byte(manifest), 0o600); err != nil {
		t.Fatal(err)
	}
	cases := conformance.Cases(t)
	if len(cases) != 2 {
		t.Fatalf("%+v", cases)
	}
	a, b := &cases[0], &cases[1]
	if a.ID != "a" || a.Time.Year() != 2020 || a.CRLs[0].Expect != "accept" || a.ExpectLeaf != "good" || !slices.Equal(a.AlsoOK, []string{"undetermined"}) {
		t.Errorf("%+v", a)
	}
	if got, want := a.IssuerFiles(), at("i.crt", "s.crt", "z.crt"); !slices.Equal(got, want) {
		t.Errorf("issuers %v, want %v", got, want)
	}
	if got, want := a.CRLFiles(), at("2.crl", "1.crl"); !slices.Equal(got, want) {
		t.Errorf("CRLs %v, want %v", got, want)
	}
	if got := b.IssuerFiles(); !slices.Equal(got, at("i.crt")) || b.CRLFiles() != nil || b.LeafFile() != "" || a.LeafFile() != at("l.crt")[0] {
		t.Errorf("%v, %v, leaves %q and %q", got, b.CRLFiles(), a.LeafFile(), b.LeafFile())
	}
}

// absent is a test that ends in one of two ways.
type absent struct {
	testing.TB
	skipped, failed bool
}

func (a *absent) Helper()      {}
func (a *absent) Skip(...any)  { a.skipped = true }
func (a *absent) Fatal(...any) { a.failed = true }

// TestAbsent: without the folder a test is skipped, and in CI it fails.
func TestAbsent(t *testing.T) {
	t.Setenv("CRLGATE_CONFORMANCE", "")
	for ci, want := range map[string]absent{"": {skipped: true}, "true": {skipped: true, failed: true}} {
		t.Setenv("CI", ci)
		got := absent{}
		conformance.Dir(&got)
		if got != want {
			t.Errorf("CI=%q: %+v", ci, got)
		}
	}
}
