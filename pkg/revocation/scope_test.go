package revocation_test

import (
	"encoding/asn1"
	"testing"
	"time"

	"github.com/crlgate/crlgate/internal/pki"
	"github.com/crlgate/crlgate/pkg/catalog"
	"github.com/crlgate/crlgate/pkg/crl"
	"github.com/crlgate/crlgate/pkg/revocation"
)

// rewrite changes the catalog behind the back of the write path.
func (w *rfcWorld) rewrite(change func(*catalog.Catalog)) {
	w.t.Helper()
	data, _, _ := w.cache.Load(catalog.Key)
	c, err := catalog.Parse(data)
	if err != nil {
		w.t.Fatal(err)
	}
	change(c)
	c.Generation++
	if data, _, err = c.Encode(); err != nil {
		w.t.Fatal(err)
	}
	w.cache.Store(catalog.Key, data)
	w.later(time.Second)
}

// TestWhyACRLDoesNotSpeak: each of the reasons for which a CRL says nothing of a
// certificate. It is not asked, so that what it lists is not revoked.
func TestWhyACRLDoesNotSpeak(t *testing.T) {
	const uri = "http://crl.example.com/a.crl"
	all := crl.AllReasons
	keys := crl.ReasonFlags(keyReasons)
	uris := pki.LeafOptions{CRLDistributionPoints: []string{uri}}
	superseded := pki.DistributionPoint{FullNames: []string{uri}, Reasons: pki.FlagSuperseded}
	for name, c := range map[string]struct {
		idp       *pki.IDP
		leaf      pki.LeafOptions
		delegated []pki.DistributionPoint // to the CA whose CRL it is, which is another's then
		miss      revocation.Miss
		covers    crl.ReasonFlags
	}{
		"it does":                           {nil, uris, nil, revocation.MissNone, all},
		"it does for some reasons":          {&pki.IDP{Reasons: keyReasons}, uris, nil, revocation.MissNone, keys},
		"a CA's certificate":                {&pki.IDP{OnlyUser: true}, pki.LeafOptions{IsCA: true}, nil, revocation.MissUserCerts, 0},
		"no CA's certificate":               {&pki.IDP{OnlyCA: true}, pki.LeafOptions{}, nil, revocation.MissCACerts, 0},
		"another point":                     {&pki.IDP{FullNames: []string{uri + "/2"}}, uris, nil, revocation.MissPoints, 0},
		"other reasons":                     {&pki.IDP{FullNames: []string{uri}, Reasons: keyReasons}, cdp(t, superseded), nil, revocation.MissReasons, 0},
		"another's, it does":                {&pki.IDP{Indirect: true}, pki.LeafOptions{}, []pki.DistributionPoint{{}}, revocation.MissNone, all},
		"another's, not indirect":           {&pki.IDP{OnlyUser: true}, pki.LeafOptions{}, []pki.DistributionPoint{{}}, revocation.MissDirect, 0},
		"another's, another point":          {&pki.IDP{Indirect: true, FullNames: []string{uri + "/2"}}, pki.LeafOptions{}, []pki.DistributionPoint{{FullNames: []string{uri}}}, revocation.MissPoints, 0},
		"another's, no name at the point":   {&pki.IDP{Indirect: true, FullNames: []string{uri}}, pki.LeafOptions{}, []pki.DistributionPoint{{}}, revocation.MissPoints, 0},
		"another's, other reasons":          {&pki.IDP{Indirect: true, Reasons: keyReasons}, pki.LeafOptions{}, []pki.DistributionPoint{superseded}, revocation.MissReasons, 0},
		"another's, the second point":       {&pki.IDP{Indirect: true, FullNames: []string{uri}}, pki.LeafOptions{}, []pki.DistributionPoint{{FullNames: []string{uri + "/2"}}, {FullNames: []string{uri}}}, revocation.MissNone, all},
		"another's, the first point":        {&pki.IDP{Indirect: true, FullNames: []string{uri}}, pki.LeafOptions{}, []pki.DistributionPoint{{FullNames: []string{uri}}, {FullNames: []string{uri + "/2"}}}, revocation.MissNone, all},
		"another's, at a point that is not": {&pki.IDP{Indirect: true}, pki.LeafOptions{}, []pki.DistributionPoint{{Relative: unreadable}}, revocation.MissReasons, 0},
	} {
		t.Run(name, func(t *testing.T) {
			w := newRFCWorld(t)
			ca := w.newCA("Certificates", pki.CAOptions{})
			w.trust("ca", ca)
			entries, of0 := listed(pki.KeyCompromise, 7), ca
			if c.delegated != nil {
				lists := w.newCA("Lists", pki.CAOptions{})
				w.trust("lists", lists)
				for i := range c.delegated {
					c.delegated[i].CRLIssuer = lists.Name()
				}
				c.leaf, of0 = cdp(t, c.delegated...), lists
				if c.idp.Indirect {
					entries = of(ca, entries...)
				}
			}
			w.publish("crl", of0, 1, pki.CRLOptions{IDP: c.idp, Entries: entries})
			a, trace := w.explain(w.leaf(ca, 7, c.leaf))
			if (state(a) == "revoked") != (c.covers != 0) {
				t.Errorf("%s: %s", state(a), a.Detail)
			}
			if n := len(trace.Considered.Lists); n != 1 {
				t.Fatalf("%d CRLs were considered", n)
			}
			lookups := 0
			if c.covers != 0 {
				lookups = 1
			}
			if l := trace.Considered.Lists[0]; l.Miss != c.miss || l.Covers != c.covers || len(l.Lookups) != lookups || l.Asked != (lookups == 1) || l.OwnKey != (c.delegated == nil) {
				t.Errorf("%+v, want miss %d", l, c.miss)
			}
		})
	}
}

// unreadable is a relative name whose only attribute has a type and no value.
var unreadable = []byte{0x30, 3, 6, 1, 0x2a}

// TestCRLOfAttributeCertificates: one that came into the catalog all the same speaks of
// no certificate.
func TestCRLOfAttributeCertificates(t *testing.T) {
	w, ca := newListing(t, 7)
	w.rewrite(func(c *catalog.Catalog) { c.CAs["a"].CRLs[0].Scope.OnlyAttributeCerts = true })
	for _, serial := range []int64{1, 7} {
		a, trace := w.explain(w.leaf(ca, serial, pki.LeafOptions{}))
		if l := trace.Considered.Lists[0]; state(a) != "out_of_scope" || l.Miss != revocation.MissAttributeCerts || l.Covers != 0 || l.Asked {
			t.Errorf("%s, %+v", state(a), l)
		}
	}
}

// TestUnreadablePoint: a distribution point that cannot be read matches nothing, and
// those beside it count.
func TestUnreadablePoint(t *testing.T) {
	w := newRFCWorld(t)
	ca := w.newCA("A", pki.CAOptions{})
	w.trust("a", ca)
	const uri = "http://crl.example.com/a.crl"
	w.publish("a", ca, 1, pki.CRLOptions{IDP: &pki.IDP{FullNames: []string{uri}}, Entries: listed(pki.KeyCompromise, 7)})
	bad, good := pki.DistributionPoint{Relative: unreadable}, pki.DistributionPoint{FullNames: []string{uri}}
	w.want(w.leaf(ca, 1, cdp(t, bad)), "out_of_scope")
	w.want(w.leaf(ca, 1, cdp(t, bad, good)), "good")
	w.want(w.leaf(ca, 7, cdp(t, good, bad)), "revoked")
}

// TestPointsOfOneCRLAddUp: two points of a certificate at one indirect CRL, each for
// some reasons, are both counted, and it is asked once.
func TestPointsOfOneCRLAddUp(t *testing.T) {
	w := newRFCWorld(t)
	ca, lists := w.newCA("A", pki.CAOptions{}), w.newCA("Lists", pki.CAOptions{})
	w.trust("a", ca)
	w.trust("lists", lists)
	w.publish("lists", lists, 1, pki.CRLOptions{IDP: &pki.IDP{Indirect: true}})
	point := func(reasons pki.Reasons) pki.DistributionPoint {
		return pki.DistributionPoint{CRLIssuer: lists.Name(), Reasons: reasons}
	}
	w.want(w.leaf(ca, 1, cdp(t, point(keyReasons))), "out_of_scope")
	a, trace := w.explain(w.leaf(ca, 1, cdp(t, point(keyReasons), point(allReasons&^keyReasons))))
	if l := trace.Considered.Lists; state(a) != "good" || len(l) != 1 || l[0].Covers != crl.AllReasons || len(l[0].Lookups) != 1 {
		t.Errorf("%s, %+v", state(a), l)
	}
}

// TestOwnKeyOfIndirectCRLs: a CRL is of the key that issued the certificate where that
// signed it as the same CA, and not under another name.
func TestOwnKeyOfIndirectCRLs(t *testing.T) {
	w := newRFCWorld(t)
	ca := w.newCA("A", pki.CAOptions{})
	lists := w.newCA("Lists", pki.CAOptions{Signer: ca.Key})
	w.trust("a", ca)
	w.trust("lists", lists)
	w.publish("own", ca, 1, pki.CRLOptions{IDP: &pki.IDP{Indirect: true, FullNames: []string{"http://crl.example.com/own"}}})
	w.publish("lists", lists, 1, pki.CRLOptions{IDP: &pki.IDP{Indirect: true, FullNames: []string{"http://crl.example.com/lists"}}})
	for own, point := range map[bool]pki.DistributionPoint{
		true:  {FullNames: []string{"http://crl.example.com/own"}, CRLIssuer: ca.Name()},
		false: {FullNames: []string{"http://crl.example.com/lists"}, CRLIssuer: lists.Name()},
	} {
		a, trace := w.explain(w.leaf(ca, 1, cdp(t, point)))
		if state(a) != "good" || trace.Considered.OwnKey != own {
			t.Errorf("own key %v: %s: %+v", own, state(a), trace.Considered)
		}
		for _, l := range trace.Considered.Lists {
			if l.OwnKey != (l.CA == "a") || l.Asked && (l.Signer == nil) != own {
				t.Errorf("own key %v: %+v", own, l)
			}
		}
	}
}

// TestCRLIssuersThatAreNoDirectories: among the names of a CRL issuer those count that
// are names of directories.
func TestCRLIssuersThatAreNoDirectories(t *testing.T) {
	w := newRFCWorld(t)
	ca, lists := w.newCA("A", pki.CAOptions{}), w.newCA("Lists", pki.CAOptions{})
	w.trust("a", ca)
	w.trust("lists", lists)
	w.publish("lists", lists, 1, pki.CRLOptions{IDP: &pki.IDP{Indirect: true}, Entries: of(ca, listed(pki.KeyCompromise, 7)...)})
	tagged := func(class, tag int, compound bool, contents ...byte) []byte {
		der, err := asn1.Marshal(asn1.RawValue{Class: class, Tag: tag, IsCompound: compound, Bytes: contents})
		if err != nil {
			t.Fatal(err)
		}
		return der
	}
	context := func(tag int, compound bool, contents ...byte) []byte {
		return tagged(asn1.ClassContextSpecific, tag, compound, contents...)
	}
	names := append(context(6, false, []byte("http://x")...), context(4, true, 0x30, 3, 6, 1, 0x2a)...)
	names = append(names, pki.DirectoryName(lists.Name())...)
	raw := tagged(asn1.ClassUniversal, asn1.TagSequence, true, tagged(asn1.ClassUniversal, asn1.TagSequence, true, context(2, true, names...)...)...)
	w.want(w.leaf(ca, 1, pki.LeafOptions{RawCDP: raw}), "good")
	w.want(w.leaf(ca, 7, pki.LeafOptions{RawCDP: raw}), "revoked")
}
