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

// Ask says what is known of a certificate's revocation at now, when the
// request arrived.
func (c *Cache) Ask(ctx context.Context, cert *clientcert.Certificate, now time.Time) Answer {
	now = now.Round(0)
	c.fresh(ctx, now)
	s := c.current.Load()
	if s == nil {
		return Answer{Unavailable: fmt.Errorf("%w: %s could not be read", ErrNoCatalog, catalog.Key), Detail: "the authorizer has no catalog yet: S3 does not answer, or the preprocessor has not written one"}
	}
	a := Answer{ChainUnknown: true}
	a.Age, _ = c.age(c.clock())
	a.Stale = a.Age < 0 || a.Age > c.config.MaxUnvalidated

	ca, keys, why := s.find(cert)
	if ca == nil {
		a.Detail = why
		return a
	}
	a.CA, a.Settings = ca.name, ca.settings
	if ca.settings.Denies(cert.Serial) {
		a.Status, a.Hit = Revoked, &Hit{DenyList: true}
		a.Detail = "its serial number is on the CA's deny list"
		return a
	}
	if len(ca.lists) == 0 {
		a.NoCRL, a.Detail = true, fmt.Sprintf("CA %s has no CRL yet", ca.name)
		return a
	}
	c.askLists(ctx, ca, cert, keys, now, &a)
	return a
}

// askLists asks every CRL of the CA that covers the certificate.
func (c *Cache) askLists(ctx context.Context, ca *authority, cert *clientcert.Certificate, keys []issuer.KeyDigest, now time.Time, a *Answer) {
	points := pointsOf(cert, ca.issuer.Subject)
	var all, own crl.ReasonFlags // reasons that current CRLs cover, of any key and of the certificate's own
	covered, ownCovers := crl.ReasonFlags(0), false
	for _, l := range ca.lists {
		reasons := l.covers(cert, points)
		if reasons == 0 {
			continue
		}
		covered |= reasons
		ownKey := isOne(l.record.Key, keys)
		ownCovers = ownCovers || ownKey
		l.asked.Store(true)
		set, record, age, err := c.setFor(ctx, l, now)
		if err != nil {
			a.Unavailable, a.Detail = err, err.Error()
			continue
		}
		if age > a.Age {
			a.Age = age
			a.Stale = a.Stale || age > c.config.MaxUnvalidated
		}
		if e, hit := set.Lookup(cert.Serial); hit {
			a.Status = Revoked
			a.Hit = &Hit{Date: e.RevocationDate(), Reason: crl.Reason(e.Reason)}
			a.CRL = asked(record)
			a.Detail = fmt.Sprintf("listed in CRL number %s", record.Number)
			return
		}
		if a.CRL == nil || record.ThisUpdate.After(a.CRL.ThisUpdate) {
			a.CRL = asked(record)
		}
		if why := outOfDate(record, &ca.settings, now); why != "" {
			a.Expired = true
			if a.Unavailable == nil {
				a.Detail = why
			}
			continue
		}
		all |= reasons
		if ownKey {
			own |= reasons
		}
	}
	if ownCovers {
		all = own // the certificate's own key publishes here: what other keys say does not stand in for it
	}
	switch {
	case covered != crl.AllReasons:
		a.OutOfScope = true
		a.Detail = fmt.Sprintf("none of the %d CRLs of CA %s covers this certificate for all reasons", len(ca.lists), ca.name)
	case a.Unavailable != nil:
	case all == crl.AllReasons:
		a.Status, a.Expired, a.Detail = Good, false, ""
	default:
		a.Expired = true // covered, and what covers it is out of date
	}
}

// setFor returns the set that answers for a list and the record it belongs to:
// its own or, as long as that is not there, its predecessor's. age is how long
// ago that was last known to be current.
func (c *Cache) setFor(ctx context.Context, l *list, now time.Time) (*serialset.Set, *catalog.CRL, time.Duration, error) {
	if set := c.sets.loaded(l.digest); set != nil {
		return set, l.record, 0, nil
	}
	load := c.sets.load(l.record)
	for b, at := l.before, l.beforeAt; b != nil; b, at = b.before, b.beforeAt {
		age := now.Sub(at)
		if set := c.sets.loaded(b.digest); set != nil && age >= 0 && age <= c.config.MaxUnvalidated {
			return set, b.record, age, nil
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
		return load.set, l.record, 0, load.err
	case <-t.C:
	case <-ctx.Done():
	}
	return nil, nil, 0, fmt.Errorf("%s: still being fetched", l.record.Set.Key)
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

// find returns the certificate's CA and the digests of the keys that may have
// issued it: by issuer name, then authority key identifier, then signature.
func (s *snapshot) find(cert *clientcert.Certificate) (*authority, []issuer.KeyDigest, string) {
	name, ok := s.byRaw[string(cert.Issuer)]
	if !ok {
		var err error
		if name, err = issuer.ParseName(cert.Issuer); err != nil {
			return nil, nil, "its issuer is not a name: " + err.Error()
		}
	}
	named := s.byName[name]
	if len(named) == 0 {
		return nil, nil, fmt.Sprintf("no CA has the name %s", issuer.Display(cert.Issuer))
	}
	left := narrow(named, func(c *issuer.Certificate) bool {
		return len(cert.AuthorityKeyID) == 0 || c.MatchesKeyID(cert.AuthorityKeyID)
	})
	if len(left) == 1 && len(left[0].keys) == 1 && len(left[0].ca.settings.Domains) == 0 {
		return left[0].ca, left[0].keys, ""
	}
	// More than one CA or key is left, or none has this identifier, or the CA
	// is tied to domain names, which another CA of its name and identifier
	// must not get around: the signature tells.
	signed := narrow(named, func(c *issuer.Certificate) bool {
		return c.Signed(cert.SignatureAlgorithm, cert.TBS, cert.Signature)
	})
	switch len(signed) {
	case 1:
		return signed[0].ca, signed[0].keys, ""
	case 0:
		return nil, nil, fmt.Sprintf("no CA of the name %s has the key that signed it", issuer.Display(cert.Issuer))
	}
	return nil, nil, fmt.Sprintf("more than one CA has the name %s and the key that signed it", issuer.Display(cert.Issuer))
}

// candidate is a CA that may have issued a certificate, with the keys by which.
type candidate struct {
	ca   *authority
	keys []issuer.KeyDigest
}

func narrow(cas []*authority, fits func(*issuer.Certificate) bool) []candidate {
	var out []candidate
	for _, ca := range cas {
		var keys []issuer.KeyDigest
		for _, c := range ca.issuer.Certificates {
			if c.MayIssue && !has(keys, c.Key) && fits(c) {
				keys = append(keys, c.Key)
			}
		}
		if len(keys) > 0 {
			out = append(out, candidate{ca, keys})
		}
	}
	return out
}

func has(keys []issuer.KeyDigest, k issuer.KeyDigest) bool {
	for _, have := range keys {
		if have == k {
			return true
		}
	}
	return false
}

func isOne(key string, keys []issuer.KeyDigest) bool {
	for _, k := range keys {
		if k.String() == key {
			return true
		}
	}
	return false
}

// point is one distribution point of a certificate, in the form of [catalog.Points].
type point struct {
	names   [][]byte
	reasons crl.ReasonFlags
}

// pointsOf returns the distribution points at which the certificate's own CA
// publishes. RFC 5280 §6.3.3 has one added that every certificate has: named
// as its issuer, for all reasons.
func pointsOf(cert *clientcert.Certificate, ca issuer.Name) []point {
	out := []point{{names: [][]byte{catalog.DirectoryPoint(ca)}, reasons: crl.AllReasons}}
	for _, p := range cert.DistributionPoints {
		names, err := catalog.Points(p.FullName, p.RelativeName, ca)
		if err != nil || len(p.CRLIssuer) > 0 {
			continue // one that cannot be read matches nothing; one of another issuer is not this CA's
		}
		reasons := crl.AllReasons
		if p.Reasons != 0 {
			reasons = crl.ReasonFlags(p.Reasons)
		}
		out = append(out, point{names: names, reasons: reasons})
	}
	return out
}

// covers returns the reasons for which a CRL speaks of the certificate; none:
// it does not (RFC 5280 §6.3.3 steps b and d).
func (l *list) covers(cert *clientcert.Certificate, points []point) crl.ReasonFlags {
	scope := &l.record.Scope
	if scope.OnlyAttributeCerts || scope.OnlyUserCerts && cert.IsCA || scope.OnlyCACerts && !cert.IsCA {
		return 0
	}
	if l.points == nil {
		return l.reasons
	}
	var covered crl.ReasonFlags
	for _, p := range points {
		for _, name := range p.names {
			if l.points[string(name)] {
				covered |= l.reasons & p.reasons
			}
		}
	}
	return covered
}
