package authorize

import (
	"encoding/hex"
	"encoding/json"
	"strings"
	"time"

	"github.com/crlgate/crlgate/pkg/clientcert"
	"github.com/crlgate/crlgate/pkg/issuer"
)

// maxResource is how long a Resource of a REST authorizer's policy may be (API
// Gateway quotas, "Characters of Resource").
const maxResource = 512

// maxText bounds each text of the context, in octets: API Gateway takes 8 KiB
// of a REST authorizer's answer in all.
const maxText = 1024

// Context is what the authorizer tells the backend and the access log, beside
// allow or deny. Its keys stand in docs/backend.md.
type Context struct {
	Decision       string `json:"decision"` // "allow" or "deny"
	Reason         string `json:"reason"`
	WouldDeny      string `json:"would_deny,omitempty"` // "true", or absent
	CA             string `json:"ca,omitempty"`
	Serial         string `json:"serial,omitempty"`      // lower-case hex
	Subject        string `json:"subject,omitempty"`     // RFC 4514
	Fingerprint    string `json:"fingerprint,omitempty"` // SHA-256 of the certificate, lower-case hex
	CRLNumber      string `json:"crl_number,omitempty"`
	RevocationDate string `json:"revocation_date,omitempty"` // RFC 3339
}

func newContext(d Decision, f *Facts, cert *clientcert.Certificate) Context {
	c := Context{Decision: verb(d.Allow), Reason: string(d.Reason), CA: f.Answer.CA}
	if d.WouldDeny {
		c.WouldDeny = "true"
	}
	if cert != nil {
		fp := cert.Fingerprint()
		c.Serial = issuer.Serial(cert.Serial).String()
		c.Subject = clip(issuer.Display(cert.Subject))
		c.Fingerprint = hex.EncodeToString(fp[:])
	}
	if f.Answer.CRL != nil {
		c.CRLNumber = f.Answer.CRL.Number
	}
	if h := f.Answer.Hit; h != nil && !h.DenyList {
		c.RevocationDate = h.Date.UTC().Format(time.RFC3339)
	}
	return c
}

func clip(s string) string {
	if len(s) > maxText {
		return strings.ToValidUTF8(s[:maxText], "") + "…"
	}
	return s
}

func verb(allow bool) string {
	if allow {
		return "allow"
	}
	return "deny"
}

// respond builds the answer in the wire form of the request.
func respond(r *Request, allow bool, c *Context) ([]byte, error) {
	if r.Form == HTTP2 {
		return json.Marshal(struct {
			IsAuthorized bool     `json:"isAuthorized"`
			Context      *Context `json:"context"`
		}{allow, c})
	}
	effect := "Deny"
	if allow {
		effect = "Allow"
	}
	type statement struct {
		Action   string `json:"Action"`
		Effect   string `json:"Effect"`
		Resource string `json:"Resource"`
	}
	type policy struct {
		Version   string      `json:"Version"`
		Statement []statement `json:"Statement"`
	}
	principal := c.Fingerprint
	if principal == "" {
		principal = "unknown"
	}
	return json.Marshal(struct {
		PrincipalID    string   `json:"principalId"`
		PolicyDocument policy   `json:"policyDocument"`
		Context        *Context `json:"context"`
	}{principal, policy{"2012-10-17", []statement{{"execute-api:Invoke", effect, resource(r.ARN)}}}, c})
}

// resource is what the policy speaks of: this request, or its whole stage
// where the request's ARN is longer than API Gateway takes. The answer is not
// cached (TTL 0), so that the wider one lets through no more.
func resource(arn string) string {
	if arn == "" {
		return "*"
	}
	if len(arn) <= maxResource && !strings.ContainsAny(arn, "*?") {
		return arn
	}
	// arn:aws:execute-api:region:account:api/stage/METHOD/path
	slash := strings.IndexByte(arn, '/')
	if slash < 0 {
		return "*"
	}
	stage := strings.IndexByte(arn[slash+1:], '/')
	if stage < 0 || slash+1+stage+2 > maxResource {
		return "*"
	}
	return arn[:slash+1+stage] + "/*"
}
