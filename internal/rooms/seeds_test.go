package rooms

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

var fuzzTarget = regexp.MustCompile(`(?m)^func (Fuzz\w+)\(f \*testing\.F\)`)

// TestFuzzSeeds runs every fuzz target on its seeds and counts them: a glob
// that matches nothing, or a corpus that was moved, leaves a target that starts
// from nothing and finds nothing.
func TestFuzzSeeds(t *testing.T) {
	targets := 0
	for _, p := range list(t, "./pkg/...", "./functions/...", "./internal/...", "./cmd/...") {
		dir := filepath.Join("..", "..", filepath.FromSlash(strings.TrimPrefix(p.ImportPath, module)))
		files, err := filepath.Glob(filepath.Join(dir, "*_test.go"))
		if err != nil {
			t.Fatal(err)
		}
		var names []string
		for _, file := range files {
			source, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			for _, m := range fuzzTarget.FindAllSubmatch(source, -1) {
				names = append(names, string(m[1]))
			}
		}
		if len(names) == 0 {
			continue
		}
		targets += len(names)
		cmd := exec.Command("go", "test", "-count=1", "-v", "-run", "^("+strings.Join(names, "|")+")$", p.ImportPath)
		cmd.Dir = "../.."
		out, err := cmd.CombinedOutput()
		if err != nil {
			t.Errorf("%s: %v\n%s", p.ImportPath, err, out)
			continue
		}
		for _, name := range names {
			if n := strings.Count(string(out), "=== RUN   "+name+"/"); n < 3 {
				t.Errorf("%s: %s has %d seeds", p.ImportPath, name, n)
			}
		}
	}
	if targets < 10 {
		t.Errorf("only %d fuzz targets were found", targets)
	}
}
