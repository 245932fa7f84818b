package crash

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/crlgate/crlgate/cmd/crlgate/internal/fsck"
)

// check has crlgate fsck look at the buckets, as crlgate fsck --deep --settle 0
// does, and says what it finds and must not, or must find and does not.
func check(ctx context.Context, uploads fsck.Uploads, cache fsck.Cache, want State) (faults []string, err error) {
	o := fsck.Options{Now: time.Now(), IssuerPrefix: "issuers/", CRLPrefixes: []string{"crls/", "crl/"}, Deep: true, SweepAfter: 24 * time.Hour}
	if want.Swept {
		o.SweepAfter = sweepAfter
	}
	r, err := fsck.Check(ctx, uploads, cache, o)
	if err != nil {
		return nil, fmt.Errorf("fsck: %w", err)
	}
	found := map[string]bool{}
	for _, d := range r.Differences {
		what := fmt.Sprintf("%s %s", d.Code, d.Object)
		found[what] = true
		if !slices.Contains(want.Stands, what) && !slices.Contains(want.May, what) {
			faults = append(faults, fmt.Sprintf("fsck finds %s: %s", what, d.Detail))
		}
	}
	for _, what := range want.Stands {
		if !found[what] {
			faults = append(faults, "fsck does not find "+what)
		}
	}
	return faults, nil
}
