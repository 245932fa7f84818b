package crash

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"regexp"
	"strings"
	"sync/atomic"

	"github.com/crlgate/crlgate/cmd/crlgate/faults/internal/machine"
	"github.com/crlgate/crlgate/cmd/crlgate/internal/lambdaruntime"
	"github.com/crlgate/crlgate/cmd/crlgate/internal/s3proc"
	"github.com/crlgate/crlgate/pkg/catalog"
)

// Cell is one crash and what came of it.
type Cell struct {
	Scenario string
	Call     int // from 1
	Method   string
	Class    string // of the key
	Cut      s3proc.Point
	// Orphans are objects that the crash left behind and nothing refers to.
	Orphans int
	Faults  []string // none: recovered
	// Like is the earlier call whose crash left the same bytes, from which
	// recovery was tried; 0: from this one's.
	Like int
	Log  []string // the last lines of the functions, if there are faults
}

// Class is what kind of object a request is about.
func Class(r s3proc.Request) string {
	switch {
	case r.Key == "":
		return "list " + strings.TrimSuffix(r.Query.Get("prefix"), "/")
	case r.Key == "catalog.json":
		return "catalog"
	case strings.HasPrefix(r.Key, catalog.GenerationPrefix):
		return "catalog copy"
	case strings.HasPrefix(r.Key, "catalog/"):
		return "catalog part"
	case strings.HasSuffix(r.Key, ".cache"):
		return "set"
	case strings.HasSuffix(r.Key, ".cache.json"):
		return "JSON"
	case strings.HasPrefix(r.Key, "reports/"):
		return "report"
	case strings.HasPrefix(r.Key, "issuers/") && strings.HasSuffix(r.Key, ".pem"):
		return "issuers file"
	case strings.HasPrefix(r.Key, "issuers/"):
		return "settings file"
	case strings.HasPrefix(r.Key, "crls/"), strings.HasPrefix(r.Key, "crl/"):
		return "CRL"
	}
	return "other"
}

// prepared is a scenario whose buckets are as before.
type prepared struct {
	*Scenario
	before  machine.Contents // with the change uploaded and not yet told of
	started *audit           // of before
	request []byte           // what an operator asks for; nil: nothing
	// recovered are the states from which recovery was tried.
	recovered map[[sha256.Size]byte]*Cell
}

// moment is a time in a catalog or report, a generation, which follows from one,
// or the version that S3 gave an upload, which is another in each bucket.
var moment = regexp.MustCompile(`"generation": ?\d+|"\d{4}-\d\d-\d\dT\d\d:\d\d:[0-9.]+Z"|"version_id": ?"[^"]*"`)

// digest is one of all that the buckets hold, times and versions apart.
func digest(c machine.Contents) [sha256.Size]byte {
	h := sha256.New()
	for _, objects := range []machine.Objects{c.Uploads, c.Cache} {
		for _, key := range objects.Keys() {
			data := objects[key]
			if strings.HasSuffix(key, ".json") {
				data = moment.ReplaceAll(data, []byte(`""`))
			}
			if strings.HasPrefix(key, catalog.GenerationPrefix) {
				key = catalog.GenerationPrefix // their names have generations and hashes
			}
			_, old := c.Old[key]
			fmt.Fprintf(h, "%q %d %t ", key, len(data), old)
			h.Write(data)
		}
		fmt.Fprintln(h)
	}
	return [sha256.Size]byte(h.Sum(nil))
}

// calls are the requests of one run, counted, of which one is cut.
type calls struct {
	seen   atomic.Int64
	struck atomic.Bool
	hit    s3proc.Request
}

// at matches the k-th request from now on.
func (c *calls) at(k int) func(s3proc.Request) bool {
	return func(r s3proc.Request) bool {
		if c.seen.Add(1) != int64(k) {
			return false
		}
		c.hit = r
		return true
	}
}

// cell kills the preprocessor at the k-th call. It returns nil where there is
// no k-th call, and a cell with Call 0 where that call never comes to the point.
func (m *matrix) cell(ctx context.Context, s *prepared, k int, cut s3proc.Point) (*Cell, error) {
	pair, err := m.Pair()
	if err != nil {
		return nil, err
	}
	if err := pair.Fill(ctx, s.before); err != nil {
		return nil, err
	}
	c, err := m.crash(ctx, s, pair, k, cut)
	if c == nil || err != nil || c.Call == 0 {
		return c, err
	}
	crashed, err := pair.Read(ctx)
	if err != nil {
		return nil, err
	}
	left := read(crashed.Cache)
	left.between(s.prepare.state, s.change.state)
	left.follows(s.started)
	c.Orphans = len(left.orphans())
	c.note("after the crash", left.faults)
	// Recovery is tried once from each state that crashes leave: the same bytes,
	// but for times, lead to the same end.
	state := digest(crashed)
	if known := s.recovered[state]; known != nil {
		c.Faults, c.Log, c.Like = append(c.Faults, known.Faults...), known.Log, known.Call
		return c, nil
	}
	s.recovered[state] = c
	either, err := m.ask(ctx, pair, s.prepare.state, s.change.state)
	if err != nil {
		return nil, err
	}
	c.note("the authorizer after the crash", either)

	// One event and one timer, each on its own copy of what the crash left.
	if s.told != "" {
		if err := m.recover(ctx, s, pair, s.again(), s.payload(pair), left, c); err != nil {
			return nil, err
		}
		if pair, err = m.Pair(); err != nil {
			return nil, err
		}
		if err := pair.Fill(ctx, crashed); err != nil {
			return nil, err
		}
	}
	return c, m.recover(ctx, s, pair, "the timer", []byte(machine.Timer), left, c)
}

func (c *Cell) note(when string, faults []string) {
	for _, f := range faults {
		c.Faults = append(c.Faults, when+": "+f)
	}
}

// payload is what the preprocessor is told.
func (s *prepared) payload(pair *machine.Pair) []byte {
	switch {
	case s.request != nil:
		return s.request
	case s.told == "":
		return []byte(machine.Timer)
	}
	return pair.Changed(s.told, s.change.uploads[s.told] == nil)
}

// crash runs the preprocessor until it is killed.
func (m *matrix) crash(ctx context.Context, s *prepared, pair *machine.Pair, k int, cut s3proc.Point) (c *Cell, err error) {
	proxy, err := s3proc.NewProxy(m.S3.Endpoint)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, proxy.Close()) }()
	log := &machine.Log{}
	f, err := pair.Preprocessor(proxy.Endpoint, s.Env, log.Line)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, machine.End(f)) }()
	var count calls
	proxy.Inject(count.at(k), s3proc.Break(cut, func() {
		count.struck.Store(true)
		f.KillAll() // returns when the process is gone
	}))
	result, err := f.Invoke(ctx, s.payload(pair))
	switch {
	case err != nil:
		return nil, fmt.Errorf("scenario %s, call %d: %w", s.Name, k, err)
	case count.struck.Load() && result.ErrorType != lambdaruntime.ErrorTypeExit:
		return nil, fmt.Errorf("scenario %s, call %d: the preprocessor was killed and answered %q %s", s.Name, k, result.ErrorType, result.Payload)
	case count.struck.Load():
		return &Cell{Scenario: s.Name, Call: k, Method: count.hit.Method, Class: Class(count.hit), Cut: cut}, nil
	case result.FunctionError != "":
		return nil, fmt.Errorf("scenario %s without a crash: %s\n%s", s.Name, result.Payload, strings.Join(log.Last(10), "\n"))
	case count.seen.Load() < int64(k):
		return nil, nil
	}
	return &Cell{}, nil
}

// recover gives a new preprocessor one payload and looks at what it makes of
// what the crash left.
func (m *matrix) recover(ctx context.Context, s *prepared, pair *machine.Pair, by string, payload []byte, left *audit, c *Cell) error {
	log := &machine.Log{}
	faults, err := m.run(ctx, s, pair, payload, log)
	if err != nil {
		return err
	}
	want, err := s.wanted(ctx, pair, string(payload) == machine.Timer, left)
	if err != nil {
		return err
	}
	now, err := m.look(ctx, pair, want, &faults)
	if err != nil {
		return err
	}
	now.follows(left)
	faults = append(faults, now.faults...)
	more, err := check(ctx, pair.Uploads, pair.Cache, want)
	if err != nil {
		return err
	}
	faults = append(faults, more...)
	more, err = m.replays(ctx, s, pair, want, now, log)
	if err != nil {
		return err
	}
	if faults = append(faults, more...); len(faults) > 0 {
		c.note("recovered by "+by, faults)
		c.Log = append(c.Log, log.Last(12)...)
	}
	return nil
}
