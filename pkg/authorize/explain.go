package authorize

import (
	"context"
	"time"

	"github.com/crlgate/crlgate/pkg/clientcert"
	"github.com/crlgate/crlgate/pkg/revocation"
)

// Explainer is an [Asker] that can say how it came to an answer; a
// [revocation.Cache] is one.
type Explainer interface {
	Explain(ctx context.Context, cert *clientcert.Certificate, now time.Time) (revocation.Answer, *revocation.Trace)
}

// Explanation is a decision and all that it rests on.
type Explanation struct {
	Decision Decision
	// Context is what the backend would be told.
	Context Context
	Facts   Facts
	// Rows are the rows that were looked at, up to the one that decided.
	Rows []Held
	// Others are the rows behind that one which hold too: each would decide if
	// those before it did not.
	Others []Held
	// Trace is how revocation came to its answer; nil: it was not asked.
	Trace *revocation.Trace
	// Certificate is the certificate as it was read; nil: it could not be.
	Certificate *clientcert.Certificate
}

// Explain decides on a certificate as [Handler.Invoke] does on an event that
// carries it, by the same code, and keeps what it found on the way. pem is the
// certificate as it stands in the event once that is decoded, domain the name
// that the request came to. now is when it arrived.
func Explain(ctx context.Context, by Explainer, s Settings, pem, domain string, now time.Time) *Explanation {
	e := &Explanation{}
	asker := &tracing{by, e}
	h := New(Config{Asker: asker})
	o := &outcome{arrived: now, request: Request{Domain: domain}}
	o.facts.Domain = domain
	o.facts.Fault = guard(func(ctx context.Context, _ []byte, o *outcome) {
		if pem == "" {
			o.facts.NoCertificate = true
			return
		}
		h.ask(ctx, token{raw: []byte(pem)}, o)
	}, ctx, nil, o)
	e.decide(&o.facts, s, now, o.cert)
	return e
}

// ExplainAnswer decides on what is known of a certificate that is not at hand.
func ExplainAnswer(a *revocation.Answer, t *revocation.Trace, s Settings, domain string, now time.Time) *Explanation {
	e := &Explanation{Trace: t}
	e.decide(&Facts{Domain: domain, Answer: *a}, s, now, nil)
	return e
}

// decide decides, and notes which rows hold.
func (e *Explanation) decide(f *Facts, s Settings, now time.Time, cert *known) {
	e.Facts = *f
	e.Decision = decide(&e.Facts, s, now, &e.Rows)
	for i := len(e.Rows) + 1; i < len(table); i++ {
		if table[i].holds(&e.Facts, s) {
			e.Others = append(e.Others, Held{i, table[i].reason, true})
		}
	}
	e.Context = newContext(e.Decision, &e.Facts, cert)
	if cert != nil {
		e.Certificate = cert.cert
	}
}

// tracing is an Asker that keeps the trace.
type tracing struct {
	by   Explainer
	into *Explanation
}

// Ask answers, and keeps how.
func (t *tracing) Ask(ctx context.Context, cert *clientcert.Certificate, now time.Time) revocation.Answer {
	a, trace := t.by.Explain(ctx, cert, now)
	t.into.Trace = trace
	return a
}
