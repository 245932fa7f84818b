package revocation_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/crlgate/crlgate/internal/pki"
	"github.com/crlgate/crlgate/pkg/clientcert"
	"github.com/crlgate/crlgate/pkg/crl"
	"github.com/crlgate/crlgate/pkg/revocation"
)

// wantWords asks about a certificate, and wants a state with these words in the
// answer's detail.
func (w *rfcWorld) wantWords(leaf *pki.Leaf, want, words string) revocation.Answer {
	w.t.Helper()
	a, _ := w.explain(leaf)
	if state(a) != want || !strings.Contains(a.Detail, words) || (a.Detail == "") != (words == "") {
		w.t.Errorf("%s (%q), want %s (%q)", state(a), a.Detail, want, words)
	}
	return a
}

// TestWordsOfOrigins: where no CA is found the answer says why, and holds
// nothing that could pass for good.
func TestWordsOfOrigins(t *testing.T) {
	w := newRFCWorld(t)
	a, twin, stranger := w.newCA("A", pki.CAOptions{}), w.newCA("A", pki.CAOptions{}), w.newCA("Stranger", pki.CAOptions{})
	leaf := w.leaf(a, 1, pki.LeafOptions{})
	if got := w.ask(leaf); !errors.Is(got.Unavailable, revocation.ErrNoCatalog) || !strings.Contains(got.Unavailable.Error(), "catalog.json") || !strings.Contains(got.Detail, "has no catalog yet") {
		t.Errorf("without a catalog: %+v", got)
	}
	w.trust("a", a)
	w.publish("a", a, 1, pki.CRLOptions{})
	w.wantWords(leaf, "good", "")
	w.wantWords(w.leaf(stranger, 1, pki.LeafOptions{}), "unknown_issuer", "no CA has the name CN=Stranger,O=RFC 5280")
	w.wantWords(w.leaf(twin, 1, pki.LeafOptions{}), "unknown_issuer", "no CA of the name CN=A,O=RFC 5280 has the key that signed it")
	w.wantWords(w.leaf(a, 1, pki.LeafOptions{NoAuthorityKeyID: true}), "good", "")
	w.wantWords(w.leaf(a, 1, pki.LeafOptions{AuthorityKeyID: []byte{1}}), "good", "") // the signature tells
	if got := w.ask(w.leaf(stranger, 1, pki.LeafOptions{})); !got.ChainUnknown || got.Status != revocation.Unknown {
		t.Errorf("%+v", got)
	}
	if got := w.read.Ask(t.Context(), &clientcert.Certificate{Issuer: []byte{0x30, 1, 0}, Serial: []byte{1}}, w.now()); got.CA != "" || !strings.HasPrefix(got.Detail, "its issuer is not a name: ") {
		t.Errorf("an issuer that is no name: %+v", got)
	}
}

// TestDenyListEndsTheQuestion: what the administrator denies is revoked, whatever
// the CRLs and the chain say.
func TestDenyListEndsTheQuestion(t *testing.T) {
	w, root, ca := newChain(t)
	w.settings("below", `{"deny":["01","07"]}`)
	leaf, listedToo, good := w.leaf(ca, 1, pki.LeafOptions{}), w.leaf(ca, 7, pki.LeafOptions{}), w.leaf(ca, 8, pki.LeafOptions{})
	const words = "on the CA's deny list"
	w.wantWords(leaf, "revoked", words)
	w.publish("root", root, 1, pki.CRLOptions{})
	w.publish("below", ca, 1, pki.CRLOptions{Entries: listed(pki.Superseded, 7)})
	w.later(time.Minute)
	w.wantWords(good, "good", "")
	for _, l := range []*pki.Leaf{leaf, listedToo} {
		a := w.wantWords(l, "revoked", words)
		if a.Hit == nil || !a.Hit.DenyList || a.Hit.Reason != crl.Unspecified || a.CRL != nil || a.CA != "below" {
			t.Errorf("%+v, %+v", a, a.Hit)
		}
		if _, trace := w.explain(l); !trace.DenyListed || trace.Keys != nil {
			t.Errorf("%+v", trace)
		}
	}
	if _, trace := w.explain(good); trace.DenyListed || len(trace.Keys) != 1 {
		t.Errorf("%+v", trace)
	}
}

// TestWordsOfCRLs: the answer names the CRL that stands in the way, or that revokes.
func TestWordsOfCRLs(t *testing.T) {
	w := newRFCWorld(t)
	root := w.newCA("root", pki.CAOptions{})
	ca := w.newCA("below", pki.CAOptions{Parent: root})
	w.trust("below", ca)
	good, gone := w.leaf(ca, 1, pki.LeafOptions{}), w.leaf(ca, 7, pki.LeafOptions{})
	w.wantWords(good, "no_crl", "CA below has no CRL yet")
	w.publish("cas", ca, 3, pki.CRLOptions{IDP: &pki.IDP{OnlyCA: true}})
	w.wantWords(good, "out_of_scope", "no CRL of CA below covers this certificate for all reasons")
	w.publish("all", ca, 4, pki.CRLOptions{Entries: listed(pki.Superseded, 7)})
	a := w.wantWords(gone, "revoked", "listed in CRL number 4")
	if a.Hit == nil || a.Hit.Reason != crl.Superseded || a.Hit.DenyList || a.CRL == nil || a.CRL.Number != "4" || a.CRL.Name != "crls/all.crl" {
		t.Errorf("%+v, %+v", a, a.Hit)
	}
	if _, trace := w.explain(gone); trace.Keys != nil {
		t.Errorf("the chain of what is revoked was asked: %+v", trace.Keys)
	}
	w.wantWords(good, "chain_unknown", "the status of the CA's own certificate is not known")
	w.trust("root", root)
	w.publish("root", root, 1, pki.CRLOptions{})
	w.later(time.Second)
	w.wantWords(good, "good", "")
	w.publish("root", root, 2, pki.CRLOptions{Entries: certEntry(ca, pki.Superseded)})
	w.later(time.Second)
	w.wantWords(good, "issuer_revoked", "of CA below is revoked")
}
