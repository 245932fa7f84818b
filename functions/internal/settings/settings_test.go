package settings_test

import (
	"strings"
	"testing"
	"time"

	"github.com/crlgate/crlgate/functions/internal/settings"
)

func of(value string) *settings.Reader {
	return settings.From(func(string) (string, bool) { return value, true })
}

func TestBytes(t *testing.T) {
	for text, want := range map[string]int64{"1": 1, "1KiB": 1 << 10, "64MiB": 64 << 20, "8 GiB": 8 << 30, "": 7, " ": 7} {
		r := of(text)
		if got := r.Bytes("N", 7); got != want || r.Err() != nil {
			t.Errorf("%q: %d, %v", text, got, r.Err())
		}
	}
	for _, text := range []string{"0", "-1", "1.5", "1MB", "MiB", "1KiBKiB", "0x10", "9223372036854775808", "9007199254740992KiB"} {
		r := of(text)
		if got := r.Bytes("N", 7); r.Err() == nil || got != 7 {
			t.Errorf("%q: %d", text, got)
		}
	}
}

func TestString(t *testing.T) {
	if got := of(" x ").String("S", "y"); got != "x" {
		t.Errorf("%q", got)
	}
	if got := of("").String("S", "y"); got != "y" {
		t.Errorf("%q", got)
	}
}

// FuzzSettings: whatever the text, each setting is read or named as a fault,
// and what is read lies within its bounds.
func FuzzSettings(f *testing.F) {
	for _, s := range []string{"", "0", "1h", "64MiB", "NaN", "crls/,crl/", strings.Repeat("0a:", 31) + "0a", "true", "enforce"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		if d := of(text).Duration("D", time.Second, 0, time.Hour); d < 0 || d > time.Hour {
			t.Errorf("%q: %v", text, d)
		}
		if n := of(text).Bytes("B", 1); n <= 0 {
			t.Errorf("%q: %d", text, n)
		}
		if x := of(text).Share("S"); !(x >= 0 && x <= 1) {
			t.Errorf("%q: %v", text, x)
		}
		for _, p := range of(text).Prefixes("P", "a/") {
			if !strings.HasSuffix(p, "/") || strings.HasPrefix(p, "/") {
				t.Errorf("%q: %q", text, p)
			}
		}
		r := of(text)
		if len(r.Fingerprints("F")) == 0 && strings.TrimSpace(text) != "" && r.Err() == nil {
			t.Errorf("%q is no fault and no fingerprint", text)
		}
	})
}
