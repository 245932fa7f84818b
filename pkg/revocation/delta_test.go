package revocation_test

import (
	"math/big"
	"testing"
	"time"

	"github.com/crlgate/crlgate/internal/pki"
)

// delta is a delta CRL to a complete CRL of number base.
func delta(base int64, entries ...pki.Entry) pki.CRLOptions {
	return pki.CRLOptions{BaseNumber: big.NewInt(base), Entries: entries}
}

func at(o pki.CRLOptions, this, next time.Time) pki.CRLOptions {
	o.ThisUpdate, o.NextUpdate = this, next
	return o
}

// deltaWorld is a CA with delta CRLs, and three clients of it, of the serial
// numbers 1, 2 and 3.
type deltaWorld struct {
	*rfcWorld
	ca                   *pki.CA
	first, second, other *pki.Leaf
}

func newDeltaWorld(t *testing.T) *deltaWorld {
	w := newRFCWorld(t)
	ca := w.newCA("Delta", pki.CAOptions{})
	w.trust("ca", ca)
	return &deltaWorld{w, ca, w.leaf(ca, 1, pki.LeafOptions{}), w.leaf(ca, 2, pki.LeafOptions{}), w.leaf(ca, 3, pki.LeafOptions{})}
}

// wants holds the three clients to these answers.
func (w *deltaWorld) wants(first, second, other string) {
	w.t.Helper()
	w.want(w.first, first)
	w.want(w.second, second)
	w.want(w.other, other)
}

// TestDelta: a delta revokes and un-revokes, and the next complete CRL takes
// its place (RFC 5280 §5.2.4).
func TestDelta(t *testing.T) {
	w := newDeltaWorld(t)
	w.publish("base", w.ca, 4, pki.CRLOptions{Entries: listed(pki.CertificateHold, 1)})
	w.want(w.first, "revoked")
	w.want(w.second, "good")
	w.publish("delta", w.ca, 5, delta(4, append(listed(pki.RemoveFromCRL, 1), listed(pki.KeyCompromise, 2)...)...))
	w.wants("good", "revoked", "good")
	// The next one to the same base says nothing of either any more, against
	// §5.2.4; the complete CRL stands then.
	w.publish("delta", w.ca, 6, delta(4))
	w.want(w.first, "revoked")
	w.want(w.second, "good")
	// A complete CRL as new as the delta: the delta has nothing to add.
	w.publish("delta", w.ca, 7, delta(4, listed(pki.RemoveFromCRL, 1)...))
	w.want(w.first, "good")
	w.publish("base", w.ca, 7, pki.CRLOptions{Entries: listed(pki.KeyCompromise, 1)})
	w.want(w.first, "revoked")
	w.restart()
	w.want(w.first, "revoked")
	w.want(w.second, "good")
	w.publish("delta", w.ca, 8, delta(4, listed(pki.CertificateHold, 2)...))
	w.want(w.second, "revoked")
	w.publish("base", w.ca, 8, pki.CRLOptions{Entries: listed(pki.KeyCompromise, 1)})
	w.want(w.second, "good")
	w.publish("delta", w.ca, 9, delta(8, listed(pki.RemoveFromCRL, 1)...))
	w.want(w.first, "good")
}

// TestDeltaDates: the two together are as new as the delta; out of date, a
// delta still revokes, and no longer un-revokes.
func TestDeltaDates(t *testing.T) {
	w := newDeltaWorld(t)
	began := w.now()
	w.publish("base", w.ca, 4, at(pki.CRLOptions{Entries: listed(pki.CertificateHold, 1)}, began.Add(-time.Hour), began.Add(2*time.Hour)))
	w.publish("delta", w.ca, 5, at(delta(4, append(listed(pki.RemoveFromCRL, 1), listed(pki.KeyCompromise, 2)...)...), began.Add(-time.Minute), began.Add(time.Hour)))
	w.want(w.first, "good")
	w.later(90 * time.Minute) // the delta is out of date, its base is not
	w.wants("revoked", "revoked", "good")
	w.later(time.Hour) // both are
	w.want(w.other, "crl_expired")
	w.want(w.second, "revoked")
	w.publish("delta", w.ca, 6, delta(4, listed(pki.RemoveFromCRL, 1)...)) // the base is out of date, the delta is not
	w.want(w.other, "good")
	w.want(w.first, "good")
	w.settings("ca", `{"max_crl_age": "1h30m"}`)
	w.want(w.other, "good")
	w.later(time.Hour)
	w.want(w.other, "crl_expired")
	w.want(w.first, "revoked")
}

// TestDeltaExpiredOnArrival: a delta that comes late still revokes.
func TestDeltaExpiredOnArrival(t *testing.T) {
	w := newRFCWorld(t)
	ca := w.newCA("Delta", pki.CAOptions{})
	w.trust("ca", ca)
	w.publish("base", ca, 4, pki.CRLOptions{})
	w.publish("delta", ca, 5, at(delta(4, listed(pki.KeyCompromise, 2)...), w.now().Add(-time.Hour), w.now().Add(-time.Minute)))
	w.want(w.leaf(ca, 2, pki.LeafOptions{}), "revoked")
	w.want(w.leaf(ca, 3, pki.LeafOptions{}), "good")
}

// TestDeltaOfItsOwnScopeAndKey: a delta counts for the complete CRL of its
// scope and key, and for no other.
func TestDeltaOfItsOwnScopeAndKey(t *testing.T) {
	w := newRFCWorld(t)
	old, next := w.newCA("Delta", pki.CAOptions{}), w.newCA("Delta", pki.CAOptions{})
	users := &pki.IDP{OnlyUser: true}
	w.trust("ca", old, next)
	w.publish("base", old, 4, pki.CRLOptions{})
	w.upload("crls/scope.crl", w.sign(old, 5, pki.CRLOptions{BaseNumber: big.NewInt(4), IDP: users, Entries: listed(pki.KeyCompromise, 1)}), "pending delta_base_missing")
	w.upload("crls/key.crl", w.sign(next, 5, delta(4, listed(pki.KeyCompromise, 1)...)), "pending delta_base_missing")
	leaf := w.leaf(old, 1, pki.LeafOptions{})
	w.want(leaf, "good")
	w.publish("users", old, 4, pki.CRLOptions{IDP: users})
	w.wantReport("crls/scope.crl", "accepted accepted")
	w.want(leaf, "revoked")
}

// TestDeltaMissing: what cannot be had makes nothing good, and takes nothing
// back; what can be had revokes.
func TestDeltaMissing(t *testing.T) {
	w := newDeltaWorld(t)
	w.publish("base", w.ca, 4, pki.CRLOptions{Entries: listed(pki.CertificateHold, 1)})
	w.publish("delta", w.ca, 5, delta(4, append(listed(pki.RemoveFromCRL, 1), listed(pki.KeyCompromise, 2)...)...))
	restore := w.lose("delta")
	w.wants("revoked", "cache_unavailable", "cache_unavailable")
	restore()
	w.restart()
	w.lose("base")
	w.wants("cache_unavailable", "revoked", "cache_unavailable")
}

// TestDeltaPredecessor: while a new delta is not there, the one before it must
// neither take back what the new complete CRL says, nor revoke what that does not.
func TestDeltaPredecessor(t *testing.T) {
	w := newRFCWorld(t)
	ca := w.newCA("Delta", pki.CAOptions{})
	leaf, held := w.leaf(ca, 1, pki.LeafOptions{}), w.leaf(ca, 2, pki.LeafOptions{})
	w.trust("ca", ca)
	w.publish("base", ca, 4, pki.CRLOptions{Entries: listed(pki.CertificateHold, 1)})
	w.publish("delta", ca, 5, delta(4, append(listed(pki.RemoveFromCRL, 1), listed(pki.CertificateHold, 2)...)...))
	w.want(leaf, "good")
	w.want(held, "revoked")
	w.publish("base", ca, 6, pki.CRLOptions{Entries: listed(pki.KeyCompromise, 1)})
	w.publish("delta", ca, 7, delta(6, listed(pki.KeyCompromise, 9)...))
	w.lose("delta")
	w.want(leaf, "revoked")
	w.want(held, "good")
}

// TestDeltaPredecessorTooOld: a predecessor that is too old to answer takes
// nothing back either.
func TestDeltaPredecessorTooOld(t *testing.T) {
	w := newRFCWorld(t)
	ca := w.newCA("Delta", pki.CAOptions{})
	leaf := w.leaf(ca, 1, pki.LeafOptions{})
	w.trust("ca", ca)
	w.publish("base", ca, 4, pki.CRLOptions{Entries: listed(pki.CertificateHold, 1)})
	w.publish("delta", ca, 5, delta(4, listed(pki.RemoveFromCRL, 1)...))
	w.want(leaf, "good")
	w.publish("delta", ca, 6, delta(4, append(listed(pki.RemoveFromCRL, 1), listed(pki.KeyCompromise, 2)...)...))
	w.lose("delta")
	w.want(leaf, "good") // the one before it, for a while
	w.later(20 * time.Minute)
	w.want(leaf, "revoked")
}

// TestBasePredecessor: while a new complete CRL is not there, the one before it
// must not answer beside a delta to the new one, from which what was revoked in
// between is gone.
func TestBasePredecessor(t *testing.T) {
	w := newDeltaWorld(t)
	w.publish("base", w.ca, 4, pki.CRLOptions{Entries: listed(pki.KeyCompromise, 1)})
	w.publish("delta", w.ca, 5, delta(4, listed(pki.KeyCompromise, 2)...))
	w.want(w.second, "revoked")
	w.want(w.other, "good")
	w.publish("base", w.ca, 6, pki.CRLOptions{Entries: listed(pki.KeyCompromise, 1, 2)})
	restore := w.lose("base")
	w.want(w.second, "revoked") // by the delta to the one before
	w.want(w.other, "good")
	w.publish("delta", w.ca, 7, delta(6))
	w.wants("revoked", "cache_unavailable", "cache_unavailable")
	restore()
	w.later(2 * time.Second) // its set is fetched anew, and waited for
	w.want(w.second, "revoked")
	w.want(w.other, "good")
	w.restart()
	w.want(w.second, "revoked")
	w.want(w.other, "good")
}

// TestDeltaToANewerBase: a delta takes nothing off a complete CRL that is older than
// the one it is to (RFC 5280 §5.2.4 c), though that is all there is.
func TestDeltaToANewerBase(t *testing.T) {
	w := newDeltaWorld(t)
	w.publish("base", w.ca, 4, pki.CRLOptions{Entries: listed(pki.CertificateHold, 1)})
	w.want(w.first, "revoked")
	w.publish("base", w.ca, 6, pki.CRLOptions{Entries: listed(pki.CertificateHold, 1, 2)})
	restore := w.lose("base")
	w.publish("delta", w.ca, 7, delta(6, listed(pki.RemoveFromCRL, 1)...))
	w.want(w.first, "revoked")
	restore()
	w.later(2 * time.Second)
	w.want(w.first, "good")
}

// TestDeltaOfIndirect: the delta of an indirect CRL has entries of several
// issuers too.
func TestDeltaOfIndirect(t *testing.T) {
	w := newRFCWorld(t)
	ca, crlIssuer := w.newCA("Certificates", pki.CAOptions{}), w.newCA("Lists", pki.CAOptions{})
	w.trust("ca", ca)
	w.trust("lists", crlIssuer)
	indirect := &pki.IDP{Indirect: true}
	w.publish("base", crlIssuer, 4, pki.CRLOptions{IDP: indirect, Entries: of(ca, listed(pki.CertificateHold, 1)...)})
	held, fresh, other := w.leaf(ca, 1, delegated(t, crlIssuer)), w.leaf(ca, 2, delegated(t, crlIssuer)), w.leaf(ca, 3, delegated(t, crlIssuer))
	w.want(held, "revoked")
	w.want(fresh, "good")
	w.publish("delta", crlIssuer, 5, pki.CRLOptions{IDP: indirect, BaseNumber: big.NewInt(4), Entries: append(
		listed(pki.KeyCompromise, 3), // of the CRL issuer's own
		of(ca, append(listed(pki.RemoveFromCRL, 1), listed(pki.KeyCompromise, 2)...)...)...)})
	w.want(held, "good")
	w.want(fresh, "revoked")
	w.want(other, "good")
	w.want(w.leaf(crlIssuer, 3, pki.LeafOptions{}), "revoked")
}
