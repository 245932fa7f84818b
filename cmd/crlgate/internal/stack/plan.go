package stack

import (
	"maps"
	"slices"
	"time"

	"github.com/crlgate/crlgate/cmd/crlgate/internal/gateway"
	"github.com/crlgate/crlgate/cmd/crlgate/internal/template"
	"github.com/crlgate/crlgate/pkg/fetch"
)

// plan is what the stack runs by and a Config has no field for: the template's
// word, or the default.
type plan struct {
	uploads, cache                         string
	versionedUploads, versionedCache       bool
	prefixes                               []string // of uploads that the preprocessor is told of
	issuers                                string   // prefix of the issuers
	authorizerTimeout, preprocessorTimeout time.Duration
	authorizerLog, preprocessorLog         logging
	preprocessors                          int // at once
	retries                                int
	maxEventAge                            time.Duration
	timerInput                             string
	apis                                   map[gateway.Form]template.API
	fetcher                                *fetcherPlan // nil: the template has none
}

// fetcherPlan is what a plan says of the fetcher.
type fetcherPlan struct {
	timeout     time.Duration
	memoryMB    int
	log         logging
	retries     int
	maxEventAge time.Duration
	timerInput  string
}

// logging is how a function logs, as Lambda names it.
type logging struct{ format, level string }

func (c *Config) plan() plan {
	p := plan{
		uploads: UploadBucket, cache: CacheBucket, versionedUploads: true,
		prefixes: []string{"issuers/", "crls/", "crl/"}, issuers: "issuers/",
		authorizerTimeout: 10 * time.Second, preprocessorTimeout: 15 * time.Minute, preprocessors: 2, retries: 2,
		timerInput: `{"crlgate":"reconcile"}`,
		apis:       map[gateway.Form]template.API{gateway.HTTP2: {SimpleResponses: true}},
		fetcher:    &fetcherPlan{timeout: 15 * time.Minute, memoryMB: 256, timerInput: fetch.TimerRequest},
	}
	t := c.Template
	if t == nil {
		return p
	}
	p.uploads, p.versionedUploads = t.Uploads.Name, t.Uploads.Versioned
	p.cache, p.versionedCache = t.Cache.Name, t.Cache.Versioned
	p.prefixes = t.Prefixes
	if prefix := t.Preprocessor.Environment["ISSUER_PREFIX"]; prefix != "" {
		p.issuers = prefix
	}
	p.authorizerTimeout, p.preprocessorTimeout = t.Authorizer.Timeout, t.Preprocessor.Timeout
	p.authorizerLog = logging{t.Authorizer.LogFormat, t.Authorizer.LogLevel}
	p.preprocessorLog = logging{t.Preprocessor.LogFormat, t.Preprocessor.LogLevel}
	if t.Preprocessor.Reserved > 0 {
		p.preprocessors = t.Preprocessor.Reserved
	}
	p.retries, p.maxEventAge, p.timerInput = t.Retries, t.MaxEventAge, t.TimerInput
	if c.Fetch <= 0 {
		p.fetcher = nil // unless it is asked for aloud
	}
	if f := t.Fetcher; f != nil {
		p.fetcher = &fetcherPlan{f.Timeout, f.MemoryMB, logging{f.LogFormat, f.LogLevel}, f.Retries, f.MaxEventAge, f.TimerInput}
	}
	for _, api := range t.APIs {
		p.apis[formOf(api)] = api
	}
	return p
}

// formOf is the gateway that stands in for an API of the template.
func formOf(api template.API) gateway.Form {
	switch {
	case !api.HTTP:
		return gateway.REST
	case api.PayloadFormat == "1.0":
		return gateway.HTTP1
	}
	return gateway.HTTP2
}

// follow fills in what the template says and nobody has set otherwise.
func (c *Config) follow() {
	t := c.Template
	if t == nil {
		return
	}
	c.Authorizer, c.Preprocessor = over(t.Authorizer.Environment, c.Authorizer), over(t.Preprocessor.Environment, c.Preprocessor)
	if t.Truststore != nil {
		c.Truststore = over(t.Truststore.Environment, c.Truststore)
	}
	if c.AuthorizerMemoryMB == 0 {
		c.AuthorizerMemoryMB = t.Authorizer.MemoryMB
	}
	if c.PreprocessorMemoryMB == 0 {
		c.PreprocessorMemoryMB = t.Preprocessor.MemoryMB
	}
	if c.MaxAuthorizers == 0 {
		c.MaxAuthorizers = t.Authorizer.Reserved
	}
	if c.Reconcile == 0 {
		c.Reconcile = t.TimerEvery
	}
	if f := t.Fetcher; f != nil {
		c.Fetcher = over(f.Environment, c.Fetcher)
		if c.Fetch == 0 {
			c.Fetch = f.TimerEvery
		}
	}
	if c.Domain == "" {
		c.Domain = t.Domain
	}
	if c.Forms == nil {
		for _, api := range t.APIs {
			if form := formOf(api); !slices.Contains(c.Forms, form) {
				c.Forms = append(c.Forms, form)
			}
		}
	}
}

// over returns base with what set says in its place.
func over(base, set map[string]string) map[string]string {
	out := maps.Clone(base)
	maps.Copy(out, set)
	return out
}
