package e2e

import (
	"crypto/x509/pkix"
	"math/big"
	"net/http"
	"testing"
	"time"

	"github.com/crlgate/crlgate/cmd/crlgate/internal/stack"
	"github.com/crlgate/crlgate/internal/pki"
	"github.com/crlgate/crlgate/pkg/preprocess"
)

// numbered makes a CRL of a number, good for a day.
func (a *authority) numbered(number int64, o pki.CRLOptions) []byte {
	a.t.Helper()
	now := time.Now()
	o.Number, o.ThisUpdate, o.NextUpdate = big.NewInt(number), now, now.Add(24*time.Hour)
	return must[[]byte](a.t, "making a CRL")(a.CRL(o))
}

// entryOf makes an entry of a certificate.
func entryOf(serial *big.Int, reason pki.Reason) pki.Entry {
	return pki.Entry{Serial: serial, Reason: reason, Date: time.Now().Add(-time.Minute)}
}

func serialOf(l *pki.Leaf) *big.Int { return l.Certificate.SerialNumber }

// TestDelta uploads a delta before its base, one that revokes and un-revokes,
// and a complete CRL that takes their place.
func TestDelta(t *testing.T) {
	t.Parallel()
	w := start(t, stack.Config{})
	alpha := newCA(t, "alpha")
	held, fresh, other := alpha.issue("held"), alpha.issue("fresh"), alpha.issue("other")
	w.trust(alpha)
	version := w.put("crls/delta.crl", alpha.numbered(5, pki.CRLOptions{BaseNumber: big.NewInt(4), Entries: []pki.Entry{entryOf(serialOf(fresh), pki.KeyCompromise)}}))
	if r := w.awaitReport("crls/delta.crl", version); r.Outcome != preprocess.OutcomePending || r.Code != preprocess.BaseMissing {
		t.Errorf("a delta without base: %s %s", r.Outcome, r.Code)
	}
	w.expect(fresh, http.StatusForbidden, "no_crl")
	w.upload("crls/base.crl", alpha.numbered(4, pki.CRLOptions{Entries: []pki.Entry{entryOf(serialOf(held), pki.CertificateHold)}}), preprocess.OutcomeAccepted)
	w.await(fresh, http.StatusForbidden, "revoked", "200 good") // the delta counts a moment after its base
	w.expect(held, http.StatusForbidden, "revoked")
	w.expect(other, http.StatusOK, "good")
	w.upload("crls/delta.crl", alpha.numbered(6, pki.CRLOptions{BaseNumber: big.NewInt(4), Entries: []pki.Entry{
		entryOf(serialOf(fresh), pki.KeyCompromise), entryOf(serialOf(held), pki.RemoveFromCRL),
	}}), preprocess.OutcomeAccepted)
	w.expect(held, http.StatusOK, "good")
	w.expect(fresh, http.StatusForbidden, "revoked")
	w.upload("crls/base.crl", alpha.numbered(7, pki.CRLOptions{Entries: []pki.Entry{
		entryOf(serialOf(fresh), pki.KeyCompromise), entryOf(serialOf(held), pki.Superseded),
	}}), preprocess.OutcomeAccepted)
	w.expect(held, http.StatusForbidden, "revoked")
	w.expect(fresh, http.StatusForbidden, "revoked")
	w.expect(other, http.StatusOK, "good")
}

// TestIndirectCRL has one CRL list the certificates of two CAs that issue none
// of their own.
func TestIndirectCRL(t *testing.T) {
	t.Parallel()
	w := start(t, stack.Config{})
	alpha, beta, lists := newCA(t, "alpha"), newCA(t, "beta"), newCA(t, "lists")
	delegated := must[[]byte](t, "encoding a CDP")(pki.CDP(pki.DistributionPoint{CRLIssuer: lists.Name()}))
	issue := func(ca *authority, serial int64) *pki.Leaf {
		return ca.issueWith(ca.name, pki.LeafOptions{Serial: big.NewInt(serial), RawCDP: delegated})
	}
	alpha1, alpha2, beta1, beta2 := issue(alpha, 1), issue(alpha, 2), issue(beta, 1), issue(beta, 2)
	apart := alpha.issueWith("without cRLIssuer", pki.LeafOptions{Serial: big.NewInt(3)})
	w.trust(alpha, beta, lists)
	w.expect(alpha2, http.StatusForbidden, "no_crl")
	first, second := entryOf(big.NewInt(1), pki.KeyCompromise), entryOf(big.NewInt(2), pki.KeyCompromise)
	first.CertificateIssuer, second.CertificateIssuer = alpha.Name(), beta.Name()
	w.upload("crls/indirect.crl", lists.numbered(1, pki.CRLOptions{IDP: &pki.IDP{Indirect: true}, Entries: []pki.Entry{first, second}}), preprocess.OutcomeAccepted)
	w.expect(alpha1, http.StatusForbidden, "revoked")
	w.expect(alpha2, http.StatusOK, "good")
	w.expect(beta1, http.StatusOK, "good")
	w.expect(beta2, http.StatusForbidden, "revoked")
	w.expect(apart, http.StatusForbidden, "no_crl")
}

// TestRollover has CAs with an old and a new key in one file: one that
// publishes a CRL for each key (AD CS), and one whose new key's CRL is of the
// certificates of both (NIST PKITS).
func TestRollover(t *testing.T) {
	t.Parallel()
	w := start(t, stack.Config{})
	keys := func(name string) (old, next *authority) {
		subject := pki.CAOptions{Name: pkix.Name{CommonName: "e2e " + name}}
		old, next = newCAWith(t, name, subject), newCAWith(t, name, subject)
		w.upload("issuers/"+name+".pem", pki.PEM(old.CA, next.CA), preprocess.OutcomeAccepted)
		w.awaitTruststore(old, next)
		return old, next
	}
	t.Run("one CRL for each key", func(t *testing.T) {
		old, next := keys("adcs")
		oldGood, oldBad, nextGood, nextBad := old.issue("old"), old.issue("old, revoked"), next.issue("new"), next.issue("new, revoked")
		w.upload("crls/adcs.crl", old.numbered(70, pki.CRLOptions{Entries: []pki.Entry{entryOf(serialOf(oldBad), pki.KeyCompromise)}}), preprocess.OutcomeAccepted)
		w.upload("crls/adcs(1).crl", next.numbered(1, pki.CRLOptions{Entries: []pki.Entry{entryOf(serialOf(nextBad), pki.KeyCompromise)}}), preprocess.OutcomeAccepted)
		w.expect(oldGood, http.StatusOK, "good")
		w.expect(oldBad, http.StatusForbidden, "revoked")
		w.expect(nextGood, http.StatusOK, "good")
		w.expect(nextBad, http.StatusForbidden, "revoked")
		// The next CRL of one key does not touch the other's.
		w.upload("crls/adcs(1).crl", next.numbered(2, pki.CRLOptions{}), preprocess.OutcomeAccepted)
		w.expect(oldBad, http.StatusForbidden, "revoked")
		w.expect(nextBad, http.StatusOK, "good")
	})
	t.Run("one CRL for both keys", func(t *testing.T) {
		old, next := keys("pkits")
		oldGood, oldBad, nextGood, nextBad := old.issue("old"), old.issue("old, revoked"), next.issue("new"), next.issue("new, revoked")
		w.upload("crls/pkits.crl", next.numbered(1, pki.CRLOptions{Entries: []pki.Entry{entryOf(serialOf(oldBad), pki.KeyCompromise), entryOf(serialOf(nextBad), pki.KeyCompromise)}}), preprocess.OutcomeAccepted)
		w.expect(oldGood, http.StatusOK, "good")
		w.expect(oldBad, http.StatusForbidden, "revoked")
		w.expect(nextGood, http.StatusOK, "good")
		w.expect(nextBad, http.StatusForbidden, "revoked")
	})
}

// TestRevokedIntermediate has the root revoke a CA below it: its clients are
// denied, unless another certificate of its key goes on. With REQUIRE_CHAIN,
// clients of a CA about which the root says nothing are denied too.
func TestRevokedIntermediate(t *testing.T) {
	t.Parallel()
	w := start(t, stack.Config{Authorizer: map[string]string{"REQUIRE_CHAIN": "true"}})
	root := newCA(t, "root")
	below := func(name string, o pki.CAOptions) *authority {
		o.Name, o.Parent = pkix.Name{CommonName: "e2e " + name}, root.CA
		return newCAWith(t, name, o)
	}
	one, two := below("one", pki.CAOptions{}), below("two", pki.CAOptions{})
	again := below("two", pki.CAOptions{Signer: two.Key}) // the same key, a newer certificate
	ofOne, ofTwo := one.issue("of one"), two.issue("of two")
	w.trust(root, one)
	w.upload("issuers/two.pem", pki.PEM(two.CA, again.CA), preprocess.OutcomeAccepted)
	w.awaitTruststore(two)
	w.publish(one)
	w.publish(two)
	w.expect(ofOne, http.StatusForbidden, "chain_unknown")
	w.upload("crls/root.crl", root.numbered(1, pki.CRLOptions{}), preprocess.OutcomeAccepted)
	w.expect(ofOne, http.StatusOK, "good")
	w.expect(ofTwo, http.StatusOK, "good")
	w.upload("crls/root.crl", root.numbered(2, pki.CRLOptions{Entries: []pki.Entry{
		entryOf(one.Certificate.SerialNumber, pki.CessationOfOperation), entryOf(two.Certificate.SerialNumber, pki.Superseded),
	}}), preprocess.OutcomeAccepted)
	w.expect(ofOne, http.StatusForbidden, "issuer_revoked")
	w.expect(ofTwo, http.StatusOK, "good")
	w.upload("crls/root.crl", root.numbered(3, pki.CRLOptions{Entries: []pki.Entry{entryOf(two.Certificate.SerialNumber, pki.KeyCompromise)}}), preprocess.OutcomeAccepted)
	w.expect(ofOne, http.StatusOK, "good")
	w.expect(ofTwo, http.StatusForbidden, "issuer_revoked")
}
