// Package oracle knows the truth by which the fault runs judge answers: whether
// and when a client's revocation was uploaded and accepted ([Truth]), and how long
// it may be let in after that ([Bounds]).
package oracle

import (
	"fmt"
	"sync/atomic"
	"time"
)

// WrongAllow begins what is said of an answer that lets in somebody who must not
// be, WrongDeny of one that turns away somebody who must not be.
const (
	WrongAllow = "WRONG ALLOW"
	WrongDeny  = "WRONG DENY"
)

// Truth is what is true of a client certificate.
type Truth struct {
	// Begun and Accepted are when its revocation was uploaded, and when the
	// preprocessor had accepted it; nil: not revoked.
	Begun, Accepted atomic.Pointer[time.Time]
}

// Bounds are what is published of how long a revocation may stay unseen:
// docs/freshness.md.
type Bounds struct {
	// RevalidateAfter and MaxUnvalidated are the settings of these names.
	RevalidateAfter, MaxUnvalidated time.Duration
	// Refresh is how long a refresh and the load of a set may take.
	Refresh time.Duration
}

// Allow says what is wrong with letting a client in by a request sent at began;
// "": nothing. quiet is since when nothing has been broken; zero: something is.
func (b Bounds) Allow(t *Truth, began, quiet time.Time) string {
	accepted := t.Accepted.Load()
	if accepted == nil {
		return ""
	}
	age := began.Sub(*accepted)
	if age > b.MaxUnvalidated {
		return fmt.Sprintf("%s: let in %v after its revocation was accepted, with MAX_UNVALIDATED=%v", WrongAllow, age, b.MaxUnvalidated)
	}
	if quiet.IsZero() {
		return ""
	}
	from := *accepted
	if quiet.After(from) {
		from = quiet
	}
	if began.Sub(from) > b.RevalidateAfter+b.Refresh {
		return fmt.Sprintf("%s: let in %v after its revocation was accepted, with REVALIDATE_AFTER=%v and no fault for %v", WrongAllow, age, b.RevalidateAfter, began.Sub(quiet))
	}
	return ""
}

// Revoked says what is wrong with denying a client as revoked by an answer that
// came at end; "": nothing.
func (t *Truth) Revoked(end time.Time) string {
	if begun := t.Begun.Load(); begun == nil || begun.After(end) {
		return WrongDeny + ": it is not revoked"
	}
	return ""
}

// Want is the reason that a client is answered with once the truth is known
// everywhere.
func (t *Truth) Want() string {
	if t.Accepted.Load() != nil {
		return "revoked"
	}
	return "good"
}
