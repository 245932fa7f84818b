package preprocess_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/crlgate/crlgate/pkg/catalog"
	"github.com/crlgate/crlgate/pkg/crl"
	"github.com/crlgate/crlgate/pkg/issuer"
	"github.com/crlgate/crlgate/pkg/preprocess"
)

const corpus = "../../testdata"

type corpusCase struct {
	Issuers   []string
	CRL       string
	With      []string
	At        time.Time
	AllowSHA1 bool `json:"allow_sha1"`
	Accepted  bool
	Code      preprocess.Code
}

func corpusFile(t *testing.T, name string) []byte {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(corpus, name))
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func corpusCases(t *testing.T) []corpusCase {
	t.Helper()
	var cases []corpusCase
	if err := json.Unmarshal(corpusFile(t, "cases.json"), &cases); err != nil {
		t.Fatal(err)
	}
	if len(cases) < 200 {
		t.Fatalf("only %d cases", len(cases))
	}
	return cases
}

// enter takes a CRL through the checks and into the catalog, without buckets.
// It returns why it did not enter.
func enter(t *testing.T, c *catalog.Catalog, cas []*issuer.CA, file []byte, name string, opts crl.Options, at time.Time) preprocess.Code {
	t.Helper()
	refusal := func(err error) preprocess.Code {
		var r *preprocess.Refusal
		if !errors.As(err, &r) || r.Detail == "" {
			t.Fatalf("%s: %v is no refusal with words", name, err)
		}
		return r.Code
	}
	candidate, err := preprocess.ReadCRL(bytes.NewReader(file), opts)
	if err != nil {
		return refusal(err)
	}
	v, err := candidate.Verify(cas, at)
	if err != nil {
		return refusal(err)
	}
	record := v.Record(catalog.Source{Key: name}, at)
	code, _ := c.Admit(v.CA.Name, record, at)
	if code != catalog.Succeeds {
		return preprocess.Code(code)
	}
	c.Publish(v.CA.Name, record)
	return ""
}

// TestCorpus: every CRL of testdata gets exactly the answer that stands beside
// it, by the checks alone.
func TestCorpus(t *testing.T) {
	for _, tt := range corpusCases(t) {
		c, cas := catalog.New(), []*issuer.CA(nil)
		for _, file := range tt.Issuers {
			ca, _, err := issuer.ParseFile(file, corpusFile(t, file), issuer.Policy{AllowSHA1: tt.AllowSHA1})
			if err != nil {
				t.Fatalf("%s: %v", file, err)
			}
			c.SetIssuer(ca, catalog.Source{Key: file})
			cas = append(cas, ca)
		}
		opts := crl.Options{MaxBytes: 8 << 30, AllowSHA1: tt.AllowSHA1}
		for _, with := range tt.With {
			if code := enter(t, c, cas, corpusFile(t, with), with, opts, tt.At); code != "" {
				t.Errorf("%s, which %s needs: %s", with, tt.CRL, code)
			}
		}
		if code := enter(t, c, cas, corpusFile(t, tt.CRL), tt.CRL, opts, tt.At); code != tt.Code || (code == "") != tt.Accepted {
			t.Errorf("%s: %q, want %q", tt.CRL, code, tt.Code)
		}
	}
}

// TestCorpusUploaded: the same through buckets, where the report says it; and a
// refused CRL leaves the catalog as it was.
func TestCorpusUploaded(t *testing.T) {
	outcomes, _ := documented(t)
	for _, tt := range corpusCases(t) {
		w := newWorld(t)
		w.now, w.config.MaxCRLBytes, w.config.AllowSHA1 = tt.At, 8<<30, tt.AllowSHA1
		for i, file := range tt.Issuers {
			w.uploads.Store("issuers/"+string(rune('a'+i))+".pem", corpusFile(t, file))
		}
		w.reconcile()
		for _, with := range tt.With {
			w.upload("crls/"+with, corpusFile(t, with))
		}
		before := canonical(t, w.catalog())
		w.upload(key, corpusFile(t, tt.CRL))
		r := w.report(key)
		want := tt.Code
		if tt.Accepted {
			want = preprocess.Accepted
		}
		if r.Code != want || (r.Outcome == preprocess.OutcomeAccepted) != tt.Accepted {
			t.Errorf("%s: %s %s, want %s", tt.CRL, r.Outcome, r.Code, want)
		}
		if outcomes[string(r.Code)] != string(r.Outcome) {
			t.Errorf("%s: %s is %s, and %s says %s", tt.CRL, r.Code, r.Outcome, codesPage, outcomes[string(r.Code)])
		}
		if !tt.Accepted && canonical(t, w.catalog()) != before {
			t.Errorf("%s: refused, and the catalog changed", tt.CRL)
		}
		w.check()
	}
}
