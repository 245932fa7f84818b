package authorize

import (
	"fmt"
	"strings"
	"testing"
)

// What is remembered of certificates is bounded, and what is in use stays.
func TestMemoryIsBounded(t *testing.T) {
	var m memory
	m.put(&known{raw: "in use"})
	for i := range 10 * maxYoung {
		m.put(&known{raw: fmt.Sprint(i)})
		if i%100 == 0 && m.find([]byte("in use")) == nil {
			t.Fatalf("forgotten after %d others, though in use", i)
		}
		if n := len(m.young) + len(m.old); n > 2*maxYoung {
			t.Fatalf("%d are remembered", n)
		}
	}
	if m.find([]byte("0")) != nil {
		t.Error("one that nobody asked for is still there")
	}
}

// What cannot be read is not remembered.
func TestMalformedAreNotRemembered(t *testing.T) {
	var m memory
	for _, raw := range []string{"x", strings.Repeat("x", maxRemembered+1)} {
		if k, err := m.certificate(token{raw: []byte(raw)}); err == nil || k != nil {
			t.Errorf("%.10s: %v", raw, k)
		}
	}
	if len(m.young)+len(m.old) > 0 {
		t.Errorf("%d are remembered", len(m.young))
	}
}
