package page

import (
	"strings"
	"testing"
)

func TestReplace(t *testing.T) {
	const doc = "# A\n\n<!-- one: begin (made) -->\nold\n<!-- one: end -->\n\n<!-- two: begin -->\nkept\n<!-- two: end -->\nend\n"
	got, err := Replace([]byte(doc), "one", "new\n")
	want := strings.Replace(doc, "\nold\n", "\n\nnew\n\n", 1)
	if err != nil || string(got) != want {
		t.Errorf("got %q, %v, want %q", got, err, want)
	}
	again, err := Replace(got, "one", "new")
	if err != nil || string(again) != want {
		t.Errorf("a second time: %q, %v", again, err)
	}
	for _, name := range []string{"three", "on"} {
		if got, err := Replace([]byte(doc), name, "x"); err == nil {
			t.Errorf("%q: %q", name, got)
		}
	}
}

func TestTable(t *testing.T) {
	table := NewTable("a", "b")
	table.Row("x|y", 1)
	if got, want := table.String(), "| a | b |\n|---|---|\n| x\\|y | 1 |\n"; got != want {
		t.Errorf("%q", got)
	}
}
