package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"sort"
	"strings"

	"github.com/google/licensecheck"
)

// A module is what a binary links of others.
type module struct {
	path, version string
	licences      []string // SPDX identifiers, sorted
	texts         []text   // licence and notice files
}

type text struct {
	name string // file name in the module
	body []byte
}

// linked returns the modules whose packages are linked into the given packages
// on Linux, sorted by path, and the Go standard library first of all.
func linked(packages ...string) ([]module, error) {
	args := append([]string{"list", "-deps", "-tags", "lambda.norpc", "-f", `{{with .Module}}{{if not .Main}}{{.Path}}{{"\t"}}{{.Version}}{{"\t"}}{{.Dir}}{{end}}{{end}}`}, packages...)
	cmd := exec.Command("go", args...)
	cmd.Env = append(os.Environ(), "GOOS=linux", "CGO_ENABLED=0")
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("go list %s: %w", strings.Join(packages, " "), err)
	}
	std, err := standardLibrary()
	if err != nil {
		return nil, err
	}
	mods := []module{std}
	seen := map[string]bool{}
	for line := range strings.Lines(string(out)) {
		path, rest, _ := strings.Cut(strings.TrimSuffix(line, "\n"), "\t")
		version, dir, _ := strings.Cut(rest, "\t")
		if seen[path] {
			continue
		}
		seen[path] = true
		read, err := readModule(path, version, dir)
		if err != nil {
			return nil, err
		}
		mods = append(mods, read)
	}
	sort.SliceStable(mods[1:], func(i, j int) bool { return mods[1+i].path < mods[1+j].path })
	return mods, nil
}

func standardLibrary() (module, error) {
	out, err := exec.Command("go", "env", "GOROOT", "GOVERSION").Output()
	if err != nil {
		return module{}, fmt.Errorf("go env: %w", err)
	}
	root, version, _ := strings.Cut(strings.TrimSpace(string(out)), "\n")
	m, err := readModule("std", version, root)
	m.version = "" // that of the go command that builds, which need not be the same everywhere
	return m, err
}

var licenceFile = regexp.MustCompile(`(?i)^(licen[cs]e|copying|notice|patents)([-.].*)?$`)

// readModule finds a module's licence files, in its top folder and, for a
// module that shares a repository, above it.
func readModule(path, version, dir string) (module, error) {
	m := module{path: path, version: version}
	if dir == "" {
		return m, fmt.Errorf("%s@%s is not on this machine: run go mod download", path, version)
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		return m, err
	}
	found := map[string]bool{}
	for _, e := range entries {
		if !e.Type().IsRegular() || !licenceFile.MatchString(e.Name()) || strings.HasSuffix(e.Name(), ".go") {
			continue
		}
		body, err := os.ReadFile(filepath.Join(dir, e.Name()))
		if err != nil {
			return m, err
		}
		m.texts = append(m.texts, text{e.Name(), body})
		for _, match := range licensecheck.Scan(body).Match {
			if !match.IsURL {
				found[match.ID] = true
			}
		}
	}
	for id := range found {
		m.licences = append(m.licences, id)
	}
	sort.Strings(m.licences)
	return m, nil
}

// writeNotices writes what the licences of the linked modules ask to be handed
// on with a binary: their texts.
func writeNotices(out string, packages []string) error {
	if out == "" || len(packages) == 0 {
		return errors.New("notices needs -o FILE and at least one package")
	}
	mods, err := linked(packages...)
	if err != nil {
		return err
	}
	return replace(out, func(w io.Writer) error {
		fmt.Fprintf(w, "This program contains the following works of others, under their licences.\n")
		for _, m := range mods {
			fmt.Fprintf(w, "\n%s\n%s %s\n", strings.Repeat("=", 78), m.path, m.version)
			for _, t := range m.texts {
				fmt.Fprintf(w, "%s\n%s\n\n", strings.Repeat("-", 78), t.name)
				if _, err := w.Write(bytes.TrimRight(t.body, "\n")); err != nil {
					return err
				}
				fmt.Fprintln(w)
			}
		}
		return nil
	})
}
