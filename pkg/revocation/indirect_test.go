package revocation_test

import (
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"testing"

	"github.com/crlgate/crlgate/internal/pki"
)

// of names a CA as the certificate issuer of the first of some entries, from
// which the others have it (RFC 5280 §5.3.3).
func of(ca *pki.CA, entries ...pki.Entry) []pki.Entry {
	entries[0].CertificateIssuer = ca.Name()
	return entries
}

// cdp is the extension of distribution points.
func cdp(t testing.TB, points ...pki.DistributionPoint) pki.LeafOptions {
	t.Helper()
	raw, err := pki.CDP(points...)
	if err != nil {
		t.Fatal(err)
	}
	return pki.LeafOptions{RawCDP: raw}
}

// delegated has a certificate name another CA as the issuer of its CRL.
func delegated(t testing.TB, crlIssuer *pki.CA) pki.LeafOptions {
	t.Helper()
	return cdp(t, pki.DistributionPoint{CRLIssuer: crlIssuer.Name()})
}

// TestIndirect has one CA list the certificates of two others, and its own.
func TestIndirect(t *testing.T) {
	w := newRFCWorld(t)
	a, b, lists := w.newCA("A", pki.CAOptions{}), w.newCA("B", pki.CAOptions{}), w.newCA("Lists", pki.CAOptions{})
	w.trust("a", a)
	w.trust("b", b)
	w.trust("lists", lists)
	entries := listed(pki.KeyCompromise, 1)
	entries = append(entries, of(a, listed(pki.KeyCompromise, 2, 3)...)...)
	entries = append(entries, of(b, listed(pki.KeyCompromise, 4, 5)...)...)
	entries = append(entries, of(lists, listed(pki.KeyCompromise, 6)...)...)
	entries = append(entries, of(a, listed(pki.KeyCompromise, 7)...)...)
	w.publish("indirect", lists, 1, pki.CRLOptions{IDP: &pki.IDP{Indirect: true}, Entries: entries})
	revoked := map[*pki.CA][]int64{a: {2, 3, 7}, b: {4, 5}, lists: {1, 6}}
	for ca, serials := range revoked {
		o := pki.LeafOptions{}
		if ca != lists {
			o = delegated(t, lists)
		}
		for serial := int64(1); serial <= 8; serial++ {
			want := "good"
			for _, s := range serials {
				if s == serial {
					want = "revoked"
				}
			}
			w.want(w.leaf(ca, serial, o), want)
		}
	}
	// A CA whose certificates the CRL does not list at all, and which sends
	// its clients there.
	c := w.newCA("C", pki.CAOptions{})
	w.trust("c", c)
	w.want(w.leaf(c, 1, delegated(t, lists)), "good")
	if a := w.ask(w.leaf(c, 1, delegated(t, lists))); a.Age != 0 || a.Stale || a.CRL == nil {
		t.Errorf("%+v", a)
	}
	// Without cRLIssuer, the CRL of another issuer says nothing (§6.3.3 b 1).
	w.want(w.leaf(a, 2, pki.LeafOptions{}), "no_crl")
	w.want(w.leaf(a, 8, pki.LeafOptions{}), "no_crl")
	// Nor does one that another CA issues than the certificate names.
	w.want(w.leaf(a, 8, delegated(t, b)), "no_crl")
	// What the CA's own CRL says counts beside it.
	w.publish("own", a, 1, pki.CRLOptions{Entries: listed(pki.KeyCompromise, 8)})
	w.want(w.leaf(a, 8, delegated(t, lists)), "revoked")
	w.want(w.leaf(a, 2, delegated(t, lists)), "revoked")
	w.want(w.leaf(a, 9, delegated(t, lists)), "good")
}

// TestIndirectNotAsserted: a CRL that does not say indirectCRL is of its own
// issuer's certificates only, whatever a certificate's cRLIssuer says.
func TestIndirectNotAsserted(t *testing.T) {
	w := newRFCWorld(t)
	a, lists := w.newCA("A", pki.CAOptions{}), w.newCA("Lists", pki.CAOptions{})
	w.trust("a", a)
	w.trust("lists", lists)
	w.publish("direct", lists, 1, pki.CRLOptions{Entries: listed(pki.KeyCompromise, 1)})
	w.want(w.leaf(a, 1, delegated(t, lists)), "no_crl")
	w.want(w.leaf(a, 2, delegated(t, lists)), "no_crl")
}

// TestIndirectSigner: the signer must be a CA of ours, a CRL-only one too; one
// that is revoked makes nothing good.
func TestIndirectSigner(t *testing.T) {
	w := newRFCWorld(t)
	root := w.newCA("Root", pki.CAOptions{})
	a := w.newCA("A", pki.CAOptions{Parent: root})
	lists := w.newCA("Lists", pki.CAOptions{Parent: root, NotCA: true, KeyUsage: x509.KeyUsageCRLSign})
	w.trust("root", root)
	w.trust("a", a)
	w.publish("root", root, 1, pki.CRLOptions{})
	indirect := pki.CRLOptions{IDP: &pki.IDP{Indirect: true}, Entries: of(a, listed(pki.KeyCompromise, 1)...)}
	good, bad := w.leaf(a, 2, delegated(t, lists)), w.leaf(a, 1, delegated(t, lists))
	w.upload("crls/indirect.crl", w.sign(lists, 1, indirect), "pending issuer_unknown")
	w.want(bad, "no_crl")
	w.trust("lists", lists)
	w.wantReport("crls/indirect.crl", "accepted accepted")
	w.want(good, "good")
	w.want(bad, "revoked")
	w.publish("root", root, 2, pki.CRLOptions{Entries: certEntry(lists, pki.KeyCompromise)})
	w.want(good, "out_of_scope")
	w.want(bad, "revoked")
}

// TestCRLIssuerNamesItself: a certificate whose cRLIssuer is its own issuer,
// which §4.2.1.13 forbids: only an indirect CRL of that CA is what it names.
func TestCRLIssuerNamesItself(t *testing.T) {
	w := newRFCWorld(t)
	a := w.newCA("A", pki.CAOptions{})
	w.trust("a", a)
	o := cdp(t, pki.DistributionPoint{FullNames: []string{"http://crl.example.com/a.crl"}, CRLIssuer: a.Name()})
	idp := pki.IDP{FullNames: []string{"http://crl.example.com/a.crl"}}
	w.publish("direct", a, 1, pki.CRLOptions{IDP: &idp})
	w.want(w.leaf(a, 1, o), "out_of_scope")
	idp.Indirect = true
	w.publish("indirect", a, 1, pki.CRLOptions{IDP: &idp, Entries: append(listed(pki.KeyCompromise, 1), of(a, listed(pki.KeyCompromise, 2)...)...)})
	w.want(w.leaf(a, 1, o), "revoked")
	w.want(w.leaf(a, 2, o), "revoked")
	w.want(w.leaf(a, 3, o), "good")
}

// TestIndirectOneNameTwoCAs: an indirect CRL of a CA says nothing of the
// certificates of another CA of the same name.
func TestIndirectOneNameTwoCAs(t *testing.T) {
	w := newRFCWorld(t)
	a, b := w.newCA("Same", pki.CAOptions{}), w.newCA("Same", pki.CAOptions{})
	w.trust("a", a)
	w.trust("b", b)
	w.publish("a", a, 1, pki.CRLOptions{IDP: &pki.IDP{Indirect: true}, Entries: listed(pki.KeyCompromise, 1)})
	w.want(w.leaf(a, 1, delegated(t, a)), "revoked")
	w.want(w.leaf(a, 2, delegated(t, a)), "good")
	w.want(w.leaf(b, 1, delegated(t, a)), "no_crl")
	w.want(w.leaf(b, 2, delegated(t, a)), "no_crl")
}

// TestCertificateIssuerNames: the certificate issuer is found among several
// directory names, and whatever way it is written (RFC 5280 §5.3.3, §7.1).
func TestCertificateIssuerNames(t *testing.T) {
	w := newRFCWorld(t)
	a, lists := w.newCA("Some CA", pki.CAOptions{}), w.newCA("Some Lists", pki.CAOptions{})
	w.trust("a", a)
	w.trust("lists", lists)
	name := func(cn string, tag int) []byte {
		raw, err := pki.RawName([]pki.Attribute{{Type: pki.OIDOrganization, Value: "RFC 5280", Tag: tag}}, []pki.Attribute{{Type: pki.OIDCommonName, Value: cn, Tag: tag}})
		if err != nil {
			t.Fatal(err)
		}
		return raw
	}
	issuerExtension := func(names ...[]byte) []pkix.Extension {
		var general []byte
		for _, n := range names {
			general = append(general, pki.DirectoryName(n)...)
		}
		value, err := asn1.Marshal(asn1.RawValue{Tag: asn1.TagSequence, IsCompound: true, Bytes: general})
		if err != nil {
			t.Fatal(err)
		}
		return []pkix.Extension{{Id: asn1.ObjectIdentifier{2, 5, 29, 29}, Critical: true, Value: value}}
	}
	entries := listed(pki.KeyCompromise, 1, 2, 3)
	entries[0].CertificateIssuer = name("  SOME   ca", asn1.TagPrintableString)
	// The name of the certificate's issuer beside alternative names of it.
	entries[1].ExtraExtensions = issuerExtension(name("An Alias", 0), name("some CA", asn1.TagBMPString))
	entries[2].ExtraExtensions = issuerExtension(name("Some CA", 0), name("An Alias", 0))
	w.publish("indirect", lists, 1, pki.CRLOptions{IDP: &pki.IDP{Indirect: true}, Entries: entries})
	o := cdp(t, pki.DistributionPoint{CRLIssuer: name("some lists", asn1.TagPrintableString)})
	for serial := int64(1); serial <= 3; serial++ {
		w.want(w.leaf(a, serial, o), "revoked")
	}
	w.want(w.leaf(a, 4, o), "good")
}

// TestIndirectPoints: the names of a delegated point, and where it has none,
// the CRL issuer's (§6.3.3 b 2 i).
func TestIndirectPoints(t *testing.T) {
	w := newRFCWorld(t)
	a, lists := w.newCA("A", pki.CAOptions{}), w.newCA("Lists", pki.CAOptions{})
	w.trust("a", a)
	w.trust("lists", lists)
	relative, err := pki.RelativeName([]pki.Attribute{{Type: pki.OIDCommonName, Value: "CRL 1"}})
	if err != nil {
		t.Fatal(err)
	}
	points := map[string]struct {
		idp   pki.IDP
		point pki.DistributionPoint
		want  string
	}{
		"same URI":               {pki.IDP{FullNames: []string{"http://x/1"}}, pki.DistributionPoint{FullNames: []string{"http://x/0", "http://x/1"}}, "good"},
		"another URI":            {pki.IDP{FullNames: []string{"http://x/1"}}, pki.DistributionPoint{FullNames: []string{"http://x/2"}}, "out_of_scope"},
		"same relative name":     {pki.IDP{Relative: relative}, pki.DistributionPoint{Relative: relative}, "good"},
		"relative and full name": {pki.IDP{Relative: relative}, pki.DistributionPoint{RawNames: [][]byte{pki.DirectoryName(under(t, lists, "crl  1"))}}, "good"},
		"no name at the point":   {pki.IDP{RawNames: [][]byte{pki.DirectoryName(lists.Name())}}, pki.DistributionPoint{}, "good"},
		"no name, another's IDP": {pki.IDP{FullNames: []string{"http://x/1"}}, pki.DistributionPoint{}, "out_of_scope"},
		"no name in the IDP":     {pki.IDP{}, pki.DistributionPoint{FullNames: []string{"http://x/2"}}, "good"},
	}
	w.publish("own", a, 1, pki.CRLOptions{IDP: &pki.IDP{OnlyCA: true}}) // so that there is a CRL
	for what, p := range points {
		t.Run(what, func(t *testing.T) {
			w := newRFCWorld(t)
			w.trust("a", a)
			w.trust("lists", lists)
			w.publish("own", a, 1, pki.CRLOptions{IDP: &pki.IDP{OnlyCA: true}})
			p.idp.Indirect, p.point.CRLIssuer = true, lists.Name()
			w.publish("indirect", lists, 1, pki.CRLOptions{IDP: &p.idp, Entries: of(a, listed(pki.KeyCompromise, 1)...)})
			w.want(w.leaf(a, 2, cdp(t, p.point)), p.want)
			if p.want == "good" {
				w.want(w.leaf(a, 1, cdp(t, p.point)), "revoked")
			}
		})
	}
}

// under is the name of something below a CA's, in another string type.
func under(t testing.TB, ca *pki.CA, cn string) []byte {
	t.Helper()
	var rdns asn1.RawValue
	if _, err := asn1.Unmarshal(ca.Name(), &rdns); err != nil {
		t.Fatal(err)
	}
	last, err := pki.RawName([]pki.Attribute{{Type: pki.OIDCommonName, Value: cn, Tag: asn1.TagPrintableString}})
	if err != nil {
		t.Fatal(err)
	}
	var tail asn1.RawValue
	if _, err := asn1.Unmarshal(last, &tail); err != nil {
		t.Fatal(err)
	}
	out, err := asn1.Marshal(asn1.RawValue{Tag: asn1.TagSequence, IsCompound: true, Bytes: append(rdns.Bytes[:len(rdns.Bytes):len(rdns.Bytes)], tail.Bytes...)})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// TestIndirectPredecessor: while the set of a new CRL is not there, the CRL
// before it answers, also where that had no entry of the issuer.
func TestIndirectPredecessor(t *testing.T) {
	w := newRFCWorld(t)
	a, b, lists := w.newCA("A", pki.CAOptions{}), w.newCA("B", pki.CAOptions{}), w.newCA("Lists", pki.CAOptions{})
	for name, ca := range map[string]*pki.CA{"a": a, "b": b, "lists": lists} {
		w.trust(name, ca)
	}
	publish := func(number int64, entries ...pki.Entry) {
		w.publish("indirect", lists, number, pki.CRLOptions{IDP: &pki.IDP{Indirect: true}, Entries: entries})
	}
	leaf := w.leaf(a, 1, delegated(t, lists))
	publish(1, of(a, listed(pki.CertificateHold, 1)...)...)
	w.want(leaf, "revoked")
	publish(2, of(b, listed(pki.KeyCompromise, 1)...)...)
	w.want(leaf, "good")
	publish(3, append(of(b, listed(pki.KeyCompromise, 2)...), of(a, listed(pki.KeyCompromise, 3)...)...)...)
	restore := w.lose("indirect")
	w.want(leaf, "good") // by number 2, and not by number 1
	ofB := w.leaf(b, 1, delegated(t, lists))
	w.want(ofB, "revoked")
	w.want(w.leaf(a, 3, delegated(t, lists)), "good")
	restore()
	w.later(2e9)
	w.ask(leaf) // begins the fetching anew
	w.restart()
	w.want(leaf, "good")
	w.want(w.leaf(a, 3, delegated(t, lists)), "revoked")
}

// TestIndirectPredecessorOfSeveral: a predecessor answers for each of the issuers whose
// certificates it lists.
func TestIndirectPredecessorOfSeveral(t *testing.T) {
	w := newRFCWorld(t)
	lists := w.newCA("Lists", pki.CAOptions{})
	w.trust("lists", lists)
	var first, second []pki.Entry
	leaves := []*pki.Leaf{w.leaf(lists, 1, pki.LeafOptions{})}
	for i := range 4 {
		ca := w.newCA(string(rune('A'+i)), pki.CAOptions{})
		w.trust(string(rune('a'+i)), ca)
		first = append(first, of(ca, listed(pki.CertificateHold, int64(10+i))...)...)
		second = append(second, of(ca, listed(pki.CertificateHold, int64(20+i))...)...)
		leaves = append(leaves, w.leaf(ca, int64(10+i), delegated(t, lists)), w.leaf(ca, int64(20+i), delegated(t, lists)))
	}
	idp := &pki.IDP{Indirect: true}
	w.publish("indirect", lists, 1, pki.CRLOptions{IDP: idp, Entries: first})
	for _, leaf := range leaves {
		w.ask(leaf) // so that all of its sets are in memory
	}
	w.publish("indirect", lists, 2, pki.CRLOptions{IDP: idp, Entries: second})
	w.lose("indirect")
	for i, leaf := range leaves[1:] {
		if a := w.ask(leaf); state(a) != []string{"revoked", "good"}[i%2] || a.Age == 0 {
			t.Errorf("%d: %s, age %v", i, state(a), a.Age)
		}
	}
}
