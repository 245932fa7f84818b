package telemetry

import (
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"
)

var update = flag.Bool("update", false, "write the tables of docs/operations.md anew")

const operations = "../../docs/operations.md"

// keyTable and messageTable are the tables of docs/operations.md.
func keyTable() string {
	b := "| Key | Type | In | Meaning |\n|---|---|---|---|\n"
	for _, k := range Keys() {
		b += fmt.Sprintf("| `%s` | %s | %s | %s |\n", k.Name, k.Type, strings.Join(k.By, ", "), k.Meaning)
	}
	return b
}

func messageTable() string {
	b := "| msg | Level | In | Says |\n|---|---|---|---|\n"
	for _, m := range Messages() {
		b += fmt.Sprintf("| `%s` | %s | %s | %s |\n", m.Text, m.Level, strings.Join(m.By, ", "), m.Meaning)
	}
	return b
}

// tableAfter is the first table behind a header, with what is before and behind it.
func tableAfter(page, header string) (before, table, behind string, ok bool) {
	at := strings.Index(page, header)
	if at < 0 {
		return "", "", "", false
	}
	end := at
	for _, line := range strings.SplitAfter(page[at:], "\n") {
		if !strings.HasPrefix(line, "|") {
			break
		}
		end += len(line)
	}
	return page[:at], page[at:end], page[end:], true
}

// TestDocs: the tables of the page are those of the code. That the code's are what
// the functions emit, an end-to-end test holds.
func TestDocs(t *testing.T) {
	b, err := os.ReadFile(operations)
	if err != nil {
		t.Fatal(err)
	}
	page := string(b)
	for header, want := range map[string]string{"| Key | Type |": keyTable(), "| msg | Level |": messageTable()} {
		before, table, behind, ok := tableAfter(page, header)
		switch {
		case !ok:
			t.Errorf("docs/operations.md has no table that begins with %s", header)
		case table != want && *update:
			page = before + want + behind
		case table != want:
			t.Errorf("the table of docs/operations.md that begins with %s is not the code's; go test ./pkg/telemetry -update writes it:\n%s", header, want)
		}
	}
	if *update && page != string(b) {
		if err := os.WriteFile(operations, []byte(page), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

// TestFlushOld: what was recorded before a freeze bears the time of then.
func TestFlushOld(t *testing.T) {
	var out strings.Builder
	r := NewRecorder(&out, "f", 10*time.Second)
	step := func(what func(time.Time) error, at time.Duration, want time.Duration) {
		t.Helper()
		out.Reset()
		if err := what(noon.Add(at)); err != nil {
			t.Fatal(err)
		}
		stamp := fmt.Sprintf(`"Timestamp":%d`, noon.Add(want).UnixMilli())
		if want < 0 && out.Len() > 0 || want >= 0 && !strings.Contains(out.String(), stamp) {
			t.Errorf("at %v: %s, want the time %v", at, out.String(), want)
		}
	}
	r.Count(CRLPending, Labels{})
	step(r.FlushOld, 0, -1)
	step(r.FlushIfDue, 0, 0)
	r.Count(CRLPending, Labels{})
	step(r.FlushIfDue, time.Second, -1)
	step(r.FlushOld, 2*time.Second, -1)
	step(r.FlushOld, time.Hour, time.Second) // frozen meanwhile
	step(r.FlushOld, time.Hour, -1)
	r.Count(CRLPending, Labels{})
	step(r.FlushIfDue, time.Hour, time.Hour)
	r.Count(CRLPending, Labels{})
	step(r.FlushIfDue, time.Hour+time.Second, -1)
	step(r.Flush, 2*time.Hour, time.Hour+time.Second) // frozen, and then shut down
	r.Count(CRLPending, Labels{})
	step(r.Flush, 3*time.Hour, 3*time.Hour)
}
