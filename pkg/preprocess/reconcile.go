package preprocess

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/crlgate/crlgate/pkg/catalog"
	"github.com/crlgate/crlgate/pkg/objectstore"
)

// Reconcile looks at everything in the upload bucket and moves the catalog to
// it: events that were lost, uploads that were pending, issuers withdrawn, sets
// that were lost. Then it sweeps what nothing refers to any more.
func (p *Preprocessor) Reconcile(ctx context.Context, now time.Time) error {
	return p.reconcile(ctx, nil, false, now)
}

// reconcile is Reconcile, with CRLs that are read again whatever their reports
// say.
func (p *Preprocessor) reconcile(ctx context.Context, again map[string]bool, deep bool, now time.Time) error {
	err := p.recoverCatalog(ctx)
	if err == nil {
		err = errors.Join(p.reconcileIssuers(ctx, now), p.publishTruststore(ctx, now), p.reconcileAllCRLs(ctx, again, deep, now), p.measure(ctx, now))
	}
	if err == nil {
		err = p.sweep(ctx, now)
	}
	if err != nil {
		return fmt.Errorf("reconciling: %w", err)
	}
	return nil
}

// reconcileAllCRLs looks at every CRL until none enters any more: one that is
// accepted can be what another waited for.
func (p *Preprocessor) reconcileAllCRLs(ctx context.Context, again map[string]bool, deep bool, now time.Time) error {
	for range 3 {
		entered, err := p.reconcileCRLs(ctx, again, deep, now)
		if err != nil || !entered {
			return err
		}
		again, deep = nil, false // once is enough
	}
	return nil
}

// reportCheck is how long after a CRL was accepted it is made sure that its
// report says so: the catalog may have been written, and the report not.
const reportCheck = 2 * time.Hour

// acceptedSince returns the upload keys of CRLs in force that entered after a moment.
func acceptedSince(cat *catalog.Catalog, t time.Time) map[string]bool {
	out := map[string]bool{}
	for _, ca := range cat.CAs {
		for l := range ca.Lists() {
			out[l.Source.Key] = out[l.Source.Key] || l.Accepted.After(t)
		}
	}
	return out
}

// reported reports whether the report on an upload that is in force says so.
func (p *Preprocessor) reported(ctx context.Context, object objectstore.Object) (bool, error) {
	r, err := ReadReport(ctx, p.cache, object.Key)
	return r != nil && r.ETag == string(object.Version) && r.Outcome == OutcomeAccepted, err
}

// round is one look at every CRL upload.
type round struct {
	p       *Preprocessor
	cat     *catalog.Catalog
	now     time.Time
	again   map[string]bool     // upload keys to be read in any case
	deep    bool                // with every octet of their sets
	faulty  map[string]bool     // upload keys of CRLs whose sets are missing or of another size
	inForce map[string][]string // ETags by upload key
	young   map[string]bool
	present map[string]bool

	batch   batch
	entered bool
	errs    []error
}

// reconcileCRLs looks at every CRL upload. It reports whether any entered.
func (p *Preprocessor) reconcileCRLs(ctx context.Context, again map[string]bool, deep bool, now time.Time) (entered bool, err error) {
	r := &round{p: p, now: now, again: again, deep: deep, present: map[string]bool{}}
	if err := r.begin(ctx); err != nil {
		return false, err
	}
	for _, prefix := range p.config.CRLPrefixes {
		for object, err := range p.uploads.List(ctx, prefix) {
			if err != nil {
				r.enter(ctx)
				return r.entered, errors.Join(append(r.errs, err)...)
			}
			if kind, _ := p.config.Class(object.Key); kind != KindCRL || r.present[object.Key] {
				continue
			}
			r.present[object.Key] = true
			r.look(ctx, object)
		}
	}
	r.enter(ctx)
	r.gone(ctx)
	return r.entered, errors.Join(r.errs...)
}

// begin reads what the round goes by.
func (r *round) begin(ctx context.Context) (err error) {
	if r.cat, _, err = r.p.loadCatalog(ctx); err != nil {
		return err
	}
	if err := r.p.attach(ctx, r.cat, r.cat.Missing()); err != nil {
		return err
	}
	if r.faulty, err = r.p.faultySets(ctx, r.cat); err != nil {
		return err
	}
	r.inForce = r.cat.InForce()
	r.young = acceptedSince(r.cat, r.now.Add(-reportCheck))
	return nil
}

// look examines one upload, unless it is known to need no look.
func (r *round) look(ctx context.Context, object objectstore.Object) {
	key := object.Key
	here := slices.Contains(r.inForce[key], string(object.Version))
	// A set can be made anew only of the upload that it was made of.
	look := how{again: r.again[key] || here && (r.faulty[key] || r.deep), deep: r.again[key] || r.deep}
	if !look.again && here {
		if !r.young[key] {
			return // in force: nothing to read
		}
		done, err := r.p.reported(ctx, object)
		if err != nil {
			r.errs = append(r.errs, err)
		}
		if done || err != nil {
			return
		}
	}
	e, err := r.p.examine(ctx, r.cat, key, look, r.now)
	if err != nil {
		r.errs = append(r.errs, err)
	}
	if e == nil || err != nil {
		return
	}
	r.batch.add(e)
	if r.batch.full() {
		r.enter(ctx)
	}
}

// enter enters what was gathered.
func (r *round) enter(ctx context.Context) {
	in, err := r.p.enterAll(ctx, r.batch.entries, r.now)
	r.entered = r.entered || in
	if err != nil {
		r.errs = append(r.errs, err)
	}
	r.batch = batch{}
}

// gone says of CRLs in force whose upload is gone that they are, once, and
// counts them.
func (r *round) gone(ctx context.Context) {
	keys := maps.Clone(r.again)
	if keys == nil {
		keys = map[string]bool{}
	}
	for key := range r.inForce {
		keys[key] = true
	}
	r.staleCRLs(ctx, keys)
	for key := range keys {
		if r.present[key] {
			continue
		}
		if _, err := r.p.examine(ctx, r.cat, key, how{}, r.now); err != nil {
			r.errs = append(r.errs, err)
		}
		if r.faulty[key] {
			r.p.log.Error("set lost, and its upload is gone", "crl", key, "detail", "a set of the CRL in force is lost or damaged, and is made anew only of its upload: upload the CRL again, or a newer one")
		}
	}
	for name, ca := range r.cat.CAs {
		for l := range ca.Lists() {
			if !r.present[l.Source.Key] {
				r.p.metrics.UploadGone(name, l.Name)
			}
		}
	}
	r.unwait(ctx)
}

// unwait sees to it that no upload waits that is gone.
func (r *round) unwait(ctx context.Context) {
	var waits []string
	for key := range r.cat.Waiting {
		if !r.present[key] {
			waits = append(waits, key)
		}
	}
	if len(waits) == 0 {
		return
	}
	_, err := r.p.change(ctx, r.now, func(c *catalog.Catalog) (bool, error) {
		changed := false
		for _, key := range waits {
			changed = c.Unwait(key) || changed
		}
		return changed, nil
	})
	if err != nil {
		r.errs = append(r.errs, err)
	}
}
