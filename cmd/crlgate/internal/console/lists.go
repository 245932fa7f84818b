package console

import (
	"cmp"
	"slices"
	"time"

	"github.com/crlgate/crlgate/cmd/crlgate/internal/status"
	"github.com/crlgate/crlgate/cmd/crlgate/internal/terminal"
)

// urgency is how near a CRL's end is.
type urgency int

const (
	fresh urgency = iota
	warning
	critical
	expired
)

// The times before nextUpdate at which the alarms CRLExpiryWarning and
// CRLExpiryCritical begin unless they are set otherwise (docs/operations.md).
const (
	warningBefore  = 24 * time.Hour
	criticalBefore = 4 * time.Hour
)

// A CRL that lives for a day or less would always be near its end by those, so
// for it a share of its life counts, if that is less.
const (
	warningShare  = 4
	criticalShare = 10
)

// word is the urgency in a word, and a shape that stands beside the colour.
func (u urgency) word() string {
	return [...]string{"fresh", "warning", "critical", "expired"}[u]
}

func (u urgency) shape() string { return [...]string{"●", "▲", "◆", "✕"}[u] }

// list is one CRL in force, and what the page says of it.
type list struct {
	status.CRL
	ca      string
	grace   time.Duration // the CA's
	urgency urgency
	left    time.Duration // until nextUpdate; negative: past
	leftIn  string        // the same in words
}

// listsOf returns the CRLs of a status as they stand at now, those whose end is
// nearest first.
func listsOf(s *status.Status, now time.Time) []list {
	var out []list
	for _, ca := range s.CAs {
		for _, l := range ca.CRLs {
			out = append(out, listOf(ca, l, now))
		}
	}
	slices.SortStableFunc(out, func(a, b list) int {
		return cmp.Or(cmp.Compare(b.urgency, a.urgency), cmp.Compare(a.left, b.left), cmp.Compare(a.ca, b.ca), cmp.Compare(a.Key, b.Key))
	})
	return out
}

func listOf(ca status.CA, l status.CRL, now time.Time) list {
	out := list{CRL: l, ca: ca.Name, grace: time.Duration(ca.Settings.Grace), left: l.NextUpdate.Sub(now)}
	life := l.NextUpdate.Sub(l.ThisUpdate)
	span := terminal.Span(out.left)
	switch {
	case l.State == status.Expired && out.left >= 0:
		out.urgency, out.leftIn = expired, "older than max_crl_age"
	case l.State == status.Expired:
		out.urgency, out.leftIn = expired, span+" ago"
	case l.State == status.InGrace:
		out.urgency, out.leftIn = critical, "in grace, past by "+span
	case out.left < min(criticalBefore, life/criticalShare):
		out.urgency, out.leftIn = critical, span+" left"
	case out.left < min(warningBefore, life/warningShare):
		out.urgency, out.leftIn = warning, span+" left"
	default:
		out.leftIn = span + " left"
	}
	return out
}

// name tells the CRL from every other.
func (l *list) name() string { return l.ca + " " + l.Key }
