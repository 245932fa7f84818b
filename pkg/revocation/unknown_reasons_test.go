package revocation_test

import (
	"crypto/x509/pkix"
	"encoding/asn1"
	"math/big"
	"strings"
	"testing"

	"github.com/crlgate/crlgate/internal/pki"
	"github.com/crlgate/crlgate/pkg/crl"
	"github.com/crlgate/crlgate/pkg/preprocess"
)

// reasoned makes an entry with a reason code that is none of RFC 5280's.
func reasoned(serial *big.Int, code byte) pki.Entry {
	return pki.Entry{Serial: serial, ExtraExtensions: []pkix.Extension{{Id: asn1.ObjectIdentifier{2, 5, 29, 21}, Value: []byte{10, 1, code}}}}
}

// TestUnknownReasons: whoever is listed for a reason that RFC 5280 does not have is
// revoked, for no stated reason, in every kind of CRL; nobody else is, and the
// report warns.
func TestUnknownReasons(t *testing.T) {
	for _, code := range []byte{7, 11, 127} {
		w := newRFCWorld(t)
		ca := w.newCA("Reasons", pki.CAOptions{})
		odd, known, later, other := w.leaf(ca, 1, pki.LeafOptions{}), w.leaf(ca, 2, pki.LeafOptions{}), w.leaf(ca, 3, pki.LeafOptions{}), w.leaf(ca, 4, pki.LeafOptions{})
		w.trust("ca", ca)
		w.publish("base", ca, 1, pki.CRLOptions{Entries: append(listed(pki.KeyCompromise, 2), reasoned(big.NewInt(1), code))})
		w.want(odd, "revoked")
		w.want(known, "revoked")
		w.want(later, "good")
		if a := w.ask(odd); a.Hit == nil || a.Hit.Reason != crl.Unspecified {
			t.Errorf("reason %d: %+v", code, a.Hit)
		}
		r, err := preprocess.ReadReport(t.Context(), w.cache, "crls/base.crl")
		if err != nil || len(r.Warnings) != 1 || !strings.Contains(r.Warnings[0], "RFC 5280 §5.3.1 does not have: 1, the first with "+big.NewInt(int64(code)).String()) || !strings.Contains(r.Detail, "Warning: "+r.Warnings[0]) {
			t.Errorf("reason %d: the report does not warn: %+v, %v", code, r, err)
		}
		// It keeps nothing later out.
		w.publish("base", ca, 2, pki.CRLOptions{Entries: append(listed(pki.KeyCompromise, 2, 3), reasoned(big.NewInt(1), code))})
		w.want(later, "revoked")
		// In a delta it revokes, and takes nothing back.
		w.publish("delta", ca, 3, delta(2, reasoned(big.NewInt(4), code), reasoned(big.NewInt(2), code)))
		w.want(other, "revoked")
		w.want(known, "revoked")
		w.publish("delta", ca, 4, delta(2))
		w.want(other, "good")
	}
}

// TestUnknownReasonsInScope: in a CRL of some reasons the entry counts as well,
// whichever those are.
func TestUnknownReasonsInScope(t *testing.T) {
	w := newRFCWorld(t)
	ca := w.newCA("Reasons", pki.CAOptions{})
	w.trust("ca", ca)
	key := pki.FlagKeyCompromise | pki.FlagCACompromise
	w.publish("key", ca, 1, pki.CRLOptions{IDP: &pki.IDP{Reasons: key}, Entries: []pki.Entry{reasoned(big.NewInt(1), 7)}})
	w.want(w.leaf(ca, 1, pki.LeafOptions{}), "revoked")
	w.want(w.leaf(ca, 2, pki.LeafOptions{}), "out_of_scope")
}

// TestUnknownReasonOfACA: a CA listed so is revoked; that its key was compromised
// nobody has said, so that another certificate of the same key still counts.
func TestUnknownReasonOfACA(t *testing.T) {
	w := newRFCWorld(t)
	root := w.newCA("Root", pki.CAOptions{})
	below := w.newCA("Below", pki.CAOptions{Parent: root})
	again := w.newCA("Below", pki.CAOptions{Parent: root, Signer: below.Key})
	w.trust("root", root)
	w.trust("below", below)
	w.publish("root", root, 1, pki.CRLOptions{Entries: []pki.Entry{reasoned(below.Certificate.SerialNumber, 7)}})
	w.publish("below", below, 1, pki.CRLOptions{})
	leaf := w.leaf(below, 1, pki.LeafOptions{})
	w.want(leaf, "issuer_revoked")
	w.trust("below", below, again)
	w.want(leaf, "good")
	w.publish("root", root, 2, pki.CRLOptions{Entries: []pki.Entry{reasoned(below.Certificate.SerialNumber, 7), reasoned(again.Certificate.SerialNumber, 11)}})
	w.want(leaf, "issuer_revoked")
}
