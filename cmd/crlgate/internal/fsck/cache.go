package fsck

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/crlgate/crlgate/pkg/catalog"
	"github.com/crlgate/crlgate/pkg/objectstore"
	"github.com/crlgate/crlgate/pkg/preprocess"
)

// catalog reads the catalog and compares it with the copies of it.
func (r *run) catalog() error {
	data, _, err := r.cache.ReadAll(r.ctx, catalog.Key, catalog.MaxSize, objectstore.GetOptions{})
	if errors.Is(err, objectstore.ErrNotFound) {
		if len(r.copies) > 0 || len(r.reports) > 0 {
			r.found(CatalogMissing, catalog.Key, "", "", "it is not there, and %s and %s of it are: every client is denied (cache_unavailable)",
				plural(len(r.copies), "copy", "copies"), plural(len(r.reports), "report", "reports"))
			return nil
		}
		r.cat = catalog.New() // nothing was ever accepted here
		return nil
	}
	if err != nil {
		return err
	}
	c, err := catalog.Parse(data)
	switch {
	case errors.Is(err, catalog.ErrFormat):
		r.found(CatalogNewer, catalog.Key, "", "", "%v", err)
		return nil
	case err != nil:
		r.found(CatalogMalformed, catalog.Key, "", "", "%v", err)
		return nil
	}
	r.cat, r.result.Generation, r.result.Checked.CAs = c, c.Generation, len(c.CAs)
	r.copy(data)
	return nil
}

// copy compares the catalog's octets with the copies.
func (r *run) copy(data []byte) {
	if len(r.copies) == 0 {
		return // of before there were any
	}
	if newest := r.copies[0]; newest.Number > r.cat.Generation {
		if newest.Number > r.cat.Generation+1 || r.settled(newest.Object) {
			r.found(CatalogRolledBack, catalog.Key, "", "", "its generation is %d, and the newest copy of it has %d: an older one was put back, or a preprocessor died before it could write it", r.cat.Generation, newest.Number)
		}
		return
	}
	sum := sha256.Sum256(data)
	for _, g := range r.copies {
		if g.Number == r.cat.Generation && strings.Contains(g.Object.Key, hex.EncodeToString(sum[:])) {
			return
		}
	}
	r.found(CatalogAltered, catalog.Key, "", "", "no copy of generation %d has its bytes: something else than the preprocessor wrote it", r.cat.Generation)
}

// parts looks at every part, and attaches those that are whole. The others are
// dropped, for this check only.
func (r *run) parts() error {
	digests := r.cat.Missing()
	r.result.Checked.Parts = len(digests)
	faults, err := parallel(r, "parts", digests, func(digest string) (string, error) {
		return preprocess.PartFault(r.ctx, r.cache, digest)
	})
	if err != nil {
		return err
	}
	var lost []string
	for i, fault := range faults {
		if fault == "" {
			continue
		}
		code := PartDamaged
		if _, err := r.cache.Head(r.ctx, catalog.PartKey(digests[i])); errors.Is(err, objectstore.ErrNotFound) {
			code = PartMissing
		}
		lost = append(lost, digests[i])
		r.found(code, catalog.PartKey(digests[i]), "", "", "%s: what is in it is denied (cache_unavailable)", fault)
	}
	r.lost = len(lost) > 0
	r.cat.DropParts(lost)
	parts, err := parallel(r, "parts", r.cat.Missing(), func(digest string) (*catalog.Part, error) {
		data, _, err := r.cache.ReadAll(r.ctx, catalog.PartKey(digest), catalog.MaxPart, objectstore.GetOptions{})
		if err != nil {
			return nil, err
		}
		return catalog.ParsePart(data, digest)
	})
	if err != nil {
		return err
	}
	for i, digest := range r.cat.Missing() {
		r.cat.Attach(digest, parts[i])
	}
	return nil
}

// inForce is a CRL that the catalog holds.
type inForce struct {
	ca  string
	crl *catalog.CRL
}

// all returns the CRLs in force, in order.
func (r *run) all() []inForce {
	var out []inForce
	for _, name := range slices.Sorted(maps.Keys(r.cat.CAs)) {
		for l := range r.cat.CAs[name].Lists() {
			out = append(out, inForce{name, l})
		}
	}
	return out
}

// sets looks at every set.
func (r *run) sets() error {
	type one struct {
		inForce
		set *catalog.Set
	}
	var sets []one
	for _, l := range r.all() {
		r.result.Checked.CRLs++
		for _, set := range l.crl.AllSets() {
			sets = append(sets, one{l, set})
			r.result.Checked.Bytes += set.Size
		}
	}
	r.result.Checked.Sets = len(sets)
	type fault struct{ kind, words string }
	faults, err := parallel(r, "sets", sets, func(s one) (f fault, err error) {
		f.kind, f.words, err = preprocess.SetFault(r.ctx, r.cache, s.set, !r.Quick)
		return f, err
	})
	if err != nil {
		return err
	}
	codes := map[string]Code{preprocess.SetMissing: SetMissing, preprocess.SetResized: SetResized, preprocess.SetDamaged: SetDamaged}
	for i, f := range faults {
		if f.kind == "" {
			continue
		}
		key := sets[i].crl.Source.Key
		r.found(codes[f.kind], sets[i].set.Key, sets[i].ca, key, "%s: certificates that need it are denied (cache_unavailable)", f.words)
		if _, there := r.there[key]; !there {
			d := &r.result.Differences[len(r.result.Differences)-1]
			d.Repairable = false
			d.Detail += fmt.Sprintf(". The upload %s that it was made of is gone", key)
		}
	}
	return nil
}

// floors compares floors with what is in force, and with what reports say was.
func (r *run) floors() error {
	for _, l := range r.all() {
		floor := r.cat.Floor(l.crl.Line)
		switch {
		case floor == nil:
			r.found(FloorLow, l.crl.Line, l.ca, l.crl.Source.Key, "CRL number %s is in force, and its line has no floor: an older CRL could take its place", l.crl.Number)
		case floor.Number.Int().Cmp(l.crl.Number.Int()) < 0:
			r.found(FloorLow, l.crl.Line, l.ca, l.crl.Source.Key, "CRL number %s is in force, and the floor of its line is %s: an older CRL could take its place", l.crl.Number, floor.Number)
		}
	}
	said := map[string]bool{}
	for _, key := range slices.Sorted(maps.Keys(r.reports)) {
		line, f := r.reports[key].Floor()
		if f == nil || said[line] || r.cat.Floor(line) != nil || r.serves(line) {
			continue
		}
		said[line] = true
		r.found(FloorLow, line, f.CA, "", "the report on %s says that CRL number %s was accepted, and its line has no floor: an older CRL could be accepted", key, f.Number)
	}
	return nil
}

// serves reports whether a CRL of a line is in force.
func (r *run) serves(line string) bool {
	return slices.ContainsFunc(r.all(), func(l inForce) bool { return l.crl.Line == line })
}

// unreferenced looks for what the timer should have swept.
func (r *run) unreferenced() error {
	if r.SweepAfter <= 0 || r.lost {
		return nil
	}
	// Half as long again: the timer comes now and then, and does not do all at once.
	unused, err := preprocess.Unreferenced(r.ctx, r.cache, r.cat, r.Now, r.SweepAfter, r.SweepAfter/2)
	if err != nil {
		return err
	}
	for _, o := range unused {
		r.found(Unreferenced, o.Key, "", "", "nothing refers to it; written %s, %d bytes", o.LastModified.UTC().Format("2006-01-02 15:04Z"), o.Size)
	}
	return nil
}

func plural(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %s", n, many)
}
