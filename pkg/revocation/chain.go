package revocation

import (
	"context"
	"fmt"
	"iter"
	"slices"
	"sync"
	"time"

	"github.com/crlgate/crlgate/pkg/clientcert"
	"github.com/crlgate/crlgate/pkg/crl"
	"github.com/crlgate/crlgate/pkg/issuer"
)

const (
	// maxChain is how many CAs may stand above one another; API Gateway takes
	// chains of four certificates.
	maxChain = 8
	// keyStateAge is how long what was found out of a key is remembered at
	// most, keyStateRetry how long a failure to find out.
	keyStateAge   = time.Hour
	keyStateRetry = time.Second
)

// keyState is what is known of a CA's key: whether the CAs above have revoked it.
type keyState struct {
	revoked bool
	known   bool  // the chain up to a root is known to be good
	cyclic  bool  // it is being asked about already: nothing was found out
	err     error // an object that is needed could not be had
	why     string

	age   time.Duration // as in Answer
	stale bool
	cut   bool // something that it rests on was cyclic

	trace       *KeyTrace // how it was found out; nil: nobody asked
	from, until time.Time // while it is remembered
}

// asking is a key of a CA that is being asked about.
type asking struct {
	ca  *authority
	key issuer.KeyDigest
}

// keyStates remembers the states of a CA's keys. They are found out when the
// catalog changes and when a date passes, not on each request.
type keyStates struct {
	mu    sync.Mutex
	state map[issuer.KeyDigest]keyState
}

func (k *keyStates) get(key issuer.KeyDigest, now time.Time) (keyState, bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	st, ok := k.state[key]
	return st, ok && !now.Before(st.from) && !now.After(st.until)
}

func (k *keyStates) put(key issuer.KeyDigest, st keyState) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.state == nil {
		k.state = map[issuer.KeyDigest]keyState{}
	}
	k.state[key] = st
}

// askChain notes what is known of the key that issued the certificate.
func (c *Cache) askChain(ctx context.Context, s *snapshot, ca *authority, keys []issuer.KeyDigest, now time.Time, a *Answer, t *Trace) {
	a.ChainUnknown = a.signerUnknown
	for _, key := range keys {
		st := c.keyState(ctx, s, ca, key, now, nil, t)
		if t != nil {
			t.Keys = append(t.Keys, st.trace)
		}
		a.rests(&st, now)
		switch {
		case st.revoked:
			a.IssuerRevoked = true
			a.Detail = st.why
		case st.err != nil, !st.known:
			a.ChainUnknown = true
		}
	}
	if a.ChainUnknown && a.Detail == "" {
		a.Detail = "the status of the CA's own certificate is not known: its issuer, or that one's CRL, is not here"
	}
}

// rests notes that an answer depends on what is known of a key.
func (a *Answer) rests(st *keyState, now time.Time) {
	if st.age != 0 { // 0: as old as the catalog, whose age may be negative
		a.Age = max(a.Age, st.age)
	}
	a.Stale = a.Stale || st.stale
	a.cut = a.cut || st.cut || st.cyclic
	a.holdsUntil(st.until, now)
	if st.err != nil && a.Unavailable == nil {
		a.Unavailable, a.Detail = st.err, st.err.Error()
	}
}

// holdsUntil notes a moment behind which an answer may be another. One that has
// passed is past for good, as the zero time is, which stands for none.
func (a *Answer) holdsUntil(end, now time.Time) {
	if !end.Before(now) && (a.until.IsZero() || end.Before(a.until)) {
		a.until = end
	}
}

// signerState says what is known of the key that signed a CRL.
func (c *Cache) signerState(ctx context.Context, s *snapshot, l covering, now time.Time, above []asking, t *Trace) keyState {
	for _, cert := range l.ca.issuer.Certificates {
		if cert.Key.String() == l.list.record.Key {
			return c.keyState(ctx, s, l.ca, cert.Key, now, above, t)
		}
	}
	gone := keyState{revoked: true} // no certificate of the CA has it any longer
	if t != nil {
		gone.trace = &KeyTrace{CA: l.ca.name, Revoked: true, Gone: true, in: t}
	}
	return gone
}

// keyStates finds out what is known of every key of a CA.
func (c *Cache) keyStates(ctx context.Context, s *snapshot, ca *authority, now time.Time) {
	for _, key := range ca.issuer.Keys() {
		c.keyState(ctx, s, ca, key, now, nil, nil)
	}
}

// keyState says what is known of a key. above are the keys that are being
// asked about already, so that two that certify each other come to an end.
func (c *Cache) keyState(ctx context.Context, s *snapshot, ca *authority, key issuer.KeyDigest, now time.Time, above []asking, t *Trace) keyState {
	if st, ok := ca.keys.get(key, now); ok && st.trace.part(t) {
		return st
	}
	self := asking{ca, key}
	if len(above) >= maxChain || slices.Contains(above, self) {
		st := keyState{cyclic: true}
		t.key(ca, key).state(&st)
		return st
	}
	trace := t.key(ca, key)
	above = append(above[:len(above):len(above)], self)
	st := keyState{from: now}
	sum := Answer{} // of what the state rests on
	certs, revoked := 0, 0
	for holder, cert := range s.certificatesOf(key) {
		ct := trace.certificate(holder, cert)
		a := c.certState(ctx, s, cert, now, above, t, ct)
		ct.answer(a)
		sum.rests(&keyState{age: a.Age, stale: a.Stale, cut: a.cut, until: a.until, err: a.Unavailable}, now)
		compromised := a.Hit != nil && (a.Hit.Reason == crl.KeyCompromise || a.Hit.Reason == crl.CACompromise)
		if compromised {
			st.revoked = true // whoever has the key now, it is not the CA alone
		}
		if holder == ca {
			certs++
		}
		switch {
		case holder != ca && !compromised:
			// What another CA's name had from the key goes on without it.
		case a.Status == Revoked:
			revoked++
			st.why = fmt.Sprintf("the certificate %s of CA %s is revoked", issuer.Serial(cert.Serial), holder.name)
		case a.IssuerRevoked:
			revoked++
			st.why = fmt.Sprintf("the key that issued the certificate %s of CA %s is revoked", issuer.Serial(cert.Serial), holder.name)
		case a.Status == Good && !a.ChainUnknown && a.Unavailable == nil:
			st.known = true
		}
	}
	st.revoked = st.revoked || certs > 0 && revoked >= certs
	st.age, st.stale, st.cut, st.err = sum.Age, sum.Stale, sum.cut, sum.Unavailable
	retry := st.err != nil || st.age != 0 || st.stale
	sum.holdsUntil(now.Add(keyStateAge), now)
	if retry {
		sum.holdsUntil(now.Add(keyStateRetry), now) // what is better may be here any moment
	}
	st.until = sum.until
	trace.state(&st)
	if st.revoked || ctx.Err() == nil && (len(above) == 1 || !st.cut) {
		// What was found on the way up may have been cut short by the key
		// that was asked about first, and anything by the end of the time
		// that was left: only whole answers are remembered.
		ca.keys.put(key, st)
	}
	return st
}

// certificatesOf yields the certificates of a key, each with its CA: a key is
// one whatever names it was certified under.
func (s *snapshot) certificatesOf(key issuer.KeyDigest) iter.Seq2[*authority, *issuer.Certificate] {
	return func(yield func(*authority, *issuer.Certificate) bool) {
		for _, ca := range s.cas {
			for _, cert := range ca.issuer.Certificates {
				if cert.Key == key && !yield(ca, cert) {
					return
				}
			}
		}
	}
}

// lineage is where a CA's own certificate comes from.
type lineage struct {
	parsed  *clientcert.Certificate
	err     error
	root    bool        // its own key signed it
	parents []candidate // CAs that did
}

// lineageOf says where a CA's certificate comes from. Its signature is verified
// once while a catalog is in force.
func (s *snapshot) lineageOf(cert *issuer.Certificate) *lineage {
	if l, ok := s.origins.lineages.Load(cert.Fingerprint); ok {
		return l.(*lineage)
	}
	l := &lineage{}
	if l.parsed, l.err = clientcert.Parse(cert.DER); l.err == nil {
		signedBy := func(c *issuer.Certificate) bool {
			return c.Signed(l.parsed.SignatureAlgorithm, l.parsed.TBS, l.parsed.Signature)
		}
		if l.root = cert.Name == cert.Issuer && signedBy(cert); !l.root {
			l.parents = narrow(s.byName[cert.Issuer], signedBy)
		}
	}
	s.origins.lineages.Store(cert.Fingerprint, l)
	return l
}

// certState asks about a CA's own certificate. A root, which its own key
// signed, is what trust begins with.
func (c *Cache) certState(ctx context.Context, s *snapshot, cert *issuer.Certificate, now time.Time, above []asking, t *Trace, ct *CertTrace) Answer {
	line := s.lineageOf(cert)
	ct.line(line)
	switch {
	case line.err != nil:
		return Answer{ChainUnknown: true, Detail: line.err.Error()}
	case line.root:
		return Answer{Status: Good}
	case len(line.parents) != 1:
		return Answer{ChainUnknown: true, Detail: "its issuer is not in the catalog"}
	}
	parsed, parent := line.parsed, line.parents[0]
	if parent.ca.settings.Denies(parsed.Serial) {
		if ct != nil {
			ct.DenyListed = true
		}
		return Answer{Status: Revoked, Hit: &Hit{DenyList: true}}
	}
	a := Answer{trace: t.considered()}
	if ct != nil {
		ct.Considered = a.trace
	}
	lists, current, err := c.coveringFor(ctx, s, parent.ca, parsed, parent.keys, now, a.trace)
	if a.Unavailable = err; !current {
		a.holdsUntil(now.Add(keyStateRetry), now) // the parts that are here are older than the catalog
	}
	c.askLists(ctx, s, parent.ca, parsed, lists, now, above, &a)
	if a.Status == Revoked {
		return a
	}
	a.ChainUnknown = a.signerUnknown
	for _, key := range parent.keys {
		st := c.keyState(ctx, s, parent.ca, key, now, above, t)
		if ct != nil {
			ct.Keys = append(ct.Keys, st.trace)
		}
		a.rests(&st, now)
		a.IssuerRevoked = a.IssuerRevoked || st.revoked
		a.ChainUnknown = a.ChainUnknown || !st.known
	}
	return a
}
