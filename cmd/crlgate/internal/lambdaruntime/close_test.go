package lambdaruntime

import (
	"context"
	"encoding/json"
	"errors"
	"net"
	"sync"
	"testing"
	"time"
)

func TestCloseLeavesNothing(t *testing.T) {
	for _, c := range []struct {
		name   string
		change func(*Config)
		freeze bool
	}{
		{name: "idle"},
		{name: "frozen between invocations", change: func(c *Config) { c.Freeze = true }},
		{name: "frozen by hand", freeze: true},
		{name: "ignoring SIGTERM", change: func(c *Config) { c.Env = map[string]string{"INIT": "ignore-sigterm"} }},
		{name: "frozen and ignoring SIGTERM", change: func(c *Config) { c.Env = map[string]string{"INIT": "ignore-sigterm"}; c.Freeze = true }},
		{name: "concurrent", change: func(c *Config) { c.Concurrency = 4 }},
	} {
		t.Run(c.name, func(t *testing.T) {
			f := start(t, c.change)
			waiters(t, f, 3)()
			if c.freeze {
				f.Freeze()
			}
			envs := f.Environments()
			var wg sync.WaitGroup
			for range 3 {
				wg.Go(func() {
					if err := f.Close(); err != nil {
						t.Errorf("Close: %v", err)
					}
					for _, e := range envs {
						if alive(e.PID) {
							t.Errorf("process %d is there after Close", e.PID)
						}
						if conn, err := net.Dial("tcp", e.Address); err == nil {
							_ = conn.Close()
							t.Errorf("port %s is open after Close", e.Address)
						}
					}
				})
			}
			wg.Wait()
			if len(f.Environments()) != 0 {
				t.Errorf("Environments after Close: %+v", f.Environments())
			}
			if _, err := f.Invoke(t.Context(), []byte(`1`)); !errors.Is(err, ErrClosed) {
				t.Errorf("Invoke after Close: %v; want ErrClosed", err)
			}
			if _, err := f.InvokeAsync([]byte(`1`)); !errors.Is(err, ErrClosed) {
				t.Errorf("InvokeAsync after Close: %v; want ErrClosed", err)
			}
		})
	}
}

func TestCloseDuringInvocations(t *testing.T) {
	f := start(t, nil)
	failed := make(chan error)
	for range 3 {
		go func() {
			_, err := f.Invoke(t.Context(), []byte(`{"do":"sleep","millis":600000}`))
			failed <- err
		}()
	}
	eventually(t, "three invocations to begin", func() bool {
		begun := 0
		for _, e := range f.Environments() {
			begun += e.Invocations
		}
		return begun == 3
	})
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	for range 3 {
		if err := <-failed; !errors.Is(err, ErrClosed) {
			t.Errorf("Invoke: %v; want ErrClosed", err)
		}
	}
}

// Close may come at any moment of a process's start.
func TestCloseDuringStart(t *testing.T) {
	for i := range 40 {
		f := start(t, nil)
		failed := make(chan error)
		go func() {
			_, err := f.Invoke(t.Context(), []byte(`1`))
			failed <- err
		}()
		time.Sleep(time.Duration(i) * 200 * time.Microsecond)
		if err := f.Close(); err != nil {
			t.Fatal(err)
		}
		if err := <-failed; err != nil && !errors.Is(err, ErrClosed) {
			t.Fatalf("Invoke: %v; want success or ErrClosed", err)
		}
		if left := running(testBinary); len(left) > 0 {
			t.Fatalf("processes %v are there after Close", left)
		}
	}
}

func TestCloseWithTheContext(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	f, err := Start(ctx, Config{Name: "test", Binary: testBinary})
	if err != nil {
		t.Fatal(err)
	}
	pid := succeed(t, f, `1`).PID
	cancel()
	eventually(t, "the process to end with the context", func() bool { return !alive(pid) })
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
}

func TestCloseLetsTheProcessEndInOrder(t *testing.T) {
	l := new(logs)
	f := start(t, func(c *Config) {
		c.Env = map[string]string{"INIT": "sigterm"}
		c.Freeze = true // it must be thawed to hear the signal
		c.Log = l.add
	})
	succeed(t, f, `1`)
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	if _, ok := l.find("terminated in good order"); !ok {
		t.Errorf("the handler of SIGTERM did not run:\n%s", l)
	}
	if line, found := l.find("WARNING"); found {
		t.Errorf("aws-lambda-go could not register for SIGTERM: %s", line.Text)
	}
}

// What a process starts is in its group and ends with it.
func TestGrandchildrenEndToo(t *testing.T) {
	for name, end := range map[string]func(*Function){
		"Close":   func(f *Function) { _ = f.Close() },
		"KillAll": (*Function).KillAll,
		"panic":   func(f *Function) { _, _ = f.Invoke(context.Background(), []byte(`{"do":"panic"}`)) },
	} {
		t.Run(name, func(t *testing.T) {
			f := start(t, func(c *Config) { c.Log = func(LogLine) {} }) // so that the child holds a pipe
			var child int
			if err := json.Unmarshal(succeed(t, f, `{"do":"child"}`).Payload, &child); err != nil || !alive(child) {
				t.Fatalf("no child: %d, %v", child, err)
			}
			end(f)
			eventually(t, "the child to end", func() bool { return !alive(child) })
		})
	}
}
