package check_test

import (
	"crypto/x509/pkix"
	"fmt"
	"math/big"
	"slices"
	"testing"
	"time"

	"github.com/crlgate/crlgate/cmd/crlgate/internal/check"
	"github.com/crlgate/crlgate/internal/pki"
	"github.com/crlgate/crlgate/internal/pki/pkitest"
)

// TestNumberUsedTwice: of two CRLs that bear one number, which RFC 5280 §5.2.3
// forbids, the newer counts, in whichever order they are given.
func TestNumberUsedTwice(t *testing.T) {
	ca := pkitest.CA(t, pki.CAOptions{Name: pkix.Name{CommonName: "CA"}})
	leaf := pkitest.Leaf(t, ca, pki.LeafOptions{Serial: big.NewInt(7)})
	put := folder(t, t.TempDir())
	entries := []pki.Entry{{Serial: big.NewInt(7)}}
	for i, c := range []struct {
		older, newer []pki.Entry
		want         string
	}{{nil, entries, "revoked"}, {entries, nil, "good"}} {
		var files []string
		for j, e := range [][]pki.Entry{c.older, c.newer} {
			der := pkitest.CRL(t, ca, pki.CRLOptions{Number: big.NewInt(5), ThisUpdate: at.Add(time.Duration(j-5) * time.Hour), NextUpdate: at.Add(time.Hour), Entries: e})
			files = append(files, put(fmt.Sprintf("%d-%d.crl", i, j), der))
		}
		for range 2 {
			r, err := check.Run(t.Context(), check.Input{Issuers: []string{put("ca.pem", ca.PEM())}, CRLs: files, Cert: put("leaf.pem", leaf.PEM()), At: at})
			if err != nil {
				t.Fatal(err)
			}
			if *r.Status != c.want {
				t.Errorf("%v: %s, want %s", files, *r.Status, c.want)
			}
			slices.Reverse(files)
		}
	}
}
