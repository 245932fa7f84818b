package main

import (
	"strings"
	"time"

	"github.com/crlgate/crlgate/functions/internal/settings"
	"github.com/crlgate/crlgate/pkg/fetch"
)

// config is the fetcher's settings, read once from the environment:
//
//	UPLOAD_BUCKET   required         where fetched CRLs and states go
//	CACHE_BUCKET    required         where the catalog is read
//	FETCH_PREFIX    crls/fetched/    key prefix of fetched CRLs, under one of the preprocessor's CRL_PREFIXES
//	STATE_PREFIX    fetch/           key prefix of states, under none of the preprocessor's prefixes
//	FETCH_CDP       true             fetch what the certificates of issuers name, for CAs of the catalog
//	ALLOW_HOSTS     none             hosts that may be at private, loopback and link-local addresses
//	MAX_CRL_BYTES   256MiB           the longest CRL that is fetched; at most 5GiB
//	TIMEOUT         5m               of one look at a URL, with all that is tried
//	IDLE_TIMEOUT    20s              how long a server may be silent
//	MIN_INTERVAL    1m               the shortest time between two looks at a URL
//	MAX_INTERVAL    1h               the longest
//
// Function is the name that logs and metrics bear: AWS_LAMBDA_FUNCTION_NAME,
// which Lambda sets, so that two gates in one account are told apart.
type config struct {
	Function     string
	UploadBucket string
	CacheBucket  string
	fetch.Config
}

// readConfig reads the settings; the error names every fault.
func readConfig(lookup func(string) (string, bool)) (config, error) {
	r := settings.From(lookup)
	var c config
	c.Function = r.String("AWS_LAMBDA_FUNCTION_NAME", "fetcher")
	c.UploadBucket = r.Required("UPLOAD_BUCKET", "the name of the upload bucket")
	c.CacheBucket = r.Required("CACHE_BUCKET", "the name of the cache bucket")
	c.CRLPrefix = r.Prefix("FETCH_PREFIX", fetch.DefaultCRLPrefix)
	c.StatePrefix = r.Prefix("STATE_PREFIX", fetch.DefaultStatePrefix)
	c.CDP = r.OneOf("FETCH_CDP", "true", "false") == "true"
	c.Client.AllowHosts = r.Hosts("ALLOW_HOSTS")
	c.Client.MaxBytes = r.Bytes("MAX_CRL_BYTES", fetch.DefaultMaxBytes)
	c.Client.Timeout = r.Duration("TIMEOUT", fetch.DefaultTimeout, time.Second, 15*time.Minute)
	c.Client.IdleTimeout = r.Duration("IDLE_TIMEOUT", fetch.DefaultIdleTimeout, time.Second, 5*time.Minute)
	c.MinInterval = r.Duration("MIN_INTERVAL", fetch.DefaultMinInterval, time.Second, 24*time.Hour)
	c.MaxInterval = r.Duration("MAX_INTERVAL", fetch.DefaultMaxInterval, time.Second, 7*24*time.Hour)
	if c.Client.MaxBytes > fetch.MaxBytes {
		r.Fault("MAX_CRL_BYTES", "more", "it must be 5GiB at most, which is what S3 takes in one piece")
	}
	if c.MinInterval > c.MaxInterval {
		r.Fault("MIN_INTERVAL", c.MinInterval.String(), "it must not be longer than MAX_INTERVAL, "+c.MaxInterval.String())
	}
	if strings.HasPrefix(c.CRLPrefix, c.StatePrefix) || strings.HasPrefix(c.StatePrefix, c.CRLPrefix) {
		r.Fault("STATE_PREFIX", c.StatePrefix, "it must not overlap FETCH_PREFIX ("+c.CRLPrefix+")")
	}
	return c, r.Err()
}
