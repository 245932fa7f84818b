package soak

import (
	"math/rand/v2"
	"slices"
	"sync"
	"time"
)

// How many clients each CA has. A client that is revoked calls for lingers more,
// which is longer than any bound, and then rests until the audit.
const (
	goods    = 8
	revokeds = 3
	pending  = 3 // good ones that are about to be revoked
	lingers  = maxUnvalidated + 20*time.Second
)

// people are the clients.
type people struct {
	mu      sync.Mutex
	steady  []*leaf // good, or revoked, or unknown, from beginning to end
	pending map[string][]*leaf
	recent  []*leaf // revoked in this run
	retired []*leaf // the same, who call no more
	issuers []*authority
}

// join makes a CA's clients, and returns those that are to be revoked from the
// beginning.
func (p *people) join(a *authority) (revoked []*leaf, err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.issuers = append(p.issuers, a)
	add := func(n int, kind string) (added []*leaf) {
		for range n {
			partition := a.turn % partitions
			if kind == "unknown" {
				partition = nowhere
			}
			a.turn++
			l, ierr := a.issue(kind, partition)
			if ierr != nil {
				err = ierr
				return nil
			}
			added = append(added, l)
		}
		return added
	}
	if a.name == bare {
		p.steady = append(p.steady, add(3, "unknown")...)
		return nil, err
	}
	revoked = add(revokeds, "revoked")
	p.steady = append(append(p.steady, add(goods, "good")...), revoked...)
	if a.name == parts {
		p.steady = append(p.steady, add(3, "unknown")...)
	}
	if p.pending == nil {
		p.pending = map[string][]*leaf{}
	}
	p.pending[a.name] = add(pending, "soon revoked")
	return revoked, err
}

// victim is the client of a CA whose turn to be revoked it is; another takes its
// place.
func (p *people) victim(a *authority) (*leaf, error) {
	a.turn++
	next, err := a.issue("soon revoked", a.turn%partitions)
	if err != nil {
		return nil, err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	l := p.pending[a.name][0]
	p.pending[a.name] = append(p.pending[a.name][1:], next)
	p.recent = append(p.recent, l)
	return l, nil
}

// drawn is one client at random. Some were never seen before: their connection
// is new, and their serial number unknown to everybody but the CA.
func (p *people) drawn(r *rand.Rand) (l *leaf, fresh bool, err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.rest()
	switch x := r.Float64(); {
	case x < 0.03:
		a := p.issuers[r.IntN(len(p.issuers))]
		l, err = a.issue("unseen", r.IntN(partitions))
		return l, true, err
	case x < 0.20 && len(p.recent) > 0:
		return p.recent[r.IntN(len(p.recent))], false, nil
	case x < 0.35:
		of := p.pending[revokers[r.IntN(len(revokers))]]
		return of[r.IntN(len(of))], false, nil
	}
	return p.steady[r.IntN(len(p.steady))], false, nil
}

// rest retires those who were revoked long ago. The caller holds mu.
func (p *people) rest() {
	p.recent = slices.DeleteFunc(p.recent, func(l *leaf) bool {
		accepted := l.Accepted.Load()
		if accepted == nil || time.Since(*accepted) < lingers {
			return false
		}
		p.retired = append(p.retired, l)
		return true
	})
}

// first is one client of each CA.
func (p *people) first() (out []*leaf) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, a := range p.issuers {
		i := slices.IndexFunc(p.steady, func(l *leaf) bool { return l.ca == a.name })
		out = append(out, p.steady[i])
	}
	return out
}

// all are all clients but those who call once, also those who rest.
func (p *people) all() []*leaf {
	p.mu.Lock()
	defer p.mu.Unlock()
	out := slices.Concat(p.steady, p.recent, p.retired)
	for _, l := range p.pending {
		out = append(out, l...)
	}
	return out
}
