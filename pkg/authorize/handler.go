// Package authorize is the decision: an API Gateway authorizer event in, an
// answer in the event's own wire form out.
//
// [Handler.Invoke] is what the Lambda function runs. [Decide] is the decision
// table, a pure function; [Rule] is how users add rules of their own, which run
// after revocation and can only deny more.
package authorize

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"runtime/debug"
	"time"

	"github.com/crlgate/crlgate/pkg/clientcert"
	"github.com/crlgate/crlgate/pkg/revocation"
)

// Asker says what is known of a certificate's revocation; a
// [revocation.Cache] does.
type Asker interface {
	Ask(ctx context.Context, cert *clientcert.Certificate, now time.Time) revocation.Answer
}

// Rule is a rule of a user's own. It runs where revocation would allow, and
// denies by returning an error, which is logged and not shown to the client.
// A rule that panics denies as internal_error.
type Rule func(ctx context.Context, r *RuleInput) error

// RuleInput is what a rule may look at. It must not change it.
type RuleInput struct {
	Request     *Request
	Event       []byte // the event as it came
	Certificate *clientcert.Certificate
	Answer      *revocation.Answer
}

// Metrics is told what is decided; see package telemetry.
type Metrics interface {
	Decided(d Decision, ca string, took time.Duration, answer *revocation.Answer)
}

// Config is what a handler works with. Asker and Log are required.
type Config struct {
	Asker    Asker
	Settings Settings
	Rules    []Rule
	// LogAllowed is the share of allowed requests that are logged, 0 to 1.
	LogAllowed float64
	Log        *slog.Logger
	Metrics    Metrics
	Clock      func() time.Time // time.Now, but in tests
	// RequestID returns the invocation's request id, for the log.
	RequestID func(context.Context) string
}

// Handler answers authorizer events. It is safe for concurrent use.
type Handler struct{ c Config }

// New returns a handler.
func New(c Config) *Handler {
	if c.Clock == nil {
		c.Clock = time.Now
	}
	if c.RequestID == nil {
		c.RequestID = func(context.Context) string { return "" }
	}
	return &Handler{c}
}

// outcome is everything about one request that is answered, logged and counted.
type outcome struct {
	request  Request
	cert     *clientcert.Certificate
	facts    Facts
	decision Decision
	ruleErr  error
	stack    []byte // of a panic
}

// Invoke answers one event. It returns an error only where no answer can be
// written; whatever else goes wrong, a panic included, is a deny.
func (h *Handler) Invoke(ctx context.Context, payload []byte) ([]byte, error) {
	now := h.c.Clock()
	o := h.decide(ctx, payload, now)
	c := newContext(o.decision, &o.facts, o.cert)
	answer, err := respond(&o.request, o.decision.Allow, &c)
	if err != nil {
		return nil, fmt.Errorf("writing the answer: %w", err)
	}
	h.log(ctx, o, &c)
	if h.c.Metrics != nil {
		h.c.Metrics.Decided(o.decision, o.facts.Answer.CA, h.c.Clock().Sub(now), &o.facts.Answer)
	}
	return answer, nil
}

// decide gathers the facts and decides. A panic anywhere in it denies.
func (h *Handler) decide(ctx context.Context, payload []byte, now time.Time) (o *outcome) {
	o = &outcome{}
	defer func() {
		if r := recover(); r != nil {
			o.facts.Fault = fmt.Errorf("panic: %v", r)
			o.stack = debug.Stack()
			o.decision = Decide(&o.facts, h.c.Settings, now)
		}
	}()
	var err error
	if o.request, err = ParseEvent(payload); err != nil {
		o.facts.Fault = err
	} else {
		h.gather(ctx, o, now)
	}
	o.decision = Decide(&o.facts, h.c.Settings, now)
	if o.decision.Allow {
		h.rules(ctx, payload, o)
	}
	return o
}

func (h *Handler) gather(ctx context.Context, o *outcome, now time.Time) {
	o.facts.Domain = o.request.Domain
	if o.request.CertificatePEM == "" {
		o.facts.NoCertificate = true
		return
	}
	cert, err := clientcert.ParsePEM(o.request.CertificatePEM)
	if err != nil {
		o.facts.Malformed = err
		return
	}
	o.cert = cert
	o.facts.Answer = h.c.Asker.Ask(ctx, cert, now)
}

// rules runs the user's rules, which can turn allow into deny.
func (h *Handler) rules(ctx context.Context, payload []byte, o *outcome) {
	for _, rule := range h.c.Rules {
		err := rule(ctx, &RuleInput{Request: &o.request, Event: payload, Certificate: o.cert, Answer: &o.facts.Answer})
		if err != nil {
			o.ruleErr = err
			o.decision = Decision{Reason: DeniedByRule, Row: o.decision.Row}
			return
		}
	}
}

// log writes one line for a denial or what would be one, and for a share of
// the rest. It never writes the certificate.
func (h *Handler) log(ctx context.Context, o *outcome, c *Context) {
	level := slog.LevelInfo
	switch {
	case o.facts.Fault != nil:
		level = slog.LevelError
	case !o.decision.Allow || o.decision.WouldDeny:
		level = slog.LevelWarn
	case h.c.LogAllowed <= 0 || rand.Float64() >= h.c.LogAllowed:
		return
	}
	a := &o.facts.Answer
	attrs := []slog.Attr{
		slog.String("request_id", h.c.RequestID(ctx)), slog.String("decision", c.Decision), slog.String("reason", c.Reason),
		slog.String("ca", c.CA), slog.String("serial", c.Serial), slog.String("subject", c.Subject), slog.String("fingerprint", c.Fingerprint),
		slog.String("crl_number", c.CRLNumber), slog.String("domain_name", clip(o.request.Domain)),
	}
	if o.decision.WouldDeny {
		attrs = append(attrs, slog.Bool("would_deny", true), slog.String("mode", o.decision.Relaxed))
	}
	if c.RevocationDate != "" {
		attrs = append(attrs, slog.String("revocation_date", c.RevocationDate))
	}
	if a.Detail != "" {
		attrs = append(attrs, slog.String("detail", a.Detail))
	}
	if err := errors.Join(o.facts.Fault, o.facts.Malformed, a.Unavailable, o.ruleErr); err != nil {
		attrs = append(attrs, slog.String("err", clip(err.Error())))
	}
	if o.stack != nil {
		attrs = append(attrs, slog.String("stack", string(o.stack)))
	}
	h.c.Log.LogAttrs(ctx, level, c.Decision, attrs...)
}
