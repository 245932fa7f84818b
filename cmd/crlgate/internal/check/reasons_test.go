package check_test

import (
	"crypto/x509/pkix"
	"math/big"
	"testing"
	"time"

	"github.com/crlgate/crlgate/cmd/crlgate/internal/check"
	"github.com/crlgate/crlgate/internal/pki"
	"github.com/crlgate/crlgate/internal/pki/pkitest"
)

// TestReasonsOfTwoIssuers: an indirect CRL for some reasons and the CA's own
// for the others make a certificate good together, and not without each other
// (RFC 5280 §6.3.3: the reasons mask adds up over distribution points).
func TestReasonsOfTwoIssuers(t *testing.T) {
	const some = pki.FlagKeyCompromise | pki.FlagCACompromise | pki.FlagAACompromise
	const others = pki.FlagAffiliationChanged | pki.FlagSuperseded | pki.FlagCessationOfOperation | pki.FlagCertificateHold | pki.FlagPrivilegeWithdrawn
	ca := pkitest.CA(t, pki.CAOptions{Name: pkix.Name{CommonName: "CA"}})
	other := pkitest.CA(t, pki.CAOptions{Name: pkix.Name{CommonName: "CRL Issuer"}})
	point := pki.DistributionPoint{FullNames: []string{"http://crl.example/some.crl"}, Reasons: some, CRLIssuer: other.Name()}
	cdp, err := pki.CDP(point)
	if err != nil {
		t.Fatal(err)
	}
	leaf := pkitest.Leaf(t, ca, pki.LeafOptions{Serial: big.NewInt(7), RawCDP: cdp})
	list := func(by *pki.CA, idp pki.IDP) []byte {
		return pkitest.CRL(t, by, pki.CRLOptions{Number: big.NewInt(1), ThisUpdate: at.Add(-time.Hour), NextUpdate: at.Add(time.Hour), IDP: &idp})
	}
	put := folder(t, t.TempDir())
	indirect := put("indirect.crl", list(other, pki.IDP{FullNames: point.FullNames, Indirect: true, Reasons: some}))
	own := put("own.crl", list(ca, pki.IDP{Reasons: others}))
	issuers, cert := []string{put("ca.pem", ca.PEM()), put("other.pem", other.PEM())}, put("leaf.pem", leaf.PEM())
	for _, c := range []struct {
		crls []string
		want string
	}{
		{[]string{indirect, own}, "good"},
		{[]string{indirect}, "unknown"},
		{[]string{own}, "unknown"},
	} {
		r, err := check.Run(t.Context(), check.Input{Issuers: issuers, CRLs: c.crls, Cert: cert, At: at})
		if err != nil {
			t.Fatal(err)
		}
		if *r.Status != c.want {
			t.Errorf("with %v: %s (%s), want %s", c.crls, *r.Status, r.Detail, c.want)
		}
	}
}
