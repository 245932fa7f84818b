package crash

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/crlgate/crlgate/cmd/crlgate/faults/internal/machine"
	"github.com/crlgate/crlgate/cmd/crlgate/internal/lambdaruntime"
)

// run gives a preprocessor one payload.
func (m *matrix) run(ctx context.Context, s *prepared, pair *machine.Pair, payload []byte, log *machine.Log) (faults []string, err error) {
	result, err := m.invoke(ctx, s, pair, payload, log)
	if err != nil {
		return nil, err
	}
	if result.FunctionError != "" {
		faults = append(faults, fmt.Sprintf("the preprocessor failed: %s", result.Payload))
	}
	return faults, nil
}

// invoke is run, with what the preprocessor answers.
func (m *matrix) invoke(ctx context.Context, s *prepared, pair *machine.Pair, payload []byte, log *machine.Log) (result lambdaruntime.Result, err error) {
	f, err := pair.Preprocessor("", s.Env, log.Line)
	if err != nil {
		return result, err
	}
	defer func() { err = errors.Join(err, machine.End(f)) }()
	return f.Invoke(ctx, payload)
}

// look compares the buckets, and what the authorizer answers, with the truth.
func (m *matrix) look(ctx context.Context, pair *machine.Pair, want State, faults *[]string) (*audit, error) {
	now, err := pair.Read(ctx)
	if err != nil {
		return nil, err
	}
	a := read(now.Cache)
	a.matches(want)
	wrong, err := m.ask(ctx, pair, want, want)
	*faults = append(*faults, wrong...)
	return a, err
}

// ask has a new authorizer answer for every client and returns the answers that
// break the promise: see allowed.
func (m *matrix) ask(ctx context.Context, pair *machine.Pair, before, after State) (faults []string, err error) {
	log := &machine.Log{}
	f, err := pair.Authorizer("", nil, log.Line, nil)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, machine.End(f)) }()
	earlier := map[string]Client{}
	for _, c := range before.Clients {
		earlier[c.Name] = c
	}
	for _, c := range after.Clients {
		result, err := f.Invoke(ctx, machine.Request(c.PEM))
		if err != nil {
			return nil, err
		}
		got, reason, err := machine.Answer(result.Payload)
		if err != nil || result.FunctionError != "" {
			faults = append(faults, fmt.Sprintf("client %q: the authorizer failed: %s", c.Name, result.Payload))
			continue
		}
		old, was := earlier[c.Name]
		if !may(old, c, was, got, reason) {
			faults = append(faults, fmt.Sprintf("client %q is answered %v %s, want %v %s", c.Name, verdict(got), reason, verdict(c.Allow), c.Reason))
		}
	}
	return faults, nil
}

// may says whether an answer is one that a client may get between two moments.
// Who is let in at both must be let in, and who is revoked at both must be denied
// as that. Who was revoked and is denied for another reason afterwards must be
// denied throughout. Who comes under a CA that is being added, or has a
// revocation that is not accepted yet, may get any answer in between.
func may(before, after Client, was, allowed bool, reason string) bool {
	switch {
	case !was, before.Reason == after.Reason:
		return allowed == after.Allow && reason == after.Reason
	case before.Reason == "revoked" && !after.Allow:
		return !allowed
	}
	return true
}

func verdict(allowed bool) string {
	if allowed {
		return "allow"
	}
	return "deny"
}

// replays puts back what the change replaced, tells of it, and finds that
// nothing older comes into force.
func (m *matrix) replays(ctx context.Context, s *prepared, pair *machine.Pair, was State, now *audit, log *machine.Log) (faults []string, err error) {
	for _, key := range slices.Sorted(maps.Keys(s.replay)) {
		if err := machine.Put(ctx, pair.Uploads, key, s.replay[key]); err != nil {
			return nil, err
		}
		wrong, err := m.run(ctx, s, pair, pair.Changed(key, false), log)
		if err != nil {
			return nil, err
		}
		faults = append(faults, wrong...)
		// The report now tells of the old CRL; everything else stays.
		want := was.clone()
		want.Reports[key] = "refused"
		after, err := m.look(ctx, pair, want, &faults)
		if err != nil {
			return nil, err
		}
		after.follows(now)
		for _, f := range after.faults {
			faults = append(faults, "after the CRL before was put back: "+f)
		}
	}
	return faults, nil
}
