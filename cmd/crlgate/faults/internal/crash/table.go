package crash

import (
	"fmt"
	"strings"

	"github.com/crlgate/crlgate/cmd/crlgate/faults/internal/page"
	"github.com/crlgate/crlgate/cmd/crlgate/internal/s3proc"
)

// Summary has a line a scenario.
func (r *Result) Summary() string {
	t := page.NewTable("scenario", "S3 calls of one run", "crashes", "different states left", "most orphans left", "recovered")
	var crashes, states, recovered, calls int
	for _, name := range r.Names {
		n, different, orphans, well := 0, 0, 0, 0
		for _, c := range r.Cells {
			if c.Scenario != name {
				continue
			}
			n++
			orphans = max(orphans, c.Orphans)
			if c.Like == 0 {
				different++
			}
			if len(c.Faults) == 0 {
				well++
			}
		}
		t.Row(name, r.Calls[name], n, different, orphans, outOf(well, n))
		crashes, states, recovered, calls = crashes+n, states+different, recovered+well, calls+r.Calls[name]
	}
	t.Row("**all**", calls, crashes, states, "", outOf(recovered, crashes))
	return t.String()
}

func outOf(n, all int) string {
	if n == all {
		return "all"
	}
	return fmt.Sprintf("**%d of %d**", n, all)
}

// Table has a line a call: what became of a crash at each of its points.
func (r *Result) Table() string {
	t := page.NewTable("scenario", "call", "request", "killed before S3 had it", "in the middle of a body", "after S3 had done it")
	type call struct {
		scenario string
		k        int
	}
	var order []call
	cells := map[call]map[s3proc.Point]*Cell{}
	for _, c := range r.Cells {
		at := call{c.Scenario, c.Call}
		if cells[at] == nil {
			cells[at] = map[s3proc.Point]*Cell{}
			order = append(order, at)
		}
		cells[at][c.Cut] = c
	}
	for _, at := range order {
		request := ""
		var verdicts []any
		for _, cut := range points {
			c := cells[at][cut]
			verdicts = append(verdicts, c.verdict())
			if c != nil {
				request = c.Method + " " + c.Class
			}
		}
		t.Row(append([]any{at.scenario, at.k, request}, verdicts...)...)
	}
	return t.String()
}

func (c *Cell) verdict() string {
	switch {
	case c == nil:
		return "–"
	case len(c.Faults) > 0:
		return "**not recovered**"
	case c.Orphans == 1:
		return "recovered, 1 orphan"
	case c.Orphans > 0:
		return fmt.Sprintf("recovered, %d orphans", c.Orphans)
	}
	return "recovered"
}

// Failures says what went wrong, and what the functions logged.
func (r *Result) Failures() string {
	var b strings.Builder
	for _, c := range r.Failed() {
		fmt.Fprintf(&b, "%s, killed %v at call %d (%s %s):\n", c.Scenario, c.Cut, c.Call, c.Method, c.Class)
		for _, f := range c.Faults {
			fmt.Fprintf(&b, "  %s\n", f)
		}
		for _, l := range c.Log {
			fmt.Fprintf(&b, "    | %.300s\n", l)
		}
	}
	return b.String()
}
