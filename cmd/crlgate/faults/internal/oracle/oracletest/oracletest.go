// Package oracletest makes the moments, revocations and answers that tests of a
// judge are about.
package oracletest

import (
	"time"

	"github.com/crlgate/crlgate/cmd/crlgate/faults/internal/client"
	"github.com/crlgate/crlgate/cmd/crlgate/faults/internal/oracle"
)

// Run is a run that began at a moment. Its methods count seconds from there.
type Run struct{ Began time.Time }

// At is a moment of the run.
func (r Run) At(s float64) time.Time {
	return r.Began.Add(time.Duration(s * float64(time.Second)))
}

// Revoke makes it true that a revocation was uploaded and accepted then.
func (r Run) Revoke(t *oracle.Truth, uploaded, accepted float64) {
	begun, done := r.At(uploaded), r.At(accepted)
	t.Begun.Store(&begun)
	t.Accepted.Store(&done)
}

// Answer is one to a request that was sent then, a tenth of a second later.
func (r Run) Answer(status int, reason string, sent float64) client.Answer {
	return client.Answer{Status: status, Reason: reason, Began: r.At(sent), End: r.At(sent + 0.1)}
}
