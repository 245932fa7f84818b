package explain

import (
	"fmt"
	"strings"
	"time"

	"github.com/crlgate/crlgate/cmd/crlgate/internal/terminal"
	"github.com/crlgate/crlgate/pkg/authorize"
	"github.com/crlgate/crlgate/pkg/crl"
)

// maxOthers bounds how many CRLs out of scope are put into words.
const maxOthers = 12

// steps puts a report into words, in the order in which things happened.
func steps(r *Report, e *authorize.Explanation, in *Input) []Step {
	out := []Step{r.certificate(e, in)}
	if e.Trace != nil {
		out = append(out, r.catalog(in))
		if r.Catalog != nil && in.CA == "" {
			out = append(out, r.origin())
		}
		if r.Origin.CA != "" {
			out = append(out, r.denyList(e), r.crls())
			if len(r.Chain) > 0 {
				out = append(out, Step{"The CA's own chain", chain(r.Chain, in.At, 0)})
			}
		}
	}
	return append(out, r.settings(), r.table(), r.verdict())
}

func (s *Step) add(state State, depth int, format string, args ...any) {
	s.Lines = append(s.Lines, Line{state, fmt.Sprintf(format, args...), depth})
}

func (r *Report) certificate(e *authorize.Explanation, in *Input) Step {
	s := Step{Title: "The certificate"}
	c := r.Certificate
	if in.CA != "" {
		s.add("", 0, "None is at hand: this is about serial number %s of CA %s", serial(in.Serial), in.CA)
		return s
	}
	if c == nil {
		why := "there is none"
		if e.Facts.Malformed != nil {
			why = printable(e.Facts.Malformed.Error())
		}
		s.add(Bad, 0, "It could not be read: %s", why)
		return s
	}
	s.add("", 0, "subject      %s", c.Subject)
	s.add("", 0, "issuer       %s", c.Issuer)
	s.add("", 0, "serial       %s", c.Serial)
	s.add("", 0, "fingerprint  %s (SHA-256)", c.Fingerprint)
	s.add("", 0, "issuer's key %s", pick(c.AuthorityKeyID == "", "not named: no authority key identifier", c.AuthorityKeyID+" (authority key identifier)"))
	switch {
	case c.NotAfter.IsZero():
		s.add(Note, 0, "valid        not read: crypto/x509 refuses the certificate; API Gateway checks its dates, crlgate does not")
	case r.At.After(c.NotAfter) || r.At.Before(c.NotBefore):
		s.add(Note, 0, "valid        %s to %s, not at %s: API Gateway refuses it before crlgate is asked", c.NotBefore.Format(time.RFC3339), c.NotAfter.Format(time.RFC3339), r.At.Format(time.RFC3339))
	default:
		s.add("", 0, "valid        %s to %s (API Gateway checks that)", c.NotBefore.Format(time.RFC3339), c.NotAfter.Format(time.RFC3339))
	}
	if c.IsCA {
		s.add(Note, 0, "kind         it says that it is a CA's (basicConstraints cA)")
	}
	if len(c.Points) == 0 {
		s.add("", 0, "CRLs         no distribution point: CRLs without one speak of it")
	}
	for _, p := range c.Points {
		words := strings.Join(p.Names, ", ")
		if p.Reasons != nil {
			words += ", for " + strings.Join(p.Reasons, ", ")
		}
		if len(p.CRLIssuers) > 0 {
			words += ", published by " + strings.Join(p.CRLIssuers, ", ")
		}
		s.add("", 0, "CRLs         %s", strings.TrimPrefix(words, ", "))
	}
	return s
}

func (r *Report) catalog(in *Input) Step {
	s := Step{Title: "The catalog"}
	if r.Catalog == nil {
		s.add(Bad, 0, "There is none: the preprocessor has written no catalog.json to the cache bucket")
		return s
	}
	s.add(Good, 0, "generation %d, written %s, read just now; a running authorizer has it within its REVALIDATE_AFTER, or denies after MAX_UNVALIDATED (%v)",
		r.Catalog.Generation, r.Catalog.Updated.Format(time.RFC3339), in.MaxUnvalidated)
	return s
}

func (r *Report) origin() Step {
	s := Step{Title: "Its CA"}
	for _, c := range r.Origin.Candidates {
		words := "bears the issuer's name; key identifier " + pick(c.KeyID, "fits", "does not fit")
		if c.Verified {
			words += "; its key " + pick(c.Signed, "signed it", "did not sign it")
		}
		s.add("", 1, "CA %s %s", c.CA, words)
	}
	switch {
	case r.Origin.CA == "":
		s.add(Bad, 0, "Not found: %s", printable(r.Origin.Why))
	case r.Origin.By == "signature":
		s.add(Good, 0, "CA %s, by the issuer's name and the signature, which verifies", r.Origin.CA)
	default:
		s.add(Good, 0, "CA %s, by the issuer's name and the key identifier, which leave one key; API Gateway has verified the signature", r.Origin.CA)
	}
	return s
}

func (r *Report) denyList(e *authorize.Explanation) Step {
	s := Step{Title: "The CA's deny list"}
	switch n := len(e.Facts.Answer.Settings.Deny); {
	case e.Trace.DenyListed:
		s.add(Bad, 0, "The serial number is on it (%s in all), so no CRL is asked", terminal.Plural(n, "number", "numbers"))
	case n == 0:
		s.add(Good, 0, "It is empty")
	default:
		s.add(Good, 0, "The serial number is not among its %s", terminal.Plural(n, "number", "numbers"))
	}
	return s
}

func (r *Report) crls() Step {
	s := Step{Title: "The CRLs"}
	if r.Coverage == nil || len(r.CRLs) == 0 {
		s.add(Note, 0, "None was asked: %s", pick(r.Rows[indexOf(authorize.Revoked)].Holds, "the deny list has answered", "none of the CA's is here that could speak of it"))
		return s
	}
	s.Lines = append(s.Lines, crlLines(r.CRLs, 0)...)
	if c := r.Coverage; c.Parts > 0 {
		s.add("", 0, "The CA keeps its CRLs in %d parts; %d were read, those that the certificate's distribution points choose", c.Parts, c.PartsRead)
	}
	if r.Coverage.OwnKey {
		s.add("", 0, "The key that issued the certificate publishes CRLs of its own, so only those count")
	}
	if r.Verdict.Status != "revoked" {
		s.add(stateOf(r.Coverage.Current == "all", Good, Bad), 0, "Reasons covered: %s; by current CRLs: %s", r.Coverage.Covered, r.Coverage.Current)
	}
	return s
}

func indexOf(reason authorize.Reason) int {
	for n, row := range table {
		if row.reason == reason {
			return n - 1
		}
	}
	return 0
}

func stateOf(first bool, a, b State) State {
	if first {
		return a
	}
	return b
}

// crlLines put CRLs into words, those in scope first.
func crlLines(crls []CRL, depth int) []Line {
	s := Step{}
	for i := range crls {
		if crls[i].InScope {
			s.crl(&crls[i], depth)
		}
	}
	others := 0
	for i := range crls {
		if c := &crls[i]; !c.InScope {
			if others++; others <= maxOthers {
				s.add("", depth, "CRL %s, number %s: out of scope: %s%s", c.Key, c.Number, c.Why, points(c))
				if c.Asked {
					s.found(c, depth)
				}
			}
		}
	}
	if others > maxOthers {
		s.add("", depth, "and %d more that are out of scope (--json lists them)", others-maxOthers)
	}
	return s.Lines
}

func points(c *CRL) string {
	if len(c.Points) == 0 {
		return ""
	}
	return " (" + strings.Join(c.Points, ", ") + ")"
}

// crl puts one CRL in scope into words.
func (s *Step) crl(c *CRL, depth int) {
	kind, scope := "", "in scope"
	if c.Kind != "complete" {
		kind = "delta to number " + c.Base + ", "
	}
	if c.Reasons != nil {
		scope += " for " + strings.Join(c.Reasons, ", ")
	}
	s.add("", depth, "CRL %s, %snumber %s: %s (%s%s), %s", c.Key, kind, c.Number, scope, c.Scope, points(c), terminal.Plural(c.Entries, "entry", "entries"))
	left := terminal.Span(time.Duration(c.Left)*time.Second) + pick(c.Left < 0, " ago", " left")
	s.add("", depth+1, "thisUpdate %s, nextUpdate %s, %s", c.ThisUpdate.Format(time.RFC3339), c.NextUpdate.Format(time.RFC3339), left)
	if !c.Vouches {
		s.add(Bad, depth+1, "its signer is revoked: what it lists counts, and it vouches for nothing")
	}
	if c.Why != "" {
		s.add(Note, depth+1, "%s", c.Why)
	}
	if c.AnsweredBy != "" {
		s.add(Note, depth+1, "its set is still being fetched, and number %s answered in its place", c.AnsweredBy)
	}
	s.found(c, depth)
}

// found says what was found in a CRL, and whether that is current.
func (s *Step) found(c *CRL, depth int) {
	switch {
	case c.Unavailable != "":
		s.add(Bad, depth+1, "it could not be asked: %s", printable(c.Unavailable))
	case c.Listed && c.Reason == crl.RemoveFromCRL.String():
		s.add(Good, depth+1, "it takes the serial number off the list (removeFromCRL)")
	case c.Listed:
		s.add(Bad, depth+1, "the serial number is listed: revoked %s, reason %s", c.Date.Format(time.RFC3339), c.Reason)
	case c.Asked:
		s.add(Good, depth+1, "the serial number is not listed")
	case c.Why == "":
		s.add("", depth+1, "not asked: the answer was there")
	}
	switch {
	case c.OutOfDate != "" && c.Current:
		s.add(Note, depth+1, "by itself out of date: %s; its delta makes it current", c.OutOfDate)
	case c.OutOfDate != "":
		s.add(Bad, depth+1, "out of date: %s", c.OutOfDate)
	}
	for i := range c.Deltas {
		s.crl(&c.Deltas[i], depth+1)
	}
}

// chain puts what is known of keys into words.
func chain(keys []Key, now time.Time, depth int) []Line {
	s := Step{}
	for _, k := range keys {
		state := Note
		switch {
		case k.Revoked:
			state = Bad
		case k.Known:
			state = Good
		}
		short := k.Key
		if len(short) > 16 {
			short = short[:16] + "…"
		}
		s.add(state, depth, "CA %s, key %s: %s", k.CA, short, k.Words)
		for _, c := range k.Certificates {
			s.add("", depth+1, "its certificate %s (%s): %s", c.Serial, c.Subject, c.Words)
			s.Lines = append(s.Lines, crlLines(c.CRLs, depth+2)...)
			s.Lines = append(s.Lines, chain(c.Chain, now, depth+2)...)
		}
	}
	return s.Lines
}

func (r *Report) settings() Step {
	s := Step{Title: "The settings"}
	for _, set := range r.Settings {
		of := "authorizer"
		if set.Of != of {
			of = "CA " + set.Of
		}
		s.add(stateOf(set.Decided, Note, ""), 0, "%s (%s) is %s: %s%s", set.Name, of, set.Value, set.Words, pick(set.Decided, "; it decided", ""))
	}
	for _, a := range r.Assumed {
		s.add(Note, 0, "assumed: %s", a)
	}
	return s
}

func (r *Report) table() Step {
	s := Step{Title: "The decision table"}
	for _, row := range r.Rows {
		state, mark := Good, "no"
		switch {
		case row.Decided && row.Row == LastRow:
			mark = "yes"
		case row.Decided:
			state, mark = stateOf(r.Verdict.Allow(), Note, Bad), "YES"
		case !row.Reached && row.Holds:
			state, mark = Note, "too"
		case !row.Reached:
			state, mark = "", "-"
		}
		s.add(state, 0, "%2d %-3s  %s: %s", row.Row, mark, row.What, row.Why)
	}
	return s
}

func (r *Report) verdict() Step {
	v := &r.Verdict
	s := Step{Title: "The answer"}
	head := fmt.Sprintf("%s %s, by row %d: %s", v.Decision, v.Reason, v.Row, v.Words)
	if v.Undetermined != "" {
		s.add(Note, 0, "cannot be told from the serial number: %s", v.Undetermined)
		s.add("", 0, "of a certificate without distribution points it would be: %s", head)
		return s
	}
	s.add(stateOf(v.Allow(), stateOf(v.WouldDeny, Note, Good), Bad), 0, "%s", head)
	for _, m := range v.Remedy {
		s.add("", 1, "%s", m)
	}
	return s
}
