package revocation_test

import (
	"crypto/x509"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/crlgate/crlgate/internal/pki"
	"github.com/crlgate/crlgate/pkg/catalog"
	"github.com/crlgate/crlgate/pkg/objectstore"
	"github.com/crlgate/crlgate/pkg/objectstore/objectstoretest"
	"github.com/crlgate/crlgate/pkg/revocation"
)

// TestWhatToldTheCA: one CA with one key is told by the name, and by the key
// identifier if the certificate has one; all else is told by the signature, and
// leaves the key that signed.
func TestWhatToldTheCA(t *testing.T) {
	w := newRFCWorld(t)
	one, old, next := w.newCA("One", pki.CAOptions{}), w.newCA("Two keys", pki.CAOptions{}), w.newCA("Two keys", pki.CAOptions{})
	w.trust("one", one)
	w.trust("two", old, next)
	w.publish("one", one, 1, pki.CRLOptions{})
	w.publish("old", old, 1, pki.CRLOptions{})
	w.publish("next", next, 1, pki.CRLOptions{})
	for name, c := range map[string]struct {
		ca    *pki.CA
		o     pki.LeafOptions
		by    revocation.OriginBy
		keyID int
	}{
		"one key":                        {one, pki.LeafOptions{}, revocation.ByKeyID, 1},
		"one key, no identifier":         {one, pki.LeafOptions{NoAuthorityKeyID: true}, revocation.ByKeyID, 1},
		"one key, another's identifier":  {one, pki.LeafOptions{AuthorityKeyID: old.SubjectKeyID}, revocation.BySignature, 0},
		"two keys":                       {old, pki.LeafOptions{}, revocation.ByKeyID, 1},
		"two keys, no identifier":        {old, pki.LeafOptions{NoAuthorityKeyID: true}, revocation.BySignature, 2},
		"two keys, the other identifier": {old, pki.LeafOptions{AuthorityKeyID: []byte{1}}, revocation.BySignature, 0},
	} {
		a, trace := w.explain(w.leaf(c.ca, 1, c.o))
		if state(a) != "good" || trace.Origin.By != c.by || len(trace.Origin.Named) != 1 {
			t.Errorf("%s: %s, told by %d, %+v", name, state(a), trace.Origin.By, trace.Origin)
			continue
		}
		named := trace.Origin.Named[0]
		signed := 0
		if c.by == revocation.BySignature {
			signed = 1
		}
		if len(named.KeyID) != c.keyID || len(named.Signed) != signed || named.Verified != (signed == 1) {
			t.Errorf("%s: %+v", name, named)
		}
		if len(trace.Keys) != 1 || signed == 1 && trace.Keys[0].Key != named.Signed[0] {
			t.Errorf("%s: the keys asked about are %+v", name, trace.Keys)
		}
	}
}

// TestKeyToldBySignature: what is known of the CA's key counts as well where the
// signature told it.
func TestKeyToldBySignature(t *testing.T) {
	w, root, ca := newChain(t)
	w.publish("below", ca, 1, pki.CRLOptions{})
	w.publish("root", root, 1, pki.CRLOptions{Entries: certEntry(ca, pki.Superseded)})
	w.later(time.Minute)
	w.want(w.leaf(ca, 1, pki.LeafOptions{}), "issuer_revoked")
	w.want(w.leaf(ca, 1, pki.LeafOptions{AuthorityKeyID: []byte{1}}), "issuer_revoked")
}

// TestCRLSigningKeyIssuesNothing: a certificate that may only sign CRLs vouches
// for no other certificate, neither by its key identifier nor by its signature.
func TestCRLSigningKeyIssuesNothing(t *testing.T) {
	w := newRFCWorld(t)
	ca := w.newCA("A", pki.CAOptions{})
	signer := w.newCA("A", pki.CAOptions{Parent: ca, NotCA: true, KeyUsage: x509.KeyUsageCRLSign})
	w.trust("a", ca, signer)
	w.publish("a", signer, 1, pki.CRLOptions{})
	w.publish("own", ca, 1, pki.CRLOptions{})
	w.later(time.Minute)
	w.want(w.leaf(ca, 1, pki.LeafOptions{}), "good")
	w.want(w.leaf(ca, 1, pki.LeafOptions{AuthorityKeyID: signer.SubjectKeyID}), "good") // the signature tells
	if _, trace := w.explain(w.leaf(ca, 1, pki.LeafOptions{})); len(trace.Origin.Named) != 1 || trace.Origin.Named[0].Issuing != 1 {
		t.Errorf("%+v", trace.Origin)
	}
	for _, o := range []pki.LeafOptions{{}, {AuthorityKeyID: []byte{1}}} {
		w.want(w.leaf(signer, 1, o), "unknown_issuer")
	}
}

// TestOneKeyTwoCertificates: two certificates of one key are one key.
func TestOneKeyTwoCertificates(t *testing.T) {
	w := newRFCWorld(t)
	first := w.newCA("A", pki.CAOptions{})
	second := w.newCA("A", pki.CAOptions{Signer: first.Key})
	w.trust("a", first, second)
	w.publish("a", first, 1, pki.CRLOptions{})
	a, trace := w.explain(w.leaf(second, 1, pki.LeafOptions{}))
	if state(a) != "good" || len(trace.Keys) != 1 || trace.Origin.By != revocation.ByKeyID || trace.Origin.Named[0].Issuing != 2 {
		t.Errorf("%s, %+v", state(a), trace.Origin)
	}
	if certs := trace.Keys[0].Certificates; len(certs) != 2 || !slices.ContainsFunc(certs, func(c *revocation.CertTrace) bool { return c.Root }) {
		t.Errorf("%+v", certs)
	}
}

// TestOneKeyOfTwoCAs: a certificate is of neither of two CAs that have one name and
// one key, which the write path lets none have.
func TestOneKeyOfTwoCAs(t *testing.T) {
	w, ca := newListing(t)
	w.rewrite(func(c *catalog.Catalog) {
		again := *c.CAs["a"]
		again.CRLs = nil
		c.CAs["b"] = &again
	})
	for _, o := range []pki.LeafOptions{{}, {NoAuthorityKeyID: true}} {
		a := w.wantWords(w.leaf(ca, 1, o), "unknown_issuer", "more than one CA has the name CN=A,O=RFC 5280 and the key that signed it")
		if !a.ChainUnknown {
			t.Errorf("%+v", a)
		}
	}
}

// TestOriginByAPartThatIsNotThereYet: which CRLs speak of a certificate is found out
// again once the part of the catalog is there that names others.
func TestOriginByAPartThatIsNotThereYet(t *testing.T) {
	p := newPartitions(t, 60)
	c, cert := p.revokedSince()
	p.cache.Before(func(_ objectstore.Op, key string) error {
		if strings.HasPrefix(key, "catalog/") {
			return objectstoretest.Answer(503, "SlowDown")
		}
		return nil
	})
	p.pass(2 * time.Second)
	p.ask(c, cert, revocation.Good) // by the part before
	p.cache.Before(nil)
	for range 10 { // the fetching is behind its back, and the next request is beside it
		p.pass(2 * time.Second)
		if a := c.Ask(t.Context(), cert, p.now()); a.Status == revocation.Revoked {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Error("not revoked, long after the part has come")
}
