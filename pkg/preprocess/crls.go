package preprocess

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/crlgate/crlgate/pkg/catalog"
	"github.com/crlgate/crlgate/pkg/crl"
	"github.com/crlgate/crlgate/pkg/issuer"
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
	state, floor, base, err := p.known(ctx, cat, old)
	if err != nil {
		return false, err
	}
	if etag := settled(old, state, floor, base, now); etag != "" {
		opts.IfNoneMatch = objectstore.Version(etag)
	}
	body, err := p.uploads.Get(ctx, key, opts)
	switch {
	case errors.Is(err, objectstore.ErrNotModified):
		return false, nil // an event came twice, or late
	case errors.Is(err, objectstore.ErrNotFound):
		return false, p.deleted(ctx, floor, old, key, now)
	case err != nil:
		return false, err
	}
	source := catalog.Source{Key: key, ETag: string(body.Object.Version), VersionID: body.Object.VersionID}
	p.log.Info("reading CRL", "crl", key, "etag", source.ETag, "bytes", body.Object.Size)
	r := &Report{Key: key, ETag: source.ETag, VersionID: source.VersionID, Kind: KindCRL, At: now}
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
	errs := []error{p.reportCRL(ctx, r, now)}
	for _, waiting := range r.woken {
		if waiting != key {
			_, err := p.syncCRL(ctx, waiting, now)
			errs = append(errs, err)
		}
	}
	return entered, errors.Join(errs...)
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

// settled returns the ETag of the upload that needs no second look; "" where
// any upload does. state is that of all issuers, floor that of the line that
// the last upload was of.
func settled(old *Report, state string, floor, base *catalog.Floor, now time.Time) string {
	if old == nil || old.Kind != KindCRL {
		return ""
	}
	switch old.Outcome {
	case OutcomeRefused:
		return old.ETag
	case OutcomePending:
		if !old.curable(state, floor, base, now) {
			return old.ETag
		}
	case OutcomeAccepted:
		// In force, or succeeded by another, unless its CA went away and came
		// back meanwhile: then it may count again.
		if floor != nil && (floor.Content != old.Content || old.Issuers == state) {
			return old.ETag
		}
	}
	return ""
}

// curable reports whether what a pending CRL waits for may have come.
func (r *Report) curable(state string, floor, base *catalog.Floor, now time.Time) bool {
	if state != r.Issuers {
		return true
	}
	switch r.Code {
	case NotYetValid:
		return r.ThisUpdate == nil || !r.ThisUpdate.After(now.Add(Skew))
	case Expired:
		return floor != nil // some CRL of its line serves that it may replace
	case BaseMissing:
		return r.Base == nil || base != nil && base.Number.Int().Cmp(r.Base.Number.Int()) >= 0
	}
	return false
}

// known gathers what settled asks for: the state of all issuers, and the floors
// of the lines that the last upload was of.
func (p *Preprocessor) known(ctx context.Context, cat *catalog.Catalog, old *Report) (state string, floor, base *catalog.Floor, err error) {
	if _, state, err = issuers(cat); err != nil || old == nil {
		return state, nil, nil, err
	}
	if floor, err = p.floor(ctx, cat, old.Line); err == nil && old.Base != nil {
		base, err = p.floor(ctx, cat, old.Base.Line)
	}
	return state, floor, base, err
}

// floor returns how far a line has come.
func (p *Preprocessor) floor(ctx context.Context, cat *catalog.Catalog, line string) (*catalog.Floor, error) {
	if line == "" {
		return nil, nil
	}
	if err := p.attach(ctx, cat, cat.MissingFloor(line)); err != nil {
		return nil, err
	}
	return cat.Floor(line), nil
}

// publishCRL verifies a candidate, writes its set and enters it in the catalog.
func (p *Preprocessor) publishCRL(ctx context.Context, candidate *Candidate, source catalog.Source, r *Report, now time.Time) (entered bool, err error) {
	written := ""
	var record *catalog.CRL
	var waits error    // why the CRL is pending
	var woken []string // upload keys that waited for this CRL
	_, err = p.change(ctx, now, func(cat *catalog.Catalog) (bool, error) {
		entered, waits, woken = false, nil, nil
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
		r.CA, r.Line, r.Base = v.CA.Name, v.Line, record.Base
		if err := p.attach(ctx, cat, cat.MissingFor(r.CA, record)); err != nil {
			return false, err
		}
		switch code, why := cat.Admit(v.CA.Name, record, now); code {
		case catalog.Succeeds:
		case catalog.Same:
			r.accept(Unchanged, why)
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
		cat.Publish(r.CA, record)
		woken = cat.Wake(record.Line)
		if err := p.split(ctx, cat, r.CA); err != nil {
			return false, err
		}
		r.accept(Accepted, fmt.Sprintf("CRL number %s of CA %s is in force, with %d entries, until %s", record.Number, v.CA.Name, record.Entries, stamp(record.NextUpdate)))
		entered = true
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
		p.metrics.CRLAccepted(r.CA, record.Name, record.Entries, record.NextUpdate.Sub(now))
		if p.config.CacheJSON {
			return true, p.putJSON(ctx, candidate, record)
		}
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
		_, err := p.cache.Put(ctx, set.Key, images[i].Reader(), objectstore.PutOptions{IfNoneMatch: true, ContentType: "application/octet-stream"})
		if err != nil && !errors.Is(err, objectstore.ErrPreconditionFailed) {
			return err
		}
	}
	return nil
}

// MaxJSONEntries is the most entries that are published as JSON.
const MaxJSONEntries = 1_000_000

// putJSON publishes the set as JSON, for readers in other languages.
func (p *Preprocessor) putJSON(ctx context.Context, c *Candidate, record *catalog.CRL) error {
	if c.Image.Len() > MaxJSONEntries {
		p.log.Warn("not published as JSON: too many entries", "crl", record.Source.Key, "entries", c.Image.Len())
		return nil
	}
	out := struct {
		CRL        string    `json:"crl"`
		Issuer     string    `json:"issuer"`
		Number     string    `json:"crl_number"`
		ThisUpdate time.Time `json:"this_update"`
		NextUpdate time.Time `json:"next_update"`
		Serials    []string  `json:"serials"`
	}{record.Source.Key, issuer.Display(c.List.Issuer), record.Number.String(), record.ThisUpdate, record.NextUpdate, make([]string, 0, c.Image.Len())}
	for e := range c.Image.Set().All() {
		out.Serials = append(out.Serials, issuer.Serial(minimal(e.Serial)).String())
	}
	data, err := json.Marshal(out)
	if err != nil {
		return err
	}
	_, err = p.cache.Put(ctx, catalog.JSONKey(record.Name), bytes.NewReader(append(data, '\n')), objectstore.PutOptions{ContentType: "application/json"})
	return err
}

// minimal drops the octets that sign extension added.
func minimal(b []byte) []byte {
	for len(b) > 1 && (b[0] == 0 && b[1] < 0x80 || b[0] == 0xff && b[1] >= 0x80) {
		b = b[1:]
	}
	return b
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
func (p *Preprocessor) deleted(ctx context.Context, floor *catalog.Floor, old *Report, key string, now time.Time) error {
	if old == nil || old.Outcome == OutcomeDeleted {
		return nil
	}
	r := *old
	r.ETag, r.VersionID, r.Outcome, r.Code, r.At = "", "", OutcomeDeleted, Deleted, now
	r.Detail = "the upload is gone; no CRL of it is in force"
	if old.Outcome == OutcomeAccepted && floor != nil && floor.Content == old.Content && old.NextUpdate != nil {
		r.Detail = fmt.Sprintf("the upload is gone; CRL number %s of CA %s goes on serving until its nextUpdate %s", old.Number, old.CA, stamp(*old.NextUpdate))
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
				continue // in force: nothing to read
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
