package keeper_test

import (
	"net/http"
	"testing"

	"github.com/crlgate/crlgate/internal/domainapi"
	"github.com/crlgate/crlgate/internal/pki"
	"github.com/crlgate/crlgate/pkg/catalog"
	"github.com/crlgate/crlgate/pkg/objectstore"
	"github.com/crlgate/crlgate/pkg/objectstore/objectstoretest"
)

// TestDrift: without leave to move, a difference is told, and no update is sent.
func TestDrift(t *testing.T) {
	a, b := newCA(t, "a"), newCA(t, "b")
	for name, test := range map[string]struct {
		trusted, issuers []*pki.CA
		checked, says    string
	}{
		"in step":   {[]*pki.CA{b, a}, []*pki.CA{a, b}, "false 0", "truststore in step"},
		"one lacks": {[]*pki.CA{a}, []*pki.CA{a, b}, "true 0", "issuers that the truststore lacks: 1: CN=b of CA b (SHA-256 "},
		"one more":  {[]*pki.CA{a, b}, []*pki.CA{b}, "true 0", "certificates in it that are no issuer's: 1: CN=a (SHA-256 "},
		"no issuer": {[]*pki.CA{a}, nil, "true 0", "CN=a"},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.config.Move = false
			version := w.beginsAt(test.trusted...)
			if test.issuers != nil {
				w.issuers(test.issuers...)
			}
			w.publish(b) // left over from a time when it was on
			w.run(test.checked, test.says)
			w.at("s3://own/first.pem", version)
			for _, r := range w.api.Requests() {
				if r.Method != http.MethodGet {
					t.Errorf("%+v", r)
				}
			}
		})
	}
}

// TestDriftOfTheVersionInForce: what counts is the version that the domain names, and
// not what has been uploaded since, which has no effect.
func TestDriftOfTheVersionInForce(t *testing.T) {
	a, b := newCA(t, "a"), newCA(t, "b")
	w := newWorld(t)
	w.config.Move = false
	w.beginsAt(a)
	w.issuers(a, b)
	version := store(w.own, "first.pem", a, b)
	w.run("true 0", "CN=b of CA b")
	w.api.Change(func(d *domainapi.Domain) { d.Version = version })
	w.run("false 0")
}

// TestUnknownIsOutOfStep: a truststore that cannot be read is never in step.
func TestUnknownIsOutOfStep(t *testing.T) {
	a := newCA(t, "a")
	for name, test := range map[string]struct {
		change func(*world)
		says   string
	}{
		"forbidden": {func(w *world) {
			w.own.Before(func(objectstore.Op, string) error {
				return objectstoretest.Answer(http.StatusForbidden, "AccessDenied")
			})
		}, "let the function read it"},
		"gone":          {func(w *world) { w.api.Change(func(d *domainapi.Domain) { d.URI = "s3://own/gone.pem" }) }, "cannot be read"},
		"no S3 object":  {func(w *world) { w.api.Change(func(d *domainapi.Domain) { d.URI = "s3://own" }) }, "is no S3 object"},
		"no truststore": {func(w *world) { w.api.Change(func(d *domainapi.Domain) { d.URI = "" }) }, "has no truststore"},
		"no PEM": {func(w *world) {
			w.own.Corrupt("first.pem", func([]byte) []byte { return []byte("<html>") })
		}, "holds no PEM certificate"},
		"no catalog that can be read": {func(w *world) { w.cache.Store(catalog.Key, []byte("{")) }, "the catalog cannot be read"},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.config.Move = false
			w.beginsAt(a)
			w.issuers(a)
			test.change(w)
			w.run("true 0", "truststore out of step", test.says)
		})
	}
}
