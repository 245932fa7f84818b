package revocation

import (
	"fmt"
	"sync/atomic"
	"time"

	"github.com/crlgate/crlgate/pkg/catalog"
	"github.com/crlgate/crlgate/pkg/crl"
	"github.com/crlgate/crlgate/pkg/issuer"
	"github.com/crlgate/crlgate/pkg/objectstore"
	"github.com/crlgate/crlgate/pkg/serialset"
)

// snapshot is one catalog in a form to be asked. It never changes, but for the
// marks of what was asked for.
type snapshot struct {
	catalog *catalog.Catalog
	version objectstore.Version
	digest  [32]byte // SHA-256 of the catalog's bytes

	byName map[issuer.Name][]*authority
	byRaw  map[string]issuer.Name // subjects as they stand in CA certificates: the usual case
}

// authority is a CA.
type authority struct {
	name     string
	issuer   *issuer.CA
	settings issuer.Settings
	lists    []*list
}

// list is one CRL of a CA.
type list struct {
	record  *catalog.CRL
	digest  serialset.Digest
	points  map[string]bool // names of the distribution point; nil: none
	reasons crl.ReasonFlags // the reasons it covers
	asked   atomic.Bool     // some request needed it

	// before is the list's predecessor in its line, which answers as long as
	// this one's set is not there. beforeAt is when that was last known to be
	// current.
	before   *list
	beforeAt time.Time
}

func newSnapshot(cat *catalog.Catalog, version objectstore.Version, digest [32]byte, old *snapshot, oldAt time.Time) (*snapshot, error) {
	s := &snapshot{catalog: cat, version: version, digest: digest, byName: map[issuer.Name][]*authority{}, byRaw: map[string]issuer.Name{}}
	predecessors := old.lines()
	for name, ca := range cat.CAs {
		parsed, err := ca.Issuer(name)
		if err != nil {
			return nil, err
		}
		a := &authority{name: name, issuer: parsed, settings: ca.Settings}
		for _, record := range ca.CRLs {
			l, err := newList(record)
			if err != nil {
				return nil, fmt.Errorf("CA %s: %w", name, err)
			}
			l.follow(predecessors[name+"\x00"+record.Line], oldAt)
			a.lists = append(a.lists, l)
		}
		s.byName[parsed.Subject] = append(s.byName[parsed.Subject], a)
		for _, c := range parsed.Certificates {
			s.byRaw[string(c.RawSubject())] = parsed.Subject
		}
	}
	return s, nil
}

func newList(record *catalog.CRL) (*list, error) {
	digest, err := record.Set.Digest()
	if err != nil {
		return nil, fmt.Errorf("CRL %s: %w", record.Name, err)
	}
	l := &list{record: record, digest: digest, reasons: crl.AllReasons}
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
func (l *list) follow(old *list, oldAt time.Time) {
	if old == nil {
		return
	}
	l.asked.Store(old.asked.Load())
	if old.digest != l.digest {
		l.before, l.beforeAt = old, oldAt
	} else {
		l.before, l.beforeAt = old.before, old.beforeAt
	}
}

// lines returns the snapshot's lists by CA and line.
func (s *snapshot) lines() map[string]*list {
	lines := map[string]*list{}
	if s == nil {
		return lines
	}
	for _, as := range s.byName {
		for _, a := range as {
			for _, l := range a.lists {
				lines[a.name+"\x00"+l.record.Line] = l
			}
		}
	}
	return lines
}

// wanted returns the lists that requests have asked for and that are not a
// mere replacement: a list of a CA that is in use and had no such line before.
func (s *snapshot) wanted() []*list {
	var out []*list
	for _, as := range s.byName {
		for _, a := range as {
			inUse := false
			for _, l := range a.lists {
				inUse = inUse || l.asked.Load()
			}
			if inUse {
				out = append(out, a.lists...)
			}
		}
	}
	return out
}

// digests returns the sets that the snapshot has use for: its own, and those
// of predecessors that may still have to answer.
func (s *snapshot) digests() map[serialset.Digest]bool {
	used := map[serialset.Digest]bool{}
	for _, l := range s.lines() {
		used[l.digest] = true
		for b := l.before; b != nil; b = b.before {
			used[b.digest] = true
		}
	}
	return used
}
