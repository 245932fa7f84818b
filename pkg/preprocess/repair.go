package preprocess

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/crlgate/crlgate/pkg/catalog"
	"github.com/crlgate/crlgate/pkg/objectstore"
)

// repair mends what can be mended from the upload bucket, the copies of
// catalogs and the reports, and reconciles. What it cannot mend stays as it is,
// and goes on denying.
func (p *Preprocessor) repair(ctx context.Context, r *Repair, now time.Time) error {
	if err := errors.Join(p.repairCatalog(ctx), p.recoverCatalog(ctx)); err != nil {
		return fmt.Errorf("repairing: %w", err)
	}
	lost, err := p.repairParts(ctx, now)
	if err != nil {
		return fmt.Errorf("repairing: %w", err)
	}
	again := map[string]bool{}
	var errs []error
	for _, key := range r.Keys {
		switch kind, ca := p.config.Class(key); kind {
		case KindCRL:
			again[key] = true
		case KindSettings, KindIssuer:
			if kind == KindSettings {
				errs = append(errs, p.unreadSettings(ctx, ca, now))
			}
			_, err := p.syncIssuer(ctx, ca, now)
			errs = append(errs, err)
		}
	}
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("repairing: %w", err)
	}
	if err := p.reconcile(ctx, again, r.Keys == nil || lost, now); err != nil {
		return err
	}
	if err := p.repairFloors(ctx, now); err != nil {
		return fmt.Errorf("repairing: %w", err)
	}
	return nil
}

// unreadSettings has a CA's settings file count as one that was not read yet. The
// settings in force stay until it has been.
func (p *Preprocessor) unreadSettings(ctx context.Context, name string, now time.Time) error {
	_, err := p.change(ctx, now, func(c *catalog.Catalog) (bool, error) {
		ca := c.CAs[name]
		if ca == nil || ca.SettingsSource == nil {
			return false, nil
		}
		return c.SetSettings(name, ca.Settings, &catalog.Source{Key: ca.SettingsSource.Key}), nil
	})
	return err
}

// repairFloors raises floors that are lower than what is in force, and gives
// lines that have none the highest that reports tell of.
func (p *Preprocessor) repairFloors(ctx context.Context, now time.Time) error {
	told, err := p.toldFloors(ctx)
	if err != nil {
		return err
	}
	_, err = p.change(ctx, now, func(c *catalog.Catalog) (bool, error) {
		if err := p.attach(ctx, c, c.Missing()); err != nil {
			return false, err
		}
		return raise(c, told), nil
	})
	return err
}

// raise is repairFloors on a catalog at hand. A floor that is there is not raised
// for a report: an operator may have lowered it since.
func raise(c *catalog.Catalog, told map[string]*catalog.Floor) bool {
	raised := c.RaiseFloors()
	for line, f := range told {
		if c.Floor(line) == nil {
			raised = c.RaiseFloor(line, f) || raised
		}
	}
	return raised
}

// toldFloors returns, by line, the newest CRL that reports say was accepted.
func (p *Preprocessor) toldFloors(ctx context.Context) (map[string]*catalog.Floor, error) {
	told := map[string]*catalog.Floor{}
	for object, err := range p.cache.List(ctx, catalog.ReportPrefix) {
		if err != nil {
			return nil, err
		}
		key, ok := catalog.UploadKey(object.Key)
		if !ok {
			continue
		}
		r, err := ReadReport(ctx, p.cache, key)
		if err != nil {
			return nil, err
		}
		if line, f := r.Floor(); f != nil && (told[line] == nil || told[line].Number.Int().Cmp(f.Number.Int()) < 0) {
			told[line] = f
		}
	}
	return told, nil
}

// repairParts has the catalog do without parts of it that are lost or damaged,
// and enters the CRLs that are uploaded and were in them, with one write: a CA
// whose CRLs are optional must not be without any in between. It reports whether
// there was such a part.
func (p *Preprocessor) repairParts(ctx context.Context, now time.Time) (bool, error) {
	cat, _, err := p.loadCatalog(ctx)
	if err != nil {
		return false, err
	}
	var lost []string
	for _, digest := range cat.Missing() {
		fault, err := PartFault(ctx, p.cache, digest)
		if err != nil {
			return false, err
		}
		if fault != "" {
			lost = append(lost, digest)
			p.log.Error("a part of the catalog is lost, and made anew of what is uploaded", "object", catalog.PartKey(digest), "detail", fault)
		}
	}
	if len(lost) == 0 {
		return false, nil
	}
	for _, digest := range lost {
		// What is made anew may have the same octets, so the same name, under
		// which nothing is written over.
		if err := p.cache.Delete(ctx, catalog.PartKey(digest), objectstore.DeleteOptions{}); err != nil {
			return false, err
		}
	}
	told, err := p.toldFloors(ctx)
	if err != nil {
		return false, err
	}
	without := func(c *catalog.Catalog) error {
		c.DropParts(lost)
		if err := p.attach(ctx, c, c.Missing()); err != nil {
			return err
		}
		raise(c, told)
		return nil
	}
	if err := without(cat); err != nil {
		return false, err
	}
	b, err := p.unentered(ctx, cat, now)
	if err != nil {
		return false, err
	}
	_, err = p.enterInto(ctx, b.entries, func(c *catalog.Catalog, decide func() (bool, error)) (bool, error) {
		had := optional(c)
		if err := without(c); err != nil {
			return false, err
		}
		if _, err := decide(); err != nil {
			return false, err
		}
		for name := range had {
			if !hasCRL(c.CAs[name]) {
				return false, fmt.Errorf("all CRLs of CA %s are lost with parts of the catalog, none that is uploaded can take their place, and its settings say that it needs none: upload its current CRLs", name)
			}
		}
		return true, nil
	}, now)
	return true, err
}

// optional returns the CAs that have parts and would let all clients in without
// a CRL.
func optional(c *catalog.Catalog) map[string]bool {
	out := map[string]bool{}
	for name, ca := range c.CAs {
		if ca.Parts != nil && ca.Settings.CRLOptional() {
			out[name] = true
		}
	}
	return out
}

func hasCRL(ca *catalog.CA) bool {
	for range ca.Lists() {
		return true
	}
	return false
}

// unentered reads the uploads that are not in force, as many as make a batch.
func (p *Preprocessor) unentered(ctx context.Context, cat *catalog.Catalog, now time.Time) (b batch, err error) {
	inForce := cat.InForce()
	for _, prefix := range p.config.CRLPrefixes {
		for object, err := range p.uploads.List(ctx, prefix) {
			if err != nil {
				return b, err
			}
			if kind, _ := p.config.Class(object.Key); kind != KindCRL || len(inForce[object.Key]) > 0 || b.full() {
				continue
			}
			e, err := p.examine(ctx, cat, object.Key, how{again: true}, now)
			if err != nil {
				return b, err
			}
			if e != nil {
				b.add(e)
			}
		}
	}
	return b, nil
}

// PartFault says in words what is wrong with a part of the catalog; "" where
// nothing is.
func PartFault(ctx context.Context, cache Reads, digest string) (string, error) {
	data, _, err := cache.ReadAll(ctx, catalog.PartKey(digest), catalog.MaxPart, objectstore.GetOptions{})
	var large *objectstore.TooLargeError
	switch {
	case errors.Is(err, objectstore.ErrNotFound):
		return "it is not there", nil
	case errors.As(err, &large):
		return err.Error(), nil
	case err != nil:
		return "", err
	}
	if _, err := catalog.ParsePart(data, digest); err != nil {
		return err.Error(), nil
	}
	return "", nil
}
