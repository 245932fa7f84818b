package preprocess_test

import (
	"crypto/x509/pkix"
	"encoding/asn1"
	"fmt"
	"math/big"
	"strings"
	"testing"
	"time"

	"github.com/crlgate/crlgate/internal/pki"
	"github.com/crlgate/crlgate/pkg/catalog"
)

const (
	baseKey  = "crls/base.crl"
	deltaKey = "crls/delta.crl"
)

// past is a complete CRL that is past its nextUpdate.
func past(t *testing.T, ca *pki.CA, number int64, serials ...int64) []byte {
	t.Helper()
	return crlWith(t, ca, pki.CRLOptions{Number: big.NewInt(number), Entries: entries(serials...), ThisUpdate: now.Add(-48 * time.Hour), NextUpdate: now.Add(-24 * time.Hour)})
}

// TestExpiredBaseWithCurrentDelta: a complete CRL that is past its nextUpdate when
// it is first seen enters with a current delta CRL to it, whichever comes first and
// whatever their keys sort like.
func TestExpiredBaseWithCurrentDelta(t *testing.T) {
	for _, keys := range [][2]string{{"crls/a.crl", "crls/b.crl"}, {"crls/b.crl", "crls/a.crl"}} {
		base, delta := keys[0], keys[1]
		check := func(w *world, what string) {
			t.Helper()
			w.wantOutcome(base, "accepted accepted")
			w.wantOutcome(delta, "accepted accepted")
			w.wantInForce("ca #4 "+base, "ca #5 "+delta)
			if n := len(w.catalog().Waiting); n != 0 {
				t.Errorf("%s: %d uploads still wait", what, n)
			}
			if detail := w.report(base).Detail; !strings.Contains(detail, "past its nextUpdate") {
				t.Errorf("%s: the report on the base does not say that it is out of date: %s", what, detail)
			}
			w.check()
			version := w.catalogVersion()
			w.reconcile()
			if w.catalogVersion() != version {
				t.Errorf("%s: the timer wrote the catalog again", what)
			}
		}
		ca := newCA(t, "Delta")
		for _, first := range keys {
			w := newWorld(t)
			w.upload("issuers/ca.pem", ca.PEM())
			if first == base {
				w.upload(base, past(t, ca, 4, 1))
				w.wantOutcome(base, "pending expired")
				if detail := w.report(base).Detail; !strings.Contains(detail, "or a current delta CRL to it") {
					t.Errorf("the report does not say what would help: %s", detail)
				}
				w.wantInForce()
				w.upload(delta, deltaOf(t, ca, 5, 4, 2))
			} else {
				w.upload(delta, deltaOf(t, ca, 5, 4, 2))
				w.wantOutcome(delta, "pending delta_base_missing")
				w.wantInForce()
				w.upload(base, past(t, ca, 4, 1))
			}
			check(w, first+" first")
		}
		both := newWorld(t) // and their issuer, in one go
		both.uploads.Store(base, past(t, ca, 4, 1))
		both.uploads.Store(delta, deltaOf(t, ca, 5, 4, 2))
		both.upload("issuers/ca.pem", ca.PEM())
		check(both, "all at once")
		timer := newWorld(t)
		timer.uploads.Store(base, past(t, ca, 4, 1))
		timer.uploads.Store(delta, deltaOf(t, ca, 5, 4, 2))
		timer.uploads.Store("issuers/ca.pem", ca.PEM())
		timer.reconcile()
		check(timer, "by the timer")
	}
}

// TestExpiredBaseStays: no other delta CRL brings in a complete CRL that is past its
// nextUpdate, in either order, and what waits is not read again for nothing.
func TestExpiredBaseStays(t *testing.T) {
	ca := newCA(t, "Delta")
	next := newCA(t, "Delta")
	delta := func(o pki.CRLOptions) []byte {
		o.Number = big.NewInt(5)
		if o.BaseNumber == nil {
			o.BaseNumber = big.NewInt(4)
		}
		return crlWith(t, ca, o)
	}
	for what, c := range map[string]struct {
		delta []byte
		code  string
	}{
		"that is out of date too":           {delta(pki.CRLOptions{ThisUpdate: now.Add(-2 * time.Hour), NextUpdate: now.Add(-time.Second)}), "pending delta_base_missing"},
		"to a newer base":                   {delta(pki.CRLOptions{BaseNumber: big.NewInt(5)}), "pending delta_base_missing"},
		"of the base's own number":          {deltaOf(t, ca, 4, 4), "pending delta_base_missing"},
		"that is older than the base":       {deltaOf(t, ca, 3, 2), "pending delta_base_missing"},
		"issued before the base":            {delta(pki.CRLOptions{ThisUpdate: now.Add(-49 * time.Hour), NextUpdate: now.Add(time.Hour)}), "pending delta_base_missing"},
		"of another scope":                  {delta(pki.CRLOptions{IDP: &pki.IDP{OnlyUser: true}}), "pending delta_base_missing"},
		"of another key":                    {crlWith(t, next, pki.CRLOptions{Number: big.NewInt(5), BaseNumber: big.NewInt(4)}), "pending delta_base_missing"},
		"that is not valid yet":             {delta(pki.CRLOptions{ThisUpdate: now.Add(time.Hour), NextUpdate: now.Add(2 * time.Hour)}), "pending not_yet_valid"},
		"with a critical extension unknown": {delta(pki.CRLOptions{ExtraExtensions: []pkix.Extension{{Id: asn1.ObjectIdentifier{1, 2, 3, 4}, Critical: true, Value: []byte{5, 0}}}}), "refused critical_extension_unknown"},
	} {
		for _, deltaFirst := range []bool{false, true} {
			w := newWorld(t)
			w.upload("issuers/ca.pem", pki.PEM(ca, next))
			if deltaFirst {
				w.upload(deltaKey, c.delta)
			}
			w.upload(baseKey, past(t, ca, 4, 1))
			if !deltaFirst {
				w.upload(deltaKey, c.delta)
			}
			before := w.reads(baseKey) + w.reads(deltaKey)
			w.reconcile()
			w.reconcile()
			w.wantInForce()
			if w.outcome(baseKey) != "pending expired" || w.outcome(deltaKey) != c.code {
				t.Errorf("%s, delta first %t: base %s, delta %s", what, deltaFirst, w.outcome(baseKey), w.outcome(deltaKey))
			}
			if n := w.reads(baseKey) + w.reads(deltaKey); n != before {
				t.Errorf("%s, delta first %t: read %d times while nothing had come", what, deltaFirst, n-before)
			}
		}
	}
}

// TestExpiredBaseWithALaterDelta: of several deltas that wait one that fits is
// enough, also one that was not valid yet, and the rest are judged after it.
func TestExpiredBaseWithALaterDelta(t *testing.T) {
	ca := newCA(t, "Delta")
	w := newWorld(t)
	w.upload("issuers/ca.pem", ca.PEM())
	w.upload("crls/old.crl", crlWith(t, ca, pki.CRLOptions{Number: big.NewInt(5), BaseNumber: big.NewInt(4), ThisUpdate: now.Add(-3 * time.Hour), NextUpdate: now.Add(-time.Hour)}))
	w.upload("crls/newer.crl", deltaOf(t, ca, 9, 8))
	w.upload(baseKey, past(t, ca, 4, 1))
	w.upload(deltaKey, crlWith(t, ca, pki.CRLOptions{Number: big.NewInt(6), BaseNumber: big.NewInt(4), ThisUpdate: now.Add(time.Hour), NextUpdate: now.Add(24 * time.Hour)}))
	w.wantInForce()
	w.wantOutcome(deltaKey, "pending not_yet_valid")
	w.now = now.Add(time.Hour)
	w.reconcile()
	w.wantInForce("ca #4 "+baseKey, "ca #6 "+deltaKey)
	w.wantOutcome("crls/old.crl", "refused number_too_low")
	w.wantOutcome("crls/newer.crl", "pending delta_base_missing")
	w.check()
}

// TestPairIsGone: what waited and is gone, or was replaced, brings nothing in; and a
// delta whose time has passed does not either.
func TestPairIsGone(t *testing.T) {
	ca := newCA(t, "Delta")
	for what, change := range map[string]func(w *world){
		"deleted":           func(w *world) { w.remove(deltaKey) },
		"deleted, no event": func(w *world) { w.uploads.Remove(deltaKey) },
		"replaced":          func(w *world) { w.upload(deltaKey, deltaOf(t, ca, 9, 8)) },
		"replaced, no event": func(w *world) {
			w.uploads.Store(deltaKey, crlWith(t, ca, pki.CRLOptions{Number: big.NewInt(5), BaseNumber: big.NewInt(4), ThisUpdate: now.Add(-3 * time.Hour), NextUpdate: now.Add(-time.Hour)}))
		},
		"out of date": func(w *world) { w.now = now.AddDate(0, 1, 0) },
	} {
		w := newWorld(t)
		w.upload("issuers/ca.pem", ca.PEM())
		w.upload(deltaKey, deltaOf(t, ca, 5, 4, 2))
		change(w)
		w.upload(baseKey, past(t, ca, 4, 1))
		w.reconcile()
		w.wantInForce()
		if got := w.outcome(baseKey); got != "pending expired" {
			t.Errorf("%s: %s", what, got)
		}
	}
}

// TestPairSurvivesACrash: a try that ends at any call, before or after it took
// effect, leaves both waiting or both in force, and the next, or the timer, brings
// both in.
func TestPairSurvivesACrash(t *testing.T) {
	ca := newCA(t, "Delta")
	files := map[string][]byte{baseKey: past(t, ca, 4, 1), deltaKey: deltaOf(t, ca, 5, 4, 2)}
	for _, order := range [][2]string{{baseKey, deltaKey}, {deltaKey, baseKey}} {
		for _, again := range []string{"the event", "the timer"} {
			for fail := int64(1); ; fail++ {
				w := newWorld(t)
				w.upload("issuers/a.pem", ca.PEM())
				w.upload(order[0], files[order[0]])
				w.uploads.Store(order[1], files[order[1]])
				calls, err := w.killedAt(fail, order[1])
				if n := len(w.inForce()); n != 0 && n != 2 {
					t.Errorf("failing from call %d on: in force %q", fail, w.inForce())
				}
				if again == "the event" {
					w.handle(order[1])
				} else {
					w.reconcile()
				}
				w.wantInForce("a #4 "+baseKey, "a #5 "+deltaKey)
				w.reconcile()
				for key := range files {
					if got := w.outcome(key); got != "accepted accepted" && got != "accepted unchanged" {
						t.Errorf("failing from call %d on: the report on %s says %s", fail, key, got)
					}
				}
				if err == nil {
					if fail < 8 {
						t.Errorf("the run made %d calls", calls)
					}
					break
				}
			}
		}
	}
}

// TestPairLeavesFloors: the floors of a pair are those of its CRLs: nothing older
// comes back, and what follows is judged as ever.
func TestPairLeavesFloors(t *testing.T) {
	ca := newCA(t, "Delta")
	w := newWorld(t)
	w.upload("issuers/ca.pem", ca.PEM())
	w.upload(baseKey, past(t, ca, 4, 1))
	w.upload(deltaKey, deltaOf(t, ca, 6, 4, 2))
	for _, c := range []struct {
		key  string
		data []byte
		want string
	}{
		{baseKey, crlOf(t, ca, 3), "refused number_too_low"},
		{deltaKey, deltaOf(t, ca, 5, 4), "refused number_too_low"},
		{baseKey, past(t, ca, 5, 1), "accepted accepted"}, // one that serves is replaced, as ever
		{deltaKey, deltaOf(t, ca, 7, 6), "pending delta_base_missing"},
		{baseKey, crlOf(t, ca, 7, 1), "accepted accepted"},
	} {
		w.upload(c.key, c.data)
		w.wantOutcome(c.key, c.want)
	}
	w.wantOutcome(deltaKey, "accepted accepted") // #7 to 6, once number 7 was there
	w.wantInForce(fmt.Sprintf("ca #7 %s", baseKey), fmt.Sprintf("ca #7 %s", deltaKey))
}

// TestRefusedByOlderRules: what an older version of crlgate refused is read again by
// one that accepts it, and only then.
func TestRefusedByOlderRules(t *testing.T) {
	ca := newCA(t, "Delta")
	seven := entries(1)
	seven[0].Reason = pki.NoReason
	seven[0].ExtraExtensions = []pkix.Extension{{Id: asn1.ObjectIdentifier{2, 5, 29, 21}, Value: []byte{10, 1, 7}}}
	w := newWorld(t)
	w.upload("issuers/ca.pem", ca.PEM())
	w.uploads.Store(baseKey, crlWith(t, ca, pki.CRLOptions{Number: big.NewInt(4), Entries: seven}))
	w.uploads.Store(deltaKey, deltaOf(t, ca, 4, 4))
	for key, code := range map[string]string{baseKey: "entry_extension_malformed", deltaKey: "delta_number_conflict"} {
		_, object, _ := w.uploads.Load(key)
		w.cache.Store(catalog.ReportKey(key), fmt.Appendf(nil, `{"key":%q,"etag":%q,"kind":"crl","outcome":"refused","code":%q,"at":"2026-11-01T00:00:00Z","rules":"1 sha1=false max=%d"}`, key, object.Version, code, w.config.MaxCRLBytes))
	}
	w.reconcile()
	w.wantInForce("ca #4 "+baseKey, "ca #4 "+deltaKey)
	reads := w.reads(baseKey)
	w.reconcile()
	if w.reads(baseKey) != reads {
		t.Error("it was read once more")
	}
}
