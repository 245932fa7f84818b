package preprocess_test

import (
	"bytes"
	"crypto/x509/pkix"
	"fmt"
	"math/big"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/crlgate/crlgate/internal/pki"
	"github.com/crlgate/crlgate/internal/pki/pkitest"
	"github.com/crlgate/crlgate/pkg/objectstore"
	"github.com/crlgate/crlgate/pkg/objectstore/objectstoretest"
)

// wantCompared holds what the metrics were told of CRLs that replaced others.
func (w *world) wantCompared(want ...string) {
	w.t.Helper()
	var got []string
	for _, line := range w.metrics.got {
		if compared, ok := strings.CutPrefix(line, "compared "); ok {
			got = append(got, compared)
		}
	}
	if !slices.Equal(got, want) {
		w.t.Errorf("compared %q, want %q", got, want)
	}
}

func TestSerialsThatComeAndGo(t *testing.T) {
	w, ca := withCRL(t) // 1 and 2
	w.wantCompared()
	w.upload(key, crlOf(t, ca, 6, 2, 3, 4))
	w.upload(key, crlOf(t, ca, 7, 2, 3, 4))
	w.upload(key, crlOf(t, ca, 8))
	w.upload(key, crlOf(t, ca, 9, -5, 7))
	w.wantCompared("a 2 +2 -1", "a 3 +0 -0", "a 3 +0 -3", "a 0 +2 -0")
}

// TestSerialsOfOtherWidths: the set before and the one after hold serial numbers of different widths.
func TestSerialsOfOtherWidths(t *testing.T) {
	w, ca := withCRL(t)
	long := new(big.Int).Lsh(big.NewInt(1), 150)
	list := func(number int64, serials ...*big.Int) []byte {
		o := pki.CRLOptions{Number: big.NewInt(number)}
		for _, s := range serials {
			o.Entries = append(o.Entries, pki.Entry{Serial: s})
		}
		return crlWith(t, ca, o)
	}
	w.upload(key, list(6, big.NewInt(1), big.NewInt(-9), long))
	w.upload(key, list(7, big.NewInt(1), big.NewInt(-9)))
	w.upload(key, list(8, big.NewInt(-9), new(big.Int).Neg(long)))
	w.wantCompared("a 2 +2 -1", "a 3 +0 -1", "a 2 +1 -1")
}

// TestSerialsOfManyBlocks compares sets of many blocks.
func TestSerialsOfManyBlocks(t *testing.T) {
	w, ca := withCRL(t)
	var even, third []int64
	for i := range int64(30_000) {
		even = append(even, 1000+2*i)
		third = append(third, 1000+3*i)
	}
	w.upload(key, crlOf(t, ca, 6, even...))
	w.upload(key, crlOf(t, ca, 7, third...))
	both := 10_000 // multiples of 6 below 60,000
	w.wantCompared("a 2 +30000 -2", fmt.Sprintf("a 30000 +%d -%d", 30_000-both, 30_000-both))
}

// TestDeltasAreNotCompared: a delta CRL shrinks when its base moves on, and nothing is lost by it.
func TestDeltasAreNotCompared(t *testing.T) {
	w, ca := withCRL(t)
	delta := func(number int64, serials ...int64) []byte {
		return crlWith(t, ca, pki.CRLOptions{Number: big.NewInt(number), BaseNumber: big.NewInt(5), Entries: entries(serials...)})
	}
	w.upload("crls/a-delta.crl", delta(6, 3, 4))
	w.upload("crls/a-delta.crl", delta(7, 4))
	w.wantInForce("a #5 "+key, "a #7 crls/a-delta.crl")
	w.wantCompared()
}

// TestCompareNeverFailsThePublish: the set before cannot be read, or is damaged, and the CRL is in force and reported all the same.
func TestCompareNeverFailsThePublish(t *testing.T) {
	for name, damage := range map[string]func(w *world, set string){
		"gone":    func(w *world, set string) { w.cache.Remove(set) },
		"damaged": func(w *world, set string) { w.cache.Store(set, bytes.Repeat([]byte("x"), 200)) },
		"away": func(w *world, set string) {
			w.cache.Before(func(op objectstore.Op, k string) error {
				if op == objectstore.OpGet && k == set {
					return objectstoretest.Answer(503, "SlowDown")
				}
				return nil
			})
		},
	} {
		t.Run(name, func(t *testing.T) {
			w, ca := withCRL(t)
			damage(w, w.catalog().CAs["a"].CRLs[0].Set.Key)
			w.upload(key, crlOf(t, ca, 6, 2, 3))
			w.wantOutcome(key, "accepted accepted")
			w.wantInForce("a #6 " + key)
			w.wantCompared()
			if !strings.Contains(w.log.String(), "not compared with the CRL before") {
				t.Error("the log does not say that the CRLs were not compared")
			}
		})
	}
}

func TestPendingIsCountedWhileItLasts(t *testing.T) {
	w, ca := newWorld(t), newCA(t, "a")
	w.upload(key, crlOf(t, ca, 5, 1))
	for n := 1; n <= 3; n++ {
		if got := w.metrics.count("pending issuer_unknown"); got != n {
			t.Fatalf("counted %d times after %d looks", got, n)
		}
		w.reconcile()
	}
	w.upload(pem, ca.PEM())
	before := w.metrics.count("pending")
	w.reconcile()
	if got := w.metrics.count("pending"); got != before {
		t.Errorf("counted %d times more, though it waits no longer", got-before)
	}
}

func TestNotAfterOfCAs(t *testing.T) {
	w := newWorld(t)
	name := pkix.Name{CommonName: "a"}
	first := pkitest.CA(t, pki.CAOptions{Name: name, NotBefore: now.AddDate(-1, 0, 0), NotAfter: now.Add(10 * time.Hour)})
	w.upload(pem, first.PEM())
	w.metrics.got = nil
	w.reconcile()
	if n := w.metrics.count("ca a 10h0m0s"); n != 1 {
		t.Errorf("%q", w.metrics.got)
	}
	// Another key that ends later: the first one's end still comes first.
	second := pkitest.CA(t, pki.CAOptions{Name: name, NotBefore: now.AddDate(-1, 0, 0), NotAfter: now.Add(90 * time.Hour)})
	w.upload(pem, slices.Concat(first.PEM(), second.PEM()))
	w.metrics.got = nil
	w.now = now.Add(11 * time.Hour)
	w.reconcile()
	if n := w.metrics.count("ca a -1h0m0s"); n != 1 || len(w.catalog().CAs["a"].Certificates) != 2 {
		t.Errorf("%q with %d certificates", w.metrics.got, len(w.catalog().CAs["a"].Certificates))
	}
	w.upload(pem, second.PEM())
	w.metrics.got = nil
	w.reconcile()
	if n := w.metrics.count("ca a 79h0m0s"); n != 1 {
		t.Errorf("%q", w.metrics.got)
	}
}

// TestIssuersChangedIsAboutCertificates: settings change who is let in too, but they do not decide whose CRLs are
// believed, and the alarm says that certificates changed.
func TestIssuersChangedIsAboutCertificates(t *testing.T) {
	w, _ := withCRL(t)
	w.upload(settings, []byte(`{"mode":"observe"}`))
	w.remove(settings)
	if n := w.metrics.count("issuers a"); n != 1 {
		t.Errorf("counted %d times, want once: when the CA came", n)
	}
	w.remove(pem)
	if n := w.metrics.count("issuers a"); n != 2 {
		t.Errorf("counted %d times, want twice: when the CA came and when it went", n)
	}
}
