package preprocess

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"iter"
	"time"

	"github.com/crlgate/crlgate/pkg/catalog"
	"github.com/crlgate/crlgate/pkg/objectstore"
	"github.com/crlgate/crlgate/pkg/serialset"
)

const (
	// compareTimeout bounds the comparison of a CRL with the one it replaced.
	compareTimeout = time.Minute
	// comparePart is how much of the old set is read at a time.
	comparePart = 8 << 20
)

// compare tells the metrics how many serial numbers a CRL has that the one it
// replaced has not, and the other way round: revocations can get lost. The CRL
// is in force and reported on by then, and nothing that happens here changes
// that. Of a delta CRL there is nothing to tell: it shrinks whenever its base
// moves on.
func (p *Preprocessor) compare(ctx context.Context, c *Candidate, ca string, was, is *catalog.CRL) {
	if was == nil || is == nil || is.Kind != catalog.Complete {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, compareTimeout)
	defer cancel()
	added, vanished, err := p.drift(ctx, c, was, is)
	if err != nil {
		p.log.Warn("not compared with the CRL before", "crl", is.Source.Key, "ca", ca, "err", err)
		return
	}
	before := was.Entries
	for _, o := range was.Others {
		before += o.Entries
	}
	p.log.Info("compared with the CRL before", "crl", is.Source.Key, "ca", ca, "entries", is.Entries, "added", added, "vanished", vanished)
	p.metrics.SerialsCompared(ca, before, added, vanished)
}

// drift compares the sets of two CRLs, certificate issuer by certificate issuer.
func (p *Preprocessor) drift(ctx context.Context, c *Candidate, was, is *catalog.CRL) (added, vanished int, err error) {
	old := map[string]*catalog.Set{"": &was.Set}
	for i, o := range was.Others {
		old[string(o.Name)] = &was.Others[i].Set
	}
	now := map[string]*serialset.Image{"": c.Image}
	for _, o := range c.Others {
		now[string(o.Name)] = o.Image
	}
	sets := map[string]*catalog.Set{"": &is.Set}
	for i, o := range is.Others {
		sets[string(o.Name)] = &is.Others[i].Set
	}
	for name, image := range now {
		switch before := old[name]; {
		case before == nil:
			added += image.Len()
		case before.SHA256 != sets[name].SHA256: // otherwise the same
			a, v, err := p.merge(ctx, before, image)
			if err != nil {
				return 0, 0, err
			}
			added, vanished = added+a, vanished+v
		}
	}
	for _, o := range was.Others {
		if now[string(o.Name)] == nil {
			vanished += o.Entries
		}
	}
	return added, vanished, nil
}

// merge goes through an old set, which is read piece by piece, and a new one
// side by side.
func (p *Preprocessor) merge(ctx context.Context, old *catalog.Set, image *serialset.Image) (added, vanished int, err error) {
	digest, err := old.Digest()
	if err != nil {
		return 0, 0, err
	}
	next, stop := iter.Pull(image.All())
	defer stop()
	e, more := next()
	for was, err := range serialset.Scan(&rangeReader{ctx: ctx, cache: p.cache, set: old}, digest) {
		if err != nil {
			return 0, 0, fmt.Errorf("%s: %w", old.Key, err)
		}
		for more && compareSerials(e.Serial, was.Serial) < 0 {
			added++
			e, more = next()
		}
		if more && compareSerials(e.Serial, was.Serial) == 0 {
			e, more = next()
		} else {
			vanished++
		}
	}
	for ; more; _, more = next() {
		added++
	}
	return added, vanished, nil
}

// compareSerials compares serial numbers of sets of any two widths in the order
// in which sets hold them: the octets of both, sign-extended to the same width.
func compareSerials(a, b []byte) int {
	longer := len(a) - len(b)
	if longer < 0 {
		return -compareSerials(b, a)
	}
	sign := byte(0)
	if b[0] >= 0x80 {
		sign = 0xff
	}
	for _, octet := range a[:longer] {
		if octet != sign {
			return int(octet) - int(sign)
		}
	}
	return bytes.Compare(a[longer:], b)
}

// rangeReader reads a set object by ranges.
type rangeReader struct {
	ctx   context.Context
	cache Reads
	set   *catalog.Set
	part  []byte
	off   int64
}

// Read reads.
func (r *rangeReader) Read(b []byte) (int, error) {
	if len(r.part) == 0 {
		length := min(comparePart, r.set.Size-r.off)
		if length <= 0 {
			return 0, io.EOF
		}
		data, _, err := r.cache.ReadAll(r.ctx, r.set.Key, length, objectstore.GetOptions{Range: objectstore.Range{Offset: r.off, Length: length}})
		if err != nil {
			return 0, err
		}
		if len(data) == 0 {
			return 0, io.EOF
		}
		r.part, r.off = data, r.off+int64(len(data))
	}
	n := copy(b, r.part)
	r.part = r.part[n:]
	return n, nil
}
