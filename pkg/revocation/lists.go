package revocation

import (
	"context"
	"fmt"
	"time"

	"github.com/crlgate/crlgate/pkg/catalog"
	"github.com/crlgate/crlgate/pkg/clientcert"
	"github.com/crlgate/crlgate/pkg/crl"
	"github.com/crlgate/crlgate/pkg/issuer"
	"github.com/crlgate/crlgate/pkg/serialset"
)

// tally adds up what the CRLs that cover a certificate say.
type tally struct {
	covered, current       crl.ReasonFlags // reasons that CRLs cover, and that current ones do
	ownCovered, ownCurrent crl.ReasonFlags // the same, of the certificate's own key
}

// askLists asks every CRL that covers a certificate of ca. above are the keys whose own status is being asked about.
func (c *Cache) askLists(ctx context.Context, s *snapshot, ca *authority, cert *clientcert.Certificate, lists []covering, now time.Time, above []issuer.KeyDigest, a *Answer) {
	if len(lists) == 0 && len(ca.lists) == 0 && ca.table == nil {
		a.NoCRL, a.Detail = true, fmt.Sprintf("CA %s has no CRL yet", ca.name)
		return
	}
	var t tally
	for _, l := range lists {
		if !l.at.IsZero() {
			a.aged(now.Sub(l.at), c.config.MaxUnvalidated)
		}
		if !l.ownKey && c.signerRevoked(ctx, s, l, now, above) {
			// What it revokes still counts; but it vouches for nothing.
			if c.askList(ctx, l, ca, cert, now, a); a.Status == Revoked {
				return
			}
			continue
		}
		t.covered |= l.reasons
		if l.ownKey {
			t.ownCovered |= l.reasons
		}
		current := c.askList(ctx, l, ca, cert, now, a)
		if a.Status == Revoked {
			return
		}
		if current {
			t.current |= l.reasons
			if l.ownKey {
				t.ownCurrent |= l.reasons
			}
		}
	}
	if t.ownCovered != 0 {
		// The certificate's own key publishes here: what other keys' CRLs say
		// does not stand in for it.
		t.covered, t.current = t.ownCovered, t.ownCurrent
	}
	switch {
	case t.covered != crl.AllReasons:
		a.OutOfScope = true
		a.Detail = fmt.Sprintf("no CRL of CA %s covers this certificate for all reasons", ca.name)
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
	base, ok := c.lookup(ctx, l.list, l.ca, ca, cert.Serial, now, a)
	if !ok {
		return false
	}
	why := outOfDate(base.record, &ca.settings, now)
	removed := false
	for _, d := range l.list.deltas {
		if d.record.Number.Int().Cmp(base.record.Number.Int()) <= 0 {
			continue // the complete CRL is as new: it says what the delta said
		}
		delta, ok := c.lookup(ctx, d, l.ca, ca, cert.Serial, now, a)
		if !ok {
			return false
		}
		inDate := outOfDate(delta.record, &ca.settings, now) == ""
		fits := delta.record.Base.Number.Int().Cmp(base.record.Number.Int()) <= 0
		if inDate && fits {
			why = "" // the two together are as new as the delta (RFC 5280 §5.2.4)
		}
		switch {
		case !delta.hit:
		case crl.Reason(delta.entry.Reason) != crl.RemoveFromCRL:
			a.revoke(delta)
			return false
		case inDate && fits:
			removed = true
		}
	}
	if base.hit && !removed {
		a.revoke(base)
		return false
	}
	if why != "" {
		a.Expired = true
		if a.Unavailable == nil {
			a.Detail = why
		}
	}
	return why == ""
}

// aged notes that what was asked is so old.
func (a *Answer) aged(age, most time.Duration) {
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
// answer what was asked, how old it is and what is missing.
func (c *Cache) lookup(ctx context.Context, l *list, crlCA, ca *authority, serial []byte, now time.Time, a *Answer) (found, bool) {
	l.asked.Store(true)
	set, form, age, err := c.setFor(ctx, l, ca.issuer.Subject, crlCA.issuer.Subject, now)
	if err != nil {
		a.Unavailable, a.Detail = err, err.Error()
		return found{}, false
	}
	a.aged(age, c.config.MaxUnvalidated)
	if a.CRL == nil || form.told.ThisUpdate.After(a.CRL.ThisUpdate) {
		a.CRL = form.told
	}
	f := found{form: form}
	if set != nil {
		f.entry, f.hit = set.Lookup(serial)
	}
	return f, true
}

// setFor returns the set that answers for a list and the form it belongs to:
// its own or, as long as that is not there, its predecessor's. A nil set has no
// entries. age is how long ago that was last known to be current; 0: as long
// as the catalog.
func (c *Cache) setFor(ctx context.Context, l *list, certIssuer, crlIssuer issuer.Name, now time.Time) (*serialset.Set, *form, time.Duration, error) {
	ref := l.ref(certIssuer, crlIssuer)
	if ref == nil {
		return nil, &l.form, 0, nil
	}
	if set := c.sets.get(ref); set != nil {
		return set, &l.form, 0, nil
	}
	load := c.sets.load(ref)
	for i := range l.priors {
		p := &l.priors[i]
		age := now.Sub(p.at)
		old := p.ref(certIssuer, crlIssuer)
		if old == nil || age < 0 || age > c.config.MaxUnvalidated {
			continue
		}
		if set := c.sets.loaded(old.digest); set != nil {
			return set, &p.form, age, nil
		}
	}
	wait := c.config.ColdWait
	if deadline, ok := ctx.Deadline(); ok {
		wait = min(wait, deadline.Sub(c.clock())*9/10)
	}
	t := time.NewTimer(wait)
	defer t.Stop()
	select {
	case <-load.done:
		return load.set, &l.form, 0, load.err
	case <-t.C:
	case <-ctx.Done():
	}
	return nil, nil, 0, fmt.Errorf("%s: still being fetched", ref.set.Key)
}

// outOfDate says why a CRL no longer vouches for anything; "" where it does.
func outOfDate(r *catalog.CRL, s *issuer.Settings, now time.Time) string {
	if end := r.NextUpdate.Add(time.Duration(s.Grace)); now.After(end) {
		return fmt.Sprintf("CRL number %s was to be replaced by %s", r.Number, r.NextUpdate.UTC().Format(time.RFC3339))
	}
	if s.MaxCRLAge > 0 && now.Sub(r.ThisUpdate) > time.Duration(s.MaxCRLAge) {
		return fmt.Sprintf("CRL number %s is of %s, older than max_crl_age", r.Number, r.ThisUpdate.UTC().Format(time.RFC3339))
	}
	return ""
}

func asked(r *catalog.CRL) *Asked {
	return &Asked{Name: r.Source.Key, Number: r.Number.String(), ThisUpdate: r.ThisUpdate, NextUpdate: r.NextUpdate}
}
