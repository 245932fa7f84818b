package revocation_test

import (
	"crypto/x509"
	"testing"
	"time"

	"github.com/crlgate/crlgate/internal/pki"
)

// chained is a root, a CA below it, and a client of that.
type chained struct {
	*rfcWorld
	root, sub *pki.CA
	client    *pki.Leaf
}

func newChained(t testing.TB) *chained {
	w := &chained{rfcWorld: newRFCWorld(t)}
	w.root = w.newCA("Root", pki.CAOptions{})
	w.sub = w.newCA("Sub", pki.CAOptions{Parent: w.root})
	w.client = w.leaf(w.sub, 1, pki.LeafOptions{})
	w.trust("root", w.root)
	w.trust("sub", w.sub)
	w.publish("sub", w.sub, 1, pki.CRLOptions{})
	return w
}

// TestRevokedSigner: a CRL whose signer's certificate the root has revoked
// makes nothing good; what it revokes stays revoked (RFC 5280 §6.3.3 f).
func TestRevokedSigner(t *testing.T) {
	w := newRFCWorld(t)
	root := w.newCA("Root", pki.CAOptions{})
	issuing := w.newCA("Sub", pki.CAOptions{Parent: root, KeyUsage: x509.KeyUsageCertSign})
	signer := w.newCA("Sub", pki.CAOptions{Parent: root, NotCA: true, KeyUsage: x509.KeyUsageCRLSign})
	good, bad := w.leaf(issuing, 2, pki.LeafOptions{}), w.leaf(issuing, 1, pki.LeafOptions{})
	w.trust("root", root)
	w.trust("sub", issuing, signer)
	w.publish("sub", signer, 1, pki.CRLOptions{Entries: listed(pki.KeyCompromise, 1)})
	w.want(good, "chain_unknown") // without the root's CRL nothing tells
	w.publish("root", root, 1, pki.CRLOptions{})
	w.want(good, "good")
	restore := w.lose("root")
	w.restart()
	w.want(good, "cache_unavailable")
	w.want(bad, "revoked")
	restore()
	w.restart()
	w.publish("root", root, 2, pki.CRLOptions{Entries: certEntry(signer, pki.CessationOfOperation)})
	w.wantWords(good, "out_of_scope", "; CRL number 1 is signed by a key that is revoked")
	w.want(bad, "revoked")
	w.restart()
	w.want(good, "out_of_scope")
	// A second signer's CRL is another matter.
	second := w.newCA("Sub", pki.CAOptions{Parent: root, NotCA: true, KeyUsage: x509.KeyUsageCRLSign})
	w.trust("sub", issuing, signer, second)
	w.publish("second", second, 1, pki.CRLOptions{})
	w.want(good, "good")
	w.want(bad, "revoked")
}

// TestSignerOutOfReach: where the set that would tell whether a CRL's signer
// is revoked is missing, the CRL makes nothing good.
func TestSignerOutOfReach(t *testing.T) {
	w := newRFCWorld(t)
	root := w.newCA("Root", pki.CAOptions{})
	issuing := w.newCA("Sub", pki.CAOptions{KeyUsage: x509.KeyUsageCertSign}) // a root of its own
	signer := w.newCA("Sub", pki.CAOptions{Parent: root, NotCA: true, KeyUsage: x509.KeyUsageCRLSign})
	w.trust("root", root)
	w.trust("sub", issuing, signer)
	w.publish("sub", signer, 1, pki.CRLOptions{})
	w.publish("root", root, 1, pki.CRLOptions{Entries: certEntry(signer, pki.KeyCompromise)})
	w.lose("root")
	w.want(w.leaf(issuing, 1, pki.LeafOptions{}), "cache_unavailable")
}

// TestRevokedCA: what a revoked CA key issued is denied, and taken back if the
// root takes it back.
func TestRevokedCA(t *testing.T) {
	w := newChained(t)
	w.want(w.client, "chain_unknown")
	w.publish("root", w.root, 1, pki.CRLOptions{})
	w.want(w.client, "good")
	w.publish("root", w.root, 2, pki.CRLOptions{Entries: certEntry(w.sub, pki.CertificateHold)})
	w.want(w.client, "issuer_revoked")
	w.restart()
	w.want(w.client, "issuer_revoked")
	w.publish("root", w.root, 3, pki.CRLOptions{})
	w.want(w.client, "good")
	w.publish("sub", w.sub, 2, pki.CRLOptions{Entries: listed(pki.KeyCompromise, 1)})
	w.publish("root", w.root, 4, pki.CRLOptions{Entries: certEntry(w.sub, pki.KeyCompromise)})
	w.want(w.client, "revoked") // the first row that holds
}

// TestSupersededCA: a key goes on while one of its certificates does, unless
// another was revoked because the key is no longer the CA's alone.
func TestSupersededCA(t *testing.T) {
	for reason, want := range map[pki.Reason]string{pki.Superseded: "good", pki.CessationOfOperation: "good", pki.NoReason: "good", pki.KeyCompromise: "issuer_revoked", pki.CACompromise: "issuer_revoked"} {
		w := newChained(t)
		renewed := w.newCA("Sub", pki.CAOptions{Parent: w.root, Signer: w.sub.Key})
		w.trust("sub", w.sub, renewed)
		w.publish("root", w.root, 1, pki.CRLOptions{Entries: certEntry(w.sub, reason)})
		w.want(w.client, want)
		w.publish("root", w.root, 2, pki.CRLOptions{Entries: append(certEntry(w.sub, reason), certEntry(renewed, pki.Superseded)...)})
		w.want(w.client, "issuer_revoked")
	}
}

// TestRevokedAbove: a revoked key takes down what stands below it, however far.
func TestRevokedAbove(t *testing.T) {
	w := newChained(t)
	low := w.newCA("Low", pki.CAOptions{Parent: w.sub})
	w.trust("low", low)
	w.publish("low", low, 1, pki.CRLOptions{})
	w.publish("root", w.root, 1, pki.CRLOptions{})
	client := w.leaf(low, 1, pki.LeafOptions{})
	w.want(client, "good")
	w.publish("root", w.root, 2, pki.CRLOptions{Entries: certEntry(w.sub, pki.Superseded)})
	w.wantWords(client, "issuer_revoked", "the key that issued the certificate ")
}

// TestDenyListOfTheParent: a CA's serial on its parent's deny list is denied
// now, as a client's is.
func TestDenyListOfTheParent(t *testing.T) {
	w := newChained(t)
	w.publish("root", w.root, 1, pki.CRLOptions{})
	w.want(w.client, "good")
	w.settings("root", `{"deny": ["`+w.sub.Certificate.SerialNumber.Text(16)+`"]}`)
	w.want(w.client, "issuer_revoked")
}

// TestScopeOfCACertificates: a CA's certificate is asked about as what it is.
func TestScopeOfCACertificates(t *testing.T) {
	w := newChained(t)
	w.publish("users", w.root, 1, pki.CRLOptions{IDP: &pki.IDP{OnlyUser: true}, Entries: certEntry(w.sub, pki.KeyCompromise)})
	w.want(w.client, "chain_unknown")
	w.publish("cas", w.root, 1, pki.CRLOptions{IDP: &pki.IDP{OnlyCA: true}})
	w.want(w.client, "good")
	w.publish("cas", w.root, 2, pki.CRLOptions{IDP: &pki.IDP{OnlyCA: true}, Entries: certEntry(w.sub, pki.KeyCompromise)})
	w.want(w.client, "issuer_revoked")
}

// TestParentsObjectMissing: whether the CA is revoked cannot be told, and the
// object that would tell is named; once it is there it counts.
func TestParentsObjectMissing(t *testing.T) {
	w := newChained(t)
	w.publish("root", w.root, 1, pki.CRLOptions{Entries: certEntry(w.sub, pki.KeyCompromise)})
	restore := w.lose("root")
	w.want(w.client, "cache_unavailable")
	restore()
	w.later(5 * time.Second)
	w.want(w.client, "issuer_revoked")
}

// TestParentsPredecessor: a CA that the root's newest CRL revokes is denied as
// soon as the set of that is there, though the one before it answered until
// then.
func TestParentsPredecessor(t *testing.T) {
	w := newChained(t)
	w.publish("root", w.root, 1, pki.CRLOptions{})
	w.want(w.client, "good")
	w.publish("root", w.root, 2, pki.CRLOptions{Entries: certEntry(w.sub, pki.KeyCompromise)})
	restore := w.lose("root")
	w.want(w.client, "good")
	restore()
	for began := w.now(); !w.ask(w.client).IssuerRevoked; w.later(2 * time.Second) {
		if w.now().Sub(began) > 10*time.Minute {
			t.Fatalf("still %s, long after the set of the CRL that revokes the CA has come", state(w.ask(w.client)))
		}
		time.Sleep(10 * time.Millisecond) // the fetching is behind its back
	}
}

// TestParentsPredecessorEnds: the set before the newest one answers for a
// while, and not for ever.
func TestParentsPredecessorEnds(t *testing.T) {
	w := newChained(t)
	w.publish("root", w.root, 1, pki.CRLOptions{})
	w.want(w.client, "good")
	w.publish("root", w.root, 2, pki.CRLOptions{Entries: certEntry(w.sub, pki.KeyCompromise)})
	w.lose("root")
	w.want(w.client, "good")
	w.later(20 * time.Minute)
	w.want(w.client, "cache_unavailable")
}

// TestRevokedByThePredecessor: a CA that the set before the newest one revokes stays
// revoked, and the answer tells how old that is.
func TestRevokedByThePredecessor(t *testing.T) {
	w := newChained(t)
	w.publish("root", w.root, 1, pki.CRLOptions{Entries: certEntry(w.sub, pki.KeyCompromise)})
	w.want(w.client, "issuer_revoked")
	w.publish("root", w.root, 2, pki.CRLOptions{Entries: listed(pki.Superseded, 7)})
	w.lose("root")
	for _, after := range []time.Duration{time.Minute, time.Hour} {
		w.later(after)
		if a := w.ask(w.client); !a.IssuerRevoked || a.Age < after || a.Stale != (after > 15*time.Minute) {
			t.Errorf("after %v: %+v", after, a)
		}
	}
}

// TestChainDates: what is known of a key is found out anew when a date passes,
// whichever of the CRLs it is that goes out of date first.
func TestChainDates(t *testing.T) {
	t.Run("of the CRL that was issued first", func(t *testing.T) {
		w := newChained(t)
		began := w.now()
		w.publish("keys", w.root, 1, at(pki.CRLOptions{IDP: &pki.IDP{Reasons: keyReasons}}, began.Add(-2*time.Hour), began.Add(10*time.Minute)))
		w.publish("rest", w.root, 1, at(pki.CRLOptions{IDP: &pki.IDP{Reasons: allReasons &^ keyReasons}}, began.Add(-time.Hour), began.Add(10*time.Hour)))
		w.want(w.client, "good")
		w.later(10 * time.Minute)
		w.want(w.client, "good") // the last moment
		w.later(time.Second)
		w.want(w.client, "chain_unknown")
	})
	t.Run("with grace", func(t *testing.T) {
		w := newChained(t)
		began := w.now()
		w.settings("root", `{"grace": "5m"}`)
		w.publish("root", w.root, 1, at(pki.CRLOptions{}, began.Add(-2*time.Hour), began.Add(10*time.Minute)))
		w.later(12 * time.Minute)
		w.want(w.client, "good")
		w.later(4 * time.Minute)
		w.want(w.client, "chain_unknown")
	})
	t.Run("of max_crl_age", func(t *testing.T) {
		w := newChained(t)
		w.settings("root", `{"max_crl_age": "70m"}`)
		w.publish("root", w.root, 1, pki.CRLOptions{}) // an hour old
		w.want(w.client, "good")
		w.later(11 * time.Minute)
		w.want(w.client, "chain_unknown")
	})
	t.Run("of a delta that took the revocation back", func(t *testing.T) {
		w := newChained(t)
		began := w.now()
		w.publish("root", w.root, 1, pki.CRLOptions{Entries: certEntry(w.sub, pki.CertificateHold)})
		w.publish("delta", w.root, 2, at(delta(1, certEntry(w.sub, pki.RemoveFromCRL)...), began.Add(-time.Minute), began.Add(10*time.Minute)))
		w.want(w.client, "good")
		w.later(11 * time.Minute)
		w.want(w.client, "issuer_revoked")
	})
	t.Run("of the grandparent", func(t *testing.T) {
		w := newChained(t)
		began := w.now()
		low := w.newCA("Low", pki.CAOptions{Parent: w.sub})
		w.trust("low", low)
		w.publish("low", low, 1, pki.CRLOptions{})
		w.publish("root", w.root, 1, at(pki.CRLOptions{}, began.Add(-time.Hour), began.Add(10*time.Minute)))
		client := w.leaf(low, 1, pki.LeafOptions{})
		w.want(client, "good")
		w.later(11 * time.Minute)
		w.want(client, "chain_unknown")
	})
}

// TestCrossCertified: two CAs that certify each other, with and without a root
// of their own.
func TestCrossCertified(t *testing.T) {
	w := newRFCWorld(t)
	a, b := w.newCA("A", pki.CAOptions{}), w.newCA("B", pki.CAOptions{})
	aByB := w.newCA("A", pki.CAOptions{Parent: b, Signer: a.Key})
	bByA := w.newCA("B", pki.CAOptions{Parent: a, Signer: b.Key})
	w.trust("a", aByB)
	w.trust("b", bByA)
	w.publish("a", a, 1, pki.CRLOptions{})
	w.publish("b", b, 1, pki.CRLOptions{})
	of, ofB := w.leaf(a, 1, pki.LeafOptions{}), w.leaf(b, 1, pki.LeafOptions{})
	w.want(of, "chain_unknown") // neither is a root
	w.want(ofB, "chain_unknown")
	w.trust("a", a, aByB)
	w.want(of, "good")
	w.want(ofB, "good")
	w.publish("a", a, 2, pki.CRLOptions{Entries: certEntry(bByA, pki.CessationOfOperation)})
	w.want(of, "good")
	w.want(ofB, "issuer_revoked")
	w.trust("b", b, bByA)
	w.want(ofB, "good") // its own root goes on
	w.publish("a", a, 3, pki.CRLOptions{Entries: certEntry(bByA, pki.KeyCompromise)})
	w.want(of, "good")
	w.want(ofB, "issuer_revoked")
}

// TestManyCrossCertified: every one of many CAs certifies every other, and an
// answer comes all the same.
func TestManyCrossCertified(t *testing.T) {
	w := newRFCWorld(t)
	const n = 8
	var roots []*pki.CA
	for i := range n {
		roots = append(roots, w.newCA(string(rune('A'+i)), pki.CAOptions{}))
	}
	for i, ca := range roots {
		all := []*pki.CA{ca}
		for j, other := range roots {
			if i != j {
				all = append(all, w.newCA(string(rune('A'+i)), pki.CAOptions{Parent: other, Signer: ca.Key}))
			}
		}
		w.trust(string(rune('a'+i)), all...)
		w.publish(string(rune('a'+i)), ca, 1, pki.CRLOptions{})
	}
	w.want(w.leaf(roots[0], 1, pki.LeafOptions{}), "good")
}

// TestOneKeyTwoNames: a CA that was renamed and kept its key. What is revoked
// for the sake of the key is revoked under either name.
func TestOneKeyTwoNames(t *testing.T) {
	w := newRFCWorld(t)
	root := w.newCA("Root", pki.CAOptions{})
	before := w.newCA("Before", pki.CAOptions{Parent: root})
	after := w.newCA("After", pki.CAOptions{Parent: root, Signer: before.Key})
	w.trust("root", root)
	w.trust("before", before)
	w.trust("after", after)
	w.publish("before", before, 1, pki.CRLOptions{})
	w.publish("after", after, 1, pki.CRLOptions{})
	w.publish("root", root, 1, pki.CRLOptions{Entries: certEntry(before, pki.Superseded)})
	w.want(w.leaf(before, 1, pki.LeafOptions{}), "issuer_revoked")
	w.want(w.leaf(after, 1, pki.LeafOptions{}), "good")
	w.publish("root", root, 2, pki.CRLOptions{Entries: certEntry(before, pki.KeyCompromise)})
	w.wantWords(w.leaf(after, 1, pki.LeafOptions{}), "issuer_revoked", "of CA before is revoked")
	// A root that was renamed, and certified its new name itself.
	renamed := w.newCA("Renamed", pki.CAOptions{Parent: root, Signer: root.Key})
	w.trust("renamed", renamed)
	w.publish("renamed", renamed, 1, pki.CRLOptions{})
	w.want(w.leaf(renamed, 1, pki.LeafOptions{}), "good")
	// Its old name still revokes the new one: that is not a root of its own.
	w.publish("root", root, 3, pki.CRLOptions{Entries: certEntry(renamed, pki.Superseded)})
	w.want(w.leaf(renamed, 1, pki.LeafOptions{}), "issuer_revoked")
}
