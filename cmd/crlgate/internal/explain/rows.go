package explain

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/crlgate/crlgate/cmd/crlgate/internal/terminal"
	"github.com/crlgate/crlgate/pkg/authorize"
	"github.com/crlgate/crlgate/pkg/revocation"
)

// LastRow is the number of the decision table's last row, which allows.
const LastRow = 14

// table says what each row of docs/decision-table.md is about. A test compares
// the two.
var table = [LastRow + 1]struct {
	reason authorize.Reason
	what   string
}{
	1:  {authorize.InternalError, "anything unforeseen, a panic too"},
	2:  {authorize.NoClientCertificate, "no client certificate in the event"},
	3:  {authorize.MalformedCertificate, "the certificate cannot be parsed"},
	4:  {authorize.UnknownIssuer, "its CA is not in the catalog, or more than one CA is left"},
	5:  {authorize.CANotAssociated, "its CA is not associated with this domain name"},
	6:  {authorize.Revoked, "it is listed in a CRL, or in its CA's deny list"},
	7:  {authorize.IssuerRevoked, "the key that issued it is itself revoked"},
	8:  {authorize.CacheUnavailable, "there is no catalog yet, or a needed object is missing or fails its hash"},
	9:  {authorize.CacheStale, "the catalog was not revalidated within MAX_UNVALIDATED"},
	10: {authorize.NoCRL, "its CA has no CRL yet"},
	11: {authorize.OutOfScope, "there are CRLs, and none covers it for all reasons"},
	12: {authorize.CRLExpired, "a CRL that covers it is past nextUpdate plus the CA's grace, or older than its max_crl_age"},
	13: {authorize.ChainUnknown, "the status of the CA's own chain is unknown, and REQUIRE_CHAIN=true"},
	14: {authorize.Good, "otherwise"},
}

// rows are all rows of the table: those that were looked at, and what holds
// behind the one that decided.
func rows(e *authorize.Explanation, in *Input, r *Report) []Row {
	out := make([]Row, 0, LastRow)
	for n := 1; n <= LastRow; n++ {
		out = append(out, Row{Row: n, Reason: table[n].reason, What: table[n].what})
	}
	for _, h := range e.Rows {
		out[h.Row-1].Reached, out[h.Row-1].Holds = true, h.Holds
	}
	for _, h := range e.Others {
		out[h.Row-1].Holds = true
	}
	decided := &out[e.Decision.Row-1]
	decided.Reached, decided.Holds, decided.Decided = true, true, true
	for i := range out {
		if why := whys[out[i].Row]; out[i].Reached || out[i].Holds {
			out[i].Why = why(out[i].Holds, e, in, r)
		} else {
			out[i].Why = "not looked at"
		}
		if !out[i].Reached && out[i].Holds {
			out[i].Why = "not looked at, and would decide next: " + out[i].Why
		}
	}
	return out
}

// why says why a row holds or does not.
type why func(holds bool, e *authorize.Explanation, in *Input, r *Report) string

var whys = [LastRow + 1]why{
	1: func(holds bool, e *authorize.Explanation, _ *Input, _ *Report) string {
		switch {
		case e.Facts.Fault != nil:
			head, _, _ := strings.Cut(e.Facts.Fault.Error(), "\n")
			return head
		case holds:
			return "nothing tells what stands in the way of a good status, and unknown is never good"
		}
		return "nothing unforeseen happened"
	},
	2: func(holds bool, _ *authorize.Explanation, _ *Input, _ *Report) string {
		return pick(holds, "there is no certificate", "there is one")
	},
	3: func(_ bool, e *authorize.Explanation, _ *Input, _ *Report) string {
		if e.Facts.Malformed != nil {
			return printable(e.Facts.Malformed.Error())
		}
		return "it was read"
	},
	4: func(holds bool, e *authorize.Explanation, _ *Input, r *Report) string {
		switch {
		case holds:
			return printable(r.Origin.Why)
		case e.Facts.Answer.CA == "":
			return "there is no catalog to look in (row 8)"
		}
		return "it is of CA " + e.Facts.Answer.CA + ", by " + r.Origin.words()
	},
	5: func(holds bool, e *authorize.Explanation, _ *Input, _ *Report) string {
		s := &e.Facts.Answer.Settings
		if len(s.Domains) == 0 {
			return "the CA is associated with every domain name"
		}
		return fmt.Sprintf("%q %s among the CA's domains, %s", e.Facts.Domain, pick(holds, "is not", "is"), strings.Join(s.Domains, ", "))
	},
	6: whyRevoked,
	7: func(holds bool, e *authorize.Explanation, _ *Input, r *Report) string {
		for _, k := range r.Chain {
			if k.Revoked {
				return k.Words
			}
		}
		if e.Facts.Answer.CA == "" {
			return "nothing was asked: its CA is not known"
		}
		return pick(holds, printable(e.Facts.Answer.Detail), "no key that may have issued it is revoked")
	},
	8: func(_ bool, e *authorize.Explanation, _ *Input, _ *Report) string {
		switch err := e.Facts.Answer.Unavailable; {
		case errors.Is(err, revocation.ErrNoCatalog):
			return "the cache bucket holds no catalog.json"
		case err != nil:
			return printable(err.Error())
		}
		return "everything that is needed was read, and its hashes are right"
	},
	9: func(_ bool, e *authorize.Explanation, in *Input, _ *Report) string {
		return fmt.Sprintf("what was asked was known to be current %s ago, and MAX_UNVALIDATED is %v", terminal.Span(e.Facts.Answer.Age), in.MaxUnvalidated)
	},
	10: func(holds bool, e *authorize.Explanation, _ *Input, r *Report) string {
		if holds {
			return printable(e.Facts.Answer.Detail)
		}
		return "the CA has CRLs"
	},
	11: func(holds bool, e *authorize.Explanation, _ *Input, r *Report) string {
		switch {
		case holds && e.Facts.Answer.Unavailable == nil:
			return printable(e.Facts.Answer.Detail)
		case r.Coverage == nil:
			return "no CRL was looked at"
		}
		return "the CRLs that speak of it and vouch for something cover these reasons: " + r.Coverage.Covered
	},
	12: func(holds bool, e *authorize.Explanation, _ *Input, r *Report) string {
		for _, c := range r.CRLs {
			if holds && c.InScope && !c.Current && c.OutOfDate != "" {
				return c.OutOfDate
			}
		}
		if r.Coverage == nil {
			return "no CRL was looked at"
		}
		return pick(holds, printable(e.Facts.Answer.Detail), "the current ones cover these reasons: "+r.Coverage.Current)
	},
	13: func(holds bool, e *authorize.Explanation, in *Input, _ *Report) string {
		known := pick(e.Facts.Answer.ChainUnknown, "the chain's status is not known", "the chain's status is known")
		if e.Facts.Answer.ChainUnknown && !in.Settings.RequireChain {
			known += ", and nobody requires it: REQUIRE_CHAIN=false"
		}
		return known
	},
	14: func(bool, *authorize.Explanation, *Input, *Report) string {
		return "current CRLs cover all reasons, and none lists it"
	},
}

func whyRevoked(holds bool, e *authorize.Explanation, _ *Input, r *Report) string {
	a := &e.Facts.Answer
	if holds {
		if a.Hit != nil && a.Hit.DenyList {
			return "its serial number is on the deny list of CA " + a.CA
		}
		for _, c := range r.CRLs {
			for _, l := range append([]CRL{c}, c.Deltas...) {
				if l.Listed && a.Hit != nil && l.Date.Equal(a.Hit.Date) && l.Reason == a.Hit.Reason.String() {
					return l.listing()
				}
			}
		}
		return printable(a.Detail)
	}
	if a.CA == "" {
		return "nothing was asked: its CA is not known"
	}
	asked := 0
	for _, c := range r.CRLs {
		if c.Asked {
			asked++
		}
	}
	deny := "the deny list is empty"
	if n := len(a.Settings.Deny); n > 0 {
		deny = fmt.Sprintf("none of the deny list's %s is its own", terminal.Plural(n, "serial number", "serial numbers"))
	}
	return fmt.Sprintf("%s asked, none lists it; %s", terminal.Plural(asked, "CRL was", "CRLs were"), deny)
}

// listing says where an entry stands.
func (c *CRL) listing() string {
	return fmt.Sprintf("listed in CRL number %s (%s) since %s, reason %s", c.Number, c.Key, c.Date.Format(time.RFC3339), c.Reason)
}

// words say what told the CA.
func (o *Origin) words() string {
	switch o.By {
	case "":
		return "its name, as was asked"
	case "signature":
		return "its issuer's name and its signature"
	}
	return "its issuer's name and key identifier"
}

func pick(first bool, a, b string) string {
	if first {
		return a
	}
	return b
}
