package explain

import (
	"bufio"
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/crlgate/crlgate/cmd/crlgate/internal/check"
	"github.com/crlgate/crlgate/pkg/authorize"
)

// row is one case of the third-party set, as far as it says what is given.
type row struct {
	ID             string
	Time           time.Time
	Anchor, Issuer string
	Chain          []string
	CRLs           []struct{ Path, Signer string }
	Leaf           *string
}

// TestConformanceAgrees: on every case of the third-party set, explain's verdict
// is the authorizer's response and that of check, whatever the settings.
func TestConformanceAgrees(t *testing.T) {
	dir := os.Getenv("CRLGATE_CONFORMANCE")
	if dir == "" {
		if os.Getenv("CI") != "" {
			t.Fatal("CRLGATE_CONFORMANCE is not set: the third-party cases did not run")
		}
		t.Skip("CRLGATE_CONFORMANCE is not set: the third-party cases DID NOT RUN")
	}
	f, err := os.Open(filepath.Join(dir, "manifest.jsonl"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	lines := bufio.NewScanner(f)
	lines.Buffer(nil, 1<<20)
	answers := map[string]int{}
	for lines.Scan() {
		var r row
		if err := json.Unmarshal(lines.Bytes(), &r); err != nil {
			t.Fatal(err)
		}
		if r.Leaf != nil {
			answers[r.agree(t, dir)]++
		}
	}
	t.Logf("%v", answers)
	if answers["good"] < 30 || answers["revoked"] < 30 || answers["unknown"] < 30 {
		t.Errorf("too few answers of one status: %v", answers)
	}
}

func (r *row) agree(t *testing.T, dir string) (status string) {
	in := check.Input{At: r.Time, AllowSHA1: true, Cert: filepath.Join(dir, *r.Leaf)}
	issuers := append([]string{r.Anchor, r.Issuer}, r.Chain...)
	for _, c := range r.CRLs {
		issuers = append(issuers, c.Signer)
		in.CRLs = append(in.CRLs, filepath.Join(dir, c.Path))
	}
	slices.Sort(issuers)
	for _, name := range slices.Compact(issuers) {
		if name != "" {
			in.Issuers = append(in.Issuers, filepath.Join(dir, name))
		}
	}
	_, store, err := check.Build(in)
	if err != nil {
		t.Errorf("%s: %v", r.ID, err)
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
		got := agree(t, r.ID, store, &Input{Certificate: cert, At: r.Time, Settings: s})
		if s == (authorize.Settings{}) && (got.Verdict.Status != *checked.Status || got.Verdict.Decision != *checked.Decision || got.Origin.CA != *checked.CA) {
			t.Errorf("%s: explain says %+v of CA %s, check %s %s of CA %s", r.ID, got.Verdict, got.Origin.CA, *checked.Decision, *checked.Status, *checked.CA)
		}
		status = got.Verdict.Status
	}
	return status
}
