package crl_test

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"math/big"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/crlgate/crlgate/internal/conformance"
	"github.com/crlgate/crlgate/pkg/crl"
)

// TestThirdPartySerials reads the CRLs of which an independent list of serial
// numbers exists, and compares.
func TestThirdPartySerials(t *testing.T) {
	dir := conformance.Dir(t)
	f, err := os.Open(filepath.Join(dir, "serials.jsonl"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	n := 0
	for lines := bufio.NewScanner(f); lines.Scan(); n++ {
		var want struct {
			Path    string
			Entries int
			SHA256  string
		}
		if err := json.Unmarshal(lines.Bytes(), &want); err != nil {
			t.Fatal(err)
		}
		der, err := os.ReadFile(filepath.Join(dir, want.Path))
		if err != nil {
			t.Fatal(err)
		}
		var serials []*big.Int
		list, err := crl.Read(bytes.NewReader(der), crl.Options{AllowSHA1: true, AllowNoNumber: true}, func(b *crl.Batch) error {
			for i := range b.Len() {
				serials = append(serials, signed(b.Serials[i*b.Width:(i+1)*b.Width]))
			}
			return nil
		})
		if err != nil {
			t.Errorf("%s: %v", want.Path, err)
			continue
		}
		slices.SortFunc(serials, (*big.Int).Cmp)
		h := sha256.New()
		for i, s := range serials {
			if i == 0 || s.Cmp(serials[i-1]) != 0 {
				fmt.Fprintln(h, s)
			}
		}
		if got := hex.EncodeToString(h.Sum(nil)); got != want.SHA256 || list.Entries != want.Entries {
			t.Errorf("%s: %d entries, serials hash to %s; want %d and %s", want.Path, list.Entries, got, want.Entries, want.SHA256)
		}
	}
	if n < 60 {
		t.Fatalf("only %d CRLs in serials.jsonl", n)
	}
}

// signed reads two's complement.
func signed(b []byte) *big.Int {
	n := new(big.Int).SetBytes(b)
	if b[0] >= 0x80 {
		n.Sub(n, new(big.Int).Lsh(big.NewInt(1), uint(8*len(b))))
	}
	return n
}
