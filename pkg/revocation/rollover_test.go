package revocation_test

import (
	"crypto/x509"
	"testing"
	"time"

	"github.com/crlgate/crlgate/internal/pki"
)

// TestRolloverOneCRLPerKey: a CA with one CRL for each key, each listing only
// the certificates of that key, and without IDP (AD CS). Neither stands in for
// the other.
func TestRolloverOneCRLPerKey(t *testing.T) {
	w := newRFCWorld(t)
	old, next := w.newCA("Rollover", pki.CAOptions{}), w.newCA("Rollover", pki.CAOptions{})
	began := w.now()
	w.trust("ca", old, next)
	w.publish("old", old, 7, at(pki.CRLOptions{Entries: listed(pki.KeyCompromise, 1)}, began.Add(-time.Hour), began.Add(time.Hour)))
	w.publish("next", next, 1, pki.CRLOptions{Entries: listed(pki.KeyCompromise, 3)})
	for serial, want := range map[int64][2]string{1: {"revoked", "revoked"}, 2: {"good", "good"}, 3: {"revoked", "revoked"}} {
		w.want(w.leaf(old, serial, pki.LeafOptions{}), want[0])
		w.want(w.leaf(next, serial, pki.LeafOptions{}), want[1])
	}
	w.later(2 * time.Hour) // the old key's CRL is out of date
	w.want(w.leaf(old, 2, pki.LeafOptions{}), "crl_expired")
	w.want(w.leaf(old, 1, pki.LeafOptions{}), "revoked")
	w.want(w.leaf(next, 2, pki.LeafOptions{}), "good")
	w.publish("old", old, 8, pki.CRLOptions{})
	w.want(w.leaf(old, 1, pki.LeafOptions{}), "good")
	w.restart()
	w.lose("old")
	w.want(w.leaf(old, 2, pki.LeafOptions{}), "cache_unavailable")
	w.want(w.leaf(old, 3, pki.LeafOptions{}), "revoked")
}

// TestRolloverOneCRLForBothKeys: a CA whose new key signs one CRL for the
// certificates of both, while the old key's only CRL is of one certificate
// (PKITS 4.5).
func TestRolloverOneCRLForBothKeys(t *testing.T) {
	w := newRFCWorld(t)
	old := w.newCA("Rollover", pki.CAOptions{})
	uri := []string{"http://crl.example.com/self-issued.crl"}
	newWithOld := w.newCA("Rollover", pki.CAOptions{Parent: old, CRLDistributionPoints: uri})
	w.trust("ca", old, newWithOld)
	w.publish("both", newWithOld, 1, pki.CRLOptions{Entries: listed(pki.KeyCompromise, 1)})
	for _, key := range []*pki.CA{old, newWithOld} {
		w.want(w.leaf(key, 1, pki.LeafOptions{}), "revoked")
	}
	w.want(w.leaf(old, 2, pki.LeafOptions{}), "chain_unknown") // the new key vouches for itself only
	w.publish("self-issued", old, 1, pki.CRLOptions{IDP: &pki.IDP{FullNames: uri}})
	for _, key := range []*pki.CA{old, newWithOld} {
		w.want(w.leaf(key, 1, pki.LeafOptions{}), "revoked")
		w.want(w.leaf(key, 2, pki.LeafOptions{}), "good")
	}
	// The old key revokes the new one.
	w.publish("self-issued", old, 2, pki.CRLOptions{IDP: &pki.IDP{FullNames: uri}, Entries: certEntry(newWithOld, pki.KeyCompromise)})
	w.want(w.leaf(newWithOld, 2, pki.LeafOptions{}), "issuer_revoked")
	w.want(w.leaf(old, 2, pki.LeafOptions{}), "out_of_scope") // whose CRL it was does not count any more
	w.want(w.leaf(old, 1, pki.LeafOptions{}), "revoked")
}

// TestSeparateCRLKey: a CA that signs its CRLs with a key of its own.
func TestSeparateCRLKey(t *testing.T) {
	w := newRFCWorld(t)
	issuing := w.newCA("Separate", pki.CAOptions{KeyUsage: x509.KeyUsageCertSign})
	lists := w.newCA("Separate", pki.CAOptions{Parent: issuing, NotCA: true, KeyUsage: x509.KeyUsageCRLSign})
	w.trust("ca", issuing, lists)
	w.publish("crl", lists, 1, pki.CRLOptions{Entries: listed(pki.KeyCompromise, 1)})
	w.want(w.leaf(issuing, 1, pki.LeafOptions{}), "revoked")
	// Nothing but its own CRL says that the CRL signer is not revoked.
	w.want(w.leaf(issuing, 2, pki.LeafOptions{}), "chain_unknown")
}

// TestKeyWithdrawnForAMoment: a key that is left out of the issuers file and
// put back has its CRL again, out of date as it is: what it revoked stays
// revoked, and another key's CRL does not vouch in its stead.
func TestKeyWithdrawnForAMoment(t *testing.T) {
	w := newRFCWorld(t)
	old, next := w.newCA("Rollover", pki.CAOptions{}), w.newCA("Rollover", pki.CAOptions{})
	began := w.now()
	w.trust("ca", old, next)
	w.publish("old", old, 7, at(pki.CRLOptions{Entries: listed(pki.KeyCompromise, 1)}, began.Add(-time.Hour), began.Add(time.Hour)))
	w.publish("next", next, 1, pki.CRLOptions{})
	w.later(2 * time.Hour)
	w.want(w.leaf(old, 1, pki.LeafOptions{}), "revoked")
	w.trust("ca", next)
	w.want(w.leaf(old, 1, pki.LeafOptions{}), "unknown_issuer")
	w.trust("ca", old, next)
	w.want(w.leaf(old, 1, pki.LeafOptions{}), "revoked")
	w.want(w.leaf(old, 2, pki.LeafOptions{}), "crl_expired")
}
