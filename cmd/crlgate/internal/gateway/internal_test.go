package gateway

import (
	"strconv"
	"testing"
	"time"
)

// The cache drops what has expired before what has not, and never grows past its bound.
func TestCacheIsBounded(t *testing.T) {
	c, now := newAnswerCache(time.Minute), time.Unix(1e9, 0)
	for i := range maxCachedAnswers {
		c.put([]string{strconv.Itoa(i)}, &answer{}, now)
	}
	later := now.Add(time.Minute)
	c.put([]string{"fresh"}, &answer{}, later)
	if len(c.entries) != 1 {
		t.Errorf("%d entries after all had expired, want 1", len(c.entries))
	}
	for i := range 3 * maxCachedAnswers {
		c.put([]string{strconv.Itoa(i)}, &answer{}, later)
		if len(c.entries) > maxCachedAnswers {
			t.Fatalf("%d entries, want at most %d", len(c.entries), maxCachedAnswers)
		}
	}
}

// No two lists of values share a key.
func TestCacheKey(t *testing.T) {
	seen := make(map[string]bool)
	for _, identity := range [][]string{nil, {""}, {"", ""}, {"a", "b"}, {"ab"}, {"a,b"}, {`a"`, "b"}, {`a""b`}, {`a"b`}} {
		key := cacheKey(identity)
		if seen[key] {
			t.Errorf("%q shares its key %q", identity, key)
		}
		seen[key] = true
	}
}

func TestPartition(t *testing.T) {
	for region, want := range map[string]string{"eu-west-1": "aws", "cn-north-1": "aws-cn", "us-gov-west-1": "aws-us-gov"} {
		if got := (Config{Region: region}).partition(); got != want {
			t.Errorf("partition of %s is %s, want %s", region, got, want)
		}
	}
}
