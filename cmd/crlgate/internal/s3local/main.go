package s3local

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
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
	if wire.Child(stdin, stdout, serve) != nil {
		return 1
	}
	return 0
}

// serve serves until ctx ends.
func serve(ctx context.Context, cfg wire.Config, out *wire.Messages) error {
	done := make(chan error, 1)
	go func() {
		done <- Serve(ctx, Config{
			Config:  cfg,
			OnReady: func(endpoint string) { out.Send(wire.Message{Ready: &wire.Ready{Endpoint: endpoint}}) },
			OnEvent: func(e Event) { sendEvent(out, e) },
		})
	}()
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
	}
	select {
	case err := <-done:
		return err
	case <-time.After(stopWithin):
		return nil // the requests still under way end with the process
	}
}

func sendEvent(out *wire.Messages, e Event) {
	body, err := json.Marshal(e)
	if err != nil {
		out.Send(wire.Message{Error: fmt.Sprintf("encoding an event: %v", err)})
		return
	}
	out.Send(wire.Message{Event: body})
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
