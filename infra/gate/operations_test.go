package gate_test

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/crlgate/crlgate/pkg/telemetry"
)

// operations is the page that an operator reads.
func operations(t *testing.T) string {
	t.Helper()
	b, err := os.ReadFile("../../docs/operations.md")
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// rows are the rows of the Markdown table whose header begins with that cell.
func rows(t *testing.T, page, header string) []string {
	t.Helper()
	_, table, found := strings.Cut(page, "\n| "+header+" |")
	if !found {
		t.Fatalf("there is no table that begins with %s", header)
	}
	var out []string
	for i, line := range strings.Split(table, "\n") {
		if i < 2 { // the rest of the header, and the rule
			continue
		}
		if !strings.HasPrefix(line, "|") {
			break
		}
		out = append(out, line)
	}
	return out
}

// TestOperationsListsTheAlarms compares the page with the template in both directions.
func TestOperationsListsTheAlarms(t *testing.T) {
	missing := map[string]string{"notBreaching": "no alarm", "ignore": "as before", "breaching": "alarm"}
	var want []string
	for name, w := range alarms(watched(t)) {
		section := name
		if strings.HasPrefix(w.condition, ">") {
			section = "DenialsUnusual"
		}
		var names []string
		for _, r := range w.metrics {
			if name := strings.TrimPrefix(r.namespace+" ", "crlgate ") + r.name; !slices.Contains(names, "`"+name+"`") {
				names = append(names, "`"+name+"`")
			}
		}
		want = append(want, fmt.Sprintf("| [%s](#%s) | %s %s %s | %s | %s |",
			name, strings.ToLower(section), strings.ToLower(w.statistic), strings.Join(names, ", "), w.condition, w.periods, missing[w.missing]))
	}
	sameSet(t, "the table of alarms in docs/operations.md", rows(t, operations(t), "Alarm"), want)
}

// TestOperationsListsTheMetrics compares the page with what the functions report, in both directions.
func TestOperationsListsTheMetrics(t *testing.T) {
	reported := reportedBy()
	var want []string
	for _, d := range telemetry.Metrics() {
		sets := make([]string, len(reported[d.Name]))
		for i, set := range reported[d.Name] {
			sets[i] = strings.ReplaceAll(set, ",", " + ")
		}
		want = append(want, fmt.Sprintf("| `%s` | %s | %s |", d.Name, d.Unit, strings.Join(sets, "; ")))
	}
	var got []string
	for _, row := range rows(t, operations(t), "Metric") {
		cells := strings.SplitN(row, " | ", 4)
		if len(cells) != 4 || len(cells[3]) < 20 {
			t.Errorf("a row without a meaning: %s", row)
			continue
		}
		got = append(got, strings.Join(cells[:3], " | ")+" |")
	}
	sameSet(t, "the table of metrics in docs/operations.md", got, want)
	if len(reported) < 10 {
		t.Error("hardly any metric is reported: the comparison says nothing")
	}
}

func TestDashboardIsThere(t *testing.T) {
	m := watched(t)
	_, dashboard := m.one("AWS::CloudWatch::Dashboard", "")
	body := text(get(dashboard, "Properties", "DashboardBody"))
	for id := range m.resources("AWS::CloudWatch::Alarm") {
		if !strings.Contains(body, "<"+id+".Arn>") {
			t.Errorf("%s is not on the dashboard", id)
		}
	}
}
