package telemetry

import (
	"bytes"
	"encoding/json"
	"errors"
	"log/slog"
	"net/netip"
	"strings"
	"testing"
	"time"
)

// logged returns the single line that log writes, decoded.
func logged(t *testing.T, log func(*slog.Logger)) map[string]any {
	t.Helper()
	var out bytes.Buffer
	log(NewLogger(&out, "authorizer", slog.LevelInfo, slog.String(KeyMode, "v1")))
	line, end := strings.CutSuffix(out.String(), "\n")
	if !end || strings.ContainsAny(line, "\n\r\x00\x1b\u2028") {
		t.Fatalf("not one line: %q", out.String())
	}
	fields := map[string]any{}
	if err := json.Unmarshal([]byte(line), &fields); err != nil {
		t.Fatalf("%v in %q", err, line)
	}
	return fields
}

func TestLogger(t *testing.T) {
	before := time.Now()
	f := logged(t, func(l *slog.Logger) {
		l.With(KeyRequestID, "r-1").Info("decided", KeyDecision, "deny", KeyEntries, 3, KeyErr, errors.New("no"), KeyDomainName, netip.MustParseAddr("192.0.2.1"))
	})
	for key, value := range map[string]any{
		"msg": "decided", "level": "INFO", KeyFunction: "authorizer", KeyMode: "v1", KeyRequestID: "r-1",
		KeyDecision: "deny", KeyEntries: 3.0, KeyErr: "no", KeyDomainName: "192.0.2.1",
	} {
		if f[key] != value {
			t.Errorf("%s: %v, want %v", key, f[key], value)
		}
	}
	at, err := time.Parse(time.RFC3339Nano, f["time"].(string))
	if err != nil || at.Before(before) || !strings.HasSuffix(f["time"].(string), "Z") {
		t.Errorf("time %v, %v", f["time"], err)
	}
}

func TestLoggerLevel(t *testing.T) {
	var out bytes.Buffer
	NewLogger(&out, "authorizer", slog.LevelWarn).Info("unheard")
	if out.Len() != 0 {
		t.Errorf("wrote %q", &out)
	}
}

func TestAValueNeverBreaksALine(t *testing.T) {
	const evil = "CN=a\n{\"level\":\"ERROR\"}\r\x00\x1b[31m\u2028\xff\"\\"
	f := logged(t, func(l *slog.Logger) {
		l.Error(evil, KeySubject, evil, KeyErr, errors.New(evil), evil, 1)
	})
	legible := strings.ToValidUTF8(evil, "\ufffd")
	if f["msg"] != legible || f[KeySubject] != legible || f[KeyErr] != legible {
		t.Errorf("logged %q", f)
	}
}

func TestPEMIsWithheld(t *testing.T) {
	const pem = "parsing: -----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----"
	f := logged(t, func(l *slog.Logger) {
		l.With(KeyDetail, pem).Info(pem, KeySubject, pem, KeyErr, errors.New(pem))
	})
	for _, key := range []string{"msg", KeyDetail, KeySubject, KeyErr} {
		if f[key] != withheld {
			t.Errorf("%s: %v", key, f[key])
		}
	}
}

// What only speaks of PEM is no PEM: the reason why a CRL was refused is there to read.
func TestPEMIsSpokenOf(t *testing.T) {
	for text, want := range map[string]bool{
		`no line reads "-----BEGIN X509 CRL-----"`:                                          false,
		`begins with "-----BEGIN CERTIFICATE-----", not with "-----BEGIN X509 CRL-----": x`: false,
		"must hold -----BEGIN CERTIFICATE-----":                                             false,
		"-----BEGIN CERTIFICATE-----\nMIIB":                                                 true,
		"-----BEGIN CERTIFICATE-----\\nMIIB":                                                true,
		`"-----BEGIN X509 CRL-----" and -----BEGIN CERTIFICATE-----MIIB`:                    true,
		"-----BEGIN CERTIFICATE":                                                            true,
		"-----BEGIN A\n\"-----\"":                                                           true,
	} {
		f := logged(t, func(l *slog.Logger) { l.Info("m", KeyDetail, text) })
		if got := f[KeyDetail] == withheld; got != want || !got && f[KeyDetail] != text {
			t.Errorf("%q is logged as %q", text, f[KeyDetail])
		}
	}
}

func TestLongValuesAreCut(t *testing.T) {
	long := strings.Repeat("ä", maxLogged)
	f := logged(t, func(l *slog.Logger) { l.Info("m", KeySubject, long, KeyErr, errors.New(long)) })
	for _, key := range []string{KeySubject, KeyErr} {
		s := f[key].(string)
		if len(s) > maxLogged+64 || !strings.HasPrefix(s, "ää") || !strings.HasSuffix(s, "ä… (4096 bytes more)") {
			t.Errorf("%s: %d bytes, ending in %q", key, len(s), s[max(0, len(s)-40):])
		}
	}
}

type nilError struct{ text string }

func (e *nilError) Error() string { return e.text }

func TestLoggingSurvivesAPanickingError(t *testing.T) {
	f := logged(t, func(l *slog.Logger) { l.Info("m", KeyErr, error((*nilError)(nil))) })
	if s, _ := f[KeyErr].(string); !strings.Contains(s, "panic while logging") {
		t.Errorf("logged %v", f)
	}
}
