package preprocess_test

import (
	"context"
	"fmt"
	"math/big"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"

	"github.com/crlgate/crlgate/internal/pki"
	"github.com/crlgate/crlgate/pkg/catalog"
	"github.com/crlgate/crlgate/pkg/objectstore"
)

// TestRace: preprocessors that meet on the catalog lose nothing of each other's.
func TestRace(t *testing.T) {
	const rounds, writers = 12, 4
	ca, late := newCA(t, "a"), newCA(t, "late")
	var crls [writers][rounds][]byte
	for i := range writers {
		for n := range rounds {
			crls[i][n] = crlWith(t, ca, pki.CRLOptions{
				Number: big.NewInt(int64(n + 1)), Entries: entries(int64(100*i + n)),
				IDP: &pki.IDP{FullNames: []string{fmt.Sprintf("http://crl.example.com/%d", i)}},
			})
		}
	}
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.upload(pem, ca.PEM())
		w.uploads.Store("crls/late.crl", crlOf(t, late, 1, 7))
		for n := range rounds {
			var group sync.WaitGroup
			handle := func(keys ...string) {
				// A log and metrics of its own: they are not for several goroutines.
				own := &world{t: t, now: w.now, metrics: &metrics{}, uploads: w.uploads, cache: w.cache, config: w.config}
				group.Go(func() {
					if err := own.tryHandle(keys...); err != nil {
						t.Error(err)
					}
				})
			}
			for i := range writers {
				k := fmt.Sprintf("crls/%d.crl", i)
				w.uploads.Store(k, crls[i][n])
				handle(k)
				handle(k) // its event comes twice
			}
			switch n % 3 {
			case 0:
				w.uploads.Store("issuers/late.pem", late.PEM())
				handle("issuers/late.pem")
			case 1:
				w.uploads.Remove("issuers/late.pem")
				handle("issuers/late.pem")
			case 2:
				handle() // the timer
			}
			group.Wait()
			want := []string{}
			for i := range writers {
				want = append(want, fmt.Sprintf("a #%d crls/%d.crl", n+1, i))
				if !w.revoked("a", int64(100*i+n)) {
					t.Errorf("round %d: serial number %d is lost", n, 100*i+n)
				}
			}
			if n%3 == 0 {
				want = append(want, "late #1 crls/late.crl")
			}
			w.wantInForce(want...)
			if t.Failed() {
				t.FailNow()
			}
		}
	})
}

// duringRead has something happen once, when an upload has been read.
func (w *world) duringRead(key string, do func()) {
	var done atomic.Bool // not a sync.Once: do comes here too
	w.uploads.After(func(op objectstore.Op, k string) error {
		if op == objectstore.OpGet && k == key && !done.Swap(true) {
			do()
		}
		return nil
	})
}

// duringWrite has something happen once, just before the catalog is written.
func (w *world) duringWrite(do func()) {
	var done atomic.Bool // not a sync.Once: do comes here too
	w.cache.Before(func(op objectstore.Op, k string) error {
		if op == objectstore.OpPut && k == catalog.Key && !done.Swap(true) {
			do()
		}
		return nil
	})
}

// TestHeldUp: a preprocessor that was held up with an old issuers file does not
// put it back, whether another has written the catalog meanwhile or, finding
// the new file in force already, has not.
func TestHeldUp(t *testing.T) {
	ca, other := newCA(t, "a"), newCA(t, "b")
	for _, tt := range []struct {
		what         string
		start, stale []byte // in force at first; what is read; nil: no file
		final        []byte
	}{
		{"withdrawn meanwhile", nil, ca.PEM(), nil},
		{"replaced meanwhile", nil, ca.PEM(), other.PEM()},
		{"restored meanwhile", ca.PEM(), other.PEM(), ca.PEM()},
		{"restored after a withdrawal", ca.PEM(), nil, ca.PEM()},
	} {
		for _, when := range []string{"during the read", "during the write"} {
			t.Run(tt.what+" "+when, func(t *testing.T) {
				w := newWorld(t)
				put := func(file []byte) {
					if file == nil {
						w.uploads.Remove(pem)
					} else {
						w.uploads.Store(pem, file)
					}
				}
				put(tt.start)
				w.handle(pem)
				put(tt.stale)
				meanwhile := func() {
					put(tt.final)
					if err := w.preprocessor().Handle(context.Background(), event(pem), w.now); err != nil {
						t.Error(err)
					}
				}
				if when == "during the read" {
					w.duringRead(pem, meanwhile)
				} else {
					w.duringWrite(meanwhile)
				}
				w.handle(pem)
				w.calm()
				clean := newWorld(t)
				if tt.final != nil {
					clean.upload(pem, tt.final)
				}
				if got, want := canonical(t, w.catalog()), canonical(t, clean.catalog()); got != want {
					t.Errorf("%s\nwant %s", got, want)
				}
			})
		}
	}
}

// TestHeldUpCRL: nor with an old CRL.
func TestHeldUpCRL(t *testing.T) {
	w, ca := withCRL(t)
	w.uploads.Store(key, crlOf(t, ca, 6, 6))
	w.duringWrite(func() {
		w.uploads.Store(key, crlOf(t, ca, 7, 6, 7))
		if err := w.preprocessor().Handle(context.Background(), event(key), w.now); err != nil {
			t.Error(err)
		}
	})
	w.handle(key)
	w.calm()
	w.wantInForce("a #7 " + key)
	w.reconcile()
	w.wantInForce("a #7 " + key)
	w.handle(key) // the report may be the older one's until somebody looks
	w.wantInForce("a #7 " + key)
}
