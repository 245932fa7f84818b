package differential

import (
	"math/big"
	"slices"
	"time"
)

// variant is one kind of case. Whatever it does not decide is random.
type variant struct {
	name string
	// depth is how many CAs the path has; 0: one to three.
	depth int
	build func(m *maker)
}

// variants are all kinds of case. They take turns, so that every run has all.
var variants = slices.Concat(dateVariants, scopeVariants, reasonVariants, deltaVariants, signerVariants, indirectVariants, chainVariants, forgedVariants, nameVariants, mixedVariants)

// Dates, numbers, and which of several CRLs.
var dateVariants = []variant{
	{"dates: current", 0, func(m *maker) { m.complete(m.c.own(), m.either()) }},
	{"dates: current, listed", 0, func(m *maker) { m.complete(m.c.own(), true) }},
	{"dates: expired", 0, func(m *maker) { m.expire(m.complete(m.c.own(), false)) }},
	{"dates: expired, listed", 0, func(m *maker) { m.expire(m.complete(m.c.own(), true)) }},
	{"dates: not yet valid", 0, func(m *maker) { m.notYet(m.complete(m.c.own(), false)) }},
	{"dates: not yet valid, listed", 0, func(m *maker) { m.notYet(m.complete(m.c.own(), true)) }},
	{"dates: an older and a newer", 0, func(m *maker) {
		old := m.complete(m.c.own(), m.either())
		m.later(m.complete(m.c.own(), m.either()), old)
	}},
	{"dates: an expired and a current", 0, func(m *maker) {
		old := m.expire(m.complete(m.c.own(), m.either()))
		m.later(m.complete(m.c.own(), m.either()), old)
	}},
	{"dates: a current, and a newer that is not yet valid", 0, func(m *maker) {
		old := m.complete(m.c.own(), m.either())
		m.notYet(m.later(m.complete(m.c.own(), m.either()), old))
	}},
	{"dates: the number goes up, thisUpdate back", 0, func(m *maker) {
		old := m.complete(m.c.own(), m.either())
		l := m.later(m.complete(m.c.own(), m.either()), old)
		l.opts.ThisUpdate = old.opts.ThisUpdate.Add(-m.hours(1, 8))
	}},
	{"dates: one number, two contents", 0, func(m *maker) {
		listed := m.either()
		old := m.complete(m.c.own(), listed)
		m.later(m.complete(m.c.own(), !listed), old).opts.Number = old.opts.Number
	}},
	{"dates: no CRL", 0, func(*maker) {}},
	{"dates: a number of 20 octets", 0, func(m *maker) {
		l := m.complete(m.c.own(), m.either())
		l.opts.Number = new(big.Int).Sub(new(big.Int).Lsh(big.NewInt(1), 159), big.NewInt(1+m.r.Int64N(1000)))
	}},
	{"dates: no number", 0, func(m *maker) { m.complete(m.c.own(), m.either()).opts.Number = nil }},
	{"dates: no nextUpdate", 0, func(m *maker) { m.complete(m.c.own(), m.either()).opts.NextUpdate = time.Time{} }},
	{"dates: version 1", 0, func(m *maker) {
		l := m.complete(m.c.own(), m.either())
		l.opts.Version, l.opts.Number = 1, nil
		for i := range l.opts.Entries {
			l.opts.Entries[i].Reason = 0
		}
	}},
	{"dates: removeFromCRL in a complete CRL", 0, func(m *maker) {
		l := m.complete(m.c.own(), true)
		for i := range l.opts.Entries {
			if l.opts.Entries[i].Serial == m.c.serial {
				l.opts.Entries[i].Reason = 8
			}
		}
	}},
}

func (m *maker) expire(l *list) *list {
	l.opts.NextUpdate = m.now.Add(-m.hours(1, 5))
	l.opts.ThisUpdate = l.opts.NextUpdate.Add(-m.hours(10, 40))
	return l
}

func (m *maker) notYet(l *list) *list {
	l.opts.ThisUpdate = m.now.Add(m.hours(1, 5))
	l.opts.NextUpdate = l.opts.ThisUpdate.Add(m.hours(10, 40))
	return l
}
