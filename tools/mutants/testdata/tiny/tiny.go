// Package tiny is a package for the test of the tool: tests hold some of what
// it does and not the rest.
package tiny

import (
	"errors"
	"time"
)

// ErrNegative is returned for a negative number.
var ErrNegative = errors.New("negative")

const top = 10

// Grade is fully held by tests.
func Grade(n int) (string, error) {
	if n < 0 {
		return "", ErrNegative
	}
	if n >= top {
		return "high", nil
	}
	return "low", nil
}

// Fresh is not tried at the moment of the limit.
func Fresh(now, limit time.Time) bool {
	return now.Before(limit)
}

// Sum would not end without its step, and has a line that changes nothing.
func Sum(n int) int {
	sum, last := 0, 0
	for n > 0 {
		sum += n
		last = n
		n--
	}
	last = 0
	return sum + last
}

// Unused is called by no test.
func Unused(a, b bool) bool { return a && b }

// First waits for one of two channels.
func First(a, b chan int) (n int) {
	select {
	case n = <-a:
		n *= 2
	case <-b:
	}
	return n
}

// Kind ends in a switch, so that a dropped clause would fall out of the function.
func Kind(v any) int {
	switch v := v.(type) {
	case int:
		return v
	case []byte, string:
		return 2
	default:
		panic("no such kind")
	}
}
