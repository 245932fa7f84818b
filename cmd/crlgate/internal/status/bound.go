package status

import (
	"fmt"
	"time"

	"github.com/crlgate/crlgate/cmd/crlgate/internal/terminal"
)

// Bounds of the authorizer that no setting changes (docs/freshness.md).
const (
	// Refresh is how long one refresh of the catalog takes at most.
	Refresh = 5 * time.Second
	// Load is how long a refresh waits for a new set; after that the old one answers
	// until the new one is there.
	Load = 2 * time.Second
)

// Bound is how long after a revocation the certificate is denied, as far as the
// authorizer's settings tell: T = C + F + E + P + A + L (docs/freshness.md).
type Bound struct {
	RevalidateAfter int64 `json:"revalidate_after_seconds"`
	MaxUnvalidated  int64 `json:"max_unvalidated_seconds"`
	// Assumed: the settings are the defaults, and a deployment may have others.
	Assumed bool `json:"assumed"`
	// Catalog is A: from the catalog's writing until every authorizer goes by it.
	Catalog int64 `json:"a_seconds"`
	Load    int64 `json:"l_seconds"` // L
}

// NewBound returns the bound under these settings of the authorizer.
func NewBound(revalidateAfter, maxUnvalidated time.Duration, assumed bool) *Bound {
	seconds := func(d time.Duration) int64 { return int64((d + time.Second - 1) / time.Second) }
	return &Bound{seconds(revalidateAfter), seconds(maxUnvalidated), assumed, seconds(InForce(revalidateAfter)), seconds(Load)}
}

// InForce is A: how long after the catalog was written every authorizer that S3
// answers goes by it.
func InForce(revalidateAfter time.Duration) time.Duration { return revalidateAfter + Refresh }

// words say the bound term by term.
func (b *Bound) words() []string {
	span := func(seconds int64) string { return terminal.Span(time.Duration(seconds) * time.Second) }
	settings := "the authorizer's settings"
	if b.Assumed {
		settings = "the defaults; --revalidate-after and --max-unvalidated say otherwise"
	}
	return []string{
		"T = C + F + E + P + A + L (docs/freshness.md), under " + settings,
		"C, F  until the CA publishes a CRL, and until that is uploaded: the CA's, and its fetcher's. deny does without",
		"E, P  S3's event and the preprocessor's run: seconds as a rule; a lost event waits for the timer",
		fmt.Sprintf("A     at most %s: REVALIDATE_AFTER %s and one refresh, at most %s", span(b.Catalog), span(b.RevalidateAfter), terminal.Span(Refresh)),
		fmt.Sprintf("L     at most %s for a new set; a set that takes longer is loaded behind the old one's back", span(b.Load)),
		fmt.Sprintf("While S3 cannot be reached: what is warm answers for MAX_UNVALIDATED, %s, and then all are denied", span(b.MaxUnvalidated)),
	}
}
