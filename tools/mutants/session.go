package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
)

// A result is a mutant and what became of it.
type result struct {
	*Mutant
	verdict
}

// A session is one run of the tool.
type session struct {
	*options
	runner
	results []*result
	known   map[string]bool // by key, mutants that are explained
}

// run does what the options say, writes the report to out, and says whether
// nothing is left to explain.
func (o *options) run(ctx context.Context, out io.Writer, say func(string, ...any)) (clean bool, err error) {
	explained, err := readExplanations(o.explained)
	if err != nil {
		return false, err
	}
	dir, err := os.MkdirTemp("", "mutants")
	if err != nil {
		return false, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	s := &session{known: map[string]bool{}, options: o, runner: runner{root: o.root, dir: dir, workers: o.workers, say: say}}
	for _, e := range explained {
		s.known[e.key] = true
	}
	if err := s.make(); err != nil {
		return false, err
	}
	if len(s.results) == 0 {
		return false, fmt.Errorf("no mutant matches %s", o.filter)
	}
	if o.list {
		for _, r := range s.results {
			fmt.Fprintln(out, r)
		}
		return true, nil
	}
	err = s.own(ctx)
	if err == nil {
		err = s.others(ctx)
	}
	report := newReport(s.results, explained, o)
	if len(report.rows) > 0 {
		report.write(out)
	}
	if err != nil {
		return false, err
	}
	if o.docs != "" {
		if err := report.writeDocs(o.docs); err != nil {
			return false, err
		}
	}
	return report.clean(), nil
}

// make mutates the packages and writes the overlay.
func (s *session) make() error {
	sources, err := loadSources(s.options.root, s.packages)
	if err != nil {
		return err
	}
	pick := func(m *Mutant) int {
		if !s.filter.MatchString(m.String()) {
			return 0
		}
		m.ID = len(s.results) + 1
		s.results = append(s.results, &result{Mutant: m})
		return m.ID
	}
	over := &overlay{dir: s.dir, files: map[string]string{}}
	texts := map[string]map[string]string{}
	for _, src := range sources {
		before := len(s.results)
		texts[src.Folder] = mutate(src, s.options.root, pick)
		s.say("%s: %d mutants", src.Folder, len(s.results)-before)
	}
	for _, src := range sources {
		if len(texts[src.Folder]) == 0 {
			continue
		}
		for name, text := range texts[src.Folder] {
			if err := over.put(name, text); err != nil {
				return err
			}
		}
		if err := over.put(filepath.Join(src.Dir, runtimeFile), runtimeSource(src.pkg.Name(), len(s.results))); err != nil {
			return err
		}
	}
	s.overlay, err = over.write()
	return err
}

// own runs each package's own tests on its mutants.
func (s *session) own(ctx context.Context) error {
	for _, folder := range s.packages {
		var of []*result
		for _, r := range s.results {
			if r.Package == folder {
				of = append(of, r)
			}
		}
		if len(of) == 0 {
			continue
		}
		if err := s.against(ctx, folder, of); err != nil {
			return err
		}
	}
	return nil
}

// others runs the tests of other packages on what is still alive.
func (s *session) others(ctx context.Context) error {
	for _, folder := range s.also {
		var alive []*result
		for _, r := range s.results {
			if (r.outcome == survived || r.outcome == unreached) && r.Package != folder {
				alive = append(alive, r)
			}
		}
		if len(alive) == 0 {
			continue
		}
		if err := s.against(ctx, folder, alive); err != nil {
			return err
		}
	}
	return nil
}

// progressSteps is how often a package's run says how far it is.
const progressSteps = 10

// against runs the tests in one folder on some mutants.
func (s *session) against(ctx context.Context, folder string, mutants []*result) error {
	s.say("%s: building its tests with the mutants", folder)
	b, err := s.build(ctx, folder)
	if err != nil {
		return err
	}
	if b == nil {
		s.say("%s: has no tests", folder)
		for _, r := range mutants {
			if r.outcome == untried {
				r.outcome = unreached
			}
		}
		return nil
	}
	s.say("%s: running each of %d tests alone, without a mutant", folder, len(b.tests))
	if err := s.baseline(ctx, b); err != nil {
		return err
	}
	if s.within > 0 {
		b.tests = slices.DeleteFunc(b.tests, func(t *test) bool {
			if t.seconds > s.within.Seconds() {
				s.say("%s: %s is left out, it takes %.1f s", folder, t.name, t.seconds)
				return true
			}
			return false
		})
	}
	s.say("%s: running the tests on %d mutants", folder, len(mutants))
	var mu sync.Mutex
	done, dead := 0, 0
	return each(ctx, s.options.workers, mutants, func(_ int, r *result) error {
		v, err := s.try(ctx, b, r.Mutant, s.known[r.Key()])
		if err != nil {
			return err
		}
		mu.Lock()
		defer mu.Unlock()
		done++
		// What other tests reach and let live is a survivor, no longer unreached.
		if v.outcome != unreached || r.outcome == untried {
			r.verdict = v
		}
		if v.outcome == killed || v.outcome == timedOut {
			dead++
		}
		if s.verbose {
			s.say("%s: %s %s", r.Mutant, v.outcome, v.by)
		}
		if done%max(1, len(mutants)/progressSteps) == 0 || done == len(mutants) {
			s.say("%s: %d of %d mutants, %d killed", folder, done, len(mutants), dead)
		}
		return nil
	})
}

func (o outcome) String() string {
	return [...]string{"was not tried", "survived", "is reached by no test", "killed by", "out of time in"}[o]
}

// sorted returns the folders in the order of the options, then others.
func (o *options) sorted(folders []string) []string {
	slices.SortStableFunc(folders, func(a, b string) int {
		return place(o.packages, a) - place(o.packages, b)
	})
	return folders
}

func place(list []string, s string) int {
	if i := slices.Index(list, s); i >= 0 {
		return i
	}
	return len(list) + strings.Count(s, "/")
}
