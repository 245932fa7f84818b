package catalog

import (
	"strings"
	"testing"
)

// TestSize: a catalog that is longer than readers take is not written.
func TestSize(t *testing.T) {
	data, _, err := New().Encode()
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := New().encode(len(data)); err != nil {
		t.Error(err)
	}
	if data, _, err := New().encode(len(data) - 1); err == nil || data != nil || !strings.Contains(err.Error(), "more than the") {
		t.Errorf("%d octets, %v", len(data), err)
	}
}
