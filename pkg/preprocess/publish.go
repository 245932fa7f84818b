package preprocess

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/crlgate/crlgate/pkg/catalog"
	"github.com/crlgate/crlgate/pkg/issuer"
	"github.com/crlgate/crlgate/pkg/objectstore"
)

// loadCatalog reads the catalog; an empty one where there is none yet. One that
// is lost is recovered first, from the newest copy.
func (p *Preprocessor) loadCatalog(ctx context.Context) (*catalog.Catalog, objectstore.Version, error) {
	c, _, version, err := p.readCatalog(ctx)
	return c, version, err
}

// readCatalog is loadCatalog, with the object's bytes too.
func (p *Preprocessor) readCatalog(ctx context.Context) (*catalog.Catalog, []byte, objectstore.Version, error) {
	data, object, err := p.cache.ReadAll(ctx, catalog.Key, catalog.MaxSize, objectstore.GetOptions{})
	if errors.Is(err, objectstore.ErrNotFound) {
		restored, err := p.restoreLost(ctx)
		if err != nil || !restored {
			return catalog.New(), nil, "", err
		}
		data, object, err = p.cache.ReadAll(ctx, catalog.Key, catalog.MaxSize, objectstore.GetOptions{})
		if err != nil {
			return nil, nil, "", err
		}
	} else if err != nil {
		return nil, nil, "", err
	}
	c, err := catalog.Parse(data)
	if err != nil {
		return nil, nil, "", fmt.Errorf("%s: %w", catalog.Key, err)
	}
	return c, data, object.Version, nil
}

// change applies a change to the catalog and writes it with If-Match on what
// was read, over and over until no other writer came between. decide is called
// with the catalog as it is at each try; it changes it and returns whether
// there is anything to write. A write whose answer was lost is recognized when
// the catalog is read again, and is not made twice.
func (p *Preprocessor) change(ctx context.Context, now time.Time, decide func(*catalog.Catalog) (bool, error)) (changed bool, err error) {
	var sent []byte // by the try before
	for try := 0; ; try++ {
		c, found, version, err := p.readCatalog(ctx)
		if err != nil {
			return false, err
		}
		if sent != nil && bytes.Equal(found, sent) {
			p.log.Info("catalog written, though S3's answer was lost", "generation", c.Generation)
			return true, nil
		}
		write, err := decide(c)
		if err != nil || !write {
			return false, err
		}
		if version == "" {
			c.Generation = firstGeneration(now)
		}
		c.Stamp(now)
		data, parts, err := c.Encode()
		if err != nil {
			return false, err
		}
		if err := p.putParts(ctx, parts, now); err != nil {
			return false, err
		}
		if err := p.putCopy(ctx, c.Generation, data, now); err != nil {
			return false, err
		}
		opts := objectstore.PutOptions{IfMatch: version, IfNoneMatch: version == "", ContentType: "application/json"}
		_, err = p.cache.Put(ctx, catalog.Key, bytes.NewReader(data), opts)
		switch {
		case err == nil:
			p.log.Info("catalog written", "generation", c.Generation)
			return true, nil
		case errors.Is(err, objectstore.ErrPreconditionFailed), errors.Is(err, objectstore.ErrConflict):
			// Another writer was first (or an own write whose answer was
			// lost): read again, decide again.
			if try >= maxTries {
				return false, fmt.Errorf("writing %s: other writers came first %d times: %w", catalog.Key, try+1, err)
			}
		case errors.Is(err, objectstore.ErrUnavailable) && try < maxUnavailable:
			// It may have taken effect or not: read again, decide again.
		default:
			return false, err
		}
		sent = data
		if waited := pause(ctx, try); waited != nil {
			return false, errors.Join(err, waited)
		}
	}
}

// putParts writes parts of the catalog, before the catalog refers to them.
// Each is named by its content, so one that is there already is the same.
func (p *Preprocessor) putParts(ctx context.Context, parts map[string][]byte, now time.Time) error {
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(parallelParts)
	for key, data := range parts {
		g.Go(func() error {
			return p.putImmutable(ctx, key, bytes.NewReader(data), "application/json", now)
		})
	}
	return g.Wait()
}

// putImmutable writes an object that is named by its content. One that is there
// already is the same, but if it is not young it may be about to be swept, so
// that it is written again, which makes it young.
func (p *Preprocessor) putImmutable(ctx context.Context, key string, body io.ReadSeeker, contentType string, now time.Time) error {
	for try := 0; ; try++ {
		_, err := p.cache.Put(ctx, key, body, objectstore.PutOptions{IfNoneMatch: true, ContentType: contentType})
		switch {
		case errors.Is(err, objectstore.ErrPreconditionFailed):
			return p.refresh(ctx, key, body, contentType, now)
		case !errors.Is(err, objectstore.ErrConflict) || try >= maxTries:
			return err
		}
		// Another preprocessor is writing the same object, and may yet fail.
		if err := pause(ctx, try); err != nil {
			return err
		}
		if _, err := body.Seek(0, io.SeekStart); err != nil {
			return err
		}
	}
}

// overwrite writes an object that is named by its content in the place of what
// is there.
func (p *Preprocessor) overwrite(ctx context.Context, key string, body io.ReadSeeker, contentType string) error {
	if _, err := body.Seek(0, io.SeekStart); err != nil {
		return err
	}
	for try := 0; ; try++ {
		_, err := p.cache.Put(ctx, key, body, objectstore.PutOptions{ContentType: contentType})
		if !errors.Is(err, objectstore.ErrConflict) || try >= maxTries {
			return err
		}
		if err := pause(ctx, try); err != nil {
			return err
		}
		if _, err := body.Seek(0, io.SeekStart); err != nil {
			return err
		}
	}
}

// attach reads parts of the catalog and hands them over to it.
func (p *Preprocessor) attach(ctx context.Context, c *catalog.Catalog, digests []string) error {
	return attach(ctx, p.cache, c, digests)
}

// LoadCatalog reads the catalog with all of its parts, to be looked at; an
// empty one where there is none yet.
func LoadCatalog(ctx context.Context, cache Reads) (*catalog.Catalog, error) {
	data, _, err := cache.ReadAll(ctx, catalog.Key, catalog.MaxSize, objectstore.GetOptions{})
	if errors.Is(err, objectstore.ErrNotFound) {
		return catalog.New(), nil
	}
	if err != nil {
		return nil, err
	}
	c, err := catalog.Parse(data)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", catalog.Key, err)
	}
	return c, attach(ctx, cache, c, c.Missing())
}

func attach(ctx context.Context, cache Reads, c *catalog.Catalog, digests []string) error {
	parts := make([]*catalog.Part, len(digests))
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(parallelParts)
	for i, digest := range digests {
		g.Go(func() error {
			data, _, err := cache.ReadAll(ctx, catalog.PartKey(digest), catalog.MaxPart, objectstore.GetOptions{})
			if err != nil {
				return err
			}
			parts[i], err = catalog.ParsePart(data, digest)
			return err
		})
	}
	if err := g.Wait(); err != nil {
		return fmt.Errorf("reading parts of the catalog: %w", err)
	}
	for i, digest := range digests {
		c.Attach(digest, parts[i])
	}
	return nil
}

// parallelParts is how many parts are read or written at a time.
const parallelParts = 16

const (
	maxTries       = 20 // that others may come first
	maxUnavailable = 2  // that S3 may give no answer, besides the store's own tries
)

// pause waits a random moment that grows with the number of tries.
func pause(ctx context.Context, try int) error {
	t := time.NewTimer(time.Duration(rand.Int64N(int64(10*time.Millisecond) << min(try, 6))))
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// issuers returns the CAs of a catalog, by name in order, and a digest of the
// whole that changes when any certificate does.
func issuers(c *catalog.Catalog) ([]*issuer.CA, string, error) {
	var cas []*issuer.CA
	h := sha256.New()
	for _, name := range slices.Sorted(maps.Keys(c.CAs)) {
		ca, err := c.CAs[name].Issuer(name)
		if err != nil {
			// Not wrapped: a fault of the catalog is no refusal of the upload
			// that happens to be looked at.
			return nil, "", fmt.Errorf("%s: %v", catalog.Key, err)
		}
		cas = append(cas, ca)
		fmt.Fprintf(h, "%q", name)
		for _, cert := range ca.Certificates {
			h.Write(cert.Fingerprint[:])
		}
	}
	return cas, hex.EncodeToString(h.Sum(nil)[:8]), nil
}
