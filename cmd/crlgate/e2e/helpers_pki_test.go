package e2e

import (
	"crypto/x509/pkix"
	"math/big"
	"testing"
	"time"

	"github.com/crlgate/crlgate/internal/pki"
)

// authority is a CA of the test, under the name that its files have in the
// upload bucket, with what it has revoked.
type authority struct {
	*pki.CA
	t       testing.TB
	name    string
	number  int64
	entries []pki.Entry
}

// newCA makes a CA with a self-signed certificate.
func newCA(t testing.TB, name string) *authority {
	t.Helper()
	return newCAWith(t, name, pki.CAOptions{Name: pkix.Name{CommonName: "e2e " + name, Organization: []string{"crlgate e2e"}}})
}

func newCAWith(t testing.TB, name string, o pki.CAOptions) *authority {
	t.Helper()
	return &authority{CA: must[*pki.CA](t, "making a CA")(pki.NewCA(o)), t: t, name: name}
}

// issue issues a client certificate.
func (a *authority) issue(name string) *pki.Leaf {
	a.t.Helper()
	return a.issueWith(name, pki.LeafOptions{})
}

func (a *authority) issueWith(name string, o pki.LeafOptions) *pki.Leaf {
	a.t.Helper()
	o.Subject = pkix.Name{CommonName: name}
	return must[*pki.Leaf](a.t, "issuing a certificate")(a.Issue(o))
}

// revoke has the next CRL list these certificates.
func (a *authority) revoke(leaves ...*pki.Leaf) {
	for _, l := range leaves {
		a.entries = append(a.entries, pki.Entry{Serial: l.Certificate.SerialNumber, Date: time.Now().Add(-time.Minute), Reason: pki.KeyCompromise})
	}
}

// crl makes the next CRL: good for a day, unless change says otherwise.
func (a *authority) crl(change func(*pki.CRLOptions)) []byte {
	a.t.Helper()
	a.number++
	now := time.Now()
	o := pki.CRLOptions{Number: big.NewInt(a.number), ThisUpdate: now, NextUpdate: now.Add(24 * time.Hour), Entries: a.entries}
	if change != nil {
		change(&o)
	}
	return must[[]byte](a.t, "making a CRL")(a.CRL(o))
}

func namedFor(name string) pkix.Name {
	return pkix.Name{CommonName: "e2e " + name, Organization: []string{"crlgate e2e"}}
}

func bigInt(n int64) *big.Int { return big.NewInt(n) }

// freshestExtension is freshestCRL (RFC 5280 §5.2.6).
func freshestExtension(value []byte) []pkix.Extension {
	return []pkix.Extension{{Id: []int{2, 5, 29, 46}, Value: value}}
}
