package revocation

import (
	"fmt"
	"iter"
	"maps"
	"slices"
	"sync/atomic"
	"time"

	"github.com/crlgate/crlgate/pkg/catalog"
	"github.com/crlgate/crlgate/pkg/crl"
	"github.com/crlgate/crlgate/pkg/issuer"
	"github.com/crlgate/crlgate/pkg/objectstore"
	"github.com/crlgate/crlgate/pkg/serialset"
)

// snapshot is one catalog in a form to be asked. It never changes, but for the
// marks of what was asked for, and what is remembered of keys.
type snapshot struct {
	catalog *catalog.Catalog
	version objectstore.Version
	digest  [32]byte // SHA-256 of the catalog's bytes

	cas    []*authority
	byName map[issuer.Name][]*authority
	byRaw  map[string]issuer.Name // subjects as they stand in CA certificates: the usual case

	// tied: some CA is associated with domain names.
	tied bool

	origins *origins
}

// authority is a CA.
type authority struct {
	name     string
	issuer   *issuer.CA
	settings issuer.Settings
	lists    []*list // complete CRLs that stand in the catalog itself
	keys     keyStates
	// directory is the distribution point that has the CA's own name.
	directory [][]byte

	// table and slots hold those of the CA's CRLs that the catalog keeps in
	// parts; nil: it keeps all of them itself.
	table *catalog.Parts
	slots []*slot
}

// list is one CRL of a CA.
type list struct {
	form
	points  map[string]bool // names of the distribution point; nil: none
	reasons crl.ReasonFlags // the reasons it covers
	deltas  []*list         // delta CRLs to it
	asked   atomic.Bool     // some request needed it

	// priors are what stood in the list's line before it, newest first: one
	// answers as long as this one's sets are not there.
	priors []prior
}

// form is a CRL and its sets.
type form struct {
	record *catalog.CRL
	told   *Asked                  // what an answer says of it
	own    *setRef                 // entries for the CRL issuer's certificates
	others map[issuer.Name]*setRef // an indirect CRL's entries for other issuers'
}

// prior is a form that was replaced.
type prior struct {
	form
	at time.Time // when it was last known to be current
}

// maxPriors bounds the predecessors that are kept while no set arrives.
const maxPriors = 64

// loadedFunc tells whether a set is in memory.
type loadedFunc func(serialset.Digest) bool

// setRef names a set object, and what the catalog says of it.
type setRef struct {
	crl     string // name of its CRL
	set     *catalog.Set
	digest  serialset.Digest
	entries int

	// held is the set once it was found in memory: requests that are being
	// answered from a snapshot keep its sets, whatever replaces it meanwhile.
	held atomic.Pointer[serialset.Set]
}

// named returns the same reference, holding nothing.
func (r *setRef) named() *setRef {
	return &setRef{crl: r.crl, set: r.set, digest: r.digest, entries: r.entries}
}

func newRef(crlName string, set *catalog.Set, entries int) (*setRef, error) {
	digest, err := set.Digest()
	if err != nil {
		return nil, fmt.Errorf("CRL %s: %w", crlName, err)
	}
	return &setRef{crl: crlName, set: set, digest: digest, entries: entries}, nil
}

// ref returns the set that speaks of certificates of an issuer; nil: the CRL
// has no entries for it. crlIssuer is the CRL's own issuer.
func (f *form) ref(certIssuer, crlIssuer issuer.Name) *setRef {
	if certIssuer == crlIssuer {
		return f.own
	}
	return f.others[certIssuer]
}

// named returns the same form, holding no set.
func (f *form) named() form {
	out := form{record: f.record, told: f.told, own: f.own.named()}
	for name, r := range f.others {
		if out.others == nil {
			out.others = make(map[issuer.Name]*setRef, len(f.others))
		}
		out.others[name] = r.named()
	}
	return out
}

// in reports whether all sets of the form are in memory.
func (f *form) in(loaded loadedFunc) bool {
	for r := range f.refs() {
		if !loaded(r.digest) {
			return false
		}
	}
	return true
}

// newSnapshot makes a catalog ready to be asked. old is what it replaces, if
// anything.
func newSnapshot(cat *catalog.Catalog, version objectstore.Version, digest [32]byte, old *inForce, loaded loadedFunc) (*snapshot, error) {
	s := &snapshot{catalog: cat, version: version, digest: digest, byName: map[issuer.Name][]*authority{}, byRaw: map[string]issuer.Name{}, origins: &origins{}}
	var predecessors map[string]*list
	var oldAt time.Time
	oldCAs := map[string]*authority{}
	if old != nil {
		predecessors, oldAt = old.lines(), old.validated
		for _, a := range old.cas {
			oldCAs[a.name] = a
		}
	}
	for _, name := range slices.Sorted(maps.Keys(cat.CAs)) {
		a, err := newAuthority(name, cat.CAs[name])
		if err != nil {
			return nil, fmt.Errorf("CA %s: %w", name, err)
		}
		a.slots = newSlots(a.table, oldCAs[name], oldAt)
		for _, l := range withDeltas(a.lists) {
			l.follow(predecessors[name+"\x00"+l.record.Line], oldAt, loaded)
		}
		s.cas = append(s.cas, a)
		s.tied = s.tied || len(a.settings.Domains) > 0
		s.byName[a.issuer.Subject] = append(s.byName[a.issuer.Subject], a)
		for _, c := range a.issuer.Certificates {
			s.byRaw[string(c.RawSubject())] = a.issuer.Subject
		}
	}
	return s, nil
}

func newAuthority(name string, ca *catalog.CA) (*authority, error) {
	parsed, err := ca.Issuer(name)
	if err != nil {
		return nil, err
	}
	a := &authority{name: name, issuer: parsed, settings: ca.Settings, table: ca.Parts, directory: [][]byte{catalog.DirectoryPoint(parsed.Subject)}}
	a.lists, err = newLists(ca.CRLs)
	return a, err
}

// newLists makes the complete CRLs among records ready to be asked, each with
// the deltas to it.
func newLists(records []*catalog.CRL) ([]*list, error) {
	byLine := map[string]*list{}
	var lists, deltas []*list
	for _, record := range records {
		l, err := newList(record)
		if err != nil {
			return nil, err
		}
		if record.Base != nil {
			deltas = append(deltas, l)
			continue
		}
		byLine[record.Line] = l
		lists = append(lists, l)
	}
	for _, d := range deltas {
		if base := byLine[d.record.Base.Line]; base != nil {
			base.deltas = append(base.deltas, d)
		}
	}
	return lists, nil
}

func newList(record *catalog.CRL) (l *list, err error) {
	l = &list{form: form{record: record, told: asked(record)}, reasons: crl.AllReasons}
	if l.own, err = newRef(record.Name, &record.Set, record.Entries); err != nil {
		return nil, err
	}
	for i := range record.Others {
		o := &record.Others[i]
		if l.others == nil {
			l.others = map[issuer.Name]*setRef{}
		}
		if l.others[issuer.Name(o.Name)], err = newRef(record.Name, &o.Set, o.Entries); err != nil {
			return nil, err
		}
	}
	if record.Scope.OnlySomeReasons != 0 {
		l.reasons = record.Scope.OnlySomeReasons
	}
	for _, p := range record.Scope.Points {
		if l.points == nil {
			l.points = map[string]bool{}
		}
		l.points[string(p)] = true
	}
	return l, nil
}

// follow takes over from the list that stood in this one's place.
func (l *list) follow(old *list, oldAt time.Time, loaded loadedFunc) {
	if old == nil {
		return
	}
	l.asked.Store(old.asked.Load())
	l.priors = old.priors
	if old.record.Content != l.record.Content || old.own.digest != l.own.digest {
		l.priors = append([]prior{{old.form.named(), oldAt}}, old.priors...)
	}
	keep := min(len(l.priors), maxPriors)
	for i := range l.priors[:keep] {
		if l.priors[i].in(loaded) {
			keep = i + 1 // the newest that is in memory answers; none older ever will
			break
		}
	}
	l.priors = l.priors[:keep:keep]
}

// all yields every list of the snapshot, with its CA.
func (s *snapshot) all() iter.Seq2[*authority, *list] {
	return func(yield func(*authority, *list) bool) {
		for _, a := range s.cas {
			for _, l := range a.all() {
				if !yield(a, l) {
					return
				}
			}
		}
	}
}

// all returns the CA's lists that are at hand, deltas among them.
func (a *authority) all() []*list {
	out := withDeltas(a.lists)
	for _, s := range a.slots {
		if f := s.filled.Load(); f != nil {
			out = append(out, withDeltas(f.lists)...)
		}
	}
	return out
}

// lines returns the snapshot's lists by CA and line.
func (s *snapshot) lines() map[string]*list {
	lines := map[string]*list{}
	for a, l := range s.all() {
		lines[a.name+"\x00"+l.record.Line] = l
	}
	return lines
}

// refs yields the sets of a form.
func (f *form) refs() iter.Seq[*setRef] {
	return func(yield func(*setRef) bool) {
		if !yield(f.own) {
			return
		}
		for _, r := range f.others {
			if !yield(r) {
				return
			}
		}
	}
}

// wanted yields the lists that requests have asked, in their earlier form or
// this one.
func (s *snapshot) wanted() iter.Seq[*list] {
	return func(yield func(*list) bool) {
		for _, l := range s.all() {
			if l.asked.Load() && !yield(l) {
				return
			}
		}
	}
}

// inMemory reports whether a set of the list, or of one before it, is held.
func (l *list) inMemory(loaded func(serialset.Digest) *serialset.Set) bool {
	if loaded(l.own.digest) != nil {
		return true
	}
	for i := range l.priors {
		for r := range l.priors[i].refs() {
			if loaded(r.digest) != nil {
				return true
			}
		}
	}
	return false
}

// digests returns the sets that the snapshot has use for: its own, and, of a
// list that is not in memory, those of predecessors that may have to answer.
func (s *snapshot) digests(loaded loadedFunc) map[serialset.Digest]bool {
	used := map[serialset.Digest]bool{}
	note := func(f *form) (in bool) {
		for r := range f.refs() {
			used[r.digest] = true
		}
		return f.in(loaded)
	}
	for _, l := range s.all() {
		in := note(&l.form)
		for i := 0; i < len(l.priors) && !in; i++ {
			in = note(&l.priors[i].form)
		}
	}
	return used
}

// superseded returns the sets of predecessors that have nothing left to answer, and
// that next, which is to replace the snapshot unless it is nil, has no use for either:
// a CRL may come to list again what it listed before.
func (s *snapshot) superseded(next *snapshot, loaded loadedFunc) []serialset.Digest {
	var out []serialset.Digest
	used := s.digests(loaded)
	if next != nil {
		maps.Copy(used, next.digests(loaded))
	}
	for _, l := range s.all() {
		for i := range l.priors {
			for r := range l.priors[i].refs() {
				if !used[r.digest] {
					out = append(out, r.digest)
				}
			}
		}
	}
	return out
}
