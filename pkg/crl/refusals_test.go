package crl_test

import (
	"bytes"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/crlgate/crlgate/pkg/crl"
)

var update = flag.Bool("update", false, "write testdata/refusals.txt anew")

// atByte is the offset in a refusal.
var atByte = regexp.MustCompile(`, at byte \d+\)`)

// withoutLengths is a refusal without an offset that depends on the length of
// the signature, which changes whenever testdata is made anew.
func withoutLengths(err error) string {
	for _, behind := range []string{"bytes follow the CRL", "bytes inside CertificateList", "ends in the middle"} {
		if strings.Contains(err.Error(), behind) {
			return atByte.ReplaceAllString(err.Error(), ", at byte …)")
		}
	}
	return err.Error()
}

// TestRefusalsInFull holds every word, number and offset with which the CRLs of
// testdata are refused: an operator finds the fault in the file by them. After
// a change of words, go test ./pkg/crl -run RefusalsInFull -update, and read what
// changed.
func TestRefusalsInFull(t *testing.T) {
	var lines []string
	for _, c := range cases(t) {
		list, err := crl.Read(bytes.NewReader(corpusFile(t, c.CRL)), crl.Options{MaxBytes: maxCRLBytes, AllowSHA1: c.AllowSHA1}, nil)
		if err == nil {
			err = list.Unsupported()
		}
		var e *crl.Error
		if errors.As(err, &e) {
			lines = append(lines, fmt.Sprintf("%s: %v", c.CRL, withoutLengths(err)))
		}
	}
	slices.Sort(lines)
	lines = slices.Compact(lines)
	if len(lines) < 120 {
		t.Fatalf("only %d CRLs are refused", len(lines))
	}
	got := strings.Join(lines, "\n") + "\n"
	golden := filepath.Join("testdata", "refusals.txt")
	if *update {
		if err := os.WriteFile(golden, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	b, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	want := strings.Split(strings.TrimSuffix(string(b), "\n"), "\n")
	for _, line := range lines {
		if !slices.Contains(want, line) {
			t.Errorf("not in %s: %s", golden, line)
		}
	}
	if len(want) != len(lines) {
		t.Errorf("%d CRLs are refused, and %s has %d", len(lines), golden, len(want))
	}
}
