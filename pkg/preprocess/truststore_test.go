package preprocess_test

import (
	"crypto/x509/pkix"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/crlgate/crlgate/internal/pki"
	"github.com/crlgate/crlgate/internal/pki/pkitest"
	"github.com/crlgate/crlgate/pkg/catalog"
	"github.com/crlgate/crlgate/pkg/issuer"
	"github.com/crlgate/crlgate/pkg/objectstore"
	"github.com/crlgate/crlgate/pkg/truststore"
)

// publishing is a world that publishes the truststore, in which these CAs are pinned.
func publishing(t *testing.T, cas ...*pki.CA) *world {
	t.Helper()
	w := newWorld(t)
	w.config.PublishTruststore = true
	for _, ca := range cas {
		c, err := issuer.ParseCertificate(ca.DER)
		if err != nil {
			t.Fatal(err)
		}
		w.config.Pinned = append(w.config.Pinned, c.Fingerprint)
	}
	return w
}

// wantPublished holds the truststore object and its report to these CAs.
func (w *world) wantPublished(cas ...*pki.CA) {
	w.t.Helper()
	w.wantOutcome(catalog.TruststoreKey, "accepted accepted")
	w.wantTruststore(cas...)
	_, object, _ := w.cache.Load(catalog.TruststoreKey)
	if r := w.report(catalog.TruststoreKey); r.ETag != string(object.Version) || len(r.Certificates) != len(cas) || r.Kind != "truststore" {
		w.t.Errorf("the report names %s and %d certificates", r.ETag, len(r.Certificates))
	}
}

// wantTruststore holds the truststore object to these CAs.
func (w *world) wantTruststore(cas ...*pki.CA) {
	w.t.Helper()
	data, _, _ := w.cache.Load(catalog.TruststoreKey)
	have, err := truststore.Parse(data)
	if err != nil {
		w.t.Fatal(err)
	}
	var got, want []string
	for _, c := range have {
		got = append(got, c.Subject)
	}
	for _, ca := range cas {
		c, err := issuer.ParseCertificate(ca.DER)
		if err != nil {
			w.t.Fatal(err)
		}
		want = append(want, c.Subject)
	}
	slices.Sort(got)
	slices.Sort(want)
	if !slices.Equal(got, want) {
		w.t.Errorf("the truststore holds %v, want %v", got, want)
	}
}

func TestTruststoreFollowsTheIssuers(t *testing.T) {
	a, b := newCA(t, "a"), newCA(t, "b")
	w := publishing(t, a, b)
	w.upload("issuers/a.pem", a.PEM())
	w.wantPublished(a)
	w.upload("issuers/b.pem", b.PEM())
	w.wantPublished(a, b)
	w.remove("issuers/a.pem")
	w.wantPublished(b)
	puts := w.cache.Count(objectstore.OpPut, catalog.TruststoreKey)
	reports := w.cache.Count(objectstore.OpPut, catalog.ReportKey(catalog.TruststoreKey))
	w.reconcile()
	w.upload("issuers/b.json", []byte(`{"grace":"1h"}`))
	w.upload("crls/b.crl", crlOf(t, b, 1, 7))
	if n := w.cache.Count(objectstore.OpPut, catalog.TruststoreKey); n != puts || puts != 3 {
		t.Errorf("written %d times for three changes of certificates", n)
	}
	if n := w.cache.Count(objectstore.OpPut, catalog.ReportKey(catalog.TruststoreKey)); n != reports {
		t.Errorf("reported %d times, and %d when nothing more had changed", reports, n)
	}

	// What somebody put in its place goes with the next run of the timer.
	w.cache.Store(catalog.TruststoreKey, a.PEM())
	w.reconcile()
	w.wantPublished(b)
}

// TestTruststoreLocksNobodyOut: what cannot be published changes nothing.
func TestTruststoreLocksNobodyOut(t *testing.T) {
	root := newCA(t, "root")
	middle := pkitest.CA(t, pki.CAOptions{Name: pkix.Name{CommonName: "middle"}, Parent: root})
	other := newCA(t, "other")
	w := publishing(t, root, middle, other)
	w.reconcile()
	w.wantOutcome(catalog.TruststoreKey, "refused truststore_empty")
	if _, _, ok := w.cache.Load(catalog.TruststoreKey); ok {
		t.Error("an empty truststore was published")
	}
	w.upload("issuers/middle.pem", middle.PEM())
	w.wantOutcome(catalog.TruststoreKey, "refused truststore_incomplete")
	w.upload("issuers/root.pem", root.PEM())
	w.wantPublished(root, middle)

	// The root goes: its chain would end in nothing.
	w.remove("issuers/root.pem")
	w.wantOutcome(catalog.TruststoreKey, "refused truststore_incomplete")
	if d := w.report(catalog.TruststoreKey).Detail; !strings.Contains(d, "CN=middle") || !strings.Contains(d, "stays as it is") {
		t.Errorf("the report does not say what is wrong: %s", d)
	}
	w.wantTruststore(root, middle)
	w.upload("issuers/other.pem", other.PEM())
	w.wantTruststore(root, middle)
	w.remove("issuers/middle.pem")
	w.wantPublished(other)

	// The last one goes.
	w.remove("issuers/other.pem")
	w.wantOutcome(catalog.TruststoreKey, "refused truststore_empty")
	w.wantTruststore(other)
}

// TestTruststoreUnpinned: pins that were taken back take the certificate out, and
// never put another one in.
func TestTruststoreUnpinned(t *testing.T) {
	a, b, stranger := newCA(t, "a"), newCA(t, "b"), newCA(t, "stranger")
	w := publishing(t, a, b)
	w.upload("issuers/a.pem", a.PEM())
	w.upload("issuers/b.pem", b.PEM())
	w.upload("issuers/stranger.pem", stranger.PEM())
	w.wantOutcome("issuers/stranger.pem", "refused no_certificate")
	w.wantPublished(a, b)
	w.config.Pinned = w.config.Pinned[:1]
	w.reconcile()
	w.wantPublished(a)
}

func TestTruststoreIsOffByDefault(t *testing.T) {
	w := newWorld(t)
	w.upload("issuers/a.pem", newCA(t, "a").PEM())
	if _, _, ok := w.cache.Load(catalog.TruststoreKey); ok || w.cache.Count(objectstore.OpGet, catalog.TruststoreKey) > 0 {
		t.Error("the truststore was looked at")
	}
}

// TestTruststoreOfTheNewestIssuers: a preprocessor that read an older catalog does not
// write over what one with a newer catalog has published.
func TestTruststoreOfTheNewestIssuers(t *testing.T) {
	a, b := newCA(t, "a"), newCA(t, "b")
	w := publishing(t, a, b)
	w.upload("issuers/a.pem", a.PEM())
	other := &world{t: t, now: w.now, metrics: &metrics{}, uploads: w.uploads, cache: w.cache, config: w.config}
	w.cache.Remove(catalog.TruststoreKey)
	raced := false
	w.cache.Before(func(op objectstore.Op, key string) error {
		if op == objectstore.OpPut && key == catalog.TruststoreKey && !raced {
			raced = true
			other.upload("issuers/b.pem", b.PEM())
		}
		return nil
	})
	w.reconcile()
	if !raced {
		t.Fatal("nobody came between")
	}
	w.wantPublished(a, b)
}

// TestTruststoreFaults crosses the write with {not persisted, persisted but
// reported failed}: the next try makes it good.
func TestTruststoreFaults(t *testing.T) {
	unavailable := &objectstore.Error{Err: errors.New("injected")}
	for name, set := range map[string]func(*world, func(objectstore.Op, string) error){
		"not persisted":                 func(w *world, h func(objectstore.Op, string) error) { w.cache.Before(h) },
		"persisted and reported failed": func(w *world, h func(objectstore.Op, string) error) { w.cache.After(h) },
	} {
		t.Run(name, func(t *testing.T) {
			a := newCA(t, "a")
			w := publishing(t, a)
			w.uploads.Store("issuers/a.pem", a.PEM())
			failed := false
			set(w, func(op objectstore.Op, key string) error {
				if op == objectstore.OpPut && key == catalog.TruststoreKey && !failed {
					failed = true
					return unavailable
				}
				return nil
			})
			if err := w.tryHandle("issuers/a.pem"); err == nil || !strings.Contains(err.Error(), catalog.TruststoreKey) {
				t.Errorf("%v, want one that names the object", err)
			}
			w.handle("issuers/a.pem")
			w.wantPublished(a)
		})
	}
}
