// Package s3proc starts the local S3 server as a child process and looks after
// it: see [Start]. Tests can also kill the server, start it again on the same
// data, and stop it in its tracks; and they can put a [Proxy] before it that
// counts requests and injects faults.
//
// It does not link the S3 server. That is package s3local, which the child
// runs; package wire is what the two have in common.
package s3proc

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"strconv"
	"sync"
	"syscall"
	"time"

	"github.com/crlgate/crlgate/cmd/crlgate/internal/s3proc/wire"
)

// Bucket is a bucket to create at the start.
type Bucket = wire.Bucket

// EventFilter asks for the events of one bucket, by key prefix.
type EventFilter = wire.EventFilter

// Options say what to start.
type Options struct {
	// Command is the program and arguments of the child, such as
	// {"/usr/local/bin/crlgate", "s3-server"}. It must run s3local.Main.
	Command []string
	// Env is added to the child's environment, which else is this process's.
	Env []string
	// DataDir holds the stored objects. It is created if missing and left
	// behind by Stop: it belongs to the caller.
	DataDir string
	// Buckets are created at the start.
	Buckets []Bucket
	// Events are the notifications that OnEvent receives.
	Events []EventFilter
	// Region is the server's region; us-east-1 if empty.
	Region string
	// Port is the TCP port on 127.0.0.1; 0 takes a free one.
	Port int
	// OnEvent receives each S3 event notification, {"Records":[…]}, in order,
	// from one goroutine. However long it takes, the server goes on: events
	// wait in memory. It must not call Stop, which waits for it.
	OnEvent func(json.RawMessage)
	// Stderr receives what the server prints; nil drops it, but for the end of
	// it in the error of a failed start.
	Stderr io.Writer
}

// A Server is an S3 server that runs as a child process. Its methods may be
// called from several goroutines; those that change its state run one by one.
type Server struct {
	// Endpoint is the base URL, http://127.0.0.1:PORT. It stays the same when
	// the server is started again.
	Endpoint string
	// AccessKey and SecretKey are the only credentials that the server
	// accepts, random for each Start.
	AccessKey, SecretKey string
	// Region is the only region that the server accepts.
	Region string

	opts   Options
	events *queue

	mu      sync.Mutex
	child   *child // nil when none runs
	stopped bool
}

// startWithin is how long a child may take to become ready, unless the context
// ends before.
const startWithin = 60 * time.Second

// stopWithin is how long a child may take to end in an orderly way before it is
// killed. It gives requests under way two seconds itself.
const stopWithin = 5 * time.Second

// errStopped is what a Server answers after Stop.
var errStopped = errors.New("the local S3 server has been stopped: start a new one")

// Start starts a server and returns when it accepts requests. ctx bounds the
// start only; the server runs until Stop, or until this process ends, however
// it ends.
func Start(ctx context.Context, opts Options) (*Server, error) {
	if len(opts.Command) == 0 {
		return nil, errors.New("starting the local S3 server: no command: set Options.Command")
	}
	if opts.Region == "" {
		opts.Region = "us-east-1"
	}
	s := &Server{
		AccessKey: "AKIA" + rand.Text()[:16],
		SecretKey: rand.Text() + rand.Text(),
		Region:    opts.Region,
		opts:      opts,
		events:    newQueue(opts.OnEvent),
	}
	if err := s.start(ctx, opts.Port); err != nil {
		s.events.close()
		return nil, err
	}
	return s, nil
}

// start starts a child and waits until it is ready.
func (s *Server) start(ctx context.Context, port int) error {
	ctx, cancel := context.WithTimeout(ctx, startWithin)
	defer cancel()
	c, err := startChild(ctx, s.opts, wire.Config{
		DataDir:   s.opts.DataDir,
		Port:      port,
		Region:    s.Region,
		AccessKey: s.AccessKey,
		SecretKey: s.SecretKey,
		Buckets:   s.opts.Buckets,
		Events:    s.opts.Events,
	}, s.events.put)
	if err != nil {
		return fmt.Errorf("starting the local S3 server on %s: %w", s.opts.DataDir, err)
	}
	s.child = c
	if s.Endpoint == "" { // written once: others read it without the lock
		s.Endpoint = c.endpoint
	}
	return nil
}

// Env is the environment that points an AWS SDK at this server: endpoint,
// credentials and region, as NAME=value.
func (s *Server) Env() []string { return s.EnvVia(s.Endpoint) }

// EnvVia is Env with another endpoint, such as that of a [Proxy].
func (s *Server) EnvVia(endpoint string) []string {
	return []string{
		"AWS_ENDPOINT_URL_S3=" + endpoint,
		"AWS_ACCESS_KEY_ID=" + s.AccessKey,
		"AWS_SECRET_ACCESS_KEY=" + s.SecretKey,
		"AWS_REGION=" + s.Region,
	}
}

// Stop ends the server in an orderly way, by force if it takes more than a few
// seconds, and waits until OnEvent has returned from the last event. No process
// and no port is left. Stopping a stopped server does nothing.
func (s *Server) Stop() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.stopped {
		return nil
	}
	s.stopped = true
	var err error
	if s.child != nil {
		err = s.child.stop()
		s.child = nil
	}
	s.events.close()
	return err
}

// Kill ends the server at once, as SIGKILL does, and waits until it is gone:
// from then on connections are refused. Events that the server had reported
// still reach OnEvent. Killing a server that does not run does nothing.
func (s *Server) Kill() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.child == nil {
		return nil
	}
	err := s.child.kill()
	s.child = nil
	return err
}

// Restart starts the server again on the same port and data, with the same
// credentials, after ending it in an orderly way if it runs.
func (s *Server) Restart(ctx context.Context) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.stopped {
		return errStopped
	}
	if s.child != nil {
		err := s.child.stop()
		s.child = nil
		if err != nil {
			return fmt.Errorf("stopping the local S3 server to start it again: %w", err)
		}
	}
	u, err := url.Parse(s.Endpoint)
	if err != nil {
		return fmt.Errorf("reading the endpoint of the local S3 server: %w", err)
	}
	port, err := strconv.Atoi(u.Port())
	if err != nil {
		return fmt.Errorf("reading the port of the local S3 server at %s: %w", s.Endpoint, err)
	}
	return s.start(ctx, port)
}

// Pause stops the server in its tracks (SIGSTOP) and waits until it stands
// still. The system goes on accepting connections for it, which then hang.
func (s *Server) Pause() error {
	return s.signal(syscall.SIGSTOP, true)
}

// Resume lets a paused server go on (SIGCONT).
func (s *Server) Resume() error {
	return s.signal(syscall.SIGCONT, false)
}

func (s *Server) signal(sig syscall.Signal, still bool) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.child == nil {
		return fmt.Errorf("sending %v to the local S3 server: %w", sig, os.ErrProcessDone)
	}
	if err := s.child.signal(sig); err != nil {
		return fmt.Errorf("sending %v to the local S3 server: %w", sig, err)
	}
	if still {
		return s.child.awaitStill()
	}
	return nil
}

// Done is closed when the process that runs now has ended, wanted or not. It is
// closed already if none runs.
func (s *Server) Done() <-chan struct{} {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.child == nil {
		ended := make(chan struct{})
		close(ended)
		return ended
	}
	return s.child.done
}
