package main

import (
	"archive/zip"
	"crypto/sha256"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"sort"
	"strings"
	"time"
)

// epoch is the date of every file in an archive: the first that the format can
// hold, so that the archive does not say when it was made.
var epoch = time.Date(1980, time.January, 1, 0, 0, 0, 0, time.UTC)

// writeZip writes an archive of files, each given as PATH or PATH=NAME, in the
// order of their names. A file named bootstrap, which Lambda runs, is
// executable; others are not. What was at out stays until the archive is whole.
func writeZip(out string, files []string) error {
	if out == "" || len(files) == 0 {
		return fmt.Errorf("zip needs -o OUT.zip and at least one file")
	}
	byName := map[string]string{}
	var names []string
	for _, f := range files {
		path, name, ok := strings.Cut(f, "=")
		if !ok {
			name = filepath.Base(path)
		}
		if _, twice := byName[name]; twice {
			return fmt.Errorf("two files would be %s in %s", name, out)
		}
		byName[name] = path
		names = append(names, name)
	}
	sort.Strings(names)
	return replace(out, func(w io.Writer) error {
		z := zip.NewWriter(w)
		for _, name := range names {
			if err := addFile(z, name, byName[name]); err != nil {
				return err
			}
		}
		return z.Close()
	})
}

func addFile(z *zip.Writer, name, path string) error {
	h := &zip.FileHeader{Name: name, Method: zip.Deflate, Modified: epoch}
	h.SetMode(0o644)
	if name == "bootstrap" {
		h.SetMode(0o755)
	}
	w, err := z.CreateHeader(h)
	if err != nil {
		return err
	}
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	_, err = io.Copy(w, f)
	return err
}

// writeSums writes dir/SHA256SUMS, in the form that "sha256sum -c" reads, over
// every other file in dir.
func writeSums(dir string) error {
	const name = "SHA256SUMS"
	entries, err := os.ReadDir(dir) // sorted by name
	if err != nil {
		return err
	}
	return replace(filepath.Join(dir, name), func(w io.Writer) error {
		for _, e := range entries {
			if !e.Type().IsRegular() || strings.HasPrefix(e.Name(), name) {
				continue
			}
			sum, err := hashFile(filepath.Join(dir, e.Name()))
			if err != nil {
				return err
			}
			if _, err := fmt.Fprintf(w, "%x  %s\n", sum, e.Name()); err != nil {
				return err
			}
		}
		return nil
	})
}

func hashFile(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	h := sha256.New()
	if _, err := io.Copy(h, f); err != nil {
		return nil, err
	}
	return h.Sum(nil), nil
}

// replace writes a file by way of another beside it, so that a reader finds the
// old one or the new one, whole.
func replace(path string, write func(io.Writer) error) error {
	f, err := os.CreateTemp(filepath.Dir(path), filepath.Base(path)+".*")
	if err != nil {
		return err
	}
	defer os.Remove(f.Name())
	if err := write(f); err != nil {
		f.Close()
		return fmt.Errorf("%s: %w", path, err)
	}
	if err := f.Chmod(0o644); err != nil {
		f.Close()
		return err
	}
	if err := f.Close(); err != nil {
		return err
	}
	return os.Rename(f.Name(), path)
}
