package lambdaruntime

import (
	"errors"
	"os/exec"
	"sync"
	"syscall"
)

// errCondemned says that a process was to be killed before it was started.
var errCondemned = errors.New("stopped before it was started")

// A process is the leader of an environment's process group and what signals
// it has been sent. Signals go to the whole group, and only while the leader
// is not reaped, so that they never meet a stranger with the same number.
type process struct {
	mu        sync.Mutex
	pid       int
	running   bool // started, and not known to have ended
	condemned bool // killed, or never to be started
	frozen    bool
	stops     int // times that it was frozen
}

// start starts cmd in its own process group, bound to this thread's life where
// the system can do that.
func (p *process) start(cmd *exec.Cmd) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.condemned {
		return errCondemned
	}
	cmd.SysProcAttr = processAttributes()
	if err := cmd.Start(); err != nil {
		return err
	}
	p.pid, p.running = cmd.Process.Pid, true
	return nil
}

// await returns when the process has ended and been reaped.
func (p *process) await(cmd *exec.Cmd) {
	if waitExited(p.pid) {
		// The leader is a zombie now, so the group's number is still its own:
		// the moment to end what else is in the group.
		p.mu.Lock()
		_ = syscall.Kill(-p.pid, syscall.SIGKILL)
		p.running = false
		p.mu.Unlock()
	}
	// The result is in cmd.ProcessState; an error here is the exit status again.
	_ = cmd.Wait()
	p.mu.Lock()
	p.running = false
	p.mu.Unlock()
}

// freeze stops the process; where the system can tell, it returns when every
// thread has stopped.
func (p *process) freeze() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.running || p.frozen {
		return
	}
	if syscall.Kill(-p.pid, syscall.SIGSTOP) == nil {
		waitStopped(p.pid)
		p.frozen = true
		p.stops++
	}
}

// freezes is how often the process was stopped.
func (p *process) freezes() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.stops
}

// thaw continues a frozen process.
func (p *process) thaw() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.running && p.frozen {
		_ = syscall.Kill(-p.pid, syscall.SIGCONT)
		p.frozen = false
	}
}

// terminate asks the process to end; a frozen one is continued to do so.
func (p *process) terminate() {
	p.mu.Lock()
	p.condemned = true
	if p.running {
		_ = syscall.Kill(-p.pid, syscall.SIGTERM)
	}
	p.mu.Unlock()
	p.thaw()
}

// kill ends the process, frozen or not, or keeps it from being started.
func (p *process) kill() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.condemned = true
	if p.running {
		_ = syscall.Kill(-p.pid, syscall.SIGKILL)
	}
}

// status returns the process's number and whether it is frozen.
func (p *process) status() (pid int, frozen bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.pid, p.frozen
}
