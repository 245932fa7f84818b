package s3proc

import (
	"encoding/json"
	"sync"
)

// A queue hands events to a function, in order and one at a time. It holds as
// many as come, so that putting one never waits.
type queue struct {
	mu     sync.Mutex
	filled sync.Cond
	events []json.RawMessage
	closed bool
	done   chan struct{}
}

// newQueue starts a queue that calls handle; nil drops what comes.
func newQueue(handle func(json.RawMessage)) *queue {
	if handle == nil {
		handle = func(json.RawMessage) {}
	}
	q := &queue{done: make(chan struct{})}
	q.filled.L = &q.mu
	go func() {
		defer close(q.done)
		for {
			event, ok := q.take()
			if !ok {
				return
			}
			handle(event)
		}
	}()
	return q
}

// put appends an event.
func (q *queue) put(event json.RawMessage) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.events = append(q.events, event)
	q.filled.Signal()
}

// take waits for the next event. It says false when there will be none.
func (q *queue) take() (json.RawMessage, bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for len(q.events) == 0 && !q.closed {
		q.filled.Wait()
	}
	if len(q.events) == 0 {
		return nil, false
	}
	event := q.events[0]
	q.events = q.events[1:]
	return event, true
}

// close waits until all events are handled and ends the queue.
func (q *queue) close() {
	q.mu.Lock()
	q.closed = true
	q.filled.Signal()
	q.mu.Unlock()
	<-q.done
}
