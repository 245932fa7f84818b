package differential

import "github.com/crlgate/crlgate/internal/pki"

// Everything at once.
var mixedVariants = []variant{
	{"mixed: scopes and dates", 0, (*maker).mixed},
	{"mixed: scopes, dates", 0, (*maker).mixed},
	{"mixed: scopes, dates, deltas", 0, (*maker).mixedDeltas},
	{"mixed: scopes, dates, keys", 0, (*maker).mixedKeys},
}

func (m *maker) mixed() {
	a, b := m.uri(), m.uri()
	for range m.r.IntN(3) {
		p := m.point(pick(m, [][]string{{a}, {b}, {m.uri()}, {a, b}, {m.uri(), a}}...)...)
		if m.chance(20) {
			p.Reasons = pick(m, compromises, allReasons&^compromises)
		}
	}
	for range 1 + m.r.IntN(3) {
		m.mixedList(m.c.own(), a, b)
	}
}

func (m *maker) mixedList(signer *authority, a, b string) *list {
	l := m.complete(signer, m.chance(30))
	if m.chance(65) {
		idp := &pki.IDP{FullNames: pick(m, nil, []string{a}, []string{b}, []string{b, a}, []string{m.uri()})}
		switch m.r.IntN(6) {
		case 0, 1:
			idp.OnlyUser = true
		case 2:
			idp.OnlyCA = true
		}
		if m.chance(25) {
			idp.Reasons = pick(m, compromises, allReasons&^compromises, allReasons)
		}
		if idp.FullNames != nil || idp.OnlyUser || idp.OnlyCA || idp.Reasons != 0 {
			l.opts.IDP = idp
		}
	}
	switch m.r.IntN(10) {
	case 0, 1:
		m.expire(l)
	case 2:
		m.notYet(l)
	case 3:
		m.forge(l)
	}
	return l
}

func (m *maker) mixedDeltas() {
	a, b := m.uri(), m.uri()
	m.point(a)
	for range 1 + m.r.IntN(2) {
		base := m.mixedList(m.c.own(), a, b)
		base.opts.ExtraExtensions = append(base.opts.ExtraExtensions, m.freshest())
		d := m.delta(base)
		switch m.r.IntN(4) {
		case 0:
			m.revoke(d)
		case 1:
			m.remove(d)
		}
		switch m.r.IntN(6) {
		case 0:
			m.expire(d)
		case 1:
			m.forge(d)
		}
	}
}

func (m *maker) mixedKeys() {
	a, b := m.uri(), m.uri()
	m.point(a)
	other := m.sibling(pki.CAOptions{})
	for range 1 + m.r.IntN(3) {
		m.mixedList(pick(m, m.c.own(), other), a, b)
	}
}
