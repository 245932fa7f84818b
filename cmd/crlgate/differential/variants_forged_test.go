package differential

import "github.com/crlgate/crlgate/internal/pki"

// Forged and altered CRLs.
var forgedVariants = []variant{
	{"forged: the only CRL", 0, func(m *maker) { m.forge(m.complete(m.c.own(), m.either())) }},
	{"forged: a newer CRL beside a sound one", 0, func(m *maker) {
		l := m.complete(m.c.own(), m.either())
		m.forge(m.later(m.complete(m.c.own(), m.either()), l))
	}},
	{"forged: an older CRL beside a sound one", 0, func(m *maker) {
		l := m.complete(m.c.own(), m.either())
		m.later(m.complete(m.c.own(), m.either()), l)
		m.forge(l)
	}},
	{"forged: another scope than the sound one", 0, func(m *maker) {
		u := m.uri()
		m.point(u)
		m.complete(m.c.own(), m.either()).opts.IDP = &pki.IDP{FullNames: []string{u}}
		m.forge(m.complete(m.c.own(), m.either()))
	}},
	{"forged: a delta", 0, func(m *maker) {
		_, d := m.withDelta(m.either())
		if m.chance(50) {
			m.remove(d)
		} else {
			m.revoke(d)
		}
		m.forge(d)
	}},
	{"forged: algorithms differ", 0, func(m *maker) {
		l := m.complete(m.c.own(), m.either())
		l.forged = true
		other := pki.PKCS1v15(0)
		id, err := other.AlgorithmIdentifier(m.rsa[len(m.rsa)-1])
		if err != nil {
			m.tb.Fatal(err)
		}
		l.opts.InnerAlgorithm = id
		if m.c.own().kind == pki.RSA2048 {
			l.opts.InnerAlgorithm = []byte{0x30, 5, 6, 3, 0x2b, 0x65, 0x70} // Ed25519
		}
	}},
	{"forged: an unknown critical extension", 0, func(m *maker) {
		l := m.complete(m.c.own(), m.either())
		l.opts.ExtraExtensions = append(l.opts.ExtraExtensions, unknownCritical)
	}},
	{"forged: an unknown critical extension on another entry", 0, func(m *maker) {
		l := m.complete(m.c.own(), m.either())
		l.opts.Entries = append(l.opts.Entries, pki.Entry{Serial: m.serial(), ExtraExtensions: unknownCriticals})
	}},
	{"forged: the CRL of another CA of other name", 0, func(m *maker) {
		x := m.authority("Elsewhere", m.c.root(), pki.CAOptions{})
		m.c.others = append(m.c.others, x)
		m.complete(x, true)
		if m.chance(50) {
			m.complete(m.c.own(), false)
		}
	}},
}

// forge signs a CRL with a key that is nobody's, or alters it behind its signature.
func (m *maker) forge(l *list) *list {
	l.forged = true
	if m.chance(50) {
		l.opts.EditSignature = func(s []byte) []byte {
			s[len(s)-3] ^= 0x40
			return s
		}
		return l
	}
	thief := m.authority("", nil, pki.CAOptions{RawSubject: l.signer.Name()})
	l.opts.SignWith, l.opts.SignatureAlgorithm = thief.Key, thief.alg
	return l
}
