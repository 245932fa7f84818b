package e2e

import (
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/crlgate/crlgate/cmd/crlgate/internal/stack"
	"github.com/crlgate/crlgate/internal/pki"
	"github.com/crlgate/crlgate/pkg/issuer"
	"github.com/crlgate/crlgate/pkg/objectstore"
	"github.com/crlgate/crlgate/pkg/preprocess"
)

// TestObserve has MODE=observe let through what revocation denies, and say so;
// and nothing else.
func TestObserve(t *testing.T) {
	t.Parallel()
	w := prepare(t, stack.Config{Authorizer: map[string]string{"MODE": "observe"}})
	beta := newCA(t, "beta")
	w.trust(beta)
	below := newCAWith(t, "below", pki.CAOptions{Name: w.ca.Certificate.Subject, Parent: w.ca.CA})
	w.expect(w.good, http.StatusOK, "good")
	for leaf, reason := range map[*pki.Leaf]string{w.revoked: "revoked", beta.issue("beta client"): "no_crl", below.issue("of a CA below"): "unknown_issuer"} {
		if a := w.expect(leaf, http.StatusOK, reason); a.record.Context["would_deny"] != "true" || a.record.Decision != "allow" {
			t.Errorf("%s: context %v, want an allow that would be a deny", reason, a.record.Context)
		}
		w.awaitLog(`"reason":"`+reason+`"`, `"would_deny":true`)
	}
	eventually(t, "the metric of what would be denied", func() bool {
		w.get(w.revoked) // metrics are written with a request, now and then
		return w.logged(`"_aws"`, `"WouldDeny"`) != ""
	})
	// What is no question of revocation is denied in observe, too.
	for _, event := range []string{"rest-no-certificate.json", "rest-malformed.json"} {
		payload := must[[]byte](t, "reading an event")(os.ReadFile(filepath.Join("..", "..", "..", "events", event)))
		r, err := w.Authorizer.Invoke(t.Context(), payload)
		if err != nil || r.Err() != nil || !strings.Contains(string(r.Payload), `"Effect":"Deny"`) {
			t.Errorf("%s: %s (%v, %v), want a policy that denies", event, r.Payload, err, r.Err())
		}
	}
}

// TestSettingsOfACA uploads issuers/<ca>.json over and over: each takes effect,
// and one that is refused changes nothing.
func TestSettingsOfACA(t *testing.T) {
	t.Parallel()
	w := startWarm(t, stack.Config{})
	beta := newCA(t, "beta")
	betaLeaf := beta.issue("beta client")
	w.trust(beta)
	serial := func(l *pki.Leaf) string { return l.Certificate.SerialNumber.Text(16) }
	refused := func(text string, code issuer.Code) {
		t.Helper()
		r := w.upload("issuers/alpha.json", []byte(text), preprocess.OutcomeRefused)
		if r.Code != preprocess.Code(code) || r.Detail == "" {
			t.Errorf("settings %s are refused as %s (%s), want %s", text, r.Code, r.Detail, code)
		}
	}

	// The deny list revokes before any CRL does.
	w.settings(w.ca, map[string]any{"deny": []string{serial(w.good)}})
	w.expect(w.good, http.StatusForbidden, "revoked")
	refused(`{"deny": ["00"], "mod": "observe"}`, issuer.SettingsUnknownKey)
	refused(`{"mode": "observ"}`, issuer.SettingsInvalidValue)
	refused(`{"deny": ["00"], "deny": []}`, issuer.SettingsMalformed)
	refused(`{"allow_until": "`+time.Now().Add(9*24*time.Hour).UTC().Format(time.RFC3339)+`"}`, issuer.SettingsInvalidValue)
	w.expect(w.good, http.StatusForbidden, "revoked")
	w.expect(w.revoked, http.StatusForbidden, "revoked")

	// observe, of this CA and no other.
	w.settings(w.ca, map[string]any{"mode": "observe"})
	w.expect(w.good, http.StatusOK, "good")
	if a := w.expect(w.revoked, http.StatusOK, "revoked"); a.record.Context["would_deny"] != "true" {
		t.Errorf("context in observe: %v", a.record.Context)
	}
	w.expect(betaLeaf, http.StatusForbidden, "no_crl")

	// A CA without CRL: optional, and break-glass.
	w.settings(beta, map[string]any{"crl": "optional"})
	w.expect(betaLeaf, http.StatusOK, "no_crl")
	w.settings(beta, map[string]any{"allow_until": time.Now().Add(time.Hour).UTC().Format(time.RFC3339), "deny": []string{serial(beta.issue("another")), "0a"}})
	if a := w.expect(betaLeaf, http.StatusOK, "no_crl"); a.record.Context["would_deny"] != "true" {
		t.Errorf("context under break-glass: %v", a.record.Context)
	}
	// Break-glass does not let a hit through, and it ends by itself.
	until := time.Now().Add(5 * time.Second).Truncate(time.Second)
	listed := beta.issue("listed")
	w.settings(beta, map[string]any{"allow_until": until.UTC().Format(time.RFC3339), "deny": []string{serial(listed)}})
	w.expect(listed, http.StatusForbidden, "revoked")
	w.await(betaLeaf, http.StatusForbidden, "no_crl", "200 no_crl")
	if now := time.Now(); now.Before(until) {
		t.Errorf("break-glass ended at %v, before %v", now, until)
	}

	// Domain names.
	w.settings(w.ca, map[string]any{"domains": []string{"other.example"}})
	w.expect(w.good, http.StatusForbidden, "ca_not_associated")
	w.settings(w.ca, map[string]any{"domains": []string{"other.example", stack.DomainName}, "mode": "enforce"})
	w.expect(w.good, http.StatusOK, "good")
	w.expect(w.revoked, http.StatusForbidden, "revoked")

	// max_crl_age.
	w.settings(w.ca, map[string]any{"max_crl_age": "1s"})
	w.await(w.good, http.StatusForbidden, "crl_expired", "200 good")
	w.expect(w.revoked, http.StatusForbidden, "revoked")

	// Without the file every setting has its default again.
	if err := w.Uploads.Delete(t.Context(), "issuers/alpha.json", objectstore.DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
	w.Deliver([]byte(preprocess.ReconcileRequest))
	w.awaitOutcome("issuers/alpha.json", preprocess.OutcomeDeleted)
	w.expect(w.good, http.StatusOK, "good")
}

// TestBadSettingsOfTheAuthorizer starts it with several bad settings. It ends,
// having named each, and clients get 500.
func TestBadSettingsOfTheAuthorizer(t *testing.T) {
	t.Parallel()
	w := start(t, stack.Config{Authorizer: map[string]string{
		"MODE": "enfroce", "REVALIDATE_AFTER": "soon", "LOG_ALLOWED": "2", "MEMORY_BUDGET": "lots", "REQUIRE_CHAIN": "yes",
	}})
	alpha := newCA(t, "alpha")
	leaf := alpha.issue("leaf")
	w.trust(alpha)
	w.publish(alpha)
	for range 2 {
		if a := w.get(leaf); a.status != http.StatusInternalServerError {
			t.Errorf("with bad settings: %v, want 500", a)
		}
	}
	for _, fault := range []string{`MODE is "enfroce"`, `REVALIDATE_AFTER is "soon"`, `LOG_ALLOWED is "2"`, `MEMORY_BUDGET is "lots"`, `REQUIRE_CHAIN is "yes"`} {
		w.awaitLog(fault)
	}
	w.awaitLog("5 settings cannot be used")
	eventually(t, "no authorizer process to be left", func() bool { return len(w.pids()) == 0 })
}

// TestBadSettingsOfThePreprocessor starts it with several bad settings. It ends,
// having named each, and the event goes to the failure queue.
func TestBadSettingsOfThePreprocessor(t *testing.T) {
	t.Parallel()
	w := start(t, stack.Config{Preprocessor: map[string]string{
		"MAX_CRL_BYTES": "lots", "ALLOW_SHA1": "perhaps", "CRL_PREFIXES": "issuers/crls/", "PINNED_ISSUERS": "abc",
	}})
	w.put("issuers/alpha.pem", newCA(t, "alpha").PEM())
	eventually(t, "the event to be on the failure queue", func() bool { return len(w.Failures()) > 0 })
	if record := string(w.Failures()[0]); !strings.Contains(record, "RetriesExhausted") || !strings.Contains(record, "issuers%2Falpha.pem") && !strings.Contains(record, "issuers/alpha.pem") {
		t.Errorf("the failure queue holds %s", record)
	}
	for _, fault := range []string{`MAX_CRL_BYTES is "lots"`, `ALLOW_SHA1 is "perhaps"`, `CRL_PREFIXES is "issuers/crls/"`, `PINNED_ISSUERS is "abc"`} {
		w.awaitLog(fault)
	}
}
