package fetch

import (
	"context"
	"sync"
	"time"
)

const (
	// lastWords is how much of the time until the context's deadline is kept for
	// writing states; leastLook what must be left beside that to begin a look.
	lastWords = 10 * time.Second
	leastLook = 10 * time.Second
)

// looks are the looks of one run, some at a time. A slow one holds up nobody:
// while it is under way, what becomes due is begun all the same.
type looks struct {
	f       *Fetcher
	ctx     context.Context // for the bucket
	looking context.Context // for the network: ends earlier, so that states can be written
	cancel  context.CancelFunc
	clock   func() time.Time
	slots   chan struct{}
	ended   chan struct{} // says that looks have ended

	mu      sync.Mutex // guards what follows and the memory's states
	summary *Summary
	under   map[string]bool // keys of states of looks that are begun or wait for a slot
}

func (f *Fetcher) newLooks(ctx context.Context, clock func() time.Time, s *Summary) *looks {
	l := &looks{
		f: f, ctx: ctx, looking: ctx, cancel: func() {}, clock: clock, summary: s,
		slots: make(chan struct{}, f.config.Parallel), ended: make(chan struct{}, 1), under: map[string]bool{},
	}
	if deadline, ok := ctx.Deadline(); ok {
		l.looking, l.cancel = context.WithDeadline(ctx, deadline.Add(-lastWords))
	}
	return l
}

// start begins looks, in this order as slots come free.
func (l *looks) start(todo []Source) {
	var begin []Source
	for _, source := range todo {
		key := source.StateKey(l.f.config.StatePrefix)
		if !l.under[key] {
			l.under[key] = true
			begin = append(begin, source)
		}
	}
	if len(begin) == 0 {
		return
	}
	go func() {
		for _, source := range begin {
			l.slots <- struct{}{}
			go func() {
				l.look(source)
				<-l.slots
				select {
				case l.ended <- struct{}{}:
				default:
				}
			}()
		}
	}()
}

// wait waits for all looks. With more, it begins what becomes due meanwhile, but
// for what has failed before: that would keep the run from ending.
func (l *looks) wait(more bool) (err error) {
	defer l.cancel()
	every := max(l.f.config.MinInterval, time.Second)
	tick := time.NewTicker(min(every, DefaultMinInterval))
	defer tick.Stop()
	for {
		l.mu.Lock()
		left := len(l.under)
		l.mu.Unlock()
		if left == 0 {
			return err
		}
		select {
		case <-l.ended:
		case <-tick.C:
			if more && err == nil && l.looking.Err() == nil {
				err = l.again()
			}
		}
	}
}

// again begins what has become due.
func (l *looks) again() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if err := l.f.readCatalog(l.looking); err != nil {
		return err
	}
	now := l.clock()
	var due []Source
	for _, source := range l.f.configured() {
		if s := l.f.stateOf(&source); (s == nil || s.Failures == 0) && l.f.due(&source, now) {
			due = append(due, source)
		}
	}
	l.start(due)
	return nil
}

// look makes one look, if there is time for it.
func (l *looks) look(source Source) {
	key := source.StateKey(l.f.config.StatePrefix)
	l.mu.Lock()
	before := l.f.memory.known[key]
	l.mu.Unlock()
	r, after := Result{Source: source}, before
	if deadline, ok := l.looking.Deadline(); l.looking.Err() == nil && (!ok || time.Until(deadline) >= leastLook) {
		r, after = l.f.look(l.ctx, l.looking, source, before, l.clock)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.under, key)
	if r.State == nil {
		l.summary.Left++
		return
	}
	l.f.memory.known[key] = after
	l.summary.Looks = append(l.summary.Looks, r)
}
