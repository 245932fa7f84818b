package authorize_test

import (
	"bytes"
	"context"
	"io"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/crlgate/crlgate/pkg/authorize"
)

// TestLineOfEachKind: a line of the log has what there is to say, and no key
// without a value.
func TestLineOfEachKind(t *testing.T) {
	const always = "api_request_id ca crl_number decision domain_name fingerprint level msg reason request_id serial subject time"
	w, ca := partner(t)
	gone, good := client(t, ca, 666, "gone"), client(t, ca, 1, "good")
	for name, c := range map[string]struct {
		pem     []byte
		observe bool
		more    string
		values  map[string]any
	}{
		"revoked":        {gone, false, "crl revocation_date detail", map[string]any{"crl": "crls/partner-a.crl", "detail": "listed in CRL number 7"}},
		"observed":       {gone, true, "crl revocation_date detail would_deny mode", map[string]any{"mode": "observe", "would_deny": true}},
		"allowed":        {good, false, "crl", map[string]any{"crl": "crls/partner-a.crl", "decision": "allow"}},
		"malformed":      {[]byte("x"), false, "err", nil},
		"no certificate": {nil, false, "", map[string]any{"reason": "no_client_certificate"}},
	} {
		var log bytes.Buffer
		h := w.handler(&log, func(c2 *authorize.Config) { c2.LogAllowed, c2.Settings.Observe = 1, c.observe })
		invoke(t, h, event(t, "rest", c.pem))
		got := lines(t, &log)
		if len(got) != 1 {
			t.Fatalf("%s: %d lines", name, len(got))
		}
		keys := slices.Sorted(maps.Keys(got[0]))
		want := slices.Sorted(strings.FieldsSeq(always + " " + c.more))
		if !slices.Equal(keys, want) {
			t.Errorf("%s: keys %q, want %q", name, keys, want)
		}
		for key, value := range c.values {
			if got[0][key] != value {
				t.Errorf("%s: %s is %v, want %v", name, key, got[0][key], value)
			}
		}
	}
}

// TestRulesSeeTheCertificate: as it stands in the event, however many rules there are.
func TestRulesSeeTheCertificate(t *testing.T) {
	w, ca := partner(t)
	pem := client(t, ca, 1, "good")
	for n := range 3 {
		seen := 0
		rule := func(_ context.Context, in *authorize.RuleInput) error {
			if in.Request.CertificatePEM == string(pem) {
				seen++
			}
			return nil
		}
		h := w.handler(io.Discard, func(c *authorize.Config) { c.Rules = slices.Repeat([]authorize.Rule{rule}, n) })
		if a := read(t, "http2", invoke(t, h, event(t, "http2", pem))); !a.allow || seen != n {
			t.Errorf("%d rules: %d saw it, %+v", n, seen, a)
		}
	}
}

// TestDomainsOfACA: the request's domain name is the one that counts.
func TestDomainsOfACA(t *testing.T) {
	w, ca := partner(t)
	for domains, reason := range map[string]string{`"api.example.com"`: "good", `"other.example.com"`: "ca_not_associated"} {
		w.put(t, "issuers/partner-a.json", []byte(`{"domains":[`+domains+`]}`))
		for form := range forms {
			a := read(t, form, invoke(t, w.handler(io.Discard, nil), event(t, form, client(t, ca, 1, "good"))))
			if a.allow != (reason == "good") || a.context["reason"] != reason {
				t.Errorf("%s, %s: %+v", domains, form, a)
			}
		}
	}
}

// TestDenyListHasNoDate: a serial number that the administrator denies was revoked
// at no time that anybody knows.
func TestDenyListHasNoDate(t *testing.T) {
	w, ca := partner(t)
	w.put(t, "issuers/partner-a.json", []byte(`{"deny":["01"]}`))
	a := read(t, "rest", invoke(t, w.handler(io.Discard, nil), event(t, "rest", client(t, ca, 1, "x"))))
	if _, dated := a.context["revocation_date"]; a.allow || a.context["reason"] != "revoked" || dated {
		t.Errorf("%+v", a)
	}
}
