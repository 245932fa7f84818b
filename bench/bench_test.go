package main

import (
	"bytes"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"encoding/xml"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/crlgate/crlgate/internal/pki"
	"github.com/crlgate/crlgate/internal/pki/pkitest"
	"github.com/crlgate/crlgate/pkg/crl"
	"github.com/crlgate/crlgate/pkg/issuer"
	"github.com/crlgate/crlgate/pkg/preprocess"
)

// TestCRLFiles: what is measured is sound, by crypto/x509's account and by
// ours, and lists exactly the serial numbers that look-ups take to be listed.
func TestCRLFiles(t *testing.T) {
	ca := pkitest.CA(t, pki.CAOptions{Name: pkix.Name{CommonName: "bench"}})
	own, _, err := issuer.ParseFile("bench", ca.PEM(), issuer.Policy{})
	if err != nil {
		t.Fatal(err)
	}
	for _, kind := range shapes {
		for _, n := range []int{0, 1, 5000} {
			path := filepath.Join(t.TempDir(), "a.crl")
			if err := (crlSpec{n, kind}).writeFile(path, ca, time.Now().Add(-time.Hour)); err != nil {
				t.Fatal(err)
			}
			der, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			list, err := x509.ParseRevocationList(der)
			if err != nil {
				t.Fatalf("%s, %d entries: %v", kind.name, n, err)
			}
			if err := list.CheckSignatureFrom(ca.Certificate); err != nil || len(list.RevokedCertificateEntries) != n {
				t.Fatalf("%s: %d of %d entries, %v", kind.name, len(list.RevokedCertificateEntries), n, err)
			}
			c, err := preprocess.ReadCRL(bytes.NewReader(der), crl.Options{})
			if err != nil {
				t.Fatal(err)
			}
			if _, err := c.Verify([]*issuer.CA{own}, time.Now()); err != nil {
				t.Fatal(err)
			}
			set, serial := c.Image.Set(), make([]byte, 16)
			if set.Len() != n {
				t.Errorf("%s: %d serial numbers of %d: they are not distinct", kind.name, set.Len(), n)
			}
			reasons := 0
			for i := range uint64(2 * n) {
				kind.put(serial, i)
				e, ok := set.Lookup(serial)
				if ok != (i < uint64(n)) {
					t.Fatalf("%s: serial number %d listed: %v", kind.name, i, ok)
				}
				if ok && e.Reason != 0 {
					reasons++
				}
			}
			if n == 5000 && (reasons < 2300 || reasons > 2700) {
				t.Errorf("%s: %d of %d entries have a reason, not half", kind.name, reasons, n)
			}
			if per := float64(len(der)) / float64(n); n == 5000 && (per < 41.5 || per > 42.5) {
				t.Errorf("%.1f octets an entry", per)
			}
		}
	}
}

// TestSampleJSON: both ways of writing the sample's cache object agree.
func TestSampleJSON(t *testing.T) {
	const n = 1000
	text := sampleJSON(n)
	if err := decodeSample(text, n); err != nil {
		t.Fatal(err)
	}
	ca := pkitest.CA(t, pki.CAOptions{Name: pkix.Name{CommonName: "bench"}})
	dir := t.TempDir()
	in, out, cert := filepath.Join(dir, "in"), filepath.Join(dir, "out"), filepath.Join(dir, "ca.pem")
	if err := errors.Join(os.WriteFile(cert, ca.PEM(), 0o600), (crlSpec{n, random}).writeFile(in, ca, time.Now())); err != nil {
		t.Fatal(err)
	}
	if err := child([]string{"x509", cert, in, out}); err != nil {
		t.Fatal(err)
	}
	other, err := os.ReadFile(out)
	if err != nil {
		t.Fatal(err)
	}
	var a, b map[string]string
	if err := errors.Join(json.Unmarshal(text, &a), json.Unmarshal(other, &b)); err != nil {
		t.Fatal(err)
	}
	for key := range a {
		if _, ok := b[key]; !ok || len(a) != len(b) {
			t.Fatalf("%s is in one of them only, or %d and %d keys", key, len(a), len(b))
		}
	}
}

// TestChart: a chart is well-formed, and every line is drawn and named.
func TestChart(t *testing.T) {
	c := chart{Title: "A & B", Y: "ms"}
	for _, name := range []string{"crlgate", "x < y", "other"} {
		for _, n := range []int{1000, 10_000, 1_000_000} {
			c.point(name, n, float64(n)/7)
		}
	}
	text := c.svg()
	for d := xml.NewDecoder(strings.NewReader(text)); ; {
		if _, err := d.Token(); err == io.EOF {
			break
		} else if err != nil {
			t.Fatalf("%v in\n%s", err, text)
		}
	}
	if got := strings.Count(text, "<circle "); got != 9 {
		t.Errorf("%d points, want 9", got)
	}
	if !strings.Contains(text, ">x &lt; y</text>") || strings.Contains(text, "NaN") || strings.Contains(text, "Inf") {
		t.Error(text)
	}
}

// TestDocument: a run writes its own sections of the page, and leaves the others.
func TestDocument(t *testing.T) {
	s := &settings{dir: t.TempDir(), docs: t.TempDir()}
	page := filepath.Join(s.docs, "performance.md")
	write := func(results string) {
		t.Helper()
		if err := os.WriteFile(page, []byte("before\n"+resultsBegin+"\n"+results+"\n"+resultsEnd+"\nafter\n"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	measured := func(section, note string) {
		t.Helper()
		r := &report{Section: section, Machine: "a machine", LoadBefore: "0", LoadAfter: "1", Notes: []string{note}}
		if err := r.write(s.dir); err != nil {
			t.Fatal(err)
		}
		if err := s.document([]string{"generate", section}); err != nil {
			t.Fatal(err)
		}
	}
	read := func() string {
		t.Helper()
		text, err := os.ReadFile(page)
		if err != nil {
			t.Fatal(err)
		}
		return string(text)
	}
	write("")
	measured("lookup", "the first")
	if got := read(); strings.Contains(got, titles["decide"]) || strings.Count(got, "\n### ") != 1 {
		t.Errorf("one section:\n%s", got)
	}
	measured("decide", "decided")
	measured("inprocess", "in process")
	measured("lookup", "the second")
	got := read()
	last := 0
	for _, want := range []string{"before\n" + resultsBegin, titles["inprocess"], "In process.", titles["lookup"], "The second.", titles["decide"], "Decided.", resultsEnd + "\nafter\n"} {
		at := strings.Index(got, want)
		if at < last || strings.Count(got, want) != 1 {
			t.Errorf("%q stands at %d, after %d:\n%s", want, at, last, got)
		}
		last = at
	}
	if strings.Contains(got, "The first.") {
		t.Errorf("the first run's figures stay:\n%s", got)
	}
	measured("lookup", "the second")
	if again := read(); again != got {
		t.Errorf("once more, it says\n%s\nafter\n%s", again, got)
	}
	if err := s.document([]string{"process"}); err == nil {
		t.Error("a section that left no figures is documented")
	}
}

func TestBenchmarks(t *testing.T) {
	got := benchmarks([]byte("goos: linux\nBenchmarkDecide/first-seen/crlgate-2   \t  100\t  2500 ns/op\t 12 allocs/op\nBenchmarkDecide/first-seen/crlgate-2 100 3500 ns/op 12 allocs/op\nok\n"))
	if f := got["BenchmarkDecide/first-seen/crlgate"]; len(got) != 1 || median(f["ns/op"]) != 3000 || median(f["allocs/op"]) != 12 {
		t.Errorf("%v", got)
	}
}

func TestNumbers(t *testing.T) {
	for x, want := range map[float64]string{0: "0", 4: "4", 1234567: "1234567", 123.4: "123", 12.34: "12.3", 1.234: "1.23", 0.01234: "0.0123"} {
		if got := number(x); got != want {
			t.Errorf("%v: %s, want %s", x, got, want)
		}
	}
	if got := count(10_000_000); got != "10,000,000" {
		t.Error(got)
	}
}
