package revocation_test

import (
	"crypto/x509"
	"slices"
	"testing"
	"time"

	"github.com/crlgate/crlgate/internal/pki"
	"github.com/crlgate/crlgate/pkg/catalog"
	"github.com/crlgate/crlgate/pkg/crl"
)

// TestSignersOfWhichNothingIsKnown: where a certificate's own key publishes nothing, the
// chain of every signer counts whose CRL is current, whichever is asked first.
func TestSignersOfWhichNothingIsKnown(t *testing.T) {
	bothOrders(t, func(t *testing.T, known, unknown string) {
		w := newRFCWorld(t)
		issuing := w.newCA("A", pki.CAOptions{KeyUsage: x509.KeyUsageCertSign})
		root := w.newCA("A", pki.CAOptions{KeyUsage: x509.KeyUsageCRLSign | x509.KeyUsageCertSign})
		stranger := w.newCA("Stranger", pki.CAOptions{})
		signer := w.newCA("A", pki.CAOptions{Parent: stranger, NotCA: true, KeyUsage: x509.KeyUsageCRLSign})
		w.trust("a", issuing, root, signer)
		leaf := w.leaf(issuing, 1, pki.LeafOptions{})
		w.publish(known, root, 1, pki.CRLOptions{})
		w.want(leaf, "good")
		w.publish(unknown, signer, 1, at(pki.CRLOptions{}, w.now().Add(-time.Hour), w.now().Add(time.Hour)))
		w.want(leaf, "chain_unknown")
		w.later(2 * time.Hour)
		w.want(leaf, "good") // what is out of date vouches for nothing anyway
	})
}

// TestNamedIssuersAddUp: beside what the certificate's own key publishes, the indirect
// CRLs count that the certificate names, for the reasons that the former leave open.
func TestNamedIssuersAddUp(t *testing.T) {
	keys, rest := pki.Reasons(keyReasons), pki.Reasons(allReasons&^keyReasons)
	soon := func(w *rfcWorld, o pki.CRLOptions) pki.CRLOptions {
		return at(o, w.now().Add(-time.Hour), w.now().Add(time.Hour))
	}
	for name, c := range map[string]struct {
		own, named pki.Reasons
		stranger   bool // the named CRL issuer is below one that is not here
		want       string
		later      string // when what is named is out of date
	}{
		"each for some":                      {keys, rest, false, "good", "crl_expired"},
		"too few":                            {keys, rest &^ pki.FlagAACompromise, false, "out_of_scope", "out_of_scope"},
		"both for all":                       {0, 0, false, "good", "good"},
		"each for some, of a stranger":       {keys, rest, true, "chain_unknown", "crl_expired"},
		"own for some, all of a stranger":    {keys, 0, true, "chain_unknown", "crl_expired"},
		"own for all, some of a stranger":    {0, rest, true, "good", "good"},
		"own for all, and all of a stranger": {0, 0, true, "good", "good"},
	} {
		bothOrders(t, func(t *testing.T, own, named string) {
			w := newRFCWorld(t)
			var parent *pki.CA
			if c.stranger {
				parent = w.newCA("Stranger", pki.CAOptions{})
			}
			ca, lists := w.newCA("A", pki.CAOptions{}), w.newCA("Lists", pki.CAOptions{Parent: parent})
			w.trust("a", ca)
			w.trust("lists", lists)
			w.publish(own, ca, 1, pki.CRLOptions{IDP: &pki.IDP{Reasons: c.own, OnlyUser: true}})
			w.publish(named, lists, 1, soon(w, pki.CRLOptions{IDP: &pki.IDP{Reasons: c.named, Indirect: true}, Entries: of(ca, listed(pki.Superseded, 7)...)}))
			good, gone := w.leaf(ca, 1, delegated(t, lists)), w.leaf(ca, 7, delegated(t, lists))
			for _, want := range []string{c.want, c.later} {
				if a := w.ask(good); state(a) != want {
					t.Errorf("%s: %s, want %s: %s", name, state(a), want, a.Detail)
				}
				w.want(gone, "revoked")
				w.later(2 * time.Hour)
			}
		})
	}
}

// TestSeveralNamedIssuers: of several CRL issuers that a certificate names beside its
// own key's CRL, one of which nothing is known is enough.
func TestSeveralNamedIssuers(t *testing.T) {
	bothOrders(t, func(t *testing.T, known, unknown string) {
		w := newRFCWorld(t)
		ca, lists := w.newCA("A", pki.CAOptions{}), w.newCA("Lists "+known, pki.CAOptions{})
		others := w.newCA("Lists "+unknown, pki.CAOptions{Parent: w.newCA("Stranger", pki.CAOptions{})})
		w.trust("own", ca)
		w.trust(known, lists)
		w.trust(unknown, others)
		w.publish("own", ca, 1, pki.CRLOptions{IDP: &pki.IDP{Reasons: keyReasons}})
		w.publish(known, lists, 1, pki.CRLOptions{IDP: &pki.IDP{Indirect: true}})
		w.publish(unknown, others, 1, pki.CRLOptions{IDP: &pki.IDP{Indirect: true}})
		points := []pki.DistributionPoint{{CRLIssuer: lists.Name()}, {CRLIssuer: others.Name()}}
		w.want(w.leaf(ca, 1, cdp(t, points[0])), "good")
		w.want(w.leaf(ca, 1, cdp(t, points[1])), "chain_unknown")
		w.want(w.leaf(ca, 1, cdp(t, points...)), "chain_unknown")
		slices.Reverse(points)
		w.want(w.leaf(ca, 1, cdp(t, points...)), "chain_unknown")
	})
}

// TestSignerThatIsGone: a CRL in the catalog that is signed by a key which none of the
// CA's certificates has any longer vouches for nothing; what it lists stays revoked.
func TestSignerThatIsGone(t *testing.T) {
	w := newRFCWorld(t)
	issuing, signer := w.newCA("A", pki.CAOptions{KeyUsage: x509.KeyUsageCertSign}), w.newCA("A", pki.CAOptions{})
	w.trust("a", issuing, signer)
	w.publish("a", signer, 1, pki.CRLOptions{Entries: listed(pki.Superseded, 7)})
	good, gone := w.leaf(issuing, 1, pki.LeafOptions{}), w.leaf(issuing, 7, pki.LeafOptions{})
	w.want(good, "good")
	w.want(gone, "revoked")
	w.rewrite(func(c *catalog.Catalog) { c.CAs["a"].Certificates = c.CAs["a"].Certificates[:1] })
	w.wantWords(good, "out_of_scope", "; CRL number 1 is signed by a key that is revoked")
	_, trace := w.explain(gone)
	w.want(gone, "revoked")
	l := trace.Considered.Lists[0]
	if l.Vouches || l.Signer == nil || !l.Signer.Gone || !l.Signer.Revoked || l.Signer.CA != "a" || len(l.Signer.Certificates) != 0 {
		t.Errorf("%+v, %+v", l, l.Signer)
	}
	if l.Covers != crl.AllReasons || !l.Lookups[0].Listed() {
		t.Errorf("%+v", l)
	}
}
