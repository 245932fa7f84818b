package preprocess_test

// An exhaustive model of the write path: every interleaving of S3 calls of
// several preprocessors, with one fault or crash at any of these calls. The
// preprocessors are the real ones; what is modelled is S3 and the order of
// events. docs/design/invariants.md states what is checked.

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing/synctest"
	"time"

	"github.com/crlgate/crlgate/pkg/objectstore"
	"github.com/crlgate/crlgate/pkg/objectstore/objectstoretest"
	"github.com/crlgate/crlgate/pkg/preprocess"
)

// mishap is what can befall one S3 call.
type mishap int

const (
	fine              mishap = iota
	crashBefore              // the process ends, and the call has no effect
	crashAfter               // the process ends when the call has taken effect
	unavailableBefore        // 503, or a timeout, without effect
	unavailableAfter         // 503, or a timeout, although it took effect
	conflict                 // 409 for a conditional write
	forbidden                // 403
	torn                     // the body breaks off
)

var mishapWords = []string{"", " and it dies before", " and it dies after", " is answered 503 before", " is answered 503 after", " is answered 409", " is answered 403", " is torn"}

// interplay is what the preprocessors are about to do.
type interplay struct {
	name string
	// prepare makes the buckets, by a preprocessor that nothing befalls.
	prepare func(w *world)
	// actors act at a time. Each is one invocation, or one step of whoever
	// writes the upload bucket.
	actors []actor
	// want is what must be in force after one timer, however it went.
	want []string
	// gone allows lines to go out of force, where issuers are withdrawn or a CRL
	// is forgotten.
	gone bool
	// small tells that few enough calls are made for a mishap at each of them.
	small bool
}

// actor is an invocation of the preprocessor, unless upload is set.
type actor struct {
	name    string
	payload []byte
	upload  func(w *world) // in one step, which nothing befalls
}

// request is an S3 call that waits to be made.
type request struct {
	proc    int
	op      objectstore.Op
	key     string
	may     []mishap
	granted chan mishap
	// alone tells that no other actor can change what this call finds or see
	// that it was made: a read of the upload bucket, which actors do not write.
	alone bool
}

func (r *request) String() string { return fmt.Sprintf("%s %s", r.op, r.key) }

// execution is one run of a scenario by a given schedule.
type execution struct {
	w *world

	mu      sync.Mutex
	pending []*request
	procs   []*process
	left    int // mishaps that may still happen
	trace   []string
}

// process is one actor in an execution. What it does next is decided by the
// answers that it had, so their hash stands for its state.
type process struct {
	x       *execution
	number  int
	history [sha256.Size]byte
	dead    bool
	done    bool
}

var errDead = errors.New("the process is dead")

// call makes an S3 call when the schedule says so.
func (p *process) call(op objectstore.Op, key string, alone bool, may []mishap, effect func() (string, error)) error {
	p.x.mu.Lock()
	if p.dead {
		p.x.mu.Unlock()
		return errDead
	}
	r := &request{proc: p.number, op: op, key: key, may: may, granted: make(chan mishap), alone: alone}
	p.x.pending = append(p.x.pending, r)
	p.x.mu.Unlock()

	f := <-r.granted
	p.x.mu.Lock()
	dead := p.dead // by another call, which another goroutine made
	p.x.mu.Unlock()
	if dead {
		return errDead
	}
	var result string
	var err error
	switch f {
	case crashBefore:
		return p.die()
	case unavailableBefore:
		err = objectstoretest.Answer(503, "SlowDown")
	case conflict:
		err = objectstoretest.Answer(409, "ConditionalRequestConflict")
	case forbidden:
		err = objectstoretest.Answer(403, "AccessDenied")
	default:
		result, err = effect()
		if f == crashAfter {
			return p.die()
		}
		if f == unavailableAfter {
			err = objectstoretest.Answer(503, "SlowDown")
		}
	}
	p.x.mu.Lock()
	defer p.x.mu.Unlock()
	p.history = sha256.Sum256(fmt.Appendf(nil, "%x %s %s %s %v", p.history, op, key, result, err))
	return err
}

func (p *process) die() error {
	p.x.mu.Lock()
	defer p.x.mu.Unlock()
	p.dead = true
	p.x.pending = slices.DeleteFunc(p.x.pending, func(r *request) bool {
		if r.proc == p.number {
			close(r.granted)
		}
		return r.proc == p.number
	})
	return errDead
}

// begin starts the actors. None gets beyond its first call yet.
func (x *execution) begin(ctx context.Context, s *interplay) {
	uploadsStand := !slices.ContainsFunc(s.actors, func(a actor) bool { return a.upload != nil })
	for i, a := range s.actors {
		p := &process{x: x, number: i}
		x.procs = append(x.procs, p)
		go func() {
			defer func() {
				x.mu.Lock()
				p.done = true
				x.mu.Unlock()
			}()
			if a.upload != nil {
				_ = p.call(objectstore.OpPut, a.name, false, nil, func() (string, error) { a.upload(x.w); return "", nil })
				return
			}
			w := preprocess.New(store{x.w.uploads, p, uploadsStand}, store{x.w.cache, p, false}, x.w.config, slog.New(slog.DiscardHandler), nil)
			_ = w.Handle(ctx, a.payload, x.w.now) // Lambda tries again; the timer at the end stands for it
		}()
	}
}

// settle waits until every actor stands before a call or has ended, and returns
// the calls that could be next, always in the same order.
func (x *execution) settle() []*request {
	for range 10_000 {
		synctest.Wait()
		x.mu.Lock()
		waiting := map[int]bool{}
		for _, r := range x.pending {
			waiting[r.proc] = true
		}
		sleeping := slices.ContainsFunc(x.procs, func(p *process) bool { return !p.done && !waiting[p.number] })
		next := slices.Clone(x.pending)
		x.mu.Unlock()
		if !sleeping {
			slices.SortFunc(next, func(a, b *request) int {
				if a.proc != b.proc {
					return a.proc - b.proc
				}
				return strings.Compare(a.String(), b.String())
			})
			return next
		}
		time.Sleep(time.Second) // of the bubble: some wait before they try again
	}
	panic("an actor neither ends nor calls S3")
}

// grant lets a call be made, with what befalls it, and waits for what follows.
func (x *execution) grant(r *request, f mishap) []*request {
	x.mu.Lock()
	x.pending = slices.DeleteFunc(x.pending, func(other *request) bool { return other == r })
	if f != fine {
		x.left--
	}
	x.trace = append(x.trace, fmt.Sprintf("%d: %s%s", r.proc+1, r, mishapWords[f]))
	x.mu.Unlock()
	if f == torn {
		x.w.uploads.Tear(r.key, 100, 1)
	}
	r.granted <- f
	return x.settle()
}

// abandon ends the actors where they stand.
func (x *execution) abandon() {
	x.mu.Lock()
	pending := x.pending
	x.pending = nil
	for _, p := range x.procs {
		p.dead = true
	}
	x.mu.Unlock()
	for _, r := range pending {
		close(r.granted)
	}
	x.settle()
}

// state stands for all that decides what can still happen. What a process knew
// that has ended does not.
func (x *execution) state(next []*request) [sha256.Size]byte {
	var b bytes.Buffer
	for _, bucket := range []*objectstoretest.Bucket{x.w.uploads, x.w.cache} {
		for _, key := range bucket.Keys() {
			_, o, _ := bucket.Load(key)
			fmt.Fprintf(&b, "%s %s\n", key, o.Version)
		}
	}
	for _, p := range x.procs {
		if p.done || p.dead {
			fmt.Fprintln(&b, "over")
		} else {
			fmt.Fprintf(&b, "%x\n", p.history)
		}
	}
	for _, r := range next {
		fmt.Fprintf(&b, "%d %s\n", r.proc, r)
	}
	fmt.Fprintf(&b, "%d", x.left)
	return sha256.Sum256(b.Bytes())
}
