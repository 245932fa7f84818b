package e2e

import (
	"context"
	"crypto/tls"
	"crypto/x509/pkix"
	"errors"
	"math/big"
	"net"
	"net/http"
	"testing"
	"time"

	"github.com/crlgate/crlgate/cmd/crlgate/internal/gateway"
	"github.com/crlgate/crlgate/cmd/crlgate/internal/stack"
	"github.com/crlgate/crlgate/internal/pki"
)

var allForms = []gateway.Form{gateway.REST, gateway.HTTP1, gateway.HTTP2}

// TestEveryForm sends a good, a revoked, a CRL-less, an unknown and no
// certificate to all three forms of API.
func TestEveryForm(t *testing.T) {
	t.Parallel()
	w := start(t, stack.Config{Forms: allForms})
	alpha, beta := newCA(t, "alpha"), newCA(t, "beta")
	good, revoked, unlisted := alpha.issue("good"), alpha.issue("revoked"), beta.issue("unlisted")
	alpha.revoke(revoked)
	w.trust(alpha, beta)
	w.publish(alpha)
	// API Gateway verifies a chain up to the truststore; the CA below the root
	// that issued the certificate may be one that nobody uploaded.
	below := newCAWith(t, "below", pki.CAOptions{Name: pkix.Name{CommonName: "not uploaded"}, Parent: alpha.CA})
	for _, form := range allForms {
		t.Run(form.String(), func(t *testing.T) {
			a := w.expectVia(form, good, http.StatusOK, "good")
			if a.record.Context["ca"] != "alpha" || a.record.Context["crl_number"] != "1" || a.record.Context["decision"] != "allow" {
				t.Errorf("context of the good client: %v", a.record.Context)
			}
			a = w.expectVia(form, revoked, http.StatusForbidden, "revoked")
			if a.record.Context["ca"] != "alpha" || a.record.Context["revocation_date"] == nil || a.record.Context["serial"] != a.record.CertificateSerial {
				t.Errorf("context of the revoked client: %v", a.record.Context)
			}
			w.expectVia(form, unlisted, http.StatusForbidden, "no_crl")
			w.expectVia(form, below.issue("of a CA below"), http.StatusForbidden, "unknown_issuer")
			for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
				for what, leaf := range map[string]*pki.Leaf{"without certificate": nil, "of an unknown CA": newCA(t, "mallory").issue("stranger")} {
					err := w.handshake(form, leaf, version)
					var op *net.OpError
					if !errors.As(err, &op) || op.Op != "remote error" {
						t.Errorf("a client %s, %s: %v, want an alert of the gateway", what, tls.VersionName(version), err)
					}
				}
			}
		})
	}
}

// TestNoCertificateInTheEvent asks through a gateway that demands no client
// certificate, as the execute-api name of an API does.
func TestNoCertificateInTheEvent(t *testing.T) {
	t.Parallel()
	w := start(t, stack.Config{})
	alpha := newCA(t, "alpha")
	w.trust(alpha)
	w.publish(alpha)
	server := must[*pki.Leaf](t, "issuing")(alpha.Issue(pki.LeafOptions{Server: true, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}}))
	w.roots.AddCert(alpha.Certificate)
	for _, form := range allForms {
		g := must[*gateway.Gateway](t, "a gateway")(gateway.New(gateway.Config{
			Form: form, EnableSimpleResponses: form == gateway.HTTP2, ServerCertificate: server.TLSCertificate(), Upstream: gateway.Echo(), AccessLog: w.record,
			Authorizer: gateway.AuthorizerFunc(func(ctx context.Context, payload []byte) ([]byte, string, error) {
				r, err := w.Authorizer.Invoke(ctx, payload)
				return r.Payload, r.FunctionError, err
			}),
		}))
		if err := g.Listen("127.0.0.1:0"); err != nil {
			t.Fatal(err)
		}
		served := make(chan error, 1)
		go func() { served <- g.Serve() }()
		a := w.do(w.client(nil), "https://"+g.Addr().String()+"/payments")
		if !a.is(http.StatusForbidden, "no_client_certificate") {
			t.Errorf("%v: %v, want 403 no_client_certificate", form, a)
		}
		if err := errors.Join(g.Close(t.Context()), <-served); err != nil {
			t.Error(err)
		}
	}
}

// TestRevokedDuringTheRun holds the published bound: REVALIDATE_AFTER, the
// event with the preprocessor, and one refresh.
func TestRevokedDuringTheRun(t *testing.T) {
	t.Parallel()
	w := start(t, stack.Config{Authorizer: map[string]string{"REVALIDATE_AFTER": "1s"}})
	alpha := newCA(t, "alpha")
	alice, bob := alpha.issue("alice"), alpha.issue("bob")
	w.trust(alpha)
	w.publish(alpha)
	w.expect(alice, http.StatusOK, "good")
	alpha.revoke(alice)
	began := time.Now()
	w.publish(alpha)
	w.await(alice, http.StatusForbidden, "revoked", "200 good")
	if took := time.Since(began); took > 30*time.Second {
		t.Errorf("denied %v after the upload, with REVALIDATE_AFTER=1s", took)
	}
	w.expect(bob, http.StatusOK, "good")
	for range 10 { // and never allowed again
		w.expect(alice, http.StatusForbidden, "revoked")
	}
}

// TestResumedSession resumes a TLS session whose certificate was revoked after
// the session began.
func TestResumedSession(t *testing.T) {
	t.Parallel()
	w := start(t, stack.Config{})
	alpha := newCA(t, "alpha")
	w.trust(alpha)
	w.publish(alpha)
	configs := map[uint16]*tls.Config{}
	for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
		leaf := alpha.issue(tls.VersionName(version))
		c := w.tlsConfig(leaf)
		c.MinVersion, c.MaxVersion, c.ClientSessionCache = version, version, tls.NewLRUClientSessionCache(1)
		configs[version] = c
		if a := w.getWith(gateway.REST, c, "/"); !a.is(http.StatusOK, "good") || a.resumed {
			t.Errorf("%s, first connection: %v, resumed %v", tls.VersionName(version), a, a.resumed)
		}
		if a := w.getWith(gateway.REST, c, "/"); !a.is(http.StatusOK, "good") || !a.resumed || !a.record.Resumed {
			t.Errorf("%s, second connection: %v, resumed %v", tls.VersionName(version), a, a.resumed)
		}
		alpha.revoke(leaf)
	}
	w.publish(alpha)
	for version, c := range configs {
		a := w.getWith(gateway.REST, c, "/")
		if !a.is(http.StatusForbidden, "revoked") || !a.resumed || !a.record.Resumed || a.record.TLSVersion != version {
			t.Errorf("%s, revoked since: %v, resumed %v, want 403 revoked on a resumed session", tls.VersionName(version), a, a.resumed)
		}
	}
}

// TestOpenConnection sends requests over one connection, on which the
// certificate is revoked.
func TestOpenConnection(t *testing.T) {
	t.Parallel()
	w := start(t, stack.Config{Forms: allForms})
	alpha := newCA(t, "alpha")
	leaf := alpha.issue("leaf")
	w.trust(alpha)
	w.publish(alpha)
	clients := map[gateway.Form]*http.Client{}
	for _, form := range allForms {
		clients[form] = w.client(leaf)
		if a := w.do(clients[form], w.URL(form)+"/"); !a.is(http.StatusOK, "good") {
			t.Errorf("%v: %v, want 200 good", form, a)
		}
	}
	alpha.revoke(leaf)
	w.publish(alpha)
	for _, form := range allForms {
		if a := w.do(clients[form], w.URL(form)+"/"); !a.is(http.StatusForbidden, "revoked") {
			t.Errorf("%v: %v, want 403 revoked", form, a)
		}
	}
}

// TestTwoCAsSameSerial has two CAs issue the same serial numbers; each revokes
// one.
func TestTwoCAsSameSerial(t *testing.T) {
	t.Parallel()
	w := start(t, stack.Config{})
	alpha, beta := newCA(t, "alpha"), newCA(t, "beta")
	serial := func(ca *authority, n int64) *pki.Leaf {
		return ca.issueWith(ca.name, pki.LeafOptions{Serial: big.NewInt(n)})
	}
	alpha1, alpha2, beta1, beta2 := serial(alpha, 4711), serial(alpha, 4712), serial(beta, 4711), serial(beta, 4712)
	alpha.revoke(alpha1)
	beta.revoke(beta2)
	w.trust(alpha, beta)
	w.publish(alpha)
	w.publish(beta)
	w.expect(alpha1, http.StatusForbidden, "revoked")
	w.expect(alpha2, http.StatusOK, "good")
	w.expect(beta1, http.StatusOK, "good")
	w.expect(beta2, http.StatusForbidden, "revoked")
}

// TestTwoCAsSameName has two CAs with one subject, whose keys tell them apart:
// by authority key identifier, and by signature where that is missing or the
// same.
func TestTwoCAsSameName(t *testing.T) {
	t.Parallel()
	name := pkix.Name{CommonName: "One Name For Two"}
	for what, o := range map[string]struct {
		ca   pki.CAOptions
		leaf pki.LeafOptions
	}{
		"key identifiers":      {},
		"no key identifiers":   {pki.CAOptions{NoSubjectKeyID: true}, pki.LeafOptions{NoAuthorityKeyID: true}},
		"same key identifiers": {pki.CAOptions{SubjectKeyID: []byte("the same")}, pki.LeafOptions{}},
	} {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			w := start(t, stack.Config{})
			o.ca.Name = name
			alpha, beta := newCAWith(t, "alpha", o.ca), newCAWith(t, "beta", o.ca)
			issue := func(ca *authority, n int64) *pki.Leaf {
				o := o.leaf
				o.Serial = big.NewInt(n)
				return ca.issueWith(ca.name, o)
			}
			alpha1, alpha2, beta1, beta2 := issue(alpha, 1), issue(alpha, 2), issue(beta, 1), issue(beta, 2)
			alpha.revoke(alpha1)
			beta.revoke(beta2)
			w.trust(alpha, beta)
			w.publish(alpha)
			w.expect(beta1, http.StatusForbidden, "no_crl") // alpha's CRL does not speak of it
			w.publish(beta)
			for leaf, ca := range map[*pki.Leaf]string{alpha2: "alpha", beta1: "beta"} {
				if a := w.expect(leaf, http.StatusOK, "good"); a.record.Context["ca"] != ca {
					t.Errorf("a client of %s is taken for one of %v", ca, a.record.Context["ca"])
				}
			}
			for leaf, ca := range map[*pki.Leaf]string{alpha1: "alpha", beta2: "beta"} {
				if a := w.expect(leaf, http.StatusForbidden, "revoked"); a.record.Context["ca"] != ca {
					t.Errorf("a client of %s is taken for one of %v", ca, a.record.Context["ca"])
				}
			}
		})
	}
}
