package authorize

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"
	"unicode/utf8"
)

// Eight octets at once are what one after another are, wherever each stands.
func TestOrdinary(t *testing.T) {
	first := func(b []byte, alsoNotASCII bool) int {
		for i, c := range b {
			if c < 0x20 || c == '"' || c == '\\' || alsoNotASCII && c >= utf8.RuneSelf {
				return i
			}
		}
		return len(b)
	}
	for c := range 256 {
		for at := range 20 {
			for _, fill := range []byte{' ', '!', '#', 'x', '~', 0x80, 0xff} {
				b := bytes.Repeat([]byte{fill}, 20)
				b[at] = byte(c)
				if got, want := ordinary(b, 0, 0), first(b, false); got != want {
					t.Fatalf("%q: %d, want %d", b, got, want)
				}
				if got, want := ordinary(b, 0, notASCII), first(b, true); got != want {
					t.Fatalf("%q, in ASCII: %d, want %d", b, got, want)
				}
			}
		}
	}
}

// Every octet, wherever it stands, reads back as encoding/json writes it.
func TestAppendString(t *testing.T) {
	for c := range 256 {
		for at := range 17 {
			s := strings.Repeat("y", at) + string([]byte{byte(c)}) + strings.Repeat("z", 16-at)
			var got string
			if err := json.Unmarshal(appendString(nil, s), &got); err != nil || got != strings.ToValidUTF8(s, "\ufffd") {
				t.Fatalf("%q: %q %v", s, got, err)
			}
		}
	}
}
