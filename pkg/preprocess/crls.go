package preprocess

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/crlgate/crlgate/pkg/catalog"
	"github.com/crlgate/crlgate/pkg/crl"
	"github.com/crlgate/crlgate/pkg/objectstore"
)

// how says how an upload is looked at; the zero value: as its event asks for.
type how struct {
	// again: it is read also where its report says that nothing is left to do.
	again bool
	// deep: as in entry.
	deep bool
}

// syncCRL looks at the upload under a key and, if it is news, takes it through
// the write path: stream, check, flatten, publish, report. It reports whether
// the CRL entered the catalog.
func (p *Preprocessor) syncCRL(ctx context.Context, key string, now time.Time) (entered bool, err error) {
	cat, _, err := p.loadCatalog(ctx)
	if err != nil {
		return false, err
	}
	e, err := p.examine(ctx, cat, key, how{}, now)
	if e == nil || err != nil {
		return false, err
	}
	return p.enterAll(ctx, []*entry{e}, now)
}

// examine reads the upload under a key, if it is news, and returns it as what
// may enter the catalog. Where there is nothing that could enter, it has said so
// in a report and returns nil. The catalog is looked at for what is known of
// the upload; what is missing of its parts is read.
func (p *Preprocessor) examine(ctx context.Context, cat *catalog.Catalog, key string, look how, now time.Time) (*entry, error) {
	old, err := ReadReport(ctx, p.cache, key)
	if err != nil {
		return nil, err
	}
	opts := objectstore.GetOptions{}
	known, err := p.standing(ctx, cat, old, now)
	if err != nil {
		return nil, err
	}
	if etag := known.settled(old, p.config.rules(), now); etag != "" && !look.again {
		opts.IfNoneMatch = objectstore.Version(etag)
	}
	body, err := p.uploads.Get(ctx, key, opts)
	switch {
	case errors.Is(err, objectstore.ErrNotModified):
		// An event came twice, or late; or a try before ended too soon.
		return nil, errors.Join(p.waitAgain(ctx, cat, old, now), p.wake(ctx, cat, old, now))
	case errors.Is(err, objectstore.ErrNotFound):
		return nil, p.deleted(ctx, cat, known.serving, old, key, now)
	case err != nil:
		return nil, err
	}
	source := catalog.Source{Key: key, ETag: string(body.Object.Version), VersionID: body.Object.VersionID}
	p.log.Info("reading CRL", "crl", key, "etag", source.ETag, "bytes", body.Object.Size)
	r := &Report{Key: key, ETag: source.ETag, VersionID: source.VersionID, Kind: KindCRL, At: now, Rules: p.config.rules()}
	candidate, err := p.readBody(body)
	if refusal := asRefusal(err); refusal != nil {
		r.refuse(refusal)
		return nil, errors.Join(p.unwait(ctx, cat, key, now), p.reportCRL(ctx, r, now))
	}
	if err != nil {
		return nil, fmt.Errorf("CRL %s: %w", key, err)
	}
	r.describe(candidate)
	return &entry{candidate: candidate, source: source, report: r, deep: look.deep}, nil
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

func (r *Report) describe(c *Candidate) {
	l, entries := c.List, c.Entries()
	r.Warnings = c.Warnings()
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
	paired  bool           // with another that waits it may enter
}

// standing looks up what settled and deleted ask for.
func (p *Preprocessor) standing(ctx context.Context, cat *catalog.Catalog, old *Report, now time.Time) (s standing, err error) {
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
	s.paired, err = p.hasPartner(ctx, cat, old, now)
	return s, err
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
		// away and may have come back, or the catalog is older than the report:
		// then it may count again.
		if s.serving != nil && s.serving.Content == old.Content || s.floor.Beyond(numberOf(old), old.Content) {
			return old.ETag
		}
	}
	return ""
}

// numberOf returns the CRL number of a report; nil: it has none.
func numberOf(r *Report) *catalog.Number {
	var n catalog.Number
	if n.UnmarshalText([]byte(r.Number)) != nil {
		return nil
	}
	return &n
}

// curable reports whether what would make the CRL count may have come.
func (s *standing) curable(old *Report, now time.Time) bool {
	if old.Issuers != "" && old.Issuers != s.state { // "": refused before issuers mattered
		return true
	}
	if s.paired {
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

// deleted reports that an upload is gone. What it brought goes on serving.
func (p *Preprocessor) deleted(ctx context.Context, cat *catalog.Catalog, serving *catalog.CRL, old *Report, key string, now time.Time) error {
	if err := p.unwait(ctx, cat, key, now); err != nil {
		return err
	}
	if old == nil || old.Outcome == OutcomeDeleted {
		return nil
	}
	r := *old
	r.WasAccepted = old.Outcome == OutcomeAccepted
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
