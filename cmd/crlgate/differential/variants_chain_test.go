package differential

import (
	"slices"

	"github.com/crlgate/crlgate/internal/pki"
	"github.com/crlgate/crlgate/internal/pki/pkitest"
)

// The CAs above.
var chainVariants = []variant{
	{"chain: the issuer is revoked", 2, func(m *maker) {
		m.complete(m.c.own(), m.either())
		m.revokeCA(1, 0)
	}},
	{"chain: the issuer is revoked, deeper", 3, func(m *maker) {
		m.complete(m.c.own(), m.either())
		m.revokeCA(1, 0)
	}},
	{"chain: the issuer's issuer is revoked", 3, func(m *maker) {
		m.complete(m.c.own(), m.either())
		m.revokeCA(2, 1)
	}},
	{"chain: the issuer's serial in the certificate's CRL", 2, func(m *maker) {
		l := m.complete(m.c.own(), false)
		l.opts.Entries = append(l.opts.Entries, pki.Entry{Serial: m.c.own().Certificate.SerialNumber})
	}},
	{"chain: no CRL of the root", 2, func(m *maker) {
		m.c.lists = nil
		m.complete(m.c.own(), m.either())
	}},
	{"chain: no CRL of the CA between", 3, func(m *maker) {
		between := m.c.path[1]
		m.c.lists = slices.DeleteFunc(m.c.lists, func(l *list) bool { return l.signer == between })
		m.complete(m.c.own(), m.either())
	}},
	{"chain: the root's CRL expired", 2, func(m *maker) {
		m.expire(m.c.lists[0])
		m.complete(m.c.own(), m.either())
	}},
	{"chain: the root's CRL expired, lists the issuer", 2, func(m *maker) {
		m.revokeCA(1, 0)
		m.expire(m.c.lists[0])
		m.complete(m.c.own(), m.either())
	}},
	{"chain: the root's CRL forged, lists the issuer", 2, func(m *maker) {
		m.revokeCA(1, 0)
		m.forge(m.c.lists[0])
		m.complete(m.c.own(), m.either())
	}},
	{"chain: the root's CRL of user certificates, lists the issuer", 2, func(m *maker) {
		m.revokeCA(1, 0)
		m.c.lists[0].opts.IDP = &pki.IDP{OnlyUser: true}
		m.complete(m.c.own(), m.either())
	}},
	{"chain: the root's CRL of CA certificates, lists the issuer", 2, func(m *maker) {
		m.revokeCA(1, 0)
		m.c.lists[0].opts.IDP = &pki.IDP{OnlyCA: true}
		m.complete(m.c.own(), m.either())
	}},
	{"chain: the issuer is superseded by a new certificate of its key", 2, func(m *maker) {
		m.complete(m.c.own(), m.either())
		m.revokeCA(1, 0)
		last := &m.c.lists[0].opts.Entries[len(m.c.lists[0].opts.Entries)-1]
		last.Reason = pki.Superseded
		own := m.c.own()
		renewed := &authority{kind: own.kind, alg: own.alg}
		renewed.CA = pkitest.CA(m.tb, pki.CAOptions{
			RawSubject: own.Name(), Signer: own.Key, PSSKey: own.Certificate.PublicKey == nil, // id-RSASSA-PSS, which crypto/x509 leaves unread
			Parent: m.c.path[1].CA, SignatureAlgorithm: m.c.path[1].alg, SerialNumber: m.serial(),
		})
		m.c.others = append(m.c.others, renewed)
	}},
}

// revokeCA lists the CA at one place of the path in the CRL of the one above.
func (m *maker) revokeCA(by, of int) {
	for _, l := range m.c.lists {
		if l.chain && l.signer == m.c.path[by] {
			l.opts.Entries = append(l.opts.Entries, pki.Entry{Serial: m.c.path[of].Certificate.SerialNumber, Reason: pick(m, pki.KeyCompromise, pki.CACompromise, pki.NoReason)})
			return
		}
	}
	m.tb.Fatal("the CA above has no CRL")
}
