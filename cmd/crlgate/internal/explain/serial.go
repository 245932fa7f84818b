package explain

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/crlgate/crlgate/pkg/authorize"
	"github.com/crlgate/crlgate/pkg/objectstore"
	"github.com/crlgate/crlgate/pkg/revocation"
)

// runSerial explains what is known of a serial number whose certificate is not at
// hand.
func runSerial(ctx context.Context, store revocation.Store, in *Input) (*Report, error) {
	noted := &noting{Store: store}
	t, err := in.cache(noted).ExplainSerial(ctx, in.CA, in.Serial, in.At)
	switch {
	case noted.failed() != nil && errors.Is(err, revocation.ErrNoCatalog):
		return nil, fmt.Errorf("reading the catalog: %w", noted.failed())
	case errors.Is(err, revocation.ErrNoCatalog):
		return nil, fmt.Errorf("the cache bucket holds no catalog.json: no CA is known: %w", objectstore.ErrNotFound)
	case err != nil:
		return nil, err
	case len(t.Answers) == 0:
		return nil, fmt.Errorf("CA %s has no certificate that may issue others: it only signs CRLs", in.CA)
	}
	domain, assumed := in.Domain, []string{"it is an end-entity certificate of CA " + in.CA}
	if s := served(&t.Answers[0].Answer.Settings); domain == "" && s != "" {
		domain, assumed = s, append(assumed, assumedDomain(s))
	}
	var all []*authorize.Explanation
	for i := range t.Answers {
		a := &t.Answers[i]
		all = append(all, authorize.ExplainAnswer(&a.Answer, a.Trace, in.Settings, domain, in.At))
	}
	// The one that says most is shown: a hit, or else the first.
	shown := max(0, slices.IndexFunc(all, func(e *authorize.Explanation) bool { return e.Facts.Answer.Status == revocation.Revoked }))
	r := newReport(all[shown], in, assumed)
	for _, l := range t.Elsewhere {
		c := complete(l, in.At)
		c.Vouches = true
		r.CRLs = append(r.CRLs, c)
	}
	r.Verdict.Undetermined = undetermined(all, t)
	r.Steps = steps(r, all[shown], in)
	return r, nil
}

// undetermined says why the answer depends on what only the certificate says; "":
// it does not.
func undetermined(all []*authorize.Explanation, t *revocation.SerialTrace) string {
	first := all[0].Decision
	ask := "; give the certificate itself: crlgate explain CERT"
	if slices.ContainsFunc(all, func(e *authorize.Explanation) bool { return e.Facts.Answer.Status == revocation.Revoked }) {
		return "" // whoever issued it, and whatever it says
	}
	for _, l := range t.Elsewhere {
		if slices.ContainsFunc(l.Lookups, (*revocation.Lookup).Listed) {
			return fmt.Sprintf("CRL %s lists it, and speaks only of certificates that name its distribution point (%s)%s", printable(l.Record.Source.Key), strings.Join(generalNames(l.Record.Scope.Points), ", "), ask)
		}
		if i := slices.IndexFunc(l.Lookups, func(f *revocation.Lookup) bool { return f.Err != nil }); i >= 0 {
			return fmt.Sprintf("CRL %s could not be asked: %v", printable(l.Record.Source.Key), l.Lookups[i].Err)
		}
	}
	for _, e := range all[1:] {
		if e.Decision != first {
			return "the CA has more than one key, and the answer depends on which of them issued the certificate" + ask
		}
	}
	if first.Reason == authorize.IssuerRevoked || first.Row < 6 {
		return ""
	}
	if len(t.Indirect) > 0 {
		return fmt.Sprintf("CA %s has indirect CRLs, which speak of certificates that name it%s", strings.Join(t.Indirect, ", "), ask)
	}
	if len(t.Elsewhere) == 0 {
		return ""
	}
	own := first.Reason == authorize.Good
	for _, e := range all {
		own = own && e.Trace.Considered.OwnKey
	}
	if own {
		return "" // the issuing key's own CRLs cover every certificate, and the others do not list it
	}
	return fmt.Sprintf("%d CRLs of the CA speak only of certificates that name their distribution points; none lists it, and whether they are needed the certificate says%s", len(t.Elsewhere), ask)
}
