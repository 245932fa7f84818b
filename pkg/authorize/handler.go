// Package authorize is the decision: an API Gateway authorizer event in, an
// answer in the event's own wire form out.
//
// [Handler.Invoke] is what the Lambda function runs: it reads the event
// ([ParseEvent]) and the client's certificate, asks what is known of its
// revocation ([Asker], which a [revocation.Cache] is), and decides. [Decide] is
// the decision table, a pure function of [Facts] and [Settings]; [Explain] walks it
// in words. [Context] is what the backend and the access log are told.
//
// An authorizer of one's own is functions/authorizer/main.go with a [Rule] or two
// in [Config]: rules run after revocation and can only deny more. See the example
// of Rule.
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

// RuleInput is what a rule may look at. It must not change any of it: the
// certificate, for one, is shared with later requests. Where observe or
// break-glass let a request through that has no usable status, the Answer says
// so.
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
type Handler struct {
	c      Config
	memory memory
}

// New returns a handler.
func New(c Config) *Handler {
	if c.Clock == nil {
		c.Clock = time.Now
	}
	if c.RequestID == nil {
		c.RequestID = func(context.Context) string { return "" }
	}
	return &Handler{c: c}
}

// outcome is everything about one request that is answered, logged and counted.
type outcome struct {
	arrived  time.Time
	request  Request
	cert     *known
	facts    Facts
	decision Decision
	ruleErr  error
	context  Context
}

// Invoke answers one event, in the wire form of the event. Whatever goes wrong,
// a panic included, is a deny; the error is always nil.
func (h *Handler) Invoke(ctx context.Context, payload []byte) ([]byte, error) {
	o := &outcome{}
	if err := guard(h.decide, ctx, payload, o); err != nil {
		h.fail(o, err)
	}
	o.context = newContext(o.decision, &o.facts, o.cert)
	if err := guard(h.report, ctx, payload, o); err != nil {
		// The log or the metrics failed, so that nobody would see what was
		// let in. Whether this line gets through must not matter.
		h.fail(o, err)
		o.context = newContext(o.decision, &o.facts, o.cert)
		_ = guard(h.log, ctx, payload, o)
	}
	return respond(&o.request, o.decision.Allow, &o.context), nil
}

// fail makes a request one that met something unforeseen.
func (h *Handler) fail(o *outcome, err error) {
	o.facts.Fault = err
	o.decision = Decide(&o.facts, h.c.Settings, o.arrived)
}

// step is a part of answering a request.
type step func(ctx context.Context, payload []byte, o *outcome)

// guard runs a step and turns a panic into an error that has the stack.
func guard(f step, ctx context.Context, payload []byte, o *outcome) (err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("panic: %v\n%s", r, debug.Stack())
		}
	}()
	f(ctx, payload, o)
	return nil
}

// decide gathers the facts and decides.
func (h *Handler) decide(ctx context.Context, payload []byte, o *outcome) {
	o.arrived = h.c.Clock()
	h.gather(ctx, payload, o)
	o.decision = Decide(&o.facts, h.c.Settings, o.arrived)
	if o.decision.Allow {
		h.rules(ctx, payload, o)
	}
}

func (h *Handler) gather(ctx context.Context, payload []byte, o *outcome) {
	var pem token
	if o.request, pem, o.facts.Fault = parseEvent(payload); o.facts.Fault != nil {
		return
	}
	o.facts.Domain = o.request.Domain
	if len(h.c.Rules) > 0 {
		o.request.CertificatePEM = pem.String() // for them alone
	}
	if len(pem.raw) == 0 {
		o.facts.NoCertificate = true
		return
	}
	h.ask(ctx, pem, o)
}

// ask reads the certificate and asks about it.
func (h *Handler) ask(ctx context.Context, pem token, o *outcome) {
	var err error
	if o.cert, err = h.memory.certificate(pem); err != nil {
		o.facts.Malformed = err
		return
	}
	o.facts.Answer = h.c.Asker.Ask(ctx, o.cert.cert, o.arrived)
}

// rules runs the user's rules, which can turn allow into deny.
func (h *Handler) rules(ctx context.Context, payload []byte, o *outcome) {
	for _, rule := range h.c.Rules {
		request, answer := o.request, o.facts.Answer
		if err := rule(ctx, &RuleInput{Request: &request, Event: payload, Certificate: o.cert.cert, Answer: &answer}); err != nil {
			o.ruleErr = err
			o.decision = Decision{Reason: DeniedByRule, Row: o.decision.Row}
			return
		}
	}
}

// report logs and counts what was decided.
func (h *Handler) report(ctx context.Context, payload []byte, o *outcome) {
	h.log(ctx, payload, o)
	if h.c.Metrics != nil {
		h.c.Metrics.Decided(o.decision, o.facts.Answer.CA, h.c.Clock().Sub(o.arrived), &o.facts.Answer)
	}
}

// log writes one line for a denial or what would be one, and for a share of
// the rest. It never writes the certificate.
func (h *Handler) log(ctx context.Context, _ []byte, o *outcome) {
	level := slog.LevelInfo
	switch {
	case o.facts.Fault != nil:
		level = slog.LevelError
	case !o.decision.Allow || o.decision.WouldDeny:
		level = slog.LevelWarn
	case rand.Float64() >= h.c.LogAllowed:
		return
	}
	a, c := &o.facts.Answer, &o.context
	attrs := []slog.Attr{
		slog.String("request_id", h.c.RequestID(ctx)), slog.String("api_request_id", printable(o.request.RequestID)), slog.String("decision", c.Decision), slog.String("reason", c.Reason),
		slog.String("ca", c.CA), slog.String("serial", c.Serial), slog.String("subject", c.Subject), slog.String("fingerprint", c.Fingerprint),
		slog.String("crl_number", c.CRLNumber), slog.String("domain_name", printable(o.request.Domain)),
	}
	if o.decision.WouldDeny {
		attrs = append(attrs, slog.Bool("would_deny", true), slog.String("mode", o.decision.Relaxed))
	}
	if a.CRL != nil {
		attrs = append(attrs, slog.String("crl", printable(a.CRL.Name)))
	}
	if c.RevocationDate != "" {
		attrs = append(attrs, slog.String("revocation_date", c.RevocationDate))
	}
	if a.Detail != "" {
		attrs = append(attrs, slog.String("detail", a.Detail))
	}
	if err := errors.Join(o.facts.Fault, o.facts.Malformed, a.Unavailable, o.ruleErr); err != nil {
		attrs = append(attrs, slog.Any("err", err))
	}
	h.c.Log.LogAttrs(ctx, level, c.Decision, attrs...)
}
