package revocation

import (
	"time"

	"github.com/crlgate/crlgate/pkg/catalog"
	"github.com/crlgate/crlgate/pkg/clientcert"
	"github.com/crlgate/crlgate/pkg/crl"
	"github.com/crlgate/crlgate/pkg/issuer"

	"golang.org/x/crypto/cryptobyte"
	"golang.org/x/crypto/cryptobyte/asn1"
)

// covering is a CRL that speaks of a certificate.
type covering struct {
	list    *list
	ca      *authority // whose CRL it is
	reasons crl.ReasonFlags
	ownKey  bool      // signed by the key that issued the certificate
	at      time.Time // when it was last known to be current; zero: as long as the catalog
}

// covering returns the complete CRLs that speak of a certificate of ca: those
// of ca itself, and indirect ones of the CRL issuers that the certificate's
// distribution points name. own and indirect are its points, keys those that may
// have issued it.
func (s *snapshot) covering(ca *authority, cert *clientcert.Certificate, own, indirect []point, keys []issuer.KeyDigest, t *Considered) []covering {
	var out []covering
	for l, at := range ca.at(own) {
		reasons, miss := l.covers(cert, own)
		t.looked(l, ca, reasons, miss, keys, at)
		if reasons != 0 {
			out = addCovering(out, covering{l, ca, reasons, isOne(l.record.Key, keys), at})
		}
	}
	for _, p := range indirect {
		for _, crlIssuer := range p.crlIssuers {
			for _, other := range s.byName[crlIssuer] {
				if other != ca && crlIssuer == ca.issuer.Subject {
					continue // another CA of the same name, whose serial numbers are its own
				}
				here, theirs := []point{p.of(crlIssuer)}, keys
				if other != ca {
					theirs = nil // what issued the certificate is no key of theirs
				}
				for l, at := range other.at(here) {
					if !l.record.Scope.Indirect {
						t.looked(l, other, 0, MissDirect, theirs, at)
						continue
					}
					reasons, miss := l.covers(cert, here)
					t.looked(l, other, reasons, miss, theirs, at)
					if reasons != 0 {
						out = addCovering(out, covering{l, other, reasons, isOne(l.record.Key, theirs), at})
					}
				}
			}
		}
	}
	return out
}

// addCovering adds a CRL, or the reasons of one that is there already.
func addCovering(out []covering, c covering) []covering {
	for i := range out {
		if out[i].list.record.Line == c.list.record.Line && out[i].ca == c.ca {
			out[i].reasons |= c.reasons
			return out
		}
	}
	return append(out, c)
}

// point is one distribution point of a certificate, in the form of [catalog.Points].
type point struct {
	names   [][]byte
	reasons crl.ReasonFlags

	// Of a point with cRLIssuer, whose names depend on the issuer.
	source     *clientcert.DistributionPoint
	crlIssuers []issuer.Name
}

// pointsOf returns the distribution points at which the certificate's own CA
// publishes, and those at which another CRL issuer does. RFC 5280 §6.3.3 has
// one added that every certificate has: named as its issuer, for all reasons.
func pointsOf(cert *clientcert.Certificate, ca *authority) (own, indirect []point) {
	own = make([]point, 1, 1+len(cert.DistributionPoints))
	own[0] = point{names: ca.directory, reasons: crl.AllReasons}
	for i := range cert.DistributionPoints {
		d := &cert.DistributionPoints[i]
		p := point{reasons: crl.AllReasons}
		if d.Reasons != 0 {
			p.reasons = crl.ReasonFlags(d.Reasons)
		}
		if len(d.CRLIssuer) > 0 {
			p.source, p.crlIssuers = d, directoryNames(d.CRLIssuer)
			indirect = append(indirect, p)
			continue
		}
		names, err := catalog.Points(d.FullName, d.RelativeName, ca.issuer.Subject)
		if err != nil {
			continue // one that cannot be read matches nothing
		}
		p.names = names
		own = append(own, p)
	}
	return own, indirect
}

// of returns the point as it stands for one CRL issuer: a relative name is
// relative to that, and where the point has no name, the CRL issuer's stands in
// for it (RFC 5280 §6.3.3 step b 2 i).
func (p point) of(crlIssuer issuer.Name) point {
	names, err := catalog.Points(p.source.FullName, p.source.RelativeName, crlIssuer)
	if err != nil {
		return point{}
	}
	if len(p.source.FullName) == 0 && p.source.RelativeName == nil {
		names = [][]byte{catalog.DirectoryPoint(crlIssuer)}
	}
	return point{names: names, reasons: p.reasons}
}

// directoryNames returns those of some GeneralNames that are names of directories.
func directoryNames(general [][]byte) []issuer.Name {
	var out []issuer.Name
	for _, g := range general {
		var name cryptobyte.String
		in := cryptobyte.String(g)
		if !in.ReadASN1(&name, asn1.Tag(4).ContextSpecific().Constructed()) {
			continue
		}
		if n, err := issuer.ParseName(name); err == nil {
			out = append(out, n)
		}
	}
	return out
}

// covers returns the reasons for which a CRL speaks of the certificate; none:
// it does not, and only then the Miss counts, which says why (RFC 5280 §6.3.3 steps b
// and d).
func (l *list) covers(cert *clientcert.Certificate, points []point) (crl.ReasonFlags, Miss) {
	scope := &l.record.Scope
	switch {
	case scope.OnlyAttributeCerts:
		return 0, MissAttributeCerts
	case scope.OnlyUserCerts && cert.IsCA:
		return 0, MissUserCerts
	case scope.OnlyCACerts && !cert.IsCA:
		return 0, MissCACerts
	}
	var covered crl.ReasonFlags
	miss := MissPoints
	for _, p := range points {
		if l.points == nil {
			covered |= l.reasons & p.reasons
			miss = MissReasons
		}
		for _, name := range p.names {
			if l.points[string(name)] {
				covered |= l.reasons & p.reasons
				miss = MissReasons
			}
		}
	}
	return covered, miss
}
