package lambdaruntime

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"
)

// closeGrace is the time between SIGTERM and SIGKILL, as Lambda gives it to a
// runtime with an internal extension
// (https://docs.aws.amazon.com/lambda/latest/dg/lambda-runtime-environment.html).
const closeGrace = 500 * time.Millisecond

// returnPatience is how long an invocation waits for a worker that has answered
// and not yet asked for the next event, or has not asked for its first, before
// it goes to a new environment. It takes a worker a fraction of a millisecond;
// those of a process that is about to exit never ask. Where the function may
// have no new environment, the invocation waits for limitPatience before it is
// throttled: a busy machine may keep many workers of one process waiting, and an
// environment that is ending makes room for a new one when it is gone.
const (
	returnPatience = 50 * time.Millisecond
	limitPatience  = 2 * time.Second
)

// A Function runs one function in as many environments as its invocations
// need. Its methods may be called from several goroutines.
type Function struct {
	cfg   Config
	ctx   context.Context // done when the function is closed
	end   context.CancelFunc
	stop  func() bool // undoes the tie to the context given to Start
	wg    sync.WaitGroup
	logMu sync.Mutex

	mu     sync.Mutex
	closed bool
	envs   []*environment // those whose process may still live
	uses   uint64         // counts finished invocations, to order environments by use
	freed  chan struct{}  // closed and replaced when an environment has room
	async  asyncQueue
}

// Start prepares a function. No process is started before its first
// invocation. The function is closed when ctx is done, if not before by Close.
// An error names every fault of cfg.
func Start(ctx context.Context, cfg Config) (*Function, error) {
	cfg, err := cfg.complete()
	if err != nil {
		return nil, err
	}
	f := &Function{cfg: cfg, freed: make(chan struct{})}
	f.ctx, f.end = context.WithCancel(context.WithoutCancel(ctx))
	f.async.init()
	f.stop = context.AfterFunc(ctx, f.close)
	return f, nil
}

// Name returns the function's name.
func (f *Function) Name() string { return f.cfg.Name }

// Invoke invokes the function with payload, which must be JSON, and returns
// when the invocation is over: the process has answered and asked for the next
// event, or has ended. With Config.Concurrency above 1 it returns with the
// answer. The answer's bytes are passed on unchanged.
//
// A function error is in the [Result], not in err. Err is a *[ThrottleError], a
// *[PayloadSizeError], [ErrInvalidPayload], [ErrClosed], ctx's error, or a
// failure to open a port. When ctx ends, the invocation goes on unobserved, as
// on Lambda.
func (f *Function) Invoke(ctx context.Context, payload []byte) (Result, error) {
	if len(payload) > MaxRequestBytes {
		return Result{}, &PayloadSizeError{Function: f.cfg.Name, Size: len(payload), Limit: MaxRequestBytes}
	}
	if !json.Valid(payload) {
		return Result{}, fmt.Errorf("invoking %s: %w", f.cfg.Name, ErrInvalidPayload)
	}
	return f.invoke(ctx, newUUID(), payload, false)
}

// invoke makes one attempt. If patient, it waits for room in an environment
// instead of failing with a ThrottleError.
func (f *Function) invoke(ctx context.Context, id string, payload []byte, patient bool) (Result, error) {
	if ctx.Err() != nil {
		return Result{}, fmt.Errorf("invoking %s: %w", f.cfg.Name, ctx.Err())
	}
	for {
		inv := &invocation{id: id, trace: newTrace(), payload: payload, done: make(chan struct{})}
		inv.result.Function, inv.result.RequestID = f.cfg.Name, id
		if err := f.place(ctx, inv, patient); err != nil {
			return Result{}, err
		}
		select {
		case <-inv.done:
		case <-ctx.Done():
			return Result{}, fmt.Errorf("invoking %s: %w", f.cfg.Name, ctx.Err())
		}
		switch inv.err {
		case nil:
			return inv.result, nil
		case errUndelivered: // to another environment
		default:
			return Result{}, fmt.Errorf("invoking %s: %w", f.cfg.Name, inv.err)
		}
	}
}

// place assigns an invocation to an environment, waiting for room that is about
// to be there or, if patient, until there is some.
func (f *Function) place(ctx context.Context, inv *invocation, patient bool) error {
	began := time.Now()
	patience := time.NewTimer(returnPatience)
	defer patience.Stop()
	for {
		room, err := f.assign(inv, time.Since(began))
		if err == nil {
			return nil
		}
		if _, throttled := err.(*ThrottleError); err != errSoon && !(throttled && patient) {
			return err
		}
		select {
		case <-room:
		case <-patience.C:
			patience.Reset(limitPatience)
		case <-f.ctx.Done(): // the next turn says ErrClosed
		case <-ctx.Done():
			return fmt.Errorf("invoking %s: %w", f.cfg.Name, ctx.Err())
		}
	}
}

// errSoon says that there is no room, and that there is about to be.
var errSoon = errors.New("there is about to be room")

// assign gives an invocation that has waited for some time to the environment
// with room that was used last, or to a new one. With errSoon and a
// ThrottleError comes a channel that is closed when there may be room.
func (f *Function) assign(inv *invocation, waited time.Duration) (room <-chan struct{}, err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.closed {
		return nil, fmt.Errorf("invoking %s: %w", f.cfg.Name, ErrClosed)
	}
	var e *environment
	returning, leaving := false, false
	for _, candidate := range f.envs {
		if candidate.hasRoom() && (e == nil || candidate.lastUsed > e.lastUsed) {
			e = candidate
		}
		returning = returning || candidate.phase == ready &&
			(len(candidate.answered) > 0 || len(candidate.assigned) < f.cfg.Concurrency)
		leaving = leaving || candidate.phase == ending
	}
	atLimit := len(f.envs) >= f.cfg.MaxEnvironments
	patience := returnPatience
	if atLimit {
		patience = limitPatience
	}
	if e == nil && waited < patience && (returning || atLimit && leaving) {
		return f.freed, errSoon
	}
	if e == nil {
		if atLimit {
			return f.freed, &ThrottleError{Function: f.cfg.Name, Limit: f.cfg.MaxEnvironments}
		}
		if e, err = newEnvironment(f); err != nil {
			return nil, err
		}
		f.envs = append(f.envs, e)
		f.wg.Go(e.run)
	}
	inv.result.ColdStart = e.phase == starting
	e.give(inv)
	e.proc.thaw()
	return nil, nil
}

// release wakes who waits for room. The caller holds mu.
func (f *Function) release() {
	close(f.freed)
	f.freed = make(chan struct{})
}

// An Environment describes one process of a function.
type Environment struct {
	PID         int       // zero while it is being started
	Address     string    // of its Runtime API
	Started     time.Time // when its process was started
	Ready       bool      // init is over
	Frozen      bool      // stopped, waiting for an invocation or Thaw
	InFlight    int       // invocations it has now
	Invocations int       // events delivered to it so far
	Freezes     int       // times that it was stopped
}

// Environments lists the function's environments in the order they were started.
func (f *Function) Environments() []Environment {
	f.mu.Lock()
	defer f.mu.Unlock()
	list := make([]Environment, 0, len(f.envs))
	for _, e := range f.envs {
		pid, frozen := e.proc.status()
		list = append(list, Environment{
			PID:         pid,
			Address:     e.listener.Addr().String(),
			Started:     e.started,
			Ready:       e.phase == ready,
			Frozen:      frozen,
			InFlight:    len(e.assigned),
			Invocations: e.deliveries,
			Freezes:     e.proc.freezes(),
		})
	}
	return list
}

// environments returns the present environments for use without mu.
func (f *Function) environments() []*environment {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Clone(f.envs)
}

// Kill kills the environment with this process number, as running out of
// memory would, and returns when it is gone. Its invocations fail with
// ErrorTypeExit.
func (f *Function) Kill(pid int) error {
	for _, e := range f.environments() {
		if own, _ := e.proc.status(); own == pid && pid != 0 {
			e.kill()
			<-e.gone
			return nil
		}
	}
	return fmt.Errorf("killing an environment of %s: none has process number %d; Environments lists them", f.cfg.Name, pid)
}

// Retire ends the environment with this process number if it has no invocation,
// as Lambda ends those that it needs no longer, and reports whether it did. No
// invocation fails of it. It returns when the environment is gone.
func (f *Function) Retire(pid int) bool {
	f.mu.Lock()
	var e *environment
	for _, candidate := range f.envs {
		if own, _ := candidate.proc.status(); own == pid && pid != 0 && candidate.phase == ready && len(candidate.assigned) == 0 {
			e = candidate
			e.phase = ending
		}
	}
	f.mu.Unlock()
	if e == nil {
		return false
	}
	e.proc.kill()
	<-e.gone
	return true
}

// KillAll kills every environment and returns when they are gone.
func (f *Function) KillAll() {
	envs := f.environments()
	for _, e := range envs {
		e.kill()
	}
	for _, e := range envs {
		<-e.gone
	}
}

// kill ends the environment, which takes no more invocations.
func (e *environment) kill() {
	e.f.mu.Lock()
	e.phase = ending
	e.f.mu.Unlock()
	e.proc.kill()
}

// Freeze stops every process now, also one that is handling an event. An
// invocation continues the process that it is given to.
func (f *Function) Freeze() {
	for _, e := range f.environments() {
		e.proc.freeze()
	}
}

// Thaw continues every stopped process.
func (f *Function) Thaw() {
	for _, e := range f.environments() {
		e.proc.thaw()
	}
}

// Close ends the function: invocations under way fail with ErrClosed, queued
// events are dropped, processes get SIGTERM and after half a second SIGKILL. It
// returns when all are gone and may be called again. It must not be called from
// Config.Log or Config.OnFailure.
func (f *Function) Close() error {
	f.stop()
	f.close()
	return nil
}

func (f *Function) close() {
	f.mu.Lock()
	first := !f.closed
	f.closed = true
	envs := slices.Clone(f.envs)
	if first {
		f.async.drop()
	}
	f.mu.Unlock()
	if first {
		f.end()
		for _, e := range envs {
			e.proc.terminate()
		}
		grace := time.NewTimer(closeGrace)
		defer grace.Stop()
		for _, e := range envs {
			select {
			case <-e.gone:
				continue
			case <-grace.C:
			}
			break
		}
		for _, e := range envs {
			e.proc.kill()
		}
	}
	f.wg.Wait()
	if first {
		f.mu.Lock()
		dropped := f.async.dropped
		f.mu.Unlock()
		if dropped > 0 {
			f.log(LogLine{Platform: true, Text: fmt.Sprintf("closed with %d asynchronous events not handled", dropped)})
		}
	}
}

// newUUID returns a random (version 4) UUID.
func newUUID() string {
	var b [16]byte
	_, _ = rand.Read(b[:]) // never fails
	b[6], b[8] = b[6]&0x0f|0x40, b[8]&0x3f|0x80
	s := hex.EncodeToString(b[:])
	return s[:8] + "-" + s[8:12] + "-" + s[12:16] + "-" + s[16:20] + "-" + s[20:]
}

// newTrace returns an X-Ray tracing header that says "not sampled".
func newTrace() string {
	return fmt.Sprintf("Root=1-%08x-%s;Parent=%s;Sampled=0", uint32(time.Now().Unix()), randomHex(12), randomHex(8))
}

func randomHex(n int) string {
	b := make([]byte, n)
	_, _ = rand.Read(b) // never fails
	return hex.EncodeToString(b)
}
