package preprocess

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/crlgate/crlgate/pkg/catalog"
	"github.com/crlgate/crlgate/pkg/issuer"
	"github.com/crlgate/crlgate/pkg/serialset"
)

// entry is a CRL that was read, on its way into the catalog.
type entry struct {
	candidate *Candidate
	source    catalog.Source
	report    *Report
	// lower: the floor of its line is lowered to it (see [Preprocessor.forget]).
	lower bool
	// deep: sets that are there already are read to their end to see whether
	// they are whole, not only measured.
	deep   bool
	asJSON jsonVersion

	// What came of it, once the catalog was changed or found to need no change.
	record   *catalog.CRL
	replaced *catalog.CRL   // what it took the place of
	floor    *catalog.Floor // what was lowered for it
	refused  error          // a *[Refusal]; nil: its content is in force
	entered  bool           // with this change
	here     bool           // in force, from this upload
	woken    []string       // upload keys that waited for it
	beside   []string       // upload keys that wait for the same line as it does
	paired   bool           // it was tried together with one of those

	sets   []*catalog.Set // to be there before the catalog is
	mended bool           // a set that was missing or damaged was written anew
	put    map[string]bool
}

// Bounds of a batch: how many CRLs enter with one write of the catalog, and how
// many octets their sets may have together, since all are held in memory. One
// larger CRL is a batch of its own.
const (
	batchCRLs  = 64
	batchBytes = 16 << 20
)

// batch gathers CRLs that enter together.
type batch struct {
	entries []*entry
	bytes   int64
}

// full reports whether the batch must be entered before another is read.
func (b *batch) full() bool { return len(b.entries) >= batchCRLs || b.bytes >= batchBytes }

func (b *batch) add(e *entry) {
	b.entries = append(b.entries, e)
	b.bytes += e.candidate.size()
}

// size is the octets of all its sets.
func (c *Candidate) size() int64 {
	n := c.Image.Size()
	for _, o := range c.Others {
		n += o.Image.Size()
	}
	return n
}

// enterAll enters CRLs into the catalog with one write of it, and reports on
// each once that is written: a report never says more than the catalog. Where
// the catalog cannot be written none is reported on, and all are read again. It
// reports whether any entered.
func (p *Preprocessor) enterAll(ctx context.Context, entries []*entry, now time.Time) (entered bool, err error) {
	if len(entries) == 0 {
		return false, nil
	}
	return p.enterInto(ctx, entries, func(_ *catalog.Catalog, decide func() (bool, error)) (bool, error) { return decide() }, now)
}

// enterInto is enterAll; around may change the catalog besides, with the same
// write, before and after the CRLs are decided on.
func (p *Preprocessor) enterInto(ctx context.Context, entries []*entry, around func(c *catalog.Catalog, decide func() (bool, error)) (bool, error), now time.Time) (entered bool, err error) {
	if p.config.CacheJSON {
		for _, e := range entries {
			if e.asJSON, err = p.findJSON(ctx, e.source.Key); err != nil {
				return false, err
			}
		}
	}
	_, err = p.change(ctx, now, func(cat *catalog.Catalog) (bool, error) {
		return around(cat, func() (bool, error) { return p.decide(ctx, cat, entries, now) })
	})
	if err != nil && len(entries) > 0 {
		err = fmt.Errorf("%s: %w", named(entries), err)
	}
	if err != nil {
		return false, err
	}
	var errs []error
	var woken []string
	mine := map[string]bool{}
	for _, e := range entries {
		mine[e.source.Key] = true
		entered = entered || e.entered
		woken = append(woken, e.woken...)
		errs = append(errs, p.conclude(ctx, e, now))
	}
	for _, e := range entries {
		in, err := p.pair(ctx, e, now)
		entered = entered || in
		errs = append(errs, err)
	}
	for _, key := range woken {
		if !mine[key] {
			in, err := p.syncCRL(ctx, key, now)
			entered = entered || in
			errs = append(errs, err)
		}
	}
	return entered, errors.Join(errs...)
}

// named names the CRLs of a batch, for errors.
func named(entries []*entry) string {
	if n := len(entries); n > 1 {
		return fmt.Sprintf("CRL %s and %d more", entries[0].source.Key, n-1)
	}
	return "CRL " + entries[0].source.Key
}

// decide decides on every CRL of a batch, one after the other as if each came
// alone, writes their sets, and enters them into the catalog at hand.
func (p *Preprocessor) decide(ctx context.Context, cat *catalog.Catalog, entries []*entry, now time.Time) (write bool, err error) {
	cas, state, err := issuers(cat)
	if err != nil {
		return false, err
	}
	var missing []string
	for _, e := range entries {
		if err := e.judge(cas, state, now); err != nil {
			return false, err
		}
		if e.refused == nil {
			missing = append(missing, cat.MissingFor(e.report.CA, e.record)...)
		}
	}
	slices.Sort(missing)
	if err := p.attach(ctx, cat, slices.Compact(missing)); err != nil {
		return false, err
	}
	for _, e := range entries {
		if e.refused != nil {
			if !asRefusal(e.refused).Pending {
				write = cat.Unwait(e.source.Key) || write
			}
			continue
		}
		changed, err := p.admit(ctx, cat, e, now)
		if err != nil {
			return false, err
		}
		write = write || changed
	}
	revived, err := p.revive(ctx, cat, entries, now)
	if err != nil {
		return false, err
	}
	write = write || revived
	return write, p.putSets(ctx, entries, now)
}

// judge verifies the CRL, forgetting what a try before came to.
func (e *entry) judge(cas []*issuer.CA, state string, now time.Time) error {
	e.record, e.replaced, e.floor, e.refused, e.woken, e.beside, e.sets = nil, nil, nil, nil, nil, nil, nil
	e.entered, e.here, e.mended = false, false, false
	r := e.report
	r.Issuers = state
	v, err := e.candidate.Verify(cas, now)
	if refusal := asRefusal(err); refusal != nil {
		e.refused = refusal
		return nil
	}
	if err != nil {
		return err
	}
	e.record = v.Record(e.source, now)
	r.CA, r.Line, r.Base, r.Scope = v.CA.Name, v.Line, e.record.Base, &e.record.Scope
	return nil
}

// admit enters one CRL into the catalog at hand, if it may. It reports whether
// that changed the catalog.
func (p *Preprocessor) admit(ctx context.Context, cat *catalog.Catalog, e *entry, now time.Time) (changed bool, err error) {
	ca, record := e.report.CA, e.record
	e.refused, e.beside = nil, nil
	code, why := cat.Admit(ca, record, now)
	if e.lower && code.BelowFloor() {
		e.floor = cat.Floor(record.Line)
		cat.LowerFloor(ca, record)
		code, why = cat.Admit(ca, record, now)
	}
	switch code {
	case catalog.Succeeds:
	case catalog.Same:
		e.report.accept(Unchanged, why)
		e.woken = cat.Wake(record.Line) // a try before may have ended before it came to them
		return p.keep(ctx, cat, e)
	case catalog.Expired:
		e.refused = pending(Expired, "%s", why)
		return e.wait(cat, record.Line), nil
	case catalog.BaseMissing:
		e.refused = pending(BaseMissing, "%s", why)
		return e.wait(cat, record.Base.Line), nil
	default:
		e.refused = refused(Code(code), "%s", why)
		return cat.Unwait(e.source.Key), nil
	}
	return true, p.publish(ctx, cat, e, now)
}

// publish enters one CRL that may enter into the catalog at hand.
func (p *Preprocessor) publish(ctx context.Context, cat *catalog.Catalog, e *entry, now time.Time) error {
	ca, record := e.report.CA, e.record
	e.refused, e.beside = nil, nil
	e.replaced = cat.Serving(ca, &record.Scope, record.Line)
	cat.Publish(ca, record)
	e.woken = cat.Wake(record.Line)
	if err := p.split(ctx, cat, ca); err != nil {
		return err
	}
	e.sets, e.entered, e.here = record.AllSets(), true, true
	until := "until " + stamp(record.NextUpdate)
	if now.After(record.NextUpdate) {
		until = fmt.Sprintf("and past its nextUpdate %s: what it lists is revoked, and it makes nothing good by itself", stamp(record.NextUpdate))
	}
	e.report.accept(Accepted, fmt.Sprintf("CRL number %s of CA %s is in force, with %d entries, %s", record.Number, ca, record.Entries, until))
	return nil
}

// keep sees to it that a CRL in force has its sets: one that was lost or
// damaged since is written anew.
func (p *Preprocessor) keep(ctx context.Context, cat *catalog.Catalog, e *entry) (changed bool, err error) {
	changed = cat.MoveSource(e.report.CA, e.record)
	serving := cat.Serving(e.report.CA, &e.record.Scope, e.record.Line)
	e.here = inForce(cat, e.report.CA, e.record)
	have := serving.AllSets()
	if words := serving.Differs(e.record); words != "" {
		// Another version of crlgate flattened it, or the catalog was tampered with.
		p.log.Warn("CRL entered anew", "crl", e.source.Key, "ca", e.report.CA, "detail", words)
		again := *e.record
		again.Name, again.Source, again.Accepted = serving.Name, serving.Source, serving.Accepted
		cat.Replace(e.report.CA, &again)
		e.sets, e.mended = e.record.AllSets(), true
		return true, nil
	}
	for _, set := range have {
		fault, err := p.setFault(ctx, set, e.deep)
		if err != nil {
			return false, err
		}
		if fault != "" && !e.put[set.Key] {
			p.log.Warn("set written anew", "object", set.Key, "crl", e.source.Key, "ca", e.report.CA, "detail", fault)
			e.sets, e.mended = have, true
		}
	}
	if e.mended {
		e.report.Detail += ". A set of it that was lost or damaged was written anew"
	}
	return changed, nil
}

// putSets writes the sets of a batch, before any catalog points to them. Each is
// named by its content, so one that is there already is the same, unless it was
// found to be damaged.
func (p *Preprocessor) putSets(ctx context.Context, entries []*entry, now time.Time) error {
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(parallelParts)
	for _, e := range entries {
		if len(e.sets) == 0 {
			continue
		}
		if e.put == nil {
			e.put = map[string]bool{}
		}
		images := []*serialset.Image{e.candidate.Image}
		for _, o := range e.candidate.Others {
			images = append(images, o.Image)
		}
		for i, set := range e.sets {
			if e.put[set.Key] {
				continue // by a try before
			}
			e.put[set.Key] = true
			g.Go(func() error {
				if e.mended {
					return p.overwrite(ctx, set.Key, images[i].Reader(), "application/octet-stream")
				}
				return p.putImmutable(ctx, set.Key, images[i].Reader(), "application/octet-stream", now)
			})
		}
	}
	return g.Wait()
}

// split spreads a CA's CRLs over more parts of the catalog, if they are many.
func (p *Preprocessor) split(ctx context.Context, cat *catalog.Catalog, ca string) error {
	if !cat.CAs[ca].Crowded() {
		return nil
	}
	if err := p.attach(ctx, cat, cat.MissingCRLs(ca)); err != nil {
		return err
	}
	cat.CAs[ca].Split()
	return nil
}

// conclude tells of a CRL on which the catalog has the last word by now.
func (p *Preprocessor) conclude(ctx context.Context, e *entry, now time.Time) error {
	r := e.report
	if e.refused != nil {
		r.refuse(asRefusal(e.refused))
		return p.reportCRL(ctx, r, now)
	}
	if e.entered {
		p.metrics.CRLAccepted(r.CA, e.record.Name, e.record.Entries, e.record.NextUpdate.Sub(now))
	}
	if p.config.CacheJSON && e.here {
		// Also where the CRL was in force already: a try before may have failed
		// in between.
		if err := p.putJSON(ctx, e.candidate, r.CA, e.record, e.asJSON); err != nil {
			return fmt.Errorf("CRL %s: %w", e.source.Key, err)
		}
	}
	if err := p.reportCRL(ctx, r, now); err != nil {
		return err
	}
	if e.entered {
		p.compare(ctx, e.candidate, r.CA, e.replaced, e.record)
	}
	return nil
}
