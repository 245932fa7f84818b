package e2e

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
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
	dir := os.Getenv("CRLGATE_CONFORMANCE")
	if dir == "" {
		if os.Getenv("CI") != "" {
			t.Fatal("CRLGATE_CONFORMANCE is not set, and this is CI: the public CRLs were not judged")
		}
		t.Skip("CRLGATE_CONFORMANCE is not set: the public CRLs WERE NOT JUDGED")
	}
	f := must[*os.File](t, "the cases")(os.Open(filepath.Join(dir, "manifest.jsonl")))
	defer f.Close()
	ran := 0
	lines := bufio.NewScanner(f)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		var c publicCase
		if err := json.Unmarshal(lines.Bytes(), &c); err != nil {
			t.Fatal(err)
		}
		if strings.HasPrefix(c.ID, "amazon/") {
			ran++
			t.Run(c.ID, func(t *testing.T) { c.run(t, dir) })
		}
	}
	if err := lines.Err(); err != nil || ran == 0 {
		t.Errorf("%d cases of Amazon's CAs in %s, %v", ran, f.Name(), err)
	}
}

// publicCase is a line of the manifest, as far as it is used here.
type publicCase struct {
	ID             string
	Time           time.Time
	Anchor, Issuer string
	Chain          []string
	CRLs           []struct{ Path, Signer, Expect string }
	Leaf           string
	ExpectLeaf     string `json:"expect_leaf"`
}

func (c *publicCase) run(t *testing.T, dir string) {
	files := append([]string{c.Anchor, c.Issuer}, c.Chain...)
	args := []string{"--allow-sha1", "--at", c.Time.Format(time.RFC3339)}
	for _, l := range c.CRLs {
		files = append(files, l.Signer)
		args = append(args, "--crl", filepath.Join(dir, l.Path))
	}
	slices.Sort(files)
	for _, name := range slices.Compact(files) {
		args = append(args, "--issuer", filepath.Join(dir, name))
	}
	got := check(t, append(args, filepath.Join(dir, c.Leaf))...)
	for i, l := range c.CRLs {
		if g := got.CRLs[i]; g.Accepted != (l.Expect == "accept") || g.File != filepath.Join(dir, l.Path) {
			t.Errorf("%s: %+v, want %s", l.Path, g, l.Expect)
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
