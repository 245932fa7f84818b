// Package pkitest is package pki for tests: the same calls, which end the test
// where they would return an error.
package pkitest

import (
	"testing"

	"github.com/crlgate/crlgate/internal/pki"
)

// CA makes a CA.
func CA(tb testing.TB, o pki.CAOptions) *pki.CA {
	tb.Helper()
	ca, err := pki.NewCA(o)
	if err != nil {
		tb.Fatal(err)
	}
	return ca
}

// Leaf issues a certificate.
func Leaf(tb testing.TB, ca *pki.CA, o pki.LeafOptions) *pki.Leaf {
	tb.Helper()
	leaf, err := ca.Issue(o)
	if err != nil {
		tb.Fatal(err)
	}
	return leaf
}

// CRL makes a CRL in DER.
func CRL(tb testing.TB, ca *pki.CA, o pki.CRLOptions) []byte {
	tb.Helper()
	der, err := ca.CRL(o)
	if err != nil {
		tb.Fatal(err)
	}
	return der
}
