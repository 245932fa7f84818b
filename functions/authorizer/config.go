package main

import (
	"fmt"
	"strconv"
	"time"

	"github.com/crlgate/crlgate/functions/internal/settings"
	"github.com/crlgate/crlgate/pkg/revocation"
)

// config is the authorizer's settings, read once from the environment.
type config struct {
	// Function (AWS_LAMBDA_FUNCTION_NAME, which Lambda sets; default authorizer)
	// is the name that logs and metrics bear, so that two gates in one account
	// are told apart.
	Function string
	// CacheBucket (CACHE_BUCKET, required) is the bucket that the preprocessor
	// writes and this function reads.
	CacheBucket string
	// Observe (MODE=observe; default enforce): let through what revocation would
	// deny, and say so.
	Observe bool
	// RevalidateAfter (REVALIDATE_AFTER, default 10s) is the age from which the
	// catalog is revalidated; 0 asks S3 on every request.
	RevalidateAfter time.Duration
	// MaxUnvalidated (MAX_UNVALIDATED, default 15m) is the age beyond which the
	// catalog is stale and everything but a hit is denied as cache_stale.
	MaxUnvalidated time.Duration
	// MemoryBudget (MEMORY_BUDGET, default half of the function's memory) bounds
	// the sets in memory, in bytes.
	MemoryBudget int64
	// RequireChain (REQUIRE_CHAIN, default false): the status of the CA's own
	// chain must be known.
	RequireChain bool
	// LogAllowed (LOG_ALLOWED, default 0) is the share of allowed requests that
	// are logged, from 0 to 1.
	LogAllowed float64
	// Memory is the function's memory in bytes, as Lambda says; 128 MiB where it
	// does not.
	Memory int64
}

// readConfig reads the settings; the error names every fault.
func readConfig(lookup func(string) (string, bool)) (config, error) {
	r := settings.From(lookup)
	memory := r.Bytes("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", 128) << 20
	c := config{
		Function:        r.String("AWS_LAMBDA_FUNCTION_NAME", "authorizer"),
		CacheBucket:     r.Required("CACHE_BUCKET", "the name of the cache bucket"),
		Observe:         r.OneOf("MODE", "enforce", "observe") == "observe",
		RevalidateAfter: r.Duration("REVALIDATE_AFTER", revocation.DefaultRevalidateAfter, 0, time.Hour),
		MaxUnvalidated:  r.Duration("MAX_UNVALIDATED", revocation.DefaultMaxUnvalidated, time.Second, 7*24*time.Hour),
		MemoryBudget:    r.Bytes("MEMORY_BUDGET", memory/2),
		RequireChain:    r.Bool("REQUIRE_CHAIN"),
		LogAllowed:      r.Share("LOG_ALLOWED"),
		Memory:          memory,
	}
	if c.MemoryBudget >= memory {
		r.Fault("MEMORY_BUDGET", strconv.FormatInt(c.MemoryBudget, 10), fmt.Sprintf("it must be less than the function's memory (%d bytes)", memory))
	}
	if c.MaxUnvalidated < c.RevalidateAfter {
		r.Fault("MAX_UNVALIDATED", c.MaxUnvalidated.String(), "it must not be less than REVALIDATE_AFTER ("+c.RevalidateAfter.String()+"), or every answer would be stale")
	}
	return c, r.Err()
}
