package main

import (
	"strings"

	"github.com/crlgate/crlgate/functions/internal/settings"
	"github.com/crlgate/crlgate/pkg/truststore/keeper"
)

// config is the function's settings, read once from the environment:
//
//	CACHE_BUCKET     required   where the catalog and the published truststore are
//	DOMAIN_NAME      required   the custom domain name of API Gateway
//	MOVE_DOMAIN      false      move the domain to each truststore that is published
//	PINNED_ISSUERS   none       SHA-256 fingerprints; a truststore with any other
//	                            certificate is not moved to. MOVE_DOMAIN needs them
//
// Function is the name that logs and metrics bear: AWS_LAMBDA_FUNCTION_NAME.
type config struct {
	Function string
	keeper.Config
}

// readConfig reads the settings; the error names every fault.
func readConfig(lookup func(string) (string, bool)) (config, error) {
	r := settings.From(lookup)
	var c config
	c.Function = r.String("AWS_LAMBDA_FUNCTION_NAME", "truststore")
	c.CacheBucket = r.Required("CACHE_BUCKET", "the name of the cache bucket")
	c.DomainName = r.Required("DOMAIN_NAME", "the custom domain name whose truststore is kept")
	if strings.ContainsAny(c.DomainName, "/:, ") {
		r.Fault("DOMAIN_NAME", c.DomainName, "it must be one domain name such as api.example.com")
	}
	c.Move = r.Bool("MOVE_DOMAIN")
	c.Pinned = r.Fingerprints("PINNED_ISSUERS")
	if c.Move && len(c.Pinned) == 0 {
		r.Fault("MOVE_DOMAIN", "true", "it needs PINNED_ISSUERS: whoever writes issuers would otherwise decide who may connect")
	}
	return c, r.Err()
}
