package lambdaruntime

import (
	"strings"
	"testing"
)

// A process that no longer asks for events gets none.
func TestWorkerThatLeaves(t *testing.T) {
	f := start(t, func(c *Config) { c.Env = map[string]string{"INIT": "stop-asking"} })
	first := succeed(t, f, `1`)
	eventually(t, "the worker to be seen leaving", func() bool {
		f.mu.Lock()
		defer f.mu.Unlock()
		return len(f.envs[0].workers) == 0
	})
	if r := succeed(t, f, `2`); r.PID == first.PID || string(r.Payload) != "2" {
		t.Errorf("second invocation: %+v; want a new process", r)
	}
	if !alive(first.PID) {
		t.Error("the first process was ended")
	}
}

// An event that its process did not take before it ended goes to another.
func TestUndeliveredEventGoesToAnotherProcess(t *testing.T) {
	f := start(t, nil)
	first := succeed(t, f, `1`)
	taken := make(chan *invocation, 1) // nobody takes from it
	f.mu.Lock()
	f.envs[0].workers = []chan *invocation{taken}
	f.mu.Unlock()
	results := make(chan Result)
	go func() {
		r, err := f.Invoke(t.Context(), []byte(`2`))
		if err != nil {
			t.Error(err)
		}
		results <- r
	}()
	eventually(t, "the event to be assigned", func() bool { return len(taken) == 1 })
	if err := f.Kill(first.PID); err != nil {
		t.Fatal(err)
	}
	if r := <-results; r.Err() != nil || string(r.Payload) != "2" || r.PID == first.PID || !r.ColdStart {
		t.Errorf("result: %+v; want success in a new process", r)
	}
}

// Errors name the function, what is wrong and what to do.
func TestErrorTexts(t *testing.T) {
	f := start(t, func(c *Config) { c.MaxEnvironments = 1; c.AsyncQueueBytes = eventOverhead })
	if f.Name() != "test" {
		t.Errorf("Name: %q", f.Name())
	}
	release := waiters(t, f, 1)
	_, throttled := f.Invoke(t.Context(), []byte(`1`))
	_, full := f.InvokeAsync([]byte(`1`))
	_, large := f.InvokeAsync([]byte(strings.Repeat("1", MaxAsyncRequestBytes+1)))
	_, invalid := f.Invoke(t.Context(), []byte(`{`))
	release()
	r := call(t, f, `{"do":"error","text":"no"}`)
	for want, err := range map[string]error{
		"invoking test: throttled: all 1 environments are busy; retry later or raise MaxEnvironments":                                    throttled,
		"queueing an event for test: the queue is full: 0 events wait, its limit is 1024 bytes; wait for Drain or raise AsyncQueueBytes": full,
		"invoking test: payload of 1048577 bytes is larger than the 1048576 that Lambda accepts":                                         large,
		"invoking test: payload is not valid JSON":                                                                                       invalid,
		"function test failed in request " + r.RequestID + ": errorString: no":                                                           r.Err(),
	} {
		if err == nil || err.Error() != want {
			t.Errorf("got %v, want %s", err, want)
		}
	}
}
