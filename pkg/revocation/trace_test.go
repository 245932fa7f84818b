package revocation_test

import (
	"math/big"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/crlgate/crlgate/internal/pki"
	"github.com/crlgate/crlgate/pkg/clientcert"
	"github.com/crlgate/crlgate/pkg/revocation"
)

// explain asks with a trace, and wants the answer that Ask gives.
func (w *rfcWorld) explain(leaf *pki.Leaf) (revocation.Answer, *revocation.Trace) {
	w.t.Helper()
	cert, err := clientcert.Parse(leaf.DER)
	if err != nil {
		w.t.Fatal(err)
	}
	a, trace := w.read.Explain(w.t.Context(), cert, w.now())
	if asked := w.ask(leaf); state(a) != state(asked) || a.Detail != asked.Detail || a.CA != asked.CA {
		w.t.Errorf("Explain says %+v, Ask %+v", a, asked)
	}
	return a, trace
}

func TestTraceSaysWhatWasMadeOfEachCRL(t *testing.T) {
	w, root, ca := newChain(t)
	w.publish("root", root, 1, pki.CRLOptions{})
	w.publish("all", ca, 3, pki.CRLOptions{Entries: []pki.Entry{{Serial: big.NewInt(7), Reason: pki.Superseded}}})
	w.publish("elsewhere", ca, 4, pki.CRLOptions{IDP: &pki.IDP{FullNames: []string{"http://crl.example.com/other"}}})
	w.publish("cas", ca, 5, pki.CRLOptions{IDP: &pki.IDP{OnlyCA: true}})
	w.publish("delta", ca, 6, pki.CRLOptions{BaseNumber: big.NewInt(3)})

	good, trace := w.explain(w.leaf(ca, 8, pki.LeafOptions{}))
	if state(good) != "good" || trace.Origin.CA != "below" || trace.Origin.By != revocation.ByKeyID || trace.Catalog == nil || len(trace.Origin.Named) != 1 {
		t.Fatalf("%+v, %+v", good, trace)
	}
	misses := map[string]revocation.Miss{}
	for _, l := range trace.Considered.Lists {
		misses[l.Record.Source.Key] = l.Miss
		if (l.Miss == revocation.MissNone) != (l.Covers != 0) || l.Asked != (l.Covers != 0) {
			t.Errorf("%s: %+v", l.Record.Source.Key, l)
		}
	}
	if misses["crls/all.crl"] != revocation.MissNone || misses["crls/elsewhere.crl"] != revocation.MissPoints || misses["crls/cas.crl"] != revocation.MissCACerts || len(misses) != 3 {
		t.Errorf("%v", misses)
	}
	if len(trace.Keys) != 1 || !trace.Keys[0].Known || len(trace.Keys[0].Certificates) != 1 || !slices.Equal(trace.Keys[0].Certificates[0].Parents, []string{"root"}) {
		t.Errorf("the CA's own chain: %+v", trace.Keys)
	}

	bad, trace := w.explain(w.leaf(ca, 7, pki.LeafOptions{}))
	i := slices.IndexFunc(trace.Considered.Lists, func(l *revocation.ListTrace) bool { return l.Record.Source.Key == "crls/all.crl" })
	all := trace.Considered.Lists[i]
	if state(bad) != "revoked" || len(all.Lookups) != 2 || !all.Lookups[0].Listed() || all.Lookups[1].Listed() || len(all.Deltas) != 1 {
		t.Errorf("%+v, %+v", bad, all)
	}

	if none, trace := w.explain(w.leaf(w.newCA("stranger", pki.CAOptions{}), 7, pki.LeafOptions{})); state(none) != "unknown_issuer" || trace.Origin.CA != "" || trace.Origin.Why == "" || trace.Considered != nil {
		t.Errorf("%+v, %+v", none, trace)
	}
}

func TestSerialNumberWithoutItsCertificate(t *testing.T) {
	w := newRFCWorld(t)
	ca := w.newCA("a", pki.CAOptions{})
	if _, err := w.read.ExplainSerial(t.Context(), "a", []byte{7}, w.now()); err == nil || !strings.Contains(err.Error(), "catalog") {
		t.Errorf("without a catalog: %v", err)
	}
	w.upload("issuers/a.pem", ca.PEM(), "accepted accepted")
	w.publish("all", ca, 1, pki.CRLOptions{Entries: []pki.Entry{{Serial: big.NewInt(7)}}})
	w.publish("one", ca, 1, pki.CRLOptions{IDP: &pki.IDP{FullNames: []string{"http://crl.example.com/1"}}, Entries: []pki.Entry{{Serial: big.NewInt(9)}}})
	w.later(time.Minute)
	for serial, want := range map[byte]string{7: "revoked", 8: "good", 9: "good"} {
		got, err := w.read.ExplainSerial(t.Context(), "a", []byte{serial}, w.now())
		if err != nil || len(got.Answers) != 1 || state(got.Answers[0].Answer) != want || len(got.Elsewhere) != 1 || got.Elsewhere[0].Lookups[0].Listed() != (serial == 9) {
			t.Errorf("serial %d: %+v, %v", serial, got, err)
		}
	}
	if _, err := w.read.ExplainSerial(t.Context(), "b", []byte{7}, w.now()); err == nil || !strings.Contains(err.Error(), `no CA in the catalog is called "b"; there are: a`) {
		t.Errorf("%v", err)
	}
}
