package crash

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"maps"
	"math/big"
	"slices"
	"strings"

	"github.com/crlgate/crlgate/cmd/crlgate/faults/internal/machine"
	"github.com/crlgate/crlgate/pkg/catalog"
	"github.com/crlgate/crlgate/pkg/serialset"
)

// An audit reads a cache bucket the way an authorizer must, from the catalog
// down, and notes every fault. It uses the formats of packages catalog and
// serialset, and nothing of package preprocess.
type audit struct {
	cache  machine.Objects
	faults []string
	named  map[string]bool // keys that the catalog refers to
	cat    *catalog.Catalog
	crls   map[string]map[string]*found // by CA and upload key
}

// found is a CRL in force, read to the last entry.
type found struct {
	record  *catalog.CRL
	serials []string // hex, in order
}

// read follows the catalog to everything that it names.
func read(cache machine.Objects) *audit {
	a := &audit{cache: cache, named: map[string]bool{catalog.Key: true}, crls: map[string]map[string]*found{}}
	data, ok := cache[catalog.Key]
	if !ok {
		a.cat = catalog.New()
		return a
	}
	var err error
	if a.cat, err = catalog.Parse(data); err != nil {
		a.fault("the catalog cannot be read: %v", err)
		a.cat = catalog.New()
		return a
	}
	if !a.attach() {
		return a
	}
	for name, ca := range a.cat.CAs {
		a.crls[name] = map[string]*found{}
		for l := range ca.Lists() {
			if a.crls[name][l.Source.Key] != nil {
				a.fault("CA %s has two CRLs from %s in force", name, l.Source.Key)
			}
			a.crls[name][l.Source.Key] = a.set(l)
			switch floor := a.cat.Floor(l.Line); {
			case floor == nil:
				a.fault("%s: its line has no floor, so an older CRL could be put back", l.Source.Key)
			case floor.Number.Int().Cmp(l.Number.Int()) != 0:
				a.fault("%s: number %s is in force and the floor of its line is %s", l.Source.Key, l.Number, floor.Number)
			}
		}
	}
	return a
}

func (a *audit) fault(format string, args ...any) {
	a.faults = append(a.faults, fmt.Sprintf(format, args...))
}

// attach reads the catalog's parts.
func (a *audit) attach() bool {
	for _, digest := range a.cat.Missing() {
		key := catalog.PartKey(digest)
		a.named[key] = true
		data, ok := a.cache[key]
		if !ok {
			a.fault("%s: the catalog names it and it is not there", key)
			return false
		}
		part, err := catalog.ParsePart(data, digest)
		if err != nil {
			a.fault("%s: %v", key, err)
			return false
		}
		a.cat.Attach(digest, part)
	}
	return true
}

// set reads the set of a CRL.
func (a *audit) set(l *catalog.CRL) *found {
	f := &found{record: l}
	for _, s := range l.AllSets() {
		a.named[s.Key] = true
	}
	data, ok := a.cache[l.Set.Key]
	if !ok {
		a.fault("%s: the catalog names it for %s and it is not there", l.Set.Key, l.Source.Key)
		return f
	}
	if int64(len(data)) != l.Set.Size {
		a.fault("%s: %d bytes, and the catalog says %d", l.Set.Key, len(data), l.Set.Size)
	}
	digest, err := l.Set.Digest()
	if err != nil {
		a.fault("%s: %v", l.Set.Key, err)
		return f
	}
	set, err := serialset.Open(data, digest)
	if err != nil {
		a.fault("%s: %v", l.Set.Key, err)
		return f
	}
	if set.Len() != l.Entries {
		a.fault("%s: %d entries, and the catalog says %d", l.Set.Key, set.Len(), l.Entries)
	}
	for e := range set.All() {
		f.serials = append(f.serials, new(big.Int).SetBytes(e.Contents()).Text(16))
	}
	slices.Sort(f.serials)
	return f
}

// Orphans are the objects that nothing refers to and a sweep may take.
func (a *audit) orphans() (keys []string) {
	for key := range a.cache {
		if strings.HasPrefix(key, catalog.GenerationPrefix) {
			continue // a copy of a catalog, which is kept for its own sake
		}
		if !a.named[key] && (strings.HasPrefix(key, catalog.SetPrefix) && strings.HasSuffix(key, ".cache") || strings.HasPrefix(key, "catalog/")) {
			keys = append(keys, key)
		}
	}
	slices.Sort(keys)
	return keys
}

// matches notes where the bucket differs from the truth.
func (a *audit) matches(want State) {
	if left := a.orphans(); want.Swept && !slices.Equal(left, want.Young) {
		a.fault("nothing refers to %v, want that of %v", left, want.Young)
	}
	for _, key := range want.Foreign {
		if _, there := a.cache[key]; !there {
			a.fault("%s is none of crlgate's and is gone", key)
		}
	}
	for name := range a.cat.CAs {
		if _, ok := want.CAs[name]; !ok {
			a.fault("CA %s is in force and must not be", name)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(want.CAs)) {
		a.matchesCA(name, want.CAs[name], want.JSON)
	}
	for _, key := range slices.Sorted(maps.Keys(want.Reports)) {
		var r struct {
			Key     string `json:"key"`
			Outcome string `json:"outcome"`
			Code    string `json:"code"`
		}
		data, ok := a.cache["reports/"+key+".json"]
		switch err := json.Unmarshal(data, &r); {
		case !ok:
			a.fault("no report on %s", key)
		case err != nil:
			a.fault("the report on %s: %v", key, err)
		case r.Key != key || !slices.Contains(strings.Split(want.Reports[key], " or "), r.Outcome):
			a.fault("the report on %s says %s (%s), want %s", key, r.Outcome, r.Code, want.Reports[key])
		}
	}
}

func (a *audit) matchesCA(name string, want CA, asJSON bool) {
	ca := a.cat.CAs[name]
	if ca == nil {
		a.fault("CA %s is not in force", name)
		return
	}
	if have := certificates(ca); !slices.Equal(have, fingerprints(want)) {
		a.fault("CA %s has certificates %v, want %v", name, have, fingerprints(want))
	}
	var deny []string
	for _, s := range ca.Settings.Deny {
		deny = append(deny, fmt.Sprint(s))
	}
	if !slices.Equal(deny, want.Deny) {
		a.fault("CA %s has the deny list %v, want %v", name, deny, want.Deny)
	}
	for key := range a.crls[name] {
		if _, ok := want.CRLs[key]; !ok {
			a.fault("%s is in force for CA %s and must not be", key, name)
		}
	}
	for _, key := range slices.Sorted(maps.Keys(want.CRLs)) {
		have, l := a.crls[name][key], want.CRLs[key]
		if have == nil {
			a.fault("%s is not in force for CA %s", key, name)
			continue
		}
		serials := l.hex()
		if n := have.record.Number.String(); n != fmt.Sprint(l.Number) {
			a.fault("%s: number %s is in force, want %d", key, n, l.Number)
		}
		if (have.record.Kind == catalog.Delta) != l.Delta {
			a.fault("%s is in force as a %s CRL", key, have.record.Kind)
		}
		if !slices.Equal(have.serials, serials) {
			a.fault("%s: serials %v, want %v", key, have.serials, serials)
		}
		if asJSON && have.record.Source.Key != "" {
			a.matchesJSON(key, have.record, serials)
		}
	}
}

// matchesJSON looks at what CACHE_JSON publishes.
func (a *audit) matchesJSON(key string, record *catalog.CRL, serials []string) {
	var form struct {
		Number  string   `json:"crl_number"`
		Serials []string `json:"serials"`
	}
	if err := json.Unmarshal(a.cache[catalog.JSONKey(record.Name)], &form); err != nil {
		a.fault("%s as JSON: %v", key, err)
		return
	}
	for i, s := range form.Serials {
		n, ok := new(big.Int).SetString(s, 16)
		if !ok {
			a.fault("%s as JSON: serial %q", key, s)
			return
		}
		form.Serials[i] = n.Text(16)
	}
	slices.Sort(form.Serials)
	if form.Number != record.Number.String() || !slices.Equal(form.Serials, serials) {
		a.fault("%s as JSON: number %s with serials %v, want %s with %v", key, form.Number, form.Serials, record.Number, serials)
	}
}

// between notes where a crash has left something that is neither of before nor
// of after, CA by CA and CRL by CRL: reports, which are written last, apart.
func (a *audit) between(before, after State) {
	for name, ca := range a.cat.CAs {
		old, was := before.CAs[name]
		next, will := after.CAs[name]
		if !was && !will {
			a.fault("CA %s is in force and never was meant to be", name)
			continue
		}
		have := certificates(ca)
		if !slices.Equal(have, fingerprints(old)) && !slices.Equal(have, fingerprints(next)) {
			a.fault("CA %s has certificates of neither before nor after", name)
		}
		for key, l := range a.crls[name] {
			if !is(l, old.CRLs[key]) && !is(l, next.CRLs[key]) {
				a.fault("%s: number %s with serials %v is neither what was in force nor what is to be", key, l.record.Number, l.serials)
			}
		}
	}
	for name, old := range before.CAs {
		next, stays := after.CAs[name]
		if !stays {
			continue
		}
		if a.cat.CAs[name] == nil {
			a.fault("CA %s was in force, is to stay so, and is gone", name)
			continue
		}
		for key := range old.CRLs {
			if _, ok := next.CRLs[key]; ok && a.crls[name][key] == nil {
				a.fault("%s was in force, is to stay so, and is gone", key)
			}
		}
	}
}

// follows notes where an audit has gone back behind an earlier one.
func (a *audit) follows(earlier *audit) {
	if a.cat.Generation < earlier.cat.Generation {
		a.fault("the catalog's generation fell from %d to %d", earlier.cat.Generation, a.cat.Generation)
	}
	for name, crls := range earlier.crls {
		for key, l := range crls {
			floor := a.cat.Floor(l.record.Line)
			if floor == nil || floor.Number.Int().Cmp(l.record.Number.Int()) < 0 {
				a.fault("%s of CA %s: number %s was in force, and the floor of its line no longer says so", key, name, l.record.Number)
			}
			if now := a.crls[name][key]; now != nil && now.record.Line == l.record.Line && now.record.Number.Int().Cmp(l.record.Number.Int()) < 0 {
				a.fault("%s of CA %s: number %s was in force and the older %s is", key, name, l.record.Number, now.record.Number)
			}
		}
	}
}

func is(f *found, want CRL) bool {
	return want.Number > 0 && f.record.Number.String() == fmt.Sprint(want.Number) && slices.Equal(f.serials, want.hex())
}

func (l CRL) hex() []string {
	var out []string
	for _, s := range l.Serials {
		out = append(out, s.Text(16))
	}
	slices.Sort(out)
	return out
}

func certificates(ca *catalog.CA) (out []string) {
	for _, c := range ca.Certificates {
		out = append(out, fingerprint(c.DER))
	}
	slices.Sort(out)
	return out
}

func fingerprints(ca CA) (out []string) {
	for _, der := range ca.Certificates {
		out = append(out, fingerprint(der))
	}
	slices.Sort(out)
	return out
}

func fingerprint(der []byte) string {
	sum := sha256.Sum256(bytes.Clone(der))
	return hex.EncodeToString(sum[:4])
}
