// Package user drives package tiny.
package user

import (
	"time"

	"example.com/tiny"
)

// Late says whether a limit has come.
func Late(now, limit time.Time) bool { return !tiny.Fresh(now, limit) }
