package authorize

import (
	"strings"
	"time"
	"unicode/utf8"

	"github.com/crlgate/crlgate/pkg/issuer"
)

// maxResource is how long a Resource of a REST authorizer's policy may be (API
// Gateway quotas, "Characters of Resource").
const maxResource = 512

// maxText bounds each text of the context, in octets, with the backslashes that
// JSON puts before quotes and backslashes: API Gateway takes an answer of 8 KiB
// at most (REST API quotas, "Authorizer result size").
const maxText = 1024

// absent stands in an allowed request's context for what there is none of. A
// value that is missing, or empty, might leave a header of the client's in the
// place of the one that API Gateway was told to set from it; none of the texts
// can be a hyphen alone.
const absent = "-"

// Context is what the authorizer tells the backend and the access log, beside
// allow or deny. Every value is a string of printable ASCII characters, fit for
// a header; other octets stand as a backslash and two hex digits, as RFC 4514
// §2.4 writes them. A text that ends in "..." was cut at 1 KiB.
//
// Where the request is allowed, every value but WouldDeny and RevocationDate is
// sent, as "-" where it is empty here, so that API Gateway can set headers from
// them whatever the client sent. Where it is denied, empty ones are left out.
type Context struct {
	Decision       string `json:"decision"` // "allow" or "deny"
	Reason         string `json:"reason"`
	WouldDeny      string `json:"would_deny,omitempty"` // "true", or absent
	CA             string `json:"ca,omitempty"`
	Issuer         string `json:"issuer,omitempty"`      // the certificate's issuer, as Subject
	Serial         string `json:"serial,omitempty"`      // lower-case hex
	Subject        string `json:"subject,omitempty"`     // RFC 4514
	AltNames       string `json:"san,omitempty"`         // the subject alternative names, as DNS:a.example,URI:…
	Fingerprint    string `json:"fingerprint,omitempty"` // SHA-256 of the certificate, lower-case hex
	CRLNumber      string `json:"crl_number,omitempty"`
	RevocationDate string `json:"revocation_date,omitempty"` // RFC 3339
}

func newContext(d Decision, f *Facts, cert *known) Context {
	c := Context{Decision: "deny", Reason: string(d.Reason), CA: printable(f.Answer.CA)}
	if d.Allow {
		c.Decision = "allow"
	}
	if d.WouldDeny {
		c.WouldDeny = "true"
	}
	if cert != nil {
		c.Serial, c.Subject, c.Fingerprint = cert.serial, cert.subject, cert.fingerprint
		c.Issuer, c.AltNames = cert.issuer, cert.altNames
	}
	if f.Answer.CRL != nil {
		c.CRLNumber = f.Answer.CRL.Number
	}
	if h := f.Answer.Hit; h != nil && !h.DenyList {
		c.RevocationDate = h.Date.UTC().Format(time.RFC3339)
	}
	return c
}

// printable returns s with every octet that is not printable ASCII escaped, and
// cut where it is longer than maxText.
func printable(s string) string {
	if isPlain(s) {
		return s
	}
	var b bounded
	for i := range len(s) {
		if c := s[i]; c >= 0x20 && c < 0x7f {
			b.add(s[i : i+1])
		} else {
			b.add(escaped(c))
		}
	}
	return b.String()
}

// isPlain reports whether printable has nothing to do.
func isPlain[T string | []byte](s T) bool {
	plain := len(s) <= maxText/2
	for i := 0; plain && i < len(s); i++ {
		plain = s[i] >= 0x20 && s[i] < 0x7f
	}
	return plain
}

// escaped is an octet as a backslash and two hex digits.
func escaped(c byte) string {
	const digits = "0123456789ABCDEF"
	return string([]byte{'\\', digits[c>>4], digits[c&15]})
}

// bounded is a text that is cut where it would grow beyond maxText.
type bounded struct {
	strings.Builder
	cost int // octets in JSON
	cut  bool
}

// add adds a part whole, or, where it does not fit, the mark of a cut instead
// of it and of all that follows.
func (b *bounded) add(part string) {
	const more = "..."
	b.cost += len(part) + strings.Count(part, `\`) + strings.Count(part, `"`)
	switch {
	case b.cut:
	case b.cost > maxText-len(more):
		b.cut = true
		b.WriteString(more)
	default:
		b.WriteString(part)
	}
}

// appendName appends a certificate's subject, or issuer, for people, as it may
// stand in a header.
func appendName(b, name []byte) []byte {
	return printableFrom(issuer.AppendDisplay(b, name), len(b))
}

// printableFrom makes what stands in b from start on printable.
func printableFrom(b []byte, start int) []byte {
	if text := b[start:]; !isPlain(text) {
		b = append(b[:start], printable(string(text))...)
	}
	return b
}

// respond builds the answer in the wire form of the request. Where the form is
// not known it is a denial in both forms at once.
func respond(r *Request, allow bool, c *Context) []byte {
	b := make([]byte, 0, 1024)
	if r.Form == NoForm {
		allow = false
	}
	b = append(b, '{')
	if r.Form == HTTP2 || r.Form == NoForm {
		b = append(b, `"isAuthorized":`...)
		if allow {
			b = append(b, "true,"...)
		} else {
			b = append(b, "false,"...)
		}
	}
	if r.Form != HTTP2 {
		b = appendPolicy(b, r, allow, c)
	}
	b = append(b, `"context":`...)
	b = c.append(b, allow)
	return append(b, '}')
}

// appendPolicy appends principalId and the IAM policy, with a comma behind.
func appendPolicy(b []byte, r *Request, allow bool, c *Context) []byte {
	principal, effect := c.Fingerprint, "Deny"
	if principal == "" {
		principal = "unknown"
	}
	if allow {
		effect = "Allow"
	}
	b = append(b, `"principalId":`...)
	b = appendString(b, principal)
	b = append(b, `,"policyDocument":{"Version":"2012-10-17","Statement":[{"Action":"execute-api:Invoke","Effect":"`...)
	b = append(b, effect...)
	b = append(b, `","Resource":`...)
	b = appendString(b, resource(r.ARN))
	return append(b, `}]},`...)
}

// append appends the context as JSON. allow says that the request is let in.
func (c *Context) append(b []byte, allow bool) []byte {
	b = append(b, `{"decision":`...)
	b = appendString(b, c.Decision)
	for _, f := range [...]struct {
		name, value string
		always      bool
	}{
		{`,"would_deny":`, c.WouldDeny, false},
		{`,"ca":`, c.CA, allow},
		{`,"issuer":`, c.Issuer, allow},
		{`,"serial":`, c.Serial, allow},
		{`,"subject":`, c.Subject, allow},
		{`,"san":`, c.AltNames, allow},
		{`,"fingerprint":`, c.Fingerprint, allow},
		{`,"crl_number":`, c.CRLNumber, allow},
		{`,"revocation_date":`, c.RevocationDate, false},
	} {
		if f.value == "" && f.always {
			f.value = absent
		}
		if f.value != "" {
			b = append(b, f.name...)
			b = appendString(b, f.value)
		}
	}
	b = append(b, `,"reason":`...)
	b = appendString(b, c.Reason)
	return append(b, '}')
}

// appendString appends s as a JSON string; what is not UTF-8 becomes U+FFFD.
func appendString(b []byte, s string) []byte {
	const digits = "0123456789abcdef"
	b = append(b, '"')
	start := len(b)
	b = append(b, s...)
	plain := ordinary(b, start, notASCII)
	b = b[:plain] // mostly all of it
	for i := plain - start; i < len(s); {
		c := s[i]
		switch {
		case c == '"' || c == '\\':
			b = append(b, '\\', c)
		case c < 0x20:
			b = append(b, '\\', 'u', '0', '0', digits[c>>4], digits[c&15])
		case c < utf8.RuneSelf:
			b = append(b, c)
		default:
			r, n := utf8.DecodeRuneInString(s[i:])
			b = utf8.AppendRune(b, r)
			i += n
			continue
		}
		i++
	}
	return append(b, '"')
}

// resource is what the policy speaks of: this request, or its whole stage
// where the request's ARN is longer than API Gateway takes, or holds what a
// policy would read as a pattern or a variable. The answer is not cached (TTL
// 0), so that the wider one lets through no more.
func resource(arn string) string {
	if arn == "" {
		return "*"
	}
	if len(arn) <= maxResource && literal(arn) {
		return arn
	}
	// arn:aws:execute-api:region:account:api/stage/METHOD/path
	slash := strings.IndexByte(arn, '/')
	stage := strings.IndexByte(arn[slash+1:], '/')
	if stage < 0 {
		return "*"
	}
	wide := arn[:slash+1+stage]
	if len(wide)+2 > maxResource || !literal(wide) {
		return "*"
	}
	return wide + "/*"
}

// literal reports whether a policy reads s as it stands.
func literal(s string) bool {
	return strings.IndexByte(s, '*') < 0 && strings.IndexByte(s, '?') < 0 && !strings.Contains(s, "${")
}
