package differential

import (
	"bytes"
	"crypto/x509/pkix"
	"encoding/asn1"
	"fmt"
	"math/big"
	"slices"
	"strings"

	"github.com/crlgate/crlgate/internal/pki"
)

// The fourth opinion: RFC 5280 §6.3.3 read over what a case was made of, and
// not over its bytes. It knows no ASN.1, verifies no signature and shares no
// code with what is tested; what it takes from crlgate's own rules is said
// where it is.

// subject is a certificate whose status is asked.
type subject struct {
	serial *big.Int
	isCA   bool
	issuer string // canonical
	points []pki.DistributionPoint
}

// canonical is a name as RFC 5280 §7.1 compares it, far enough for the names
// that are made here.
func canonical(name []byte) string {
	var rdns pkix.RDNSequence
	if rest, err := asn1.Unmarshal(name, &rdns); err != nil || len(rest) > 0 {
		panic(fmt.Sprintf("a name that was made here does not parse: %x", name))
	}
	var b strings.Builder
	for _, rdn := range rdns {
		for _, a := range rdn {
			value, _ := a.Value.(string)
			fmt.Fprintf(&b, "/%v=%s", a.Type, strings.ToLower(strings.Join(strings.Fields(value), " ")))
		}
	}
	return b.String()
}

func (c *kase) subject() subject {
	issuer := c.issuer
	if issuer == nil {
		issuer = c.own().Name()
	}
	return subject{c.serial, false, canonical(issuer), c.points}
}

func subjectOf(a *authority) subject {
	return subject{a.Certificate.SerialNumber, a.Certificate.IsCA, canonical(a.Certificate.RawIssuer), nil}
}

// issuer is the CRL issuer's name, canonical.
func (l *list) issuer() string {
	if l.opts.Issuer != nil {
		return canonical(l.opts.Issuer)
	}
	return canonical(l.signer.Name())
}

func (l *list) delta() bool { return l.opts.BaseNumber != nil }

// hasUnknownCritical: an extension that nobody may pass over (§5.2, §5.3).
func (l *list) hasUnknownCritical() bool {
	critical := func(x pkix.Extension) bool { return x.Critical }
	return slices.ContainsFunc(l.opts.ExtraExtensions, critical) ||
		slices.ContainsFunc(l.opts.Entries, func(e pki.Entry) bool { return slices.ContainsFunc(e.ExtraExtensions, critical) })
}

// sound reports whether a CRL conforms to the profile and its signature is good.
func (l *list) sound() bool {
	o := &l.opts
	return !l.forged && !l.hasUnknownCritical() && !l.signer.noCRLs && o.Number != nil && !o.NextUpdate.IsZero() &&
		l.issuer() == canonical(l.signer.Name()) && (o.IDP == nil || !o.IDP.OnlyAttribute)
}

// started and expired are a CRL's dates against the case's moment.
func (c *kase) started(l *list) bool { return !l.opts.ThisUpdate.After(c.now) }

func (c *kase) expired(l *list) bool {
	return !l.opts.NextUpdate.IsZero() && l.opts.NextUpdate.Before(c.now)
}

// scope is a CRL's issuing distribution point, as octets.
func (l *list) scope() string {
	if l.opts.IDP == nil {
		return ""
	}
	value, err := l.opts.IDP.Value()
	if err != nil {
		panic(err)
	}
	return string(value)
}

// sameLine: CRLs of one issuer, key, scope and kind, of which the newest counts.
func (l *list) sameLine(k *list) bool {
	return l.signer.sameKey(k.signer) && l.issuer() == k.issuer() && l.scope() == k.scope() && l.delta() == k.delta()
}

func (a *authority) sameKey(b *authority) bool {
	return bytes.Equal(a.Certificate.RawSubjectPublicKeyInfo, b.Certificate.RawSubjectPublicKeyInfo)
}

// newest are the CRLs that count: sound, begun, and of each line the one of the
// highest number. A number used twice, and a thisUpdate that goes back, break
// §5.2.3; of the former the later thisUpdate counts, of the latter the lower number.
func (c *kase) newest() []*list {
	sorted := slices.DeleteFunc(slices.Clone(c.lists), func(l *list) bool { return !l.sound() || !c.started(l) })
	slices.SortStableFunc(sorted, func(a, b *list) int {
		if n := a.opts.Number.Cmp(b.opts.Number); n != 0 {
			return n
		}
		return b.opts.ThisUpdate.Compare(a.opts.ThisUpdate)
	})
	var out []*list
	for _, l := range sorted {
		i := slices.IndexFunc(out, l.sameLine)
		switch {
		case i < 0 && !l.delta() && c.expired(l) && !c.hasCurrentDelta(l):
			// It never was in force here, so it is not used (crlgate's own rule
			// is that one which was goes on revoking).
		case i < 0:
			out = append(out, l)
		case l.opts.Number.Cmp(out[i].opts.Number) > 0 && !l.opts.ThisUpdate.Before(out[i].opts.ThisUpdate):
			out[i] = l
		}
	}
	return out
}

// hasCurrentDelta: a CRL out of date is made current by a delta (§5.2.4).
func (c *kase) hasCurrentDelta(base *list) bool {
	return !base.delta() && slices.ContainsFunc(c.lists, func(d *list) bool {
		return d.delta() && d.sound() && c.started(d) && !c.expired(d) && d.fits(base)
	})
}

// fits reports whether a delta is one to this complete CRL, and newer (§5.2.4).
func (l *list) fits(base *list) bool {
	return l.signer.sameKey(base.signer) && l.issuer() == base.issuer() && l.scope() == base.scope() &&
		l.opts.BaseNumber.Cmp(base.opts.Number) <= 0 && l.opts.Number.Cmp(base.opts.Number) > 0
}

// pointNames are the names of a distribution point, or of an IDP, as text.
func pointNames(uris []string, raw [][]byte, relative []byte, issuer string) []string {
	out := slices.Clone(uris)
	for _, r := range raw {
		var inner asn1.RawValue
		if _, err := asn1.Unmarshal(r, &inner); err != nil {
			panic(err)
		}
		out = append(out, canonical(inner.Bytes))
	}
	if relative != nil {
		der, err := asn1.Marshal(asn1.RawValue{Class: 0, Tag: asn1.TagSet, IsCompound: true, Bytes: relative})
		if err != nil {
			panic(err)
		}
		whole, err := asn1.Marshal(asn1.RawValue{Class: 0, Tag: asn1.TagSequence, IsCompound: true, Bytes: der})
		if err != nil {
			panic(err)
		}
		out = append(out, issuer+canonical(whole))
	}
	return out
}

// covers returns the reasons for which a complete CRL speaks of a certificate
// (§6.3.3 b and d), over all its points and the one that is assumed at the end.
func (l *list) covers(s subject) (reasons pki.Reasons) {
	for _, p := range append(slices.Clone(s.points), pki.DistributionPoint{}) {
		reasons |= l.coversAt(s, p)
	}
	return reasons
}

// coversAt is covers at one distribution point; a point without name and
// cRLIssuer is the assumed one, which is named as the certificate's issuer.
func (l *list) coversAt(s subject, p pki.DistributionPoint) pki.Reasons {
	idp := l.opts.IDP
	if idp == nil {
		idp = &pki.IDP{}
	}
	issuer := s.issuer
	if p.CRLIssuer != nil {
		if issuer = canonical(p.CRLIssuer); !idp.Indirect {
			return 0
		}
	}
	if issuer != l.issuer() || idp.OnlyAttribute || idp.OnlyUser && s.isCA || idp.OnlyCA && !s.isCA {
		return 0
	}
	if names := pointNames(idp.FullNames, idp.RawNames, idp.Relative, l.issuer()); len(names) > 0 {
		at := pointNames(p.FullNames, p.RawNames, p.Relative, issuer)
		if len(at) == 0 {
			at = []string{issuer}
		}
		if !slices.ContainsFunc(at, func(n string) bool { return slices.Contains(names, n) }) {
			return 0
		}
	}
	reasons := allReasons
	if idp.Reasons != 0 {
		reasons &= idp.Reasons
	}
	if p.Reasons != 0 {
		reasons &= p.Reasons
	}
	return reasons
}

// entry returns the reason by which a CRL lists a certificate: entries belong
// to the issuer named last, in an indirect CRL (§5.3.3).
func (l *list) entry(s subject) (reason pki.Reason, listed bool) {
	issuer := l.issuer()
	for _, e := range l.opts.Entries {
		if e.CertificateIssuer != nil {
			issuer = canonical(e.CertificateIssuer)
		}
		if issuer == s.issuer && e.Serial.Cmp(s.serial) == 0 {
			reason, listed = e.Reason, true
			if reason != pki.RemoveFromCRL {
				return reason, true
			}
		}
	}
	return reason, listed
}

// deltaOf is the newest delta that fits a complete CRL (§5.2.4), or nil.
func (c *kase) deltaOf(base *list) *list {
	for _, d := range c.newest() {
		if d.delta() && d.fits(base) {
			return d
		}
	}
	return nil
}

// opinion is what the CRLs say of a certificate, and the reason where revoked.
func (c *kase) opinion(s subject, asking ...*authority) (verdict, pki.Reason) {
	var mask pki.Reasons
	for _, l := range c.newest() {
		reasons := l.covers(s)
		if l.delta() || reasons == 0 {
			continue
		}
		reason, listed := l.entry(s)
		current := !c.expired(l)
		if d := c.deltaOf(l); d != nil {
			r, also := d.entry(s)
			switch {
			case also && r != pki.RemoveFromCRL:
				return revoked, r // also where the delta is out of date
			case also && !c.expired(d):
				listed = false
			}
			current = current || !c.expired(d)
		}
		if !current {
			continue
		}
		if listed {
			return revoked, reason
		}
		if !c.signerRevoked(l, asking) {
			mask |= reasons
		}
	}
	if mask == allReasons {
		return good, 0
	}
	return unknown, 0
}

// signerRevoked: the certificate of a CRL's signer, where that is not on the
// path, has a path of its own to be validated (§6.3.3 f).
func (c *kase) signerRevoked(l *list, asking []*authority) bool {
	if slices.Contains(c.path, l.signer) || l.signer.Parent == nil || slices.Contains(asking, l.signer) {
		return false
	}
	v, _ := c.opinion(subjectOf(l.signer), append(asking, l.signer)...)
	return v == revoked
}

// caRevoked: the key of a CA on the path is revoked with a certificate of it,
// unless that was only replaced by another of the same key, which is crlgate's
// own rule.
func (c *kase) caRevoked(a *authority) bool {
	v, reason := c.opinion(subjectOf(a), a)
	if v != revoked {
		return false
	}
	if reason == pki.KeyCompromise || reason == pki.CACompromise {
		return true
	}
	return !slices.ContainsFunc(c.others, func(o *authority) bool {
		if o == a || !o.sameKey(a) {
			return false
		}
		v, _ := c.opinion(subjectOf(o), o)
		return v != revoked
	})
}

// read is the RFC's verdict on the case's certificate and the CAs above.
func (c *kase) read() verdict {
	s := c.subject()
	if s.issuer != canonical(c.own().Name()) {
		return unknown // no CA has that name
	}
	v, _ := c.opinion(s)
	for _, a := range c.path[:len(c.path)-1] {
		if v != revoked && c.caRevoked(a) {
			v = revoked
		}
	}
	return v
}
