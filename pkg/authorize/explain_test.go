package authorize_test

import (
	"bytes"
	"context"
	"crypto/x509/pkix"
	"encoding/json"
	"io"
	"slices"
	"testing"
	"time"

	"github.com/crlgate/crlgate/internal/pki"
	"github.com/crlgate/crlgate/internal/pki/pkitest"
	"github.com/crlgate/crlgate/pkg/authorize"
	"github.com/crlgate/crlgate/pkg/clientcert"
	"github.com/crlgate/crlgate/pkg/revocation"
)

// TestExplainIsInvoke: Explain decides as Invoke does on an event with the same
// certificate, and says which rows it looked at.
func TestExplainIsInvoke(t *testing.T) {
	w := newWorld(t)
	ca := pkitest.CA(t, pki.CAOptions{Name: pkix.Name{CommonName: "partner-a"}})
	w.put(t, "issuers/partner-a.pem", ca.PEM())
	w.crl(t, "crls/partner-a.crl", ca, 1, 7)
	good, bad := pkitest.Leaf(t, ca, pki.LeafOptions{}), pkitest.Leaf(t, ca, pki.LeafOptions{RawSerial: []byte{7}})
	h := w.handler(io.Discard, nil)
	for name, c := range map[string]struct {
		pem  string
		at   time.Duration
		rows int
	}{
		"good":      {string(good.PEM()), 0, 13},
		"revoked":   {string(bad.PEM()), 0, 6},
		"expired":   {string(good.PEM()), 48 * time.Hour, 12},
		"malformed": {"-----BEGIN CERTIFICATE-----", 0, 3},
		"none":      {"", 0, 2},
	} {
		w.now = start.Add(c.at)
		body, err := h.Invoke(t.Context(), event(t, "http2", []byte(c.pem)))
		if err != nil {
			t.Fatal(err)
		}
		var response struct{ Context authorize.Context }
		// What is empty is sent as a hyphen where the request is allowed.
		body = bytes.ReplaceAll(body, []byte(`":"-"`), []byte(`":""`))
		if err := json.Unmarshal(body, &response); err != nil {
			t.Fatal(err)
		}
		e := authorize.Explain(t.Context(), w.cache(), authorize.Settings{}, c.pem, "api.example.com", w.now)
		if e.Context != response.Context {
			t.Errorf("%s: Explain says %+v, Invoke %+v", name, e.Context, response.Context)
		}
		if len(e.Rows) != c.rows {
			t.Errorf("%s: %d rows were looked at, want %d: %+v", name, len(e.Rows), c.rows, e.Rows)
		}
		if (e.Certificate != nil) != (c.rows > 3) || (e.Trace != nil) != (c.rows > 3) {
			t.Errorf("%s: certificate %v, trace %v", name, e.Certificate != nil, e.Trace != nil)
		}
	}
}

// exploding is an Explainer that panics.
type exploding struct{}

func (exploding) Explain(context.Context, *clientcert.Certificate, time.Time) (revocation.Answer, *revocation.Trace) {
	panic("boom")
}

func TestExplainOfWhatPanics(t *testing.T) {
	ca := pkitest.CA(t, pki.CAOptions{})
	e := authorize.Explain(t.Context(), exploding{}, authorize.Settings{Observe: true}, string(pkitest.Leaf(t, ca, pki.LeafOptions{}).PEM()), "", start)
	if e.Decision.Allow || e.Decision.Reason != authorize.InternalError || e.Facts.Fault == nil {
		t.Errorf("%+v", e.Decision)
	}
}

func TestRowsBehindTheOneThatDecided(t *testing.T) {
	a := revocation.Answer{CA: "a", Stale: true, NoCRL: true, ChainUnknown: true}
	e := authorize.ExplainAnswer(&a, nil, authorize.Settings{RequireChain: true}, "", start)
	want := []authorize.Held{{Row: 10, Reason: authorize.NoCRL, Holds: true}, {Row: 13, Reason: authorize.ChainUnknown, Holds: true}}
	if e.Decision.Row != 9 || len(e.Rows) != 9 || !slices.Equal(e.Others, want) || !e.Rows[8].Holds {
		t.Errorf("%+v", e)
	}
	if d := authorize.Decide(&authorize.Facts{Answer: a}, authorize.Settings{RequireChain: true}, start); d != e.Decision {
		t.Errorf("Decide says %+v, ExplainAnswer %+v", d, e.Decision)
	}
}

// TestExplainOfADomain: the name that the request came to counts, and the facts
// hold no more than was found.
func TestExplainOfADomain(t *testing.T) {
	w, ca := partner(t)
	w.put(t, "issuers/partner-a.json", []byte(`{"domains":["api.example.com"]}`))
	pem := string(client(t, ca, 1, "good"))
	for domain, reason := range map[string]authorize.Reason{"api.example.com": authorize.Good, "other.example.com": authorize.CANotAssociated, "": authorize.CANotAssociated} {
		e := authorize.Explain(t.Context(), w.cache(), authorize.Settings{}, pem, domain, w.now)
		if e.Decision.Reason != reason || e.Facts.Domain != domain || e.Facts.Fault != nil {
			t.Errorf("%q: %+v", domain, e.Decision)
		}
	}
	e := authorize.Explain(t.Context(), w.cache(), authorize.Settings{}, "", "", w.now)
	if e.Decision.Reason != authorize.NoClientCertificate || e.Facts.Malformed != nil || e.Trace != nil {
		t.Errorf("no certificate: %+v, %v", e.Decision, e.Facts.Malformed)
	}
}
