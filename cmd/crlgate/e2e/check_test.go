package e2e

import (
	"bytes"
	"encoding/json"
	"errors"
	"maps"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/crlgate/crlgate/internal/conformance"
)

// checked is what "crlgate check --json" prints.
type checked struct {
	CRLs []struct {
		File     string `json:"file"`
		Accepted bool   `json:"accepted"`
		Code     string `json:"code"`
		Detail   string `json:"detail"`
		CA       string `json:"ca"`
		Number   string `json:"number"`
		Entries  int    `json:"entries"`
	} `json:"crls"`
	Status   *string `json:"status"`
	Reason   *string `json:"reason"`
	Decision *string `json:"decision"`
	CA       *string `json:"ca"`
	Serial   *string `json:"serial"`
}

// check runs "crlgate check --json" and holds the form of what it prints and
// the exit code that goes with it.
func check(t testing.TB, args ...string) checked {
	t.Helper()
	out, code := run3(t, crlgateBinary, append([]string{"check", "--json"}, args...)...)
	var c checked
	d := json.NewDecoder(strings.NewReader(out))
	d.DisallowUnknownFields()
	if err := d.Decode(&c); err != nil {
		t.Fatalf("crlgate check %q: exit code %d, not the JSON that is documented: %v\n%s", args, code, err, out)
	}
	var keys map[string]json.RawMessage
	if err := json.Unmarshal([]byte(out), &keys); err != nil {
		t.Fatal(err)
	}
	if got := slices.Sorted(maps.Keys(keys)); !slices.Equal(got, []string{"ca", "crls", "decision", "reason", "serial", "status"}) {
		t.Errorf("crlgate check prints the keys %q", got)
	}
	yes := true
	for _, l := range c.CRLs {
		yes = yes && l.Accepted
		if l.Accepted != (l.Code == "") {
			t.Errorf("crlgate check: accepted %v with code %q", l.Accepted, l.Code)
		}
	}
	if c.Decision != nil {
		yes = *c.Decision == "allow"
		if c.Status == nil || c.Reason == nil || c.CA == nil || yes != (*c.Reason == "") || yes != (*c.Status == "good") {
			t.Errorf("crlgate check contradicts itself: %s", out)
		}
	}
	if want := map[bool]int{true: 0, false: 1}[yes]; code != want {
		t.Errorf("crlgate check %q: exit code %d, want %d: %s", args, code, want, out)
	}
	return c
}

// run3 runs a program and returns its standard output and exit code.
func run3(t testing.TB, name string, args ...string) (string, int) {
	t.Helper()
	var stdout, stderr bytes.Buffer
	cmd := exec.CommandContext(t.Context(), name, args...)
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	err := cmd.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	if stderr.Len() > 0 {
		t.Logf("%s %s: %s", filepath.Base(name), args[0], bytes.TrimSpace(stderr.Bytes()))
	}
	return stdout.String(), cmd.ProcessState.ExitCode()
}

// TestPublicCRLs has crlgate check judge CRLs and certificates of Amazon's
// public CAs, of a set of third-party cases that is not in this repository:
// CRLGATE_CONFORMANCE names its folder.
func TestPublicCRLs(t *testing.T) {
	t.Parallel()
	ran := 0
	for _, c := range conformance.Cases(t) {
		if strings.HasPrefix(c.ID, "amazon/") {
			ran++
			t.Run(c.ID, func(t *testing.T) { checkPublic(t, &c) })
		}
	}
	if ran == 0 {
		t.Error("there are no cases of Amazon's CAs")
	}
}

func checkPublic(t *testing.T, c *conformance.Case) {
	args := []string{"--allow-sha1", "--at", c.Time.Format(time.RFC3339)}
	for _, file := range c.CRLFiles() {
		args = append(args, "--crl", file)
	}
	for _, file := range c.IssuerFiles() {
		args = append(args, "--issuer", file)
	}
	got := check(t, append(args, c.LeafFile())...)
	for i, file := range c.CRLFiles() {
		if g, want := got.CRLs[i], c.CRLs[i]; g.Accepted != (want.Expect == "accept") || g.File != file {
			t.Errorf("%s: %+v, want %s", want.Path, g, want.Expect)
		}
	}
	want := map[string]string{"good": "allow", "revoked": "deny"}[c.ExpectLeaf]
	if got.Status == nil || *got.Status != c.ExpectLeaf || *got.Decision != want {
		t.Errorf("status %v, decision %v, want %s and %s", text(got.Status), text(got.Decision), c.ExpectLeaf, want)
	}
}

func text(s *string) string {
	if s == nil {
		return "null"
	}
	return *s
}
