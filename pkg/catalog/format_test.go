package catalog_test

import (
	"encoding/hex"
	"encoding/json"
	"os"
	"strings"
	"testing"

	"github.com/crlgate/crlgate/pkg/catalog"
	"github.com/crlgate/crlgate/pkg/serialset"
)

const formatPage = "../../docs/cache-format.md"

// pageExample returns the block of code behind a marker in the specification.
func pageExample(t *testing.T, marker string) string {
	t.Helper()
	page, err := os.ReadFile(formatPage)
	if err != nil {
		t.Fatal(err)
	}
	_, rest, ok := strings.Cut(string(page), marker)
	text, _, end := strings.Cut(rest, "```\n")
	if !ok || !end {
		t.Fatalf("%s has no example behind %q", formatPage, marker)
	}
	return text
}

// TestSpecifiedCatalog holds the specification's catalog to the code: it is
// read, written again to the same octets, and its set is the page's other
// example.
func TestSpecifiedCatalog(t *testing.T) {
	text := pageExample(t, "<!-- example: catalog.json -->\n```json\n")
	c, err := catalog.Parse([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	again, err := json.MarshalIndent(c, "", " ")
	if err != nil || string(again)+"\n" != text {
		t.Errorf("written again it is\n%s(%v)", again, err)
	}
	ca := c.CAs["partner-a"]
	issuer, err := ca.Issuer("partner-a")
	if err != nil || len(issuer.Certificates) != 1 {
		t.Fatalf("issuer: %+v %v", issuer, err)
	}
	if got := issuer.Certificates[0].Fingerprint.String(); got != ca.Certificates[0].Fingerprint {
		t.Errorf("fingerprint of the certificate is %s", got)
	}
	l := ca.CRLs[0]
	if want := catalog.Line(issuer.Subject, issuer.Certificates[0].Key, l.Kind, l.Scope); l.Line != want {
		t.Errorf("line is %s, want %s", l.Line, want)
	}
	digest, err := l.Set.Digest()
	if err != nil {
		t.Fatal(err)
	}
	if want := catalog.SetKey(catalog.CRLName(l.Source.Key), digest); l.Set.Key != want {
		t.Errorf("set lies under %s, want %s", l.Set.Key, want)
	}

	var data []byte
	for line := range strings.Lines(pageExample(t, "<!-- example: set -->\n```\n")) {
		b, err := hex.DecodeString(strings.ReplaceAll(line[8:strings.Index(line, "|")], " ", ""))
		if err != nil {
			t.Fatal(err)
		}
		data = append(data, b...)
	}
	s, err := serialset.Open(data, digest)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := serialset.OpenIndex(data[:l.Set.Head], digest); err != nil || s.Len() != l.Entries || s.Size() != l.Set.Size {
		t.Errorf("set of %d entries and %d bytes, head: %v", s.Len(), s.Size(), err)
	}
}
