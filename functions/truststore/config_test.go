package main

import (
	"strings"
	"testing"

	"github.com/crlgate/crlgate/functions/internal/settings/settingstest"
)

func environment(pairs ...string) func(string) (string, bool) {
	return settingstest.Environment(append([]string{"CACHE_BUCKET", "cache", "DOMAIN_NAME", "api.example.com"}, pairs...)...)
}

func TestSettings(t *testing.T) {
	c, err := readConfig(environment())
	if err != nil || c.CacheBucket != "cache" || c.DomainName != "api.example.com" || c.Move || c.Pinned != nil {
		t.Errorf("%+v, %v", c, err)
	}
	c, err = readConfig(environment("MOVE_DOMAIN", "true", "PINNED_ISSUERS", strings.Repeat("0a", 32), "AWS_LAMBDA_FUNCTION_NAME", "f"))
	if err != nil || !c.Move || len(c.Pinned) != 1 || c.Pinned[0][31] != 0x0a || c.Function != "f" {
		t.Errorf("%+v, %v", c, err)
	}
}

// TestFaults: a bad setting stops the start, by name and with its remedy.
func TestFaults(t *testing.T) {
	for _, tt := range []struct{ name, value, want string }{
		{"CACHE_BUCKET", "", "CACHE_BUCKET is not set"},
		{"DOMAIN_NAME", "", "DOMAIN_NAME is not set; it must be the custom domain name"},
		{"DOMAIN_NAME", "https://api.example.com/", "it must be one domain name such as api.example.com"},
		{"MOVE_DOMAIN", "yes", "MOVE_DOMAIN is \"yes\"; it must be one of false, true"},
		{"MOVE_DOMAIN", "true", "MOVE_DOMAIN is \"true\"; it needs PINNED_ISSUERS"},
		{"PINNED_ISSUERS", "0a", "PINNED_ISSUERS is \"0a\""},
	} {
		_, err := readConfig(environment(tt.name, tt.value))
		if err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s=%q: %v, want %q", tt.name, tt.value, err, tt.want)
		}
	}
}
