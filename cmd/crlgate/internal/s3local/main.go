package s3local

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"sync"
	"syscall"
	"time"

	"github.com/crlgate/crlgate/cmd/crlgate/internal/s3proc/wire"
)

// stopWithin is how long requests under way may take to finish when the server
// is told to end.
const stopWithin = 2 * time.Second

// Main is the child process. It reads a [wire.Config] from the first line of
// stdin, runs the server, and writes [wire.Message] lines to stdout. It returns
// when SIGTERM or SIGINT comes or when stdin ends, which it does when the
// parent dies, whatever killed it. The result is the exit code: 0 after an
// orderly end, 1 after an error, which is also the last message, 2 for a wrong
// command line.
//
// If stdout is os.Stdout, everything else that the process prints there is sent
// to the standard error instead.
func Main(args []string, stdin io.Reader, stdout, stderr io.Writer) int {
	if len(args) > 0 {
		fmt.Fprintf(stderr, "s3-server takes no arguments, got %q: its configuration is the first line of its standard input\n", args)
		return 2
	}
	stdout, err := claimStdout(stdout)
	if err != nil {
		fmt.Fprintf(stderr, "redirecting the standard output: %v\n", err)
		return 1
	}
	out := &messages{enc: json.NewEncoder(stdout)}
	if err := run(stdin, out); err != nil {
		out.send(wire.Message{Error: err.Error()})
		return 1
	}
	return 0
}

// run serves until it is told to end.
func run(stdin io.Reader, out *messages) error {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	defer stop()

	in := bufio.NewReader(stdin)
	line, err := in.ReadBytes('\n')
	if err != nil {
		return fmt.Errorf("reading the S3 server's configuration from standard input: %w", err)
	}
	cfg := Config{
		OnReady: func(endpoint string) { out.send(wire.Message{Ready: &wire.Ready{Endpoint: endpoint}}) },
		OnEvent: out.event,
	}
	if err := json.Unmarshal(line, &cfg.Config); err != nil {
		return fmt.Errorf("decoding the S3 server's configuration: %w", err)
	}
	go func() {
		_, _ = io.Copy(io.Discard, in)
		stop()
	}()

	done := make(chan error, 1)
	go func() { done <- Serve(ctx, cfg) }()
	select {
	case err = <-done:
		return err
	case <-ctx.Done():
	}
	select {
	case err = <-done:
		return err
	case <-time.After(stopWithin):
		return nil // the requests still under way end with the process
	}
}

// messages writes lines to the parent, one at a time.
type messages struct {
	mu  sync.Mutex
	enc *json.Encoder
}

// send writes one line. A parent that no longer reads is gone; standard input
// says so too and ends the server.
func (m *messages) send(msg wire.Message) {
	m.mu.Lock()
	defer m.mu.Unlock()
	_ = m.enc.Encode(msg)
}

func (m *messages) event(e Event) {
	body, err := json.Marshal(e)
	if err != nil {
		m.send(wire.Message{Error: fmt.Sprintf("encoding an event: %v", err)})
		return
	}
	m.send(wire.Message{Event: body})
}

// claimStdout keeps the process's standard output for messages: it returns a
// copy of it and points the original at the standard error, for code that
// prints. Any other writer is returned as it is.
func claimStdout(stdout io.Writer) (io.Writer, error) {
	if f, ok := stdout.(*os.File); !ok || f != os.Stdout {
		return stdout, nil
	}
	own, err := syscall.Dup(int(os.Stdout.Fd()))
	if err != nil {
		return nil, err
	}
	syscall.CloseOnExec(own)
	if err := redirect(int(os.Stderr.Fd()), int(os.Stdout.Fd())); err != nil {
		return nil, errors.Join(err, syscall.Close(own))
	}
	return os.NewFile(uintptr(own), "messages"), nil
}
