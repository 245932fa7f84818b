package authorize_test

import (
	"bytes"
	"context"
	"crypto/x509/pkix"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/crlgate/crlgate/internal/pki"
	"github.com/crlgate/crlgate/internal/pki/pkitest"
	"github.com/crlgate/crlgate/pkg/authorize"
	"github.com/crlgate/crlgate/pkg/clientcert"
	"github.com/crlgate/crlgate/pkg/revocation"
)

// lines are the lines of a JSON log.
func lines(t *testing.T, log *bytes.Buffer) []map[string]any {
	t.Helper()
	var out []map[string]any
	for _, line := range strings.Split(strings.TrimSpace(log.String()), "\n") {
		var m map[string]any
		if line == "" {
			continue
		}
		if err := json.Unmarshal([]byte(line), &m); err != nil {
			t.Fatalf("%q: %v", line, err)
		}
		out = append(out, m)
	}
	return out
}

func TestDenialsAreLogged(t *testing.T) {
	w, ca := partner(t)
	var log bytes.Buffer
	h := w.handler(&log, nil)
	pem := client(t, ca, 666, "gone")
	invoke(t, h, event(t, "rest", client(t, ca, 1, "good")))
	if log.Len() != 0 {
		t.Errorf("an allowed request is logged: %s", &log)
	}
	invoke(t, h, event(t, "rest", pem))
	invoke(t, h, event(t, "http2", []byte("no certificate")))
	got := lines(t, &log)
	if len(got) != 2 {
		t.Fatalf("%d lines", len(got))
	}
	for key, want := range map[string]any{
		"level": "WARN", "msg": "deny", "request_id": "invocation-1", "decision": "deny", "reason": "revoked", "ca": "partner-a", "serial": "029a",
		"subject": "CN=gone", "crl_number": "7", "revocation_date": "2026-06-01T11:59:00Z", "domain_name": "api.example.com",
	} {
		if got[0][key] != want {
			t.Errorf("%s is %v, want %v", key, got[0][key], want)
		}
	}
	if fp, _ := got[0]["fingerprint"].(string); len(fp) != 64 {
		t.Errorf("fingerprint %q", fp)
	}
	if got[1]["reason"] != "malformed_certificate" || !strings.Contains(fmt.Sprint(got[1]["err"]), "BEGIN CERTIFICATE") {
		t.Errorf("%v", got[1])
	}
	if body := strings.Split(string(pem), "\n")[1]; strings.Contains(log.String(), body) {
		t.Error("the certificate is in the log")
	}
}

func TestShareOfAllowedIsLogged(t *testing.T) {
	w, ca := partner(t)
	payload := event(t, "rest", client(t, ca, 1, "good"))
	for share, within := range map[float64][2]int{0: {0, 0}, 0.5: {350, 650}, 1: {1000, 1000}} {
		var log bytes.Buffer
		h := w.handler(&log, func(c *authorize.Config) { c.LogAllowed = share })
		for range 1000 {
			invoke(t, h, payload)
		}
		got := lines(t, &log)
		if len(got) < within[0] || len(got) > within[1] {
			t.Errorf("share %v: %d of 1000 lines", share, len(got))
		}
		if share == 1 && (got[0]["decision"] != "allow" || got[0]["level"] != "INFO") {
			t.Errorf("%v", got[0])
		}
	}
}

// Observe lets a revoked certificate through, and says so everywhere.
func TestObserveSaysSo(t *testing.T) {
	w, ca := partner(t)
	var log bytes.Buffer
	m := &metrics{}
	h := w.handler(&log, func(c *authorize.Config) { c.Settings.Observe, c.Metrics = true, m })
	a := read(t, "rest", invoke(t, h, event(t, "rest", client(t, ca, 666, "gone"))))
	if !a.allow || a.context["would_deny"] != "true" || a.context["reason"] != "revoked" || a.context["decision"] != "allow" {
		t.Errorf("%+v", a)
	}
	got := lines(t, &log)
	if len(got) != 1 || got[0]["would_deny"] != true || got[0]["mode"] != "observe" || got[0]["level"] != "WARN" {
		t.Errorf("%v", got)
	}
	if d := m.decided[0]; !d.WouldDeny || !d.Allow || d.Reason != authorize.Revoked {
		t.Errorf("%+v", d)
	}
}

type metrics struct {
	mu      sync.Mutex
	decided []authorize.Decision
	panics  bool
}

func (m *metrics) Decided(d authorize.Decision, _ string, _ time.Duration, _ *revocation.Answer) {
	if m.panics {
		panic("metrics are out of order")
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.decided = append(m.decided, d)
}

func TestRules(t *testing.T) {
	w, ca := partner(t)
	other := pkitest.CA(t, pki.CAOptions{Name: pkix.Name{CommonName: "Nobody"}})
	var seen []string
	note := func(_ context.Context, in *authorize.RuleInput) error {
		seen = append(seen, fmt.Sprintf("%x %v %s %v", in.Certificate.Serial, in.Answer.Status, in.Request.Domain, len(in.Event) > 0))
		return nil
	}
	refuse := func(context.Context, *authorize.RuleInput) error { return errors.New("orders are closed") }
	var log bytes.Buffer
	with := func(rules ...authorize.Rule) *authorize.Handler {
		return w.handler(&log, func(c *authorize.Config) { c.Rules, c.LogAllowed = rules, 0 })
	}
	good := event(t, "rest", client(t, ca, 1, "good"))
	if a := read(t, "rest", invoke(t, with(note, note), good)); !a.allow || len(seen) != 2 || seen[0] != "01 good api.example.com true" {
		t.Errorf("%+v, the rules saw %q", a, seen)
	}
	seen = nil
	a := read(t, "rest", invoke(t, with(refuse, note), good))
	if a.allow || a.context["reason"] != "denied_by_rule" || a.context["decision"] != "deny" || len(seen) != 0 {
		t.Errorf("%+v, the next rule saw %q", a, seen)
	}
	if got := lines(t, &log); len(got) != 1 || got[0]["err"] != "orders are closed" || strings.Contains(string(mustJSON(a.context)), "closed") {
		t.Errorf("log %v, context %v", got, a.context)
	}
	// A rule is not asked where revocation denies, so that it cannot allow.
	for _, pem := range [][]byte{nil, []byte("x"), client(t, ca, 666, "gone"), client(t, other, 1, "x")} {
		if a := read(t, "rest", invoke(t, with(note), event(t, "rest", pem))); a.allow || len(seen) != 0 {
			t.Errorf("%+v, the rule saw %q", a, seen)
		}
	}
	// It can deny what observe lets through, and cannot change the request.
	meddle := func(_ context.Context, in *authorize.RuleInput) error {
		in.Request.Form, in.Request.ARN = authorize.HTTP2, "*"
		in.Answer.Status, in.Answer.CA = revocation.Unknown, "meddled"
		return nil
	}
	if a := read(t, "rest", invoke(t, with(meddle), good)); a.resource == "*" || a.context["ca"] != "partner-a" {
		t.Errorf("%+v", a)
	}
	h := w.handler(io.Discard, func(c *authorize.Config) { c.Rules, c.Settings.Observe = []authorize.Rule{refuse}, true })
	if a := read(t, "rest", invoke(t, h, event(t, "rest", client(t, ca, 666, "gone")))); a.allow || a.context["reason"] != "denied_by_rule" || a.context["would_deny"] != nil {
		t.Errorf("%+v", a)
	}
}

type askFunc func() revocation.Answer

func (f askFunc) Ask(context.Context, *clientcert.Certificate, time.Time) revocation.Answer {
	return f()
}

// brokenWriter panics when something is logged.
type brokenWriter struct{}

func (brokenWriter) Write([]byte) (int, error) { panic("log is out of order") }

// A panic in any part denies as internal_error, whatever observe says, and its
// stack is logged.
func TestPanicsDeny(t *testing.T) {
	w, ca := partner(t)
	var nothing *revocation.Answer
	for name, change := range map[string]func(*authorize.Config){
		"in the look-up": func(c *authorize.Config) { c.Asker = askFunc(func() revocation.Answer { return *nothing }) },
		"in a rule": func(c *authorize.Config) {
			c.Rules = []authorize.Rule{func(context.Context, *authorize.RuleInput) error { panic("rule") }}
		},
		"in the metrics": func(c *authorize.Config) { c.Metrics = &metrics{panics: true} },
		"in the clock":   func(c *authorize.Config) { c.Clock = func() time.Time { panic("clock") } },
		"in the request id": func(c *authorize.Config) {
			c.LogAllowed = 1
			once := sync.Once{}
			c.RequestID = func(context.Context) string { once.Do(func() { panic("id") }); return "" }
		},
	} {
		var log bytes.Buffer
		h := w.handler(&log, func(c *authorize.Config) { c.Settings.Observe = true; change(c) })
		for form := range forms {
			if name == "in the request id" && log.Len() > 0 {
				break // it panics once
			}
			raw := invoke(t, h, event(t, form, client(t, ca, 1, "good")))
			if name == "in the clock" { // before the form is known
				if !strings.Contains(string(raw), `"isAuthorized":false`) || !strings.Contains(string(raw), `"Deny"`) || !strings.Contains(string(raw), "internal_error") {
					t.Errorf("%s: %s", name, raw)
				}
				continue
			}
			if a := read(t, form, raw); a.allow || a.context["reason"] != "internal_error" || a.context["would_deny"] != nil {
				t.Errorf("%s, %s: %+v", name, form, a)
			}
		}
		got := lines(t, &log)
		if len(got) == 0 {
			t.Fatalf("%s: nothing logged", name)
		}
		last := got[len(got)-1]
		if last["level"] != "ERROR" || last["reason"] != "internal_error" || !strings.Contains(fmt.Sprint(last["err"]), "handler_test.go") {
			t.Errorf("%s: logged %v", name, last)
		}
	}
	h := w.handler(brokenWriter{}, func(c *authorize.Config) { c.LogAllowed = 1 })
	if a := read(t, "rest", invoke(t, h, event(t, "rest", client(t, ca, 1, "good")))); a.allow || a.context["reason"] != "internal_error" {
		t.Errorf("in the log: %+v", a)
	}
}

// A certificate is read once and remembered by its octets: another in its place
// is another, and what is remembered is bounded.
func TestCertificatesAreRememberedByTheirOctets(t *testing.T) {
	w, ca := partner(t)
	h := w.handler(io.Discard, nil)
	for range 3 {
		for serial, allow := range map[int64]bool{1: true, 666: false, 2: true} {
			if a := read(t, "http2", invoke(t, h, event(t, "http2", client(t, ca, serial, "c")))); a.allow != allow || a.context["serial"] != fmt.Sprintf("%04x", serial)[map[bool]int{true: 2, false: 0}[allow]:] {
				t.Errorf("serial %d: %+v", serial, a)
			}
		}
	}
	// Revoked after it was remembered: the next catalog decides.
	payload := event(t, "http2", client(t, ca, 3, "c"))
	if a := read(t, "http2", invoke(t, h, payload)); !a.allow {
		t.Fatalf("%+v", a)
	}
	w.crl(t, "crls/partner-a.crl", ca, 8, 666, 3)
	w.now = w.now.Add(revocation.DefaultRevalidateAfter)
	if a := read(t, "http2", invoke(t, h, payload)); a.allow || a.context["crl_number"] != "8" {
		t.Errorf("%+v", a)
	}
}

func TestConcurrentInvocations(t *testing.T) {
	w, ca := partner(t)
	h := w.handler(io.Discard, func(c *authorize.Config) { c.Metrics = &metrics{} })
	var payloads [][]byte
	for i := range 8 {
		payloads = append(payloads, event(t, "rest", client(t, ca, int64(660+i), "c")))
	}
	var wg sync.WaitGroup
	for i := range 200 {
		wg.Go(func() {
			raw, err := h.Invoke(context.Background(), payloads[i%8])
			if revoked := strings.Contains(string(raw), `"reason":"revoked"`); err != nil || revoked != (i%8 == 6) {
				t.Errorf("%s %v", raw, err)
			}
		})
	}
	wg.Wait()
}
