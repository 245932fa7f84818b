package differential

import (
	"encoding/asn1"
	"fmt"

	"github.com/crlgate/crlgate/internal/pki"
)

func (m *maker) uri() string { return fmt.Sprintf("http://crl.example/%d.crl", m.r.Uint32()) }

// point gives the certificate a distribution point of some URIs.
func (m *maker) point(names ...string) *pki.DistributionPoint {
	m.c.points = append(m.c.points, pki.DistributionPoint{FullNames: names})
	return &m.c.points[len(m.c.points)-1]
}

// Which certificates a CRL speaks of.
var scopeVariants = []variant{
	{"scope: point, CRL without IDP", 0, func(m *maker) {
		m.point(m.uri())
		m.complete(m.c.own(), m.either())
	}},
	{"scope: IDP names the point", 0, func(m *maker) {
		u := m.uri()
		m.point(u)
		m.complete(m.c.own(), m.either()).opts.IDP = &pki.IDP{FullNames: []string{u}}
	}},
	{"scope: IDP names another point", 0, func(m *maker) {
		m.point(m.uri())
		m.complete(m.c.own(), m.either()).opts.IDP = &pki.IDP{FullNames: []string{m.uri()}}
	}},
	{"scope: IDP names the point in other case", 0, func(m *maker) {
		m.point("http://crl.example/Part.crl")
		m.complete(m.c.own(), m.either()).opts.IDP = &pki.IDP{FullNames: []string{"http://crl.example/part.crl"}}
	}},
	{"scope: IDP names a point, the certificate has none", 0, func(m *maker) {
		m.complete(m.c.own(), m.either()).opts.IDP = &pki.IDP{FullNames: []string{m.uri()}}
	}},
	{"scope: several names in each, one in common", 0, func(m *maker) {
		u := m.uri()
		names := func() []string {
			out := []string{m.uri(), u, m.uri()}
			m.r.Shuffle(3, func(i, j int) { out[i], out[j] = out[j], out[i] })
			return out
		}
		m.point(names()...)
		m.complete(m.c.own(), m.either()).opts.IDP = &pki.IDP{FullNames: names()}
	}},
	{"scope: several points, the last is the one", 0, func(m *maker) {
		u := m.uri()
		m.point(m.uri())
		m.point(m.uri(), u)
		m.complete(m.c.own(), m.either()).opts.IDP = &pki.IDP{FullNames: []string{u}}
	}},
	{"scope: partitions, this and others", 0, func(m *maker) {
		u := m.uri()
		m.point(u)
		for range m.r.IntN(4) {
			m.complete(m.c.own(), m.either()).opts.IDP = &pki.IDP{FullNames: []string{m.uri()}, OnlyUser: true}
		}
		m.complete(m.c.own(), m.either()).opts.IDP = &pki.IDP{FullNames: []string{u}, OnlyUser: true}
	}},
	{"scope: two CRLs speak of it", 0, func(m *maker) {
		u := m.uri()
		m.point(u)
		whole := m.complete(m.c.own(), m.either())
		m.later(m.complete(m.c.own(), m.either()), whole).opts.IDP = &pki.IDP{FullNames: []string{u}}
	}},
	{"scope: user certificates only", 0, func(m *maker) {
		m.complete(m.c.own(), m.either()).opts.IDP = &pki.IDP{OnlyUser: true}
	}},
	{"scope: CA certificates only", 0, func(m *maker) {
		m.complete(m.c.own(), m.either()).opts.IDP = &pki.IDP{OnlyCA: true}
	}},
	{"scope: one for user, one for CA certificates", 0, func(m *maker) {
		m.complete(m.c.own(), m.either()).opts.IDP = &pki.IDP{OnlyUser: true}
		m.complete(m.c.own(), m.either()).opts.IDP = &pki.IDP{OnlyCA: true}
	}},
	{"scope: attribute certificates only", 0, func(m *maker) {
		m.complete(m.c.own(), m.either()).opts.IDP = &pki.IDP{OnlyAttribute: true}
	}},
	{"scope: IDP named as the issuer is", 0, func(m *maker) {
		m.complete(m.c.own(), m.either()).opts.IDP = &pki.IDP{RawNames: [][]byte{pki.DirectoryName(m.c.own().Name())}}
	}},
	{"scope: directory names", 0, func(m *maker) {
		name := m.name(asn1.TagPrintableString, "CRL 7")
		m.c.points = []pki.DistributionPoint{{RawNames: [][]byte{pki.DirectoryName(name)}}}
		m.complete(m.c.own(), m.either()).opts.IDP = &pki.IDP{RawNames: [][]byte{pki.DirectoryName(m.name(asn1.TagUTF8String, pick(m, "crl  7", "CRL 7", "CRL 8")))}}
	}},
	{"scope: names relative to the issuer", 0, func(m *maker) {
		m.c.points = []pki.DistributionPoint{{Relative: m.relative("CRL 7")}}
		m.complete(m.c.own(), m.either()).opts.IDP = &pki.IDP{Relative: m.relative(pick(m, "CRL 7", "CRL 8"))}
	}},
	{"scope: IDP not critical", 0, func(m *maker) {
		m.point(m.uri())
		m.complete(m.c.own(), m.either()).opts.IDP = &pki.IDP{FullNames: []string{m.uri()}, NotCritical: true}
	}},
}

func (m *maker) relative(cn string) []byte {
	rdn, err := pki.RelativeName([]pki.Attribute{{Type: pki.OIDCommonName, Value: cn}})
	if err != nil {
		m.tb.Fatal(err)
	}
	return rdn
}

// Two halves of all reasons.
const (
	allReasons = pki.FlagKeyCompromise | pki.FlagCACompromise | pki.FlagAffiliationChanged | pki.FlagSuperseded |
		pki.FlagCessationOfOperation | pki.FlagCertificateHold | pki.FlagPrivilegeWithdrawn | pki.FlagAACompromise
	compromises = pki.FlagKeyCompromise | pki.FlagCACompromise | pki.FlagAACompromise
)

// For which reasons.
var reasonVariants = []variant{
	{"reasons: some", 0, func(m *maker) {
		m.complete(m.c.own(), m.either()).opts.IDP = &pki.IDP{Reasons: compromises}
	}},
	{"reasons: all, written out", 0, func(m *maker) {
		m.complete(m.c.own(), m.either()).opts.IDP = &pki.IDP{Reasons: allReasons}
	}},
	{"reasons: two CRLs that add up", 0, func(m *maker) {
		m.complete(m.c.own(), m.chance(25)).opts.IDP = &pki.IDP{Reasons: compromises}
		m.complete(m.c.own(), m.chance(25)).opts.IDP = &pki.IDP{Reasons: allReasons &^ compromises}
	}},
	{"reasons: two CRLs that overlap and add up", 0, func(m *maker) {
		m.complete(m.c.own(), m.chance(25)).opts.IDP = &pki.IDP{Reasons: compromises | pki.FlagSuperseded}
		m.complete(m.c.own(), m.chance(25)).opts.IDP = &pki.IDP{Reasons: allReasons &^ compromises}
	}},
	{"reasons: two CRLs that leave one out", 0, func(m *maker) {
		m.complete(m.c.own(), m.chance(25)).opts.IDP = &pki.IDP{Reasons: compromises}
		m.complete(m.c.own(), m.chance(25)).opts.IDP = &pki.IDP{Reasons: allReasons &^ compromises &^ pki.FlagCertificateHold}
	}},
	{"reasons: two CRLs that add up, one expired", 0, func(m *maker) {
		m.complete(m.c.own(), false).opts.IDP = &pki.IDP{Reasons: compromises}
		m.expire(m.complete(m.c.own(), m.either())).opts.IDP = &pki.IDP{Reasons: allReasons &^ compromises}
	}},
	{"reasons: the point has some, the CRL no IDP", 0, func(m *maker) {
		m.point(m.uri()).Reasons = compromises
		m.complete(m.c.own(), m.either())
	}},
	{"reasons: two points that add up", 0, func(m *maker) {
		a, b := m.uri(), m.uri()
		m.point(a).Reasons = compromises
		m.point(b).Reasons = allReasons &^ compromises
		m.complete(m.c.own(), m.chance(25)).opts.IDP = &pki.IDP{FullNames: []string{a}, Reasons: compromises}
		m.complete(m.c.own(), m.chance(25)).opts.IDP = &pki.IDP{FullNames: []string{b}, Reasons: allReasons &^ compromises}
	}},
	{"reasons: the point has fewer than its CRL", 0, func(m *maker) {
		u := m.uri()
		m.point(u).Reasons = compromises
		m.complete(m.c.own(), m.chance(70)).opts.IDP = &pki.IDP{FullNames: []string{u}}
	}},
	{"reasons: two points that share one CRL", 0, func(m *maker) {
		u := m.uri()
		m.point(u).Reasons = compromises
		m.point(u).Reasons = allReasons &^ compromises
		m.complete(m.c.own(), m.either()).opts.IDP = &pki.IDP{FullNames: []string{u}}
	}},
}
