package reads

import (
	"fmt"
	"time"
)

// refreshWithin is what one refresh, or one load, may take on a machine that has
// much else to do, beside REVALIDATE_AFTER.
const refreshWithin = 15 * time.Second

// recoverWithin bounds how long after a fault everything is right again.
const recoverWithin = 30 * time.Second

// check holds one answer against the truth. before and after are the episodes
// that were under way when the request was sent and when it was answered.
func (r *lane) check(l *Leaf, a answer, before, after *episode) {
	e := before
	if e == nil {
		e = after
	}
	r.matrix.answered(l, e, a)
	if wrong := r.judge(l, a, before, after); wrong != "" {
		r.matrix.violation(r, e, fmt.Sprintf("%s of CA %s: %s", l.name, l.ca, wrong))
	}
}

// judge says what is wrong with an answer; "": nothing.
func (r *lane) judge(l *Leaf, a answer, before, after *episode) string {
	switch {
	case a.err != nil:
		return "no answer: " + a.err.Error()
	case a.status == 200 && a.reason == "good":
		return r.judgeAllow(l, a, before, after)
	case a.status == 403:
		return r.judgeDeny(l, a, before, after)
	}
	return fmt.Sprintf("answered %d %s (%s)", a.status, a.reason, a.detail)
}

// judgeAllow: a revoked client is let in only as long as the revocation may not
// be known; and nobody is let in by a catalog that could not be revalidated in
// time.
func (r *lane) judgeAllow(l *Leaf, a answer, before, after *episode) string {
	if accepted := l.accepted.Load(); accepted != nil {
		age := a.began.Sub(*accepted)
		if age > r.MaxUnvalidated {
			return fmt.Sprintf("WRONG ALLOW: let in %v after its revocation was accepted, with MAX_UNVALIDATED=%v", age, r.MaxUnvalidated)
		}
		if before == nil && after == nil && r.quietSince(*accepted) && age > r.RevalidateAfter+refreshWithin {
			return fmt.Sprintf("WRONG ALLOW: let in %v after its revocation was accepted, with REVALIDATE_AFTER=%v and no fault", age, r.RevalidateAfter)
		}
	}
	if before != nil && before == after && before.kind == kindCatalog && before.fault.total && !before.cold() {
		if from := before.effective(); !from.IsZero() && a.began.Sub(from) > r.MaxUnvalidated {
			return fmt.Sprintf("WRONG ALLOW: let in %v after the catalog could last be revalidated, with MAX_UNVALIDATED=%v", a.began.Sub(from), r.MaxUnvalidated)
		}
	}
	return ""
}

// judgeDeny: a client is denied as revoked only if it is, and for another
// reason only if what was broken explains it.
func (r *lane) judgeDeny(l *Leaf, a answer, before, after *episode) string {
	begun := l.begun.Load()
	switch a.reason {
	case "revoked":
		if begun == nil || begun.After(a.end) {
			return "WRONG DENY: it is not revoked"
		}
		return ""
	case "cache_unavailable", "cache_stale":
	default:
		return "denied as " + a.reason + ", which no fault explains"
	}
	// A verified hit never expires.
	if r.Held && l.name == "revoked" {
		return "denied as " + a.reason + " and not as revoked, which was known"
	}
	for _, e := range []*episode{before, after, r.lingers(a)} {
		if e != nil && e.explains(r, l, a) {
			return ""
		}
	}
	what := "while nothing was broken"
	if after != nil {
		what = "which " + after.String() + " does not explain"
	}
	return "denied as " + a.reason + ", " + what
}

// lingers is the episode before this one where some process may not have got
// over it yet: of several, one that was frozen meanwhile.
func (r *lane) lingers(a answer) *episode {
	if r.Environments < 2 {
		return nil
	}
	r.mu.Lock()
	ago := r.ago
	r.mu.Unlock()
	if ago == nil {
		return nil
	}
	ago.mu.Lock()
	defer ago.mu.Unlock()
	if a.began.Sub(ago.removed) > recoverWithin {
		return nil
	}
	return ago
}

// explains says whether an episode accounts for the denial of a client.
func (e *episode) explains(r *lane, l *Leaf, a answer) bool {
	if a.reason == "cache_stale" {
		// What was broken had to last until the oldest that may answer was too
		// old: it was revalidated some time before.
		// Of several processes, one may have been idle, and frozen, for as long.
		age, idle := a.end.Sub(e.began), r.Environments > 1
		return (e.kind == kindCatalog || e.touched(l.ca)) && (idle || age > r.MaxUnvalidated-r.RevalidateAfter-3*time.Second)
	}
	if e.kind == kindCatalog {
		return e.cold() // what is warm goes on answering
	}
	return e.touched(l.ca)
}
