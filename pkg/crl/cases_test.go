package crl_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"testing"

	"github.com/crlgate/crlgate/pkg/crl"
)

const corpus = "../../testdata"

// maxCRLBytes is the default of MAX_CRL_BYTES.
const maxCRLBytes = 8 << 30

type crlCase struct {
	CRL       string
	AllowSHA1 bool `json:"allow_sha1"`
	Accepted  bool
	Code      crl.Code
}

func cases(tb testing.TB) []crlCase {
	tb.Helper()
	b, err := os.ReadFile(filepath.Join(corpus, "cases.json"))
	if err != nil {
		tb.Fatal(err)
	}
	var cases []crlCase
	if err := json.Unmarshal(b, &cases); err != nil {
		tb.Fatal(err)
	}
	if len(cases) < 200 {
		tb.Fatalf("cases.json lists only %d cases", len(cases))
	}
	return cases
}

func corpusFile(tb testing.TB, name string) []byte {
	tb.Helper()
	b, err := os.ReadFile(filepath.Join(corpus, name))
	if err != nil {
		tb.Fatal(err)
	}
	return b
}

// ownCodes lists the codes with which this package refuses, as errors.go
// declares them.
func ownCodes(tb testing.TB) []crl.Code {
	tb.Helper()
	file, err := parser.ParseFile(token.NewFileSet(), "errors.go", nil, 0)
	if err != nil {
		tb.Fatal(err)
	}
	var codes []crl.Code
	ast.Inspect(file, func(n ast.Node) bool {
		v, ok := n.(*ast.ValueSpec)
		if !ok {
			return true
		}
		if name, ok := v.Type.(*ast.Ident); ok && name.Name == "Code" {
			s, err := strconv.Unquote(v.Values[0].(*ast.BasicLit).Value)
			if err != nil {
				tb.Fatal(err)
			}
			codes = append(codes, crl.Code(s))
		}
		return true
	})
	if len(codes) < 20 {
		tb.Fatalf("errors.go declares only %d codes", len(codes))
	}
	return codes
}

// verdict is the code with which reading, or the look at the algorithm that
// CheckSignature begins with, refuses a CRL; empty: it does not.
func verdict(tb testing.TB, file []byte, opts crl.Options) (*crl.List, crl.Code) {
	tb.Helper()
	list, err := crl.Read(bytes.NewReader(file), opts, nil)
	if err == nil {
		err = list.CheckSignature(nil)
		if unsupported := list.Unsupported(); unsupported != nil && !errors.Is(err, unsupported) {
			tb.Fatalf("Unsupported says %v, CheckSignature %v", unsupported, err)
		}
	}
	var e *crl.Error
	switch {
	case errors.As(err, &e):
		return list, e.Code
	case errors.Is(err, crl.ErrSignature):
		return list, "" // no key was given, and the algorithm is a known one
	}
	tb.Fatalf("neither a refusal nor a list: %v", err)
	return nil, ""
}

// TestCorpus reads every CRL of testdata. Those with a code of this package
// are refused with that code; the others are for their readers to judge.
func TestCorpus(t *testing.T) {
	own := ownCodes(t)
	for _, c := range cases(t) {
		want := c.Code
		if !slices.Contains(own, want) {
			want = ""
		}
		list, got := verdict(t, corpusFile(t, c.CRL), crl.Options{MaxBytes: maxCRLBytes, AllowSHA1: c.AllowSHA1})
		if got != want {
			t.Errorf("%s: %q, want %q", c.CRL, got, want)
		}
		if c.Accepted && (list.Number == nil || list.ThisUpdate.IsZero() || list.NextUpdate.IsZero()) {
			t.Errorf("%s: accepted without number or dates: %+v", c.CRL, list)
		}
	}
}

// TestCorpusHasEveryCode fails where a code of this package has no file in
// testdata, or a file has a code that nobody declares here and a test must
// look for elsewhere.
func TestCorpusHasEveryCode(t *testing.T) {
	seen := map[crl.Code]bool{}
	for _, c := range cases(t) {
		seen[c.Code] = true
	}
	for _, code := range ownCodes(t) {
		if !seen[code] {
			t.Errorf("no file in testdata is refused as %s", code)
		}
	}
}

// TestEveryRefusalSaysWhatIsWrong: an operator reads the detail.
func TestEveryRefusalSaysWhatIsWrong(t *testing.T) {
	for _, c := range cases(t) {
		_, err := crl.Read(bytes.NewReader(corpusFile(t, c.CRL)), crl.Options{MaxBytes: maxCRLBytes, AllowSHA1: c.AllowSHA1}, nil)
		var e *crl.Error
		if errors.As(err, &e) && (len(e.Detail) < 20 || len(e.Detail) > 400 || e.Offset < -1) {
			t.Errorf("%s: detail of %d characters, offset %d: %q", c.CRL, len(e.Detail), e.Offset, e.Detail)
		}
	}
}
