package main

import (
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"net/url"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/constructs-go/constructs/v10"
	"github.com/aws/jsii-runtime-go"

	"github.com/crlgate/crlgate/infra/gate"
)

// settings are the app's context, read and checked.
type settings struct {
	stack         string
	gate          *gate.Props
	example       *exampleSettings
	alarmTopicARN string
	alarmEmail    string
}

// exampleSettings are what the complete example needs to know.
type exampleSettings struct {
	domainName     string
	certificateARN string
	truststore     string // a file of PEM certificates
	backend        string // URL, without a slash at its end; "": a sample function
}

// contextPrefix begins the name of every context key of this app, so that a misspelt one can be refused.
const contextPrefix = "crlgate:"

// readSettings reads the context. It reports all faults at once.
func readSettings(node constructs.Node) (*settings, error) { return readSettingsFrom(newContext(node)) }

func readSettingsFrom(c *context) (*settings, error) {
	s := &settings{
		stack: c.text("stack", "crlgate"),
		gate: &gate.Props{
			Domains:      c.list("domains"),
			CASettings:   c.list("caSettings"),
			Architecture: gate.Architecture(c.text("architecture", "")),
			Authorizer: &gate.AuthorizerProps{
				Mode:            gate.Mode(c.text("mode", "")),
				RevalidateAfter: c.duration("revalidateAfter"),
				MaxUnvalidated:  c.duration("maxUnvalidated"),
				MemoryBudget:    c.size("memoryBudget"),
				RequireChain:    c.flag("requireChain"),
				LogAllowed:      c.number("logAllowed"),
				MemorySize:      c.number("authorizerMemory"),
			},
			Preprocessor: &gate.PreprocessorProps{
				IssuerPrefix:   c.optional("issuerPrefix"),
				CRLPrefixes:    c.list("crlPrefixes"),
				MaxCRLBytes:    c.size("maxCrlBytes"),
				AllowSHA1:      c.flag("allowSha1"),
				PinnedIssuers:  c.list("pinnedIssuers"),
				CacheJSON:      c.flag("cacheJson"),
				SweepAfter:     c.duration("sweepAfter"),
				MemorySize:     c.number("preprocessorMemory"),
				Unreserved:     c.flag("unreserved"),
				ReconcileEvery: c.duration("reconcileEvery"),
			},
		},
		alarmTopicARN: c.text("alarmTopicArn", ""),
		alarmEmail:    c.text("alarmEmail", ""),
	}
	if path := c.optional("assets"); path != nil {
		s.gate.AssetPath = path
	}
	example := exampleSettings{c.text("domainName", ""), c.text("certificateArn", ""), c.text("truststore", ""), strings.TrimSuffix(c.text("backend", ""), "/")}
	if on := c.flag("example"); on != nil && *on {
		s.example = &example
		c.checkExample(example)
		s.gate.Domains = append(s.gate.Domains, example.domainName)
	} else if example != (exampleSettings{}) {
		c.fault("domainName, certificateArn, truststore and backend belong to the example: set crlgate:example=true too, or leave them out")
	}
	s.gate.Truststore = c.truststore(s.example)
	s.gate.Fetcher = c.fetcher()
	if s.alarmTopicARN != "" && s.alarmEmail != "" {
		c.fault("alarmTopicArn and alarmEmail are both set: keep one of them")
	}
	return s, c.err()
}

// context is the part of the CDK context that is this app's.
type context struct {
	values map[string]any
	used   map[string]bool
	faults []string
}

func newContext(node constructs.Node) *context {
	c := &context{values: map[string]any{}, used: map[string]bool{}}
	all, _ := node.GetAllContext(nil).(map[string]any)
	for key, value := range all {
		if name, ours := strings.CutPrefix(key, contextPrefix); ours {
			c.values[name] = value
		}
	}
	return c
}

func (c *context) fault(format string, args ...any) {
	c.faults = append(c.faults, fmt.Sprintf(format, args...))
}

// err is the faults so far, and a fault for each key that nobody asked for.
func (c *context) err() error {
	unknown := []string{}
	for name := range c.values {
		if !c.used[name] {
			unknown = append(unknown, name)
		}
	}
	slices.Sort(unknown)
	for _, name := range unknown {
		c.fault("%s%s is not a setting: docs/deploy.md lists them", contextPrefix, name)
	}
	if len(c.faults) == 0 {
		return nil
	}
	return errors.New("crlgate: the context does not work:\n  - " + strings.Join(c.faults, "\n  - "))
}

// optional is a text, whether from the command line or from cdk.json, where it may be a number or a boolean.
// An empty text is as good as none.
func (c *context) optional(name string) *string {
	c.used[name] = true
	value, ok := c.values[name]
	if !ok || value == nil {
		return nil
	}
	var text string
	switch v := value.(type) {
	case string:
		text = v
	case bool:
		text = strconv.FormatBool(v)
	case float64:
		text = strconv.FormatFloat(v, 'f', -1, 64)
	default:
		c.fault("%s%s is a %T: give a text, a number or true or false", contextPrefix, name, value)
	}
	if text == "" {
		return nil
	}
	return jsii.String(text)
}

func (c *context) text(name, otherwise string) string {
	if v := c.optional(name); v != nil {
		return *v
	}
	return otherwise
}

func (c *context) flag(name string) *bool {
	v := c.optional(name)
	if v == nil {
		return nil
	}
	if *v != "true" && *v != "false" {
		c.fault("%s%s is %q: give true or false", contextPrefix, name, *v)
		return nil
	}
	return jsii.Bool(*v == "true")
}

func (c *context) number(name string) *float64 {
	v := c.optional(name)
	if v == nil {
		return nil
	}
	n, err := strconv.ParseFloat(*v, 64)
	if err != nil {
		c.fault("%s%s is %q: give a number", contextPrefix, name, *v)
		return nil
	}
	return jsii.Number(n)
}

func (c *context) duration(name string) awscdk.Duration {
	v := c.optional(name)
	if v == nil {
		return nil
	}
	d, err := time.ParseDuration(*v)
	if err != nil || d < 0 {
		c.fault("%s%s is %q: give a duration such as 10s, 15m or 24h", contextPrefix, name, *v)
		return nil
	}
	return awscdk.Duration_Millis(jsii.Number(float64(d.Milliseconds())))
}

var sizePattern = regexp.MustCompile(`^([0-9]{1,12})(KiB|MiB|GiB)?$`)

func (c *context) size(name string) awscdk.Size {
	v := c.optional(name)
	if v == nil {
		return nil
	}
	parts := sizePattern.FindStringSubmatch(*v)
	if parts == nil {
		c.fault("%s%s is %q: give bytes, or a size such as 64MiB or 8GiB", contextPrefix, name, *v)
		return nil
	}
	n, _ := strconv.ParseFloat(parts[1], 64) // the pattern allows only digits
	shift := map[string]float64{"": 1, "KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30}[parts[2]]
	return awscdk.Size_Bytes(jsii.Number(n * shift))
}

// list splits at commas; cdk.json may hold a list too.
func (c *context) list(name string) []string {
	if values, ok := c.values[name].([]any); ok {
		c.used[name] = true
		out := make([]string, len(values))
		for i, v := range values {
			text, ok := v.(string)
			if !ok {
				c.fault("%s%s holds a %T: give texts", contextPrefix, name, v)
			}
			out[i] = text
		}
		return out
	}
	v := c.optional(name)
	if v == nil {
		return nil
	}
	return strings.Split(*v, ",")
}

// fetcher reads whether CRLs are fetched, and how.
func (c *context) fetcher() *gate.FetcherProps {
	f := &gate.FetcherProps{
		AllowHosts: c.list("fetchAllowHosts"), CDP: c.flag("fetchCdp"), MaxCRLBytes: c.size("fetchMaxCrlBytes"), MaxInterval: c.duration("fetchMaxInterval"),
	}
	if on := c.flag("fetcher"); on != nil && *on {
		return f
	}
	if f.AllowHosts != nil || f.CDP != nil || f.MaxCRLBytes != nil || f.MaxInterval != nil {
		c.fault("fetchAllowHosts, fetchCdp, fetchMaxCrlBytes and fetchMaxInterval are the fetcher's: set crlgate:fetcher=true too, or leave them out")
	}
	return nil
}

// truststore reads whose truststore is looked after: the example's domain, or one that is named.
func (c *context) truststore(example *exampleSettings) *gate.TruststoreProps {
	domain, object, move := c.optional("truststoreDomain"), c.text("truststoreObject", ""), c.flag("moveTruststore")
	t := &gate.TruststoreProps{DomainName: domain, Move: move}
	moves := move != nil && *move
	switch {
	case example != nil:
		if domain != nil || object != "" {
			c.fault("truststoreDomain and truststoreObject are for a domain of your own: with crlgate:example=true the example's is looked after; leave them out")
		}
		t.DomainName = jsii.String(example.domainName)
		if !moves { // the asset, whose name is known once there is a stack
			t.Bucket, t.Key = jsii.String("asset"), jsii.String("asset")
		}
	case domain == nil:
		if object != "" || move != nil {
			c.fault("truststoreObject and moveTruststore are set and truststoreDomain is not: name the custom domain name whose truststore is looked after")
		}
		return nil
	case object != "":
		bucket, key, ok := strings.Cut(strings.TrimPrefix(object, "s3://"), "/")
		if !ok || key == "" || !strings.HasPrefix(object, "s3://") {
			c.fault("%struststoreObject is %q: give the object that the domain has as its truststore, such as s3://bucket/truststore.pem", contextPrefix, object)
		}
		t.Bucket, t.Key = jsii.String(bucket), jsii.String(key)
	}
	return t
}

func (c *context) checkExample(e exampleSettings) {
	if !regexp.MustCompile(`^([a-z0-9-]+\.)+[a-z]{2,}$`).MatchString(e.domainName) {
		c.fault("crlgate:domainName is %q: give the name that clients connect to, such as api.example.com", e.domainName)
	}
	if !strings.Contains(e.certificateARN, ":acm:") {
		c.fault("crlgate:certificateArn is %q: give the ARN of the ACM certificate for the domain name, in the region of the stack", e.certificateARN)
	}
	if u, err := url.Parse(e.backend); e.backend != "" && (err != nil || u.Scheme != "https" || u.Host == "" || u.RawQuery != "" || u.Fragment != "") {
		c.fault("crlgate:backend is %q: give the https URL that both APIs lead to, such as https://backend.example.com/v1", e.backend)
	}
	if err := checkTruststore(e.truststore); err != nil {
		c.fault("crlgate:truststore: %v", err)
	}
}

// checkTruststore refuses a file that API Gateway would refuse, after minutes of deployment, and one with a
// private key in it, which the deployment would upload.
func checkTruststore(path string) error {
	if path == "" {
		return errors.New("give the file with the PEM certificates of the CAs whose clients may connect")
	}
	rest, err := os.ReadFile(path)
	if err != nil {
		return fmt.Errorf("reading the certificates: %w", err)
	}
	for n := 0; ; n++ {
		var block *pem.Block
		block, rest = pem.Decode(rest)
		if block == nil && n == 0 {
			return fmt.Errorf("%s holds no PEM certificate: give the file of the CAs' certificates", path)
		}
		if block == nil {
			return nil
		}
		if block.Type != "CERTIFICATE" {
			return fmt.Errorf("%s holds a %s: leave only certificates in it", path, block.Type)
		}
		if _, err := x509.ParseCertificate(block.Bytes); err != nil {
			return fmt.Errorf("certificate %d of %s: %w", n+1, path, err)
		}
	}
}
