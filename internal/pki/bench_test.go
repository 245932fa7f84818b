package pki_test

import (
	"crypto/x509/pkix"
	"math/big"
	"testing"

	"github.com/crlgate/crlgate/internal/pki"
	"github.com/crlgate/crlgate/internal/pki/pkitest"
)

// BenchmarkCRL makes CRLs of 100,000 entries of 16-octet serials, half of them
// with a reason.
func BenchmarkCRL(b *testing.B) {
	ca := pkitest.CA(b, pki.CAOptions{Name: pkix.Name{CommonName: "large"}})
	base := new(big.Int).Lsh(big.NewInt(1), 126)
	o := sound()
	for i := range int64(100_000) {
		e := pki.Entry{Serial: new(big.Int).Add(base, big.NewInt(i))}
		if i%2 == 0 {
			e.Reason = pki.Superseded
		}
		o.Entries = append(o.Entries, e)
	}
	b.ReportAllocs()
	for b.Loop() {
		b.SetBytes(int64(len(pkitest.CRL(b, ca, o))))
	}
}
