package check_test

import (
	"bufio"
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/crlgate/crlgate/cmd/crlgate/internal/check"
)

// row is one case of the third-party set; its README explains the fields.
type row struct {
	ID, Source, Note string
	Tests            string
	Time             time.Time
	Anchor, Issuer   string
	Chain            []string
	CRLs             []struct{ Path, Signer, Expect string }
	Leaf             *string
	ExpectLeaf       string   `json:"expect_leaf"`
	AlsoOK           []string `json:"also_ok"`
	Tags             []string
}

// score counts the answers of one source.
type score struct{ right, tolerated, failOpen, falseRevocation, noAnswer, crlWrong int }

func (s score) String() string {
	return fmt.Sprintf("right %d, tolerated %d, fail-open %d, false revocation %d, no answer %d, CRLs judged wrongly %d", s.right, s.tolerated, s.failOpen, s.falseRevocation, s.noAnswer, s.crlWrong)
}

// TestConformance runs the third-party cases through check.
func TestConformance(t *testing.T) {
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
	scores := map[string]*score{}
	lines := bufio.NewScanner(f)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		var r row
		if err := json.Unmarshal(lines.Bytes(), &r); err != nil {
			t.Fatal(err)
		}
		if scores[r.Source] == nil {
			scores[r.Source] = &score{}
		}
		r.run(t, dir, scores[r.Source])
	}
	for _, source := range slices.Sorted(maps.Keys(scores)) {
		t.Logf("%s: %v", source, scores[source])
	}
}

func (r *row) run(t *testing.T, dir string, s *score) {
	at := func(name string) string { return filepath.Join(dir, name) }
	in := check.Input{At: r.Time, AllowSHA1: true}
	issuers := append([]string{r.Anchor, r.Issuer}, r.Chain...)
	for _, c := range r.CRLs {
		issuers = append(issuers, c.Signer)
		in.CRLs = append(in.CRLs, at(c.Path))
	}
	slices.Sort(issuers)
	for _, name := range slices.Compact(issuers) {
		if name != "" {
			in.Issuers = append(in.Issuers, at(name))
		}
	}
	if r.Leaf != nil {
		in.Cert = at(*r.Leaf)
	}
	got, err := check.Run(t.Context(), in)
	if err != nil {
		t.Errorf("%s: %v", r.ID, err)
		return
	}
	for i, c := range r.CRLs {
		if c.Expect != "either" && got.CRLs[i].Accepted != (c.Expect == "accept") {
			s.crlWrong++
			t.Errorf("%s (%s): CRL %s accepted: %v, want %s: %s; note: %s", r.ID, r.Tests, c.Path, got.CRLs[i].Accepted, c.Expect, got.CRLs[i].Detail, r.Note)
		}
	}
	if r.Leaf == nil {
		s.right++
		return
	}
	status := cmp.Or(*got.Status, "")
	if status == "unknown" {
		status = "undetermined"
	}
	switch {
	case status == r.ExpectLeaf:
		s.right++
		return
	case slices.Contains(r.AlsoOK, status):
		s.tolerated++
		return
	case status == "good":
		s.failOpen++
	case status == "revoked" && r.ExpectLeaf == "good":
		s.falseRevocation++
	default:
		s.noAnswer++
	}
	t.Errorf("%s (%s): %s, want %s (also %v): %s %s; note: %s", r.ID, r.Tests, status, r.ExpectLeaf, r.AlsoOK, *got.Reason, got.Detail, r.Note)
}
