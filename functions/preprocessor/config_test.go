package main

import (
	"strings"
	"testing"

	"github.com/crlgate/crlgate/functions/internal/settings/settingstest"
	"github.com/crlgate/crlgate/pkg/issuer"
)

var both = []string{"UPLOAD_BUCKET", "uploads", "CACHE_BUCKET", "cache"}

func TestDefaults(t *testing.T) {
	c, err := readConfig(settingstest.Environment(both...))
	if err != nil {
		t.Fatal(err)
	}
	if c.UploadBucket != "uploads" || c.CacheBucket != "cache" || c.IssuerPrefix != "issuers/" || strings.Join(c.CRLPrefixes, " ") != "crls/ crl/" ||
		c.MaxCRLBytes != 8<<30 || c.AllowSHA1 || c.Pinned != nil || c.CacheJSON || c.PublishTruststore {
		t.Errorf("%+v", c)
	}
}

func TestSettings(t *testing.T) {
	pin := strings.Repeat("0a", 32)
	c, err := readConfig(settingstest.Environment(append(both, "ISSUER_PREFIX", "cas/", "CRL_PREFIXES", " a/b/ , c/", "MAX_CRL_BYTES", "64 MiB", "ALLOW_SHA1", "true",
		"PINNED_ISSUERS", pin+", "+strings.ToUpper(strings.Repeat("0a:", 31)+"ff"), "CACHE_JSON", " true ", "PUBLISH_TRUSTSTORE", "true")...))
	if err != nil {
		t.Fatal(err)
	}
	last := issuer.Fingerprint{}
	for i := range last {
		last[i] = 0x0a
	}
	if c.IssuerPrefix != "cas/" || strings.Join(c.CRLPrefixes, " ") != "a/b/ c/" || c.MaxCRLBytes != 64<<20 || !c.AllowSHA1 || !c.CacheJSON || !c.PublishTruststore ||
		len(c.Pinned) != 2 || c.Pinned[0] != last || c.Pinned[1][31] != 0xff {
		t.Errorf("%+v", c)
	}
}

// TestFaults: a bad setting stops the start, by name and with its remedy.
func TestFaults(t *testing.T) {
	for _, tt := range []struct{ name, value, want string }{
		{"UPLOAD_BUCKET", "", "UPLOAD_BUCKET is not set; it must be the name of the upload bucket"},
		{"CACHE_BUCKET", " ", "CACHE_BUCKET is not set; it must be the name of the cache bucket"},
		{"CACHE_BUCKET", "uploads", `CACHE_BUCKET is "uploads"; it must be another bucket than UPLOAD_BUCKET`},
		{"ISSUER_PREFIX", "issuers", "ISSUER_PREFIX"},
		{"ISSUER_PREFIX", "/issuers/", "ISSUER_PREFIX"},
		{"ISSUER_PREFIX", "a/,b/", `ISSUER_PREFIX is "a/,b/"; it must be one key prefix`},
		{"ISSUER_PREFIX", "crls/issuers/", `CRL_PREFIXES is "crls/"; it must not overlap ISSUER_PREFIX (crls/issuers/)`},
		{"CRL_PREFIXES", "crls", "it must be key prefixes that end in a slash, such as crls/"},
		{"CRL_PREFIXES", "crls/,,crl/", "CRL_PREFIXES"},
		{"CRL_PREFIXES", "/", "CRL_PREFIXES"},
		{"CRL_PREFIXES", "crls/,issuers/", `CRL_PREFIXES is "issuers/"; it must not overlap ISSUER_PREFIX (issuers/)`},
		{"CRL_PREFIXES", "issuers/crls/", "overlap"},
		{"MAX_CRL_BYTES", "8GB", `MAX_CRL_BYTES is "8GB"; it must be a number of bytes such as 1048576, 64MiB or 8GiB`},
		{"MAX_CRL_BYTES", "0", "MAX_CRL_BYTES"},
		{"MAX_CRL_BYTES", "-1", "MAX_CRL_BYTES"},
		{"MAX_CRL_BYTES", "9223372036854775807GiB", "MAX_CRL_BYTES"},
		{"ALLOW_SHA1", "True", `ALLOW_SHA1 is "True"; it must be one of false, true`},
		{"ALLOW_SHA1", "1", "ALLOW_SHA1"},
		{"CACHE_JSON", "yes", "CACHE_JSON"},
		{"PUBLISH_TRUSTSTORE", "yes", "PUBLISH_TRUSTSTORE"},
		{"PUBLISH_TRUSTSTORE", "true", `PUBLISH_TRUSTSTORE is "true"; it needs PINNED_ISSUERS`},
		{"PINNED_ISSUERS", "0a0b", "PINNED_ISSUERS is \"0a0b\"; it must be SHA-256 fingerprints of certificates"},
		{"PINNED_ISSUERS", strings.Repeat("0a", 32) + ",", "PINNED_ISSUERS"},
		{"PINNED_ISSUERS", strings.Repeat("xy", 32), "PINNED_ISSUERS"},
	} {
		_, err := readConfig(settingstest.Environment(append(both, tt.name, tt.value)...))
		if err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s=%q: %v, want %q", tt.name, tt.value, err, tt.want)
		}
	}
}

// TestAllFaultsAtOnce: an operator sees every fault of a deployment in one go.
func TestAllFaultsAtOnce(t *testing.T) {
	names := []string{"ISSUER_PREFIX", "CRL_PREFIXES", "MAX_CRL_BYTES", "ALLOW_SHA1", "PINNED_ISSUERS", "CACHE_JSON"}
	var pairs []string
	for _, n := range names {
		pairs = append(pairs, n, "?")
	}
	_, err := readConfig(settingstest.Environment(pairs...))
	if err == nil {
		t.Fatal("no error")
	}
	for _, n := range append(names, "UPLOAD_BUCKET", "CACHE_BUCKET") {
		if strings.Count(err.Error(), "\n"+n+" is ") != 1 {
			t.Errorf("%s is not named once in\n%v", n, err)
		}
	}
	if !strings.HasPrefix(err.Error(), "8 settings cannot be used:\n") {
		t.Error(err)
	}
}
