package crl_test

import (
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/crlgate/crlgate/pkg/crl"
)

var (
	profileFile = regexp.MustCompile("`((?:sound|defects)/[a-z0-9_*]+)`")
	profileTest = regexp.MustCompile("`((?:Test|Fuzz)[A-Za-z0-9]+)`")
	profileCode = regexp.MustCompile("^`([a-z0-9_]+)`$")
	testFunc    = regexp.MustCompile(`(?m)^func ((?:Test|Fuzz)\w+)\(`)
)

// TestCRLProfile holds docs/crl-profile.md to the code: its files have the
// codes it says, its tests exist, every file of the corpus and every code of
// this package has a row, and every row has a file or a test.
func TestCRLProfile(t *testing.T) {
	doc, err := os.ReadFile("../../docs/crl-profile.md")
	if err != nil {
		t.Fatal(err)
	}
	codes := map[string][]crl.Code{} // a file may have one code with SHA-1 allowed and another without
	for _, c := range cases(t) {
		name := strings.TrimSuffix(c.CRL, ".crl")
		codes[name] = append(codes[name], c.Code)
	}
	tests := testNames(t)
	listed, coded := map[string]bool{}, map[crl.Code]bool{}
	rows := 0
	for line := range strings.Lines(string(doc)) {
		cells := strings.Split(strings.Trim(strings.TrimSpace(line), "|"), "|")
		if !strings.HasPrefix(line, "| ") || strings.HasPrefix(line, "| what ") || len(cells) != 5 && len(cells) != 2 {
			continue
		}
		rows++
		code := crl.Code("")
		if len(cells) == 5 {
			if m := profileCode.FindStringSubmatch(strings.TrimSpace(cells[2])); m != nil {
				code = crl.Code(m[1])
				coded[code] = true
			}
		}
		last := cells[len(cells)-1]
		named := profileTest.FindAllStringSubmatch(last, -1)
		files := profileFile.FindAllStringSubmatch(last, -1)
		if len(named)+len(files) == 0 {
			t.Errorf("no file and no test: %s", line)
		}
		for _, m := range named {
			if !tests[m[1]] {
				t.Errorf("no test is named %s", m[1])
			}
		}
		for _, m := range files {
			matched := 0
			for name, has := range codes {
				if ok, err := path.Match(m[1], name); err != nil || !ok {
					continue
				}
				// A file that a pattern matches may be another row's.
				if slices.Contains(has, code) {
					matched++
					listed[name] = true
				} else if m[1] == name {
					t.Errorf("%s is said to be %q, and is %q", name, code, has)
				}
			}
			if matched == 0 {
				t.Errorf("no file %s of code %q", m[1], code)
			}
		}
	}
	if rows < 60 {
		t.Fatalf("only %d rows were found", rows)
	}
	for name := range codes {
		if !listed[name] {
			t.Errorf("docs/crl-profile.md has no row for %s", name)
		}
	}
	for _, code := range ownCodes(t) {
		if !coded[code] {
			t.Errorf("docs/crl-profile.md has no row for %s", code)
		}
	}
}

func testNames(t *testing.T) map[string]bool {
	t.Helper()
	var files []string
	for _, room := range []string{"crl", "preprocess", "revocation"} {
		found, err := filepath.Glob("../" + room + "/*_test.go")
		if err != nil || len(found) == 0 {
			t.Fatalf("tests of %s: %d, %v", room, len(found), err)
		}
		files = append(files, found...)
	}
	names := map[string]bool{}
	for _, file := range files {
		source, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range testFunc.FindAllSubmatch(source, -1) {
			names[string(m[1])] = true
		}
	}
	return names
}
