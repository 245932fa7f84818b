package fsck_test

import (
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/crlgate/crlgate/cmd/crlgate/internal/fsck"
)

var row = regexp.MustCompile("(?m)^\\| `([a-z_]+)` \\| (yes|no) \\| ([^|]+) \\| ([^|]+) \\|$")

// TestCodesPage holds docs/codes.md to the kinds of difference, both ways.
func TestCodesPage(t *testing.T) {
	page, err := os.ReadFile("../../../../docs/codes.md")
	if err != nil {
		t.Fatal(err)
	}
	_, section, ok := strings.Cut(string(page), "## What fsck finds")
	if !ok {
		t.Fatal("the page says nothing of fsck")
	}
	var listed []fsck.Code
	for _, r := range row.FindAllStringSubmatch(section, -1) {
		code := fsck.Code(r[1])
		listed = append(listed, code)
		if !slices.Contains(fsck.Codes(), code) {
			t.Errorf("the page has %s, which fsck never says", code)
			continue
		}
		if mends := r[2] == "yes"; mends != fsck.Mends(code) {
			t.Errorf("%s: the page says mended %v, fsck %v", code, mends, !mends)
		}
	}
	for _, code := range fsck.Codes() {
		if !slices.Contains(listed, code) {
			t.Errorf("the page lacks %s", code)
		}
	}
	if n := strings.Count(section, "\n| `"); n != len(listed) {
		t.Errorf("%d of %d rows have four cells", len(listed), n)
	}
}
