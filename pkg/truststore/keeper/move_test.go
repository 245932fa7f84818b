package keeper_test

import (
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/crlgate/crlgate/internal/domainapi"
	"github.com/crlgate/crlgate/pkg/catalog"
	"github.com/crlgate/crlgate/pkg/objectstore"
	"github.com/crlgate/crlgate/pkg/objectstore/objectstoretest"
)

// TestMoves: the domain follows what is published, and only that.
func TestMoves(t *testing.T) {
	a, b := newCA(t, "a"), newCA(t, "b")
	w := newWorld(t)
	first := w.beginsAt(a)
	w.issuers(a)
	w.run("true 0", "nothing is published", "reports/"+catalog.TruststoreKey)
	w.at("s3://own/first.pem", first)

	one := w.publish(a)
	w.run("false 0", "moving the domain", "from s3://own/first.pem version "+first, one)
	w.at(ours, one)
	d := w.api.Domain()
	if d.CertificateARN != "arn:aws:acm:us-east-1:123456789012:certificate/c" || d.SecurityPolicy != "TLS_1_2" {
		t.Errorf("the move changed more than the truststore: %+v", d)
	}
	w.run("false 0") // an event that comes twice, or late
	w.run("false 0")
	if w.updates() != 1 || w.moved != 1 {
		t.Errorf("%d updates, %d told of, for one truststore", w.updates(), w.moved)
	}

	w.issuers(a, b)
	w.run("true 0", "issuers that the truststore lacks: 1: CN=b of CA b") // the preprocessor has not published yet
	two := w.publish(a, b)
	w.run("false 0")
	w.at(ours, two)

	// A deployment puts the domain back; the timer finds it.
	w.api.Change(func(d *domainapi.Domain) { d.URI, d.Version = "s3://own/first.pem", first })
	w.run("false 0")
	w.at(ours, two)
}

// TestMovesToNothingUnsound: what is published is looked at before the domain is moved.
func TestMovesToNothingUnsound(t *testing.T) {
	a, stranger := newCA(t, "a"), newCA(t, "stranger")
	for name, test := range map[string]struct {
		change func(*world)
		says   string
	}{
		"a stranger":     {func(w *world) { w.publish(a, stranger) }, "CN=stranger"},
		"nothing in it":  {func(w *world) { w.cache.Store(catalog.TruststoreKey, nil) }, "holds no PEM certificate"},
		"no certificate": {func(w *world) { w.cache.Store(catalog.TruststoreKey, []byte("<html>")) }, "holds no PEM certificate"},
		"a bucket of one": {func(w *world) {
			w.cache = objectstoretest.NewBucket(objectstoretest.Named("cache"))
			w.issuers(a)
			w.publish(a)
		}, "turn on versioning"},
		"no mutual TLS":      {func(w *world) { w.publish(a); w.api.Change(func(d *domainapi.Domain) { d.URI, d.Version = "", "" }) }, "turn on mutual TLS"},
		"not yet a pin":      {func(w *world) { w.publish(a); w.config.Pinned = nil }, "which PINNED_ISSUERS does not name"},
		"a domain elsewhere": {func(w *world) { w.publish(a); w.config.DomainName = "other.example.com" }, "Invalid domain name identifier"},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.beginsAt(a)
			w.issuers(a)
			test.change(w)
			before := w.api.Domain()
			w.run("true 0", "truststore out of step", test.says)
			if d := w.api.Domain(); d.URI != before.URI || d.Version != before.Version {
				t.Errorf("the domain was moved to %s version %s", d.URI, d.Version)
			}
		})
	}
}

// TestAPIGatewayRefuses: what passes is an error, and so tried again; what does not is counted.
func TestAPIGatewayRefuses(t *testing.T) {
	a := newCA(t, "a")
	for name, test := range map[string]struct {
		method string
		fault  domainapi.Fault
		passes bool
	}{
		"reading throttled":  {http.MethodGet, domainapi.Fault{Status: 429, Type: "TooManyRequestsException", Message: "Too Many Requests"}, true},
		"moving throttled":   {http.MethodPatch, domainapi.Fault{Status: 429, Type: "TooManyRequestsException", Message: "Too Many Requests"}, true},
		"another update":     {http.MethodPatch, domainapi.Fault{Status: 409, Type: "ConflictException", Message: "in progress"}, true},
		"its own fault":      {http.MethodPatch, domainapi.Fault{Status: 500, Type: "InternalFailure", Message: "oops"}, true},
		"reading forbidden":  {http.MethodGet, domainapi.Fault{Status: 403, Type: "AccessDeniedException", Message: "not authorized"}, false},
		"moving forbidden":   {http.MethodPatch, domainapi.Fault{Status: 403, Type: "AccessDeniedException", Message: "not authorized"}, false},
		"a bad request":      {http.MethodPatch, domainapi.Fault{Status: 400, Type: "BadRequestException", Message: "Invalid truststore"}, false},
		"the domain is gone": {http.MethodGet, domainapi.Fault{Status: 404, Type: "NotFoundException", Message: "Invalid domain name"}, false},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			first := w.beginsAt(a)
			w.issuers(a)
			version := w.publish(a)
			w.api.OnRequest(func(r domainapi.Request) *domainapi.Fault {
				if r.Method == test.method {
					return &test.fault
				}
				return nil
			})
			if test.passes {
				w.fails(test.fault.Message)
			} else {
				w.run("true 0", test.fault.Message)
			}
			w.at("s3://own/first.pem", first)
			w.api.OnRequest(nil)
			w.run("false 0")
			w.at(ours, version)
		})
	}
}

// TestThrottledOnce: the client itself tries again.
func TestThrottledOnce(t *testing.T) {
	a := newCA(t, "a")
	w := newWorld(t)
	w.beginsAt(a)
	w.issuers(a)
	version := w.publish(a)
	seen := map[string]bool{}
	w.api.OnRequest(func(r domainapi.Request) *domainapi.Fault {
		if !seen[r.Method] {
			seen[r.Method] = true
			return &domainapi.Fault{Status: 429, Type: "TooManyRequestsException", Message: "Too Many Requests"}
		}
		return nil
	})
	w.run("false 0")
	w.at(ours, version)
	if len(seen) != 2 {
		t.Errorf("requests of %d kinds", len(seen))
	}
}

// TestUpdating: no update is sent while one is under way.
func TestUpdating(t *testing.T) {
	a := newCA(t, "a")
	w := newWorld(t)
	w.beginsAt(a)
	w.issuers(a)
	version := w.publish(a)
	w.api.Change(func(d *domainapi.Domain) { d.Status = "UPDATING" })
	w.fails("an update is under way")
	for _, r := range w.api.Requests() {
		if r.Method == http.MethodPatch {
			t.Errorf("an update was sent: %+v", r)
		}
	}
	w.api.Change(func(d *domainapi.Domain) { d.Status = "AVAILABLE" })
	w.run("false 0")
	w.at(ours, version)
}

// TestS3Fails: an unreachable bucket is an error, and nothing is moved.
func TestS3Fails(t *testing.T) {
	a := newCA(t, "a")
	for _, key := range []string{catalog.TruststoreKey, catalog.Key} {
		w := newWorld(t)
		w.beginsAt(a)
		w.issuers(a)
		w.publish(a)
		w.cache.Before(func(_ objectstore.Op, k string) error {
			if k == key {
				return objectstoretest.Answer(http.StatusServiceUnavailable, "SlowDown")
			}
			return nil
		})
		w.fails("SlowDown")
		if w.updates() > 0 && key == catalog.TruststoreKey {
			t.Error("the domain was moved to what could not be read")
		}
	}
}

// TestAnOlderTruststoreDoesNotStay: a keeper that was held up between reading what is
// published and moving the domain puts back what another has replaced, and sees it.
func TestAnOlderTruststoreDoesNotStay(t *testing.T) {
	a, b := newCA(t, "a"), newCA(t, "b")
	w := newWorld(t)
	w.beginsAt(a)
	w.issuers(a, b)
	w.publish(a)
	var newest string
	held := false
	w.api.OnRequest(func(r domainapi.Request) *domainapi.Fault {
		if r.Method == http.MethodPatch && !held {
			held = true // before the slow one's update has effect
			newest = w.publish(a, b)
			if err := w.keeper().Run(t.Context()); err != nil {
				t.Error(err)
			}
		}
		return nil
	})
	w.log.Reset()
	if err := w.keeper().Run(t.Context()); err != nil {
		t.Fatal(err)
	}
	w.at(ours, newest)
	if last := w.checked[len(w.checked)-1]; last != "false 0" || w.updates() != 3 {
		t.Errorf("told %q after %d updates, want three: the fast one's, the slow one's, and its second thought", last, w.updates())
	}
}

// TestManyKeepers: however many run at once, the domain ends at the newest truststore.
func TestManyKeepers(t *testing.T) {
	a, b, c := newCA(t, "a"), newCA(t, "b"), newCA(t, "c")
	w := newWorld(t)
	w.beginsAt(a)
	w.issuers(a, b, c)
	var group sync.WaitGroup
	for range 8 {
		group.Go(func() {
			if err := w.keeper().Run(t.Context()); err != nil && !strings.Contains(err.Error(), "a newer truststore was published") {
				t.Error(err)
			}
		})
	}
	w.publish(a)
	w.publish(a, b)
	newest := w.publish(a, b, c)
	group.Go(func() {
		if err := w.keeper().Run(t.Context()); err != nil {
			t.Error(err)
		}
	})
	group.Wait()
	w.at(ours, newest)
}

// TestWarnings of API Gateway are told, also those that come later.
func TestWarnings(t *testing.T) {
	a := newCA(t, "a")
	w := newWorld(t)
	w.beginsAt(a)
	w.issuers(a)
	w.publish(a)
	w.run("false 0")
	w.api.Change(func(d *domainapi.Domain) {
		d.Warnings = []string{"Certificate 1 has expired", "Certificate 2 is invalid"}
	})
	w.run("false 2", "API Gateway warns of the truststore", "Certificate 1 has expired; Certificate 2 is invalid")
	w.publish(a) // a new version takes them away
	w.run("false 0")
}
