package preprocess

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/crlgate/crlgate/pkg/catalog"
	"github.com/crlgate/crlgate/pkg/issuer"
	"github.com/crlgate/crlgate/pkg/objectstore"
)

// loadCatalog reads the catalog; an empty one where there is none yet.
func (p *Preprocessor) loadCatalog(ctx context.Context) (*catalog.Catalog, objectstore.Version, error) {
	data, object, err := p.cache.ReadAll(ctx, catalog.Key, catalog.MaxSize, objectstore.GetOptions{})
	if errors.Is(err, objectstore.ErrNotFound) {
		return catalog.New(), "", nil
	}
	if err != nil {
		return nil, "", err
	}
	c, err := catalog.Parse(data)
	if err != nil {
		return nil, "", fmt.Errorf("%s: %w", catalog.Key, err)
	}
	return c, object.Version, nil
}

// change applies a change to the catalog and writes it with If-Match on what
// was read, over and over until no other writer came between. decide is called
// with the catalog as it is at each try; it changes it and returns whether
// there is anything to write.
func (p *Preprocessor) change(ctx context.Context, now time.Time, decide func(*catalog.Catalog) (bool, error)) (changed bool, err error) {
	for try := 0; ; try++ {
		c, version, err := p.loadCatalog(ctx)
		if err != nil {
			return false, err
		}
		write, err := decide(c)
		if err != nil || !write {
			return false, err
		}
		c.Stamp(now)
		data, err := c.Encode()
		if err != nil {
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
		default:
			return false, err
		}
		if try >= maxTries {
			return false, fmt.Errorf("writing %s: other writers came first %d times: %w", catalog.Key, try+1, err)
		}
		if err := pause(ctx, try); err != nil {
			return false, err
		}
	}
}

const maxTries = 20

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
			return nil, "", err
		}
		cas = append(cas, ca)
		fmt.Fprintf(h, "%q", name)
		for _, cert := range ca.Certificates {
			h.Write(cert.Fingerprint[:])
		}
	}
	return cas, hex.EncodeToString(h.Sum(nil)[:8]), nil
}
