package preprocess

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/crlgate/crlgate/pkg/catalog"
	"github.com/crlgate/crlgate/pkg/crl"
	"github.com/crlgate/crlgate/pkg/objectstore"
	"github.com/crlgate/crlgate/pkg/serialset"
)

// syncCRL looks at the upload under a key and, if it is news, takes it through
// the write path: stream, check, flatten, publish, report. It reports whether
// the CRL entered the catalog.
func (p *Preprocessor) syncCRL(ctx context.Context, key string, now time.Time) (entered bool, err error) {
	cat, _, err := p.loadCatalog(ctx)
	if err != nil {
		return false, err
	}
	old, err := ReadReport(ctx, p.cache, key)
	if err != nil {
		return false, err
	}
	opts := objectstore.GetOptions{}
	known, err := p.standing(ctx, cat, old)
	if err != nil {
		return false, err
	}
	if etag := known.settled(old, p.config.rules(), now); etag != "" {
		opts.IfNoneMatch = objectstore.Version(etag)
	}
	body, err := p.uploads.Get(ctx, key, opts)
	switch {
	case errors.Is(err, objectstore.ErrNotModified):
		// An event came twice, or late; or a try before ended too soon.
		return false, errors.Join(p.waitAgain(ctx, cat, old, now), p.wake(ctx, cat, old, now))
	case errors.Is(err, objectstore.ErrNotFound):
		return false, p.deleted(ctx, cat, known.serving, old, key, now)
	case err != nil:
		return false, err
	}
	source := catalog.Source{Key: key, ETag: string(body.Object.Version), VersionID: body.Object.VersionID}
	p.log.Info("reading CRL", "crl", key, "etag", source.ETag, "bytes", body.Object.Size)
	r := &Report{Key: key, ETag: source.ETag, VersionID: source.VersionID, Kind: KindCRL, At: now, Rules: p.config.rules()}
	candidate, err := p.readBody(body)
	if err == nil {
		r.describe(candidate.List, candidate.Entries())
		entered, err = p.publishCRL(ctx, candidate, source, r, now)
	}
	if refusal := asRefusal(err); refusal != nil {
		r.refuse(refusal)
	} else if err != nil {
		return false, fmt.Errorf("CRL %s: %w", key, err)
	}
	if r.Outcome == OutcomeRefused {
		if err := p.unwait(ctx, cat, key, now); err != nil {
			return false, err
		}
	}
	errs := []error{p.reportCRL(ctx, r, now)}
	if entered {
		p.compare(ctx, candidate, r.CA, r.replaced, r.entered)
	}
	return entered, errors.Join(append(errs, p.syncWoken(ctx, r.woken, key, now))...)
}

// readBody reads the upload, pinned to the version that the GET returned, and
// closes it.
func (p *Preprocessor) readBody(body *objectstore.Reader) (*Candidate, error) {
	defer body.Close()
	if limit := p.config.MaxCRLBytes; limit > 0 && body.Object.Size > limit {
		return nil, refused(Code(crl.TooLarge), "it has %d bytes, more than the %d allowed; raise MAX_CRL_BYTES if it is meant to be so large", body.Object.Size, limit)
	}
	return ReadCRL(body, p.config.crlOptions())
}

func (r *Report) describe(l *crl.List, entries int) {
	if l.Number != nil {
		r.Number = l.Number.String()
	}
	this := l.ThisUpdate
	r.ThisUpdate, r.Entries, r.Content = &this, &entries, l.ContentID()
	if !l.NextUpdate.IsZero() {
		next := l.NextUpdate
		r.NextUpdate = &next
	}
}

// standing is what the catalog says of the CRL that a report is about.
type standing struct {
	state   string         // of all issuers
	floor   *catalog.Floor // of its line; nil: no CRL of it was ever accepted
	serving *catalog.CRL   // the CRL of its line that is in force; nil: none
	base    *catalog.CRL   // the same of the line that a delta CRL builds on
}

// standing looks up what settled and deleted ask for.
func (p *Preprocessor) standing(ctx context.Context, cat *catalog.Catalog, old *Report) (s standing, err error) {
	if _, s.state, err = issuers(cat); err != nil || old == nil || old.Line == "" {
		return s, err
	}
	scope := catalog.Scope{}
	if old.Scope != nil {
		scope = *old.Scope
	}
	if err := p.attach(ctx, cat, cat.MissingFor(old.CA, &catalog.CRL{Line: old.Line, Scope: scope})); err != nil {
		return s, err
	}
	s.floor, s.serving = cat.Floor(old.Line), cat.Serving(old.CA, &scope, old.Line)
	if old.Base != nil {
		s.base = cat.Serving(old.CA, &scope, old.Base.Line)
	}
	return s, nil
}

// settled returns the ETag of the upload that needs no second look; "" where
// any upload does.
func (s *standing) settled(old *Report, rules string, now time.Time) string {
	if old == nil || old.Kind != KindCRL {
		return ""
	}
	switch old.Outcome {
	case OutcomeRefused, OutcomePending:
		if old.Rules == rules && !s.curable(old, now) {
			return old.ETag
		}
	case OutcomeAccepted:
		// In force, or succeeded by another. Where neither holds, its CA went
		// away and may have come back: then it may count again.
		if s.serving != nil || s.floor != nil && s.floor.Content != old.Content {
			return old.ETag
		}
	}
	return ""
}

// curable reports whether what would make the CRL count may have come.
func (s *standing) curable(old *Report, now time.Time) bool {
	if old.Issuers != "" && old.Issuers != s.state { // "": refused before issuers mattered
		return true
	}
	switch old.Code {
	case NotYetValid:
		return old.ThisUpdate == nil || !old.ThisUpdate.After(now.Add(Skew))
	case Expired:
		return s.floor != nil // one of its line came, which it may replace
	case BaseMissing:
		return old.Base == nil || s.base != nil && s.base.Number.Int().Cmp(old.Base.Number.Int()) >= 0
	}
	return false
}

// publishCRL verifies a candidate, writes its set and enters it in the catalog.
func (p *Preprocessor) publishCRL(ctx context.Context, candidate *Candidate, source catalog.Source, r *Report, now time.Time) (entered bool, err error) {
	written, asJSON := "", jsonVersion{}
	if p.config.CacheJSON {
		if asJSON, err = p.findJSON(ctx, source.Key); err != nil {
			return false, err
		}
	}
	var record *catalog.CRL
	var replaced *catalog.CRL
	var waits error    // why the CRL is pending
	var woken []string // upload keys that waited for this CRL
	here := false      // in force, from this upload
	_, err = p.change(ctx, now, func(cat *catalog.Catalog) (bool, error) {
		entered, here, waits, woken = false, false, nil, nil
		cas, state, err := issuers(cat)
		if err != nil {
			return false, err
		}
		r.Issuers = state
		v, err := candidate.Verify(cas, now)
		if err != nil {
			return false, err
		}
		record = v.Record(source, now)
		r.CA, r.Line, r.Base, r.Scope = v.CA.Name, v.Line, record.Base, &record.Scope
		if err := p.attach(ctx, cat, cat.MissingFor(r.CA, record)); err != nil {
			return false, err
		}
		switch code, why := cat.Admit(v.CA.Name, record, now); code {
		case catalog.Succeeds:
		case catalog.Same:
			r.accept(Unchanged, why)
			here, woken = inForce(cat, r.CA, record), cat.Wake(record.Line)
			return cat.MoveSource(v.CA.Name, record), nil
		case catalog.Expired:
			waits = pending(Expired, "%s", why)
			return cat.Wait(source.Key, record.Line), nil
		case catalog.BaseMissing:
			waits = pending(BaseMissing, "%s", why)
			return cat.Wait(source.Key, record.Base.Line), nil
		default:
			return false, refused(Code(code), "%s", why)
		}
		if written != record.Set.Key {
			if err := p.putSet(ctx, candidate, record); err != nil {
				return false, err
			}
			written = record.Set.Key
		}
		replaced = cat.Serving(r.CA, &record.Scope, record.Line)
		cat.Publish(r.CA, record)
		woken = cat.Wake(record.Line)
		if err := p.split(ctx, cat, r.CA); err != nil {
			return false, err
		}
		r.accept(Accepted, fmt.Sprintf("CRL number %s of CA %s is in force, with %d entries, until %s", record.Number, v.CA.Name, record.Entries, stamp(record.NextUpdate)))
		entered, here = true, true
		return true, nil
	})
	if err == nil {
		err = waits
	}
	if err != nil {
		return false, err
	}
	r.woken = woken
	if entered {
		r.entered, r.replaced = record, replaced
		p.metrics.CRLAccepted(r.CA, record.Name, record.Entries, record.NextUpdate.Sub(now))
	}
	if p.config.CacheJSON && here {
		// Also where the CRL was in force already: a try before may have
		// failed in between.
		return entered, p.putJSON(ctx, candidate, r.CA, record, asJSON)
	}
	return entered, nil
}

// putSet writes the sets, before any catalog points to them. Each is named by
// its content, so one that is there already is the same.
func (p *Preprocessor) putSet(ctx context.Context, c *Candidate, record *catalog.CRL) error {
	images := []*serialset.Image{c.Image}
	for _, o := range c.Others {
		images = append(images, o.Image)
	}
	for i, set := range record.AllSets() {
		if err := p.putImmutable(ctx, set.Key, images[i].Reader(), "application/octet-stream"); err != nil {
			return err
		}
	}
	return nil
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

// deleted reports that an upload is gone. What it brought goes on serving.
func (p *Preprocessor) deleted(ctx context.Context, cat *catalog.Catalog, serving *catalog.CRL, old *Report, key string, now time.Time) error {
	if err := p.unwait(ctx, cat, key, now); err != nil {
		return err
	}
	if old == nil || old.Outcome == OutcomeDeleted {
		return nil
	}
	r := *old
	r.ETag, r.VersionID, r.Outcome, r.Code, r.At = "", "", OutcomeDeleted, Deleted, now
	r.Detail = "the upload is gone; no CRL of it is in force"
	if old.Outcome == OutcomeAccepted && serving != nil && serving.Content == old.Content {
		r.Detail = fmt.Sprintf("the upload is gone; CRL number %s of CA %s goes on serving until its nextUpdate %s", serving.Number, old.CA, stamp(serving.NextUpdate))
	}
	return p.reportCRL(ctx, &r, now)
}

// reportCRL logs, counts and writes what became of a CRL.
func (p *Preprocessor) reportCRL(ctx context.Context, r *Report, now time.Time) error {
	attrs := []any{"crl", r.Key, "ca", r.CA, "outcome", r.Outcome, "code", r.Code, "crl_number", r.Number, "etag", r.ETag, "detail", r.Detail}
	switch r.Outcome {
	case OutcomeRefused:
		p.metrics.CRLRejected(string(r.Code))
		p.log.Warn("CRL refused", attrs...)
	case OutcomePending:
		p.metrics.CRLPending(string(r.Code))
		p.log.Warn("CRL pending", attrs...)
	default:
		p.log.Info("CRL "+string(r.Outcome), attrs...)
	}
	return p.report(ctx, r)
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

// reconcileCRLs looks at every CRL upload. It reports whether any entered.
func (p *Preprocessor) reconcileCRLs(ctx context.Context, now time.Time) (entered bool, err error) {
	cat, _, err := p.loadCatalog(ctx)
	if err != nil {
		return false, err
	}
	if err := p.attach(ctx, cat, cat.Missing()); err != nil {
		return false, err
	}
	inForce := cat.InForce()
	young := acceptedSince(cat, now.Add(-reportCheck))
	var errs []error
	present := map[string]bool{}
	for _, prefix := range p.config.CRLPrefixes {
		for object, err := range p.uploads.List(ctx, prefix) {
			if err != nil {
				return entered, errors.Join(append(errs, err)...)
			}
			if kind, _ := p.config.class(object.Key); kind != KindCRL || present[object.Key] {
				continue
			}
			present[object.Key] = true
			if slices.Contains(inForce[object.Key], string(object.Version)) {
				if !young[object.Key] {
					continue // in force: nothing to read
				}
				done, err := p.reported(ctx, object)
				if err != nil {
					errs = append(errs, err)
				}
				if done || err != nil {
					continue
				}
			}
			in, err := p.syncCRL(ctx, object.Key, now)
			entered = entered || in
			errs = append(errs, err)
		}
	}
	// CRLs in force whose upload is gone: say so, once.
	for key := range inForce {
		if !present[key] {
			_, err := p.syncCRL(ctx, key, now)
			errs = append(errs, err)
		}
	}
	return entered, errors.Join(errs...)
}
