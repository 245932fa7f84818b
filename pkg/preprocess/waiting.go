package preprocess

import (
	"context"
	"errors"
	"time"

	"github.com/crlgate/crlgate/pkg/catalog"
)

// waitAgain counts a CRL that still waits, and sees to it that one that waits
// for another is among those that the catalog says wait: it may have been woken
// by one that was not enough.
func (p *Preprocessor) waitAgain(ctx context.Context, cat *catalog.Catalog, r *Report, now time.Time) error {
	if r.Outcome != OutcomePending {
		return nil
	}
	p.metrics.CRLPending(string(r.Code))
	line := r.waitsFor()
	if line == "" || cat.Waiting[r.Key] == line {
		return nil
	}
	_, err := p.change(ctx, now, func(c *catalog.Catalog) (bool, error) { return c.Wait(r.Key, line), nil })
	return err
}

// wake looks again at what waits for a CRL that is in force: the try that put it
// there may have ended before it came to that.
func (p *Preprocessor) wake(ctx context.Context, cat *catalog.Catalog, r *Report, now time.Time) error {
	if r.Outcome != OutcomeAccepted {
		return nil
	}
	return p.syncWoken(ctx, cat.Wake(r.Line), r.Key, now)
}

// unwait notes that the upload under a key waits for nothing any more.
func (p *Preprocessor) unwait(ctx context.Context, cat *catalog.Catalog, key string, now time.Time) error {
	if cat.Waiting[key] == "" {
		return nil
	}
	_, err := p.change(ctx, now, func(c *catalog.Catalog) (bool, error) { return c.Unwait(key), nil })
	return err
}

// syncWoken looks at uploads that waited for the one under a key.
func (p *Preprocessor) syncWoken(ctx context.Context, woken []string, by string, now time.Time) error {
	var errs []error
	for _, waiting := range woken {
		if waiting != by {
			_, err := p.syncCRL(ctx, waiting, now)
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}
