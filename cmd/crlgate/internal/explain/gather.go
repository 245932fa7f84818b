package explain

import (
	"crypto/x509"
	"encoding/hex"
	"fmt"
	"time"

	"github.com/crlgate/crlgate/cmd/crlgate/internal/status"
	"github.com/crlgate/crlgate/pkg/authorize"
	"github.com/crlgate/crlgate/pkg/catalog"
	"github.com/crlgate/crlgate/pkg/clientcert"
	"github.com/crlgate/crlgate/pkg/crl"
	"github.com/crlgate/crlgate/pkg/issuer"
	"github.com/crlgate/crlgate/pkg/revocation"
)

// newReport puts an explanation into a report.
func newReport(e *authorize.Explanation, in *Input, assumed []string) *Report {
	r := &Report{At: in.At.UTC(), Certificate: certificate(e.Certificate), CRLs: []CRL{}, Chain: []Key{}, Assumed: append([]string{}, assumed...)}
	r.Origin.Candidates = []Candidate{}
	if t := e.Trace; t != nil {
		r.Catalog, r.Origin = catalogOf(t), origin(&t.Origin)
		r.CRLs, r.Coverage = considered(t.Considered, in.At)
		r.Chain = keys(t.Keys, in.At)
	}
	r.Verdict = verdict(e)
	r.Settings = settings(e, in)
	r.Rows = rows(e, in, r)
	r.Verdict.Words, r.Verdict.Remedy = summary(r), remedy(r, e, in)
	r.Steps = steps(r, e, in)
	return r
}

func verdict(e *authorize.Explanation) Verdict {
	v := Verdict{Decision: e.Context.Decision, Reason: e.Decision.Reason, Status: e.Facts.Answer.Status.String(), Row: e.Decision.Row}
	v.WouldDeny, v.Relaxed = e.Decision.WouldDeny, e.Decision.Relaxed
	return v
}

func certificate(c *clientcert.Certificate) *Certificate {
	if c == nil {
		return nil
	}
	fp := c.Fingerprint()
	out := &Certificate{
		Subject: printable(issuer.Display(c.Subject)), Issuer: printable(issuer.Display(c.Issuer)), Serial: serial(c.Serial),
		Fingerprint: hex.EncodeToString(fp[:]), AuthorityKeyID: hex.EncodeToString(c.AuthorityKeyID), IsCA: c.IsCA, Points: []Point{},
	}
	if x, err := x509.ParseCertificate(c.DER); err == nil {
		out.NotBefore, out.NotAfter = x.NotBefore.UTC(), x.NotAfter.UTC()
	}
	for i := range c.DistributionPoints {
		d := &c.DistributionPoints[i]
		p := Point{Names: generalNames(d.FullName)}
		if d.RelativeName != nil {
			p.Names = append(p.Names, fmt.Sprintf("relative to its issuer, #%x", clip(d.RelativeName)))
		}
		if d.Reasons != 0 {
			p.Reasons = reasons(crl.ReasonFlags(d.Reasons))
		}
		if len(d.CRLIssuer) > 0 {
			p.CRLIssuers = generalNames(d.CRLIssuer)
		}
		out.Points = append(out.Points, p)
	}
	return out
}

func catalogOf(t *revocation.Trace) *Catalog {
	if t.Catalog == nil {
		return nil
	}
	return &Catalog{t.Catalog.Generation, t.Catalog.Updated.UTC(), string(t.Catalog.ETag), int64(t.Catalog.Age / time.Second)}
}

func origin(t *revocation.OriginTrace) Origin {
	o := Origin{CA: t.CA, Why: t.Why, Candidates: []Candidate{}}
	switch t.By {
	case revocation.ByKeyID:
		o.By = "key identifier"
	case revocation.BySignature:
		o.By = "signature"
	}
	for _, n := range t.Named {
		o.Candidates = append(o.Candidates, Candidate{CA: n.CA, KeyID: len(n.KeyID) > 0, Verified: n.Verified, Signed: len(n.Signed) > 0})
	}
	return o
}

func considered(c *revocation.Considered, now time.Time) ([]CRL, *Coverage) {
	out := []CRL{}
	if c == nil {
		return out, nil
	}
	for _, l := range c.Lists {
		out = append(out, complete(l, now))
	}
	return out, &Coverage{Covered: coverage(c.Covered), Current: coverage(c.Current), OwnKey: c.OwnKey, Parts: c.Parts, PartsRead: c.Read}
}

// complete is a complete CRL with its deltas.
func complete(l *revocation.ListTrace, now time.Time) CRL {
	c := record(l.CA, l.Record, now)
	c.InScope, c.OwnKey, c.Vouches, c.Current, c.OutOfDate = l.Covers != 0, l.OwnKey, l.Vouches, l.Current, l.Why
	if c.Why = misses[l.Miss]; c.InScope {
		c.Reasons = reasons(l.Covers)
	}
	at := map[*catalog.CRL]int{}
	for i, d := range l.Deltas {
		at[d] = i
		c.Deltas = append(c.Deltas, record(l.CA, d, now))
		c.Deltas[i].InScope, c.Deltas[i].Vouches, c.Deltas[i].OwnKey = c.InScope, l.Vouches, l.OwnKey
	}
	for _, found := range l.Lookups {
		to := &c
		if i, ok := at[found.Record]; ok {
			to = &c.Deltas[i]
			to.Current = !found.NoNewer && found.Err == nil && found.Why == ""
		}
		to.lookedUp(found)
	}
	if c.Listed && l.Why == "" {
		c.Current = c.OutOfDate == "" // a hit ends the look before that is asked
	}
	if l.Removed {
		c.Why = "a delta CRL takes the serial number off the list (removeFromCRL)"
	}
	return c
}

// lookedUp notes what a look-up found.
func (c *CRL) lookedUp(l *revocation.Lookup) {
	if l.NoNewer {
		c.Why = "the complete CRL is as new as this delta: it says what the delta said"
		return
	}
	c.Asked, c.Unavailable = true, ""
	if l.Err != nil {
		c.Unavailable = l.Err.Error()
		return
	}
	if c.AnsweredBy = ""; l.Answered != l.Record {
		c.AnsweredBy = l.Answered.Number.String()
	}
	c.Listed, c.OutOfDate = l.Hit, l.Why
	if l.Hit {
		c.Date, c.Reason = l.Date.UTC(), l.Reason.String()
	}
}

func record(ca string, l *catalog.CRL, now time.Time) CRL {
	c := CRL{
		CA: ca, Key: printable(l.Source.Key), Kind: l.Kind, Number: l.Number.String(), ThisUpdate: l.ThisUpdate.UTC(), NextUpdate: l.NextUpdate.UTC(),
		Left: int64(l.NextUpdate.Sub(now) / time.Second), Entries: l.Entries, Scope: status.ScopeWords(&l.Scope), Points: generalNames(l.Scope.Points),
	}
	if l.Base != nil {
		c.Base = l.Base.Number.String()
	}
	return c
}

// misses say why a CRL does not speak of a certificate.
var misses = map[revocation.Miss]string{
	revocation.MissAttributeCerts: "it speaks of attribute certificates only (onlyContainsAttributeCerts)",
	revocation.MissUserCerts:      "it speaks of end-entity certificates only (onlyContainsUserCerts), and this one is a CA's",
	revocation.MissCACerts:        "it speaks of CA certificates only (onlyContainsCACerts), and this one is none",
	revocation.MissPoints:         "none of the certificate's distribution points has a name of the CRL's issuing distribution point",
	revocation.MissReasons:        "the certificate's distribution point and the CRL have no revocation reason in common",
	revocation.MissDirect:         "the certificate names another CRL issuer there, and this CRL is not indirect",
}

func keys(traces []*revocation.KeyTrace, now time.Time) []Key {
	out := []Key{}
	for _, t := range traces {
		if t != nil {
			out = append(out, key(t, now))
		}
	}
	return out
}

func key(t *revocation.KeyTrace, now time.Time) Key {
	k := Key{CA: t.CA, Key: t.Key.String(), Revoked: t.Revoked, Known: t.Known, Certificates: []CACertificate{}}
	switch {
	case t.Gone:
		k.Key, k.Words = "", "no certificate of the CA has the key that signed it any longer"
	case t.Revoked:
		k.Words = "revoked: " + t.Why
	case t.Err != nil:
		k.Words = "not known: " + t.Err.Error()
	case t.Cyclic:
		k.Words = "being asked about already: certificates that vouch for each other vouch for nothing"
	case t.Known:
		k.Words = "good, up to a root"
	default:
		k.Words = "not known: its certificate cannot be read, or its issuer, or that one's current CRL, is not in the catalog"
	}
	for _, c := range t.Certificates {
		k.Certificates = append(k.Certificates, caCertificate(c, now))
	}
	return k
}

func caCertificate(t *revocation.CertTrace, now time.Time) CACertificate {
	c := CACertificate{CA: t.CA, Subject: printable(t.Certificate.Subject), Serial: serial(t.Certificate.Serial), Root: t.Root, Status: t.Answer.Status.String()}
	c.CRLs, _ = considered(t.Considered, now)
	c.Chain = keys(t.Keys, now)
	a := &t.Answer
	switch {
	case t.Root:
		c.Words = "a root: its own key signed it, and trust begins with it"
	case t.DenyListed:
		c.Words = "its serial number is on the deny list of CA " + t.Parents[0]
	case len(t.Parents) == 0 && t.Considered == nil:
		c.Words = a.Detail + ", so that its status is not known"
	case len(t.Parents) > 1:
		c.Words = "more than one CA in the catalog signed it, so that its status is not known"
	case a.Status == revocation.Revoked:
		c.Words = "revoked: " + a.Detail
	case a.Status == revocation.Good && !a.ChainUnknown:
		c.Words = "good, by the CRLs of CA " + t.Parents[0]
	case a.Detail != "":
		c.Words = a.Detail
	default:
		c.Words = "not known"
	}
	return c
}
