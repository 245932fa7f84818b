package s3proc

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/crlgate/crlgate/cmd/crlgate/internal/s3proc/wire"
)

// A child is one run of the server process.
type child struct {
	cmd      *exec.Cmd
	stdin    io.Closer
	endpoint string
	tail     *tail
	done     chan struct{} // closed when the process is gone and all it wrote is read

	// Written before done is closed, read after.
	waitErr error  // how the process ended
	failure string // what it said was wrong, if anything
}

// startChild starts a process and waits until it says that it is ready. It
// calls event, in order, for each event that the process reports.
func startChild(ctx context.Context, opts Options, cfg wire.Config, event func(json.RawMessage)) (*child, error) {
	line, err := json.Marshal(cfg)
	if err != nil {
		return nil, fmt.Errorf("encoding its configuration: %w", err)
	}
	c := &child{
		cmd:  exec.Command(opts.Command[0], opts.Command[1:]...),
		tail: &tail{next: opts.Stderr},
		done: make(chan struct{}),
	}
	c.cmd.Env = append(os.Environ(), opts.Env...)
	c.cmd.Stderr = c.tail
	// A group of its own: a Ctrl-C at the terminal reaches the parent only,
	// which then ends the server after those that use it.
	c.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	stdin, err := c.cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	stdout, err := c.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := c.cmd.Start(); err != nil {
		return nil, err
	}
	c.stdin = stdin
	ready := make(chan string, 1)
	go c.read(stdout, ready, event)
	// A child that dies at once leaves a broken pipe; done tells why.
	_, writeErr := stdin.Write(append(line, '\n'))

	select {
	case c.endpoint = <-ready:
		return c, nil
	case <-c.done:
		return nil, errors.Join(c.whyEnded(), writeErr)
	case <-ctx.Done():
		return nil, errors.Join(fmt.Errorf("it did not become ready: %w", context.Cause(ctx)), c.kill())
	}
}

// read reads the child's messages until it ends, and then reaps it.
func (c *child) read(stdout io.Reader, ready chan<- string, event func(json.RawMessage)) {
	defer close(c.done)
	in := bufio.NewReader(stdout)
	for {
		line, err := in.ReadBytes('\n')
		if err != nil {
			break // a line without an end is one that the child died in
		}
		var msg wire.Message
		switch err := json.Unmarshal(line, &msg); {
		case err != nil:
			c.failure = fmt.Sprintf("it wrote %.200q, which is no message: %v", line, err)
		case msg.Ready != nil:
			ready <- msg.Ready.Endpoint
		case msg.Event != nil:
			event(msg.Event)
		case msg.Error != "":
			c.failure = msg.Error
		}
	}
	c.waitErr = c.cmd.Wait()
}

// whyEnded describes the end of a child that was not told to end.
func (c *child) whyEnded() error {
	why := c.failure
	if why == "" {
		why = fmt.Sprintf("it ended (%v)", c.cmd.ProcessState)
	}
	if said := c.tail.String(); said != "" {
		why += "\nIt printed: " + said
	}
	return errors.New(why)
}

// stop ends the child in an orderly way: the end of its standard input tells
// it to. It is killed if that takes too long.
func (c *child) stop() error {
	_ = c.signal(syscall.SIGCONT) // a paused process would not notice
	_ = c.stdin.Close()
	select {
	case <-c.done:
	case <-time.After(stopWithin):
		return errors.Join(
			fmt.Errorf("the local S3 server did not end within %v of being told to and was killed", stopWithin), c.kill())
	}
	if c.waitErr != nil {
		return fmt.Errorf("the local S3 server ended badly: %w", c.whyEnded())
	}
	return nil
}

// kill ends the child at once and waits until it is gone.
func (c *child) kill() error {
	defer c.stdin.Close()
	if err := c.signal(syscall.SIGKILL); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return fmt.Errorf("killing the local S3 server: %w", err)
	}
	<-c.done
	return nil
}

// signal sends a signal to the child's process group.
func (c *child) signal(sig syscall.Signal) error {
	select {
	case <-c.done: // reaped: its number may belong to another process
		return os.ErrProcessDone
	default:
	}
	err := syscall.Kill(-c.cmd.Process.Pid, sig)
	if errors.Is(err, syscall.ESRCH) {
		return os.ErrProcessDone
	}
	return err
}

// awaitStill waits until every thread of the child has stopped: SIGSTOP returns
// before it has taken effect. Where the system has no /proc it does not wait.
func (c *child) awaitStill() error {
	tasks := filepath.Join("/proc", strconv.Itoa(c.cmd.Process.Pid), "task", "*", "stat")
	for deadline := time.Now().Add(stopWithin); ; time.Sleep(time.Millisecond) {
		files, err := filepath.Glob(tasks)
		if err != nil {
			return err
		}
		running := false
		for _, f := range files {
			running = running || !stoppedThread(f)
		}
		if !running {
			return nil
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("the local S3 server did not stand still within %v of SIGSTOP", stopWithin)
		}
	}
}

// stoppedThread reads a thread's state from its stat file. The state follows
// the program's name, which is in parentheses. A thread that is gone is still.
func stoppedThread(stat string) bool {
	b, err := os.ReadFile(stat)
	if err != nil {
		return true
	}
	_, rest, _ := strings.Cut(string(b[bytes.LastIndexByte(b, ')')+1:]), " ")
	return strings.HasPrefix(rest, "T") || strings.HasPrefix(rest, "Z") || strings.HasPrefix(rest, "X")
}

// tailBytes is how much of what a child prints is kept for an error.
const tailBytes = 4 << 10

// A tail passes on what is written and keeps the end of it.
type tail struct {
	mu   sync.Mutex
	next io.Writer // may be nil
	last []byte
}

// Write never fails: a child must not die of a reader's trouble.
func (t *tail) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.next != nil {
		_, _ = t.next.Write(p)
	}
	t.last = append(t.last, p...)
	if n := len(t.last) - tailBytes; n > 0 {
		t.last = t.last[n:]
	}
	return len(p), nil
}

func (t *tail) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return strings.TrimSpace(string(t.last))
}
