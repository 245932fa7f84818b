package explain

import (
	"os"
	"testing"

	"github.com/crlgate/crlgate/cmd/crlgate/internal/check"
	"github.com/crlgate/crlgate/internal/conformance"
	"github.com/crlgate/crlgate/pkg/authorize"
)

// TestConformanceAgrees: on every case of the third-party set, explain's verdict
// is the authorizer's response and that of check, whatever the settings.
func TestConformanceAgrees(t *testing.T) {
	answers := map[string]int{}
	for _, c := range conformance.Cases(t) {
		if c.Leaf != nil {
			answers[agreeOn(t, &c)]++
		}
	}
	t.Logf("%v", answers)
	if answers["good"] < 30 || answers["revoked"] < 30 || answers["unknown"] < 30 {
		t.Errorf("too few answers of one status: %v", answers)
	}
}

func agreeOn(t *testing.T, c *conformance.Case) (status string) {
	in := check.Input{At: c.Time, AllowSHA1: true, Issuers: c.IssuerFiles(), CRLs: c.CRLFiles(), Cert: c.LeafFile()}
	_, store, err := check.Build(in)
	if err != nil {
		t.Errorf("%s: %v", c.ID, err)
		return ""
	}
	checked, err := check.Run(t.Context(), in)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := os.ReadFile(in.Cert)
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range []authorize.Settings{{}, {RequireChain: true}, {Observe: true}, {Observe: true, RequireChain: true}} {
		got := agree(t, c.ID, store, &Input{Certificate: cert, At: c.Time, Settings: s})
		if s == (authorize.Settings{}) && (got.Verdict.Status != *checked.Status || got.Verdict.Decision != *checked.Decision || got.Origin.CA != *checked.CA) {
			t.Errorf("%s: explain says %+v of CA %s, check %s %s of CA %s", c.ID, got.Verdict, got.Origin.CA, *checked.Decision, *checked.Status, *checked.CA)
		}
		status = got.Verdict.Status
	}
	return status
}
