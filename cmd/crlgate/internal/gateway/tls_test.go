package gateway_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-lambda-go/events"

	"github.com/crlgate/crlgate/cmd/crlgate/internal/gateway"
	"github.com/crlgate/crlgate/internal/pki"
	"github.com/crlgate/crlgate/internal/pki/pkitest"
)

var versions = []uint16{tls.VersionTLS12, tls.VersionTLS13}

// resuming makes a client that connects anew for each request and offers to resume.
func (f *fixture) resuming(t *testing.T, leaf *pki.Leaf, version uint16) *http.Client {
	t.Helper()
	cfg := f.world.tlsConfig(leaf)
	cfg.MinVersion, cfg.MaxVersion = version, version
	cfg.ClientSessionCache = tls.NewLRUClientSessionCache(0)
	c := client(t, cfg, true)
	c.Transport.(*http.Transport).DisableKeepAlives = true
	return c
}

// A resumed session carries its certificate into the event, and is judged anew: what
// was allowed is denied once the authorizer says so.
func TestResumedSession(t *testing.T) {
	for _, version := range versions {
		t.Run(tls.VersionName(version), func(t *testing.T) {
			w := newWorld(t)
			answer := policy("Allow", "*")
			a := &authorizer{answer: func(context.Context, []byte) ([]byte, string, error) { return []byte(answer), "", nil }}
			f := w.start(t, w.config(gateway.REST, a))
			c := f.resuming(t, w.client, version)
			for i, want := range []int{200, 200, 403} {
				if want == 403 {
					answer = policy("Deny", "*")
				}
				response, _ := get(t, c, f.url("/x"))
				equal(t, "status", response.StatusCode, want)
				equal(t, "protocol version", response.TLS.Version, version)
				equal(t, "the client resumed", response.TLS.DidResume, i > 0)
				record := f.record(t)
				equal(t, "the record says resumed", record.Resumed, i > 0)
				equal(t, "the record's serial", record.CertificateSerial, "a1b2")
				var e events.APIGatewayCustomAuthorizerRequestTypeRequest
				a.lastEvent(t, &e)
				equal(t, "clientCertPem", e.RequestContext.Identity.ClientCert.ClientCertPem, string(w.client.PEM()))
			}
			equal(t, "invocations", a.calls(), 3)
		})
	}
}

// After a change of truststore a client whose CA stayed gets in with a full handshake,
// and one whose CA left does not, whatever session it would resume.
func TestTruststoreSwap(t *testing.T) {
	for _, version := range versions {
		t.Run(tls.VersionName(version), func(t *testing.T) {
			w := newWorld(t)
			other := pkitest.CA(t, pki.CAOptions{Name: pkix.Name{CommonName: "Partner B"}})
			otherLeaf := pkitest.Leaf(t, other, pki.LeafOptions{Subject: pkix.Name{CommonName: "client two"}})
			cfg := w.config(gateway.REST, always(policy("Allow", "*")))
			cfg.Truststore = []*x509.Certificate{w.ca.Certificate, other.Certificate}
			f := w.start(t, cfg)
			stays, leaves := f.resuming(t, otherLeaf, version), f.resuming(t, w.client, version)
			for _, c := range []*http.Client{stays, leaves} {
				for _, resumed := range []bool{false, true} {
					response, _ := get(t, c, f.url("/"))
					equal(t, "resumed before the swap", response.TLS.DidResume, resumed)
				}
			}
			if err := f.SetTruststore([]*x509.Certificate{other.Certificate}); err != nil {
				t.Fatal(err)
			}
			response, _ := get(t, stays, f.url("/"))
			equal(t, "status of the CA that stayed", response.StatusCode, http.StatusOK)
			equal(t, "it resumed across the swap", response.TLS.DidResume, false)
			refused(t, leaves, f)
			if err := f.SetTruststore([]*x509.Certificate{w.ca.Certificate}); err != nil {
				t.Fatal(err)
			}
			response, _ = get(t, leaves, f.url("/"))
			equal(t, "status of the CA that came back", response.StatusCode, http.StatusOK)
			refused(t, stays, f)
		})
	}
}

// A connection does not outlive its CA's place in the truststore: a request that a
// swap finds under way is answered, the next one over that connection is refused, and
// the one after must connect anew.
func TestTruststoreSwapOverOpenConnection(t *testing.T) {
	for _, http1 := range []bool{true, false} {
		t.Run(fmt.Sprintf("http1=%v", http1), func(t *testing.T) {
			w := newWorld(t)
			other := pkitest.CA(t, pki.CAOptions{Name: pkix.Name{CommonName: "Partner B"}})
			var f *fixture
			swap := func(cas ...*x509.Certificate) {
				if err := f.SetTruststore(cas); err != nil {
					t.Error(err)
				}
			}
			a := &authorizer{answer: func(_ context.Context, event []byte) ([]byte, string, error) {
				if strings.Contains(string(event), "/swap") {
					swap(other.Certificate)
				}
				return []byte(policy("Allow", "*")), "", nil
			}}
			f = w.start(t, w.config(gateway.REST, a))
			between := pkitest.CA(t, pki.CAOptions{Name: pkix.Name{CommonName: "Intermediate"}, Parent: w.ca})
			c := client(t, w.tlsConfig(pkitest.Leaf(t, between, pki.LeafOptions{Subject: clientSubject})), http1)
			for _, path := range []string{"/", "/swap"} {
				response, _ := get(t, c, f.url(path))
				equal(t, "status of "+path, response.StatusCode, http.StatusOK)
			}
			response, body := get(t, c, f.url("/"))
			equal(t, "status over the earlier connection", response.StatusCode, http.StatusForbidden)
			equal(t, "body", body, httpForbidden)
			equal(t, "invocations", a.calls(), 2)
			untilRefused(t, c, f)

			// A CA that stays: the connection serves one more request, then ends.
			swap(w.ca.Certificate)
			get(t, c, f.url("/"))
			swap(w.ca.Certificate, other.Certificate)
			response, _ = get(t, c, f.url("/"))
			equal(t, "status of the CA that stays", response.StatusCode, http.StatusOK)
			if http1 {
				equal(t, "the connection ends", response.Close, true)
			}
		})
	}
}

func TestSetTruststoreRefusesNone(t *testing.T) {
	w := newWorld(t)
	f := w.start(t, w.config(gateway.REST, always(policy("Allow", "*"))))
	for _, none := range [][]*x509.Certificate{nil, {}, {nil}} {
		if err := f.SetTruststore(none); err == nil {
			t.Errorf("a truststore of %v was accepted", none)
		}
	}
	response, _ := get(t, f.client(t), f.url("/"))
	equal(t, "status under the former truststore", response.StatusCode, http.StatusOK)
}

// refused fails the test unless the handshake does.
func refused(t *testing.T, c *http.Client, f *fixture) {
	t.Helper()
	response, err := c.Get(f.url("/"))
	if err == nil {
		_ = response.Body.Close()
		t.Fatalf("status %d, want a failed handshake", response.StatusCode)
	}
	if !strings.Contains(err.Error(), "remote error: tls:") {
		t.Fatalf("error %v, want a TLS alert", err)
	}
}

// untilRefused allows for an HTTP/2 connection that the client has not yet been told to
// give up: requests over it get 403.
func untilRefused(t *testing.T, c *http.Client, f *fixture) {
	t.Helper()
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); {
		response, err := c.Get(f.url("/"))
		if err != nil {
			// HTTP/2 hides the alert, so a client without connections asks for it.
			refused(t, f.client(t), f)
			return
		}
		_ = response.Body.Close()
		equal(t, "status over the earlier connection", response.StatusCode, http.StatusForbidden)
	}
	t.Error("the earlier connection stays open")
}

// Who gets past the handshake, in both protocol versions.
func TestHandshake(t *testing.T) {
	w := newWorld(t)
	stranger := pkitest.CA(t, pki.CAOptions{Name: pkix.Name{CommonName: "Stranger"}})
	namesake := pkitest.CA(t, pki.CAOptions{RawSubject: w.ca.Certificate.RawSubject})
	chained := func(depth int) *pki.Leaf {
		ca := w.ca
		for i := range depth {
			ca = pkitest.CA(t, pki.CAOptions{Name: pkix.Name{CommonName: fmt.Sprintf("Intermediate %d", i)}, Parent: ca})
		}
		return pkitest.Leaf(t, ca, pki.LeafOptions{Subject: clientSubject})
	}
	leaf := func(ca *pki.CA, o pki.LeafOptions) *pki.Leaf {
		o.Subject = clientSubject
		return pkitest.Leaf(t, ca, o)
	}
	f := w.start(t, w.config(gateway.REST, always(policy("Allow", "*"))))
	for name, c := range map[string]struct {
		leaf *pki.Leaf
		in   bool
	}{
		"good":                      {w.client, true},
		"P-384":                     {leaf(w.ca, pki.LeafOptions{Key: pki.P384}), true},
		"RSA":                       {leaf(w.ca, pki.LeafOptions{Key: pki.RSA2048}), true},
		"two intermediates":         {chained(2), true},
		"three intermediates":       {chained(3), false},
		"no certificate":            {nil, false},
		"unknown CA":                {leaf(stranger, pki.LeafOptions{}), false},
		"a CA of the same name":     {leaf(namesake, pki.LeafOptions{}), false},
		"expired":                   {leaf(w.ca, pki.LeafOptions{NotAfter: pki.DefaultNotBefore.AddDate(0, 0, 1)}), false},
		"not yet valid":             {leaf(w.ca, pki.LeafOptions{NotBefore: pki.DefaultNotAfter.AddDate(0, 0, -1)}), false},
		"server certificate":        {leaf(w.ca, pki.LeafOptions{Server: true, DNSNames: []string{"x.example.com"}}), false},
		"P-521":                     {leaf(w.ca, pki.LeafOptions{Key: pki.P521}), false},
		"Ed25519":                   {leaf(w.ca, pki.LeafOptions{Key: pki.Ed25519}), false},
		"forged with another's key": {leaf(w.ca, pki.LeafOptions{SignWith: stranger.Key}), false},
	} {
		for _, version := range versions {
			t.Run(name+" over "+tls.VersionName(version), func(t *testing.T) {
				cfg := w.tlsConfig(c.leaf)
				cfg.MinVersion, cfg.MaxVersion = version, version
				if !c.in {
					refused(t, client(t, cfg, true), f)
					return
				}
				response, _ := get(t, client(t, cfg, true), f.url("/"))
				equal(t, "status", response.StatusCode, http.StatusOK)
			})
		}
	}
}

func TestOldProtocolVersionIsRefused(t *testing.T) {
	w := newWorld(t)
	f := w.start(t, w.config(gateway.REST, always(policy("Allow", "*"))))
	cfg := w.tlsConfig(w.client)
	cfg.MinVersion, cfg.MaxVersion = tls.VersionTLS11, tls.VersionTLS11
	refused(t, client(t, cfg, true), f)
}

func TestHTTP2(t *testing.T) {
	w := newWorld(t)
	a := always(`{"isAuthorized":true,"context":{"reason":"good"}}`)
	cfg := w.config(gateway.HTTP2, a)
	cfg.EnableSimpleResponses = true
	f := w.start(t, cfg)
	response, body := get(t, client(t, w.tlsConfig(w.client), false), f.url("/pets"))
	equal(t, "status", response.StatusCode, http.StatusOK)
	equal(t, "protocol", response.Proto, "HTTP/2.0")
	var e events.APIGatewayV2CustomAuthorizerV2Request
	a.lastEvent(t, &e)
	equal(t, "the event's protocol", e.RequestContext.HTTP.Protocol, "HTTP/2.0")
	equal(t, "clientCertPem", e.RequestContext.Authentication.ClientCert.ClientCertPem, string(w.client.PEM()))
	var told struct {
		Path    string            `json:"path"`
		Context map[string]any    `json:"context"`
		Headers map[string]string `json:"headers"`
	}
	if err := json.Unmarshal([]byte(body), &told); err != nil {
		t.Fatal(err)
	}
	equal(t, "path", told.Path, "/pets")
	equal(t, "context", fmt.Sprint(told.Context), "map[reason:good]")
	equal(t, "header", told.Headers["X-Crlgate-Reason"], "good")
}
