package revocation_test

import (
	"crypto/x509"
	"errors"
	"math/big"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/crlgate/crlgate/internal/pki"
	"github.com/crlgate/crlgate/internal/pki/pkitest"
	"github.com/crlgate/crlgate/pkg/crl"
	"github.com/crlgate/crlgate/pkg/objectstore"
	"github.com/crlgate/crlgate/pkg/objectstore/objectstoretest"
	"github.com/crlgate/crlgate/pkg/revocation"
)

// serial asks about a serial number of a CA.
func (w *rfcWorld) serial(ca string, serial byte) *revocation.SerialTrace {
	w.t.Helper()
	s, err := w.read.ExplainSerial(w.t.Context(), ca, []byte{serial}, w.now())
	if err != nil {
		w.t.Fatal(err)
	}
	return s
}

// TestSerialOfEachKey: there is an answer for each key that may have issued the
// certificate, by what that key and the CA's others publish.
func TestSerialOfEachKey(t *testing.T) {
	w := newRFCWorld(t)
	if _, err := w.read.ExplainSerial(t.Context(), "a", []byte{7}, w.now()); !errors.Is(err, revocation.ErrNoCatalog) {
		t.Errorf("without a catalog: %v", err)
	}
	root := w.newCA("Root", pki.CAOptions{})
	old := w.newCA("A", pki.CAOptions{Parent: root})
	renewed, next := w.newCA("A", pki.CAOptions{Parent: root, Signer: old.Key}), w.newCA("A", pki.CAOptions{Parent: root})
	signer := w.newCA("A", pki.CAOptions{Parent: root, NotCA: true, KeyUsage: x509.KeyUsageCRLSign})
	w.trust("a", old, renewed, next, signer)
	w.trust("b", w.newCA("B", pki.CAOptions{}))
	w.trust("root", root)
	w.publish("root", root, 1, pki.CRLOptions{})
	w.publish("old", old, 1, pki.CRLOptions{Entries: listed(pki.KeyCompromise, 7)})
	w.publish("next", next, 1, at(pki.CRLOptions{}, w.now().Add(-time.Hour), w.now().Add(time.Hour)))
	w.later(2 * time.Hour)
	w.settings("a", `{"deny": ["09"]}`)
	for serial, want := range map[byte][]string{7: {"revoked", "revoked"}, 8: {"good", "crl_expired"}, 9: {"revoked", "revoked"}} {
		s := w.serial("a", serial)
		var got []string
		for _, a := range s.Answers {
			got = append(got, state(a.Answer))
			if o := a.Trace.Origin; a.Answer.CA != "a" || o.CA != "a" || o.By != revocation.ByNothing || o.Named != nil {
				t.Errorf("serial %d: %+v, %+v", serial, a.Answer, o)
			}
			if c := a.Trace.Catalog; c == nil || c.Age != 0 || c.Most != 15*time.Minute || !c.Validated.Equal(w.now()) {
				t.Errorf("serial %d: %+v", serial, c)
			}
			if a.Answer.ChainUnknown != (state(a.Answer) == "revoked") || a.Trace.DenyListed != (serial == 9) || (a.Trace.Keys == nil) != (state(a.Answer) == "revoked") {
				t.Errorf("serial %d: %+v, %+v", serial, a.Answer, a.Trace)
			}
			if c := a.Trace.Considered; c == nil || len(c.Lists) != 2 || c.Lists[0].OwnKey == c.Lists[1].OwnKey {
				t.Errorf("serial %d: %+v", serial, c)
			}
		}
		slices.Sort(got)
		slices.Sort(want)
		if !slices.Equal(got, want) || s.Answers[0].Key == s.Answers[1].Key {
			t.Errorf("serial %d: %q, want %q", serial, got, want)
		}
	}
	if s := w.serial("b", 1); len(s.Answers) != 1 || state(s.Answers[0].Answer) != "no_crl" || s.Elsewhere != nil || s.Indirect != nil {
		t.Errorf("%+v", s)
	}
	if _, err := w.read.ExplainSerial(t.Context(), "c", []byte{7}, w.now()); err == nil || !strings.HasSuffix(err.Error(), `is called "c"; there are: a, b, root`) {
		t.Error(err)
	}
}

// TestSerialByAStaleCatalog: a serial number's answer is stale when a certificate's is.
func TestSerialByAStaleCatalog(t *testing.T) {
	w, _ := newListing(t)
	w.serial("a", 1)
	w.cache.Before(func(objectstore.Op, string) error { return objectstoretest.Answer(503, "SlowDown") })
	began := w.now()
	for after, want := range map[time.Duration]string{0: "good", -1: "cache_stale", 15 * time.Minute: "good", 15*time.Minute + 1: "cache_stale"} {
		w.moment.Store(began.Add(after).UnixNano())
		if a := w.serial("a", 1).Answers[0].Answer; state(a) != want || a.Age != after {
			t.Errorf("after %v: %s, want %s: %+v", after, state(a), want, a)
		}
	}
}

// TestSerialElsewhere: CRLs that speak only of certificates which name them are looked
// up beside, each once and with its deltas; those that speak of no such certificate at
// all are not.
func TestSerialElsewhere(t *testing.T) {
	w := newRFCWorld(t)
	ca := w.newCA("A", pki.CAOptions{})
	w.trust("a", ca)
	one := &pki.IDP{FullNames: []string{"http://crl.example.com/1", "http://crl.example.com/1b"}}
	w.publish("all", ca, 1, pki.CRLOptions{})
	w.publish("cas", ca, 1, pki.CRLOptions{IDP: &pki.IDP{OnlyCA: true}, Entries: listed(pki.Superseded, 7)})
	w.publish("one", ca, 1, pki.CRLOptions{IDP: one, Entries: listed(pki.CertificateHold, 7)})
	d := delta(1, append(listed(pki.RemoveFromCRL, 7), listed(pki.Superseded, 8)...)...)
	d.IDP = one
	w.publish("delta", ca, 2, d)
	for serial, want := range map[byte][2]revocation.Lookup{
		6: {},
		7: {{Hit: true, Reason: crl.CertificateHold}, {Hit: true, Reason: crl.RemoveFromCRL}},
		8: {{}, {Hit: true, Reason: crl.Superseded}},
	} {
		s := w.serial("a", serial)
		if state(s.Answers[0].Answer) != "good" || len(s.Elsewhere) != 1 || len(s.Elsewhere[0].Lookups) != 2 {
			t.Fatalf("serial %d: %+v", serial, s)
		}
		l := s.Elsewhere[0]
		if l.CA != "a" || l.Record.Source.Key != "crls/one.crl" || l.Miss != revocation.MissPoints || l.Covers != 0 || l.OwnKey {
			t.Errorf("serial %d: %+v", serial, l)
		}
		for i, got := range l.Lookups {
			if got.Hit != want[i].Hit || got.Reason != want[i].Reason || got.Listed() != (want[i].Hit && want[i].Reason != crl.RemoveFromCRL) || got.Err != nil || got.Age != 0 {
				t.Errorf("serial %d, look-up %d: %+v", serial, i, got)
			}
		}
	}
	// What cannot be had is told, and not what was there before.
	w.publish("one", ca, 3, pki.CRLOptions{IDP: one, Entries: listed(pki.CertificateHold, 9)})
	w.lose("one")
	if s := w.serial("a", 6); len(s.Elsewhere) != 1 || s.Elsewhere[0].Lookups[0].Err == nil {
		t.Errorf("%+v", s.Elsewhere[0].Lookups[0])
	}
}

// TestSerialInParts: CRLs that the catalog keeps in parts are among those elsewhere,
// one in two of them once; a part that cannot be had is an error.
func TestSerialInParts(t *testing.T) {
	p := newPartitioned(t)
	var keys []string
	for i := range 60 {
		keys = append(keys, p.publish(i, 1, int64(i+1)))
	}
	for i := range 10 { // of two points each, which the parts are chosen by
		idp := &pki.IDP{FullNames: []string{uri(100 + i), uri(200 + i)}}
		keys = append(keys, key(100+i))
		p.uploads.Store(key(100+i), pkitest.CRL(t, p.ca, pki.CRLOptions{Number: big.NewInt(1), ThisUpdate: p.now(), NextUpdate: p.now().AddDate(0, 0, 7), IDP: idp}))
	}
	p.changed(keys...)
	p.cache.Before(func(_ objectstore.Op, key string) error {
		if strings.HasPrefix(key, "catalog/") {
			return objectstoretest.Answer(503, "SlowDown")
		}
		return nil
	})
	if _, err := p.reader().ExplainSerial(t.Context(), "ca", []byte{51}, p.now()); err == nil || !strings.Contains(err.Error(), "catalog/") {
		t.Errorf("a part is missing: %v", err)
	}
	p.cache.Before(nil)
	s, err := p.reader().ExplainSerial(t.Context(), "ca", []byte{51}, p.now())
	if err != nil {
		t.Fatal(err)
	}
	listed := map[string]bool{}
	for _, l := range s.Elsewhere {
		if name := l.Record.Source.Key; listed[name] {
			t.Errorf("%s is there twice", name)
		} else if listed[name] = true; len(l.Lookups) != 1 || l.Lookups[0].Listed() != (name == key(50)) {
			t.Errorf("%s: %+v", name, l.Lookups[0])
		}
	}
	if len(listed) != 70 || s.Indirect != nil || len(s.Answers) != 1 || s.Answers[0].Trace.Considered.Parts == 0 {
		t.Errorf("%d CRLs, %+v", len(listed), s)
	}
}

// TestSerialOfIndirectCRLs: other CAs are named that have indirect CRLs, or may have
// some in parts.
func TestSerialOfIndirectCRLs(t *testing.T) {
	w := newRFCWorld(t)
	for name, idp := range map[string]*pki.IDP{"direct": {OnlyUser: true}, "indirect": {Indirect: true}, "self": {Indirect: true}} {
		ca := w.newCA(name, pki.CAOptions{})
		w.trust(name, ca)
		w.publish(name, ca, 1, pki.CRLOptions{IDP: idp})
	}
	parts := w.newCA("parts", pki.CAOptions{})
	w.trust("parts", parts)
	var crls []string
	for i := range 60 {
		w.uploads.Store(key(i), w.sign(parts, 1, pki.CRLOptions{IDP: &pki.IDP{FullNames: []string{uri(i)}}}))
		crls = append(crls, key(i))
	}
	if err := w.write.Changed(t.Context(), crls, w.now()); err != nil {
		t.Fatal(err)
	}
	if got := w.serial("self", 1).Indirect; !slices.Equal(got, []string{"indirect", "parts"}) {
		t.Errorf("%q", got)
	}
}
