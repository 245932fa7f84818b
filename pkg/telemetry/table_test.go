package telemetry

import (
	"go/ast"
	"go/parser"
	"go/token"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

func TestTheTableOfMetricsIsComplete(t *testing.T) {
	names := map[string]bool{}
	for _, d := range Metrics() {
		if !regexp.MustCompile(`^[A-Z][A-Za-z]+$`).MatchString(d.Name) || names[d.Name] {
			t.Errorf("name %q", d.Name)
		}
		names[d.Name] = true
		if !emfUnit.MatchString(string(d.Unit)) || d.Kind < Counter || d.Kind > Highest || len(d.By) == 0 {
			t.Errorf("%s: %+v", d.Name, d)
		}
		if len(d.Meaning) < 10 || !strings.HasSuffix(d.Meaning, ".") {
			t.Errorf("%s: meaning %q", d.Name, d.Meaning)
		}
		for _, by := range d.By {
			if len(by) > maxBy || len(by)+1 > emfMaxDimensions {
				t.Errorf("%s: %d dimensions", d.Name, len(by))
			}
		}
	}
	// A line holds each metric at most once, so this many fit one directive.
	if len(names) != int(numMetrics) || len(names) > emfMaxMetrics {
		t.Errorf("%d metrics", len(names))
	}
	if Decisions.String() != "Decisions" || PreprocessLatency.String() != "PreprocessLatency" {
		t.Error("names are not those of the constants")
	}
}

// constants returns those of a file whose names have the prefix and are followed
// by a capital.
func constants(t *testing.T, file, prefix string) map[string]string {
	t.Helper()
	f, err := parser.ParseFile(token.NewFileSet(), file, nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	found := map[string]string{}
	for _, decl := range f.Decls {
		gen, ok := decl.(*ast.GenDecl)
		if !ok || gen.Tok != token.CONST {
			continue
		}
		for _, spec := range gen.Specs {
			v := spec.(*ast.ValueSpec)
			if name := v.Names[0].Name; strings.HasPrefix(name, prefix) {
				value, err := strconv.Unquote(v.Values[0].(*ast.BasicLit).Value)
				if err != nil {
					t.Fatal(err)
				}
				found[name] = value
			}
		}
	}
	return found
}

func TestTheTableOfKeysIsComplete(t *testing.T) {
	listed := map[string]bool{}
	for _, k := range Keys() {
		if !regexp.MustCompile(`^[a-z]+(_[a-z]+)*$`).MatchString(k.Name) || k.Meaning == "" || len(k.By) == 0 || !slices.Contains([]string{"string", "number", "bool"}, k.Type) || listed[k.Name] {
			t.Errorf("%+v", k)
		}
		if slices.Contains([]string{"time", "level", "msg"}, k.Name) {
			t.Errorf("%s is slog's own", k.Name)
		}
		listed[k.Name] = true
	}
	declared := constants(t, "keys.go", "Key")
	if len(declared) < 20 {
		t.Fatalf("found only %d constants", len(declared))
	}
	for name, value := range declared {
		if !listed[value] {
			t.Errorf("%s is not in the table", name)
		}
	}
	if len(listed) != len(declared) {
		t.Errorf("%d keys listed, %d declared", len(listed), len(declared))
	}
}

func TestTheTablesAreCopies(t *testing.T) {
	Metrics()[0].Name = "changed"
	Keys()[0].Name = "changed"
	if Metrics()[0].Name == "changed" || Keys()[0].Name == "changed" {
		t.Error("a caller can change the tables")
	}
}
