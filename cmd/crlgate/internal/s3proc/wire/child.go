package wire

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os/signal"
	"sync"
	"syscall"
)

// Child is the child's side of the contract: it reads the configuration from the
// first line of stdin, and has serve serve until ctx ends. That is when SIGTERM or
// SIGINT comes, or when stdin ends, which it does when the parent dies, whatever
// killed it. An error is also the last message, and the process is to exit with a
// code other than 0.
func Child(stdin io.Reader, stdout io.Writer, serve func(ctx context.Context, cfg Config, out *Messages) error) error {
	out := &Messages{enc: json.NewEncoder(stdout)}
	err := child(stdin, out, serve)
	if err != nil {
		out.Send(Message{Error: err.Error()})
	}
	return err
}

func child(stdin io.Reader, out *Messages, serve func(context.Context, Config, *Messages) error) error {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	defer stop()
	in := bufio.NewReader(stdin)
	line, err := in.ReadBytes('\n')
	if err != nil {
		return fmt.Errorf("reading the S3 server's configuration from standard input: %w", err)
	}
	var cfg Config
	if err := json.Unmarshal(line, &cfg); err != nil {
		return fmt.Errorf("decoding the S3 server's configuration: %w", err)
	}
	go func() {
		_, _ = io.Copy(io.Discard, in)
		stop()
	}()
	return serve(ctx, cfg, out)
}

// Messages writes lines to the parent, one at a time. It is safe for concurrent use.
type Messages struct {
	mu  sync.Mutex
	enc *json.Encoder
}

// Send writes one line. A parent that no longer reads is gone; standard input
// says so too and ends the server.
func (m *Messages) Send(msg Message) {
	m.mu.Lock()
	defer m.mu.Unlock()
	_ = m.enc.Encode(msg)
}
