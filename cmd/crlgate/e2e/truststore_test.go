package e2e

import (
	"context"
	"crypto/sha256"
	"crypto/tls"
	"encoding/hex"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/crlgate/crlgate/cmd/crlgate/internal/gateway"
	"github.com/crlgate/crlgate/cmd/crlgate/internal/stack"
	"github.com/crlgate/crlgate/cmd/crlgate/internal/template"
	"github.com/crlgate/crlgate/internal/domainapi"
	"github.com/crlgate/crlgate/internal/pki"
	"github.com/crlgate/crlgate/pkg/catalog"
	"github.com/crlgate/crlgate/pkg/objectstore"
	"github.com/crlgate/crlgate/pkg/preprocess"
)

// TestTruststoreIsKeptInStep: with Move, who may connect follows the issuers. A CA that
// is added is published, the domain is moved, and its client connects; until then the
// handshake fails, and so it does again when the CA is taken away.
func TestTruststoreIsKeptInStep(t *testing.T) {
	t.Parallel()
	gate, err := template.Read("../../../infra/gate/testdata/full.template.json")
	if err != nil {
		t.Fatal(err)
	}
	alpha, beta, gamma := newCA(t, "alpha"), newCA(t, "beta"), newCA(t, "gamma")
	pins := fingerprint(alpha) + "," + fingerprint(beta)
	w := start(t, stack.Config{
		Template: gate, Forms: []gateway.Form{gateway.REST}, Authorizer: map[string]string{"MODE": "enforce"},
		Preprocessor: map[string]string{"PINNED_ISSUERS": pins}, Truststore: map[string]string{"PINNED_ISSUERS": pins},
	})
	a, b, c := alpha.issue("a"), beta.issue("b"), gamma.issue("c")
	ours := "s3://" + gate.Cache.Name + "/" + catalog.TruststoreKey
	connects := func(leaf *pki.Leaf, want bool) {
		t.Helper()
		if err := w.handshake(gateway.REST, leaf, tls.VersionTLS12); (err == nil) != want {
			t.Errorf("%s: %v, want it to connect: %v", leaf.Certificate.Subject, err, want)
		}
	}
	w.checkTruststore(true)
	connects(a, false)

	w.upload("cas/alpha.pem", alpha.PEM(), preprocess.OutcomeAccepted)
	w.awaitTruststore(alpha)
	w.upload("lists/alpha.crl", alpha.crl(nil), preprocess.OutcomeAccepted)
	w.await(a, http.StatusOK, "good")
	connects(b, false)
	one := w.DomainAPI.Domain()
	if one.URI != ours || one.Version == "" {
		t.Errorf("the domain is at %s version %s, want %s", one.URI, one.Version, ours)
	}

	w.upload("cas/beta.pem", beta.PEM(), preprocess.OutcomeAccepted)
	w.awaitTruststore(alpha, beta)
	w.checkTruststore(false)
	two := w.DomainAPI.Domain()
	if two.Version == one.Version {
		t.Error("the domain was not moved")
	}

	// A CA that nobody pinned changes nothing.
	w.upload("cas/gamma.pem", gamma.PEM(), preprocess.OutcomeRefused)
	w.drain()
	w.checkTruststore(false)
	connects(c, false)
	if d := w.DomainAPI.Domain(); d.Version != two.Version {
		t.Error("the domain was moved for a CA that is not pinned")
	}

	// A deployment puts the domain back; a lost event, made good by the timer.
	w.DomainAPI.Change(func(d *domainapi.Domain) { d.Version = one.Version })
	w.checkTruststore(false)
	if d := w.DomainAPI.Domain(); d.Version != two.Version {
		t.Error("the timer did not move the domain")
	}

	if err := w.Uploads.Delete(t.Context(), "cas/beta.pem", objectstore.DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
	eventually(t, "a client of beta to be refused", func() bool { return w.handshake(gateway.REST, b, tls.VersionTLS12) != nil })
	w.await(a, http.StatusOK, "good")

	// The last CA goes: nobody may connect then, and that is not published.
	if err := w.Uploads.Delete(t.Context(), "cas/alpha.pem", objectstore.DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
	w.awaitLog("truststore not published", "truststore_empty")
	w.checkTruststore(true)
	connects(a, true)
	w.expect(a, http.StatusForbidden, "unknown_issuer")
	if f := w.Failures(); len(f) > 0 {
		t.Errorf("the failure queue holds %s", f[0])
	}
}

func fingerprint(ca *authority) string {
	sum := sha256.Sum256(ca.Certificate.Raw)
	return hex.EncodeToString(sum[:])
}

// checkTruststore has the truststore's function look, if there is one, and holds what
// it then tells.
func (w *world) checkTruststore(outOfStep bool) {
	w.t.Helper()
	if w.Truststore == nil {
		return
	}
	want := fmt.Sprintf(`"TruststoreOutOfStep":%d`, map[bool]int{true: 1}[outOfStep])
	ctx, cancel := context.WithTimeout(w.t.Context(), patience)
	defer cancel()
	told := ""
	eventually(w.t, "the truststore's function to tell "+want, func() bool { // once the events under way are done
		if err := w.Truststore.Drain(ctx); err != nil {
			w.t.Fatal(err)
		}
		before := len(w.logLines(`"TruststoreOutOfStep":`))
		w.DeliverTruststore([]byte("{}"))
		if err := w.Truststore.Drain(ctx); err != nil {
			w.t.Fatal(err)
		}
		if lines := w.logLines(`"TruststoreOutOfStep":`); len(lines) > before {
			told = lines[len(lines)-1].Text
		}
		return strings.Contains(told, want)
	})
}

// holdDomainToPolicy holds calls of API Gateway against a policy: each is allowed, and
// each grant is used by one.
func holdDomainToPolicy(t *testing.T, policy template.Policy, requests []domainapi.Request) {
	t.Helper()
	used := map[template.Grant]bool{}
	for _, r := range requests {
		actions := map[string][]string{http.MethodGet: {"apigateway:GET"}, http.MethodPatch: {"apigateway:PATCH", "apigateway:AddCertificateToDomain"}}[r.Method]
		for _, action := range actions {
			c := template.Call{Action: action, Resource: "arn:aws:apigateway:" + template.Region + "::/domainnames/" + r.Domain, Context: map[string]string{}}
			if r.URI != "" {
				c.Context["apigateway:Request/MtlsTrustStoreUri"] = r.URI
			}
			by, err := policy.Evaluate(c)
			if err != nil {
				t.Fatal(err)
			}
			if len(by) == 0 {
				t.Errorf("the truststore's function made a call that its policy does not allow: %s of %s to %s", action, r.Domain, r.URI)
			}
			for _, grant := range by {
				used[grant] = true
			}
			// To another truststore the domain may not be moved.
			if c.Context["apigateway:Request/MtlsTrustStoreUri"] = "s3://elsewhere/truststore.pem"; r.URI != "" {
				if by, err := policy.Evaluate(c); err != nil || len(by) > 0 {
					t.Errorf("%s is allowed to any truststore: %v, %v", action, by, err)
				}
			}
		}
	}
	for _, grant := range policy.Grants("apigateway") {
		if !used[grant] {
			t.Errorf("the truststore's function is granted what no call used: %+v", grant)
		}
	}
	if len(requests) < 2 {
		t.Errorf("%d calls of API Gateway: this says little", len(requests))
	}
}
