package revocation_test

import (
	"math/big"
	"testing"
	"time"

	"github.com/crlgate/crlgate/internal/pki"
)

// TestDeltaOfItsOwnNumber: a delta CRL to the complete CRL of its own number makes
// nothing newer and takes nothing back; what it lists against RFC 5280 §5.2.3 is
// revoked as long as no newer complete CRL is there.
func TestDeltaOfItsOwnNumber(t *testing.T) {
	w := newDeltaWorld(t)
	w.publish("base", w.ca, 4, at(pki.CRLOptions{Entries: listed(pki.CertificateHold, 1)}, w.now().Add(-time.Hour), w.now().Add(2*time.Hour)))
	w.publish("delta", w.ca, 4, delta(4))
	for range 2 {
		w.wants("revoked", "good", "good")
		w.restart()
	}
	w.later(3 * time.Hour) // the base is out of date, the delta is not
	w.want(w.first, "revoked")
	w.want(w.other, "crl_expired")
	w.publish("delta", w.ca, 5, delta(4)) // this one is newer
	w.want(w.other, "good")
	w.publish("base", w.ca, 6, pki.CRLOptions{Entries: listed(pki.CertificateHold, 1)})
	w.publish("delta", w.ca, 6, at(delta(6, append(listed(pki.RemoveFromCRL, 1), listed(pki.KeyCompromise, 2)...)...), w.now().Add(-time.Minute), w.now().Add(time.Hour)))
	for range 2 {
		w.wants("revoked", "revoked", "good")
		w.restart()
	}
	w.later(2 * time.Hour) // now the delta is out of date
	w.wants("revoked", "revoked", "good")
	w.publish("base", w.ca, 7, pki.CRLOptions{})
	w.want(w.first, "good")
	w.want(w.second, "good")
}

// TestDeltaOfItsOwnNumberMissing: one without entries is not asked for; what
// cannot be had of one with entries makes nothing good.
func TestDeltaOfItsOwnNumberMissing(t *testing.T) {
	w := newDeltaWorld(t)
	w.publish("base", w.ca, 4, pki.CRLOptions{Entries: listed(pki.CertificateHold, 1)})
	w.publish("delta", w.ca, 4, delta(4))
	w.lose("delta")
	w.want(w.first, "revoked")
	w.want(w.other, "good")
	w.publish("base", w.ca, 5, pki.CRLOptions{Entries: listed(pki.CertificateHold, 1)})
	w.publish("delta", w.ca, 5, delta(5, listed(pki.KeyCompromise, 2)...))
	w.restart()
	restore := w.lose("delta")
	w.wants("revoked", "cache_unavailable", "cache_unavailable")
	restore()
	w.restart()
	w.want(w.second, "revoked")
	w.want(w.other, "good")
	w.lose("base")
	w.restart()
	w.wants("cache_unavailable", "revoked", "cache_unavailable")
}

// TestDeltaOfItsOwnNumberAndPredecessors: a delta that came along with a complete
// CRL has taken the place of the delta to the complete CRL before. While the new
// complete CRL is not there, the one before must not answer alone.
func TestDeltaOfItsOwnNumberAndPredecessors(t *testing.T) {
	w := newDeltaWorld(t)
	w.publish("base", w.ca, 4, pki.CRLOptions{Entries: listed(pki.KeyCompromise, 1)})
	w.publish("delta", w.ca, 5, delta(4, listed(pki.KeyCompromise, 2)...))
	w.want(w.second, "revoked")
	w.want(w.other, "good")
	w.publish("base", w.ca, 6, pki.CRLOptions{Entries: listed(pki.KeyCompromise, 1, 2)})
	restore := w.lose("base")
	w.publish("delta", w.ca, 6, delta(6))
	w.wants("revoked", "cache_unavailable", "cache_unavailable")
	restore()
	w.restart()
	w.want(w.second, "revoked")
	w.want(w.other, "good")

	// The same with entries: they count, whichever complete CRL answers.
	w.publish("base", w.ca, 8, pki.CRLOptions{Entries: listed(pki.KeyCompromise, 1, 2, 5)})
	w.lose("base")
	w.publish("delta", w.ca, 8, delta(8, append(listed(pki.KeyCompromise, 3), listed(pki.RemoveFromCRL, 1)...)...))
	w.wants("revoked", "revoked", "revoked")
	w.want(w.leaf(w.ca, 9, pki.LeafOptions{}), "cache_unavailable")

	// A delta of its own number that still answers for its successor takes nothing
	// back and makes nothing newer.
	w.publish("base", w.ca, 10, pki.CRLOptions{Entries: listed(pki.KeyCompromise, 1)})
	w.publish("delta", w.ca, 10, delta(10, listed(pki.RemoveFromCRL, 1)...))
	w.restart()
	w.want(w.first, "revoked")
	w.publish("delta", w.ca, 11, delta(10, listed(pki.KeyCompromise, 4)...))
	w.lose("delta")
	w.want(w.first, "revoked")
}

// TestDeltaOfItsOwnNumberForOthers: the entries of such a delta count for the
// certificates of other issuers, and for CAs, as those of any other.
func TestDeltaOfItsOwnNumberForOthers(t *testing.T) {
	w := newRFCWorld(t)
	ca, crlIssuer := w.newCA("Certificates", pki.CAOptions{}), w.newCA("Lists", pki.CAOptions{})
	w.trust("ca", ca)
	w.trust("lists", crlIssuer)
	indirect := &pki.IDP{Indirect: true}
	w.publish("base", crlIssuer, 4, pki.CRLOptions{IDP: indirect})
	w.publish("delta", crlIssuer, 4, pki.CRLOptions{IDP: indirect, BaseNumber: big.NewInt(4), Entries: of(ca, listed(pki.KeyCompromise, 2)...)})
	w.want(w.leaf(ca, 2, delegated(t, crlIssuer)), "revoked")
	w.want(w.leaf(ca, 3, delegated(t, crlIssuer)), "good")

	root := w.newCA("Root", pki.CAOptions{})
	below := w.newCA("Below", pki.CAOptions{Parent: root})
	w.trust("root", root)
	w.trust("below", below)
	w.publish("root", root, 1, pki.CRLOptions{})
	w.publish("below", below, 1, pki.CRLOptions{})
	leaf := w.leaf(below, 1, pki.LeafOptions{})
	w.want(leaf, "good")
	w.publish("root-delta", root, 1, delta(1, certEntry(below, pki.KeyCompromise)...))
	w.want(leaf, "issuer_revoked")
}

// TestExpiredBaseDates: a complete CRL that came too late, and the delta that
// brought it in, are as new as the delta, and out of date with it.
func TestExpiredBaseDates(t *testing.T) {
	for _, deltaFirst := range []bool{false, true} {
		w := newDeltaWorld(t)
		stays := w.leaf(w.ca, 4, pki.LeafOptions{})
		base := w.sign(w.ca, 4, at(pki.CRLOptions{Entries: append(listed(pki.CertificateHold, 1), listed(pki.KeyCompromise, 4)...)}, w.now().Add(-48*time.Hour), w.now().Add(-24*time.Hour)))
		late := w.sign(w.ca, 5, at(delta(4, append(listed(pki.RemoveFromCRL, 1), listed(pki.KeyCompromise, 2)...)...), w.now().Add(-time.Hour), w.now().Add(time.Hour)))
		if deltaFirst {
			w.upload("crls/delta.crl", late, "pending delta_base_missing")
			w.want(w.second, "no_crl")
			w.upload("crls/base.crl", base, "accepted accepted")
		} else {
			w.upload("crls/base.crl", base, "pending expired")
			w.want(stays, "no_crl")
			w.upload("crls/delta.crl", late, "accepted accepted")
		}
		for range 2 {
			w.wants("good", "revoked", "good")
			w.want(stays, "revoked")
			w.restart()
		}
		restore := w.lose("delta")
		w.want(w.other, "cache_unavailable")
		w.want(stays, "revoked")
		restore()
		w.restart()

		w.later(2 * time.Hour) // the delta is out of date too
		w.wants("revoked", "revoked", "crl_expired")
		w.settings("ca", `{"grace": "2h"}`) // that of the delta: the base's is long over
		w.want(w.other, "good")
		w.want(w.first, "good")
		w.later(2 * time.Hour)
		w.want(w.other, "crl_expired")
		w.publish("delta", w.ca, 6, delta(4)) // the next one, which takes nothing back any more
		w.wants("revoked", "good", "good")
		w.publish("base", w.ca, 7, pki.CRLOptions{})
		w.want(w.first, "good")
	}
}

// TestExpiredBaseOfAnOptionalCA: a CA that needs no CRL is held to the two once
// they are there, and not before.
func TestExpiredBaseOfAnOptionalCA(t *testing.T) {
	w := newRFCWorld(t)
	ca := w.newCA("Delta", pki.CAOptions{})
	w.trust("ca", ca)
	w.settings("ca", `{"crl": "optional"}`)
	leaf, other := w.leaf(ca, 2, pki.LeafOptions{}), w.leaf(ca, 3, pki.LeafOptions{})
	w.upload("crls/base.crl", w.sign(ca, 4, at(pki.CRLOptions{Entries: listed(pki.KeyCompromise, 2)}, w.now().Add(-2*time.Hour), w.now().Add(-time.Hour))), "pending expired")
	w.want(leaf, "no_crl")
	w.publish("delta", ca, 5, delta(4))
	w.want(leaf, "revoked")
	w.want(other, "good")
	w.later(48 * time.Hour)
	w.want(other, "crl_expired")
}
