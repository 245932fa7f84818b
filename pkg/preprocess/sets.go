package preprocess

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/crlgate/crlgate/pkg/catalog"
	"github.com/crlgate/crlgate/pkg/objectstore"
	"github.com/crlgate/crlgate/pkg/serialset"
)

// Heads is what is needed of a bucket to look at objects without reading them.
type Heads interface {
	Reads
	Head(ctx context.Context, key string) (objectstore.Object, error)
}

// SetMissing and SetResized are what [SetFault] says of a set object that is
// not there, or has another length.
const (
	SetMissing = "missing"
	SetResized = "resized"
	SetDamaged = "damaged"
)

// SetFault says what is wrong with the object that the catalog names as a set:
// kind is one of the constants above, "" where nothing is; words are for people.
// With deep, the object is read to its end and every hash in it compared;
// otherwise only its length is asked for.
func SetFault(ctx context.Context, cache Heads, set *catalog.Set, deep bool) (kind, words string, err error) {
	object, err := cache.Head(ctx, set.Key)
	switch {
	case errors.Is(err, objectstore.ErrNotFound):
		return SetMissing, "it is not there", nil
	case err != nil:
		return "", "", err
	case object.Size != set.Size:
		return SetResized, fmt.Sprintf("it has %d bytes, and the catalog says %d", object.Size, set.Size), nil
	case !deep:
		return "", "", nil
	}
	digest, err := set.Digest()
	if err != nil {
		return "", "", err
	}
	for _, err := range serialset.Scan(&rangeReader{ctx: ctx, cache: cache, set: set}, digest) {
		switch {
		case err == nil:
		case errors.Is(err, serialset.ErrCorrupt), errors.Is(err, serialset.ErrVersion), errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, objectstore.ErrRange):
			return SetDamaged, err.Error(), nil
		case errors.Is(err, objectstore.ErrNotFound):
			return SetMissing, "it is not there", nil
		default:
			return "", "", err
		}
	}
	return "", "", nil
}

// setFault says in words what is wrong with a set; "" where nothing is.
func (p *Preprocessor) setFault(ctx context.Context, set *catalog.Set, deep bool) (string, error) {
	_, words, err := SetFault(ctx, p.cache, set, deep)
	return words, err
}

// faultySets lists the set objects and returns the upload keys of CRLs in force
// of which one is missing or has another length than the catalog says. That is
// what costs little to know; a change that keeps the length shows to those who
// read the set. All parts must be attached.
func (p *Preprocessor) faultySets(ctx context.Context, cat *catalog.Catalog) (map[string]bool, error) {
	sizes := map[string]int64{}
	for object, err := range p.cache.List(ctx, catalog.SetPrefix) {
		if err != nil {
			return nil, err
		}
		sizes[object.Key] = object.Size
	}
	faulty := map[string]bool{}
	for _, ca := range cat.CAs {
		for l := range ca.Lists() {
			for _, set := range l.AllSets() {
				if size, there := sizes[set.Key]; !there || size != set.Size {
					faulty[l.Source.Key] = true
				}
			}
		}
	}
	return faulty, nil
}
