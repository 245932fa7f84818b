package fetch

import (
	"testing"
	"time"
)

var usual = Config{MinInterval: time.Minute, MaxInterval: time.Hour}

// published is a state after a CRL of some age and validity.
func published(age, validity, habit time.Duration) *State {
	this := start.Add(-age)
	next := this.Add(validity)
	return &State{ThisUpdate: &this, NextUpdate: &next, Habit: int64(habit / time.Second)}
}

// TestNext: the pause after a look, without jitter.
func TestNext(t *testing.T) {
	const day = 24 * time.Hour
	for name, c := range map[string]struct {
		state *State
		retry time.Duration
		want  time.Duration
	}{
		"nothing known":                       {&State{}, 0, time.Hour},
		"first CRL of a week":                 {published(0, 7*day, 0), 0, time.Hour},
		"first CRL of a day":                  {published(0, day, 0), 0, 15 * time.Minute},
		"daily, for seven days":               {published(6*time.Hour, 7*day, day), 0, time.Hour},
		"hourly, for a day":                   {published(10*time.Minute, day, time.Hour), 0, 150 * time.Second},
		"yearly":                              {published(30*day, 365*day, 180*day), 0, time.Hour},
		"expected in 20 minutes":              {published(day-20*time.Minute, 7*day, day), 0, 20*time.Minute + 30*time.Second},
		"overdue":                             {published(day+time.Minute, 7*day, day), 0, 15 * time.Minute},
		"overdue for long: no habit any more": {published(2*day, 7*day, day), 0, time.Hour},
		"two hours left":                      {published(7*day-2*time.Hour, 7*day, 7*day), 0, 30 * time.Minute},
		"ten minutes left":                    {published(7*day-10*time.Minute, 7*day, 7*day), 0, 150 * time.Second},
		"a second left":                       {published(7*day-time.Second, 7*day, 7*day), 0, time.Minute},
		"just expired":                        {published(7*day+time.Second, 7*day, 7*day), 0, time.Minute},
		"expired for two hours":               {published(7*day+2*time.Hour, 7*day, 7*day), 0, 30 * time.Minute},
		"expired for a week":                  {published(14*day, 7*day, 7*day), 0, time.Hour},
		"dates that go backwards":             {published(0, -time.Hour, 0), 0, time.Minute},
		"one failure":                         {failing(1, published(0, 7*day, day)), 0, time.Minute},
		"three failures":                      {failing(3, published(0, 7*day, day)), 0, 4 * time.Minute},
		"many failures":                       {failing(100, published(0, 7*day, day)), 0, time.Hour},
		"failures near the end":               {failing(100, published(7*day-20*time.Minute, 7*day, day)), 0, 5 * time.Minute},
		"failures after the end":              {failing(100, published(7*day+8*time.Minute, 7*day, day)), 0, 2 * time.Minute},
		"Retry-After":                         {failing(1, published(0, 7*day, day)), 10 * time.Minute, 10 * time.Minute},
		"Retry-After of a day":                {failing(1, published(0, 7*day, day)), day, time.Hour},
		"Retry-After, with little time left":  {failing(1, published(7*day-20*time.Minute, 7*day, day)), time.Hour, 5 * time.Minute},
		"failing from the start":              {failing(2, &State{}), 0, 2 * time.Minute},
	} {
		if got := usual.Next(c.state, c.retry, start, 1).Sub(start); got != c.want {
			t.Errorf("%s: %v, want %v", name, got, c.want)
		}
		// Jitter makes it a tenth earlier at most, and never later.
		if got := usual.Next(c.state, c.retry, start, 0).Sub(start); got < c.want*9/10 || got > c.want {
			t.Errorf("%s: %v with the most jitter, of %v", name, got, c.want)
		}
	}
	tight := Config{MinInterval: 2 * time.Hour, MaxInterval: time.Hour}
	if got := tight.Next(&State{}, 0, start, 1).Sub(start); got != 2*time.Hour {
		t.Errorf("with the bounds crossed: %v", got)
	}
}

func failing(n int, s *State) *State {
	s.Failures = n
	return s
}

// TestBackOffEndsBeforeTheCRLDoes: whatever the failures, there are looks until
// nextUpdate, and the last is not long before it.
func TestBackOffEndsBeforeTheCRLDoes(t *testing.T) {
	s := published(0, 6*time.Hour, time.Hour)
	now, looks, last := start, 0, start
	for now.Before(*s.NextUpdate) {
		s.Failures++
		looks++
		last, now = now, usual.Next(s, 0, now, 1)
		if looks > 1000 {
			t.Fatal("it is asked for ever")
		}
	}
	if looks < 12 || s.NextUpdate.Sub(last) > 2*time.Minute {
		t.Errorf("%d looks, the last %v before nextUpdate", looks, s.NextUpdate.Sub(last))
	}
}

// TestHabit: the median of the last intervals, so that one CRL out of turn is no
// habit.
func TestHabit(t *testing.T) {
	s := &State{}
	at := start
	publish := func(after time.Duration) {
		at = at.Add(after)
		s.learn(at, at.Add(7*24*time.Hour))
	}
	publish(0)
	if s.Habit != 0 {
		t.Errorf("after one CRL: %d", s.Habit)
	}
	publish(24 * time.Hour)
	publish(0) // the same again
	publish(24 * time.Hour)
	publish(time.Hour) // out of turn
	publish(23 * time.Hour)
	if s.Habit != 23*3600 && s.Habit != 24*3600 {
		t.Errorf("habit %ds", s.Habit)
	}
	s.learn(at.Add(-48*time.Hour), at) // one from before
	if len(s.Intervals) != 4 {
		t.Errorf("intervals %v", s.Intervals)
	}
	at = at.Add(-48 * time.Hour)
	for range 10 {
		publish(time.Hour)
	}
	if s.Habit != 3600 || len(s.Intervals) != maxIntervals {
		t.Errorf("the CA changed its habit: %d, %v", s.Habit, s.Intervals)
	}
	s.learn(at, time.Time{})
	if s.NextUpdate != nil {
		t.Error("a nextUpdate that is not there")
	}
}

func TestWantsFull(t *testing.T) {
	for _, c := range []struct {
		validity, age time.Duration
		want          bool
	}{
		{7 * 24 * time.Hour, 23 * time.Hour, false},
		{7 * 24 * time.Hour, 24 * time.Hour, true},
		{8 * time.Hour, time.Hour, false},
		{8 * time.Hour, 2 * time.Hour, true},
		{time.Hour, 59 * time.Minute, false},
		{time.Hour, time.Hour, true},
		{time.Hour, -time.Minute, true}, // the clock was set back
	} {
		s := published(0, c.validity, 0)
		s.Full = start.Add(-c.age)
		if got := s.wantsFull(start); got != c.want {
			t.Errorf("%+v: %t", c, got)
		}
	}
}
