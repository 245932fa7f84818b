package differential

import (
	"crypto/x509/pkix"
	"encoding/asn1"
	"math/big"

	"github.com/crlgate/crlgate/internal/pki"
)

var (
	unknownCritical  = pkix.Extension{Id: oidUnknown, Critical: true, Value: []byte{5, 0}}
	unknownCriticals = []pkix.Extension{unknownCritical}
)

// crlIssuer adds a CRL issuer of another name below the same root.
func (m *maker) crlIssuer() *authority {
	x := m.authority("CRL Issuer", m.c.root(), pki.CAOptions{})
	m.c.others = append(m.c.others, x)
	return x
}

// whose says under which issuer an indirect CRL lists the serial number.
type whose int

const (
	nobodys  whose = iota
	ours           // the certificate's issuer's, named on the entry itself
	carried        // the certificate's issuer's, named on an entry before
	theirs         // the CRL issuer's own
	anothers       // that of a third
)

// indirect adds an indirect CRL of x.
func (m *maker) indirect(x *authority, w whose) *list {
	l := m.list(x)
	l.opts.IDP = &pki.IDP{Indirect: true}
	own, third := m.c.own().Name(), m.name(asn1.TagUTF8String, "Third CA")
	add := func(serial *big.Int, issuer []byte) {
		l.opts.Entries = append(l.opts.Entries, pki.Entry{Serial: serial, Reason: m.reason(), CertificateIssuer: issuer})
	}
	// first the CRL issuer's own, then those of a third, then ours
	add(m.serial(), nil)
	if w == theirs {
		add(m.c.serial, nil)
	}
	add(m.serial(), third)
	if w == anothers {
		add(m.c.serial, pick(m, nil, third))
	}
	if w == ours {
		add(m.c.serial, own)
	} else {
		add(m.serial(), own)
	}
	if m.chance(50) {
		add(m.serial(), nil)
	}
	if w == carried {
		add(m.c.serial, nil)
	}
	if m.chance(50) {
		add(m.serial(), third)
	}
	return l
}

// points the certificate to the CRL issuer.
func (m *maker) to(x *authority, names ...string) *pki.DistributionPoint {
	p := m.point(names...)
	p.CRLIssuer = x.Name()
	return p
}

func (m *maker) anyone() whose { return whose(m.r.IntN(5)) }

// Indirect CRLs.
var indirectVariants = []variant{
	{"indirect: names on both", 0, func(m *maker) {
		u, x := m.uri(), m.crlIssuer()
		m.to(x, u)
		m.indirect(x, m.anyone()).opts.IDP.FullNames = []string{u}
	}},
	{"indirect: carried on", 0, func(m *maker) {
		u, x := m.uri(), m.crlIssuer()
		m.to(x, u)
		m.indirect(x, carried).opts.IDP.FullNames = []string{u}
	}},
	{"indirect: one serial, another issuer", 0, func(m *maker) {
		u, x := m.uri(), m.crlIssuer()
		m.to(x, u)
		m.indirect(x, pick(m, theirs, anothers)).opts.IDP.FullNames = []string{u}
	}},
	{"indirect: no name in the IDP", 0, func(m *maker) {
		x := m.crlIssuer()
		m.to(x, m.uri())
		m.indirect(x, m.anyone())
	}},
	{"indirect: another name in the IDP", 0, func(m *maker) {
		x := m.crlIssuer()
		m.to(x, m.uri())
		m.indirect(x, m.anyone()).opts.IDP.FullNames = []string{m.uri()}
	}},
	{"indirect: point without name, IDP named as the CRL issuer", 0, func(m *maker) {
		x := m.crlIssuer()
		m.to(x)
		m.indirect(x, m.anyone()).opts.IDP.RawNames = [][]byte{pki.DirectoryName(x.Name())}
	}},
	{"indirect: point without name, IDP with a URI", 0, func(m *maker) {
		x := m.crlIssuer()
		m.to(x)
		m.indirect(x, m.anyone()).opts.IDP.FullNames = []string{m.uri()}
	}},
	{"indirect: the certificate names no CRL issuer", 0, func(m *maker) {
		u, x := m.uri(), m.crlIssuer()
		m.point(u)
		m.indirect(x, m.anyone()).opts.IDP.FullNames = []string{u}
	}},
	{"indirect: the certificate names another CRL issuer", 0, func(m *maker) {
		u, x := m.uri(), m.crlIssuer()
		m.point(u).CRLIssuer = m.name(asn1.TagUTF8String, "Third CA")
		m.indirect(x, m.anyone()).opts.IDP.FullNames = []string{u}
	}},
	{"indirect: the CRL does not say it is", 0, func(m *maker) {
		u, x := m.uri(), m.crlIssuer()
		m.to(x, u)
		m.complete(x, m.either()).opts.IDP = &pki.IDP{FullNames: []string{u}}
	}},
	{"indirect: beside the issuer's own CRL", 0, func(m *maker) {
		u, x := m.uri(), m.crlIssuer()
		m.to(x, u)
		m.indirect(x, m.anyone()).opts.IDP.FullNames = []string{u}
		m.complete(m.c.own(), m.either())
	}},
	{"indirect: some reasons, the issuer's own CRL the others", 0, func(m *maker) {
		u, x := m.uri(), m.crlIssuer()
		m.to(x, u).Reasons = compromises
		l := m.indirect(x, m.anyone())
		l.opts.IDP.FullNames, l.opts.IDP.Reasons = []string{u}, compromises
		m.complete(m.c.own(), m.chance(25)).opts.IDP = &pki.IDP{Reasons: allReasons &^ compromises}
	}},
	{"indirect: of the certificate's own issuer", 0, func(m *maker) {
		own := m.c.own()
		l := m.complete(own, m.either())
		l.opts.IDP = &pki.IDP{Indirect: true}
		l.opts.Entries = append(l.opts.Entries, pki.Entry{Serial: m.c.serial, CertificateIssuer: m.name(asn1.TagUTF8String, "Third CA")})
	}},
	{"indirect: expired", 0, func(m *maker) {
		u, x := m.uri(), m.crlIssuer()
		m.to(x, u)
		m.expire(m.indirect(x, m.anyone())).opts.IDP.FullNames = []string{u}
	}},
	{"indirect: forged", 0, func(m *maker) {
		u, x := m.uri(), m.crlIssuer()
		m.to(x, u)
		m.forge(m.indirect(x, m.anyone())).opts.IDP.FullNames = []string{u}
	}},
}
