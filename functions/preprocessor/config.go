package main

import (
	"strings"
	"time"

	"github.com/crlgate/crlgate/functions/internal/settings"
	"github.com/crlgate/crlgate/pkg/preprocess"
)

// config is the preprocessor's settings, read once from the environment:
//
//	UPLOAD_BUCKET   required        where issuers and CRLs are uploaded
//	CACHE_BUCKET    required        where catalog, sets and reports go
//	ISSUER_PREFIX   issuers/        key prefix of issuers and their settings
//	CRL_PREFIXES    crls/,crl/      key prefixes of CRLs
//	MAX_CRL_BYTES   8GiB            the longest CRL that is read
//	ALLOW_SHA1      false           accept SHA-1 in signatures of CRLs and issuers
//	PINNED_ISSUERS  none            SHA-256 fingerprints; other issuers are refused
//	CACHE_JSON      false           publish every CRL as JSON too
//	SWEEP_AFTER     24h             how long what nothing refers to any more is kept
//
//	PUBLISH_TRUSTSTORE  false       publish the issuers' certificates as API
//	                                Gateway's truststore; needs PINNED_ISSUERS
//
// Function is the name that logs and metrics bear: AWS_LAMBDA_FUNCTION_NAME,
// which Lambda sets, so that two gates in one account are told apart.
type config struct {
	Function    string
	CacheBucket string
	preprocess.Config
}

// readConfig reads the settings; the error names every fault.
func readConfig(lookup func(string) (string, bool)) (config, error) {
	r := settings.From(lookup)
	var c config
	c.Function = r.String("AWS_LAMBDA_FUNCTION_NAME", "preprocessor")
	c.UploadBucket = r.Required("UPLOAD_BUCKET", "the name of the upload bucket")
	c.CacheBucket = r.Required("CACHE_BUCKET", "the name of the cache bucket")
	c.IssuerPrefix = r.Prefix("ISSUER_PREFIX", "issuers/")
	c.CRLPrefixes = r.Prefixes("CRL_PREFIXES", "crls/", "crl/")
	c.MaxCRLBytes = r.Bytes("MAX_CRL_BYTES", 8<<30)
	c.AllowSHA1 = r.Bool("ALLOW_SHA1")
	c.Pinned = r.Fingerprints("PINNED_ISSUERS")
	c.CacheJSON = r.Bool("CACHE_JSON")
	c.PublishTruststore = r.Bool("PUBLISH_TRUSTSTORE")
	if c.PublishTruststore && len(c.Pinned) == 0 {
		r.Fault("PUBLISH_TRUSTSTORE", "true", "it needs PINNED_ISSUERS: whoever writes issuers would otherwise decide who may connect")
	}
	// Longer than an authorizer may hold a catalog that names what is swept.
	c.SweepAfter = r.Duration("SWEEP_AFTER", 24*time.Hour, time.Hour, 365*24*time.Hour)
	if c.UploadBucket != "" && c.UploadBucket == c.CacheBucket {
		r.Fault("CACHE_BUCKET", c.CacheBucket, "it must be another bucket than UPLOAD_BUCKET: whoever publishes CRLs must not write what the authorizer trusts")
	}
	for _, p := range c.CRLPrefixes {
		if strings.HasPrefix(p, c.IssuerPrefix) || strings.HasPrefix(c.IssuerPrefix, p) {
			r.Fault("CRL_PREFIXES", p, "it must not overlap ISSUER_PREFIX ("+c.IssuerPrefix+")")
		}
	}
	return c, r.Err()
}
