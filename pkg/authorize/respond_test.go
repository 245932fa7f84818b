package authorize_test

import (
	"bytes"
	"context"
	"crypto/x509/pkix"
	"encoding/json"
	"io"
	"math/big"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/aws/aws-lambda-go/events"

	"github.com/crlgate/crlgate/internal/pki"
	"github.com/crlgate/crlgate/internal/pki/pkitest"
	"github.com/crlgate/crlgate/pkg/authorize"
)

// partner is a world with one CA, whose CRL lists serial number 666.
func partner(tb testing.TB) (*world, *pki.CA) {
	tb.Helper()
	w := newWorld(tb)
	ca := pkitest.CA(tb, pki.CAOptions{Name: pkix.Name{Organization: []string{"Partner A"}, CommonName: "Issuing CA"}})
	w.put(tb, "issuers/partner-a.pem", ca.PEM())
	w.crl(tb, "crls/partner-a.crl", ca, 7, 666)
	return w, ca
}

func client(tb testing.TB, ca *pki.CA, serial int64, name string) []byte {
	tb.Helper()
	return pkitest.Leaf(tb, ca, pki.LeafOptions{Serial: big.NewInt(serial), Subject: pkix.Name{CommonName: name}}).PEM()
}

// answer is what the three forms have in common.
type answer struct {
	allow               bool
	principal, resource string
	context             map[string]any
}

// read decodes an answer into aws-lambda-go's struct, strictly.
func read(t *testing.T, form string, raw []byte) answer {
	t.Helper()
	d := json.NewDecoder(bytes.NewReader(raw))
	d.DisallowUnknownFields()
	if !json.Valid(raw) || !utf8.Valid(raw) {
		t.Fatalf("not JSON: %q", raw)
	}
	if form == "http2" {
		var r events.APIGatewayV2CustomAuthorizerSimpleResponse
		if err := d.Decode(&r); err != nil {
			t.Fatalf("%s: %v", raw, err)
		}
		return answer{allow: r.IsAuthorized, context: r.Context}
	}
	// The statement's Action and Resource may be one string; aws-lambda-go reads lists.
	var r struct {
		PrincipalID    string `json:"principalId"`
		PolicyDocument struct {
			Version   string
			Statement []struct{ Action, Effect, Resource string }
		} `json:"policyDocument"`
		Context map[string]any `json:"context"`
	}
	if err := d.Decode(&r); err != nil {
		t.Fatalf("%s: %v", raw, err)
	}
	s := r.PolicyDocument.Statement
	if r.PolicyDocument.Version != "2012-10-17" || len(s) != 1 || s[0].Action != "execute-api:Invoke" || s[0].Effect != "Allow" && s[0].Effect != "Deny" || r.PrincipalID == "" {
		t.Fatalf("%s", raw)
	}
	return answer{s[0].Effect == "Allow", r.PrincipalID, s[0].Resource, r.Context}
}

func invoke(t *testing.T, h *authorize.Handler, payload []byte) []byte {
	t.Helper()
	raw, err := h.Invoke(context.Background(), payload)
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

func TestAnswersInEachForm(t *testing.T) {
	w, ca := partner(t)
	h := w.handler(io.Discard, nil)
	other := pkitest.CA(t, pki.CAOptions{Name: pkix.Name{CommonName: "Nobody"}})
	good := client(t, ca, 1, "good")
	for form := range forms {
		for reason, pem := range map[string][]byte{
			"good": good, "revoked": client(t, ca, 666, "gone"), "unknown_issuer": client(t, other, 1, "x"),
			"malformed_certificate": []byte("-----BEGIN CERTIFICATE-----"), "no_client_certificate": nil,
		} {
			payload := event(t, form, pem)
			a := read(t, form, invoke(t, h, payload))
			if a.allow != (reason == "good") || a.context["reason"] != reason || a.context["decision"] != map[bool]string{true: "allow", false: "deny"}[a.allow] {
				t.Errorf("%s %s: %+v", form, reason, a)
			}
			for key, value := range a.context {
				if _, ok := value.(string); !ok {
					t.Errorf("%s %s: %s is %T; API Gateway takes strings", form, reason, key, value)
				}
			}
			if form != "http2" && a.resource != decoded(t, form, payload).ARN {
				t.Errorf("%s %s: the policy speaks of %s", form, reason, a.resource)
			}
			if reason == "revoked" {
				want := map[string]any{
					"decision": "deny", "reason": "revoked", "ca": "partner-a", "serial": "029a", "subject": "CN=gone", "crl_number": "7", "issuer": "CN=Issuing CA,O=Partner A",
					"revocation_date": "2026-06-01T11:59:00Z", "fingerprint": a.context["fingerprint"],
				}
				if got, _ := json.Marshal(a.context); len(a.context) != len(want) || string(got) != string(mustJSON(want)) {
					t.Errorf("%s: context %s", form, got)
				}
				if fp, _ := a.context["fingerprint"].(string); len(fp) != 64 || form != "http2" && a.principal != fp {
					t.Errorf("%s: fingerprint %q, principal %q", form, fp, a.principal)
				}
			}
		}
	}
}

func mustJSON(v any) []byte {
	b, _ := json.Marshal(v)
	return b
}

// What cannot be read is denied in a form that API Gateway denies: the event's
// own where it could be told, both at once where not.
func TestUnreadableEventsAreDenied(t *testing.T) {
	w, _ := partner(t)
	h := w.handler(io.Discard, func(c *authorize.Config) { c.Settings.Observe = true })
	for name, payload := range refusedEvents() {
		raw := invoke(t, h, []byte(payload))
		var both struct {
			IsAuthorized   *bool `json:"isAuthorized"`
			PolicyDocument *struct {
				Statement []struct{ Effect, Resource string }
			} `json:"policyDocument"`
			Context map[string]string `json:"context"`
		}
		if err := json.Unmarshal(raw, &both); err != nil {
			t.Fatalf("%s: %v: %s", name, err, raw)
		}
		if both.Context["reason"] != "internal_error" || both.IsAuthorized == nil && both.PolicyDocument == nil ||
			both.IsAuthorized != nil && *both.IsAuthorized || both.PolicyDocument != nil && both.PolicyDocument.Statement[0].Effect != "Deny" {
			t.Errorf("%s: %s", name, raw)
		}
	}
	simple := string(invoke(t, h, []byte(`{"version":"2.0","requestContext":`)))
	if simple != `{"isAuthorized":false,"context":{"decision":"deny","reason":"internal_error"}}` {
		t.Errorf("%s", simple)
	}
}

func TestResources(t *testing.T) {
	const stage = "arn:aws:execute-api:eu-west-1:111122223333:a1b2c3d4e5/prod"
	w, ca := partner(t)
	h := w.handler(io.Discard, nil)
	pem := client(t, ca, 1, "good")
	for arn, want := range map[string]string{
		stage + "/GET/orders/17":                                stage + "/GET/orders/17",
		stage + "/GET/" + strings.Repeat("x", 512-len(stage)-5): stage + "/GET/" + strings.Repeat("x", 512-len(stage)-5),
		stage + "/GET/" + strings.Repeat("x", 513-len(stage)-5): stage + "/*",
		stage + "/GET/" + strings.Repeat("é", 600):              stage + "/*",
		stage + "/GET/a*b":                                      stage + "/*",
		stage + "/GET/a?b":                                      stage + "/*",
		stage + "/GET/${aws:username}":                          stage + "/*",
		stage + "/GET/a\"b\\c\u2028":                            stage + "/GET/a\"b\\c\u2028",
		"arn:aws:execute-api:eu-west-1:1:a/$default/GET/":       "arn:aws:execute-api:eu-west-1:1:a/$default/GET/",
		"arn:aws:execute-api:eu-west-1:1:a*/p/GET/?":            "*",
		strings.Repeat("a", 600) + "/prod/GET/":                 "*",
		strings.Repeat("a", 600):                                "*",
		"a/" + strings.Repeat("a", 600):                         "*",
		"*a/prod/GET/":                                          "*",
		"?a/prod/GET/":                                          "*",
		"*":                                                     "*",
		"a//" + strings.Repeat("x", 600):                        "a//*",
		"/prod/GET/" + strings.Repeat("x", 600):                 "/prod/*",
		strings.Repeat("a", 505) + "/prod/GET/":                 strings.Repeat("a", 505) + "/prod/*",
		strings.Repeat("a", 506) + "/prod/GET/":                 "*",
		"":                                                      "*",
	} {
		for _, form := range []string{"rest", "http1"} {
			var e map[string]any
			if err := json.Unmarshal(event(t, form, pem), &e); err != nil {
				t.Fatal(err)
			}
			e["methodArn"] = arn
			a := read(t, form, invoke(t, h, mustJSON(e)))
			if a.resource != want || !a.allow || len(a.resource) > 512 {
				t.Errorf("%s: the policy of %q speaks of %q, want %q", form, arn, a.resource, want)
			}
		}
	}
}

// Names are the client's to choose, within what its CA signs: they must not
// break headers, logs or the limits of API Gateway.
func TestHostileNames(t *testing.T) {
	w, ca := partner(t)
	for name, subject := range map[string]string{
		"line breaks": "a\r\nX-Injected: 1\n\ndecision: allow", "NUL": "a\x00b", "escape sequence": "\x1b[2J", "not ASCII": "Jörg 🦊", "separators": "a\u2028b\u2029c\u0085d\u202ee",
		"JSON": `","decision":"allow","x":"`, "backslashes": strings.Repeat(`\`, 3000), "long": strings.Repeat("x", 30_000), "long, not ASCII": strings.Repeat("é", 10_000),
	} {
		var log bytes.Buffer
		h := w.handler(&log, nil)
		for form := range forms {
			leaf := pkitest.Leaf(t, ca, pki.LeafOptions{Serial: big.NewInt(666), Subject: pkix.Name{CommonName: subject}})
			raw := invoke(t, h, event(t, form, leaf.PEM()))
			a := read(t, form, raw)
			if a.allow || a.context["reason"] != "revoked" || len(raw) > 4096 {
				t.Errorf("%s: %d bytes, %+v", name, len(raw), a)
			}
			for key, value := range a.context {
				for _, c := range []byte(value.(string)) {
					if c < 0x20 || c > 0x7e {
						t.Fatalf("%s: %s is not fit for a header: %q", name, key, value)
					}
				}
			}
		}
		if lines := strings.Split(strings.TrimSpace(log.String()), "\n"); len(lines) != len(forms) || len(log.String()) > len(forms)*4096 {
			t.Errorf("%s: %d lines in the log, %d bytes", name, len(lines), log.Len())
		}
	}
}

// A serial number of any length is answered, within the limits of API Gateway.
func TestLongSerial(t *testing.T) {
	w, ca := partner(t)
	leaf := pkitest.Leaf(t, ca, pki.LeafOptions{RawSerial: append([]byte{1}, make([]byte, 20_000)...)})
	raw := invoke(t, w.handler(io.Discard, nil), event(t, "rest", leaf.PEM()))
	if a := read(t, "rest", raw); !a.allow || len(raw) > 4096 {
		t.Errorf("%d bytes, %+v", len(raw), a.context["reason"])
	}
}
