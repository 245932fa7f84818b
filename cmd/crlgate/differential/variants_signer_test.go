package differential

import (
	"crypto/x509"

	"github.com/crlgate/crlgate/internal/pki"
)

// sibling adds another certificate of the issuer's name, issued as the
// issuer's own was: a key rolled over to, or one that only signs CRLs.
func (m *maker) sibling(o pki.CAOptions) *authority {
	own := m.c.own()
	o.RawSubject = own.Name()
	var parent *authority
	if len(m.c.path) > 1 {
		parent = m.c.path[1]
	}
	a := m.authority("", parent, o)
	if parent == nil {
		m.c.anchors = append(m.c.anchors, a)
	} else {
		m.c.others = append(m.c.others, a)
	}
	return a
}

// crlSigner is a certificate that signs CRLs and nothing else.
var crlSigner = pki.CAOptions{NotCA: true, KeyUsage: x509.KeyUsageCRLSign}

// Whose key signs the CRL.
var signerVariants = []variant{
	{"signer: the other key of a CA", 2, func(m *maker) { m.complete(m.sibling(pki.CAOptions{}), m.either()) }},
	{"signer: the other key of a CA, deeper", 3, func(m *maker) { m.complete(m.sibling(pki.CAOptions{}), m.either()) }},
	{"signer: the other key of a root", 1, func(m *maker) { m.complete(m.sibling(pki.CAOptions{}), m.either()) }},
	{"signer: one CRL a key, each for its own", 0, func(m *maker) {
		m.complete(m.c.own(), m.either())
		m.complete(m.sibling(pki.CAOptions{}), false)
	}},
	{"signer: one CRL a key, the other's lists it", 0, func(m *maker) {
		l := m.complete(m.c.own(), false)
		m.later(m.complete(m.sibling(pki.CAOptions{}), true), l)
	}},
	{"signer: one CRL a key, the own expired", 2, func(m *maker) {
		m.expire(m.complete(m.c.own(), m.either()))
		m.complete(m.sibling(pki.CAOptions{}), m.either())
	}},
	{"signer: a certificate for CRLs alone", 2, func(m *maker) { m.complete(m.sibling(crlSigner), m.either()) }},
	{"signer: a certificate for CRLs alone, deeper", 3, func(m *maker) { m.complete(m.sibling(crlSigner), m.either()) }},
	{"signer: a certificate for CRLs alone, revoked", 2, func(m *maker) {
		s := m.sibling(crlSigner)
		m.complete(s, m.either())
		upper := m.c.lists[0]
		upper.opts.Entries = append(upper.opts.Entries, pki.Entry{Serial: s.Certificate.SerialNumber, Reason: pki.KeyCompromise})
	}},
	{"signer: may not sign CRLs", 0, func(m *maker) {
		s := m.replaceOwn(pki.CAOptions{KeyUsage: x509.KeyUsageCertSign})
		s.noCRLs = true
		m.complete(s, m.either())
	}},
	{"signer: no keyUsage", 0, func(m *maker) { m.complete(m.replaceOwn(pki.CAOptions{NoKeyUsage: true}), m.either()) }},
	{"signer: no key identifiers", 0, func(m *maker) {
		l := m.complete(m.replaceOwn(pki.CAOptions{NoSubjectKeyID: true}), m.either())
		l.opts.NoAuthorityKeyID = true
	}},
	{"signer: CRL without key identifier, two keys", 2, func(m *maker) {
		m.complete(m.c.own(), m.either()).opts.NoAuthorityKeyID = true
		m.sibling(pki.CAOptions{})
	}},
}

// replaceOwn gives the certificate's issuer another certificate and key.
func (m *maker) replaceOwn(o pki.CAOptions) *authority {
	c := m.c
	var parent *authority
	if len(c.path) > 1 {
		parent = c.path[1]
	}
	if o.RawSubject == nil {
		o.RawSubject = c.own().Name()
	}
	c.path[0] = m.authority("", parent, o)
	return c.path[0]
}
