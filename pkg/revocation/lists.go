package revocation

import (
	"context"
	"fmt"
	"math"
	"math/big"
	"slices"
	"time"

	"github.com/crlgate/crlgate/pkg/catalog"
	"github.com/crlgate/crlgate/pkg/clientcert"
	"github.com/crlgate/crlgate/pkg/crl"
	"github.com/crlgate/crlgate/pkg/issuer"
	"github.com/crlgate/crlgate/pkg/serialset"
)

// tally adds up what the CRLs that cover a certificate say.
type tally struct {
	covered, current           crl.ReasonFlags // reasons that CRLs cover, and that current ones do
	ownCovered, ownCurrent     crl.ReasonFlags // the same, of the certificate's own key
	namedCovered, namedCurrent crl.ReasonFlags // the same, of CRL issuers that the certificate names
	unknown, namedUnknown      bool            // the chain of a current one's signer is not known
	discounted                 *catalog.CRL    // one whose signer is revoked
}

// askLists asks every CRL that covers a certificate of ca. above are the keys whose own status is being asked about.
func (c *Cache) askLists(ctx context.Context, s *snapshot, ca *authority, cert *clientcert.Certificate, lists []covering, now time.Time, above []asking, a *Answer) {
	if len(lists) == 0 && len(ca.lists) == 0 && ca.table == nil {
		a.NoCRL, a.Detail = true, fmt.Sprintf("CA %s has no CRL yet", ca.name)
		return
	}
	var t tally
	for _, l := range lists {
		if !l.at.IsZero() {
			a.aged(now.Sub(l.at), c.config.MaxUnvalidated)
		}
		known, trace := true, a.trace.of(l.list, l.ca)
		if !l.ownKey {
			signer := c.signerState(ctx, s, l, now, above, a.trace.trace())
			trace.signed(&signer)
			a.rests(&signer, now)
			if signer.revoked {
				// What it revokes still counts; but it vouches for nothing.
				if c.askList(ctx, l, ca, cert, now, a); a.Status == Revoked {
					return
				}
				t.discounted = l.list.record
				continue
			}
			known = signer.known
		}
		t.covered |= l.reasons
		named := l.ca != ca
		switch {
		case l.ownKey:
			t.ownCovered |= l.reasons
		case named:
			t.namedCovered |= l.reasons
		}
		current := c.askList(ctx, l, ca, cert, now, a)
		if a.Status == Revoked {
			return
		}
		if current {
			t.unknown = t.unknown || !known
			t.current |= l.reasons
			switch {
			case l.ownKey:
				t.ownCurrent |= l.reasons
			case named:
				t.namedCurrent |= l.reasons
				t.namedUnknown = t.namedUnknown || !known
			}
		}
	}
	if t.ownCovered != 0 {
		// The certificate's own key publishes here: what the CA's other keys'
		// CRLs say does not stand in for it. Indirect CRLs that the certificate
		// names add what they cover (RFC 5280 §6.3.3).
		t.unknown = t.namedUnknown && t.ownCurrent != crl.AllReasons
		t.covered, t.current = t.ownCovered|t.namedCovered, t.ownCurrent|t.namedCurrent
	}
	a.signerUnknown = t.unknown
	a.trace.tallied(&t)
	switch {
	case t.covered != crl.AllReasons:
		a.OutOfScope = true
		if a.Unavailable != nil {
			break
		}
		a.Detail = fmt.Sprintf("no CRL of CA %s covers this certificate for all reasons", ca.name)
		if t.discounted != nil {
			a.Detail += fmt.Sprintf("; CRL number %s is signed by a key that is revoked", t.discounted.Number)
		}
	case a.Unavailable != nil:
	case t.current == crl.AllReasons:
		a.Status, a.Expired, a.Detail = Good, false, ""
	default:
		a.Expired = true // covered, and what covers it is out of date
	}
}

// askList asks one complete CRL and the deltas to it. It reports whether what
// they say is current; a hit is in the answer.
func (c *Cache) askList(ctx context.Context, l covering, ca *authority, cert *clientcert.Certificate, now time.Time, a *Answer) (current bool) {
	trace := a.trace.of(l.list, l.ca)
	base, whole := c.lookup(ctx, l.list, l.ca, ca, cert.Serial, now, true, a)
	if whole && base.form != &l.list.form && l.list.outgrown(base.record) {
		// What was revoked since its predecessor stands in the complete CRL
		// itself, and no longer in the delta.
		var itself found
		if itself, whole = c.lookup(ctx, l.list, l.ca, ca, cert.Serial, now, false, a); whole || !base.hit {
			base = itself
		}
	}
	number, why := l.list.record.Number.Int(), ""
	if whole {
		number, why = base.record.Number.Int(), a.outOfDate(base.record, &ca.settings, now)
		trace.outOfDate(why)
	}
	removed := false
	defer func() { trace.ended(current, removed, why) }()
	for _, d := range l.list.deltas {
		if addsNothing(d.record, number) {
			trace.noNewer(d)
			continue
		}
		delta, ok := c.lookup(ctx, d, l.ca, ca, cert.Serial, now, true, a)
		if !ok {
			whole = false // what can be had may revoke all the same
			continue
		}
		if addsNothing(delta.record, number) {
			continue // a predecessor that answers for it
		}
		late := a.outOfDate(delta.record, &ca.settings, now)
		trace.outOfDate(late)
		fresh := late == "" && delta.record.Base.Number.Int().Cmp(number) <= 0 && delta.record.Number.Int().Cmp(number) > 0
		if fresh {
			why = "" // the two together are as new as the delta (RFC 5280 §5.2.4)
		}
		switch {
		case !delta.hit:
		case crl.Reason(delta.entry.Reason) != crl.RemoveFromCRL:
			a.revoke(delta)
			return false
		case fresh:
			removed = true
		}
	}
	switch {
	case base.hit && !removed:
		a.revoke(base)
		return false
	case !whole:
		return false
	case why != "":
		a.Expired = true
		if a.Unavailable == nil {
			a.Detail = why
		}
	}
	return why == ""
}

// addsNothing reports whether a delta CRL has nothing to say beside a complete CRL
// of that number: one that is as new says what the delta said. One to its own number
// may yet be a CA's that does not number its deltas: what it lists is revoked.
func addsNothing(delta *catalog.CRL, number *big.Int) bool {
	switch cmp := delta.Number.Int().Cmp(number); {
	case cmp == 0 && delta.OfItsOwnNumber():
		return delta.Empty()
	default:
		return cmp <= 0
	}
}

// outgrown reports whether a delta of the list is one to a newer complete CRL
// than this predecessor of the list's.
func (l *list) outgrown(base *catalog.CRL) bool {
	return slices.ContainsFunc(l.deltas, func(d *list) bool { return d.record.Base.Number.Int().Cmp(base.Number.Int()) > 0 })
}

// aged notes that what was asked is so old; 0: as old as the catalog.
func (a *Answer) aged(age, most time.Duration) {
	if age == 0 {
		return
	}
	a.Age = max(a.Age, age)
	a.Stale = a.Stale || age < 0 || age > most
}

// found is what one CRL says of one serial number.
type found struct {
	*form
	hit   bool
	entry serialset.Entry
}

// revoke notes a hit.
func (a *Answer) revoke(f found) {
	a.Status = Revoked
	a.Hit = &Hit{Date: f.entry.RevocationDate(), Reason: crl.Reason(f.entry.Reason)}
	a.CRL = f.told
	a.Detail = fmt.Sprintf("listed in CRL number %s", f.record.Number)
}

// lookup looks a serial number of ca up in a CRL of crlCA. It notes in the
// answer what was asked, how old it is and what is missing. stale: a predecessor
// may answer.
func (c *Cache) lookup(ctx context.Context, l *list, crlCA, ca *authority, serial []byte, now time.Time, stale bool, a *Answer) (found, bool) {
	l.asked.Store(true)
	f, age, err := c.find(ctx, l, ca.issuer.Subject, crlCA.issuer.Subject, serial, now, stale)
	a.trace.of(l, crlCA).lookup(l, &f, age, err)
	if err != nil {
		a.Unavailable, a.Detail = err, err.Error()
		return found{}, false
	}
	a.aged(age, c.config.MaxUnvalidated)
	if a.CRL == nil || f.told.ThisUpdate.After(a.CRL.ThisUpdate) {
		a.CRL = f.told
	}
	return f, true
}

// find looks a serial number up in a list. Where nothing current can be had, a
// hit in a predecessor still counts, however old that is: what was revoked stays
// so until something better is verified.
func (c *Cache) find(ctx context.Context, l *list, certIssuer, crlIssuer issuer.Name, serial []byte, now time.Time, stale bool) (found, time.Duration, error) {
	f, age, err := c.findCurrent(ctx, l, certIssuer, crlIssuer, serial, now, stale)
	if err != nil {
		if p, set := c.predecessor(l, certIssuer, crlIssuer, now, math.MaxInt64); set != nil {
			if e, hit := set.Lookup(serial); hit && crl.Reason(e.Reason) != crl.RemoveFromCRL {
				return found{&p.form, true, e}, max(now.Sub(p.at), 1), nil
			}
		}
	}
	return f, age, err
}

// findCurrent looks a serial number up in a list's set or, as long as that is not in
// memory, in its predecessor's, having waited a little if that is overdue; where
// neither is, in its own where it lies. age
// is how long ago what answered was last known to be current; 0: as long as the
// catalog.
func (c *Cache) findCurrent(ctx context.Context, l *list, certIssuer, crlIssuer issuer.Name, serial []byte, now time.Time, stale bool) (found, time.Duration, error) {
	f := found{form: &l.form}
	ref := l.ref(certIssuer, crlIssuer)
	if ref == nil {
		return f, 0, nil // the CRL has no entries for that issuer
	}
	if set := c.sets.get(ref); set != nil {
		f.entry, f.hit = set.Lookup(serial)
		return f, 0, nil
	}
	fits := serialset.MaxMemory(ref.set.Size) <= c.config.MemoryBudget
	if p, set := c.predecessor(l, certIssuer, crlIssuer, now, c.config.MaxUnvalidated); stale && p != nil && fits {
		load := c.sets.load(ref)
		if c.overdue(now.Sub(p.at)) {
			c.brief(ctx, load.done, &load.vain)
			if set := c.sets.get(ref); set != nil {
				f.entry, f.hit = set.Lookup(serial)
				return f, 0, nil
			}
		}
		if !load.noRoom() {
			f.form = &p.form
			if set != nil {
				f.entry, f.hit = set.Lookup(serial)
			}
			return f, max(now.Sub(p.at), 1), nil // never 0: it is not the newest
		}
	}
	ctx, cancel := context.WithTimeout(ctx, c.config.ColdWait)
	defer cancel()
	if fits && ref.set.Size <= smallSet {
		load := c.sets.load(ref)
		select {
		case <-load.done:
			if load.err == nil {
				f.entry, f.hit = load.set.Lookup(serial)
			}
			if !load.noRoom() {
				return f, 0, load.err
			}
		case <-ctx.Done():
			return f, 0, fmt.Errorf("%s: still being fetched", ref.set.Key)
		}
	}
	e, hit, pays, err := c.ranges.lookup(ctx, ref, serial, now)
	if pays && fits {
		c.sets.load(ref)
	}
	f.entry, f.hit = e, hit
	return f, 0, err
}

// predecessor returns what stood in a list's line before it, if that is in
// memory and was current within most. A nil set beside it: it had no entries for
// that issuer.
func (c *Cache) predecessor(l *list, certIssuer, crlIssuer issuer.Name, now time.Time, most time.Duration) (*prior, *serialset.Set) {
	for i := range l.priors {
		p := &l.priors[i]
		age := now.Sub(p.at)
		old := p.ref(certIssuer, crlIssuer)
		if age < 0 && most < math.MaxInt64 || age > most {
			continue
		}
		if old == nil {
			return p, nil
		}
		if set := c.sets.loaded(old.digest); set != nil {
			return p, set
		}
	}
	return nil, nil
}

// outOfDate says why a CRL no longer vouches for anything; "" where it does. It
// notes when that will change.
func (a *Answer) outOfDate(r *catalog.CRL, s *issuer.Settings, now time.Time) string {
	end := r.NextUpdate.Add(time.Duration(s.Grace))
	a.holdsUntil(end, now)
	if now.After(end) {
		return fmt.Sprintf("CRL number %s was to be replaced by %s", r.Number, r.NextUpdate.UTC().Format(time.RFC3339))
	}
	if s.MaxCRLAge > 0 {
		end = r.ThisUpdate.Add(time.Duration(s.MaxCRLAge))
		a.holdsUntil(end, now)
		if now.After(end) {
			return fmt.Sprintf("CRL number %s is of %s, older than max_crl_age", r.Number, r.ThisUpdate.UTC().Format(time.RFC3339))
		}
	}
	return ""
}

func asked(r *catalog.CRL) *Asked {
	return &Asked{Name: r.Source.Key, Number: r.Number.String(), ThisUpdate: r.ThisUpdate, NextUpdate: r.NextUpdate}
}
