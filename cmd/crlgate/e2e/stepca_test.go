package e2e

import (
	"bytes"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/crlgate/crlgate/cmd/crlgate/internal/gateway"
	"github.com/crlgate/crlgate/internal/pki"
	"github.com/crlgate/crlgate/pkg/fetch"
	"github.com/crlgate/crlgate/pkg/preprocess"
)

// TestStepCA: a certificate that is revoked at a step-ca is denied at the gateways,
// without a hand on any file, within the bound that crlgate status states. Then
// what docs/fetcher.md says of step-ca's CRLs.
func TestStepCA(t *testing.T) {
	if os.Getenv("CRLGATE_STEP_CA") == "" {
		t.Skip("CRLGATE_STEP_CA does not name a step-ca binary: fetching from step-ca WAS NOT TESTED; make test-step-ca builds it and does")
	}
	t.Parallel()
	const revalidateAfter = "2s"
	c := quickFetcher()
	c.Forms = []gateway.Form{gateway.REST, gateway.HTTP1, gateway.HTTP2}
	c.Authorizer = map[string]string{"REVALIDATE_AFTER": revalidateAfter}
	w := start(t, c)
	root := newCA(t, "step-root")
	below := newCAWith(t, "step", pki.CAOptions{Name: namedFor("step"), Parent: root.CA})
	ca := newStepCA(t, below)
	revoked, good, third := ca.issue(stepClients, "revoked.test"), ca.issue(stepClients, "good.test"), ca.issue(stepClients, "third.test")
	w.trust(root, below)
	ca.settings["crl_urls"] = append(ca.settings["crl_urls"].([]any), ca.overTLS())
	w.settings(below, ca.settings)
	for _, leaf := range []*pki.Leaf{revoked, good, third} {
		w.awaitForms(leaf, patience, http.StatusOK, "good", "403 no_crl")
	}
	// What the fetcher itself adds, at the settings of this test; step-ca
	// publishes as it revokes; S3's event and the preprocessor's run are
	// "seconds as a rule", and get the patience of every test.
	const fetching = 300*time.Millisecond + time.Second + 10*time.Second
	within := w.statedBound(revalidateAfter) + fetching + patience

	before, header := ca.crl()
	ca.revoke(revoked, int(pki.KeyCompromise))
	w.awaitForms(revoked, within, http.StatusForbidden, "revoked", "200 good")
	w.awaitForms(good, 0, http.StatusOK, "good")
	w.awaitForms(third, 0, http.StatusOK, "good")

	after, _ := ca.crl()
	if after.Number.Cmp(before.Number) <= 0 || len(after.RevokedCertificateEntries) != 1 {
		t.Errorf("the CRL after the revocation: number %v after %v, %d entries", after.Number, before.Number, len(after.RevokedCertificateEntries))
	}
	w.stepProfile(ca, before, header)
	w.stepWithoutPoint(ca)
	w.stepRestarted(ca, revoked, good)
	w.stepReasonSeven(ca, revoked, third, good, within)
}

// stepProfile holds step-ca's first CRL, and how it is served, to docs/fetcher.md.
func (w *world) stepProfile(ca *stepCA, crl *x509.RevocationList, header http.Header) {
	w.t.Helper()
	if err := crl.CheckSignatureFrom(ca.below.Certificate); err != nil {
		w.t.Errorf("the intermediate CA has not signed the CRL: %v", err)
	}
	if validity := crl.NextUpdate.Sub(crl.ThisUpdate); crl.Number.Sign() != 0 || validity != 24*time.Hour {
		w.t.Errorf("the first CRL has the number %v and is valid for %v; 0 and 24h are documented", crl.Number, validity)
	}
	if !slices.ContainsFunc(crl.Extensions, func(e pkix.Extension) bool {
		return e.Id.String() == "2.5.29.28" && e.Critical && bytes.HasSuffix(e.Value, []byte(ca.crlURL))
	}) {
		w.t.Errorf("no critical issuing distribution point with %s: %v", ca.crlURL, crl.Extensions)
	}
	if header.Get("ETag") != "" || header.Get("Last-Modified") != "" {
		w.t.Errorf("step-ca sends validators, and it is documented that it does not: %v", header)
	}
	eventually(w.t, "the fetcher to refuse step-ca's own server certificate", func() bool {
		s := w.state(ca.overTLS())
		return s != nil && s.Code == fetch.TLSFailed
	})
}

// stepWithoutPoint: step-ca's own template writes no CRL distribution point, and
// the CRL speaks only for certificates that name its own.
func (w *world) stepWithoutPoint(ca *stepCA) {
	w.t.Helper()
	w.awaitForms(ca.issue(stepPlain, "plain.test"), 0, http.StatusForbidden, "out_of_scope")
}

// stepRestarted: while step-ca is away nothing changes, and the CRL that it makes
// as it starts succeeds the last one.
func (w *world) stepRestarted(ca *stepCA, revoked, good *pki.Leaf) {
	w.t.Helper()
	number, _ := ca.crl()
	ca.stop()
	eventually(w.t, "the fetcher to find step-ca away", func() bool {
		s := w.state(ca.crlURL)
		return s != nil && s.Outcome == fetch.OutcomeFailed
	})
	w.awaitForms(revoked, 0, http.StatusForbidden, "revoked")
	w.awaitForms(good, 0, http.StatusOK, "good")
	ca.start()
	next, _ := ca.crl()
	if next.Number.Cmp(number.Number) <= 0 {
		w.t.Errorf("started again, step-ca publishes number %v after %v", next.Number, number.Number)
	}
	eventually(w.t, "the next CRL to be accepted", func() bool {
		r := w.stepReport(ca)
		return r != nil && r.Outcome == preprocess.OutcomeAccepted && r.Number == next.Number.String()
	})
	w.awaitForms(revoked, 0, http.StatusForbidden, "revoked")
	w.awaitForms(good, 0, http.StatusOK, "good")
}

// stepReasonSeven: step-ca takes a reason code that RFC 5280 does not have; the
// certificate is denied all the same, the report warns, and what is revoked after
// it is denied too.
func (w *world) stepReasonSeven(ca *stepCA, revoked, third, good *pki.Leaf, within time.Duration) {
	w.t.Helper()
	ca.revoke(third, 7)
	w.awaitForms(third, within, http.StatusForbidden, "revoked", "200 good")
	eventually(w.t, "the report to warn of reason code 7", func() bool {
		r := w.stepReport(ca)
		return r != nil && r.Outcome == preprocess.OutcomeAccepted && len(r.Warnings) == 1 && strings.Contains(r.Warnings[0], "the first with 7")
	})
	w.awaitForms(revoked, 0, http.StatusForbidden, "revoked")
	w.awaitForms(good, 0, http.StatusOK, "good")
	ca.revoke(good, int(pki.Superseded))
	w.awaitForms(good, within, http.StatusForbidden, "revoked", "200 good")
}

// stepReport returns the last report on the CRL that was fetched; nil: there is none.
func (w *world) stepReport(ca *stepCA) *preprocess.Report {
	w.t.Helper()
	s := w.state(ca.crlURL)
	if s == nil {
		return nil
	}
	return must[*preprocess.Report](w.t, "the report")(preprocess.ReadReport(w.t.Context(), w.Cache, s.Key))
}

// awaitForms sends requests to every gateway until each gives this answer; within
// no time it must be the first. Each one before it must be among the allowed.
func (w *world) awaitForms(leaf *pki.Leaf, within time.Duration, status int, reason string, before ...string) {
	w.t.Helper()
	deadline := time.Now().Add(within)
	for form := range w.Gateways {
		for {
			a := w.getVia(form, leaf, "/payments")
			if a.is(status, reason) {
				break
			}
			if got := fmt.Sprintf("%d %s", a.status, a.record.Reason); a.err != nil || !slices.Contains(before, got) {
				w.t.Fatalf("%s (%v): %v, want %d %s", leaf.Certificate.Subject, form, a, status, reason)
			}
			if time.Now().After(deadline) {
				w.t.Fatalf("%s (%v): still %v after %v, want %d %s", leaf.Certificate.Subject, form, a, within, status, reason)
			}
			time.Sleep(50 * time.Millisecond)
		}
	}
}

// statedBound runs crlgate status, which must find all well, and returns the terms
// of the bound that it states in figures, A and L.
func (w *world) statedBound(revalidateAfter string) time.Duration {
	w.t.Helper()
	cmd := exec.CommandContext(w.t.Context(), crlgateBinary, "status", "--json", "--cache-bucket", w.Cache.Name(), "--region", w.S3.Region,
		"--revalidate-after", revalidateAfter)
	cmd.Env = append(os.Environ(), "AWS_ENDPOINT_URL_S3="+w.S3.Endpoint, "AWS_ACCESS_KEY_ID="+w.S3.AccessKey, "AWS_SECRET_ACCESS_KEY="+w.S3.SecretKey)
	var said bytes.Buffer
	cmd.Stderr = &said
	out, err := cmd.Output()
	if err != nil {
		w.t.Fatalf("crlgate status: %v: %s%s", err, said.String(), out)
	}
	var s struct {
		Bound struct {
			Revalidate int64 `json:"revalidate_after_seconds"`
			A          int64 `json:"a_seconds"`
			L          int64 `json:"l_seconds"`
		} `json:"bound"`
	}
	if err := json.Unmarshal(out, &s); err != nil || s.Bound.Revalidate != 2 || s.Bound.A < 2 || s.Bound.L <= 0 {
		w.t.Fatalf("crlgate status states no bound: %v: %s", err, out)
	}
	return time.Duration(s.Bound.A+s.Bound.L) * time.Second
}
