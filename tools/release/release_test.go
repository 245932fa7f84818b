package main

import (
	"archive/zip"
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func write(t *testing.T, dir, name, body string) string {
	t.Helper()
	path := filepath.Join(dir, name)
	if err := os.WriteFile(path, []byte(body), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// An archive depends on nothing but names and bytes: not on dates, modes, the
// order in which files are given, or the folder that they lie in.
func TestZipIsReproducible(t *testing.T) {
	var archives [2][]byte
	for i := range archives {
		dir := t.TempDir()
		boot, note := write(t, dir, "bootstrap", "binary"), write(t, dir, "n.txt", "notices")
		files := []string{boot, note + "=THIRD_PARTY_NOTICES"}
		if i == 1 {
			files[0], files[1] = files[1], files[0]
			if err := os.Chmod(boot, 0o711); err != nil {
				t.Fatal(err)
			}
			if err := os.Chtimes(note, time.Unix(1, 0), time.Unix(1, 0)); err != nil {
				t.Fatal(err)
			}
		}
		out := filepath.Join(dir, "f.zip")
		if err := writeZip(out, files); err != nil {
			t.Fatal(err)
		}
		var err error
		if archives[i], err = os.ReadFile(out); err != nil {
			t.Fatal(err)
		}
	}
	if !bytes.Equal(archives[0], archives[1]) {
		t.Fatal("the same files gave two archives")
	}
	z, err := zip.NewReader(bytes.NewReader(archives[0]), int64(len(archives[0])))
	if err != nil {
		t.Fatal(err)
	}
	modes := map[string]string{"bootstrap": "-rwxr-xr-x", "THIRD_PARTY_NOTICES": "-rw-r--r--"}
	if len(z.File) != len(modes) {
		t.Fatalf("%d files", len(z.File))
	}
	for _, f := range z.File {
		if got := f.Mode().String(); got != modes[f.Name] {
			t.Errorf("%s has mode %s, want %s", f.Name, got, modes[f.Name])
		}
	}
}

func TestZipRefusesTwoFilesOfOneName(t *testing.T) {
	dir := t.TempDir()
	a, b := write(t, dir, "a", "1"), write(t, dir, "b", "2")
	err := writeZip(filepath.Join(dir, "f.zip"), []string{a + "=x", b + "=x"})
	if err == nil || !strings.Contains(err.Error(), "two files") {
		t.Fatalf("got %v", err)
	}
}

func TestSums(t *testing.T) {
	dir := t.TempDir()
	write(t, dir, "b", "")
	write(t, dir, "a", "abc")
	for range 2 { // the second time over its own output
		if err := writeSums(dir); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(filepath.Join(dir, "SHA256SUMS"))
	if err != nil {
		t.Fatal(err)
	}
	want := "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad  a\n" +
		"e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855  b\n"
	if string(got) != want {
		t.Fatalf("got\n%swant\n%s", got, want)
	}
}

func TestJudge(t *testing.T) {
	for _, c := range []struct {
		licences []string
		want     string
	}{
		{[]string{"MIT"}, ""},
		{[]string{"BSD-3-Clause", "Google-Patents-Golang"}, ""},
		{[]string{"AGPL-3.0"}, "AGPL-3.0 is not on the list"},
		{[]string{"MIT", "GPL-2.0"}, "GPL-2.0 is not on the list"},
		{[]string{"MPL-2.0"}, "MPL-2.0 is not on the list"},
		{nil, "no licence that is known"},
		{[]string{"Google-Patents-Golang"}, "no licence that is known"},
	} {
		got := judge(module{licences: c.licences}, permissive)
		if (got == "") != (c.want == "") || !strings.Contains(got, c.want) {
			t.Errorf("%v: got %q, want %q", c.licences, got, c.want)
		}
	}
}

// A module's licence is read from its files, whatever they are called there.
func TestReadModule(t *testing.T) {
	licence, err := os.ReadFile("../../LICENSE")
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	write(t, dir, "COPYING", string(licence))
	write(t, dir, "license.go", string(licence))
	m, err := readModule("example.com/m", "v1.0.0", dir)
	if err != nil {
		t.Fatal(err)
	}
	if len(m.licences) != 1 || m.licences[0] != "Apache-2.0" || len(m.texts) != 1 {
		t.Fatalf("got %v from %d files", m.licences, len(m.texts))
	}
	if _, err := readModule("example.com/m", "v1.0.0", ""); err == nil || !strings.Contains(err.Error(), "go mod download") {
		t.Fatalf("a module that is not there: %v", err)
	}
}
