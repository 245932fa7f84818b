// Generate writes the sample events of this folder and the PKI that they need:
// one CA with its CRL, and client certificates.
//
//	go run ./events/generate
//
// Names, times and serials are fixed; keys are made anew and thrown away, so
// every run replaces every certificate.
package main

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"path/filepath"
)

func main() {
	out := flag.String("o", "events", "`directory` to write to")
	flag.Parse()
	if err := run(*out); err != nil {
		fmt.Fprintln(os.Stderr, "generate:", err)
		os.Exit(1)
	}
}

func run(out string) error {
	p, err := newPKI()
	if err != nil {
		return err
	}
	files := p.files()
	for name, event := range requestEvents(p) {
		if files[name], err = encode(event); err != nil {
			return err
		}
	}
	for name, event := range s3Events(p.crl) {
		if files[name], err = encode(event); err != nil {
			return err
		}
	}
	for name, content := range files {
		path := filepath.Join(out, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			return err
		}
		if err := os.WriteFile(path, content, 0o644); err != nil {
			return err
		}
	}
	return nil
}

func encode(event any) ([]byte, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	err := e.Encode(event)
	return b.Bytes(), err
}
