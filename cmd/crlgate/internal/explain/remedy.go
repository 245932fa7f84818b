package explain

import (
	"fmt"
	"time"

	"github.com/crlgate/crlgate/cmd/crlgate/internal/emergency"
	"github.com/crlgate/crlgate/cmd/crlgate/internal/terminal"
	"github.com/crlgate/crlgate/pkg/authorize"
	"github.com/crlgate/crlgate/pkg/issuer"
)

// summary says what was decided, in one sentence.
func summary(r *Report) string {
	v := &r.Verdict
	row := r.Rows[v.Row-1]
	words := row.What + ": " + row.Why
	if v.Row == LastRow {
		words = row.Why
	}
	if v.Relaxed != "" {
		words += fmt.Sprintf("; let through by %s", v.Relaxed)
	}
	return words
}

// remedies are what an operator can do about each row that denies, the best first.
var remedies = map[authorize.Reason][]string{
	authorize.InternalError: {
		"read the authorizer's log of this request, which has the whole error, and report it as a fault of crlgate",
		"no setting lets this through",
	},
	authorize.NoClientCertificate: {
		"have the client send its certificate, through the custom domain name with mutual TLS",
		"disable the API's default execute-api endpoint, which asks for no certificate",
	},
	authorize.MalformedCertificate: {
		"have the CA issue the certificate anew, in exact DER",
	},
	authorize.UnknownIssuer: {
		"upload the certificates of the CA that issued it, all of its keys in one file: crlgate put CA.pem",
		"where the name is right and the key is not, add the CA's new certificate to its file",
		"where two CAs bear the name and the key, remove one of the files",
	},
	authorize.CANotAssociated: {
		"add the domain name to \"domains\" in the CA's settings, if its clients may call it",
	},
	authorize.Revoked: {
		"issue the client a new certificate; a CRL entry is taken back only by the CA, and only from certificateHold",
	},
	authorize.IssuerRevoked: {
		"issue the client a certificate from a key that is not revoked",
		"if the CA's certificate was renewed with the same key, add the new one to the CA's file",
	},
	authorize.CacheUnavailable: {
		"look at the object that is named and at the functions' permissions on the cache bucket",
		"have the preprocessor write it anew: crlgate put the CRL again",
	},
	authorize.CacheStale: {
		"look whether the authorizer reaches S3: its network, its permissions, the service's health",
	},
	authorize.NoCRL: {
		"upload a CRL of the CA: crlgate put FILE.crl, and read its report",
		"a CA that publishes none: \"crl\": \"optional\" in its settings",
	},
	authorize.OutOfScope: {
		"upload the CRL that the certificate's distribution point names; those that are here are listed above, each with the reason why it does not speak of it",
	},
	authorize.CRLExpired: {
		"upload the CA's current CRL: crlgate put FILE.crl",
		"a CA that publishes late: \"grace\" in its settings",
	},
	authorize.ChainUnknown: {
		"upload the certificates and the CRL of the CA above",
		"do without: REQUIRE_CHAIN=false",
	},
}

// remedy is what can be done about the verdict.
func remedy(r *Report, e *authorize.Explanation, in *Input) []string {
	v := &r.Verdict
	if v.Allow() && !v.WouldDeny {
		if v.Relaxed != "" {
			return []string{"upload a CRL of the CA, so that revocation can be told"}
		}
		return []string{}
	}
	out := append([]string{}, remedies[v.Reason]...)
	if h := e.Facts.Answer.Hit; v.Reason == authorize.Revoked && h != nil && h.DenyList {
		out = []string{fmt.Sprintf("take it off the deny list, if it stands there wrongly: crlgate deny %s --undo %s", e.Facts.Answer.CA, emergency.Operand(asked(e, in)))}
	}
	if until := breakGlass(v.Reason); until && !v.Allow() && e.Facts.Answer.CA != "" {
		out = append(out, fmt.Sprintf("in an emergency, let the CA's clients in, all but revoked ones: crlgate allow %s --until 4h --reason …", e.Facts.Answer.CA))
	}
	for _, row := range r.Rows {
		if !row.Reached && row.Holds {
			out = append(out, fmt.Sprintf("then row %d would decide (%s): %s", row.Row, row.Reason, row.What))
			break
		}
	}
	return out
}

// asked is the serial number that the answer is about.
func asked(e *authorize.Explanation, in *Input) issuer.Serial {
	if s, err := issuer.ParseSerial(e.Context.Serial); err == nil {
		return s
	}
	return in.Serial // without a certificate
}

// breakGlass reports whether allow_until lets a reason through.
func breakGlass(reason authorize.Reason) bool {
	switch reason {
	case authorize.CacheUnavailable, authorize.CacheStale, authorize.NoCRL, authorize.OutOfScope, authorize.CRLExpired, authorize.ChainUnknown:
		return true
	}
	return false
}

// settings are those that bear on the decision.
func settings(e *authorize.Explanation, in *Input) []Setting {
	mode, chain := pick(in.Settings.Observe, "observe", "enforce"), fmt.Sprint(in.Settings.RequireChain)
	relaxed := e.Decision.Relaxed
	out := []Setting{
		{"MODE", "authorizer", mode, pick(in.Settings.Observe, "rows 4 and 6 to 13 are reported and not enforced", "what a row denies is denied"), relaxed == "observe" && in.Settings.Observe},
		{"MAX_UNVALIDATED", "authorizer", in.MaxUnvalidated.String(), "how old the catalog may be (row 9)", e.Decision.Reason == authorize.CacheStale},
		{"REQUIRE_CHAIN", "authorizer", chain, pick(in.Settings.RequireChain, "the CA's own chain must be known (row 13)", "the CA's own chain need not be known"), e.Decision.Reason == authorize.ChainUnknown},
	}
	a := &e.Facts.Answer
	if a.CA == "" {
		return out
	}
	return append(out, ofCA(a.CA, &a.Settings, e, in)...)
}

// ofCA are the settings of the CA; those that are not set are not listed.
func ofCA(ca string, s *issuer.Settings, e *authorize.Explanation, in *Input) []Setting {
	var out []Setting
	add := func(set bool, name, value, words string, decided bool) {
		if set {
			out = append(out, Setting{name, ca, value, words, decided})
		}
	}
	reason, relaxed := e.Decision.Reason, e.Decision.Relaxed
	hit := e.Facts.Answer.Hit
	add(s.Mode != "", "mode", s.Mode, pick(s.Observe(), "rows 6 to 13 are reported and not enforced", "what a row denies is denied"), relaxed == "observe" && s.Observe())
	add(len(s.Domains) > 0, "domains", fmt.Sprint(s.Domains), "only these domain names (row 5)", reason == authorize.CANotAssociated)
	add(s.Grace > 0, "grace", time.Duration(s.Grace).String(), "how long past nextUpdate a CRL counts as current (row 12)", false)
	add(s.MaxCRLAge > 0, "max_crl_age", time.Duration(s.MaxCRLAge).String(), "how old a CRL may be (row 12)", false)
	add(s.CRL != "", "crl", s.CRL, pick(s.CRLOptional(), "row 10 is let through", "a CA without CRL is denied (row 10)"), relaxed == "crl: optional")
	add(len(s.Deny) > 0, "deny", terminal.Plural(len(s.Deny), "serial number", "serial numbers"), "denied before any CRL says so (row 6)", hit != nil && hit.DenyList)
	until := "it has passed"
	if s.BreakGlass(in.At) {
		until = "rows 8 to 13 are let through for " + terminal.Span(s.AllowUntil.Sub(in.At)) + " more"
	}
	add(!s.AllowUntil.IsZero(), "allow_until", s.AllowUntil.UTC().Format(time.RFC3339), until, relaxed == "allow_until")
	return out
}
