package machine

import (
	"slices"
	"strings"
	"sync"

	"github.com/crlgate/crlgate/cmd/crlgate/internal/lambdaruntime"
)

// maxLines bounds a Log: a run writes more than anybody reads.
const maxLines = 400

// Log keeps the last lines that a function wrote.
type Log struct {
	mu    sync.Mutex
	lines []string
}

// Line takes a line, as lambdaruntime.Config.Log does.
func (l *Log) Line(line lambdaruntime.LogLine) {
	if line.Platform || strings.Contains(line.Text, `"_aws"`) {
		return // START and END of every invocation, and metrics
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.lines) >= maxLines {
		l.lines = slices.Delete(l.lines, 0, maxLines/2)
	}
	l.lines = append(l.lines, line.Text)
}

// Last returns the last n lines.
func (l *Log) Last(n int) []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Clone(l.lines[max(0, len(l.lines)-n):])
}
