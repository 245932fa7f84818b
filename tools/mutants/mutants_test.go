package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// tiny runs the tool on a copy of testdata/tiny, with flags and with these
// lines after its explanations.
func tiny(t *testing.T, explanations string, args ...string) (clean bool, out string) {
	t.Helper()
	root, tmp := t.TempDir(), t.TempDir()
	if err := os.CopyFS(root, os.DirFS("testdata/tiny")); err != nil {
		t.Fatal(err)
	}
	t.Setenv("TMPDIR", tmp)
	list := filepath.Join(root, "explained.txt")
	text, err := os.ReadFile(list)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(list, append(text, explanations...), 0o600); err != nil {
		t.Fatal(err)
	}
	before := listing(t, root)
	o, err := parse(append([]string{"-C", root, "-package", ".", "-explained", list}, args...))
	if err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	if clean, err = o.run(context.Background(), &b, t.Logf); err != nil {
		t.Fatal(err)
	}
	if left, err := os.ReadDir(tmp); err != nil || len(left) > 0 {
		t.Errorf("left in the temporary folder: %v, %v", left, err)
	}
	if after := listing(t, root); after != before {
		t.Errorf("the module's folder held\n%s\nand now\n%s", before, after)
	}
	return clean, strings.ReplaceAll(b.String(), list, "explained.txt")
}

// listing is every file of a folder with its text.
func listing(t *testing.T, dir string) string {
	t.Helper()
	var b strings.Builder
	err := filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		text, err := os.ReadFile(path)
		fmt.Fprintf(&b, "%s %q\n", path, text)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// TestTiny: which mutants of the tiny package live is known, and why.
func TestTiny(t *testing.T) {
	clean, out := tiny(t, `
tiny.go Grade
  top → top + 1
  equivalent: it is not, and there is no such mutant

tiny.go Grade
  n >= top → n > top
  equivalent: it is not, and a test kills it
`, "-also", ".,user") // on the package's own mutants its tests have run by then
	if clean {
		t.Error("a run with survivors is called clean")
	}
	want := `Survivors without an explanation:
tiny.go:40: Sum: sum + last → sum - last
tiny.go:44: Unused: a && b → b   (no test reaches it)
tiny.go:44: Unused: a && b → a   (no test reaches it)
tiny.go:44: Unused: a && b → !(a && b)   (no test reaches it)
tiny.go:63: Kind: default → (body dropped)   (no test reaches it)

Explanations that do not hold:
explained.txt:19: explained, and killed by . TestGrade: tiny.go:20: Grade: n >= top → n > top
explained.txt:15: there is no such mutant any more: tiny.go: top → top + 1

  package  mutants  killed by a test  by the time limit  survived, explained  survived   score
        .       43                33                  1                    4         5  87.1 %
`
	if out != want {
		t.Errorf("got\n%s\nwant\n%s", out, want)
	}
}

// TestClean: where all that lives is explained the run is clean; without the
// other package's test the moment of the limit is a survivor.
func TestClean(t *testing.T) {
	const rest = `
tiny.go Fresh
  now.Before(limit) → !now.After(limit)
  guard: for this test
`
	if clean, out := tiny(t, rest, "-run", "Fresh|Grade"); !clean || !strings.Contains(out, "100.0 %") {
		t.Errorf("clean %t:\n%s", clean, out)
	}
	clean, out := tiny(t, rest, "-run", "Fresh|Grade", "-also", "user")
	if clean || !strings.Contains(out, "killed by user TestLate") {
		t.Errorf("an explained mutant that another package's test kills: clean %t:\n%s", clean, out)
	}
}

// TestEndedEarly: a run that is told to end reports what it has found by then.
func TestEndedEarly(t *testing.T) {
	t.Setenv("TMPDIR", t.TempDir())
	o, err := parse([]string{"-C", "testdata/tiny", "-package", ".", "-workers", "1"})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	var b bytes.Buffer
	_, err = o.run(ctx, &b, func(format string, args ...any) {
		if line := fmt.Sprintf(format, args...); strings.Contains(line, " of 43 mutants") {
			cancel()
		}
	})
	if !errors.Is(err, context.Canceled) {
		t.Errorf("it ended with %v", err)
	}
	if out := b.String(); !strings.Contains(out, "        .        4                 4 ") || !strings.Contains(out, "ended early: 39 more mutants were not tried") {
		t.Errorf("it said\n%s", out)
	}
}

func TestDocs(t *testing.T) {
	name := filepath.Join(t.TempDir(), "scores.md")
	const before = "Before.\n" + tableStart + "\nold heading\n| `a` | 1 |\n| `b` | 2 |\n" + tableEnd + "\nAfter.\n"
	if err := os.WriteFile(name, []byte(before), 0o600); err != nil {
		t.Fatal(err)
	}
	rep := &report{rows: []row{{folder: "b", mutants: 1000, tests: 990, time: 8, explained: 1, unexplained: 1}, {folder: "c"}}}
	if err := rep.writeDocs(name); err != nil {
		t.Fatal(err)
	}
	got, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"Before.\n", "\n| `a` | 1 |\n| `b` | 1000 | 990 | 8 | 1 | 1 | 99.8 % |\n| `c` | 0 | 0 | 0 | 0 | 0 | – |\n", "\nAfter.\n"} {
		if !strings.Contains(string(got), want) {
			t.Errorf("no %q in\n%s", want, got)
		}
	}
}

func TestFaults(t *testing.T) {
	for words, text := range map[string]string{
		"neither a mutation":           "a.go F\n  a → b\n  because\n",
		"a paragraph is":               "a.go F\n  a → b\n",
		"a paragraph is a line FILE":   "a.go F\n  speed: faster\n",
		"explained.txt:2: neither":     "a.go F\n  something\n",
		"explained.txt:1: neither a m": "  a → b\n",
	} {
		name := filepath.Join(t.TempDir(), "explained.txt")
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := readExplanations(name); err == nil || !strings.Contains(err.Error(), words) {
			t.Errorf("%q: error %v, want %q in it", text, err, words)
		}
	}
	for _, args := range [][]string{{}, {"-package", "a", "more"}, {"-package", "a", "-run", "("}, {"-package", "a", "-run", "x", "-docs", "y"}, {"-package", "a", "-within", "1s", "-docs", "y"}} {
		if _, err := parse(args); err == nil {
			t.Errorf("%q is taken", args)
		}
	}
}
