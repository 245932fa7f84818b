package pki_test

import (
	"bytes"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// The go tool passes over folders named testdata, so the committed corpus and
// its generator are tested from here.
const corpus = "../../testdata"

type crlCase struct {
	Issuers  []string
	CRL      string
	Accepted bool
	Code     string
}

func corpusCases(t *testing.T) []crlCase {
	t.Helper()
	var cases []crlCase
	if err := json.Unmarshal(read(t, filepath.Join(corpus, "cases.json")), &cases); err != nil {
		t.Fatal(err)
	}
	if len(cases) == 0 {
		t.Fatal("testdata/cases.json lists no case")
	}
	return cases
}

func read(t *testing.T, path string) []byte {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestCorpusIsWhatItsGeneratorMakes(t *testing.T) {
	out := t.TempDir()
	if err := os.WriteFile(filepath.Join(out, "README.md"), read(t, filepath.Join(corpus, "README.md")), 0o600); err != nil {
		t.Fatal(err)
	}
	generate := exec.Command("go", "run", "./testdata/generate", "-o", out)
	generate.Dir = "../.."
	if msg, err := generate.CombinedOutput(); err != nil {
		t.Fatalf("go run ./testdata/generate: %v\n%s", err, msg)
	}
	if made, kept := files(t, out), files(t, corpus); !slices.Equal(made, kept) {
		t.Errorf("the generator makes\n%q, committed are\n%q; run go run ./testdata/generate", made, kept)
	}
	for _, name := range []string{"cases.json", "certificates.json", "README.md"} {
		if !bytes.Equal(read(t, filepath.Join(out, name)), read(t, filepath.Join(corpus, name))) {
			t.Errorf("the generator makes another %s than is committed; run go run ./testdata/generate", name)
		}
	}
}

// files lists the files below root, but for the generator's own and git's.
func files(t *testing.T, root string) []string {
	t.Helper()
	var out []string
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		name, err := filepath.Rel(root, path)
		if err != nil {
			return err
		}
		if name == "generate" {
			return fs.SkipDir
		}
		if !d.IsDir() && name != ".gitattributes" {
			out = append(out, filepath.ToSlash(name))
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func TestCorpusListsEveryFile(t *testing.T) {
	listed := map[string]bool{"README.md": true, "cases.json": true, "certificates.json": true}
	for _, c := range corpusCases(t) {
		listed[c.CRL] = true
		for _, issuers := range c.Issuers {
			listed[issuers] = true
		}
		if c.Accepted != (c.Code == "") {
			t.Errorf("%s: accepted %v with code %q", c.CRL, c.Accepted, c.Code)
		}
	}
	var certificates []struct{ Certificate, CRL string }
	if err := json.Unmarshal(read(t, filepath.Join(corpus, "certificates.json")), &certificates); err != nil {
		t.Fatal(err)
	}
	for _, c := range certificates {
		if !listed[c.CRL] {
			t.Errorf("%s is asked against %s, which cases.json does not list", c.Certificate, c.CRL)
		}
		listed[c.Certificate] = true
	}
	for _, name := range files(t, corpus) {
		if !listed[name] {
			t.Errorf("no case uses %s", name)
		}
	}
}

// TestCorpusHasNoOtherDefect asks openssl, which is lenient, about every CRL:
// a defect that is not the signature's must not have broken the signature.
func TestCorpusHasNoOtherDefect(t *testing.T) {
	for _, c := range corpusCases(t) {
		verdict := opensslVerdict(t, c)
		switch c.Code {
		case "malformed", "too_large", "algorithm_mismatch", "algorithm_unsupported", "issuer_unknown", "trailing_data":
			// Not readable, or without a key that could verify it.
			continue
		case "signature_invalid", "signer_unknown":
			if verdict != "verify failure" {
				t.Errorf("%s: openssl says %q, want its signature to fail", c.CRL, verdict)
			}
		case "extension_malformed", "entry_extension_malformed", "idp_malformed", "number_invalid", "extension_duplicate", "version_unsupported":
			if verdict != "verify OK" && verdict != "unreadable" {
				t.Errorf("%s: openssl says %q; only its extension should be wrong", c.CRL, verdict)
			}
		default:
			if verdict != "verify OK" {
				t.Errorf("%s: openssl says %q, want its signature to verify", c.CRL, verdict)
			}
		}
	}
}

// opensslVerdict tries every certificate of the issuers files by itself, since
// openssl crl looks only at the first of a name.
func opensslVerdict(t *testing.T, c crlCase) string {
	t.Helper()
	verdict := "unreadable"
	var rest []byte
	for _, issuers := range c.Issuers {
		rest = append(rest, read(t, filepath.Join(corpus, issuers))...)
	}
	for {
		var block *pem.Block
		if block, rest = pem.Decode(rest); block == nil {
			return verdict
		}
		if _, err := x509.ParseCertificate(block.Bytes); err != nil {
			t.Fatalf("%s: %v", c.Issuers, err)
		}
		path, err := filepath.Abs(filepath.Join(corpus, c.CRL))
		if err != nil {
			t.Fatal(err)
		}
		out := openssl(t, "crl", "-noout", "-in", path,
			"-CAfile", file(t, "issuer.pem", pem.EncodeToMemory(block)))
		for _, says := range []string{"verify failure", "verify OK"} {
			if strings.Contains(out, says) {
				verdict = says
			}
		}
		if verdict == "verify OK" {
			return verdict
		}
	}
}
