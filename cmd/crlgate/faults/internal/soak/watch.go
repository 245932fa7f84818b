package soak

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/crlgate/crlgate/cmd/crlgate/internal/fsck"
	"github.com/crlgate/crlgate/cmd/crlgate/internal/gateway"
)

// watching looks at the processes, and now and then has one start anew.
func (s *soak) watching(ctx context.Context) {
	for next := time.Now().Add(s.Quiet); sleep(ctx, 500*time.Millisecond); {
		s.look()
		if time.Now().After(next) {
			next = time.Now().Add(s.Quiet)
			s.retire()
		}
	}
}

func (s *soak) look() {
	envs := s.Authorizer.Environments()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.memory.look(envs, time.Since(s.began))
	s.result.Processes = max(s.result.Processes, len(envs))
}

// retire ends an idle process at random, but for those that were there first, as
// Lambda does in time. Another starts cold when it is needed.
func (s *soak) retire() {
	s.look()
	envs := s.Authorizer.Environments()
	if len(envs) <= kept {
		return
	}
	envs = envs[kept:]
	s.mu.Lock()
	s.draw.Shuffle(len(envs), func(i, j int) { envs[i], envs[j] = envs[j], envs[i] })
	s.mu.Unlock()
	for _, e := range envs {
		if s.Authorizer.Retire(e.PID) {
			s.mu.Lock()
			s.result.Retired++
			s.mu.Unlock()
			return
		}
	}
}

// restart ends all processes that are idle.
func (s *soak) restart() {
	for _, e := range s.Authorizer.Environments() {
		s.Authorizer.Retire(e.PID)
	}
}

// telling tells of progress.
func (s *soak) telling(ctx context.Context) {
	last, n := time.Now(), 0
	for sleep(ctx, s.Every) {
		envs := s.Authorizer.Environments()
		s.mu.Lock()
		r := &s.result
		window := r.window
		r.window = nil
		rate := float64(r.Requests-n) / time.Since(last).Seconds()
		last, n = time.Now(), r.Requests
		line := fmt.Sprintf("%4.0f s: %d requests, %.0f/s, p50 %s, p99 %s, %d wrong; %d revoked, %d CRLs of %d replaced; %d faults on %d GETs; %d processes, %s",
			time.Since(s.began).Seconds(), r.Requests, rate, milliseconds(quantile(window, 50)), milliseconds(quantile(window, 99)), len(r.Violations),
			r.Revocations, r.Replacements, s.Entries, r.Faults, r.Struck, len(envs), s.memory.now())
		s.mu.Unlock()
		s.Progress("%s", line)
	}
}

// now is the memory of the processes that there are.
func (m *memory) now() string {
	var all []int64
	for _, p := range m.processes {
		if !p.gone && len(p.samples) > 0 {
			all = append(all, p.samples[len(p.samples)-1].resident)
		}
	}
	if len(all) == 0 {
		return "memory not known"
	}
	return fmt.Sprintf("%d to %s", slices.Min(all)>>20, mib(slices.Max(all)))
}

// finish takes the last figures and judges the memory.
func (s *soak) finish() {
	s.look()
	s.mu.Lock()
	lasted := time.Since(s.began)
	r := &s.result
	r.Lasted = lasted
	r.Memory = s.memory.lived(lasted)
	r.Started = len(s.memory.processes)
	for _, p := range s.memory.processes {
		r.Freezes += p.freezes
		r.LongestFrozen = max(r.LongestFrozen, p.longest)
		r.Peak = max(r.Peak, p.peak)
	}
	r.Log = slices.DeleteFunc(s.log.Last(400), func(line string) bool { return strings.Contains(line, `"msg":"deny"`) })
	r.Log = r.Log[max(0, len(r.Log)-20):]
	var grown []string
	for _, m := range r.Memory {
		if what := m.Grown(); what != "" {
			grown = append(grown, what)
		}
	}
	if r.Peak > memoryMB<<20 {
		grown = append(grown, fmt.Sprintf("a process had %s resident, and Lambda gives it %d MiB", mib(r.Peak), memoryMB))
	}
	s.mu.Unlock()
	if s.Break != "" {
		return
	}
	for _, what := range grown {
		s.wrong(what)
	}
}

// audit asks for every client that there was, once everything is quiet, and
// checks the buckets: nothing that was accepted is lost.
func (s *soak) audit(ctx context.Context) error {
	if err := s.Preprocessor.Drain(ctx); err != nil {
		return fmt.Errorf("waiting for the preprocessor: %w", err)
	}
	if !sleep(ctx, revalidateAfter+recoverWithin) {
		return context.Cause(ctx)
	}
	for _, l := range s.people.all() {
		want := l.always
		if want == "" {
			want = l.Want()
		}
		if a := s.clients.Ask(ctx, s.URL(gateway.REST)+path, &l.cert); a.Reason != want && ctx.Err() == nil {
			s.violation(l, a, fmt.Sprintf("at the end it must be answered %s: %v", want, a.Err))
		}
		s.clients.Drop(&l.cert)
		s.mu.Lock()
		s.result.Audited++
		s.mu.Unlock()
	}
	r, err := fsck.Check(ctx, s.Uploads, s.Cache, fsck.Options{Now: time.Now(), IssuerPrefix: "issuers/", CRLPrefixes: []string{"crls/", "crl/"}, Deep: true})
	if err != nil {
		return fmt.Errorf("checking the buckets: %w", err)
	}
	for _, d := range r.Differences {
		s.wrong(fmt.Sprintf("fsck: %s: %s: %s", d.Code, d.Object, d.Detail))
	}
	return nil
}
