package user

import (
	"testing"
	"time"
)

func TestLate(t *testing.T) {
	limit := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	if !Late(limit, limit) {
		t.Error("at the limit it is late")
	}
}
