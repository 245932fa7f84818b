package reads

import (
	"fmt"
	"net/http"
	"time"

	"github.com/crlgate/crlgate/cmd/crlgate/faults/internal/client"
	"github.com/crlgate/crlgate/cmd/crlgate/faults/internal/oracle"
	"github.com/crlgate/crlgate/cmd/crlgate/faults/internal/spoil"
)

// refreshWithin is what one refresh, or one load, may take on a machine that has
// much else to do, beside REVALIDATE_AFTER.
const refreshWithin = 15 * time.Second

// recoverWithin bounds how long after a fault everything is right again.
const recoverWithin = 30 * time.Second

// check holds one answer against the truth. before and after are the episodes
// that were under way when the request was sent and when it was answered.
func (r *lane) check(l *Leaf, a client.Answer, before, after *episode) {
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
func (r *lane) judge(l *Leaf, a client.Answer, before, after *episode) string {
	if odd := a.Odd(); odd != "" {
		return odd
	}
	if a.Status == http.StatusOK {
		return r.judgeAllow(l, a, before, after)
	}
	return r.judgeDeny(l, a, before, after)
}

// judgeAllow: a revoked client is let in only as long as the revocation may not
// be known; and nobody is let in by a catalog that could not be revalidated in
// time.
func (r *lane) judgeAllow(l *Leaf, a client.Answer, before, after *episode) string {
	if known, ok := r.known(l); ok && a.Began.After(known) && !r.mayForget(before, after) {
		return fmt.Sprintf("%s: let in %v after it was denied as revoked", oracle.WrongAllow, a.Began.Sub(known))
	}
	var quiet time.Time
	if before == nil && after == nil {
		quiet = r.quietSince()
	}
	if wrong := r.bounds().Allow(&l.Truth, a.Began, quiet); wrong != "" {
		return wrong
	}
	if before != nil && before == after && before.kind == spoil.Catalog && before.fault.Total && !before.cold() {
		if from := before.effective(); !from.IsZero() && a.Began.Sub(from) > r.MaxUnvalidated {
			return fmt.Sprintf("%s: let in %v after the catalog could last be revalidated, with MAX_UNVALIDATED=%v", oracle.WrongAllow, a.Began.Sub(from), r.MaxUnvalidated)
		}
	}
	return ""
}

// known is since when a client has been denied as revoked in this lane.
func (r *lane) known(l *Leaf) (since time.Time, ok bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	since, ok = r.denied[l]
	return since, ok
}

// mayForget says whether a revocation that this lane has told of may not be known
// to the process that answers: one of several that was frozen since, or a new one
// that finds an old catalog in the bucket.
func (r *lane) mayForget(before, after *episode) bool {
	if r.Environments > 1 {
		return true
	}
	for _, e := range []*episode{before, after} {
		if e != nil && e.cold() && e.kind == spoil.Catalog && e.fault.Name == spoil.OldPutBack {
			return true
		}
	}
	return false
}

// judgeDeny: a client is denied as revoked only if it is, and for another
// reason only if what was broken explains it.
func (r *lane) judgeDeny(l *Leaf, a client.Answer, before, after *episode) string {
	switch a.Reason {
	case "revoked":
		if wrong := l.Revoked(a.End); wrong != "" {
			return wrong
		}
		r.mu.Lock()
		defer r.mu.Unlock()
		if r.denied == nil {
			r.denied = map[*Leaf]time.Time{}
		}
		if _, ok := r.denied[l]; !ok {
			r.denied[l] = a.End
		}
		return ""
	case "cache_unavailable", "cache_stale":
	default:
		return "denied as " + a.Reason + ", which no fault explains"
	}
	// A verified hit never expires.
	if r.Held && l.name == "revoked" {
		return "denied as " + a.Reason + " and not as revoked, which was known"
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
	return "denied as " + a.Reason + ", " + what
}

func (r *lane) bounds() oracle.Bounds {
	return oracle.Bounds{RevalidateAfter: r.RevalidateAfter, MaxUnvalidated: r.MaxUnvalidated, Refresh: refreshWithin}
}

// lingers is the episode before this one where some process may not have got
// over it yet: of several, one that was frozen meanwhile.
func (r *lane) lingers(a client.Answer) *episode {
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
	if a.Began.Sub(ago.removed) > recoverWithin {
		return nil
	}
	return ago
}

// explains says whether an episode accounts for the denial of a client.
func (e *episode) explains(r *lane, l *Leaf, a client.Answer) bool {
	if a.Reason == "cache_stale" {
		// What was broken had to last until the oldest that may answer was too
		// old: it was revalidated some time before.
		// Of several processes, one may have been idle, and frozen, for as long.
		age, idle := a.End.Sub(e.began), r.Environments > 1
		return (e.kind == spoil.Catalog || e.touched(l.ca)) && (idle || age > r.MaxUnvalidated-r.RevalidateAfter-3*time.Second)
	}
	if e.kind == spoil.Catalog {
		return e.cold() // what is warm goes on answering
	}
	return e.touched(l.ca)
}
