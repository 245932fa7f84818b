package rooms

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

var (
	threatRow  = regexp.MustCompile(`(?m)^\| (.+) \| (.+) \| (.+) \|$`)
	threatTest = regexp.MustCompile("`([a-z0-9/]+)`: ((?:(?:Test|Fuzz)\\w+(?:, )?)+)")
)

// TestThreatsAreTested: every test that docs/security.md names is there, and
// every threat that it lists names one.
func TestThreatsAreTested(t *testing.T) {
	page, err := os.ReadFile("../../docs/security.md")
	if err != nil {
		t.Fatal(err)
	}
	tests := map[string]string{} // by folder, the text of its tests
	named, threats := 0, 0
	for _, m := range threatTest.FindAllStringSubmatch(string(page), -1) {
		if _, read := tests[m[1]]; !read {
			files, err := filepath.Glob(filepath.Join("..", "..", filepath.FromSlash(m[1]), "*_test.go"))
			if err != nil || len(files) == 0 {
				t.Errorf("no tests in %s: %v", m[1], err)
			}
			var all strings.Builder
			for _, file := range files {
				b, err := os.ReadFile(file)
				if err != nil {
					t.Fatal(err)
				}
				all.Write(b)
			}
			tests[m[1]] = all.String()
		}
		for name := range strings.SplitSeq(m[2], ", ") {
			named++
			if !strings.Contains(tests[m[1]], "\nfunc "+name+"(") {
				t.Errorf("docs/security.md names %s of %s, which is not there", name, m[1])
			}
		}
	}
	for _, row := range threatRow.FindAllStringSubmatch(string(page), -1) {
		if row[1] == "it tries" || strings.HasPrefix(row[3], "not about") || !afterThreats(string(page), row[0]) {
			continue
		}
		threats++
		if !threatTest.MatchString(row[3]) {
			t.Errorf("no test is named for the threat %q", row[1])
		}
	}
	if named < 60 || threats < 45 {
		t.Errorf("only %d tests and %d threats were read", named, threats)
	}
}

// afterThreats tells whether a row stands behind the table of who is trusted.
func afterThreats(page, row string) bool {
	return strings.Index(page, row) > strings.Index(page, "\n## A publisher")
}
