package preprocess

import (
	"bytes"
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/crlgate/crlgate/pkg/catalog"
	"github.com/crlgate/crlgate/pkg/objectstore"
)

// Every catalog is written twice: first under a key of its own, which names its
// generation and its octets, then as catalog.json. So the newest of those copies
// is never older than catalog.json was: where that is lost or was put back,
// generation and floors survive, and where a preprocessor died between the two
// writes, the copy is the change that it was about to make, decided on the
// catalog that is there. Two that decide at a time make two copies of one
// generation; catalog.json, written with If-Match, becomes one of them.

// Generation is a copy of a catalog.
type Generation struct {
	Number uint64
	Object objectstore.Object

	sum string
}

// Generations lists the copies of catalogs, newest first; of one generation the
// one that was written last comes first.
func Generations(ctx context.Context, cache ListsObjects) ([]Generation, error) {
	var out []Generation
	for object, err := range cache.List(ctx, catalog.GenerationPrefix) {
		if err != nil {
			return nil, err
		}
		if n, sum, ok := catalog.ParseGenerationKey(object.Key); ok {
			out = append(out, Generation{n, object, sum})
		}
	}
	slices.SortFunc(out, func(a, b Generation) int {
		return cmp.Or(cmp.Compare(b.Number, a.Number), b.Object.LastModified.Compare(a.Object.LastModified), cmp.Compare(a.Object.Key, b.Object.Key))
	})
	return out, nil
}

// errDamagedCopy says that a copy of a catalog is not what its key says.
var errDamagedCopy = errors.New("the copy is damaged")

// Read reads the copy.
func (g *Generation) Read(ctx context.Context, cache Reads) (*catalog.Catalog, []byte, error) {
	data, _, err := cache.ReadAll(ctx, g.Object.Key, catalog.MaxSize, objectstore.GetOptions{})
	if err != nil {
		return nil, nil, err
	}
	if sum := sha256.Sum256(data); hex.EncodeToString(sum[:]) != g.sum {
		return nil, nil, fmt.Errorf("%s: %w: its bytes are not those that its key names", g.Object.Key, errDamagedCopy)
	}
	c, err := catalog.Parse(data)
	if err != nil {
		return nil, nil, fmt.Errorf("%s: %w", g.Object.Key, err)
	}
	return c, data, nil
}

// putCopy writes the copy of a catalog that is about to be written.
func (p *Preprocessor) putCopy(ctx context.Context, generation uint64, data []byte, now time.Time) error {
	return p.putImmutable(ctx, catalog.GenerationKey(generation, data), bytes.NewReader(data), "application/json", now)
}

// recoverCatalog puts the newest copy in the place of a catalog.json that is
// older than it, or lost. A catalog that cannot be read is never written over by
// itself, since a newer crlgate, or somebody who is looking for the cause, may
// want it.
func (p *Preprocessor) recoverCatalog(ctx context.Context) error {
	c, version, err := p.loadCatalog(ctx) // recovers one that is lost
	if err != nil {
		return err
	}
	copies, err := Generations(ctx, p.cache)
	if err != nil || len(copies) == 0 || version == "" || copies[0].Number <= c.Generation {
		return err
	}
	p.log.Warn("the catalog is older than the newest copy of it, which is put in its place", "generation", c.Generation, "newest", copies[0].Number)
	return p.adopt(ctx, copies, version)
}

// repairCatalog is recoverCatalog, for a catalog.json that is damaged as well;
// one of a newer format stays.
func (p *Preprocessor) repairCatalog(ctx context.Context) error {
	data, object, err := p.cache.ReadAll(ctx, catalog.Key, catalog.MaxSize, objectstore.GetOptions{})
	if errors.Is(err, objectstore.ErrNotFound) {
		return nil // what follows recovers it
	}
	if err != nil {
		return err
	}
	if _, err := catalog.Parse(data); err == nil || errors.Is(err, catalog.ErrFormat) {
		return err
	}
	copies, err := Generations(ctx, p.cache)
	if err != nil {
		return err
	}
	if len(copies) == 0 {
		return fmt.Errorf("%s is damaged, and there is no copy under %s to put in its place: put back a version of it that the bucket kept", catalog.Key, catalog.GenerationPrefix)
	}
	p.log.Warn("the catalog is damaged; the newest copy of it is put in its place", "newest", copies[0].Number)
	return p.adopt(ctx, copies, object.Version)
}

// restoreLost puts the newest copy in the place of a catalog.json that is lost.
// It reports whether there was a copy.
func (p *Preprocessor) restoreLost(ctx context.Context) (bool, error) {
	copies, err := Generations(ctx, p.cache)
	if err != nil || len(copies) == 0 {
		return false, err
	}
	p.log.Warn("the catalog is lost; the newest copy of it is put in its place", "newest", copies[0].Number)
	return true, p.adopt(ctx, copies, "")
}

// adopt makes the newest whole copy the catalog, if that still is the version
// given. Where it is the only one of its generation its very bytes are written,
// so that a preprocessor which is about to write them finds its change made.
// Otherwise it gets the highest floors of all of its generation and becomes the
// next one.
func (p *Preprocessor) adopt(ctx context.Context, copies []Generation, version objectstore.Version) error {
	top := copies[0].Number
	var chosen *catalog.Catalog
	var data []byte
	alike := 0
	for _, g := range copies {
		if chosen != nil && g.Number < top {
			break
		}
		if g.Number == top {
			alike++
		}
		c, octets, err := g.Read(ctx, p.cache)
		switch {
		case errors.Is(err, errDamagedCopy):
			p.log.Error("a copy of the catalog is damaged", "object", g.Object.Key, "err", err)
			alike = 2 // what it held is not known
			continue
		case err != nil:
			return err
		case chosen == nil:
			chosen, data = c, octets
			continue
		}
		if err := p.raiseFloors(ctx, chosen, c); err != nil {
			return err
		}
	}
	if chosen == nil {
		return fmt.Errorf("none of the %d copies under %s is whole: put back a version of %s that the bucket kept", len(copies), catalog.GenerationPrefix, catalog.Key)
	}
	if alike > 1 {
		chosen.Generation = top
		chosen.Stamp(chosen.Updated)
		var parts map[string][]byte
		var err error
		if data, parts, err = chosen.Encode(); err != nil {
			return err
		}
		if err := errors.Join(p.putParts(ctx, parts, chosen.Updated), p.putCopy(ctx, chosen.Generation, data, chosen.Updated)); err != nil {
			return err
		}
	}
	return p.putBack(ctx, data, version)
}

// maxAbsent is how often a store may say that the catalog is there and not have it.
const maxAbsent = 3

// putBack writes the catalog in the place of a version of it; "": where there is
// none. Another that came first knew as much. There are stores to which a key
// under a delete marker exists, so that nothing is ever written there on condition
// that it does not. To those it is written without: whatever came between has a
// copy of its own, which the next run finds to be newer.
func (p *Preprocessor) putBack(ctx context.Context, data []byte, version objectstore.Version) error {
	opts := objectstore.PutOptions{IfMatch: version, IfNoneMatch: version == "", ContentType: "application/json"}
	absent := 0
	for try := 0; ; try++ {
		_, err := p.cache.Put(ctx, catalog.Key, bytes.NewReader(data), opts)
		exists := errors.Is(err, objectstore.ErrPreconditionFailed)
		switch {
		case !exists && !errors.Is(err, objectstore.ErrConflict):
			return err
		case version != "":
			return nil // another came first, or it is gone, which the next read finds
		}
		_, head := p.cache.Head(ctx, catalog.Key)
		switch {
		case head == nil:
			return nil // another came first, who knew as much
		case !errors.Is(head, objectstore.ErrNotFound):
			return head
		case try >= maxTries:
			return fmt.Errorf("putting %s back: it is not there, and could not be written %d times: %w", catalog.Key, try+1, err)
		}
		if exists {
			absent++
		}
		if absent == maxAbsent {
			p.log.Error("the store says that the catalog is there, and does not have it; it is put back without a condition", "object", catalog.Key, "err", err)
			opts.IfNoneMatch = false
		}
		if err := pause(ctx, try); err != nil {
			return err
		}
	}
}

// raiseFloors raises the floors of a catalog to another's.
func (p *Preprocessor) raiseFloors(ctx context.Context, c, other *catalog.Catalog) error {
	for _, each := range []*catalog.Catalog{c, other} {
		if err := p.attach(ctx, each, each.Missing()); err != nil {
			return err
		}
	}
	for line, f := range other.AllFloors() {
		c.RaiseFloor(line, f)
	}
	return nil
}

// firstGeneration is the generation of a catalog that begins from nothing. It is
// taken from the clock and not 0, so that it lies above those of a catalog of
// which nothing is left: an authorizer that still holds that one takes it.
func firstGeneration(now time.Time) uint64 { return uint64(max(now.Unix(), 0)) }
