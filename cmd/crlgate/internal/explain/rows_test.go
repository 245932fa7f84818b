package explain

import (
	"os"
	"strconv"
	"strings"
	"testing"

	"github.com/crlgate/crlgate/pkg/authorize"
)

// TestRowsAreTheDocumentedOnes: what the report says of each row is what
// docs/decision-table.md says.
func TestRowsAreTheDocumentedOnes(t *testing.T) {
	page, err := os.ReadFile("../../../../docs/decision-table.md")
	if err != nil {
		t.Fatal(err)
	}
	plain := strings.ReplaceAll(string(page), "`", "")
	for n := 1; n <= LastRow; n++ {
		decision := "deny "
		if n == LastRow {
			decision = "allow "
		}
		want := "| " + strconv.Itoa(n) + " | " + table[n].what + " | " + decision + string(table[n].reason) + " |"
		if !strings.Contains(plain, want) {
			t.Errorf("docs/decision-table.md has no line %q", want)
		}
		if n < LastRow && len(remedies[table[n].reason]) == 0 {
			t.Errorf("row %d has no remedy", n)
		}
	}
	if strings.Contains(plain, "| "+strconv.Itoa(LastRow+1)+" |") {
		t.Error("the page has more rows")
	}
}

// TestBreakGlassMatchesTheTable: what allow_until lets through is what the page
// says, so that the remedy names it only where it helps.
func TestBreakGlassMatchesTheTable(t *testing.T) {
	page, err := os.ReadFile("../../../../docs/decision-table.md")
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(page)) {
		for n := 1; n < LastRow; n++ {
			if reason := table[n].reason; strings.Contains(line, "| deny `"+string(reason)+"` |") && strings.Contains(line, "`allow_until`") != breakGlass(reason) {
				t.Errorf("allow and %s: %v, and the page says %s", reason, breakGlass(reason), line)
			}
		}
	}
	if breakGlass(authorize.Revoked) {
		t.Error("allow lets revoked certificates in")
	}
}
