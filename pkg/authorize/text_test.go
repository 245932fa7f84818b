package authorize

import (
	"encoding/pem"
	"fmt"
	"strings"
	"testing"

	"github.com/crlgate/crlgate/internal/pki"
	"github.com/crlgate/crlgate/internal/pki/pkitest"
)

// TestPrintable: every octet that is not printable ASCII is escaped, and the
// others stand as they are, in short texts and in long ones.
func TestPrintable(t *testing.T) {
	for c := range 256 {
		want := string([]byte{byte(c)})
		if c < 0x20 || c > 0x7e {
			want = fmt.Sprintf(`\%02X`, c)
		}
		for _, around := range []string{"", strings.Repeat("x", maxText/2)} {
			for _, text := range [][2]string{{string([]byte{byte(c)}) + around, want + around}, {around + string([]byte{byte(c)}), around + want}} {
				if got := printable(text[0]); got != text[1] {
					t.Errorf("%q: %q", text[0], got)
				}
			}
		}
	}
}

// TestCuts: a text is cut where it would take more than 1 KiB of JSON, quotes and
// backslashes counted twice, and not an octet earlier.
func TestCuts(t *testing.T) {
	repeat := strings.Repeat
	for text, want := range map[string]string{
		repeat("x", 1021):       repeat("x", 1021),
		repeat("x", 1022):       repeat("x", 1021) + "...",
		repeat(`"`, 512):        repeat(`"`, 512),
		" ~" + repeat(`"`, 510): " ~" + repeat(`"`, 510),
		repeat(`"`, 513):        repeat(`"`, 510) + "...",
		repeat(`\`, 512):        repeat(`\`, 512),
		repeat(`\`, 513):        repeat(`\`, 510) + "...",
	} {
		if got := printable(text); got != want {
			t.Errorf("%d octets of %.1s: %d, ending in %q", len(text), text, len(got), got[max(0, len(got)-5):])
		}
		if got := appendString(nil, printable(text)); len(got) > maxText+2 {
			t.Errorf("%d octets of %.1s take %d in JSON", len(text), text, len(got))
		}
	}
}

// TestNoFormDenies: what is of no known form is denied in both forms, whatever
// was decided.
func TestNoFormDenies(t *testing.T) {
	got := string(respond(&Request{}, true, &Context{Decision: "allow"}))
	if !strings.Contains(got, `"isAuthorized":false`) || !strings.Contains(got, `"Effect":"Deny"`) || strings.Contains(got, `"ca"`) {
		t.Errorf("%s", got)
	}
}

// TestCertificatesAreReadOnce: what is remembered is found by its octets, up to
// the size that is remembered.
func TestCertificatesAreReadOnce(t *testing.T) {
	text := pkitest.Leaf(t, pkitest.CA(t, pki.CAOptions{}), pki.LeafOptions{}).PEM()
	if block, _ := pem.Decode(text); block == nil || len(text) >= maxRemembered {
		t.Fatalf("%d octets of PEM", len(text))
	}
	for size, remembered := range map[int]bool{len(text): true, maxRemembered: true, maxRemembered + 1: false} {
		var m memory
		raw := append([]byte(nil), text...)
		for len(raw) < size {
			raw = append(raw, '\n')
		}
		first, err := m.certificate(token{raw: raw})
		if err != nil {
			t.Fatal(err)
		}
		again, err := m.certificate(token{raw: append([]byte(nil), raw...)})
		if err != nil || (again == first) != remembered {
			t.Errorf("%d octets: the same %t, %v", size, again == first, err)
		}
		if other := m.find([]byte("another")); other != nil || m.find(nil) != nil {
			t.Errorf("%d octets: found under another name", size)
		}
	}
}

// TestYoungHalf: the last 512 certificates are remembered, however they came.
func TestYoungHalf(t *testing.T) {
	var m memory
	for i := range maxYoung {
		m.put(&known{raw: fmt.Sprint(i)})
	}
	if len(m.young) != maxYoung || len(m.old) != 0 {
		t.Errorf("%d are young, %d old", len(m.young), len(m.old))
	}
	m.put(&known{raw: "one more"})
	if len(m.young) != 1 || len(m.old) != maxYoung {
		t.Errorf("%d are young, %d old", len(m.young), len(m.old))
	}
}
