package revocation_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/crlgate/crlgate/internal/pki"
	"github.com/crlgate/crlgate/pkg/revocation"
)

// Any name of the certificate's distribution points against any of the CRL's
// (RFC 5280 §6.3.3 step b); URIs octet by octet.
func TestPointsOfCertificateAndCRL(t *testing.T) {
	w := newRFCWorld(t)
	const a, b, c = "http://crl.example.com/a.crl", "http://crl.example.com/b.crl", "http://crl.example.com/c.crl"
	cdp := func(points ...pki.DistributionPoint) []byte {
		raw, err := pki.CDP(points...)
		if err != nil {
			t.Fatal(err)
		}
		return raw
	}
	directory := func(cn string, tag int) []byte {
		name, err := pki.RawName([]pki.Attribute{{Type: pki.OIDCommonName, Tag: tag, Value: cn}})
		if err != nil {
			t.Fatal(err)
		}
		return pki.DirectoryName(name)
	}
	relative := func(cn string) []byte {
		r, err := pki.RelativeName([]pki.Attribute{{Type: pki.OIDCommonName, Value: cn}})
		if err != nil {
			t.Fatal(err)
		}
		return r
	}
	type leaf = pki.LeafOptions
	uris := func(u ...string) leaf { return leaf{CRLDistributionPoints: u} }
	none := &pki.IDP{OnlyUser: true} // an IDP that names no point
	for name, c := range map[string]struct {
		idp  *pki.IDP
		leaf leaf
		want string
	}{
		"neither":                          {nil, leaf{}, "good"},
		"CDP, no IDP":                      {nil, uris(a), "good"},
		"CDP, IDP without a point":         {none, uris(a), "good"},
		"no CDP, IDP without a point":      {none, leaf{}, "good"},
		"no CDP, IDP with a point":         {&pki.IDP{FullNames: []string{a}}, leaf{}, "out_of_scope"},
		"the same URI":                     {&pki.IDP{FullNames: []string{a}}, uris(a), "good"},
		"another URI":                      {&pki.IDP{FullNames: []string{a}}, uris(b), "out_of_scope"},
		"the second point":                 {&pki.IDP{FullNames: []string{a}}, uris(b, a), "good"},
		"the second name of a point":       {&pki.IDP{FullNames: []string{a}}, leaf{RawCDP: cdp(pki.DistributionPoint{FullNames: []string{b, a}})}, "good"},
		"the second name of the CRL":       {&pki.IDP{FullNames: []string{c, a}}, uris(b, a), "good"},
		"names of both, none in common":    {&pki.IDP{FullNames: []string{a, b}}, uris(c), "out_of_scope"},
		"other case of the host":           {&pki.IDP{FullNames: []string{a}}, uris(strings.Replace(a, "crl.example", "CRL.example", 1)), "out_of_scope"},
		"a slash more":                     {&pki.IDP{FullNames: []string{a}}, uris(a + "/"), "out_of_scope"},
		"a prefix":                         {&pki.IDP{FullNames: []string{a}}, uris(a[:len(a)-1]), "out_of_scope"},
		"a URI as another kind of name":    {&pki.IDP{RawNames: [][]byte{append([]byte{0x82, byte(len(a))}, a...)}}, uris(a), "out_of_scope"},
		"the same directory":               {&pki.IDP{RawNames: [][]byte{directory("Point 1", 0)}}, leaf{RawCDP: cdp(pki.DistributionPoint{RawNames: [][]byte{directory("Point 1", 0)}})}, "good"},
		"written another way":              {&pki.IDP{RawNames: [][]byte{directory("Point 1", 0)}}, leaf{RawCDP: cdp(pki.DistributionPoint{RawNames: [][]byte{directory("POINT  1", 19)}})}, "good"},
		"another directory":                {&pki.IDP{RawNames: [][]byte{directory("Point 1", 0)}}, leaf{RawCDP: cdp(pki.DistributionPoint{RawNames: [][]byte{directory("Point 2", 0)}})}, "out_of_scope"},
		"relative names":                   {&pki.IDP{Relative: relative("p")}, leaf{RawCDP: cdp(pki.DistributionPoint{Relative: relative("P")})}, "good"},
		"other relative names":             {&pki.IDP{Relative: relative("p")}, leaf{RawCDP: cdp(pki.DistributionPoint{Relative: relative("q")})}, "out_of_scope"},
		"a point with no name":             {&pki.IDP{FullNames: []string{a}}, leaf{RawCDP: cdp(pki.DistributionPoint{Reasons: pki.FlagKeyCompromise})}, "out_of_scope"},
		"only user, a user":                {&pki.IDP{OnlyUser: true, FullNames: []string{a}}, uris(a), "good"},
		"only user, a CA":                  {&pki.IDP{OnlyUser: true, FullNames: []string{a}}, leaf{IsCA: true, CRLDistributionPoints: []string{a}}, "out_of_scope"},
		"only CAs, a user":                 {&pki.IDP{OnlyCA: true, FullNames: []string{a}}, uris(a), "out_of_scope"},
		"only CAs, a CA":                   {&pki.IDP{OnlyCA: true, FullNames: []string{a}}, leaf{IsCA: true, CRLDistributionPoints: []string{a}}, "good"},
		"some reasons":                     {&pki.IDP{FullNames: []string{a}, Reasons: pki.FlagKeyCompromise}, uris(a), "out_of_scope"},
		"some reasons of the point":        {&pki.IDP{FullNames: []string{a}}, leaf{RawCDP: cdp(pki.DistributionPoint{FullNames: []string{a}, Reasons: pki.FlagKeyCompromise})}, "out_of_scope"},
		"the point is of another's CRL":    {&pki.IDP{FullNames: []string{a}}, leaf{RawCDP: cdp(pki.DistributionPoint{FullNames: []string{a}, CRLIssuer: w.newCA("Other", pki.CAOptions{}).Name()})}, "out_of_scope"},
		"another's point beside the right": {&pki.IDP{FullNames: []string{a}}, leaf{RawCDP: cdp(pki.DistributionPoint{FullNames: []string{b}, CRLIssuer: w.newCA("Other", pki.CAOptions{}).Name()}, pki.DistributionPoint{FullNames: []string{a}})}, "good"},
	} {
		t.Run(name, func(t *testing.T) {
			w := newRFCWorld(t)
			ca := w.newCA("Points", pki.CAOptions{})
			w.trust("points", ca)
			w.publish("points", ca, 1, pki.CRLOptions{IDP: c.idp, Entries: listed(pki.KeyCompromise, 666)})
			w.want(w.leaf(ca, 1, c.leaf), c.want)
			if c.want == "good" {
				w.want(w.leaf(ca, 666, c.leaf), "revoked")
			}
		})
	}
}

// Two CAs that bear one name are told apart by their keys: by the key identifier,
// or, where that does not do, by the certificate's own signature.
func TestTwoCAsOfOneName(t *testing.T) {
	w := newRFCWorld(t)
	first, second := w.newCA("Twin", pki.CAOptions{}), w.newCA("Twin", pki.CAOptions{})
	w.trust("first", first)
	w.trust("second", second)
	w.publish("first", first, 1, pki.CRLOptions{Entries: listed(pki.KeyCompromise, 7)})
	w.publish("second", second, 1, pki.CRLOptions{Entries: listed(pki.KeyCompromise, 8)})
	for _, o := range []pki.LeafOptions{
		{}, {NoAuthorityKeyID: true}, {AuthorityKeyID: []byte("nobody's")},
	} {
		w.want(w.leaf(first, 7, o), "revoked")
		w.want(w.leaf(first, 8, o), "good")
		w.want(w.leaf(second, 7, o), "good")
		w.want(w.leaf(second, 8, o), "revoked")
		if a := w.ask(w.leaf(second, 9, o)); a.CA != "second" {
			t.Errorf("%q %s", a.CA, a.Detail)
		}
	}
	// The identifier of the one does not make a certificate of the other its own.
	w.want(w.leaf(first, 7, pki.LeafOptions{AuthorityKeyID: second.SubjectKeyID}), "revoked")
	w.want(w.leaf(first, 8, pki.LeafOptions{AuthorityKeyID: second.SubjectKeyID}), "good")
	third := w.newCA("Twin", pki.CAOptions{}) // same name, not in the catalog
	w.want(w.leaf(third, 1, pki.LeafOptions{}), "unknown_issuer")
	w.want(w.leaf(third, 1, pki.LeafOptions{NoAuthorityKeyID: true}), "unknown_issuer")
	w.want(w.leaf(w.newCA("Nobody", pki.CAOptions{}), 1, pki.LeafOptions{}), "unknown_issuer")
	w.want(w.leaf(first, 1, pki.LeafOptions{NoAuthorityKeyID: true, SignatureAlgorithm: pki.ECDSA(0), SignWith: third.Key}), "unknown_issuer")
	// The name may be written another way.
	raw, err := pki.RawName([]pki.Attribute{{Type: pki.OIDOrganization, Tag: 19, Value: "rfc  5280"}}, []pki.Attribute{{Type: pki.OIDCommonName, Tag: 19, Value: "TWIN"}})
	if err != nil {
		t.Fatal(err)
	}
	w.want(w.leaf(first, 7, pki.LeafOptions{Issuer: raw}), "revoked")
}

// CAs with names of their own may issue the same serial number.
func TestOneSerialOfTwoCAs(t *testing.T) {
	w := newRFCWorld(t)
	one, two := w.newCA("One", pki.CAOptions{}), w.newCA("Two", pki.CAOptions{})
	w.trust("one", one)
	w.trust("two", two)
	w.publish("one", one, 1, pki.CRLOptions{Entries: listed(pki.KeyCompromise, 7)})
	w.publish("two", two, 1, pki.CRLOptions{})
	w.want(w.leaf(one, 7, pki.LeafOptions{}), "revoked")
	w.want(w.leaf(two, 7, pki.LeafOptions{}), "good")
}

// Serial numbers are compared as numbers of any sign.
func TestSerialNumbers(t *testing.T) {
	w := newRFCWorld(t)
	ca := w.newCA("Serials", pki.CAOptions{})
	w.trust("serials", ca)
	w.publish("serials", ca, 1, pki.CRLOptions{Entries: []pki.Entry{{RawSerial: []byte{0, 255}}, {RawSerial: []byte{0x80}}}})
	for raw, want := range map[string]string{"\x00\xff": "revoked", "\xff": "good", "\x80": "revoked", "\x00\x80": "good", "\x00": "good", strings.Repeat("\x01", 60): "good"} {
		w.want(pkiLeaf(w, ca, raw), want)
	}
}

func pkiLeaf(w *rfcWorld, ca *pki.CA, raw string) *pki.Leaf {
	w.t.Helper()
	leaf, err := ca.Issue(pki.LeafOptions{RawSerial: []byte(raw)})
	if err != nil {
		w.t.Fatal(err)
	}
	return leaf
}

func TestDenyList(t *testing.T) {
	w := newRFCWorld(t)
	ca := w.newCA("Deny", pki.CAOptions{})
	w.trust("deny", ca)
	w.settings("deny", `{"deny":["07","-01"]}`)
	w.want(w.leaf(ca, 8, pki.LeafOptions{}), "no_crl")
	a := w.ask(w.leaf(ca, 7, pki.LeafOptions{}))
	if state(a) != "revoked" || a.Hit == nil || !a.Hit.DenyList || a.CRL != nil {
		t.Errorf("%+v", a)
	}
	w.want(pkiLeaf(w, ca, "\xff"), "revoked")
	w.publish("deny", ca, 1, pki.CRLOptions{Entries: listed(pki.KeyCompromise, 9)})
	w.want(w.leaf(ca, 8, pki.LeafOptions{}), "good")
	w.want(w.leaf(ca, 7, pki.LeafOptions{}), "revoked")
	w.settings("deny", `{}`)
	w.want(w.leaf(ca, 7, pki.LeafOptions{}), "good")
}

// A CA tied to domain names cannot be got around by a certificate that names
// another CA's key: the signature tells whose it is.
func TestDomainsAreOfTheCAThatSigned(t *testing.T) {
	w := newRFCWorld(t)
	tied, free := w.newCA("Twin", pki.CAOptions{}), w.newCA("Twin", pki.CAOptions{})
	w.trust("tied", tied)
	w.trust("free", free)
	w.settings("tied", `{"domains":["api.example.com"]}`)
	w.publish("tied", tied, 1, pki.CRLOptions{})
	w.publish("free", free, 1, pki.CRLOptions{})
	for name, c := range map[string]struct {
		ca *pki.CA
		o  pki.LeafOptions
	}{
		"tied": {tied, pki.LeafOptions{}}, "free": {free, pki.LeafOptions{}},
	} {
		a := w.ask(w.leaf(c.ca, 1, c.o))
		if a.CA != name || a.Settings.ServesDomain("other.example.com") != (name == "free") {
			t.Errorf("%s: %q %v", name, a.CA, a.Settings.Domains)
		}
	}
	if a := w.ask(w.leaf(free, 1, pki.LeafOptions{AuthorityKeyID: tied.SubjectKeyID})); a.CA == "tied" {
		t.Errorf("free's certificate passes for tied's")
	}
	if a := w.ask(w.leaf(tied, 1, pki.LeafOptions{AuthorityKeyID: free.SubjectKeyID})); a.CA != "tied" {
		t.Errorf("tied's certificate passes for that of %q", a.CA)
	}
}

// A CA tied to domain names cannot get around them either by a CA of its own
// that bears the name and key identifier of one that is free: neither of the two
// may pass for the other, whichever the catalog knows.
func TestImpostorsReachNoOtherDomain(t *testing.T) {
	for _, tied := range []string{"known", "victim"} {
		w := newRFCWorld(t)
		known, victim := w.newCA("Known", pki.CAOptions{}), w.newCA("Victim", pki.CAOptions{})
		impostor := w.newCA("Victim", pki.CAOptions{}) // below the known one; nobody told the catalog of it
		w.trust("known", known)
		w.trust("victim", victim)
		w.settings(tied, `{"domains":["api.example.com"]}`)
		w.publish("known", known, 1, pki.CRLOptions{})
		w.publish("victim", victim, 1, pki.CRLOptions{})
		w.want(w.leaf(known, 1, pki.LeafOptions{}), "good")
		w.want(w.leaf(victim, 1, pki.LeafOptions{}), "good")
		w.want(w.leaf(impostor, 1, pki.LeafOptions{AuthorityKeyID: victim.SubjectKeyID}), "unknown_issuer")
		w.want(w.leaf(impostor, 1, pki.LeafOptions{NoAuthorityKeyID: true}), "unknown_issuer")
		w.want(w.leaf(impostor, 1, pki.LeafOptions{}), "unknown_issuer")
	}
}

func TestCRLDates(t *testing.T) {
	for settings, ends := range map[string]time.Duration{
		`{}`: 24 * time.Hour, `{"grace":"90m"}`: 25*time.Hour + 30*time.Minute, `{"max_crl_age":"2h"}`: time.Hour,
		`{"max_crl_age":"48h"}`: 24 * time.Hour, `{"grace":"90m","max_crl_age":"2h"}`: time.Hour,
	} {
		w := newRFCWorld(t)
		ca := w.newCA("Dates", pki.CAOptions{})
		w.trust("dates", ca)
		w.settings("dates", settings)
		w.publish("dates", ca, 1, pki.CRLOptions{Entries: listed(pki.KeyCompromise, 666)}) // thisUpdate an hour ago, nextUpdate in a day
		good, revoked := w.leaf(ca, 1, pki.LeafOptions{}), w.leaf(ca, 666, pki.LeafOptions{})
		w.want(good, "good")
		w.later(ends)
		w.want(good, "good")
		w.later(time.Second)
		w.want(good, "crl_expired")
		w.want(revoked, "revoked")
		if a := w.ask(good); a.Detail == "" || a.CRL == nil || a.Status != revocation.Unknown {
			t.Errorf("%s: %+v", settings, a)
		}
		w.publish("dates", ca, 2, pki.CRLOptions{Entries: listed(pki.KeyCompromise, 666)})
		w.want(good, "good")
	}
}

// What is remembered of a certificate goes with the catalog it was found by.
func TestChangesOfCAsCount(t *testing.T) {
	w := newRFCWorld(t)
	old, next := w.newCA("Moves", pki.CAOptions{}), w.newCA("Moves", pki.CAOptions{})
	w.trust("moves", old, next)
	w.publish("old", old, 1, pki.CRLOptions{})
	w.publish("next", next, 1, pki.CRLOptions{})
	leaf := w.leaf(old, 1, pki.LeafOptions{})
	for range 3 {
		w.want(leaf, "good")
	}
	w.trust("moves", next)
	w.want(leaf, "unknown_issuer")
	w.trust("moves", old, next)
	w.publish("old", old, 2, pki.CRLOptions{Entries: listed(pki.KeyCompromise, 1)})
	w.want(leaf, "revoked")
}

// More certificates than are remembered are answered all the same.
func TestManyCertificates(t *testing.T) {
	w := newRFCWorld(t)
	ca := w.newCA("Many", pki.CAOptions{})
	w.trust("many", ca)
	w.publish("many", ca, 1, pki.CRLOptions{Entries: listed(pki.KeyCompromise, 1, 2, 3)})
	key, err := pki.NewKey(pki.P256)
	if err != nil {
		t.Fatal(err)
	}
	var leaves []*pki.Leaf
	for serial := range int64(2500) {
		leaves = append(leaves, w.leaf(ca, serial+1, pki.LeafOptions{Signer: key}))
	}
	for round := range 2 {
		for i, leaf := range leaves {
			if want := map[bool]string{true: "revoked", false: "good"}[i < 3]; state(w.ask(leaf)) != want {
				t.Fatal(fmt.Sprint("round ", round, ", certificate ", i))
			}
		}
	}
}
