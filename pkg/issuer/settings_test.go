package issuer_test

import (
	"encoding/json"
	"errors"
	"testing"
	"time"

	"github.com/crlgate/crlgate/pkg/issuer"
)

var now = time.Date(2026, 6, 1, 12, 0, 0, 0, time.UTC)

func TestSettings(t *testing.T) {
	s, err := issuer.ParseSettings([]byte(`{"domains":["API.example.com."],"mode":"observe","grace":"90m","max_crl_age":"36h","crl":"optional","deny":["0A:1B","ff","0xff01"],"allow_until":"2026-06-03T00:00:00Z"}`), now)
	if err != nil {
		t.Fatal(err)
	}
	if !s.Observe() || !s.CRLOptional() || !s.ServesDomain("api.EXAMPLE.com") || s.ServesDomain("other.example.com") || time.Duration(s.Grace) != 90*time.Minute {
		t.Errorf("%+v", s)
	}
	for serial, want := range map[string]bool{"\x0a\x1b": true, "\x00\xff": true, "\xff": false, "\x00\xff\x01": true, "\x01": false} {
		if s.Denies([]byte(serial)) != want {
			t.Errorf("denies %x: %v", serial, !want)
		}
	}
	if !s.BreakGlass(now) || s.BreakGlass(s.AllowUntil) {
		t.Errorf("break-glass at %v", s.AllowUntil)
	}
	var zero issuer.Settings
	if zero.Observe() || zero.CRLOptional() || zero.BreakGlass(now) || zero.Denies([]byte{1}) || !zero.ServesDomain("any") {
		t.Errorf("the zero settings relax something")
	}
}

func TestSettingsRefused(t *testing.T) {
	for text, code := range map[string]issuer.Code{
		``:                                       issuer.SettingsMalformed,
		`[]`:                                     issuer.SettingsMalformed,
		`{} {}`:                                  issuer.SettingsMalformed,
		`{"mode":"observe"`:                      issuer.SettingsMalformed,
		`{"mode":"observe","mode":"x"}`:          issuer.SettingsMalformed,
		`{"mood":"observe"}`:                     issuer.SettingsUnknownKey,
		`{"Mode":"observe"}`:                     issuer.SettingsUnknownKey,
		`{"mode":"off"}`:                         issuer.SettingsInvalidValue,
		`{"mode":true}`:                          issuer.SettingsInvalidValue,
		`{"crl":"maybe"}`:                        issuer.SettingsInvalidValue,
		`{"grace":"-1h"}`:                        issuer.SettingsInvalidValue,
		`{"grace":3}`:                            issuer.SettingsInvalidValue,
		`{"domains":["a b"]}`:                    issuer.SettingsInvalidValue,
		`{"deny":[null]}`:                        issuer.SettingsInvalidValue,
		`{"deny":null}`:                          issuer.SettingsInvalidValue,
		`{"mode":null}`:                          issuer.SettingsInvalidValue,
		`{"domains":["*"]}`:                      issuer.SettingsInvalidValue,
		`{"domains":["a.*.com"]}`:                issuer.SettingsInvalidValue,
		`{"domains":["a..com"]}`:                 issuer.SettingsInvalidValue,
		`{"domains":["-a.com"]}`:                 issuer.SettingsInvalidValue,
		`{"domains":[""]}`:                       issuer.SettingsInvalidValue,
		`{"deny":["xyz"]}`:                       issuer.SettingsInvalidValue,
		`{"allow_until":"tomorrow"}`:             issuer.SettingsInvalidValue,
		`{"allow_until":"2026-06-08T12:00:01Z"}`: issuer.SettingsInvalidValue,
	} {
		_, err := issuer.ParseSettings([]byte(text), now)
		var r *issuer.Refusal
		if !errors.As(err, &r) || r.Code != code {
			t.Errorf("%s: %v, want %s", text, err, code)
		}
	}
}

// TestServesDomain: a wildcard stands for one label, as in API Gateway.
func TestServesDomain(t *testing.T) {
	s, err := issuer.ParseSettings([]byte(`{"domains":["*.Example.com","api.example.org."]}`), now)
	if err != nil {
		t.Fatal(err)
	}
	for domain, want := range map[string]bool{
		"api.example.com": true, "API.EXAMPLE.COM.": true, "*.example.com": true, "x.example.com": true, "api.example.org": true,
		"example.com": false, ".example.com": false, "a.b.example.com": false, "apiexample.com": false, "api.example.com.evil.net": false,
		"x.example.org": false, "x.api.example.org": false, "": false, ".": false, "api.example.net": false, "com": false,
	} {
		if got := s.ServesDomain(domain); got != want {
			t.Errorf("%q: %v", domain, got)
		}
	}
}

// FuzzSettings: what is accepted can be written into the catalog and read back.
// A catalog that cannot be read denies every client.
func FuzzSettings(f *testing.F) {
	for _, text := range []string{
		`{}`, `{"deny":["0A:1B","-80","00"],"grace":"90m"}`, `{"deny":[null]}`, `{"domains":["*.example.com"],"mode":"observe"}`,
		`{"allow_until":"2026-06-03T00:00:00+14:00","max_crl_age":"36h"}`, `{"allow_until":"0000-01-01T00:00:00+01:00"}`,
	} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		s, err := issuer.ParseSettings(data, now)
		if err != nil {
			var r *issuer.Refusal
			if !errors.As(err, &r) || r.Detail == "" {
				t.Errorf("%q: %v is no refusal with words", data, err)
			}
			return
		}
		written, err := json.Marshal(s)
		if err != nil {
			t.Fatalf("%q: %v", data, err)
		}
		var back issuer.Settings
		if err := json.Unmarshal(written, &back); err != nil {
			t.Fatalf("%q is written as %s, which cannot be read: %v", data, written, err)
		}
		again, err := json.Marshal(back)
		if err != nil || string(again) != string(written) {
			t.Errorf("%s reads as %s (%v)", written, again, err)
		}
	})
}

func TestSerialText(t *testing.T) {
	for contents, text := range map[string]string{"\x00": "00", "\x7f": "7f", "\x00\xff": "ff", "\xff": "-01", "\x80": "-80", "\x0a\x1b": "0a1b", "\xff\x00": "-0100"} {
		if got := issuer.Serial(contents).String(); got != text {
			t.Errorf("%x reads %s, want %s", contents, got, text)
		}
		back, err := issuer.ParseSerial(text)
		if err != nil || string(back) != contents {
			t.Errorf("%s parses to %x (%v), want %x", text, []byte(back), err, contents)
		}
	}
}
