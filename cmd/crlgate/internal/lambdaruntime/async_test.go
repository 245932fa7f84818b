package lambdaruntime

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

// records collects failure records.
type records struct {
	mu   sync.Mutex
	list []string
}

func (r *records) add(record []byte) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.list = append(r.list, string(record))
}

func (r *records) all() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.list
}

// soon retries as often as Lambda, without the minutes.
var soon = []time.Duration{time.Millisecond, 2 * time.Millisecond}

// queue queues an event and returns its request ID.
func queue(t *testing.T, f *Function, payload string) string {
	t.Helper()
	id, err := f.InvokeAsync([]byte(payload))
	if err != nil {
		t.Fatalf("InvokeAsync %s: %v", payload, err)
	}
	return id
}

func drain(t *testing.T, f *Function) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 60*time.Second)
	defer cancel()
	if err := f.Drain(ctx); err != nil {
		t.Fatal(err)
	}
}

// attempts returns the request IDs that the test function wrote to a file.
func attempts(t *testing.T, file string) []string {
	t.Helper()
	b, err := os.ReadFile(file)
	if err != nil && !os.IsNotExist(err) {
		t.Fatal(err)
	}
	return strings.Fields(string(b))
}

func TestAsyncRetriesUntilSuccess(t *testing.T) {
	for fails := range 3 {
		failed := new(records)
		f := start(t, func(c *Config) { c.RetryDelays = soon; c.OnFailure = failed.add })
		file := filepath.Join(t.TempDir(), "attempts")
		id := queue(t, f, fmt.Sprintf(`{"do":"append-then-fail-until","file":%q,"code":%d}`, file, fails+1))
		drain(t, f)
		got := attempts(t, file)
		if len(got) != fails+1 {
			t.Errorf("%d failures: %d attempts, want %d", fails, len(got), fails+1)
		}
		for _, attempt := range got {
			if attempt != id {
				t.Errorf("attempt had request ID %s, want that of the event, %s", attempt, id)
			}
		}
		if len(failed.all()) != 0 {
			t.Errorf("records of an event that succeeded: %v", failed.all())
		}
	}
}

func TestAsyncFailureRecord(t *testing.T) {
	for _, c := range []struct {
		name, event     string
		delays          []time.Duration
		count           int
		responsePayload string
	}{
		{"retries", `{"do":"named-error", "text":"<always> & ever"}`, soon, 3, `{"errorMessage":"<always> & ever","errorType":"NamedError"}`},
		{"no retries", `{"do":"named-error","text":"once"}`, []time.Duration{}, 1, `{"errorMessage":"once","errorType":"NamedError"}`},
		{"exit", `{"do":"exit","code":4}`, soon, 3, `{"errorType":"Runtime.ExitError","errorMessage":"RequestId: ID Error: Runtime exited with error: exit status 4"}`},
	} {
		t.Run(c.name, func(t *testing.T) {
			failed := new(records)
			f := start(t, func(cfg *Config) { cfg.RetryDelays = c.delays; cfg.OnFailure = failed.add })
			before := time.Now().Truncate(time.Millisecond)
			id := queue(t, f, c.event)
			drain(t, f)
			if n := len(failed.all()); n != 1 {
				t.Fatalf("%d records, want 1", n)
			}
			var got map[string]any
			if err := json.Unmarshal([]byte(failed.all()[0]), &got); err != nil {
				t.Fatal(err)
			}
			stamp, _ := got["timestamp"].(string)
			if at, err := time.Parse("2006-01-02T15:04:05.000Z", stamp); err != nil || at.Before(before) || at.After(time.Now()) {
				t.Errorf("timestamp %q: %v", stamp, err)
			}
			delete(got, "timestamp")
			var want map[string]any
			if err := json.Unmarshal(fmt.Appendf(nil, `{
				"version": "1.0",
				"requestContext": {
					"requestId": %q,
					"functionArn": "arn:aws:lambda:us-east-1:123456789012:function:test:$LATEST",
					"condition": "RetriesExhausted",
					"approximateInvokeCount": %d
				},
				"requestPayload": %s,
				"responseContext": {"statusCode": 200, "executedVersion": "$LATEST", "functionError": "Unhandled"},
				"responsePayload": %s
			}`, id, c.count, c.event, strings.Replace(c.responsePayload, "ID", id, 1)), &want); err != nil {
				t.Fatal(err)
			}
			gotText, _ := json.Marshal(got)
			wantText, _ := json.Marshal(want)
			if string(gotText) != string(wantText) {
				t.Errorf("record\n%s, want\n%s", gotText, wantText)
			}
			if c.name == "retries" && !strings.Contains(failed.all()[0], `"text":"<always> & ever"`) {
				t.Errorf("request payload was escaped: %s", failed.all()[0])
			}
		})
	}
}

func TestAsyncEventAge(t *testing.T) {
	failed := new(records)
	f := start(t, func(c *Config) {
		c.MaxEventAge = 200 * time.Millisecond
		c.RetryDelays = []time.Duration{300 * time.Millisecond, time.Minute}
		c.OnFailure = failed.add
	})
	queue(t, f, `{"do":"error","text":"no"}`)
	drain(t, f)
	if n := len(failed.all()); n != 1 || !strings.Contains(failed.all()[0], `"condition":"EventAgeExceeded","approximateInvokeCount":1`) {
		t.Errorf("records: %v; want one of an event too old", failed.all())
	}
}

// Events wait for a process instead of being throttled, and share the
// function's processes with other invocations.
func TestAsyncWithinReservedConcurrency(t *testing.T) {
	failed := new(records)
	f := start(t, func(c *Config) { c.MaxEnvironments = 2; c.RetryDelays = soon; c.OnFailure = failed.add })
	release := waiters(t, f, 2)
	file := filepath.Join(t.TempDir(), "attempts")
	for range 20 {
		queue(t, f, fmt.Sprintf(`{"do":"append-then-fail-until","file":%q}`, file))
	}
	short, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	if err := f.Drain(short); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("Drain while nothing can run: %v; want the context's error", err)
	}
	release()
	drain(t, f)
	if n := len(attempts(t, file)); n != 20 || len(failed.all()) != 0 {
		t.Errorf("%d of 20 events were handled; failed: %v", n, failed.all())
	}
	if n := len(f.Environments()); n != 2 {
		t.Errorf("%d environments, want 2", n)
	}
}

func TestAsyncQueueIsBounded(t *testing.T) {
	f := start(t, func(c *Config) { c.MaxEnvironments = 1; c.AsyncQueueBytes = 3*eventOverhead + 5 })
	release := waiters(t, f, 1)
	for range 3 {
		queue(t, f, `1`)
	}
	var full *QueueFullError
	if _, err := f.InvokeAsync([]byte(`1`)); !errors.As(err, &full) || full.Events != 3 {
		t.Errorf("fourth event: %v; want a QueueFullError that counts 3", err)
	}
	release()
	drain(t, f)
	for range 3 {
		queue(t, f, `1`)
	}
	drain(t, f)
}

func TestCloseDropsEvents(t *testing.T) {
	l := new(logs)
	f := start(t, func(c *Config) {
		c.MaxEnvironments = 1
		c.Log = l.add
		c.OnFailure = func([]byte) { t.Error("OnFailure called") }
	})
	queue(t, f, `{"do":"error","text":"to be tried again in a minute"}`)
	eventually(t, "the first attempt to end", func() bool {
		f.mu.Lock()
		defer f.mu.Unlock()
		return len(f.async.retries) == 1
	})
	queue(t, f, `{"do":"sleep","millis":600000}`)
	eventually(t, "the second event to begin", func() bool { return f.Environments()[0].Invocations == 2 })
	queue(t, f, `1`)
	drained := make(chan error)
	go func() { drained <- f.Drain(context.Background()) }()
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	if err := <-drained; !errors.Is(err, ErrClosed) || !strings.Contains(err.Error(), "3 events were dropped") {
		t.Errorf("Drain: %v; want 3 dropped events", err)
	}
	if _, ok := l.find("closed with 3 asynchronous events not handled"); !ok {
		t.Errorf("the log does not say that events were dropped:\n%s", l)
	}
}

func TestDrainOfAnEmptyQueue(t *testing.T) {
	f := start(t, nil)
	drain(t, f)
	queue(t, f, `1`)
	drain(t, f)
	drain(t, f)
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	if err := f.Drain(t.Context()); err != nil {
		t.Errorf("Drain after Close, nothing dropped: %v", err)
	}
}
