package issuer_test

import (
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
