package tiny

import (
	"errors"
	"fmt"
	"testing"
	"time"
)

func TestGrade(t *testing.T) {
	for n, want := range map[int]string{0: "low", 9: "low", 10: "high"} {
		if got, err := Grade(n); got != want || err != nil {
			t.Errorf("Grade(%d) = %q, %v", n, got, err)
		}
	}
	if got, err := Grade(-1); got != "" || !errors.Is(err, ErrNegative) {
		t.Errorf("Grade(-1) = %q, %v", got, err)
	}
}

func TestFresh(t *testing.T) {
	now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	if !Fresh(now, now.Add(1)) || Fresh(now.Add(1), now) {
		t.Error("Fresh")
	}
}

func FuzzSum(f *testing.F) {
	f.Add(3)
	f.Fuzz(func(t *testing.T, n int) {
		if n == 3 && Sum(n) != 6 {
			t.Error("Sum(3) is not 6")
		}
	})
}

func TestFirst(t *testing.T) {
	a, b := make(chan int, 1), make(chan int, 1)
	a <- 3
	if n := First(a, b); n != 6 {
		t.Errorf("First is %d", n)
	}
	b <- 3
	if n := First(a, b); n != 0 {
		t.Errorf("First is %d", n)
	}
}

func ExampleKind() {
	fmt.Println(Kind(7), Kind("x"), Kind([]byte("x")))
	// Output: 7 2 2
}
