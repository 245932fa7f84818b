package fetch

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/crlgate/crlgate/pkg/catalog"
	"github.com/crlgate/crlgate/pkg/objectstore"
)

// Want says what to look at. The zero value is everything that is due.
type Want struct {
	All bool   // whether due or not
	CA  string // only for this CA; "": for all
	URL string // only this URL; "": all
}

// Result is one look.
type Result struct {
	Source Source
	State  *State // as it is now
	// Err is what went wrong beside the look itself: the state could not be
	// written.
	Err error
}

// Summary is what a run did.
type Summary struct {
	Sources int      // there are
	Looks   []Result // in the order in which they ended
	Left    int      // that were due, and are left to the next run for want of time
}

// ErrNothingWanted says that there is no source of the CA and URL that were asked
// for.
var ErrNothingWanted = errors.New("nothing of that is configured to be fetched")

// Run looks at what is wanted. What went wrong with a URL is in its state, and
// does not keep the others from being fetched; an error means that the buckets
// could not be read or written. now is the time at which the run begins. A look
// begins only while the context's deadline leaves time for it.
func (f *Fetcher) Run(ctx context.Context, now time.Time, want Want) (Summary, error) {
	f.memory.mu.Lock()
	defer f.memory.mu.Unlock()
	began := time.Now()
	clock := func() time.Time { return now.Add(time.Since(began)) }
	sources, gone, err := f.sources(ctx)
	if err != nil {
		return Summary{}, err
	}
	s := Summary{Sources: len(sources)}
	var todo []Source
	for _, source := range sources {
		if want.takes(&source) && (want.All || f.due(&source, now)) {
			todo = append(todo, source)
		}
	}
	if len(todo) == 0 && (want.CA != "" || want.URL != "") && want.All {
		return s, f.nothing(want, sources)
	}
	f.order(todo)
	l := f.newLooks(ctx, clock, &s)
	l.start(todo)
	errs := []error{l.wait(!want.All)}
	f.measure(sources, clock())
	errs = append(errs, f.forget(ctx, gone))
	for _, r := range s.Looks {
		errs = append(errs, r.Err)
	}
	return s, errors.Join(append(errs, ctx.Err())...)
}

func (w *Want) takes(s *Source) bool {
	return (w.CA == "" || w.CA == s.CA) && (w.URL == "" || slices.Contains(s.URLs, w.URL))
}

// nothing says what there is instead.
func (f *Fetcher) nothing(w Want, sources []Source) error {
	what := w.URL
	if what == "" {
		what = "the CA " + w.CA
	} else if w.CA != "" {
		what += " for the CA " + w.CA
	}
	if len(sources) == 0 {
		return fmt.Errorf("%s: %w: no CA's settings have crl_urls", what, ErrNothingWanted)
	}
	var there []string
	for _, s := range sources {
		there = append(there, s.String())
	}
	const most = 10
	more := ""
	if len(there) > most {
		there, more = there[:most], fmt.Sprintf(" and %d more", len(sources)-most)
	}
	return fmt.Errorf("%s: %w; there are %q%s", what, ErrNothingWanted, there, more)
}

// sources reads catalog and states. gone are the keys of states of sources that
// are no more.
func (f *Fetcher) sources(ctx context.Context) (sources []Source, gone []string, err error) {
	m := f.memory
	if err := f.readCatalog(ctx); err != nil || m.catalog == nil {
		return nil, nil, err
	}
	if m.known != nil && len(m.known) == 0 && len(Sources(m.catalog, f.config.CDP, nil)) == 0 {
		return nil, nil, nil // nothing to do, and no reason to list states
	}
	if m.known, err = readStates(ctx, f.uploads, f.config.StatePrefix, m.known); err != nil {
		return nil, nil, err
	}
	sources = f.configured()
	kept := map[string]bool{}
	for _, s := range sources {
		kept[s.StateKey(f.config.StatePrefix)] = true
	}
	for _, key := range sortedKeys(m.known) {
		if !kept[key] {
			gone = append(gone, key)
		}
	}
	return sources, gone, nil
}

// readCatalog reads the catalog, if it has changed. While there is none, nothing
// was accepted yet.
func (f *Fetcher) readCatalog(ctx context.Context) error {
	m := f.memory
	data, object, err := f.cache.ReadAll(ctx, catalog.Key, catalog.MaxSize, objectstore.GetOptions{IfNoneMatch: m.version})
	switch {
	case errors.Is(err, objectstore.ErrNotModified):
		return nil
	case errors.Is(err, objectstore.ErrNotFound):
		m.catalog, m.version = nil, ""
		return nil
	case err != nil:
		return fmt.Errorf("reading the catalog: %w", err)
	}
	c, err := catalog.Parse(data)
	if err != nil {
		return fmt.Errorf("reading the catalog: %s: %w", catalog.Key, err)
	}
	m.catalog, m.version = c, object.Version
	return nil
}

// configured lists the sources by what was read last.
func (f *Fetcher) configured() []Source {
	m := f.memory
	if m.catalog == nil {
		return nil
	}
	var states []*State
	for _, key := range sortedKeys(m.known) {
		if s := m.known[key].state; s != nil {
			states = append(states, s)
		}
	}
	return Sources(m.catalog, f.config.CDP, states)
}

func sortedKeys(m map[string]knownState) []string { return slices.Sorted(maps.Keys(m)) }

func (f *Fetcher) stateOf(s *Source) *State {
	return f.memory.known[s.StateKey(f.config.StatePrefix)].state
}

// due reports whether it is time for a source. One that claims to be due later
// than this fetcher would ever say was written with other settings or another clock.
func (f *Fetcher) due(s *Source, now time.Time) bool {
	state := f.stateOf(s)
	return state == nil || !now.Before(state.Next) || state.Next.Sub(now) > max(f.config.MaxInterval, DefaultMinInterval)
}

// order puts first what is most likely to come, and of that what is most urgent:
// URLs that keep failing do not use up the time of those that work.
func (f *Fetcher) order(todo []Source) {
	far := time.Date(9999, 1, 1, 0, 0, 0, 0, time.UTC)
	end := func(s *State) time.Time {
		if s == nil || s.NextUpdate == nil {
			return far
		}
		return *s.NextUpdate
	}
	failures := func(s *State) int {
		if s == nil {
			return 0
		}
		return s.Failures
	}
	slices.SortStableFunc(todo, func(a, b Source) int {
		x, y := f.stateOf(&a), f.stateOf(&b)
		return cmp.Or(cmp.Compare(failures(x), failures(y)), end(x).Compare(end(y)))
	})
}

// measure tells the metrics of every source.
func (f *Fetcher) measure(sources []Source, now time.Time) {
	for _, source := range sources {
		if s := f.stateOf(&source); s != nil {
			since := s.First
			if s.Success.After(since) {
				since = s.Success
			}
			f.metrics.SinceSuccess(source.CA, now.Sub(since))
		}
	}
}

// forget removes the states of sources that are no more. What was fetched stays:
// it goes on serving until its nextUpdate.
func (f *Fetcher) forget(ctx context.Context, keys []string) error {
	var errs []error
	for _, key := range keys {
		err := f.uploads.Delete(ctx, key, objectstore.DeleteOptions{IfMatch: f.memory.known[key].version})
		switch {
		case err == nil, errors.Is(err, objectstore.ErrPreconditionFailed), errors.Is(err, objectstore.ErrConflict):
			delete(f.memory.known, key)
			f.log.Info("CRL no longer fetched", "object", key)
		default:
			errs = append(errs, fmt.Errorf("removing the state %s: %w", key, err))
		}
	}
	return errors.Join(errs...)
}
