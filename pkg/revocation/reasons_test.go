package revocation_test

import (
	"testing"
	"time"

	"github.com/crlgate/crlgate/internal/pki"
)

const (
	keyReasons = pki.FlagKeyCompromise | pki.FlagCACompromise
	allReasons = pki.FlagKeyCompromise | pki.FlagCACompromise | pki.FlagAffiliationChanged | pki.FlagSuperseded |
		pki.FlagCessationOfOperation | pki.FlagCertificateHold | pki.FlagPrivilegeWithdrawn | pki.FlagAACompromise
)

// TestReasonsAddUp: a certificate is good only where the CRLs in hand cover it
// for all reasons, and each of those is current (RFC 5280 §6.3.3 d, e).
func TestReasonsAddUp(t *testing.T) {
	w := newRFCWorld(t)
	ca := w.newCA("Reasons", pki.CAOptions{})
	good, compromised, superseded := w.leaf(ca, 1, pki.LeafOptions{}), w.leaf(ca, 2, pki.LeafOptions{}), w.leaf(ca, 3, pki.LeafOptions{})
	began := w.now()
	w.trust("ca", ca)
	w.publish("keys", ca, 1, pki.CRLOptions{IDP: &pki.IDP{Reasons: keyReasons}, Entries: listed(pki.KeyCompromise, 2)})
	w.want(good, "out_of_scope")
	w.want(compromised, "revoked")
	w.publish("most", ca, 1, pki.CRLOptions{IDP: &pki.IDP{Reasons: allReasons &^ keyReasons &^ pki.FlagAACompromise}})
	w.want(good, "out_of_scope") // aACompromise is a reason too
	w.publish("rest", ca, 1, at(pki.CRLOptions{IDP: &pki.IDP{Reasons: allReasons &^ keyReasons}, Entries: listed(pki.Superseded, 3)}, began.Add(-time.Hour), began.Add(time.Hour)))
	w.want(good, "good")
	w.want(compromised, "revoked")
	w.want(superseded, "revoked")
	w.later(90 * time.Minute)
	w.want(good, "crl_expired")
	w.want(compromised, "revoked")
	w.want(superseded, "revoked")
	w.publish("rest", ca, 2, pki.CRLOptions{IDP: &pki.IDP{Reasons: allReasons &^ keyReasons}})
	w.want(good, "good")
	w.restart()
	w.lose("keys")
	w.want(good, "cache_unavailable")
	w.want(compromised, "cache_unavailable")
}

// TestAllReasonsNamed: a CRL that names every reason is one for all reasons,
// and succeeds one that names none.
func TestAllReasonsNamed(t *testing.T) {
	w := newRFCWorld(t)
	ca := w.newCA("Reasons", pki.CAOptions{})
	w.trust("ca", ca)
	w.publish("crl", ca, 1, pki.CRLOptions{IDP: &pki.IDP{OnlyUser: true}, Entries: listed(pki.CertificateHold, 1)})
	w.publish("crl", ca, 2, pki.CRLOptions{IDP: &pki.IDP{OnlyUser: true, Reasons: allReasons}})
	w.want(w.leaf(ca, 1, pki.LeafOptions{}), "good")
}

// TestReasonsOfPoints: what a distribution point covers is bounded by its own
// reasons and by the CRL's.
func TestReasonsOfPoints(t *testing.T) {
	w := newRFCWorld(t)
	ca := w.newCA("Reasons", pki.CAOptions{})
	w.trust("ca", ca)
	uri := func(s string) []string { return []string{"http://crl.example.com/" + s} }
	w.publish("a", ca, 1, pki.CRLOptions{IDP: &pki.IDP{FullNames: uri("a")}, Entries: listed(pki.KeyCompromise, 2)})
	w.publish("b", ca, 1, pki.CRLOptions{IDP: &pki.IDP{FullNames: uri("b")}, Entries: listed(pki.Superseded, 3)})
	both := cdp(t, pki.DistributionPoint{FullNames: uri("a"), Reasons: keyReasons}, pki.DistributionPoint{FullNames: uri("b"), Reasons: allReasons &^ keyReasons})
	w.want(w.leaf(ca, 1, both), "good")
	w.want(w.leaf(ca, 2, both), "revoked")
	w.want(w.leaf(ca, 3, both), "revoked")
	w.want(w.leaf(ca, 1, cdp(t, pki.DistributionPoint{FullNames: uri("a"), Reasons: keyReasons})), "out_of_scope")
	// Two points of one CRL add up as well.
	twice := cdp(t, pki.DistributionPoint{FullNames: uri("a"), Reasons: keyReasons}, pki.DistributionPoint{FullNames: uri("a"), Reasons: allReasons &^ keyReasons})
	w.want(w.leaf(ca, 1, twice), "good")
	// The CRL's reasons cut the point's.
	w.publish("c", ca, 1, pki.CRLOptions{IDP: &pki.IDP{FullNames: uri("c"), Reasons: keyReasons}})
	w.want(w.leaf(ca, 1, cdp(t, pki.DistributionPoint{FullNames: uri("c")})), "out_of_scope")
	w.want(w.leaf(ca, 1, cdp(t, pki.DistributionPoint{FullNames: uri("c")}, pki.DistributionPoint{FullNames: uri("b"), Reasons: allReasons &^ keyReasons})), "good")
}

// TestReasonsAcrossKeys: reasons that another key's CRL covers do not stand in
// for those that the certificate's own key leaves open.
func TestReasonsAcrossKeys(t *testing.T) {
	w := newRFCWorld(t)
	one, two := w.newCA("Reasons", pki.CAOptions{}), w.newCA("Reasons", pki.CAOptions{})
	w.trust("ca", one, two)
	w.publish("one", one, 1, pki.CRLOptions{IDP: &pki.IDP{Reasons: keyReasons}})
	w.publish("two", two, 1, pki.CRLOptions{})
	w.want(w.leaf(one, 1, pki.LeafOptions{}), "out_of_scope")
	w.want(w.leaf(two, 1, pki.LeafOptions{}), "good")
}
