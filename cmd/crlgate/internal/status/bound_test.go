package status

import (
	"strings"
	"testing"
	"time"
)

func TestBoundSaysItsTerms(t *testing.T) {
	s := newDeployment(t).status()
	if got := printed(t, s); strings.Contains(got, "From a revocation") {
		t.Errorf("a bound without settings: %s", got)
	}
	s.Bound = NewBound(10*time.Second, 15*time.Minute, true)
	if b := s.Bound; b.Catalog != 15 || b.Load != 2 || b.RevalidateAfter != 10 || b.MaxUnvalidated != 900 {
		t.Errorf("%+v", b)
	}
	got := printed(t, s)
	for _, want := range []string{"T = C + F + E + P + A + L", "the defaults; --revalidate-after", "at most 15s: REVALIDATE_AFTER 10s and one refresh, at most 5s", "at most 2s for a new set", "MAX_UNVALIDATED, 15m"} {
		if !strings.Contains(got, want) {
			t.Errorf("no %q in %s", want, got)
		}
	}
	s.Bound = NewBound(500*time.Millisecond, time.Minute, false)
	if b := s.Bound; b.Catalog != 6 || b.RevalidateAfter != 1 {
		t.Errorf("a part of a second is not rounded up: %+v", b)
	}
	if got := printed(t, s); !strings.Contains(got, "the authorizer's settings") {
		t.Errorf("%s", got)
	}
}
