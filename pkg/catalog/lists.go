package catalog

import "iter"

// apart reports whether CRLs of this scope may be kept in parts.
func (s *Scope) apart() bool { return len(s.Points) > 0 && !s.IssuerPoint }

// holders returns the lists that hold, or would hold, a CRL of this scope: the
// catalog's own, or those of parts. write says that they will be changed.
func (ca *CA) holders(s *Scope, write bool) []*[]*CRL {
	if ca.Parts == nil || !s.apart() {
		return []*[]*CRL{&ca.CRLs}
	}
	var out []*[]*CRL
	for _, i := range ca.Parts.indexes(s) {
		if write {
			out = append(out, &ca.Parts.change(i).CRLs)
		} else {
			out = append(out, &ca.Parts.at(i).CRLs)
		}
	}
	return out
}

// Lists yields the CA's CRLs, those of its parts included, each once. All of
// its parts must be attached.
func (ca *CA) Lists() iter.Seq[*CRL] {
	return func(yield func(*CRL) bool) {
		for _, l := range ca.CRLs {
			if !yield(l) {
				return
			}
		}
		if ca.Parts == nil {
			return
		}
		seen := map[string]bool{}
		for i := range ca.Parts.Refs {
			for _, l := range ca.Parts.at(i).CRLs {
				if !seen[l.Line] {
					seen[l.Line] = true
					if !yield(l) {
						return
					}
				}
			}
		}
	}
}

// Crowded reports whether the CA has so many CRLs that they should be split
// over more parts with [CA.Split].
func (ca *CA) Crowded() bool {
	if ca.Parts == nil {
		n := 0
		for _, l := range ca.CRLs {
			if l.Scope.apart() {
				n++
			}
		}
		return n > inlineCRLs
	}
	if ca.Parts.Bits == maxPartBits {
		return false
	}
	// Parts are chosen by a hash, so that those at hand speak for the rest.
	seen, n := 0, 0
	for i := range ca.Parts.Refs {
		if p := ca.Parts.attached[i]; p != nil {
			seen++
			n += len(p.CRLs)
		}
	}
	return n > 2*crowdedPart*seen
}

// Split spreads the CA's CRLs over as many parts as they need. All of its parts
// must be attached.
func (ca *CA) Split() {
	var inline, apart []*CRL
	for l := range ca.Lists() {
		if l.Scope.apart() {
			apart = append(apart, l)
		} else {
			inline = append(inline, l)
		}
	}
	bits := 0
	for len(apart) > crlsPerPart<<bits && bits < maxPartBits {
		bits++
	}
	ca.CRLs, ca.Parts = inline, newParts(bits)
	for _, l := range apart {
		for _, held := range ca.holders(&l.Scope, true) {
			*held = append(*held, l)
		}
	}
}
