package authorize

import (
	"errors"
	"time"

	"github.com/crlgate/crlgate/pkg/revocation"
)

// Reason is the reason code of a decision, one of a published list.
type Reason string

// The reasons, in the order of the decision table's rows.
const (
	InternalError        Reason = "internal_error"
	NoClientCertificate  Reason = "no_client_certificate"
	MalformedCertificate Reason = "malformed_certificate"
	UnknownIssuer        Reason = "unknown_issuer"
	CANotAssociated      Reason = "ca_not_associated"
	Revoked              Reason = "revoked"
	IssuerRevoked        Reason = "issuer_revoked"
	CacheUnavailable     Reason = "cache_unavailable"
	CacheStale           Reason = "cache_stale"
	NoCRL                Reason = "no_crl"
	OutOfScope           Reason = "out_of_scope"
	CRLExpired           Reason = "crl_expired"
	ChainUnknown         Reason = "chain_unknown"
	Good                 Reason = "good"
	// DeniedByRule is the reason where a user's own [Rule] denies what the
	// table would allow.
	DeniedByRule Reason = "denied_by_rule"
)

// Facts is all that a decision rests on, settings and time apart.
type Facts struct {
	Fault         error // anything unforeseen
	NoCertificate bool  // the event carries no client certificate
	Malformed     error // why the certificate cannot be parsed
	Domain        string
	Answer        revocation.Answer
}

// Settings are the function's settings that bear on decisions.
type Settings struct {
	Observe      bool // MODE=observe
	RequireChain bool // REQUIRE_CHAIN=true
}

// Decision is allow or deny, and why. The zero value denies.
type Decision struct {
	Allow  bool
	Reason Reason
	Row    int // of the decision table, 1 to 14
	// WouldDeny: the row denies, and observe or break-glass let it through.
	WouldDeny bool
	// Relaxed names what let it through: "observe", "allow_until" or
	// "crl: optional"; "" where nothing did.
	Relaxed string
}

// What may let through what a row denies.
const (
	observe    = 1 << iota // MODE=observe, or mode: observe of the CA
	breakGlass             // allow_until of the CA
)

// row is one row of the decision table.
type row struct {
	reason  Reason
	relaxed int // by what
	holds   func(f *Facts, s Settings) bool
}

// table is the decision table; the first row that holds decides. Row 14, allow
// good, is what is left.
var table = [...]row{
	1:  {InternalError, 0, func(f *Facts, _ Settings) bool { return f.Fault != nil }},
	2:  {NoClientCertificate, 0, func(f *Facts, _ Settings) bool { return f.NoCertificate }},
	3:  {MalformedCertificate, 0, func(f *Facts, _ Settings) bool { return f.Malformed != nil }},
	4:  {UnknownIssuer, observe, func(f *Facts, _ Settings) bool { return f.Answer.CA == "" && !noCatalog(f) }},
	5:  {CANotAssociated, 0, func(f *Facts, _ Settings) bool { return !f.Answer.Settings.ServesDomain(f.Domain) }},
	6:  {Revoked, observe, func(f *Facts, _ Settings) bool { return f.Answer.Status == revocation.Revoked }},
	7:  {IssuerRevoked, observe, func(f *Facts, _ Settings) bool { return f.Answer.IssuerRevoked }},
	8:  {CacheUnavailable, observe | breakGlass, func(f *Facts, _ Settings) bool { return f.Answer.Unavailable != nil }},
	9:  {CacheStale, observe | breakGlass, func(f *Facts, _ Settings) bool { return f.Answer.Stale }},
	10: {NoCRL, observe | breakGlass, func(f *Facts, _ Settings) bool { return f.Answer.NoCRL }},
	11: {OutOfScope, observe | breakGlass, func(f *Facts, _ Settings) bool { return f.Answer.OutOfScope }},
	12: {CRLExpired, observe | breakGlass, func(f *Facts, _ Settings) bool { return f.Answer.Expired }},
	13: {ChainUnknown, observe | breakGlass, func(f *Facts, s Settings) bool { return s.RequireChain && f.Answer.ChainUnknown }},
}

// noCatalog tells a CA that is not in the catalog from a catalog that is not there.
func noCatalog(f *Facts) bool { return errors.Is(f.Answer.Unavailable, revocation.ErrNoCatalog) }

// Decide is the decision table: a pure function of facts, settings and time.
func Decide(f *Facts, s Settings, now time.Time) Decision { return decide(f, s, now, nil) }

// Held is what a decision found of one row of the table.
type Held struct {
	Row    int
	Reason Reason
	Holds  bool
}

// decide is Decide; each row that it looks at is noted in held, if there is one.
func decide(f *Facts, s Settings, now time.Time, held *[]Held) Decision {
	for i := 1; i < len(table); i++ {
		holds := table[i].holds(f, s)
		if held != nil {
			*held = append(*held, Held{i, table[i].reason, holds})
		}
		if holds {
			return relax(Decision{Row: i, Reason: table[i].reason}, table[i].relaxed, f, s, now)
		}
	}
	if f.Answer.Status != revocation.Good {
		// No row names what is wrong, and unknown is never good.
		return Decision{Row: 1, Reason: InternalError}
	}
	return Decision{Row: 14, Reason: Good, Allow: true}
}

// relax lets a denial through where a setting says so.
func relax(d Decision, by int, f *Facts, s Settings, now time.Time) Decision {
	ca := &f.Answer.Settings
	switch {
	case d.Reason == NoCRL && ca.CRLOptional():
		d.Allow, d.Relaxed = true, "crl: optional"
	case by&breakGlass != 0 && ca.BreakGlass(now):
		d.Allow, d.WouldDeny, d.Relaxed = true, true, "allow_until"
	case by&observe != 0 && (s.Observe || ca.Observe()):
		d.Allow, d.WouldDeny, d.Relaxed = true, true, "observe"
	}
	return d
}
