package preprocess_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/crlgate/crlgate/pkg/objectstore"
	"github.com/crlgate/crlgate/pkg/objectstore/objectstoretest"
)

// explorer goes through every schedule of a scenario.
type explorer struct {
	t         *testing.T
	interplay *interplay
	mishaps   int // at most so many in one execution
	budget    int // executions, beyond which the scenario is too large to be a test

	seen                 map[[sha256.Size]byte]bool
	views                map[[sha256.Size]byte]view   // of what is in the buckets
	ends                 map[[sha256.Size]byte]string // what was wrong after the timer, by what was in the buckets before
	executions, finished int
	violation            string
}

// explore returns when all schedules were gone through, or one broke an
// invariant. Where two schedules lead to the same state, what follows is gone
// through once.
func (e *explorer) explore() {
	e.seen, e.views, e.ends = map[[sha256.Size]byte]bool{}, map[[sha256.Size]byte]view{}, map[[sha256.Size]byte]string{}
	start := snapshot(e.interplay, e.t)
	for schedules := [][]int{nil}; len(schedules) > 0 && e.violation == ""; {
		schedule := schedules[len(schedules)-1]
		schedules = append(schedules[:len(schedules)-1], e.run(start(), schedule)...)
		if e.executions++; e.executions > e.budget {
			e.t.Fatalf("%s: more than %d executions", e.interplay.name, e.budget)
		}
	}
}

// run goes by a schedule to its end and on by the first choice at each point. It
// returns the schedules that choose otherwise from there on.
func (e *explorer) run(w *world, schedule []int) (others [][]int) {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	x := &execution{w: w, left: e.mishaps}
	x.begin(ctx, e.interplay)
	next := x.settle()
	before := e.inspect(w)
	var taken []int
	for len(next) > 0 {
		if len(taken) >= len(schedule) {
			if state := x.state(next); e.seen[state] {
				x.abandon()
				return others
			} else {
				e.seen[state] = true
			}
		}
		choices := x.choices(next)
		choice := 0
		if len(taken) < len(schedule) {
			choice = schedule[len(taken)]
		} else {
			for other := 1; other < len(choices); other++ {
				others = append(others, append(slices.Clone(taken), other))
			}
		}
		taken = append(taken, choice)
		made := choices[choice]
		next = x.grant(made.r, made.f)
		if made.r.op != objectstore.OpPut && made.r.op != objectstore.OpDelete {
			continue
		}
		after := e.inspect(w)
		broken := after.follows(before, e.interplay.gone)
		if broken == "" {
			broken = after.promise
		}
		if broken != "" {
			e.broken(x, broken)
			x.abandon()
			return nil
		}
		before = after
	}
	e.finished++
	if broken := e.recovered(ctx, w, before); broken != "" {
		e.broken(x, broken)
	}
	return others
}

// inspect looks at what is in the cache bucket, the first time that it holds
// just that.
func (e *explorer) inspect(w *world) view {
	state := contents(w.cache)
	v, known := e.views[state]
	if !known {
		v = inspect(w)
		v.promise = v.promised(w)
		e.views[state] = v
	}
	return v
}

// recovered has the timer come, the first time that the buckets hold just that:
// it knows nothing else of what has happened.
func (e *explorer) recovered(ctx context.Context, w *world, before view) string {
	state := contents(w.uploads, w.cache)
	broken, known := e.ends[state]
	if !known {
		broken = recovered(ctx, w, e.interplay, before)
		e.ends[state] = broken
	}
	return broken
}

// contents stands for all that buckets hold.
func contents(buckets ...*objectstoretest.Bucket) [sha256.Size]byte {
	var b bytes.Buffer
	for _, bucket := range buckets {
		for _, key := range bucket.Keys() {
			_, o, _ := bucket.Load(key)
			fmt.Fprintf(&b, "%s %s\n", key, o.Version)
		}
		b.WriteByte('\n')
	}
	return sha256.Sum256(b.Bytes())
}

func (e *explorer) broken(x *execution, what string) {
	e.violation = fmt.Sprintf("%s\n  %s", what, strings.Join(x.trace, "\n  "))
}

type pick struct {
	r *request
	f mishap
}

// choices are all that can happen next. A call that no other actor can affect or
// notice comes at once: whichever comes before it, all that follows is the same.
func (x *execution) choices(next []*request) (all []pick) {
	if i := slices.IndexFunc(next, func(r *request) bool { return r.alone }); i >= 0 {
		next = next[i : i+1]
	}
	for _, r := range next {
		all = append(all, pick{r, fine})
	}
	if x.left > 0 {
		for _, r := range next {
			for _, f := range r.may {
				all = append(all, pick{r, f})
			}
		}
	}
	return all
}

// snapshot prepares a scenario's buckets once and returns what makes copies.
func snapshot(s *interplay, t *testing.T) func() *world {
	first := modelWorld(t)
	s.prepare(first)
	return func() *world {
		w := modelWorld(t)
		for from, to := range map[*objectstoretest.Bucket]*objectstoretest.Bucket{first.uploads: w.uploads, first.cache: w.cache} {
			for _, key := range from.Keys() {
				body, _, _ := from.Load(key)
				to.Store(key, body)
			}
		}
		return w
	}
}

// modelWorld stands still at one moment, so that the same calls in the same
// order are the same state.
func modelWorld(t *testing.T) *world {
	return newWorld(t, objectstoretest.Clock(func() time.Time { return now }))
}
