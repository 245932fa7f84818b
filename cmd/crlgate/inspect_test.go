package main

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/crlgate/crlgate/cmd/crlgate/internal/check"
	"github.com/crlgate/crlgate/pkg/catalog"
)

// TestInspectPart: a part is told by its name, and must be what it is named for.
func TestInspectPart(t *testing.T) {
	_, bucket, err := check.Build(check.Input{
		Issuers: []string{"../../events/pki/issuers/partner-a.pem"}, CRLs: []string{"../../events/pki/crls/partner-a.crl"},
		At: time.Date(2026, 6, 1, 0, 0, 0, 0, time.UTC),
	})
	if err != nil {
		t.Fatal(err)
	}
	c, err := catalog.Parse(bucket[catalog.Key])
	if err != nil {
		t.Fatal(err)
	}
	data, err := json.Marshal(catalog.Part{Format: catalog.Format, CRLs: c.CAs["partner-a"].CRLs})
	if err != nil {
		t.Fatal(err)
	}
	sum := sha256.Sum256(data)
	inspect := func(data []byte, args ...string) (string, error) {
		file := filepath.Join(t.TempDir(), hex.EncodeToString(sum[:])+".json")
		if err := os.WriteFile(file, data, 0o600); err != nil {
			t.Fatal(err)
		}
		var out bytes.Buffer
		cmd := root()
		cmd.SetOut(&out)
		cmd.SetErr(&out)
		cmd.SetArgs(append([]string{"inspect", file}, args...))
		err := cmd.Execute()
		return out.String(), err
	}
	if got, err := inspect(data); err != nil || !strings.Contains(got, "partner-a.crl  1042    3        2025-01-01T00:00:00Z") {
		t.Errorf("%v, %s", err, got)
	}
	if got, err := inspect(data, "--json"); err != nil || !json.Valid([]byte(got)) {
		t.Errorf("%v, %s", err, got)
	}
	if got, err := inspect(append(data, ' ')); !errors.Is(err, errNo) || !strings.Contains(got, "fails its hash") {
		t.Errorf("altered: %v, %s", err, got)
	}
}
