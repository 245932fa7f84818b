// Package conformance gives tests the third-party cases: CRLs and certificates that
// nobody on this project made, with what is to be said of each. They are not part of
// this repository; the environment variable CRLGATE_CONFORMANCE names their folder,
// whose README says what the fields mean.
package conformance

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"
)

// Dir returns the folder of the cases. Where there is none the test is skipped; in
// CI, which the environment variable CI tells, it fails.
func Dir(tb testing.TB) string {
	tb.Helper()
	dir := os.Getenv("CRLGATE_CONFORMANCE")
	if dir == "" {
		if os.Getenv("CI") != "" {
			tb.Fatal("CRLGATE_CONFORMANCE is not set: the third-party cases did not run")
		}
		tb.Skip("CRLGATE_CONFORMANCE is not set: the third-party cases DID NOT RUN")
	}
	return dir
}

// Case is one case: a line of manifest.jsonl. Its paths are relative to the folder.
type Case struct {
	ID, Source, Note string
	Tests            string
	Time             time.Time
	Anchor, Issuer   string
	Chain            []string
	CRLs             []struct{ Path, Signer, Expect string }
	Leaf             *string  // nil for a case about CRLs alone
	ExpectLeaf       string   `json:"expect_leaf"`
	AlsoOK           []string `json:"also_ok"`

	dir string
}

// Cases reads the cases, as [Dir] finds them.
func Cases(tb testing.TB) []Case {
	tb.Helper()
	dir := Dir(tb)
	data, err := os.ReadFile(filepath.Join(dir, "manifest.jsonl"))
	if err != nil {
		tb.Fatal(err)
	}
	var cases []Case
	for line := range bytes.Lines(data) {
		c := Case{dir: dir}
		if err := json.Unmarshal(line, &c); err != nil {
			tb.Fatalf("%s in line %d of manifest.jsonl", err, len(cases)+1)
		}
		cases = append(cases, c)
	}
	return cases
}

// IssuerFiles are the files of all CA certificates that the case names, each once.
func (c *Case) IssuerFiles() []string {
	names := append([]string{c.Anchor, c.Issuer}, c.Chain...)
	for _, l := range c.CRLs {
		names = append(names, l.Signer)
	}
	slices.Sort(names)
	var files []string
	for _, name := range slices.Compact(names) {
		if name != "" {
			files = append(files, filepath.Join(c.dir, name))
		}
	}
	return files
}

// CRLFiles are the files of its CRLs, in their order.
func (c *Case) CRLFiles() []string {
	var files []string
	for _, l := range c.CRLs {
		files = append(files, filepath.Join(c.dir, l.Path))
	}
	return files
}

// LeafFile is the file of the certificate that is asked about; empty where none is.
func (c *Case) LeafFile() string {
	if c.Leaf == nil {
		return ""
	}
	return filepath.Join(c.dir, *c.Leaf)
}
