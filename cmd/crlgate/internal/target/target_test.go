package target

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func TestOneLocalStackAFolder(t *testing.T) {
	folder := t.TempDir()
	if _, err := Find(t.Context(), folder); !errors.Is(err, ErrNoLocal) {
		t.Fatalf("an empty folder: %v, want ErrNoLocal", err)
	}
	lock, err := Acquire(folder)
	if err != nil {
		t.Fatal(err)
	}
	var running *RunningError
	if _, err := Acquire(folder); !errors.As(err, &running) || running.State != nil {
		t.Fatalf("a second one while the first starts: %v", err)
	}
	want := State{PID: os.Getpid(), Started: time.Unix(1700000000, 0).UTC(), Folder: folder, Endpoint: "http://127.0.0.1:1", SecretKey: "s"}
	if err := lock.Write(&want); err != nil {
		t.Fatal(err)
	}
	if _, err := Acquire(folder); !errors.As(err, &running) || running.State == nil || running.State.PID != os.Getpid() {
		t.Fatalf("a second one: %v", err)
	}
	info, err := os.Stat(statePath(folder))
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the state's mode is %v (%v), want 0600: it holds credentials", info.Mode(), err)
	}
	got, err := Find(t.Context(), folder)
	if err != nil || got.PID != want.PID || got.SecretKey != "s" || !got.Started.Equal(want.Started) {
		t.Errorf("found %+v, %v", got, err)
	}
	if err := lock.Release(); err != nil {
		t.Fatal(err)
	}
	left, err := os.ReadDir(filepath.Join(folder, StateFolder))
	if err != nil || len(left) != 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
	if _, err := Find(t.Context(), folder); !errors.Is(err, ErrNoLocal) {
		t.Errorf("after the end: %v, want ErrNoLocal", err)
	}
}

// TestHolder is no test: it is the process that TestStateOfTheDead kills.
func TestHolder(t *testing.T) {
	folder := os.Getenv("CRLGATE_TEST_HOLD")
	if folder == "" {
		return
	}
	lock, err := Acquire(folder)
	if err != nil {
		t.Fatal(err)
	}
	if err := lock.Write(&State{PID: os.Getpid(), Folder: folder}); err != nil {
		t.Fatal(err)
	}
	time.Sleep(time.Minute)
}

func TestStateOfTheDead(t *testing.T) {
	folder := t.TempDir()
	holder := exec.Command(os.Args[0], "-test.run=^TestHolder$")
	holder.Env = append(os.Environ(), "CRLGATE_TEST_HOLD="+folder)
	if err := holder.Start(); err != nil {
		t.Fatal(err)
	}
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(10 * time.Millisecond) {
		if s, err := read(folder); err == nil && s.PID == holder.Process.Pid {
			break
		}
		if time.Now().After(deadline) {
			t.Fatal("the other process did not start")
		}
	}
	if _, err := Find(t.Context(), folder); err != nil {
		t.Errorf("while it runs: %v", err)
	}
	if err := holder.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = holder.Wait()
	if _, err := Find(t.Context(), folder); !errors.Is(err, ErrNoLocal) || !strings.Contains(err.Error(), "left behind") {
		t.Errorf("after it was killed: %v, want ErrNoLocal", err)
	}
	lock, err := Acquire(folder)
	if err != nil {
		t.Fatalf("after it was killed: %v", err)
	}
	if _, err := os.Stat(statePath(folder)); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the dead process's state is still there: %v", err)
	}
	if err := lock.Release(); err != nil {
		t.Fatal(err)
	}
}

func TestFindWaitsForAStart(t *testing.T) {
	folder := t.TempDir()
	lock, err := Acquire(folder)
	if err != nil {
		t.Fatal(err)
	}
	defer lock.Release()
	found := make(chan error, 1)
	go func() {
		_, err := Find(t.Context(), folder)
		found <- err
	}()
	if err := lock.Write(&State{PID: os.Getpid()}); err != nil {
		t.Fatal(err)
	}
	if err := <-found; err != nil {
		t.Fatal(err)
	}
	if err := lock.Remove(); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := Find(ctx, folder); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
}

func TestOptionsThatContradict(t *testing.T) {
	for want, o := range map[string]Options{
		"--local names a stack on this machine":                                    {Local: ".", Cache: "c"},
		"--upload-bucket without --cache-bucket":                                   {Upload: "u"},
		"--cache-bucket without --upload-bucket":                                   {Cache: "c", NeedsUpload: true},
		"--profile without buckets":                                                {Profile: "p"},
		"--region without buckets: name the deployment's with --upload-bucket and": {Region: "r", NeedsUpload: true},
	} {
		if _, err := o.Open(t.Context()); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%+v: %v, want %q", o, err, want)
		}
	}
	t.Chdir(t.TempDir())
	if _, err := (Options{}).Open(t.Context()); !errors.Is(err, ErrNoLocal) || !strings.Contains(err.Error(), "--cache-bucket") {
		t.Errorf("nothing named and nothing there: %v", err)
	}
}
