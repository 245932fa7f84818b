package fetch

import (
	"bytes"
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/crlgate/crlgate/pkg/objectstore"
)

// Outcome is what became of a look at a URL.
type Outcome string

// The outcomes.
const (
	OutcomeFetched   Outcome = "fetched"
	OutcomeUnchanged Outcome = "unchanged"
	OutcomeFailed    Outcome = "failed"
)

// State is what is known of one source. It lies in the upload bucket, under
// [Source.StateKey]: the report on the last look, and what the next one needs.
type State struct {
	CA   string   `json:"ca"`
	Kind string   `json:"kind"`
	URLs []string `json:"urls"`
	Key  string   `json:"key"` // upload key of the CRL

	Tried   time.Time `json:"tried"`
	Outcome Outcome   `json:"outcome"`
	Code    Code      `json:"code"`
	Detail  string    `json:"detail"`
	Next    time.Time `json:"next"` // when it is due again

	First    time.Time `json:"first"`              // look ever
	Success  time.Time `json:"success,omitzero"`   // the last look that did not fail
	Changed  time.Time `json:"changed,omitzero"`   // the last one that brought new bytes
	Full     time.Time `json:"full,omitzero"`      // the last one that brought a body
	Failures int       `json:"failures,omitempty"` // in a row

	// Of what was fetched last.
	URL string `json:"url,omitempty"` // that answered
	Validators
	SHA256     string     `json:"sha256,omitempty"`
	Size       int64      `json:"size,omitempty"`
	Upload     string     `json:"upload_etag,omitempty"` // ETag of the upload
	Number     string     `json:"crl_number,omitempty"`
	ThisUpdate *time.Time `json:"this_update,omitempty"`
	NextUpdate *time.Time `json:"next_update,omitempty"`
	Freshest   [][]string `json:"freshest,omitempty"`
	// Intervals are the times between the thisUpdate of successive CRLs, in
	// seconds, the newest last.
	Intervals []int64 `json:"intervals,omitempty"`
	// Habit is how often the CA publishes, as far as that is known, in seconds.
	Habit int64 `json:"habit_seconds,omitempty"`
}

// Limits on a state.
const (
	maxState     = 256 << 10
	maxIntervals = 5
)

// ParseState reads a state. It fails on what no fetcher writes.
func ParseState(data []byte) (*State, error) {
	if len(data) > maxState {
		return nil, fmt.Errorf("a state of %d bytes, more than %d", len(data), maxState)
	}
	var s State
	if err := json.Unmarshal(data, &s); err != nil {
		return nil, err
	}
	sum, err := hex.DecodeString(s.SHA256)
	switch {
	case s.CA == "" || s.Key == "" || s.Code == "" || len(s.URLs) == 0 || slices.Contains(s.URLs, ""):
		return nil, errors.New("a state without CA, key, code or URL")
	case !slices.Contains([]Outcome{OutcomeFetched, OutcomeUnchanged, OutcomeFailed}, s.Outcome):
		return nil, fmt.Errorf("a state of outcome %q", s.Outcome)
	case err != nil || len(sum) != 0 && len(sum) != 32:
		return nil, fmt.Errorf("a state whose SHA-256 is %q", s.SHA256)
	case s.Failures < 0 || s.Size < 0 || s.Habit < 0 || s.Tried.IsZero() || s.First.IsZero() || s.Next.IsZero():
		return nil, errors.New("a state with a time missing or a negative number")
	case len(s.Intervals) > maxIntervals || slices.ContainsFunc(s.Intervals, func(n int64) bool { return n <= 0 }):
		return nil, errors.New("a state with intervals that cannot be")
	case slices.ContainsFunc(s.Freshest, func(uris []string) bool { return len(uris) == 0 || slices.Contains(uris, "") }):
		return nil, errors.New("a state with a freshest CRL without URL")
	}
	if validator(s.ETag) != s.ETag || validator(s.LastModified) != s.LastModified {
		return nil, errors.New("a state with a validator that no server gave")
	}
	return &s, nil
}

// Encode writes the state.
func (s *State) Encode() ([]byte, error) {
	data, err := json.MarshalIndent(s, "", " ")
	return append(data, '\n'), err
}

// source is what the state is of.
func (s *State) source() Source { return Source{s.CA, s.Kind, s.URLs} }

// knownState is a state as it lies in the bucket.
type knownState struct {
	version objectstore.Version
	state   *State // nil: one that cannot be read, which is as good as none
}

// parallelStates is how many states are read at a time.
const parallelStates = 16

// ReadStates reads every state under a prefix, in the order of their keys. What
// is none is left out.
func ReadStates(ctx context.Context, uploads Uploads, prefix string) ([]*State, error) {
	known, err := readStates(ctx, uploads, prefix, nil)
	if err != nil {
		return nil, err
	}
	var out []*State
	for _, key := range sortedKeys(known) {
		if s := known[key].state; s != nil {
			out = append(out, s)
		}
	}
	return out, nil
}

// readStates reads the states under a prefix, by key; those that were read in
// this version before are not read again.
func readStates(ctx context.Context, uploads Uploads, prefix string, before map[string]knownState) (map[string]knownState, error) {
	var mu sync.Mutex
	out := map[string]knownState{}
	g, reading := errgroup.WithContext(ctx)
	g.SetLimit(parallelStates)
	var listing error
	for object, err := range uploads.List(ctx, prefix) {
		if err != nil {
			listing = err
			break
		}
		if !strings.HasSuffix(object.Key, ".json") {
			continue
		}
		if have, ok := before[object.Key]; ok && have.version == object.Version {
			mu.Lock()
			out[object.Key] = have
			mu.Unlock()
			continue
		}
		g.Go(func() error {
			data, read, err := uploads.ReadAll(reading, object.Key, maxState, objectstore.GetOptions{})
			large := (*objectstore.TooLargeError)(nil)
			switch {
			case errors.Is(err, objectstore.ErrNotFound):
				return nil
			case err != nil && !errors.As(err, &large):
				return err
			}
			state, _ := ParseState(data) // one that cannot be read is none
			mu.Lock()
			defer mu.Unlock()
			out[object.Key] = knownState{read.Version, state}
			return nil
		})
	}
	if err := g.Wait(); err != nil {
		return nil, fmt.Errorf("reading the states: %w", err)
	}
	if listing != nil {
		return nil, fmt.Errorf("listing the states: %w", listing)
	}
	return out, nil
}

// writeState writes a state over the one that was read. Where another fetcher was
// faster, its word stands.
func (f *Fetcher) writeState(ctx context.Context, key string, s *State, over knownState) (knownState, error) {
	data, err := s.Encode()
	if err != nil {
		return over, err
	}
	version, err := f.uploads.Put(ctx, key, bytes.NewReader(data), objectstore.PutOptions{
		IfMatch: over.version, IfNoneMatch: over.version == "", ContentType: "application/json",
	})
	switch {
	case errors.Is(err, objectstore.ErrPreconditionFailed), errors.Is(err, objectstore.ErrConflict):
		return knownState{}, nil
	case err != nil:
		return over, fmt.Errorf("writing the state of %s: %w", s.URLs[0], err)
	}
	return knownState{version, s}, nil
}
