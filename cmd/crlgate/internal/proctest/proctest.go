// Package proctest runs the processes under test: it starts them, keeps what they
// print, and sees that none outlives its test.
package proctest

import (
	"bytes"
	"errors"
	"os"
	"os/exec"
	"sync"
	"testing"
	"time"
)

// patience is how long a process may take to end when it is asked to, on a machine
// that has much else to do.
const patience = 90 * time.Second

// maxShown is how much of the end of what a process printed a failed test shows.
const maxShown = 16 << 10

// Output collects what is written to it, and may be read meanwhile. Its zero value is
// ready for use.
type Output struct {
	mu  sync.Mutex
	all bytes.Buffer
}

// Write collects p.
func (o *Output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.all.Write(p)
}

// String returns what was written so far.
func (o *Output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.all.String()
}

// Process is a process under test.
type Process struct {
	// Output is what it prints, on either stream.
	Output Output

	tb    testing.TB
	cmd   *exec.Cmd
	ended chan struct{}
	err   error // how it ended; read after ended
}

// Start starts a command. At the end of the test it is killed, if it runs by then;
// what it printed is logged if the test failed.
func Start(tb testing.TB, cmd *exec.Cmd) *Process {
	tb.Helper()
	p := &Process{tb: tb, cmd: cmd, ended: make(chan struct{})}
	cmd.Stdout, cmd.Stderr = &p.Output, &p.Output
	cmd.WaitDelay = patience // for children that hold its streams
	if err := cmd.Start(); err != nil {
		tb.Fatal(err)
	}
	go func() {
		defer close(p.ended)
		p.err = cmd.Wait()
	}()
	tb.Cleanup(func() {
		_ = p.Kill()
		if tb.Failed() {
			said := p.Output.String()
			tb.Logf("%q printed:\n%s", cmd.Args, said[max(0, len(said)-maxShown):])
		}
	})
	return p
}

// PID returns its process id.
func (p *Process) PID() int { return p.cmd.Process.Pid }

// Ended is closed when it has ended.
func (p *Process) Ended() <-chan struct{} { return p.ended }

// Stop asks it to end by a signal, waits until it has, and returns how it ended, as
// [exec.Cmd.Wait] does; it is an error too if it had ended before. One that does not
// end is killed, and fails the test.
func (p *Process) Stop(signal os.Signal) error {
	p.tb.Helper()
	asked := p.cmd.Process.Signal(signal)
	select {
	case <-p.ended:
	case <-time.After(patience):
		p.tb.Errorf("%q did not end within %v of being asked to", p.cmd.Args, patience)
		_ = p.Kill()
	}
	return errors.Join(asked, p.err)
}

// Kill ends it at once, waits until it has, and returns how it ended.
func (p *Process) Kill() error {
	_ = p.cmd.Process.Kill()
	<-p.ended
	return p.err
}
