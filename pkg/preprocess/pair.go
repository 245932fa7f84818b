package preprocess

import (
	"context"
	"slices"
	"time"

	"github.com/crlgate/crlgate/pkg/catalog"
)

// A complete CRL that is past its nextUpdate when it is first seen, and a delta CRL
// to it that is current, wait for each other: neither may enter alone, and the two
// together are as new as the delta (RFC 5280 §5.2.4). Both are among what the
// catalog says waits for the complete CRL's line. Whichever comes second, or is
// looked at next, finds the other there and enters with it, with one write.

// wait notes that the CRL waits for one of a line, and what else does.
func (e *entry) wait(cat *catalog.Catalog, line string) (changed bool) {
	changed = cat.Wait(e.source.Key, line)
	e.beside = others(cat, line, e.source.Key)
	return changed
}

// others returns the upload keys but one that wait for a CRL of a line.
func others(cat *catalog.Catalog, line, key string) []string {
	return slices.DeleteFunc(cat.Wake(line), func(k string) bool { return k == key })
}

// revive enters complete CRLs of the batch that are past their nextUpdate together
// with delta CRLs of the batch that make up for it. It reports whether any entered.
func (p *Preprocessor) revive(ctx context.Context, cat *catalog.Catalog, entries []*entry, now time.Time) (bool, error) {
	revived := false
	for _, e := range entries {
		if !e.waits(Expired) || !slices.ContainsFunc(entries, func(d *entry) bool {
			return d.waits(BaseMissing) && d.report.CA == e.report.CA && cat.Revives(e.report.CA, e.record, d.record, now)
		}) {
			continue
		}
		if err := p.publish(ctx, cat, e, now); err != nil {
			return false, err
		}
		revived = true
		for _, d := range entries {
			if d.waits(BaseMissing) && d.record.Base.Line == e.record.Line {
				if _, err := p.admit(ctx, cat, d, now); err != nil {
					return false, err
				}
			}
		}
	}
	return revived, nil
}

// waits reports whether the CRL is pending for that reason.
func (e *entry) waits(code Code) bool {
	r := asRefusal(e.refused)
	return r != nil && r.Code == code && e.record != nil
}

// pair looks among what waits for the same line as the CRL for one with which it
// may enter, and enters both. It reports whether they entered.
func (p *Preprocessor) pair(ctx context.Context, e *entry, now time.Time) (bool, error) {
	if e.paired {
		return false, nil
	}
	for _, key := range e.beside {
		r, err := ReadReport(ctx, p.cache, key)
		if err != nil {
			return false, err
		}
		if !mayPair(e.report, r, now) {
			continue
		}
		cat, _, err := p.loadCatalog(ctx)
		if err != nil {
			return false, err
		}
		other, err := p.examine(ctx, cat, key, how{again: true}, now)
		if err != nil {
			return false, err
		}
		if other == nil {
			continue // it is gone, or others' bytes lie there by now
		}
		e.paired, other.paired = true, true
		return p.enterAll(ctx, []*entry{e, other}, now)
	}
	return false, nil
}

// hasPartner reports whether another upload waits with which the one that a report
// is on may enter.
func (p *Preprocessor) hasPartner(ctx context.Context, cat *catalog.Catalog, old *Report, now time.Time) (bool, error) {
	line := old.waitsFor()
	if line == "" {
		return false, nil
	}
	for _, key := range others(cat, line, old.Key) {
		r, err := ReadReport(ctx, p.cache, key)
		if err != nil {
			return false, err
		}
		if mayPair(old, r, now) {
			return true, nil
		}
	}
	return false, nil
}

// waitsFor returns the line that the CRL waits for; "": it waits for none.
func (r *Report) waitsFor() string {
	switch {
	case r.Outcome != OutcomePending:
	case r.Code == Expired:
		return r.Line
	case r.Code == BaseMissing && r.Base != nil:
		return r.Base.Line
	}
	return ""
}

// mayPair reports whether of two CRLs that wait, as their reports say, one is a
// complete CRL and the other a delta CRL that may enter with it, in either order.
// [catalog.Catalog.Revives] has the last word.
func mayPair(a, b *Report, now time.Time) bool {
	if a == nil || b == nil || a.waitsFor() == "" || a.waitsFor() != b.waitsFor() || a.CA != b.CA {
		return false
	}
	base, delta := a, b
	if a.Code == BaseMissing {
		base, delta = b, a
	}
	if base.Code != Expired || delta.Code != BaseMissing || delta.NextUpdate == nil || delta.ThisUpdate == nil || base.ThisUpdate == nil {
		return false
	}
	n, next := numberOf(base), numberOf(delta)
	return n != nil && next != nil && delta.Base.Number.Int().Cmp(n.Int()) <= 0 && next.Int().Cmp(n.Int()) > 0 &&
		!now.After(*delta.NextUpdate) && !delta.ThisUpdate.Before(*base.ThisUpdate)
}
