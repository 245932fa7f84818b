package revocation_test

import (
	"math/big"
	"slices"
	"testing"
	"time"

	"github.com/crlgate/crlgate/internal/pki"
	"github.com/crlgate/crlgate/pkg/catalog"
	"github.com/crlgate/crlgate/pkg/crl"
	"github.com/crlgate/crlgate/pkg/issuer"
	"github.com/crlgate/crlgate/pkg/revocation"
)

// TestTraceNamesEachStep: catalog, origin, CRLs, look-ups and chain, each with what
// was found there.
func TestTraceNamesEachStep(t *testing.T) {
	w, root, ca := newChain(t)
	w.publish("root", root, 1, pki.CRLOptions{})
	revoked := w.now().Add(-2 * time.Hour).Truncate(time.Second)
	w.publish("all", ca, 3, pki.CRLOptions{Entries: []pki.Entry{
		{Serial: big.NewInt(7), Reason: pki.Superseded, Date: revoked},
		{Serial: big.NewInt(9), Reason: pki.CertificateHold, Date: revoked},
	}})
	w.publish("delta", ca, 4, pki.CRLOptions{BaseNumber: big.NewInt(3), Entries: []pki.Entry{{Serial: big.NewInt(9), Reason: pki.RemoveFromCRL, Date: revoked}}})
	w.later(time.Minute)

	_, trace := w.explain(w.leaf(ca, 7, pki.LeafOptions{}))
	data, object, _ := w.cache.Load(catalog.Key)
	c, err := catalog.Parse(data)
	if err != nil {
		t.Fatal(err)
	}
	if got := trace.Catalog; got == nil || got.Generation != c.Generation || !got.Updated.Equal(c.Updated) || got.ETag != object.Version ||
		got.Age != w.now().Sub(got.Validated) || got.Most != 15*time.Minute {
		t.Errorf("catalog %+v", got)
	}
	parsed, err := issuer.ParseCertificate(ca.Certificate.Raw)
	if err != nil {
		t.Fatal(err)
	}
	keys := []issuer.KeyDigest{parsed.Key}
	if n := trace.Origin.Named; len(n) != 1 || n[0].CA != "below" || n[0].Issuing != 1 || n[0].Verified || !slices.Equal(n[0].KeyID, keys) || n[0].Signed != nil {
		t.Errorf("origin %+v", n)
	}
	if got := trace.Considered; got.Parts != 0 || got.Read != 0 || len(got.Lists) != 1 {
		t.Fatalf("considered %+v", got)
	}
	list := trace.Considered.Lists[0]
	if list.CA != "below" || !list.OwnKey || !list.Vouches || !list.Asked || list.Removed || !list.Replaced.IsZero() || list.Covers != crl.AllReasons {
		t.Errorf("list %+v", list)
	}
	if n := list.Lookups[0]; n.Record != list.Record || n.Answered != list.Record || !n.Hit || !n.Date.Equal(revoked) || n.Reason != crl.Reason(pki.Superseded) || n.NoNewer || n.Err != nil || n.Why != "" {
		t.Errorf("look-up %+v", n)
	}
	if n := list.Lookups[1]; n.Record != list.Deltas[0] || n.Hit || !n.Date.IsZero() || n.Reason != 0 {
		t.Errorf("look-up in the delta %+v", n)
	}

	good, trace := w.explain(w.leaf(ca, 9, pki.LeafOptions{}))
	if got := trace.Considered; got.Covered != crl.AllReasons || got.Current != crl.AllReasons || !got.OwnKey {
		t.Errorf("considered %+v", got)
	}
	list = trace.Considered.Lists[0]
	if state(good) != "good" || !list.Removed || !list.Current || list.Why != "" || !list.Lookups[0].Listed() || list.Lookups[1].Listed() || !list.Lookups[1].Hit {
		t.Errorf("taken off the list: %+v, %+v", good, list)
	}
	if len(trace.Keys) != 1 {
		t.Fatalf("keys %+v", trace.Keys)
	}
	key := trace.Keys[0]
	if key.CA != "below" || key.Key != parsed.Key || !key.Known || key.Revoked || key.Cyclic || key.Gone || key.Err != nil || len(key.Certificates) != 1 {
		t.Fatalf("key %+v", key)
	}
	cert := key.Certificates[0]
	if cert.CA != "below" || cert.Certificate.Fingerprint != parsed.Fingerprint || cert.Root || cert.DenyListed || cert.Answer.Status != revocation.Good ||
		cert.Considered == nil || len(cert.Considered.Lists) != 1 || len(cert.Keys) != 1 || cert.Keys[0].CA != "root" {
		t.Fatalf("certificate %+v", cert)
	}
	if top := cert.Keys[0].Certificates; len(top) != 1 || top[0].CA != "root" || !top[0].Root || len(top[0].Keys) != 0 {
		t.Errorf("root %+v", top)
	}

	// A day later, neither says anything current.
	w.later(48 * time.Hour)
	w.restart()
	expired, trace := w.explain(w.leaf(ca, 8, pki.LeafOptions{}))
	list = trace.Considered.Lists[0]
	if state(expired) != "crl_expired" || list.Current || list.Why == "" || trace.Considered.Covered != crl.AllReasons || trace.Considered.Current != 0 {
		t.Errorf("expired: %+v, %+v, %+v", expired, list, trace.Considered)
	}
}

// TestTraceOfASignature: two CAs bear the name, and the signature tells which it was.
func TestTraceOfASignature(t *testing.T) {
	w := newRFCWorld(t)
	one, two := w.newCA("twin", pki.CAOptions{}), w.newCA("twin", pki.CAOptions{})
	w.trust("one", one)
	w.trust("two", two)
	w.publish("two", two, 1, pki.CRLOptions{})
	_, trace := w.explain(w.leaf(two, 7, pki.LeafOptions{NoAuthorityKeyID: true}))
	if trace.Origin.CA != "two" || trace.Origin.By != revocation.BySignature || trace.Origin.Why != "" || len(trace.Origin.Named) != 2 {
		t.Fatalf("origin %+v", trace.Origin)
	}
	for _, n := range trace.Origin.Named {
		signed := 0
		if n.CA == "two" {
			signed = 1
		}
		if !n.Verified || n.Issuing != 1 || len(n.KeyID) != 1 || len(n.Signed) != signed {
			t.Errorf("%+v", n)
		}
	}
}

// TestTraceOfParts: how many parts there are, and how many were looked at.
func TestTraceOfParts(t *testing.T) {
	p := newPartitions(t, 60)
	_, trace := p.reader().Explain(t.Context(), p.client(5, 51), p.now())
	if c := trace.Considered; c.Parts != 2 || c.Read != 1 {
		t.Errorf("%d of %d parts were looked at", c.Read, c.Parts)
	}
}
