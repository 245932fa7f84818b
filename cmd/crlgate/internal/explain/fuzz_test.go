package explain

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
	"unicode"

	"github.com/crlgate/crlgate/cmd/crlgate/internal/check"
)

// corpusAt is the time of the repository's sound CRLs.
var corpusAt = time.Date(2026, 11, 15, 12, 0, 0, 0, time.UTC)

const corpus = "../../../../testdata/"

// corpusBucket is a cache bucket with the repository's CAs and sound CRLs.
func corpusBucket(tb testing.TB) check.Bucket {
	tb.Helper()
	in := check.Input{At: corpusAt}
	var err error
	if in.Issuers, err = filepath.Glob(corpus + "issuers/*.pem"); err != nil || len(in.Issuers) == 0 {
		tb.Fatal(err, in.Issuers)
	}
	if in.CRLs, err = filepath.Glob(corpus + "sound/*.crl"); err != nil || len(in.CRLs) < 10 {
		tb.Fatal(err, in.CRLs)
	}
	_, bucket, err := check.Build(in)
	if err != nil {
		tb.Fatal(err)
	}
	return bucket
}

// FuzzExplain: whatever the certificate is, explain's verdict is the authorizer's
// response, and nothing of it changes how the report reads.
func FuzzExplain(f *testing.F) {
	files, err := filepath.Glob(corpus + "certificates/*.pem")
	if err != nil || len(files) < 40 {
		f.Fatal(err, files)
	}
	for _, file := range files {
		data, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data)
		if text := PEM(data); strings.HasPrefix(text, pemBegin) {
			f.Add([]byte(text))
		}
	}
	f.Add([]byte{0x30, 0x80})
	store := corpusBucket(f)
	f.Fuzz(func(t *testing.T, certificate []byte) {
		in := &Input{Certificate: certificate, At: corpusAt, Domain: "api.example.com"}
		if _, err := Run(t.Context(), store, *in); errors.Is(err, ErrEmpty) {
			return
		}
		r := agree(t, "fuzzed", store, in)
		var out bytes.Buffer
		if err := r.Print(&out, "from files", false); err != nil {
			t.Fatal(err)
		}
		if i := strings.IndexFunc(out.String(), func(c rune) bool { return c != '\n' && !unicode.IsPrint(c) }); i >= 0 {
			t.Errorf("something that does not print is in the report: %q", out.String()[max(0, i-20):min(out.Len(), i+20)])
		}
		if lines := strings.Count(out.String(), "\n"); lines > 2000 {
			t.Errorf("the report has %d lines", lines)
		}
	})
}
