// Generate writes crlgate's test CRLs and certificates: one property or one
// defect a file, each listed in cases.json or certificates.json with what
// crlgate must answer, and in the tables of README.md.
//
//	go run ./testdata/generate
//
// Times, names and serials are fixed; keys are made anew and thrown away, so
// every run replaces every file.
package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

func main() {
	out := flag.String("o", "testdata", "`directory` to write to; it must hold README.md")
	flag.Parse()
	if err := run(*out); err != nil {
		fmt.Fprintln(os.Stderr, "generate:", err)
		os.Exit(1)
	}
}

func run(out string) error {
	authorities, err := newAuthorities()
	if err != nil {
		return err
	}
	w := &writer{root: out, written: make(map[string]bool)}
	for _, dir := range []string{"issuers", "sound", "defects", "certificates"} {
		if err := w.clear(dir); err != nil {
			return err
		}
	}
	for name, content := range authorities.files() {
		if err := w.write("issuers/"+name+".pem", content); err != nil {
			return err
		}
	}
	cases, err := writeCRLs(w, authorities)
	if err != nil {
		return err
	}
	if err := w.writeJSON("cases.json", cases); err != nil {
		return err
	}
	certificates, err := writeCertificates(w, authorities)
	if err != nil {
		return err
	}
	if err := w.writeJSON("certificates.json", certificates); err != nil {
		return err
	}
	return writeTables(filepath.Join(out, "README.md"), cases, certificates)
}

// writer writes files below a root and refuses to write one twice.
type writer struct {
	root    string
	written map[string]bool
}

// clear makes the directory, without the files of an earlier run.
func (w *writer) clear(dir string) error {
	path := filepath.Join(w.root, dir)
	entries, err := os.ReadDir(path)
	if errors.Is(err, fs.ErrNotExist) {
		return os.MkdirAll(path, 0o755)
	}
	if err != nil {
		return err
	}
	for _, e := range entries {
		if err := os.Remove(filepath.Join(path, e.Name())); err != nil {
			return err
		}
	}
	return nil
}

func (w *writer) write(name string, content []byte) error {
	if w.written[name] {
		return fmt.Errorf("two cases are named %s", name)
	}
	w.written[name] = true
	return os.WriteFile(filepath.Join(w.root, filepath.FromSlash(name)), content, 0o644)
}

func (w *writer) writeJSON(name string, v any) error {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	if err := e.Encode(v); err != nil {
		return err
	}
	return w.write(name, b.Bytes())
}

// writeTables replaces what stands between the marks of README.md.
func writeTables(path string, cases []crlCase, certificates []certificateCase) error {
	readme, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	text := string(readme)
	var crls, certs strings.Builder
	crls.WriteString("| file | what is in it | expected |\n|---|---|---|\n")
	for _, c := range cases {
		fmt.Fprintf(&crls, "| `%s`%s | %s | %s |\n", c.CRL, beside(c.With), c.What, c.expected())
	}
	certs.WriteString("| file | asked against | what is in it | expected |\n|---|---|---|---|\n")
	for _, c := range certificates {
		fmt.Fprintf(&certs, "| `%s` | `%s`%s | %s | %s |\n", c.Certificate, c.CRL, beside(c.With), c.What, c.expected())
	}
	for mark, table := range map[string]string{"crls": crls.String(), "certificates": certs.String()} {
		before, rest, ok := strings.Cut(text, "<!-- "+mark+" -->\n")
		_, after, ok2 := strings.Cut(rest, "<!-- /"+mark+" -->")
		if !ok || !ok2 {
			return fmt.Errorf("%s: the marks <!-- %s --> and <!-- /%s --> are missing; put them around the table", path, mark, mark)
		}
		text = before + "<!-- " + mark + " -->\n" + table + "<!-- /" + mark + " -->" + after
	}
	return os.WriteFile(path, []byte(text), 0o644)
}

// beside lists other CRLs in hand.
func beside(with []string) string {
	words := ""
	for _, w := range with {
		words += " beside `" + w + "`"
	}
	return words
}
