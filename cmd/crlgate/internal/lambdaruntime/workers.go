package lambdaruntime

import (
	"slices"
	"time"
)

// settle records what the process posted for an invocation. It reports false
// if the process has no such invocation to answer.
func (e *environment) settle(id string, set func(*Result)) bool {
	e.f.mu.Lock()
	inv := e.assigned[id]
	if inv == nil || !inv.delivered || inv.answered {
		e.f.mu.Unlock()
		return false
	}
	inv.answered = true
	e.answered = append(e.answered, inv)
	if !inv.settled { // else too late: accepted and forgotten
		inv.settled = true
		set(&inv.result)
	}
	// After a panic in one of several workers, aws-lambda-go lets the others end
	// their work before the process exits. The answer does not wait for that.
	report := e.f.cfg.Concurrency > 1 && inv.report()
	e.f.mu.Unlock()
	if report {
		e.tell(inv)
	}
	return true
}

// returned is called when a worker of the process asks for an event. It ends
// init, or the invocation that was answered before, after which the environment
// is idle and frozen if it is to be. The worker's event comes through the
// channel; there is none if the process gets no more events.
func (e *environment) returned() chan *invocation {
	e.f.mu.Lock()
	if e.phase == ending || (e.phase == starting && e.initFailure != nil) {
		e.f.mu.Unlock()
		return nil
	}
	if e.phase == starting {
		e.phase = ready
		e.initTimer.Stop()
		e.initDuration = time.Since(e.started)
	}
	freeze := e.f.cfg.Freeze && len(e.answered) > 0
	e.f.mu.Unlock()
	if freeze {
		e.proc.freeze() // nobody gives the process work before it has stopped
	}

	worker := make(chan *invocation, 1)
	var over *invocation
	report := false
	e.f.mu.Lock()
	if len(e.answered) > 0 {
		over, e.answered = e.answered[0], e.answered[1:]
		report = e.finish(over)
	}
	if len(e.backlog) > 0 {
		worker <- e.backlog[0]
		e.backlog = e.backlog[1:]
	} else {
		e.workers = append(e.workers, worker)
	}
	e.f.release()
	e.f.mu.Unlock()
	if report { // now that a next invocation finds the worker
		e.tell(over)
	}
	return worker
}

// give gives an invocation to a worker that waits, or to the next that asks.
// The caller holds Function.mu.
func (e *environment) give(inv *invocation) {
	e.assigned[inv.id] = inv
	if last := len(e.workers) - 1; last >= 0 {
		e.workers[last] <- inv
		e.workers = e.workers[:last]
	} else {
		e.backlog = append(e.backlog, inv)
	}
}

// hasRoom says whether the environment can take an invocation now: a worker
// waits for one, or will as init has made room for it. The caller holds
// Function.mu.
func (e *environment) hasRoom() bool {
	return e.phase == starting && len(e.assigned) < e.f.cfg.Concurrency ||
		e.phase == ready && len(e.workers) > 0
}

// left is called when a worker has gone away without its event.
func (e *environment) left(worker chan *invocation) {
	e.f.mu.Lock()
	defer e.f.mu.Unlock()
	e.workers = slices.DeleteFunc(e.workers, func(other chan *invocation) bool { return other == worker })
	select {
	case inv := <-worker: // given in the same moment
		if e.assigned[inv.id] == inv {
			e.give(inv)
		}
	default:
	}
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

// finish ends an invocation, which holds no worker any more, and says whether
// its result is still to be told. The caller holds Function.mu.
func (e *environment) finish(inv *invocation) (report bool) {
	delete(e.assigned, inv.id)
	if inv.deadline != nil {
		inv.deadline.Stop()
	}
	e.f.uses++
	e.lastUsed = e.f.uses
	return inv.report()
}
