package soak

import (
	"context"
	"sync"
	"time"

	"github.com/crlgate/crlgate/cmd/crlgate/faults/internal/client"
)

const path = "/orders/17"

// mostWaiting bounds the requests that are due and not answered.
const mostWaiting = 20_000

// traffic sends requests at random moments (a Poisson process), which no answer
// holds up: what a client feels is the time from the moment that its request was
// due. Now and then, all processes are asked at once, so that none stays frozen
// for ever. It returns once every request is answered.
func (s *soak) traffic(working, running context.Context) {
	slots := make(chan struct{}, processes)
	var under sync.WaitGroup
	defer under.Wait()
	due := time.Now()
	burst := due.Add(s.pause())
	for {
		s.mu.Lock()
		due = due.Add(time.Duration(s.draw.ExpFloat64() / s.Rate * float64(time.Second)))
		s.mu.Unlock()
		select {
		case <-working.Done():
			return
		case <-time.After(time.Until(due)):
		}
		n := 1
		if due.After(burst) {
			n, burst = processes, due.Add(s.pause())
		}
		for range n {
			s.mu.Lock()
			full := s.result.Due-s.result.Requests > mostWaiting
			s.result.Due++
			s.mu.Unlock()
			if full {
				s.wrong("requests wait by the thousand: the machine, or the authorizer, does not keep up")
				s.stop(errWrong)
				return
			}
			at := due
			under.Go(func() {
				slots <- struct{}{}
				defer func() { <-slots }()
				s.request(running, at)
			})
		}
	}
}

// pause is the time to the next moment at which all are asked at once: at times
// less than REVALIDATE_AFTER, at times more than MAX_UNVALIDATED.
func (s *soak) pause() time.Duration {
	s.mu.Lock()
	defer s.mu.Unlock()
	return time.Second + time.Duration(s.draw.Float64()*float64(maxUnvalidated*3/2))
}

// request sends one request and judges the answer.
func (s *soak) request(ctx context.Context, due time.Time) {
	if ctx.Err() != nil {
		return
	}
	s.mu.Lock()
	form := forms[s.draw.IntN(len(forms))]
	again := s.draw.IntN(50) == 0
	l, fresh, err := s.people.drawn(s.draw)
	s.mu.Unlock()
	if err != nil {
		s.wrong("issuing a certificate: " + err.Error())
		return
	}
	if again {
		s.clients.Drop(&l.cert) // comes over a new connection
	}
	a := s.clients.Ask(ctx, s.URL(form)+path, &l.cert)
	if fresh {
		s.clients.Drop(&l.cert)
	}
	if ctx.Err() != nil {
		return
	}
	s.account(l, a, due)
	if wrong := s.judge(l, a); wrong != "" {
		s.violation(l, a, wrong)
	}
}

// account counts an answer.
func (s *soak) account(l *leaf, a client.Answer, due time.Time) {
	calm := s.faults.calm(due) && s.faults.calm(a.End) && due.Sub(s.began) > warmUp
	s.mu.Lock()
	defer s.mu.Unlock()
	r := &s.result
	r.Requests++
	if a.Connected {
		r.Connections++
	}
	switch {
	case a.Status == 200:
		r.Allowed++
		if accepted := l.Accepted.Load(); accepted != nil && a.Began.After(*accepted) {
			r.Late, r.Latest = r.Late+1, max(r.Latest, a.Began.Sub(*accepted))
		}
	default:
		r.Denies[a.Reason]++
	}
	took := a.End.Sub(due)
	r.window = append(r.window, took)
	if calm {
		r.Calm = append(r.Calm, took)
	} else {
		r.Disturbed = append(r.Disturbed, took)
	}
}
