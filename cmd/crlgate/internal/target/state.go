package target

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
	"time"
)

// StateFolder is the folder, inside the one that "crlgate local" serves, that
// holds what the local stack keeps.
const StateFolder = ".crlgate"

const stateFile = "local.json"

// State says where a running local stack is. It lies in the folder's
// .crlgate/local.json, readable by its owner only, for as long as the stack runs.
type State struct {
	PID     int       `json:"pid"`
	Started time.Time `json:"started"`
	Folder  string    `json:"folder"` // absolute

	Endpoint     string `json:"endpoint"` // of S3
	Region       string `json:"region"`
	AccessKey    string `json:"access_key_id"`
	SecretKey    string `json:"secret_access_key"`
	UploadBucket string `json:"upload_bucket"`
	CacheBucket  string `json:"cache_bucket"`

	// API is the endpoint of Lambda and SQS, with a secret in its path.
	API          string `json:"api"`
	Preprocessor string `json:"preprocessor"`  // name of the function
	FailureQueue string `json:"failure_queue"` // URL

	Domain   string            `json:"domain"`
	ServerCA string            `json:"server_ca"` // file with the CA of the gateways' certificate
	Gateways map[string]string `json:"gateways"`  // form → host:port
	// Feed is where what the stack sees can be followed, with FeedToken; see
	// package feed.
	Feed      string `json:"feed,omitempty"`
	FeedToken string `json:"feed_token,omitempty"`
	// Authorizer holds the authorizer's settings, as environment variables.
	Authorizer map[string]string `json:"authorizer,omitempty"`
	// Fetcher holds the fetcher's.
	Fetcher map[string]string `json:"fetcher,omitempty"`
}

// ErrNoLocal says that no local stack runs in a folder.
var ErrNoLocal = errors.New("no local stack runs there")

// RunningError says that a local stack runs in a folder already.
type RunningError struct {
	Folder string
	State  *State // nil while it starts
}

// Error says who runs, and what to do.
func (e *RunningError) Error() string {
	who := "another process, which is starting or stopping"
	if e.State != nil {
		who = fmt.Sprintf("process %d, since %s", e.State.PID, e.State.Started.Local().Format(time.DateTime))
	}
	return fmt.Sprintf("a local stack already runs in %s (%s): use that one, stop it with Ctrl-C, or serve another folder", e.Folder, who)
}

// Lock is held by the process that runs a folder's local stack. The kernel
// releases it however the process ends, so what a dead one left behind is
// never taken for a running stack.
type Lock struct {
	folder string
	held   *os.File
}

// Acquire takes the lock of a folder, making its state folder if there is none,
// and removes the state that a dead process may have left. The error is a
// *[RunningError] where a local stack runs already.
func Acquire(folder string) (*Lock, error) {
	dir := filepath.Join(folder, StateFolder)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	held, err := os.Open(dir)
	if err != nil {
		return nil, err
	}
	// A command that looks whether a stack runs holds a shared lock for a moment.
	for try := 0; ; try++ {
		err = flock(held, syscall.LOCK_EX)
		if !errors.Is(err, syscall.EWOULDBLOCK) || try == 20 {
			break
		}
		time.Sleep(50 * time.Millisecond)
	}
	switch {
	case errors.Is(err, syscall.EWOULDBLOCK):
		state, _ := read(folder)
		return nil, errors.Join(&RunningError{folder, state}, held.Close())
	case err != nil:
		return nil, errors.Join(fmt.Errorf("locking %s: %w", dir, err), held.Close())
	}
	l := &Lock{folder, held}
	if err := l.Remove(); err != nil {
		return nil, errors.Join(err, held.Close())
	}
	return l, nil
}

// Write publishes the state, whole.
func (l *Lock) Write(s *State) error {
	data, err := json.MarshalIndent(s, "", " ")
	if err != nil {
		return err
	}
	f, err := os.CreateTemp(filepath.Join(l.folder, StateFolder), stateFile+".*") // mode 0600
	if err != nil {
		return err
	}
	_, err = f.Write(append(data, '\n'))
	if err = errors.Join(err, f.Close()); err == nil {
		err = os.Rename(f.Name(), statePath(l.folder))
	}
	if err != nil {
		return errors.Join(fmt.Errorf("writing %s: %w", statePath(l.folder), err), os.Remove(f.Name()))
	}
	return nil
}

// Remove takes the state away.
func (l *Lock) Remove() error {
	if err := os.Remove(statePath(l.folder)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

// Release removes the state and gives the lock back.
func (l *Lock) Release() error { return errors.Join(l.Remove(), l.held.Close()) }

func statePath(folder string) string { return filepath.Join(folder, StateFolder, stateFile) }

func flock(f *os.File, how int) error {
	for {
		if err := syscall.Flock(int(f.Fd()), how|syscall.LOCK_NB); !errors.Is(err, syscall.EINTR) {
			return err
		}
	}
}

func read(folder string) (*State, error) {
	data, err := os.ReadFile(statePath(folder))
	if err != nil {
		return nil, err
	}
	var s State
	if err := json.Unmarshal(data, &s); err != nil {
		return nil, fmt.Errorf("%s: %w", statePath(folder), err)
	}
	return &s, nil
}

// startWithin is how long a command waits for a local stack that is starting.
const startWithin = time.Minute

// Find returns the state of the local stack that runs in a folder; while one is
// starting it waits. The error wraps [ErrNoLocal] where none runs.
func Find(ctx context.Context, folder string) (*State, error) {
	ctx, cancel := context.WithTimeout(ctx, startWithin)
	defer cancel()
	for {
		running, err := runs(folder)
		if err != nil {
			return nil, err
		}
		s, err := read(folder)
		switch {
		case running && err == nil:
			return s, nil
		case running && errors.Is(err, fs.ErrNotExist): // starting
		case running:
			return nil, err
		case s != nil:
			return nil, fmt.Errorf("%w: %s was left behind by process %d, which has ended; start \"crlgate local\" again", ErrNoLocal, statePath(folder), s.PID)
		default:
			return nil, fmt.Errorf("%w: there is no %s", ErrNoLocal, statePath(folder))
		}
		select {
		case <-ctx.Done():
			return nil, fmt.Errorf("waiting for the local stack in %s to start: %w", folder, context.Cause(ctx))
		case <-time.After(50 * time.Millisecond):
		}
	}
}

// runs reports whether some process holds the folder's lock.
func runs(folder string) (bool, error) {
	dir, err := os.Open(filepath.Join(folder, StateFolder))
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	defer dir.Close()
	err = flock(dir, syscall.LOCK_SH)
	if errors.Is(err, syscall.EWOULDBLOCK) {
		return true, nil
	}
	return false, err
}
