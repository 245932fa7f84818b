package revocation

import (
	"context"
	"slices"
	"time"

	"github.com/crlgate/crlgate/pkg/catalog"
	"github.com/crlgate/crlgate/pkg/clientcert"
	"github.com/crlgate/crlgate/pkg/crl"
	"github.com/crlgate/crlgate/pkg/issuer"
	"github.com/crlgate/crlgate/pkg/objectstore"
)

// Trace is how an answer came about. It is written by the code that finds the
// answer, as it goes, so that the two cannot differ; [Cache.Ask] writes none.
// Records in it belong to the catalog, and nobody may change them.
type Trace struct {
	// Catalog tells of the catalog that answered; nil: there was none.
	Catalog *CatalogTrace
	// Origin is how the certificate's CA was found.
	Origin OriginTrace
	// DenyListed: the serial number is on the CA's deny list, and nothing
	// further was asked.
	DenyListed bool
	// Considered is what was made of the CRLs; nil: none was looked at.
	Considered *Considered
	// Keys are the keys that may have issued the certificate, and what is known
	// of them; nil: it was not asked.
	Keys []*KeyTrace
}

// CatalogTrace tells of the catalog that answered.
type CatalogTrace struct {
	Generation uint64
	Updated    time.Time
	ETag       objectstore.Version
	// Validated is when it was last known to be what the bucket holds.
	Validated time.Time
	Age, Most time.Duration // since then, and MaxUnvalidated
}

// OriginTrace is how a certificate's CA was found.
type OriginTrace struct {
	CA    string // "": not found, and Why says the reason
	Why   string
	By    OriginBy
	Named []*Candidate // the CAs that bear the issuer's name
}

// OriginBy is what told the CA.
type OriginBy uint8

// What can tell the CA.
const (
	ByNothing   OriginBy = iota
	ByKeyID              // name and authority key identifier left one CA and one key
	BySignature          // the signature was verified
)

// Candidate is a CA that bears the issuer's name.
type Candidate struct {
	CA      string
	Issuing int // certificates of it that may issue
	// KeyID: keys left by the certificate's authority key identifier, all where
	// it has none. Signed: keys that signed it, where that was looked at.
	KeyID, Signed []issuer.KeyDigest
	Verified      bool // the signature was looked at
}

// Miss is why a CRL does not speak of a certificate.
type Miss uint8

// The misses; the zero value is none.
const (
	MissNone           Miss = iota
	MissAttributeCerts      // onlyContainsAttributeCerts
	MissUserCerts           // onlyContainsUserCerts, and the certificate is a CA's
	MissCACerts             // onlyContainsCACerts, and the certificate is none
	MissPoints              // no distribution point of the certificate has a name of the CRL's
	MissReasons             // point and CRL have no reason in common
	MissDirect              // the CRL of another CRL issuer, and not indirect
)

// Considered is what was made of the CRLs for one certificate.
type Considered struct {
	Lists []*ListTrace
	// Parts and Read are how many parts the CRLs of the CA are kept in, and how
	// many of those were looked at, as the certificate's distribution points say.
	Parts, Read int
	// Covered and Current are the reasons that CRLs cover, and that current ones
	// do. OwnKey: only CRLs of the key that issued the certificate were counted.
	Covered, Current crl.ReasonFlags
	OwnKey           bool

	in *Trace
}

// ListTrace is one complete CRL and the deltas to it.
type ListTrace struct {
	CA     string // whose CRL it is
	Record *catalog.CRL
	Deltas []*catalog.CRL
	OwnKey bool // signed by a key that may have issued the certificate
	// Covers are the reasons for which it speaks of the certificate; none: Miss
	// says why.
	Covers crl.ReasonFlags
	Miss   Miss
	// Replaced is when it was last known to be current, where a newer catalog
	// names another and that could not be read yet; else zero.
	Replaced time.Time

	Asked   bool      // its sets were looked at
	Signer  *KeyTrace // the key that signed it; nil: its own, or not in doubt
	Vouches bool      // its signer is not revoked
	Lookups []*Lookup // the complete CRL first
	Current bool      // what it says is current
	Why     string    // why not
	// Removed: a delta takes the serial number off the list.
	Removed bool

	line string
}

// Lookup is a serial number looked up in one CRL.
type Lookup struct {
	Record *catalog.CRL
	// Answered is what answered: a predecessor, while the CRL itself is still
	// being fetched.
	Answered *catalog.CRL
	NoNewer  bool          // a delta that says no more than the complete CRL does; not looked at
	Err      error         // an object that is needed could not be had
	Age      time.Duration // 0: as old as the catalog
	Hit      bool
	Date     time.Time
	Reason   crl.Reason
	Why      string // why it is out of date; "": it is not
}

// KeyTrace is what was found out of a CA's key.
type KeyTrace struct {
	CA           string
	Key          issuer.KeyDigest
	Certificates []*CertTrace
	Revoked      bool
	Known        bool // the chain up to a root is known to be good
	Cyclic       bool // it was being asked about already
	Gone         bool // no certificate of the CA has it any longer
	Why          string
	Err          error

	in *Trace
}

// CertTrace is what was found out of a CA's own certificate.
type CertTrace struct {
	CA          string
	Certificate *issuer.Certificate
	Root        bool     // its own key signed it: what trust begins with
	Parents     []string // CAs in the catalog that signed it
	DenyListed  bool
	Considered  *Considered // nil: there is no one parent
	Keys        []*KeyTrace // of the parent
	Answer      Answer
}

// Explain is Ask with a trace. It makes no use of what was remembered of other
// requests, so it costs more.
func (c *Cache) Explain(ctx context.Context, cert *clientcert.Certificate, now time.Time) (Answer, *Trace) {
	t := &Trace{}
	a := c.ask(ctx, cert, now, t)
	a.trace = nil
	return a, t
}

// The methods below note what happened. On nil, which is what a request has,
// they do nothing.

func (t *Trace) catalog(s *inForce, age, most time.Duration) {
	if t != nil {
		t.Catalog = &CatalogTrace{s.catalog.Generation, s.catalog.Updated, s.version, s.validated, age, most}
	}
}

// considered begins the trace of one certificate's CRLs.
func (t *Trace) considered() *Considered {
	if t == nil {
		return nil
	}
	return &Considered{in: t}
}

func (t *Trace) named(cas []*authority) {
	if t == nil {
		return
	}
	for _, ca := range cas {
		issuing := 0
		for _, c := range ca.issuer.Certificates {
			if c.MayIssue {
				issuing++
			}
		}
		t.Origin.Named = append(t.Origin.Named, &Candidate{CA: ca.name, Issuing: issuing})
	}
}

// left notes which keys of which CAs are left.
func (t *Trace) left(by OriginBy, left []candidate) {
	if t == nil {
		return
	}
	t.Origin.By = by
	for _, n := range t.Origin.Named {
		n.Verified = by == BySignature
		for _, l := range left {
			switch {
			case l.ca.name != n.CA:
			case by == BySignature:
				n.Signed = l.keys
			default:
				n.KeyID = l.keys
			}
		}
	}
}

func (t *Trace) origin(o *origin) {
	if t == nil {
		return
	}
	t.Origin.Why = o.why
	if o.ca != nil {
		t.Origin.CA = o.ca.name
	}
}

func (c *Considered) trace() *Trace {
	if c == nil {
		return nil
	}
	return c.in
}

func (c *Considered) parts(ca *authority, slots []*slot) {
	if c == nil {
		return
	}
	c.Parts = len(ca.slots)
	seen := map[*slot]struct{}{}
	for _, s := range slots {
		seen[s] = struct{}{}
	}
	c.Read = len(seen)
}

// looked notes that a CRL was held against the certificate. keys are those that
// may have issued it, where the CRL is of the CA that did.
func (c *Considered) looked(l *list, ca *authority, covers crl.ReasonFlags, miss Miss, keys []issuer.KeyDigest, at time.Time) {
	if c == nil {
		return
	}
	t := c.of(l, ca)
	if t == nil {
		t = &ListTrace{CA: ca.name, Record: l.record, line: l.record.Line, OwnKey: isOne(l.record.Key, keys), Replaced: at, Miss: miss, Vouches: true}
		for _, d := range l.deltas {
			t.Deltas = append(t.Deltas, d.record)
		}
		c.Lists = append(c.Lists, t)
	}
	if t.Covers |= covers; t.Covers != 0 {
		t.Miss = MissNone
	}
}

// of returns what is noted of a CRL, or of the one that it is a delta to.
func (c *Considered) of(l *list, ca *authority) *ListTrace {
	if c == nil {
		return nil
	}
	for _, t := range c.Lists {
		if t.CA == ca.name && (t.line == l.record.Line || slices.Contains(t.Deltas, l.record)) {
			return t
		}
	}
	return nil
}

func (c *Considered) tallied(t *tally) {
	if c != nil {
		c.Covered, c.Current, c.OwnKey = t.covered, t.current, t.ownCovered != 0
	}
}

func (t *ListTrace) signed(st *keyState) {
	if t != nil {
		t.Signer, t.Vouches = st.trace, !st.revoked
	}
}

// lookup notes a look-up.
func (t *ListTrace) lookup(l *list, f *found, age time.Duration, err error) {
	if t == nil {
		return
	}
	n := &Lookup{Record: l.record, Answered: f.record, Age: age, Err: err, Hit: f.hit}
	if f.hit {
		n.Date, n.Reason = f.entry.RevocationDate(), crl.Reason(f.entry.Reason)
	}
	t.Asked = true
	t.Lookups = append(t.Lookups, n)
}

// noNewer notes a delta that was passed over.
func (t *ListTrace) noNewer(l *list) {
	if t != nil {
		t.Lookups = append(t.Lookups, &Lookup{Record: l.record, NoNewer: true})
	}
}

// outOfDate notes why what was looked up last is out of date.
func (t *ListTrace) outOfDate(why string) {
	if t != nil {
		t.Lookups[len(t.Lookups)-1].Why = why
	}
}

func (t *ListTrace) ended(current, removed bool, why string) {
	if t != nil {
		t.Current, t.Removed, t.Why = current, removed, why
	}
}

func (t *Trace) key(ca *authority, key issuer.KeyDigest) *KeyTrace {
	if t == nil {
		return nil
	}
	return &KeyTrace{CA: ca.name, Key: key, in: t}
}

// part reports whether what is remembered of a key may be used: without a trace
// always, else if it is in that trace.
func (k *KeyTrace) part(t *Trace) bool { return t == nil || k != nil && k.in == t }

func (k *KeyTrace) certificate(holder *authority, cert *issuer.Certificate) *CertTrace {
	if k == nil {
		return nil
	}
	t := &CertTrace{CA: holder.name, Certificate: cert}
	k.Certificates = append(k.Certificates, t)
	return t
}

// state notes what was found out of the key, and in the state where that is told.
func (k *KeyTrace) state(st *keyState) {
	if k != nil {
		k.Revoked, k.Known, k.Cyclic, k.Why, k.Err = st.revoked, st.known, st.cyclic, st.why, st.err
		st.trace = k
	}
}

func (t *CertTrace) line(l *lineage) {
	if t == nil {
		return
	}
	t.Root = l.root
	for _, p := range l.parents {
		t.Parents = append(t.Parents, p.ca.name)
	}
}

func (t *CertTrace) answer(a Answer) {
	if t != nil {
		t.Answer = a
		t.Answer.trace = nil
	}
}
