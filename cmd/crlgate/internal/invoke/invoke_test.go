package invoke

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/crlgate/crlgate/cmd/crlgate/internal/check"
	"github.com/crlgate/crlgate/pkg/authorize"
)

const events = "../../../../events"

var now = time.Date(2026, 6, 1, 0, 0, 0, 0, time.UTC)

func bucket(t *testing.T) check.Bucket {
	t.Helper()
	r, b, err := check.Build(check.Input{
		Issuers: []string{filepath.Join(events, "pki/issuers/partner-a.pem")}, CRLs: []string{filepath.Join(events, "pki/crls/partner-a.crl")}, At: now,
	})
	if err != nil || !r.Allowed() {
		t.Fatalf("%+v, %v", r, err)
	}
	return b
}

// TestEverySampleEvent answers each file of events/.
func TestEverySampleEvent(t *testing.T) {
	want := map[string]string{"good": "good", "revoked": "revoked", "no-certificate": "no_client_certificate", "malformed": "malformed_certificate"}
	files, err := filepath.Glob(filepath.Join(events, "*.json"))
	if err != nil || len(files) < 16 {
		t.Fatalf("%d sample events (%v): where are they?", len(files), err)
	}
	b := bucket(t)
	for _, file := range files {
		event, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		form, kind, _ := strings.Cut(strings.TrimSuffix(filepath.Base(file), ".json"), "-")
		reason := want[kind]
		if form == "s3" {
			reason = "internal_error" // an authorizer never gets one, and lets nobody in for it
		}
		a, err := Run(t.Context(), event, b, authorize.Settings{}, now)
		if err != nil {
			t.Errorf("%s: %v", file, err)
			continue
		}
		if a.Allow != (reason == "good") || !strings.HasPrefix(a.Words[strings.Index(a.Words, " ")+1:], reason) {
			t.Errorf("%s: allow %v, %s, want %s", file, a.Allow, a.Words, reason)
		}
		var got struct {
			IsAuthorized   *bool
			PolicyDocument *struct{ Statement []struct{ Effect string } }
			Context        struct{ Decision, Reason string }
		}
		if err := json.Unmarshal(a.JSON, &got); err != nil {
			t.Errorf("%s: %v in %s", file, err, a.JSON)
			continue
		}
		allows := got.IsAuthorized != nil && *got.IsAuthorized || got.PolicyDocument != nil && got.PolicyDocument.Statement[0].Effect == "Allow"
		if form != "s3" && (got.IsAuthorized != nil) != (form == "http2") || allows != a.Allow || got.Context.Reason != reason {
			t.Errorf("%s: %s", file, a.JSON)
		}
	}
}

func TestSettings(t *testing.T) {
	event, err := os.ReadFile(filepath.Join(events, "rest-revoked.json"))
	if err != nil {
		t.Fatal(err)
	}
	s, err := Settings(map[string]string{"MODE": "observe", "REQUIRE_CHAIN": "true", "LOG_ALLOWED": "1"})
	if err != nil || !s.Observe || !s.RequireChain {
		t.Fatalf("%+v, %v", s, err)
	}
	a, err := Run(t.Context(), event, bucket(t), authorize.Settings{Observe: true}, now)
	if err != nil || !a.Allow || !strings.HasPrefix(a.Words, "allow revoked (would deny, but for observe): CA partner-a, serial ") {
		t.Errorf("observed: %+v, %v", a, err)
	}
	if _, err := Settings(map[string]string{"MODE": "loud", "REQUIRE_CHAIN": "perhaps"}); err == nil || !strings.Contains(err.Error(), "MODE") || !strings.Contains(err.Error(), "REQUIRE_CHAIN") {
		t.Errorf("bad settings: %v", err)
	}
}

func TestEmptyBucket(t *testing.T) {
	event, err := os.ReadFile(filepath.Join(events, "http2-good.json"))
	if err != nil {
		t.Fatal(err)
	}
	a, err := Run(t.Context(), event, check.Bucket{}, authorize.Settings{}, now)
	if err != nil || a.Allow || !strings.HasPrefix(a.Words, "deny cache_unavailable") {
		t.Errorf("%+v, %v", a, err)
	}
}
