package main

import (
	"strings"
	"testing"
	"time"

	"github.com/crlgate/crlgate/functions/internal/settings/settingstest"
)

func TestDefaults(t *testing.T) {
	for memory, want := range map[string]int64{"": 128 << 20, "128": 128 << 20, "1769": 1769 << 20} {
		c, err := readConfig(settingstest.Environment("CACHE_BUCKET", "cache", "AWS_LAMBDA_FUNCTION_MEMORY_SIZE", memory))
		if err != nil {
			t.Fatal(err)
		}
		if c.CacheBucket != "cache" || c.Observe || c.RevalidateAfter != 10*time.Second || c.MaxUnvalidated != 15*time.Minute ||
			c.Memory != want || c.MemoryBudget != want/2 || c.RequireChain || c.LogAllowed != 0 {
			t.Errorf("%+v", c)
		}
	}
}

func TestSettings(t *testing.T) {
	c, err := readConfig(settingstest.Environment("CACHE_BUCKET", "cache", "MODE", "observe", "REVALIDATE_AFTER", "0", "MAX_UNVALIDATED", "1h",
		"MEMORY_BUDGET", "64MiB", "REQUIRE_CHAIN", "true", "LOG_ALLOWED", "0.25"))
	if err != nil {
		t.Fatal(err)
	}
	if !c.Observe || c.RevalidateAfter != 0 || c.MaxUnvalidated != time.Hour || c.MemoryBudget != 64<<20 || !c.RequireChain || c.LogAllowed != 0.25 {
		t.Errorf("%+v", c)
	}
}

// TestFaults: a bad setting stops the start, by name and with its remedy.
func TestFaults(t *testing.T) {
	for _, tt := range []struct{ name, value, want string }{
		{"CACHE_BUCKET", "", "CACHE_BUCKET is not set; it must be the name of the cache bucket"},
		{"MODE", "Observe", `MODE is "Observe"; it must be one of enforce, observe`},
		{"MODE", "off", "MODE"},
		{"REVALIDATE_AFTER", "10", `REVALIDATE_AFTER is "10"; it must be a duration such as 10s or 15m, from 0s to 1h0m0s`},
		{"REVALIDATE_AFTER", "-1s", "REVALIDATE_AFTER"},
		{"REVALIDATE_AFTER", "2h", "REVALIDATE_AFTER"},
		{"MAX_UNVALIDATED", "0", "MAX_UNVALIDATED"},
		{"MAX_UNVALIDATED", "8761h", "MAX_UNVALIDATED"},
		{"MAX_UNVALIDATED", "5s", `MAX_UNVALIDATED is "5s"; it must not be less than REVALIDATE_AFTER (10s), or every answer would be stale`},
		{"MEMORY_BUDGET", "half", "MEMORY_BUDGET"},
		{"MEMORY_BUDGET", "0", "MEMORY_BUDGET"},
		{"MEMORY_BUDGET", "129MiB", `MEMORY_BUDGET is "135266304"; it must be less than the function's memory (134217728 bytes)`},
		{"REQUIRE_CHAIN", "TRUE", "REQUIRE_CHAIN"},
		{"LOG_ALLOWED", "1.1", `LOG_ALLOWED is "1.1"; it must be a share from 0 to 1, such as 0.01`},
		{"LOG_ALLOWED", "-0.1", "LOG_ALLOWED"},
		{"LOG_ALLOWED", "NaN", "LOG_ALLOWED"},
		{"LOG_ALLOWED", "10%", "LOG_ALLOWED"},
	} {
		_, err := readConfig(settingstest.Environment("CACHE_BUCKET", "cache", tt.name, tt.value))
		if err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s=%q: %v, want %q", tt.name, tt.value, err, tt.want)
		}
	}
}

// TestAllFaultsAtOnce: an operator sees every fault of a deployment in one go.
func TestAllFaultsAtOnce(t *testing.T) {
	names := []string{"MODE", "REVALIDATE_AFTER", "MAX_UNVALIDATED", "MEMORY_BUDGET", "REQUIRE_CHAIN", "LOG_ALLOWED"}
	var pairs []string
	for _, n := range names {
		pairs = append(pairs, n, "?")
	}
	_, err := readConfig(settingstest.Environment(pairs...))
	if err == nil {
		t.Fatal("no error")
	}
	for _, n := range append(names, "CACHE_BUCKET") {
		if strings.Count(err.Error(), "\n"+n+" is ") != 1 {
			t.Errorf("%s is not named once in\n%v", n, err)
		}
	}
}
