package gateway

import (
	"fmt"
	"maps"
	"strconv"
	"strings"
	"sync"
	"time"
)

// identitySource reads one of the values that key the authorizer cache.
type identitySource func(*call) string

// contextSources are the $context variables that can be identity sources here.
var contextSources = map[string]identitySource{
	"httpMethod":        func(c *call) string { return c.request.Method },
	"path":              func(c *call) string { return c.staged() },
	"resourcePath":      func(c *call) string { name, _ := c.resource(); return name },
	"routeKey":          func(c *call) string { name, _ := c.resource(); return name },
	"stage":             func(c *call) string { return c.cfg.Stage },
	"domainName":        func(c *call) string { return c.cfg.DomainName },
	"identity.sourceIp": func(c *call) string { return c.sourceIP },
}

// parseIdentitySource reads API Gateway's expression: for REST
// method.request.header.X, method.request.querystring.X, stageVariables.X or
// context.X, for HTTP APIs $request.header.X, $request.querystring.X,
// $stageVariables.X or $context.X.
func parseIdentitySource(form Form, expression string) (identitySource, error) {
	rest, sigil, request := expression, "", "method.request."
	if form != REST {
		sigil, request = "$", "request."
	}
	rest, found := strings.CutPrefix(rest, sigil)
	if found {
		if name, ok := strings.CutPrefix(rest, request+"header."); ok && isToken(name) {
			return func(c *call) string { return strings.Join(c.header.Values(name), ",") }, nil
		}
		if name, ok := strings.CutPrefix(rest, request+"querystring."); ok && name != "" {
			return func(c *call) string { return strings.Join(c.query[name], ",") }, nil
		}
		if name, ok := strings.CutPrefix(rest, "stageVariables."); ok && name != "" {
			return func(c *call) string { return c.cfg.StageVariables[name] }, nil
		}
		if name, ok := strings.CutPrefix(rest, "context."); ok && contextSources[name] != nil {
			return contextSources[name], nil
		}
	}
	return nil, fmt.Errorf("gateway: identity source %q is not known for %s: use %s%sheader.NAME, %s%squerystring.NAME, %sstageVariables.NAME or one of the supported %scontext variables",
		expression, form, sigil, request, sigil, request, sigil, sigil)
}

// identity reads the values of all identity sources. ok is false when one is
// missing or empty, for which API Gateway answers 401 without a call.
func (c *call) identity() (values []string, ok bool) {
	for _, expression := range c.cfg.IdentitySources {
		source, err := parseIdentitySource(c.cfg.Form, expression)
		if err != nil {
			return nil, false // New has refused such a configuration
		}
		value := source(c)
		if value == "" {
			return nil, false
		}
		values = append(values, value)
	}
	return values, true
}

// maxCachedAnswers bounds the cache's memory.
const maxCachedAnswers = 10_000

// answerCache keeps answers by identity source values, and by nothing else: that
// is what makes it unfit for decisions on certificates.
type answerCache struct {
	ttl time.Duration

	mu      sync.Mutex
	entries map[string]cachedAnswer
}

type cachedAnswer struct {
	answer *answer
	kept   time.Time
}

// current reports whether the answer may still be used. An age below zero, from a
// clock that was set back, is not current.
func (c *answerCache) current(entry cachedAnswer, now time.Time) bool {
	age := now.Sub(entry.kept)
	return 0 <= age && age < c.ttl
}

func newAnswerCache(ttl time.Duration) *answerCache {
	return &answerCache{ttl: ttl, entries: make(map[string]cachedAnswer)}
}

// get returns a kept answer; a nil cache keeps none.
func (c *answerCache) get(identity []string, now time.Time) (*answer, bool) {
	if c == nil {
		return nil, false
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	entry, ok := c.entries[cacheKey(identity)]
	if !ok || !c.current(entry, now) {
		return nil, false
	}
	return entry.answer, true
}

// put keeps an answer. Where the cache is full it first drops what has expired, and
// if that is nothing, everything.
func (c *answerCache) put(identity []string, a *answer, now time.Time) {
	if c == nil {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.entries) >= maxCachedAnswers {
		maps.DeleteFunc(c.entries, func(_ string, entry cachedAnswer) bool { return !c.current(entry, now) })
	}
	if len(c.entries) >= maxCachedAnswers {
		clear(c.entries)
	}
	c.entries[cacheKey(identity)] = cachedAnswer{answer: a, kept: now}
}

// cacheKey joins the values so that no two lists share a key.
func cacheKey(identity []string) string {
	var key strings.Builder
	for _, value := range identity {
		key.WriteString(strconv.Quote(value))
	}
	return key.String()
}
