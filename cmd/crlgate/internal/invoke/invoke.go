// Package invoke answers an authorizer event as the function would, through the
// same packages, over any cache bucket.
package invoke

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"github.com/crlgate/crlgate/cmd/crlgate/internal/check"
	"github.com/crlgate/crlgate/pkg/authorize"
	"github.com/crlgate/crlgate/pkg/revocation"
)

// Answer is the authorizer's answer to one event.
type Answer struct {
	// JSON is what API Gateway would get, to the octet.
	JSON  []byte
	Allow bool
	// Words say what was decided and why.
	Words string
}

// Run answers an event with what lies in a cache bucket, at now. The cache is
// cold, so that everything is read anew.
func Run(ctx context.Context, event []byte, store revocation.Store, settings authorize.Settings, now time.Time) (*Answer, error) {
	said := said{}
	h := authorize.New(authorize.Config{
		Asker: check.Warm(store, now), Settings: settings, LogAllowed: 1, Log: slog.New(said), Clock: func() time.Time { return now },
	})
	answer, err := h.Invoke(ctx, event)
	if err != nil {
		return nil, err
	}
	if said["decision"] == "" {
		return nil, errors.New("the authorizer answered and did not say what it decided")
	}
	return &Answer{JSON: answer, Allow: said["decision"] == "allow", Words: said.words()}, nil
}

// Settings reads those of the authorizer's settings that bear on a decision
// from its environment variables, as the function does.
func Settings(env map[string]string) (authorize.Settings, error) {
	var s authorize.Settings
	var faults []error
	switch v := env["MODE"]; v {
	case "", "enforce":
	case "observe":
		s.Observe = true
	default:
		faults = append(faults, fmt.Errorf("MODE is %q; it is enforce or observe", v))
	}
	switch v := env["REQUIRE_CHAIN"]; v {
	case "", "false":
	case "true":
		s.RequireChain = true
	default:
		faults = append(faults, fmt.Errorf("REQUIRE_CHAIN is %q; it is true or false", v))
	}
	return s, errors.Join(faults...)
}

// said is a slog.Handler that keeps the attributes of the one line that the
// authorizer logs of a request.
type said map[string]string

// Enabled is true at every level.
func (s said) Enabled(context.Context, slog.Level) bool { return true }

// Handle keeps the attributes.
func (s said) Handle(_ context.Context, r slog.Record) error {
	r.Attrs(func(a slog.Attr) bool {
		s[a.Key] = a.Value.String()
		return true
	})
	return nil
}

// WithAttrs and WithGroup are not used by the authorizer.
func (s said) WithAttrs([]slog.Attr) slog.Handler { return s }

// WithGroup returns s.
func (s said) WithGroup(string) slog.Handler { return s }

// words puts the line into a sentence.
func (s said) words() string {
	head := s["decision"] + " " + s["reason"]
	if s["would_deny"] != "" {
		head += " (would deny, but for " + s["mode"] + ")"
	}
	var parts []string
	for _, f := range []struct{ key, name string }{
		{"ca", "CA "},
		{"serial", "serial "},
		{"subject", "subject "},
		{"crl_number", "CRL number "},
		{"revocation_date", "revoked "},
		{"detail", ""},
		{"err", ""},
	} {
		if s[f.key] != "" && !(f.key == "err" && s["err"] == s["detail"]) {
			parts = append(parts, f.name+s[f.key])
		}
	}
	if len(parts) == 0 {
		return head
	}
	return head + ": " + strings.Join(parts, ", ")
}
