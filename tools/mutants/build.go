package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// An overlay is the mutated source, as the Go tool's -overlay reads it.
type overlay struct {
	dir   string // of this run, removed at its end
	files map[string]string
}

// put adds a file that stands for, or beside, the ones of a package.
func (o *overlay) put(name, text string) error {
	to := filepath.Join(o.dir, fmt.Sprintf("overlay-%d.go", len(o.files)))
	o.files[name] = to
	return os.WriteFile(to, []byte(text), 0o600)
}

// write writes the overlay's index and returns its name.
func (o *overlay) write() (string, error) {
	text, err := json.Marshal(map[string]any{"Replace": o.files})
	if err != nil {
		return "", err
	}
	name := filepath.Join(o.dir, "overlay.json")
	return name, os.WriteFile(name, text, 0o600)
}

// A binary is the test binary of one package, with all mutants in it.
type binary struct {
	folder string // relative to the top: its tests run there
	dir    string // the same, absolute
	path   string
	tests  []*test
}

// A test is one top-level test, example or fuzz target with its seeds.
type test struct {
	bin     *binary
	name    string
	seconds float64 // how long it took without a mutant
	reaches map[int]bool
}

// build compiles the tests of a package; nil if it has none.
func (r *runner) build(ctx context.Context, folder string) (*binary, error) {
	b := &binary{folder: folder, dir: filepath.Join(r.root, filepath.FromSlash(folder))}
	b.path = filepath.Join(r.dir, strings.ReplaceAll(folder, "/", "-")+".test")
	cmd := exec.CommandContext(ctx, "go", "test", "-c", "-vet=off", "-overlay", r.overlay, "-o", b.path, "./"+folder)
	cmd.Dir = r.root
	if out, err := cmd.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("building the tests of %s with the mutants: %w\n%s", folder, err, firstLines(string(out), 20))
	}
	if _, err := os.Stat(b.path); err != nil {
		return nil, nil
	}
	out, err := r.command(ctx, b, nil, "-test.list", ".").Output()
	if err != nil {
		return nil, fmt.Errorf("listing the tests of %s: %w", folder, err)
	}
	for _, name := range strings.Fields(string(out)) {
		if !strings.HasPrefix(name, "Benchmark") {
			b.tests = append(b.tests, &test{bin: b, name: name})
		}
	}
	return b, nil
}

func firstLines(s string, n int) string {
	lines := strings.SplitN(s, "\n", n+1)
	if len(lines) > n {
		lines[n] = "…"
	}
	return strings.Join(lines, "\n")
}
