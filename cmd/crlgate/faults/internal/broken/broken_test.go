package broken

import (
	"os/exec"
	"strings"
	"testing"
)

const source = "../../../../.."

// Every fault can be put into the sources as they are.
func TestApply(t *testing.T) {
	functions := map[string]int{}
	for _, f := range Faults {
		texts, err := f.Apply(source)
		if err != nil {
			t.Error(err)
		}
		if len(texts) == 0 || f.Run == "" {
			t.Errorf("%s: %d files changed, to be found by %q", f.Name, len(texts), f.Run)
		}
		if f.Short {
			functions[f.Function]++
		}
	}
	if functions["preprocessor"] == 0 || functions["authorizer"] == 0 {
		t.Errorf("in the short run: %v", functions)
	}
}

func TestApplyOnce(t *testing.T) {
	for _, from := range []string{"package", "func that is nowhere("} {
		f := Fault{Name: "x", Edits: []Edit{{"pkg/authorize/decide.go", from, ""}}}
		if _, err := f.Apply(source); from != "package" && err == nil || err != nil && !strings.Contains(err.Error(), "and not once") {
			t.Errorf("%q: %v", from, err)
		}
	}
}

// What cannot be built is said with what the compiler says.
func TestBuild(t *testing.T) {
	if _, err := exec.LookPath("go"); err != nil {
		t.Fatal(err)
	}
	f := Fault{Name: "it is no Go", Function: "authorizer", Edits: []Edit{{"functions/authorizer/main.go", "package main\n", "package main\n\nno Go\n"}}}
	if _, err := f.Build(t.Context(), source, t.TempDir(), t.TempDir()); err == nil || !strings.Contains(err.Error(), "main.go") {
		t.Errorf("a function that is no Go is built: %v", err)
	}
}

func TestTable(t *testing.T) {
	r := &Result{Findings: []*Finding{{Fault: &Faults[0], Found: "a set is not there"}, {Fault: &Faults[4]}}}
	got := r.Table()
	if !strings.Contains(got, "| crash matrix: first upload | a set is not there |") || !strings.Contains(got, "| **nothing** |") || len(r.Missed()) != 1 {
		t.Errorf("missed %d:\n%s", len(r.Missed()), got)
	}
}
