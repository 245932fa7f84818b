package rooms

import (
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

// TestDependenciesHaveReasons: docs/dependencies.md names every module that our own
// code imports, by its path or the end of that, as in "service/s3".
func TestDependenciesHaveReasons(t *testing.T) {
	page, err := os.ReadFile("../../docs/dependencies.md")
	if err != nil {
		t.Fatal(err)
	}
	version := regexp.MustCompile(`/v\d+$`)
	var named []string
	for _, m := range regexp.MustCompile("`([^`]+)`").FindAllStringSubmatch(string(page), -1) {
		named = append(named, version.ReplaceAllString(m[1], ""))
	}
	mod, err := os.ReadFile("../../go.mod")
	if err != nil {
		t.Fatal(err)
	}
	var modules []string
	for _, m := range regexp.MustCompile(`(?m)^\t(\S+) v`).FindAllStringSubmatch(string(mod), -1) {
		modules = append(modules, m[1])
	}
	missing, seen := map[string]string{}, map[string]bool{}
	for path, file := range imports(t) {
		module := ""
		for _, m := range modules {
			if (path == m || strings.HasPrefix(path, m+"/")) && len(m) > len(module) {
				module = m
			}
		}
		seen[module] = true
		if module != "" && !isNamed(version.ReplaceAllString(module, ""), named) {
			missing[module] = file
		}
	}
	for module, file := range missing {
		t.Errorf("docs/dependencies.md gives no reason for %s, which %s imports", module, file)
	}
	if len(seen) < 15 {
		t.Errorf("only %d modules were found", len(seen))
	}
}

// isNamed reports whether one of the names is of a module: its path, the end of
// that, or a package in it.
func isNamed(module string, names []string) bool {
	for _, n := range names {
		if n == module || strings.HasSuffix(module, "/"+n) || strings.HasPrefix(n, module+"/") {
			return true
		}
	}
	return false
}

// imports are the paths that our own code imports, each with a file that does.
func imports(t *testing.T) map[string]string {
	t.Helper()
	out := map[string]string{}
	err := filepath.WalkDir("../..", func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() {
			if name := d.Name(); name == "node_modules" || name == "build" || name == "tools" || strings.HasPrefix(name, ".git") {
				return fs.SkipDir
			}
			return nil
		}
		if !strings.HasSuffix(path, ".go") {
			return nil
		}
		parsed, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.ImportsOnly)
		if err != nil {
			return err
		}
		for _, spec := range parsed.Imports {
			name, err := strconv.Unquote(spec.Path.Value)
			if err != nil {
				return err
			}
			out[name] = path
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}
