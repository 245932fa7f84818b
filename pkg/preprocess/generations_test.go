package preprocess_test

import (
	"bytes"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/crlgate/crlgate/internal/pki"
	"github.com/crlgate/crlgate/pkg/catalog"
	"github.com/crlgate/crlgate/pkg/objectstore"
	"github.com/crlgate/crlgate/pkg/objectstore/objectstoretest"
	"github.com/crlgate/crlgate/pkg/preprocess"
)

// TestCatalogLost: generation, floors and what serves outlive the catalog.
func TestCatalogLost(t *testing.T) {
	w, ca := withCRL(t)
	w.remove(key) // it serves, and could not be read again
	before := w.catalog().Generation
	w.cache.Remove(catalog.Key)
	w.upload("crls/older.crl", crlOf(t, ca, 4))
	w.wantOutcome("crls/older.crl", "refused number_too_low")
	w.wantInForce("a #5 " + key)
	if after := w.catalog().Generation; after != before {
		t.Errorf("generation %d, was %d", after, before)
	}
}

// TestCatalogLostUnderADeleteMarker: where the store takes a key under a delete
// marker for one that exists, the catalog comes back all the same, and the log
// says so. Where 412 means that another came first, that one's stays.
func TestCatalogLostUnderADeleteMarker(t *testing.T) {
	w := newWorld(t)
	w.cache = objectstoretest.NewBucket(objectstoretest.Versioned(), objectstoretest.CoveredKeysExist())
	ca := newCA(t, "a")
	w.upload(pem, ca.PEM())
	w.upload(key, crlOf(t, ca, 5))
	was, _, _ := w.cache.Load(catalog.Key)
	w.cache.Remove(catalog.Key)
	w.cache.ResetCalls()
	w.reconcile()
	if got, _, _ := w.cache.Load(catalog.Key); !bytes.Equal(got, was) {
		t.Errorf("in force: %q", w.inForce())
	}
	var conditions []string
	for _, c := range w.cache.Calls() {
		if c.Op == objectstore.OpPut && c.Key == catalog.Key {
			conditions = append(conditions, string(c.IfNoneMatch))
		}
	}
	if got := strings.Join(conditions, ","); got != "*,*,*," {
		t.Errorf("the catalog was written with If-None-Match %q, want three times with and then without", got)
	}
	if !strings.Contains(w.log.String(), "the store says that the catalog is there, and does not have it") {
		t.Errorf("the log does not say so:\n%s", w.log.String())
	}
	w.upload(key, crlOf(t, ca, 6))
	w.wantInForce("a #6 " + key)
}

// TestAnotherPutsTheCatalogBack: of two that put a lost catalog back the second
// leaves what the first wrote, and goes on from it.
func TestAnotherPutsTheCatalogBack(t *testing.T) {
	w, ca := withCRL(t)
	was, _, _ := w.cache.Load(catalog.Key)
	w.cache.Remove(catalog.Key)
	first := true
	w.cache.Before(func(op objectstore.Op, k string) error {
		if op == objectstore.OpPut && k == catalog.Key && first {
			first = false
			w.cache.Store(catalog.Key, was)
		}
		return nil
	})
	w.upload(key, crlOf(t, ca, 6))
	w.cache.Before(nil)
	w.wantInForce("a #6 " + key)
	for _, c := range w.cache.Calls() {
		if c.Op == objectstore.OpPut && c.Key == catalog.Key && c.IfMatch == "" && c.IfNoneMatch == "" {
			t.Error("the catalog was written without a condition")
		}
	}
	if strings.Contains(w.log.String(), "does not have it") {
		t.Errorf("the log blames the store:\n%s", w.log.String())
	}
}

// TestCatalogPutBack: an older catalog is replaced by the newest at the timer.
func TestCatalogPutBack(t *testing.T) {
	w, ca := withCRL(t)
	old, _, _ := w.cache.Load(catalog.Key)
	w.upload(key, crlOf(t, ca, 6))
	newest, _, _ := w.cache.Load(catalog.Key)
	w.cache.Store(catalog.Key, old)
	w.reconcile()
	if got, _, _ := w.cache.Load(catalog.Key); !bytes.Equal(got, newest) {
		t.Errorf("in force: %q", w.inForce())
	}
}

// TestTwoCopies: of two copies of the newest generation neither's floors are lost.
func TestTwoCopies(t *testing.T) {
	w, ca := withCRL(t)
	w.cache.Before(func(op objectstore.Op, k string) error {
		if op == objectstore.OpPut && k == catalog.Key {
			return errCrash
		}
		return nil
	})
	for _, n := range []int64{7, 6} { // two that die before they write the catalog
		w.uploads.Store(key, crlOf(t, ca, n))
		if err := w.tryHandle(key); err == nil {
			t.Fatal("no error")
		}
	}
	w.cache.Before(nil)
	w.cache.Remove(catalog.Key)
	w.uploads.Remove(key)
	w.reconcile()
	w.upload(key, crlOf(t, ca, 5))
	w.wantOutcome(key, "refused number_too_low")
	w.upload(key, crlOf(t, ca, 8))
	w.wantInForce("a #8 " + key)
}

// TestBeginsAboveWhatWas: a catalog of which nothing is left begins above it.
func TestBeginsAboveWhatWas(t *testing.T) {
	w, _ := withCRL(t)
	before := w.catalog().Generation
	for _, k := range w.cache.Keys() {
		w.cache.Remove(k)
	}
	w.now = w.now.Add(time.Hour)
	w.reconcile()
	if after := w.catalog().Generation; after <= before {
		t.Errorf("generation %d after %d", after, before)
	}
	w.wantInForce("a #5 " + key)
}

// TestLostSet: the timer writes a set anew that is lost or cut short.
func TestLostSet(t *testing.T) {
	for what, damage := range map[string]func(w *world, set string){
		"lost":      func(w *world, set string) { w.cache.Remove(set) },
		"cut short": func(w *world, set string) { w.cache.Corrupt(set, func(b []byte) []byte { return b[:10] }) },
	} {
		w, _ := withCRL(t)
		set := w.catalog().CAs["a"].CRLs[0].Set.Key
		version := w.catalogVersion()
		damage(w, set)
		w.reconcile()
		w.check()
		if w.catalogVersion() != version {
			t.Errorf("%s: the catalog was written", what)
		}
	}
}

// TestBatches: many CRLs enter with few writes of the catalog, and each is
// reported on only once it holds them.
func TestBatches(t *testing.T) {
	w, ca := newWorld(t), newCA(t, "a")
	w.uploads.Store(pem, ca.PEM())
	const n = 150
	for i := range n {
		w.uploads.Store(fmt.Sprintf("crls/%03d.crl", i), crlWith(t, ca, pki.CRLOptions{Number: number(1), IDP: &pki.IDP{FullNames: []string{fmt.Sprintf("http://a/%d", i)}}}))
	}
	w.cache.Before(func(op objectstore.Op, k string) error {
		if op == objectstore.OpPut && strings.HasPrefix(k, "reports/crls/") {
			name := strings.TrimSuffix(strings.TrimPrefix(k, "reports/"), ".json")
			c, err := preprocess.LoadCatalog(t.Context(), w.cache)
			if err != nil || len(c.InForce()[name]) == 0 {
				t.Errorf("%s is reported on and not in the catalog: %v", name, err)
			}
		}
		return nil
	})
	w.reconcile()
	w.cache.Before(nil)
	if writes := w.cache.Count(objectstore.OpPut, catalog.Key); writes > 6 {
		t.Errorf("%d writes of the catalog for %d CRLs", writes, n)
	}
	c, err := preprocess.LoadCatalog(t.Context(), w.cache)
	if err != nil || len(c.InForce()) != n {
		t.Errorf("%d in force, %v", len(c.InForce()), err)
	}
}

// TestSweep: what nothing refers to goes after its time, and nothing else does.
func TestSweep(t *testing.T) {
	w := newWorld(t)
	clock := objectstoretest.Clock(func() time.Time { return w.now })
	w.uploads, w.cache = objectstoretest.NewBucket(clock, objectstoretest.Named(uploadBucket)), objectstoretest.NewBucket(clock)
	w.config.SweepAfter = 24 * time.Hour
	ca := newCA(t, "a")
	long := func(n int64, serials ...int64) []byte {
		return crlWith(t, ca, pki.CRLOptions{Number: number(n), Entries: entries(serials...), NextUpdate: now.Add(1000 * time.Hour)})
	}
	w.upload(pem, ca.PEM())
	w.upload(key, long(1, 1))
	first := w.catalog().CAs["a"].CRLs[0].Set.Key
	w.now = w.now.Add(30 * time.Hour)
	w.upload(key, long(2, 2))
	second := w.catalog().CAs["a"].CRLs[0].Set.Key
	there := func(k string) bool { _, _, ok := w.cache.Load(k); return ok }
	w.reconcile()
	if !there(first) {
		t.Fatal("swept although the catalog of an hour ago names it")
	}
	w.cache.Store("sets/of/another.txt", []byte("not ours"))
	w.now = w.now.Add(23 * time.Hour)
	w.reconcile()
	if !there(first) {
		t.Fatal("swept before its time")
	}
	// It is needed again, and written again, so that it is young.
	w.now = w.now.Add(2 * time.Hour)
	w.upload(key, long(3, 1))
	w.reconcile()
	w.check()
	if !there(first) || !there(second) {
		t.Error("swept although it is named, or was an hour ago")
	}
	w.now = w.now.Add(40 * time.Hour)
	w.reconcile()
	w.check()
	if there(second) {
		t.Error("what nothing refers to was not swept")
	}
	if !there("sets/of/another.txt") || !there(catalog.Key) || !there(catalog.ReportKey(key)) {
		t.Error("swept what is not the preprocessor's, or no set")
	}
	copies, err := preprocess.Generations(t.Context(), w.cache)
	if err != nil || len(copies) == 0 || copies[0].Number != w.catalog().Generation {
		t.Errorf("copies: %v, %v", copies, err)
	}
	if len(copies) > 3 {
		t.Errorf("%d copies are left", len(copies))
	}
}
