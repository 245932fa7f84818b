package catalog_test

import (
	"fmt"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/crlgate/crlgate/pkg/catalog"
)

func ExamplePartKey() {
	fmt.Println(catalog.PartKey("ae83a6c4ea58ecc590ccb1c864af9e475378c0035a2d318a105d9c8f5bb85b7c"))
	// Output:
	// catalog/ae83a6c4ea58ecc590ccb1c864af9e475378c0035a2d318a105d9c8f5bb85b7c.json
}

// TestReportKeysFit: a key of S3 has at most 1,024 octets, and the longest
// uploads have reports of their own all the same.
func TestReportKeysFit(t *testing.T) {
	seen := map[string]bool{}
	for n := 1000; n <= 1024; n++ {
		for _, upload := range []string{strings.Repeat("k", n), strings.Repeat("k", n%2) + strings.Repeat("é", n/2)} {
			key := catalog.ReportKey(upload)
			if len(key) > 1024 || seen[key] || !utf8.ValidString(key) {
				t.Errorf("%d octets of upload key: report lies under %d octets, seen before: %v", len(upload), len(key), seen[key])
			}
			seen[key] = true
		}
	}
}
