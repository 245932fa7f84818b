package revocation_test

import (
	"crypto/x509"
	"errors"
	"testing"
	"time"

	"github.com/crlgate/crlgate/internal/pki"
	"github.com/crlgate/crlgate/pkg/clientcert"
	"github.com/crlgate/crlgate/pkg/revocation"
)

// TestTraceOwesNothingToOtherRequests: a trace is whole, and its own, whatever was
// remembered of requests before.
func TestTraceOwesNothingToOtherRequests(t *testing.T) {
	w := newChained(t)
	w.publish("root", w.root, 1, pki.CRLOptions{})
	w.want(w.client, "good")
	_, first := w.explain(w.client)
	_, second := w.explain(w.client)
	for _, trace := range []*revocation.Trace{first, second} {
		if len(trace.Origin.Named) != 1 || trace.Considered == nil || len(trace.Considered.Lists) != 1 || len(trace.Keys) != 1 || trace.Keys[0] == nil {
			t.Fatalf("%+v", trace)
		}
		if certs := trace.Keys[0].Certificates; len(certs) != 1 || len(certs[0].Keys) != 1 || certs[0].Keys[0] == nil || len(certs[0].Keys[0].Certificates) != 1 {
			t.Errorf("%+v", trace.Keys[0])
		}
	}
	if first.Keys[0] == second.Keys[0] {
		t.Error("one trace holds a part of the other")
	}
}

// certificate returns the one certificate of the one key that issued a client's.
func (w *rfcWorld) certificate(leaf *pki.Leaf) (*revocation.KeyTrace, *revocation.CertTrace) {
	w.t.Helper()
	_, trace := w.explain(leaf)
	if len(trace.Keys) != 1 || len(trace.Keys[0].Certificates) != 1 {
		w.t.Fatalf("%+v", trace.Keys)
	}
	return trace.Keys[0], trace.Keys[0].Certificates[0]
}

// TestTraceOfAChain: what is noted of a CA's own certificate as its status goes.
func TestTraceOfAChain(t *testing.T) {
	w := newChained(t)
	root := w.leaf(w.root, 1, pki.LeafOptions{})
	w.publish("root", w.root, 1, pki.CRLOptions{})
	if key, cert := w.certificate(root); !key.Known || !cert.Root || len(cert.Parents) != 0 || cert.Considered != nil || cert.Keys != nil || cert.Answer.Status != revocation.Good {
		t.Errorf("a root: %+v, %+v", key, cert)
	}
	if key, cert := w.certificate(w.client); !key.Known || cert.Root || len(cert.Parents) != 1 || cert.Answer.Status != revocation.Good || cert.Answer.ChainUnknown || !cert.Keys[0].Known {
		t.Errorf("good: %+v, %+v", key, cert)
	}
	w.publish("root", w.root, 2, pki.CRLOptions{Entries: certEntry(w.sub, pki.Superseded)})
	if key, cert := w.certificate(w.client); !key.Revoked || key.Known || cert.Answer.Status != revocation.Revoked || cert.Answer.Hit.DenyList || cert.DenyListed || cert.Keys != nil || cert.Considered == nil {
		t.Errorf("revoked: %+v, %+v", key, cert)
	}
	w.settings("root", `{"deny": ["`+w.sub.Certificate.SerialNumber.Text(16)+`"]}`)
	if key, cert := w.certificate(w.client); !key.Revoked || cert.Answer.Status != revocation.Revoked || !cert.Answer.Hit.DenyList || !cert.DenyListed || cert.Keys != nil || cert.Considered != nil {
		t.Errorf("on the deny list: %+v, %+v", key, cert)
	}

	w = newChained(t)
	w.publish("root", w.root, 1, pki.CRLOptions{Entries: listed(pki.Superseded, 7)})
	w.lose("root")
	if key, cert := w.certificate(w.client); key.Known || key.Revoked || key.Err == nil || cert.Answer.Unavailable == nil || cert.Answer.Status != revocation.Unknown {
		t.Errorf("an object that is missing: %+v, %+v", key, cert)
	}

	w = newChained(t)
	stranger := w.newCA("Stranger", pki.CAOptions{Parent: w.newCA("Nobody", pki.CAOptions{})})
	w.trust("stranger", stranger)
	w.publish("stranger", stranger, 1, pki.CRLOptions{})
	if key, cert := w.certificate(w.leaf(stranger, 1, pki.LeafOptions{})); key.Known || cert.Root || len(cert.Parents) != 0 || cert.Considered != nil || !cert.Answer.ChainUnknown || cert.Answer.Detail != "its issuer is not in the catalog" {
		t.Errorf("of nobody: %+v, %+v", key, cert)
	}
}

// TestKnownKeyWithOneCertificateInDoubt: a key that is known by one certificate is in
// doubt all the same where an object is missing that tells of another, and so is what
// stands below it.
func TestKnownKeyWithOneCertificateInDoubt(t *testing.T) {
	w := newRFCWorld(t)
	cross, root := w.newCA("Cross", pki.CAOptions{}), w.newCA("Root", pki.CAOptions{})
	crossed := w.newCA("Root", pki.CAOptions{Parent: cross, Signer: root.Key})
	below := w.newCA("Below", pki.CAOptions{Parent: root})
	w.trust("cross", cross)
	w.trust("root", root, crossed)
	w.trust("below", below)
	w.publish("cross", cross, 1, pki.CRLOptions{Entries: listed(pki.Superseded, 7)})
	w.publish("root", root, 1, pki.CRLOptions{})
	w.publish("below", below, 1, pki.CRLOptions{})
	ofRoot, ofBelow := w.leaf(root, 1, pki.LeafOptions{}), w.leaf(below, 1, pki.LeafOptions{})
	w.want(ofRoot, "good")
	w.want(ofBelow, "good")
	w.restart()
	w.lose("cross")
	for _, leaf := range []*pki.Leaf{ofRoot, ofBelow} {
		a, trace := w.explain(leaf)
		if state(a) != "cache_unavailable" || !a.ChainUnknown || trace.Keys[0].Err == nil || !errors.Is(a.Unavailable, trace.Keys[0].Err) {
			t.Errorf("%s, %+v", state(a), a)
		}
		if known := leaf == ofRoot; trace.Keys[0].Known != known {
			t.Errorf("known by its own certificate %v: %+v", known, trace.Keys[0])
		}
	}
}

// TestTraceOfACircle: a key that was being asked about already is noted as such.
func TestTraceOfACircle(t *testing.T) {
	w := newRFCWorld(t)
	a, b := w.newCA("A", pki.CAOptions{}), w.newCA("B", pki.CAOptions{})
	w.trust("a", w.newCA("A", pki.CAOptions{Parent: b, Signer: a.Key}))
	w.trust("b", w.newCA("B", pki.CAOptions{Parent: a, Signer: b.Key}))
	w.publish("a", a, 1, pki.CRLOptions{})
	w.publish("b", b, 1, pki.CRLOptions{})
	key, cert := w.certificate(w.leaf(a, 1, pki.LeafOptions{}))
	if key.Known || key.Cyclic || len(cert.Keys) != 1 || cert.Keys[0].CA != "b" || cert.Keys[0].Cyclic {
		t.Fatalf("%+v, %+v", key, cert)
	}
	if again := cert.Keys[0].Certificates[0].Keys; len(again) != 1 || again[0] == nil || again[0].CA != "a" || again[0].Key != key.Key || !again[0].Cyclic || again[0].Known || again[0].Certificates != nil {
		t.Errorf("%+v", again)
	}
}

// TestCACertificateThatCannotBeRead: one whose distribution points crlgate cannot read
// is of no known status, which the trace says.
func TestCACertificateThatCannotBeRead(t *testing.T) {
	w := newRFCWorld(t)
	root := w.newCA("Root", pki.CAOptions{})
	// A point for no reason at all, which crypto/x509 passes over.
	below := w.newCA("Below", pki.CAOptions{Parent: root, RawCDP: []byte{0x30, 6, 0x30, 4, 0x81, 2, 0, 0}})
	w.trust("root", root)
	w.trust("below", below)
	w.publish("root", root, 1, pki.CRLOptions{})
	w.publish("below", below, 1, pki.CRLOptions{})
	leaf := w.leaf(below, 1, pki.LeafOptions{})
	w.want(leaf, "chain_unknown")
	if key, cert := w.certificate(leaf); key.Known || cert.Root || cert.Answer.Status != revocation.Unknown || !cert.Answer.ChainUnknown {
		t.Errorf("%+v, %+v", key, cert)
	} else if _, err := clientcert.Parse(below.Certificate.Raw); err == nil || cert.Answer.Detail != err.Error() {
		t.Errorf("%q, want %v", cert.Answer.Detail, err)
	}
}

// TestTraceOfSigners: the key that signed a CRL is noted where it is not the
// certificate's own, and whether what it says vouches for anything.
func TestTraceOfSigners(t *testing.T) {
	w := newRFCWorld(t)
	root := w.newCA("Root", pki.CAOptions{})
	issuing := w.newCA("Sub", pki.CAOptions{Parent: root, KeyUsage: x509.KeyUsageCertSign})
	signer := w.newCA("Sub", pki.CAOptions{Parent: root, NotCA: true, KeyUsage: x509.KeyUsageCRLSign})
	w.trust("root", root)
	w.trust("sub", issuing, signer)
	w.publish("sub", signer, 1, pki.CRLOptions{Entries: listed(pki.KeyCompromise, 7)})
	w.publish("root", root, 1, pki.CRLOptions{})
	for number, revoked := range []bool{false, true} {
		_, trace := w.explain(w.leaf(issuing, 1, pki.LeafOptions{}))
		l := trace.Considered.Lists[0]
		if l.OwnKey || l.Vouches == revoked || l.Signer == nil || l.Signer.CA != "sub" || l.Signer.Revoked != revoked || l.Signer.Known == revoked || len(l.Signer.Certificates) != 1 || l.Signer.Gone {
			t.Errorf("revoked %v: %+v, %+v", revoked, l, l.Signer)
		}
		w.publish("root", root, int64(number+2), pki.CRLOptions{Entries: certEntry(signer, pki.Superseded)})
	}
	_, trace := w.explain(w.leaf(root, 1, pki.LeafOptions{}))
	if l := trace.Considered.Lists[0]; !l.OwnKey || !l.Vouches || l.Signer != nil {
		t.Errorf("of its own key: %+v", l)
	}
}

// TestAnswerOfARevokedCA: that the CA's own key is revoked is one thing, and what its
// CRLs say of the certificate another.
func TestAnswerOfARevokedCA(t *testing.T) {
	w := newChained(t)
	w.publish("root", w.root, 1, pki.CRLOptions{Entries: certEntry(w.sub, pki.Superseded)})
	if a := w.ask(w.client); a.Status != revocation.Good || !a.IssuerRevoked || a.OutOfScope || a.Expired || a.ChainUnknown {
		t.Errorf("%+v", a)
	}
}

// TestTraceOfDeltas: which of a complete CRL and its deltas were looked at, what was
// found, and why that is out of date or could not be had.
func TestTraceOfDeltas(t *testing.T) {
	w := newRFCWorld(t)
	ca := w.newCA("A", pki.CAOptions{})
	w.trust("a", ca)
	began := w.now()
	w.publish("base", ca, 4, at(pki.CRLOptions{Entries: listed(pki.KeyCompromise, 7)}, began.Add(-time.Hour), began.Add(4*time.Hour)))
	w.publish("delta", ca, 5, at(delta(4, listed(pki.KeyCompromise, 8)...), began.Add(-time.Minute), began.Add(time.Hour)))
	list := func(serial int64, want string) *revocation.ListTrace {
		t.Helper()
		a, trace := w.explain(w.leaf(ca, serial, pki.LeafOptions{}))
		if state(a) != want || len(trace.Considered.Lists) != 1 || len(trace.Considered.Lists[0].Lookups) != 2 {
			t.Fatalf("serial %d: %s, want %s: %+v", serial, state(a), want, trace.Considered)
		}
		return trace.Considered.Lists[0]
	}
	if l := list(1, "good"); !l.Current || l.Lookups[0].Why != "" || l.Lookups[1].Why != "" || l.Lookups[1].NoNewer || l.Lookups[0].Age != 0 || l.Lookups[1].Age != 0 {
		t.Errorf("%+v, %+v", l, l.Lookups[1])
	}
	for _, serial := range []int64{7, 8} { // a hit ends the look
		if l := list(serial, "revoked"); l.Current || l.Why != "" {
			t.Errorf("%d: %+v", serial, l)
		}
	}
	w.later(2 * time.Hour)
	if l := list(1, "good"); !l.Current || l.Why != "" || l.Lookups[0].Why != "" || l.Lookups[1].Why == "" {
		t.Errorf("the delta is out of date: %+v, %+v", l, l.Lookups[1])
	}
	w.later(3 * time.Hour)
	if l := list(1, "crl_expired"); l.Current || l.Why == "" || l.Lookups[0].Why != l.Why || l.Lookups[1].Why == "" || l.Lookups[1].Why == l.Why {
		t.Errorf("both are out of date: %+v, %+v", l, l.Lookups[1])
	}
	w.publish("delta", ca, 6, delta(4))
	if l := list(1, "good"); !l.Current || l.Why != "" || l.Lookups[0].Why == "" || l.Lookups[1].Why != "" {
		t.Errorf("the complete CRL is out of date: %+v, %+v", l, l.Lookups[0])
	}
	w.publish("base", ca, 7, pki.CRLOptions{})
	if l := list(1, "good"); !l.Current || !l.Lookups[1].NoNewer || l.Lookups[1].Record != l.Deltas[0] || l.Lookups[1].Answered != nil || l.Lookups[0].NoNewer {
		t.Errorf("the delta is no newer: %+v, %+v", l, l.Lookups[1])
	}
	w.publish("delta", ca, 8, delta(7, listed(pki.Superseded, 8)...))
	for i, name := range []string{"base", "delta"} {
		w.restart()
		restore := w.lose(name)
		if l := list(1, "cache_unavailable"); l.Current || l.Lookups[i].Err == nil || l.Lookups[1-i].Err != nil || l.Lookups[i].Age != 0 {
			t.Errorf("%s is missing: %+v, %+v", name, l, l.Lookups[i])
		}
		restore()
	}
}
