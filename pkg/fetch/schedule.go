package fetch

import (
	"slices"
	"time"
)

// Shares of the time from one CRL of a CA to its next.
const (
	regularLooks = 24 // looks between two CRLs: a CRL out of turn is found within that share
	overdueLooks = 96 // the same, once a CRL should be there and is not
	guess        = 4  // CRLs in a validity, as long as the habit is not known
)

// Next returns when to look again at a source whose state says how the last look
// went. The times that it depends on:
//
//   - The habit: how often the CA publishes. As long as no second CRL was seen, a
//     fourth of the validity is taken for it. A look comes at every 24th part of it;
//     so a CA that publishes daily is asked every hour, one that does hourly every
//     two and a half minutes, within MinInterval and MaxInterval.
//   - When the next CRL is expected, by the habit and by nextUpdate: a look comes
//     right after that, and then four times as often until it is there.
//   - What is left until nextUpdate: never more than a fourth of it, so that a
//     failure is found and mended in time.
//
// After failures the pause begins at MinInterval and doubles, and the same bounds
// hold; a server's Retry-After is honoured within them. random, 0 to 1, spreads the
// looks of many fetchers by a tenth.
func (c *Config) Next(s *State, retryAfter time.Duration, now time.Time, random float64) time.Time {
	least, most := c.MinInterval, c.MaxInterval
	if least <= 0 {
		least = DefaultMinInterval
	}
	if most < least {
		most = max(least, DefaultMaxInterval)
	}
	pause := c.regular(s, now, least, most)
	if s.Failures > 0 {
		backoff := most
		if doublings := s.Failures - 1; doublings < 20 {
			backoff = min(most, least<<doublings)
		}
		pause = min(max(backoff, retryAfter), most)
	}
	if s.NextUpdate != nil {
		switch left := s.NextUpdate.Sub(now); {
		case left > 0:
			pause = min(pause, max(left/4, least))
		default:
			// Clients are being denied, or live on grace: each minute counts at
			// first. Who has been late for days is not in a hurry.
			pause = min(pause, max(-left/4, least))
		}
	}
	jittered := time.Duration(float64(pause) * (0.9 + 0.1*random))
	return now.Add(max(jittered, least*9/10))
}

// regular is the pause after a look that did not fail.
func (c *Config) regular(s *State, now time.Time, least, most time.Duration) time.Duration {
	habit := time.Duration(s.Habit) * time.Second
	if habit <= 0 {
		if s.ThisUpdate == nil || s.NextUpdate == nil {
			return most
		}
		habit = s.NextUpdate.Sub(*s.ThisUpdate) / guess
	}
	pause := min(max(habit/regularLooks, least), most)
	if s.ThisUpdate == nil || s.Habit <= 0 {
		return pause
	}
	switch expected := s.ThisUpdate.Add(habit); {
	case now.Before(expected):
		// Right after it, and not in the middle of the step that it falls in.
		if until := expected.Sub(now) + least/2; until < pause {
			pause = max(until, least)
		}
	case now.Sub(expected) < habit/2:
		pause = min(pause, max(habit/overdueLooks, least))
	}
	return pause
}

// learn notes the dates of a CRL that was fetched, and what they tell of the
// CA's habit.
func (s *State) learn(thisUpdate, nextUpdate time.Time) {
	if s.ThisUpdate != nil {
		if gap := int64(thisUpdate.Sub(*s.ThisUpdate) / time.Second); gap > 0 {
			s.Intervals = append(s.Intervals, gap)
			s.Intervals = s.Intervals[max(0, len(s.Intervals)-maxIntervals):]
		}
	}
	// The median: one CRL out of turn, or one that was missed, is no habit.
	if n := len(s.Intervals); n > 0 {
		sorted := slices.Sorted(slices.Values(s.Intervals))
		s.Habit = sorted[(n-1)/2]
	}
	s.ThisUpdate, s.NextUpdate = moment(thisUpdate), moment(nextUpdate)
}

func moment(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	t = t.UTC()
	return &t
}

// wantsFull reports whether the next look should ask for the whole body, validators or
// not: a server that always says that nothing has changed is found out within a
// fourth of the CRL's validity, a day at most.
func (s *State) wantsFull(now time.Time) bool {
	every := 24 * time.Hour
	if s.ThisUpdate != nil && s.NextUpdate != nil {
		every = min(every, max(s.NextUpdate.Sub(*s.ThisUpdate)/4, time.Hour))
	}
	age := now.Sub(s.Full)
	return age >= every || age < 0
}
