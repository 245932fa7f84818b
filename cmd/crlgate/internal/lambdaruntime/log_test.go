package lambdaruntime

import (
	"regexp"
	"slices"
	"strings"
	"testing"
)

func TestLineWriter(t *testing.T) {
	long := strings.Repeat("x", maxLineBytes)
	for _, c := range []struct {
		name   string
		writes []string
		lines  []string
	}{
		{"none", nil, nil},
		{"lines in one write", []string{"a\nb\n\nc\n"}, []string{"a", "b", "", "c"}},
		{"a line in many writes", []string{"a", "b", "c\nd", "\n"}, []string{"abc", "d"}},
		{"CRLF", []string{"a\r\n"}, []string{"a"}},
		{"no newline at the end", []string{"a\nb"}, []string{"a", "b"}},
		{"long", []string{long + "tail\nnext\n"}, []string{long, "tail", "next"}},
		{"long without end", []string{long[1:], "xyz"}, []string{long, "yz"}},
	} {
		var got []string
		w := &lineWriter{emit: func(line string) { got = append(got, line) }}
		for _, p := range c.writes {
			if n, err := w.Write([]byte(p)); n != len(p) || err != nil {
				t.Errorf("%s: Write: %d, %v", c.name, n, err)
			}
		}
		w.flush()
		if !slices.Equal(got, c.lines) {
			t.Errorf("%s: %.60q, want %.60q", c.name, got, c.lines)
		}
	}
}

func TestLogLines(t *testing.T) {
	l := new(logs)
	f := start(t, func(c *Config) { c.Log = l.add })
	r := succeed(t, f, `{"do":"print","text":"one\ntwo"}`)
	f.KillAll() // so that the output is complete
	var platform, own []string
	for _, line := range l.lines {
		if line.Function != "test" || line.PID != r.PID {
			t.Errorf("line %+v; want function test and process %d", line, r.PID)
		}
		if line.Platform {
			platform = append(platform, line.Text)
		} else {
			own = append(own, line.Text)
		}
	}
	if !slices.Equal(own, []string{"one", "twoone", "two"}) {
		t.Errorf("lines of the process: %q", own)
	}
	want := regexp.MustCompile(`^START RequestId: ID Version: \$LATEST
END RequestId: ID
REPORT RequestId: ID\tDuration: [\d.]+ ms\tBilled Duration: \d+ ms\tMemory Size: 128 MB(\tMax Memory Used: \d+ MB)?\tInit Duration: [\d.]+ ms$`)
	if got := strings.ReplaceAll(strings.Join(platform, "\n"), r.RequestID, "ID"); !want.MatchString(got) {
		t.Errorf("lines of the platform:\n%s", got)
	}
}
