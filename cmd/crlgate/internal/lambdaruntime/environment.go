package lambdaruntime

import (
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"time"
)

// outputDelay is how long an ended process's output is waited for when
// something outside its process group still holds the pipe.
const outputDelay = time.Second

// An invocation is one attempt to have the function handle one event. Its
// fields after done are guarded by Function.mu until done is closed.
type invocation struct {
	id, trace string
	payload   []byte
	done      chan struct{} // closed when result and err are final

	result    Result
	err       error // instead of a result: the function was closed
	started   time.Time
	deadline  *time.Timer
	delivered bool // the process has the event
	settled   bool // result or err is known
	answered  bool // the process has posted, perhaps too late
	abandoned bool // timed out and reported while its worker goes on
}

type phase int

const (
	starting phase = iota // until the first request for an event
	ready
	ending // takes no more invocations
)

// An environment is one process and its Runtime API.
type environment struct {
	f        *Function
	listener net.Listener
	server   *http.Server
	stream   string // log stream name
	proc     process
	queue    chan *invocation // assigned, not yet delivered; never more than its capacity
	gone     chan struct{}    // closed when process, server and invocations are done with

	// Guarded by Function.mu.
	phase        phase
	started      time.Time
	initTimer    *time.Timer
	initDuration time.Duration
	initFailure  *Result // posted to init/error, or init timed out; not changed once the phase is ending
	assigned     map[string]*invocation
	answered     []*invocation // posted, and not yet followed by a request for the next event
	deliveries   int
	lastUsed     uint64
}

// newEnvironment opens an environment's Runtime API; run starts its process.
func newEnvironment(f *Function) (*environment, error) {
	listener, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("opening the Runtime API of %s: %w", f.cfg.Name, err)
	}
	e := &environment{
		f:        f,
		listener: listener,
		stream:   time.Now().UTC().Format("2006/01/02/") + "[" + version + "]" + randomHex(16),
		queue:    make(chan *invocation, f.cfg.Concurrency),
		gone:     make(chan struct{}),
		assigned: make(map[string]*invocation),
	}
	e.server = e.newServer()
	return e, nil
}

// run starts the process, serves its Runtime API and returns when it has ended
// and every invocation it had is settled.
func (e *environment) run() {
	// The kernel binds a child's parent-death signal to the thread that started
	// it. So this thread must live as long as the child does: it is kept for that
	// and waits for the child.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()

	go func() { _ = e.server.Serve(e.listener) }() // ends with Close

	cfg := &e.f.cfg
	output := &lineWriter{emit: func(line string) {
		pid, _ := e.proc.status()
		e.f.log(LogLine{PID: pid, Text: line})
	}}
	cmd := &exec.Cmd{
		Path:      cfg.Binary,
		Args:      []string{cfg.Binary},
		Dir:       filepath.Dir(cfg.Binary),
		Env:       cfg.environ(e.listener.Addr().String(), e.stream),
		WaitDelay: outputDelay,
	}
	if cfg.Log != nil {
		cmd.Stdout, cmd.Stderr = output, output
	}

	e.f.mu.Lock()
	e.started = time.Now()
	e.initTimer = time.AfterFunc(cfg.InitTimeout, e.initTimeout)
	e.f.mu.Unlock()
	err := e.proc.start(cmd)
	if err == nil {
		e.proc.await(cmd)
		output.flush()
	}
	e.ended(cmd.ProcessState, err)
}

// initTimeout kills a process that has not asked for an event in time.
func (e *environment) initTimeout() {
	e.f.mu.Lock()
	late := e.phase == starting
	if late {
		e.phase = ending
		e.initFailure = &Result{}
		e.initFailure.setServiceError(ErrorTypeTimeout, fmt.Sprintf("Error: Init timed out after %.2f seconds", e.f.cfg.InitTimeout.Seconds()))
	}
	e.f.mu.Unlock()
	if late {
		e.proc.kill()
	}
}

// timeout fails an invocation that has reached its time limit, and ends its
// process: at once if it serves one invocation at a time, else when all of its
// workers are late.
func (e *environment) timeout(inv *invocation) {
	e.f.mu.Lock()
	if e.assigned[inv.id] != inv {
		e.f.mu.Unlock()
		return // over in the same moment
	}
	kill := e.f.cfg.Concurrency == 1
	if !inv.settled {
		inv.settled = true
		inv.result.Duration = time.Since(inv.started)
		inv.result.setServiceError(ErrorTypeTimeout, fmt.Sprintf("RequestId: %s Error: Task timed out after %.2f seconds", inv.id, e.f.cfg.Timeout.Seconds()))
	}
	if !kill {
		inv.abandoned = true
		kill = len(e.assigned) == e.f.cfg.Concurrency
		for _, other := range e.assigned {
			kill = kill && other.abandoned
		}
	}
	if kill {
		e.phase = ending
	}
	e.f.mu.Unlock()
	if kill {
		e.proc.kill()
	}
	if inv.abandoned {
		e.logEnd(inv.result)
		close(inv.done)
	}
}

// settle records what the process posted for an invocation. It reports false
// if the process has no such invocation to answer.
func (e *environment) settle(id string, set func(*Result)) bool {
	e.f.mu.Lock()
	defer e.f.mu.Unlock()
	inv := e.assigned[id]
	if inv == nil || !inv.delivered || inv.answered {
		return false
	}
	inv.answered = true
	e.answered = append(e.answered, inv)
	if !inv.settled { // else too late: accepted and forgotten
		inv.settled = true
		set(&inv.result)
	}
	return true
}

// returned is called when the process asks for an event. It ends init, or the
// invocation that was answered before, after which the environment is idle and
// frozen if it is to be. It reports false if the process gets no more events.
func (e *environment) returned() bool {
	e.f.mu.Lock()
	if e.phase == ending || (e.phase == starting && e.initFailure != nil) {
		e.f.mu.Unlock()
		return false
	}
	if e.phase == starting {
		e.phase = ready
		e.initTimer.Stop()
		e.initDuration = time.Since(e.started)
	}
	var over *invocation
	if len(e.answered) > 0 {
		over, e.answered = e.answered[0], e.answered[1:]
	}
	e.f.mu.Unlock()
	if over != nil {
		// Still assigned, so nobody gives the process work before it has stopped.
		if e.f.cfg.Freeze {
			e.proc.freeze()
		}
		e.finish(over)
	}
	return true
}

// deliver starts the clock of an invocation whose event goes to the process
// now. It reports false if the process has ended in the meantime.
func (e *environment) deliver(inv *invocation) (deadline time.Time, ok bool) {
	pid, _ := e.proc.status()
	e.f.mu.Lock()
	if e.assigned[inv.id] != inv {
		e.f.mu.Unlock()
		return time.Time{}, false
	}
	inv.delivered = true
	inv.started = time.Now()
	inv.result.PID = pid
	if inv.result.ColdStart {
		inv.result.InitDuration = e.initDuration
	}
	e.deliveries++
	inv.deadline = time.AfterFunc(e.f.cfg.Timeout, func() { e.timeout(inv) })
	deadline = inv.started.Add(e.f.cfg.Timeout)
	e.f.mu.Unlock()
	e.logStart(inv.id)
	return deadline, true
}

// finish ends an invocation: the environment has room for another, and who
// waits for this one gets its result.
func (e *environment) finish(inv *invocation) {
	e.f.mu.Lock()
	delete(e.assigned, inv.id)
	reported := inv.abandoned
	if inv.deadline != nil {
		inv.deadline.Stop()
	}
	if inv.delivered && !reported {
		inv.result.Duration = time.Since(inv.started)
	}
	e.f.mu.Unlock()
	if !reported {
		if inv.err == nil {
			e.logEnd(inv.result)
		}
		close(inv.done)
	}
	e.f.release(e)
}

// ended settles what the process left behind. Its end, or err for a process
// that could not be started, is the reason given for unanswered invocations.
func (e *environment) ended(state *os.ProcessState, err error) {
	_ = e.server.Close() // the listener too; the requests under way are of a dead process
	_ = e.listener.Close()

	f := e.f
	f.mu.Lock()
	inInit := e.initDuration == 0
	e.phase = ending
	e.initTimer.Stop()
	left := make([]*invocation, 0, len(e.assigned))
	for _, inv := range e.assigned {
		left = append(left, inv)
		if !inv.settled {
			inv.settled = true
			e.blame(inv, state, err)
		}
	}
	f.remove(e)
	closed := f.closed
	elapsed := time.Since(e.started)
	f.mu.Unlock()

	if inInit && !closed {
		status := "error"
		if e.initFailure != nil && e.initFailure.ErrorType == ErrorTypeTimeout {
			status = "timeout"
		}
		e.platform("INIT_REPORT Init Duration: %s\tPhase: init\tStatus: %s", milliseconds(elapsed), status)
	}
	for _, inv := range left {
		if !inv.delivered {
			e.logStart(inv.id)
		}
		e.finish(inv)
	}
	close(e.gone)
	f.release(nil)
}

// blame gives an unanswered invocation the reason of its process's end.
func (e *environment) blame(inv *invocation, state *os.ProcessState, err error) {
	prefix := "RequestId: " + inv.id + " "
	pid, _ := e.proc.status()
	inv.result.PID = pid
	switch {
	case e.f.closed:
		inv.err = ErrClosed
	case err != nil && err != errCondemned:
		inv.result.setServiceError(ErrorTypeEntrypoint, prefix+"Error: "+err.Error())
	case e.initFailure != nil && e.initFailure.ErrorType == ErrorTypeTimeout:
		inv.result.setServiceError(ErrorTypeTimeout, prefix+e.initFailure.ErrorMessage)
	case e.initFailure != nil:
		inv.result.setError(e.initFailure.Payload, e.initFailure.ErrorType)
	case state == nil:
		inv.result.setServiceError(ErrorTypeExit, prefix+"Error: Runtime was stopped before it started")
	case state.Success():
		inv.result.setServiceError(ErrorTypeExit, prefix+"Error: Runtime exited without providing a reason")
	default:
		inv.result.setServiceError(ErrorTypeExit, prefix+"Error: Runtime exited with error: "+state.String())
	}
}
