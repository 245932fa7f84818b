package revocation_test

// What a hostile writer could try, on the write path and the read path
// together. docs/security.md names these tests, threat by threat.

import (
	"math/big"
	"strings"
	"testing"
	"time"

	"github.com/crlgate/crlgate/internal/pki"
	"github.com/crlgate/crlgate/pkg/catalog"
)

// TestNarrowedScopeHidesNothing: a newer CRL of a narrower scope, without the
// entries of the one before, is of another line. It takes nothing away, and
// cannot make good what it does not cover once the wider one has expired.
func TestNarrowedScopeHidesNothing(t *testing.T) {
	for name, idp := range map[string]*pki.IDP{
		"CA certificates only":    {OnlyCA: true},
		"user certificates only":  {OnlyUser: true},
		"some reasons":            {Reasons: pki.FlagCessationOfOperation},
		"another point":           {FullNames: []string{"http://crl.example.com/elsewhere.crl"}},
		"indirect":                {Indirect: true},
		"a point and its reasons": {FullNames: []string{"http://crl.example.com/elsewhere.crl"}, Reasons: pki.FlagSuperseded, OnlyUser: true},
	} {
		t.Run(name, func(t *testing.T) {
			w := newRFCWorld(t)
			ca := w.newCA("A", pki.CAOptions{})
			w.trust("a", ca)
			w.publish("full", ca, 5, pki.CRLOptions{Entries: listed(pki.KeyCompromise, 1)})
			bad, good := w.leaf(ca, 1, pki.LeafOptions{}), w.leaf(ca, 2, pki.LeafOptions{})
			w.want(bad, "revoked")
			w.want(good, "good")
			// Under a key of its own, and over the key of the one that serves.
			for i, key := range []string{"narrow", "full"} {
				w.publish(key, ca, int64(6+i), pki.CRLOptions{IDP: idp, NextUpdate: w.now().Add(72 * time.Hour)})
				w.later(time.Minute)
				w.want(bad, "revoked")
				w.want(good, "good")
			}
			w.later(48 * time.Hour) // the full one is past its nextUpdate, the narrow one is not
			w.want(bad, "revoked")
			if a := w.ask(good); state(a) == "good" && !covers(idp) {
				t.Errorf("let in by a CRL that does not cover it: %s", a.Detail)
			}
		})
	}
}

// covers tells whether a CRL with this IDP speaks of every reason for an end
// entity's certificate that names no distribution point.
func covers(idp *pki.IDP) bool {
	return !idp.OnlyCA && idp.Reasons == 0 && len(idp.FullNames) == 0
}

// TestSetOfAnotherCRL: a set that is sound, and another CRL's, put where the
// catalog says that this CRL's lies, is not taken for it.
func TestSetOfAnotherCRL(t *testing.T) {
	w := newRFCWorld(t)
	a, b := w.newCA("A", pki.CAOptions{}), w.newCA("B", pki.CAOptions{})
	w.trust("a", a)
	w.trust("b", b)
	w.publish("a", a, 1, pki.CRLOptions{Entries: listed(pki.KeyCompromise, 1)})
	w.publish("b", b, 1, pki.CRLOptions{Entries: listed(pki.KeyCompromise, 2)})
	set := func(name string) string {
		for _, key := range w.cache.Keys() {
			if strings.HasPrefix(key, catalog.SetPrefix+catalog.CRLName("crls/"+name+".crl")+"/") {
				return key
			}
		}
		t.Fatalf("%s has no set", name)
		return ""
	}
	others, _, _ := w.cache.Load(set("b"))
	w.cache.Store(set("a"), others)
	w.want(w.leaf(a, 1, pki.LeafOptions{}), "cache_unavailable")
	w.want(w.leaf(a, 3, pki.LeafOptions{}), "cache_unavailable")
	w.want(w.leaf(b, 2, pki.LeafOptions{}), "revoked")
	w.want(w.leaf(b, 3, pki.LeafOptions{}), "good")
}

// TestCatalogOutsideItsPrefixes: a catalog that names an object where no set
// lies is refused whole; what served goes on serving.
func TestCatalogOutsideItsPrefixes(t *testing.T) {
	w, ca := newListing(t, 1)
	bad, good := w.leaf(ca, 1, pki.LeafOptions{}), w.leaf(ca, 2, pki.LeafOptions{})
	w.want(good, "good")
	data, _, _ := w.cache.Load(catalog.Key)
	for _, elsewhere := range []string{`"key": "reports/`, `"key": "/sets/`, `"key": "../uploads/`, `"key": "`} {
		// A generation further, so that nothing but the key speaks against it.
		forged := strings.Replace(string(data), `"key": "sets/`, elsewhere, 1)
		forged = strings.Replace(forged, `"generation": `, `"generation": 9`, 1)
		if forged == string(data) {
			t.Fatal("the catalog names no set")
		}
		w.cache.Store(catalog.Key, []byte(forged))
		w.later(time.Minute)
		w.want(bad, "revoked")
		w.want(good, "good")
		w.restart()
		w.want(good, "unknown_issuer") // a cold reader has no catalog, and so no CA
		if a := w.ask(good); a.Unavailable == nil {
			t.Errorf("%s: a cold reader took the forged catalog: %s", elsewhere, a.Detail)
		}
		w.cache.Store(catalog.Key, data)
		w.restart()
		w.want(good, "good")
	}
}

// TestCAAgainstAnother: what a CA could sign to revoke, or to keep in, the
// certificates of another.
func TestCAAgainstAnother(t *testing.T) {
	w := newRFCWorld(t)
	victim, hostile := w.newCA("Victim", pki.CAOptions{}), w.newCA("Hostile", pki.CAOptions{})
	w.trust("victim", victim)
	w.trust("hostile", hostile)
	w.publish("victim", victim, 5, pki.CRLOptions{Entries: listed(pki.KeyCompromise, 1)})
	w.publish("hostile", hostile, 1, pki.CRLOptions{})
	bad, good := w.leaf(victim, 1, pki.LeafOptions{}), w.leaf(victim, 2, pki.LeafOptions{})
	check := func(what string) {
		t.Helper()
		w.later(time.Minute)
		if a := w.ask(bad); state(a) != "revoked" {
			t.Errorf("%s: the revoked one is %s", what, state(a))
		}
		if a := w.ask(good); state(a) != "good" {
			t.Errorf("%s: the good one is %s", what, state(a))
		}
	}
	check("before")
	// Its own CRL under the victim's name, newer and without the entry.
	forged := pki.CRLOptions{Issuer: victim.Name(), AuthorityKeyID: victim.Certificate.SubjectKeyId, SignWith: hostile.Key}
	w.upload("crls/forged.crl", w.sign(victim, 9, forged), "refused signature_invalid")
	w.upload("crls/victim.crl", w.sign(victim, 9, forged), "refused signature_invalid")
	check("forged")
	// An indirect CRL that names the victim's certificates as its entries' issuer.
	w.publish("indirect", hostile, 2, pki.CRLOptions{
		IDP: &pki.IDP{Indirect: true}, Entries: of(victim, append(listed(pki.KeyCompromise, 2), listed(pki.RemoveFromCRL)...)...),
	})
	check("indirect")
	// A serial of the victim's on its own list.
	w.publish("hostile", hostile, 2, pki.CRLOptions{Entries: listed(pki.KeyCompromise, 2)})
	check("the same serial")
	// A delta on the victim's base.
	w.upload("crls/delta.crl", w.sign(victim, 6, pki.CRLOptions{BaseNumber: big.NewInt(5), SignWith: hostile.Key, Entries: listed(pki.RemoveFromCRL, 1)}), "refused signature_invalid")
	check("delta")
}
