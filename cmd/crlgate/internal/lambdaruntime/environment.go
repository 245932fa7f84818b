package lambdaruntime

import (
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
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
	err       error // instead of a result: ErrClosed or errUndelivered
	started   time.Time
	deadline  *time.Timer
	delivered bool // the process has the event
	settled   bool // result or err is known
	answered  bool // the process has posted, perhaps too late
	late      bool // past its deadline
	reported  bool // done is closed, or about to be
}

// errUndelivered says that a process ended before it took the event, which
// therefore goes to another one.
var errUndelivered = errors.New("process ended before it took the event")

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
	gone     chan struct{} // closed when process, server and invocations are done with

	// Guarded by Function.mu.
	phase        phase
	started      time.Time
	initTimer    *time.Timer
	initDuration time.Duration
	initFailure  *Result                // posted to init/error, or init timed out; not changed once the phase is ending
	assigned     map[string]*invocation // each holds a worker of the process
	backlog      []*invocation          // assigned before a worker asked
	workers      []chan *invocation     // waiting for an event; each channel takes one
	answered     []*invocation          // assigned, and their workers have posted but not asked again
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
// process if no other invocation is in time and no worker is left to serve one.
// So it is at once where a process serves one invocation at a time.
func (e *environment) timeout(inv *invocation) {
	e.f.mu.Lock()
	if e.assigned[inv.id] != inv {
		e.f.mu.Unlock()
		return // over in the same moment
	}
	inv.late = true
	if !inv.settled {
		inv.settled = true
		inv.result.setServiceError(ErrorTypeTimeout, fmt.Sprintf("RequestId: %s Error: Task timed out after %.2f seconds", inv.id, e.f.cfg.Timeout.Seconds()))
	}
	kill := len(e.workers) == 0
	for _, other := range e.assigned {
		kill = kill && other.late
	}
	if kill {
		e.phase = ending
	}
	report := e.f.cfg.Concurrency > 1 && inv.report()
	e.f.mu.Unlock()
	if kill {
		e.proc.kill()
	}
	if report {
		e.tell(inv)
	}
}

// report says whether the caller is the one to tell the result, which happens
// once. The caller holds Function.mu and tells it after that.
func (inv *invocation) report() bool {
	if inv.reported {
		return false
	}
	inv.reported = true
	if inv.delivered {
		inv.result.Duration = time.Since(inv.started)
	}
	return true
}

// tell gives the result to who waits for it. Nothing changes it any more.
func (e *environment) tell(inv *invocation) {
	if inv.err == nil {
		e.logEnd(inv.result)
	}
	close(inv.done)
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
	var reports []*invocation
	for _, inv := range e.assigned {
		if !inv.settled {
			inv.settled = true
			e.blame(inv, state, err)
		}
		if e.finish(inv) {
			reports = append(reports, inv)
		}
	}
	f.envs = slices.DeleteFunc(f.envs, func(other *environment) bool { return other == e })
	f.release()
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
	for _, inv := range reports {
		if !inv.delivered && inv.err == nil {
			e.logStart(inv.id)
		}
		e.tell(inv)
	}
	close(e.gone)
}

// blame gives an unanswered invocation the reason of its process's end.
func (e *environment) blame(inv *invocation, state *os.ProcessState, err error) {
	prefix := "RequestId: " + inv.id + " "
	pid, _ := e.proc.status()
	inv.result.PID = pid
	switch {
	case e.f.closed:
		inv.err = ErrClosed
	case e.initDuration > 0 && !inv.delivered:
		inv.err = errUndelivered
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
