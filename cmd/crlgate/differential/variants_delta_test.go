package differential

import (
	"math/big"
	"slices"

	"github.com/crlgate/crlgate/internal/pki"
)

// withDelta adds a complete CRL and a delta to it, whose numbers and dates fit.
func (m *maker) withDelta(listed bool) (base, delta *list) {
	base = m.complete(m.c.own(), listed)
	base.opts.ExtraExtensions = append(base.opts.ExtraExtensions, m.freshest())
	if m.chance(40) {
		u := m.uri()
		m.point(u)
		base.opts.IDP = &pki.IDP{FullNames: []string{u}}
	}
	return base, m.delta(base)
}

// delta adds a delta CRL to base.
func (m *maker) delta(base *list) *list {
	d := m.later(m.list(base.signer), base)
	d.opts.BaseNumber = new(big.Int).Sub(base.opts.Number, big.NewInt(m.r.Int64N(3)))
	d.opts.IDP = base.opts.IDP
	d.opts.Entries = m.noise()
	return d
}

// remove has a CRL say that the certificate is no longer on hold.
func (m *maker) remove(l *list) *list {
	l.opts.Entries = append(l.opts.Entries, pki.Entry{Serial: m.c.serial, Reason: pki.RemoveFromCRL})
	return l
}

// Delta CRLs.
var deltaVariants = []variant{
	{"delta: says nothing", 0, func(m *maker) { m.withDelta(m.either()) }},
	{"delta: revokes", 0, func(m *maker) {
		_, d := m.withDelta(false)
		m.revoke(d)
	}},
	{"delta: removes", 0, func(m *maker) {
		_, d := m.withDelta(true)
		m.remove(d)
	}},
	{"delta: removes what is not listed", 0, func(m *maker) {
		_, d := m.withDelta(false)
		m.remove(d)
	}},
	{"delta: expired, revokes", 0, func(m *maker) {
		b, d := m.withDelta(false)
		m.revoke(d)
		m.expiredDelta(b, d)
	}},
	{"delta: expired, removes", 0, func(m *maker) {
		b, d := m.withDelta(true)
		m.remove(d)
		m.expiredDelta(b, d)
	}},
	{"delta: expired, says nothing", 0, func(m *maker) { m.expiredDelta(m.withDelta(m.either())) }},
	{"delta: current, its base expired", 0, func(m *maker) {
		b, d := m.withDelta(m.either())
		m.expire(b)
		if m.chance(40) {
			m.revoke(d)
		}
	}},
	{"delta: current, its base expired, removes", 0, func(m *maker) {
		b, d := m.withDelta(true)
		m.expire(b)
		m.remove(d)
	}},
	{"delta: both expired", 0, func(m *maker) {
		b, d := m.withDelta(m.either())
		m.expire(b)
		m.expire(d)
		if m.chance(50) {
			m.revoke(d)
		}
	}},
	{"delta: for a newer base", 0, func(m *maker) {
		b, d := m.withDelta(m.either())
		d.opts.Number = new(big.Int).Add(b.opts.Number, big.NewInt(20))
		d.opts.BaseNumber = new(big.Int).Add(b.opts.Number, big.NewInt(5))
		if len(b.opts.Entries) > 0 && slices.ContainsFunc(b.opts.Entries, func(e pki.Entry) bool { return e.Serial == m.c.serial }) {
			m.remove(d)
		} else {
			m.revoke(d)
		}
	}},
	{"delta: older than its base", 0, func(m *maker) {
		b, d := m.withDelta(m.either())
		d.opts.Number = new(big.Int).Sub(b.opts.Number, big.NewInt(1+m.r.Int64N(5)))
		d.opts.BaseNumber = new(big.Int).Sub(d.opts.Number, big.NewInt(3))
		d.opts.ThisUpdate = b.opts.ThisUpdate.Add(-m.hours(1, 5))
		if m.chance(50) {
			m.remove(d)
		} else {
			m.revoke(d)
		}
	}},
	{"delta: of its base's number", 0, func(m *maker) {
		b, d := m.withDelta(m.either())
		d.opts.Number, d.opts.BaseNumber, d.opts.Entries = b.opts.Number, b.opts.Number, nil
		switch m.r.IntN(3) {
		case 0:
			m.revoke(d)
		case 1:
			m.remove(d)
		}
	}},
	{"delta: of its base's number, its base expired", 0, func(m *maker) {
		b, d := m.withDelta(false)
		d.opts.Number, d.opts.BaseNumber, d.opts.Entries = b.opts.Number, b.opts.Number, nil
		m.expire(b)
	}},
	{"delta: for another scope", 0, func(m *maker) {
		_, d := m.withDelta(m.either())
		d.opts.IDP = &pki.IDP{FullNames: []string{m.uri()}}
		if m.chance(50) {
			m.remove(d)
		} else {
			m.revoke(d)
		}
	}},
	{"delta: without its base", 0, func(m *maker) {
		b, d := m.withDelta(false)
		m.c.lists = slices.DeleteFunc(m.c.lists, func(l *list) bool { return l == b })
		if m.chance(50) {
			m.revoke(d)
		}
	}},
	{"delta: two, the newer counts", 0, func(m *maker) {
		listed := m.either()
		b, d := m.withDelta(listed)
		newer := m.later(m.delta(b), d)
		switch {
		case listed:
			m.remove(newer)
		case m.either():
			m.revoke(d)
			m.remove(newer)
		default:
			m.revoke(newer)
		}
	}},
	{"delta: nothing announces it", 0, func(m *maker) {
		listed := m.either()
		b, d := m.withDelta(listed)
		b.opts.ExtraExtensions = nil
		if listed {
			m.remove(d)
		} else {
			m.revoke(d)
		}
	}},
	{"delta: the certificate announces it", 0, func(m *maker) {
		b, d := m.withDelta(m.either())
		b.opts.ExtraExtensions, m.c.freshest = nil, true
		if m.chance(50) {
			m.revoke(d)
		}
	}},
	{"delta: for some reasons", 0, func(m *maker) {
		m.complete(m.c.own(), false).opts.IDP = &pki.IDP{Reasons: allReasons &^ compromises}
		b := m.complete(m.c.own(), m.either())
		b.opts.IDP = &pki.IDP{Reasons: compromises}
		b.opts.ExtraExtensions = append(b.opts.ExtraExtensions, m.freshest())
		if d := m.delta(b); m.chance(30) {
			m.revoke(d)
		}
	}},
}

// expiredDelta lets a delta be past its nextUpdate while its base is current.
func (m *maker) expiredDelta(base, d *list) {
	base.opts.ThisUpdate = m.now.Add(-m.hours(60, 90))
	d.opts.ThisUpdate = m.now.Add(-m.hours(40, 50))
	d.opts.NextUpdate = m.now.Add(-m.hours(1, 10))
}
