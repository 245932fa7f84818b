package preprocess_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

const codesPage = "../../docs/codes.md"

// rowPattern is a row of a table of codes: code, outcome, meaning, remedy.
var rowPattern = regexp.MustCompile("(?m)^\\| `([a-z0-9_]+)` \\| ([^|]+) \\| ([^|]+) \\| ([^|]+) \\|$")

// documented returns the outcome of every code on the page, and of every reason.
func documented(t *testing.T) (codes, reasons map[string]string) {
	t.Helper()
	page, err := os.ReadFile(codesPage)
	if err != nil {
		t.Fatal(err)
	}
	before, after, ok := strings.Cut(string(page), "## Reasons of a decision")
	if !ok {
		t.Fatal("the page has no reasons")
	}
	after, _, ok = strings.Cut(after, "## What fsck finds") // which has a test of its own
	if !ok {
		t.Fatal("the page says nothing of fsck")
	}
	table := func(text string) map[string]string {
		out := map[string]string{}
		rows := rowPattern.FindAllStringSubmatch(text, -1)
		if lines := strings.Count(text, "\n| `"); lines != len(rows) {
			t.Errorf("%d of %d rows have four cells", len(rows), lines)
		}
		for _, row := range rows {
			if _, twice := out[row[1]]; twice {
				t.Errorf("%s stands there twice", row[1])
			}
			out[row[1]] = row[2]
		}
		return out
	}
	return table(before), table(after)
}

// declared returns the string constants of a type in the packages' sources.
func declared(t *testing.T, typeName string, packages ...string) []string {
	t.Helper()
	found := map[string]bool{}
	for _, dir := range packages {
		files, err := filepath.Glob(filepath.Join("..", dir, "*.go"))
		if err != nil {
			t.Fatal(err)
		}
		before := len(found)
		for _, name := range files {
			if strings.HasSuffix(name, "_test.go") {
				continue
			}
			file, err := parser.ParseFile(token.NewFileSet(), name, nil, 0)
			if err != nil {
				t.Fatal(err)
			}
			ast.Inspect(file, func(n ast.Node) bool {
				spec, ok := n.(*ast.ValueSpec)
				if !ok {
					return true
				}
				if id, ok := spec.Type.(*ast.Ident); !ok || id.Name != typeName {
					return true
				}
				for _, value := range spec.Values {
					if lit, ok := value.(*ast.BasicLit); ok && lit.Kind == token.STRING {
						s, err := strconv.Unquote(lit.Value)
						if err != nil {
							t.Fatal(err)
						}
						found[s] = true
					}
				}
				return true
			})
		}
		if len(found) == before {
			t.Errorf("package %s declares no %s of its own", dir, typeName)
		}
	}
	return slices.Sorted(maps.Keys(found))
}

// TestCodesPage holds docs/codes.md to the constants, both ways.
func TestCodesPage(t *testing.T) {
	codes, reasons := documented(t)
	compare := func(page map[string]string, source []string, outcomes ...string) {
		t.Helper()
		for _, code := range source {
			if _, ok := page[code]; !ok {
				t.Errorf("%s lacks %s", codesPage, code)
			}
		}
		for code, outcome := range page {
			if !slices.Contains(source, code) {
				t.Errorf("%s has %s, which no source declares", codesPage, code)
			}
			if !slices.Contains(outcomes, outcome) {
				t.Errorf("%s: outcome %q", code, outcome)
			}
		}
	}
	compare(codes, declared(t, "Code", "crl", "issuer", "catalog", "preprocess", "truststore", "fetch"),
		"accepted", "pending", "refused", "deleted", "none, only logged", "fetched", "unchanged", "failed")
	compare(reasons, declared(t, "Reason", "authorize"), "allow", "deny")
}
