package main

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/crlgate/crlgate/functions/internal/settings/settingstest"
)

var both = []string{"UPLOAD_BUCKET", "uploads", "CACHE_BUCKET", "cache"}

func TestDefaults(t *testing.T) {
	c, err := readConfig(settingstest.Environment(both...))
	if err != nil {
		t.Fatal(err)
	}
	if c.UploadBucket != "uploads" || c.CacheBucket != "cache" || c.CRLPrefix != "crls/fetched/" || c.StatePrefix != "fetch/" || !c.CDP || c.Client.AllowHosts != nil ||
		c.Client.MaxBytes != 256<<20 || c.Client.Timeout != 5*time.Minute || c.Client.IdleTimeout != 20*time.Second || c.MinInterval != time.Minute || c.MaxInterval != time.Hour {
		t.Errorf("%+v", c)
	}
}

func TestSettings(t *testing.T) {
	c, err := readConfig(settingstest.Environment(append(both, "FETCH_PREFIX", "crl/http/", "STATE_PREFIX", "state/", "FETCH_CDP", "false", "ALLOW_HOSTS", " CA.internal., 127.0.0.1 ,[::1]",
		"MAX_CRL_BYTES", "5GiB", "TIMEOUT", "15m", "IDLE_TIMEOUT", "1s", "MIN_INTERVAL", "5m", "MAX_INTERVAL", "5m")...))
	if err != nil {
		t.Fatal(err)
	}
	if c.CRLPrefix != "crl/http/" || c.StatePrefix != "state/" || c.CDP || !slices.Equal(c.Client.AllowHosts, []string{"ca.internal", "127.0.0.1", "::1"}) ||
		c.Client.MaxBytes != 5<<30 || c.Client.Timeout != 15*time.Minute || c.Client.IdleTimeout != time.Second || c.MinInterval != 5*time.Minute || c.MaxInterval != 5*time.Minute {
		t.Errorf("%+v", c)
	}
}

// TestFaults: a bad setting stops the start, by name and with its remedy.
func TestFaults(t *testing.T) {
	for _, tt := range []struct{ name, value, want string }{
		{"UPLOAD_BUCKET", "", "UPLOAD_BUCKET is not set; it must be the name of the upload bucket"},
		{"CACHE_BUCKET", "", "CACHE_BUCKET is not set"},
		{"FETCH_PREFIX", "crls", "FETCH_PREFIX"},
		{"STATE_PREFIX", "crls/", `STATE_PREFIX is "crls/"; it must not overlap FETCH_PREFIX (crls/fetched/)`},
		{"STATE_PREFIX", "crls/fetched/x/", "overlap"},
		{"FETCH_CDP", "yes", "it must be one of true, false"},
		{"ALLOW_HOSTS", "http://ca.internal", "it must be host names or addresses, as URLs name them"},
		{"ALLOW_HOSTS", "ca.internal:8080", "ALLOW_HOSTS"},
		{"ALLOW_HOSTS", "*.internal", "ALLOW_HOSTS"},
		{"ALLOW_HOSTS", "10.0.0.0/8", "ALLOW_HOSTS"},
		{"ALLOW_HOSTS", "a,,b", "ALLOW_HOSTS"},
		{"MAX_CRL_BYTES", "6GiB", "5GiB at most"},
		{"TIMEOUT", "16m", "from 1s to 15m0s"},
		{"IDLE_TIMEOUT", "0", "IDLE_TIMEOUT"},
		{"MIN_INTERVAL", "2h", "it must not be longer than MAX_INTERVAL, 1h0m0s"},
		{"MAX_INTERVAL", "daily", "MAX_INTERVAL"},
	} {
		_, err := readConfig(settingstest.Environment(append(both, tt.name, tt.value)...))
		if err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s=%q: %v, want %q", tt.name, tt.value, err, tt.want)
		}
	}
}
