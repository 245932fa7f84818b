package crash

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"maps"
	"strings"
	"time"

	"github.com/crlgate/crlgate/cmd/crlgate/faults/internal/machine"
)

// prepare brings a scenario's buckets to the state before, with the real
// preprocessor, and holds that state.
func (m *matrix) prepare(ctx context.Context, s *Scenario) (*prepared, error) {
	pair, err := m.Pair()
	if err != nil {
		return nil, err
	}
	p := &prepared{Scenario: s, recovered: map[[sha256.Size]byte]*Cell{}}
	log := &machine.Log{}
	var faults []string
	// All at once, and the timer finds it: events are the other scenarios'.
	for _, w := range append(s.earlier, s.prepare) {
		if err := upload(ctx, pair, w); err != nil {
			return nil, err
		}
		wrong, err := m.run(ctx, p, pair, []byte(machine.Timer), log)
		if err != nil {
			return nil, err
		}
		faults = append(faults, wrong...)
	}
	if p.started, err = m.look(ctx, pair, s.prepare.state, &faults); err != nil {
		return nil, err
	}
	more, err := check(ctx, pair.Uploads, pair.Cache, s.prepare.state)
	if err != nil {
		return nil, err
	}
	if faults = append(append(faults, p.started.faults...), more...); len(faults) > 0 {
		return nil, fmt.Errorf("before any crash: %s\n%s", strings.Join(faults, "; "), strings.Join(log.Last(20), "\n"))
	}
	if p.before, err = pair.Read(ctx); err != nil {
		return nil, err
	}
	maps.Copy(p.before.Cache, s.beside)
	if s.age != nil {
		for key := range p.before.Cache {
			if age := s.age(key); age > 0 {
				p.before.Old[key] = time.Now().Add(-age)
			}
		}
	}
	for key, data := range s.change.uploads {
		if data == nil {
			delete(p.before.Uploads, key)
		} else {
			p.before.Uploads[key] = data
		}
	}
	if s.asks != nil {
		p.request, err = m.confirmed(ctx, p, pair)
	}
	return p, err
}

func upload(ctx context.Context, pair *machine.Pair, w *world) error {
	for _, key := range w.order {
		if err := machine.Put(ctx, pair.Uploads, key, w.uploads[key]); err != nil {
			return err
		}
	}
	return nil
}

// confirmed is what crlgate forget sends: it asks first what would be lost, and
// sends that along.
func (m *matrix) confirmed(ctx context.Context, p *prepared, pair *machine.Pair) ([]byte, error) {
	request := map[string]any{"crlgate": "forget", "reason": "ticket 4711", "by": "an operator"}
	maps.Copy(request, p.asks)
	request["dry_run"] = true
	payload, err := json.Marshal(request)
	if err != nil {
		return nil, err
	}
	answer, err := m.invoke(ctx, p, pair, payload, &machine.Log{})
	if err != nil {
		return nil, err
	}
	var would struct {
		Seen    string `json:"seen"`
		Refused string `json:"refused"`
	}
	if err := json.Unmarshal(answer.Payload, &would); err != nil || would.Refused != "" || would.Seen == "" {
		return nil, fmt.Errorf("asked what would be forgotten, the preprocessor answers %s", answer.Payload)
	}
	delete(request, "dry_run")
	request["seen"] = would.Seen
	return json.Marshal(request)
}

// again names the payload of the run when it is given once more.
func (s *prepared) again() string {
	if s.request != nil {
		return "the request again"
	}
	return "the event again"
}

// wanted is the truth after a recovery. An event, or an operator's request, may
// leave reports on other uploads to the timer. The timer asks for nothing of its
// own accord: what an operator asked for holds after it if it did before, or if
// a copy of the catalog says that it was about to; otherwise nothing has changed.
func (s *prepared) wanted(ctx context.Context, pair *machine.Pair, timer bool, left *audit) (State, error) {
	before, after := s.prepare.state, s.change.state
	switch {
	case !timer && s.request != nil:
		return after.lagging(before, ""), nil
	case !timer:
		return after.lagging(before, s.told), nil
	case s.request == nil || left.without(before, after):
		return after, nil
	}
	c, err := pair.Read(ctx)
	if err != nil {
		return State{}, err
	}
	if read(c.Cache).without(before, after) {
		return after, nil
	}
	return before, nil
}

// without reports whether something that is to go is not in force.
func (a *audit) without(before, after State) bool {
	for name, ca := range before.CAs {
		if _, stays := after.CAs[name]; !stays && a.cat.CAs[name] == nil {
			return true
		}
		for key := range ca.CRLs {
			if _, stays := after.CAs[name].CRLs[key]; !stays && a.crls[name][key] == nil {
				return true
			}
		}
	}
	return false
}
