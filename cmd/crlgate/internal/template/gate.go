package template

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Gate is what a template says of a gate.
type Gate struct {
	Authorizer, Preprocessor Function
	Uploads, Cache           Bucket
	// Prefixes are those of the upload bucket whose objects, created or
	// removed, the preprocessor is told of.
	Prefixes []string
	// Retries is how often a failed event is tried again, MaxEventAge how long
	// it may wait.
	Retries     int
	MaxEventAge time.Duration
	// TimerEvery is the timer's period, TimerInput the event it sends.
	TimerEvery time.Duration
	TimerInput string
	// APIs are the authorizers of the template's APIs.
	APIs []API
	// Domain is the custom domain name, and MutualTLS whether it asks for
	// client certificates; "" without one.
	Domain    string
	MutualTLS bool
}

// Function is one of the two functions.
type Function struct {
	Environment map[string]string
	MemoryMB    int
	Timeout     time.Duration
	Reserved    int // concurrency; 0: not reserved
	// LogFormat and LogLevel are as Lambda names them.
	LogFormat, LogLevel string
	// Policy is what its role may do, with the policies of the buckets.
	Policy Policy
}

// Bucket is one of the two buckets.
type Bucket struct {
	Name      string
	Versioned bool
}

// API is the authorizer of one API.
type API struct {
	HTTP            bool   // an HTTP API; otherwise a REST API
	PayloadFormat   string // of an HTTP API: 1.0 or 2.0
	SimpleResponses bool
	IdentitySources []string
	TTL             time.Duration
	// RequestParameters are the mappings of request parameters that the API's
	// integrations have, all the same, in the syntax of the API's kind.
	RequestParameters map[string]string
}

const (
	functionType = "AWS::Lambda::Function"
	bucketType   = "AWS::S3::Bucket"
)

// gate finds the gate: the functions that have the buckets' names as settings.
func (d *document) gate() (*Gate, error) {
	var g Gate
	var preprocessor, authorizer []string
	for _, id := range d.of(functionType) {
		env := d.properties(id).get("Environment", "Variables")
		switch {
		case !env.get("UPLOAD_BUCKET").missing():
			preprocessor = append(preprocessor, id)
		case !env.get("CACHE_BUCKET").missing():
			authorizer = append(authorizer, id)
		}
	}
	if len(preprocessor) != 1 || len(authorizer) != 1 {
		return nil, fmt.Errorf("it has %d functions with UPLOAD_BUCKET and %d more with CACHE_BUCKET, and must have one gate: one of each", len(preprocessor), len(authorizer))
	}
	uploads, cache, err := d.buckets(preprocessor[0], &g)
	if err != nil {
		return nil, err
	}
	for _, step := range []func() error{
		func() error { return d.function(authorizer[0], &g.Authorizer, uploads, cache) },
		func() error { return d.function(preprocessor[0], &g.Preprocessor, uploads, cache) },
		func() error { return d.events(uploads, preprocessor[0], &g) },
		func() error { return d.retries(preprocessor[0], &g) },
		func() error { return d.timer(preprocessor[0], &g) },
		func() error { return d.apis(&g) },
		func() error { return d.domain(&g) },
	} {
		if err := step(); err != nil {
			return nil, err
		}
	}
	if g.Authorizer.Environment["CACHE_BUCKET"] != g.Cache.Name {
		return nil, fmt.Errorf("%s reads the bucket %s, and %s writes %s", authorizer[0], g.Authorizer.Environment["CACHE_BUCKET"], preprocessor[0], g.Cache.Name)
	}
	return &g, nil
}

// buckets finds the buckets that the preprocessor's settings name.
func (d *document) buckets(preprocessor string, g *Gate) (uploads, cache string, err error) {
	env := d.properties(preprocessor).get("Environment", "Variables")
	find := func(setting string, b *Bucket) (string, error) {
		want, err := env.get(setting).text()
		if err != nil {
			return "", err
		}
		for _, id := range d.of(bucketType) {
			name, err := d.name(id)
			if err == nil && name == want {
				status, err := d.properties(id).get("VersioningConfiguration", "Status").text()
				*b = Bucket{name, status == "Enabled"}
				return id, err
			}
		}
		return "", fmt.Errorf("%s of %s is %q, and no bucket of the template has that name", setting, preprocessor, want)
	}
	if uploads, err = find("UPLOAD_BUCKET", &g.Uploads); err != nil {
		return "", "", err
	}
	cache, err = find("CACHE_BUCKET", &g.Cache)
	return uploads, cache, err
}

// function reads a function and what it may do.
func (d *document) function(id string, f *Function, buckets ...string) error {
	p := d.properties(id)
	variables := p.get("Environment", "Variables")
	f.Environment = map[string]string{}
	names, _ := variables.v.(map[string]any)
	for _, name := range slices.Sorted(maps.Keys(names)) {
		v, err := variables.get(name).text()
		if err != nil {
			return err
		}
		f.Environment[name] = v
	}
	memory, err := p.get("MemorySize").number(128)
	if err != nil {
		return err
	}
	seconds, err := p.get("Timeout").number(3)
	if err != nil {
		return err
	}
	reserved, err := p.get("ReservedConcurrentExecutions").number(0)
	if err != nil {
		return err
	}
	f.MemoryMB, f.Timeout, f.Reserved = int(memory), time.Duration(seconds)*time.Second, int(reserved)
	if f.LogFormat, err = p.get("LoggingConfig", "LogFormat").text(); err != nil {
		return err
	}
	if f.LogLevel, err = p.get("LoggingConfig", "ApplicationLogLevel").text(); err != nil {
		return err
	}
	f.Policy, err = d.policy(p.get("Role"), buckets...)
	return err
}

// events reads what the upload bucket tells the preprocessor.
func (d *document) events(uploads, preprocessor string, g *Gate) error {
	told := map[string][]string{}
	for _, c := range d.properties(uploads).get("NotificationConfiguration", "LambdaConfigurations").items() {
		event, err := c.get("Event").text()
		if err != nil {
			return err
		}
		to, err := c.get("Function").text()
		if err != nil {
			return err
		}
		if to != arnOf(preprocessor) {
			return fmt.Errorf("%s notifies %s, which is not the preprocessor", uploads, to)
		}
		for _, rule := range c.get("Filter", "S3Key", "Rules").items() {
			name, _ := rule.get("Name").text()
			prefix, err := rule.get("Value").text()
			if err != nil || name != "prefix" {
				return fmt.Errorf("%s: only filters by prefix are understood here", rule.at)
			}
			told[event] = append(told[event], prefix)
		}
	}
	created, removed := told["s3:ObjectCreated:*"], told["s3:ObjectRemoved:*"]
	slices.Sort(created)
	slices.Sort(removed)
	if len(told) != 2 || !slices.Equal(created, removed) {
		return fmt.Errorf("%s notifies of %v; the local stack knows s3:ObjectCreated:* and s3:ObjectRemoved:* under the same prefixes", uploads, told)
	}
	g.Prefixes = created
	return nil
}

// retries reads what becomes of events that fail.
func (d *document) retries(preprocessor string, g *Gate) error {
	g.Retries, g.MaxEventAge = 2, 6*time.Hour // Lambda's own
	for _, id := range d.of("AWS::Lambda::EventInvokeConfig") {
		p := d.properties(id)
		if name, err := p.get("FunctionName").text(); err != nil || name != preprocessor {
			continue
		}
		retries, err := p.get("MaximumRetryAttempts").number(2)
		if err != nil {
			return err
		}
		age, err := p.get("MaximumEventAgeInSeconds").number(6 * 3600)
		if err != nil {
			return err
		}
		g.Retries, g.MaxEventAge = int(retries), time.Duration(age)*time.Second
		return nil
	}
	return nil
}

var rate = regexp.MustCompile(`^rate\((\d+) (minute|hour|day)s?\)$`)

// timer reads what invokes the preprocessor by time.
func (d *document) timer(preprocessor string, g *Gate) error {
	for _, id := range d.of("AWS::Events::Rule") {
		for _, target := range d.properties(id).get("Targets").items() {
			if to, err := target.get("Arn").text(); err != nil || to != arnOf(preprocessor) {
				continue
			}
			schedule, err := d.properties(id).get("ScheduleExpression").text()
			if err != nil {
				return err
			}
			found := rate.FindStringSubmatch(schedule)
			if found == nil {
				return fmt.Errorf("%s has the schedule %q; the local stack knows rate(…)", id, schedule)
			}
			n, err := strconv.Atoi(found[1])
			if err != nil {
				return fmt.Errorf("%s: %w", id, err)
			}
			g.TimerEvery = time.Duration(n) * map[string]time.Duration{"minute": time.Minute, "hour": time.Hour, "day": 24 * time.Hour}[found[2]]
			g.TimerInput, err = target.get("Input").text()
			return err
		}
	}
	return fmt.Errorf("no rule invokes %s by time", preprocessor)
}

// apis reads the authorizers of APIs.
func (d *document) apis(g *Gate) error {
	for _, kind := range []string{"AWS::ApiGateway::Authorizer", "AWS::ApiGatewayV2::Authorizer"} {
		for _, id := range d.of(kind) {
			a, err := d.api(id, kind == "AWS::ApiGatewayV2::Authorizer")
			if err == nil {
				a.RequestParameters, err = d.requestParameters(id, a.HTTP)
			}
			if err != nil {
				return err
			}
			g.APIs = append(g.APIs, a)
		}
	}
	return nil
}

func (d *document) api(id string, http bool) (a API, err error) {
	p := d.properties(id)
	kind, ttl := "Type", 300.0 // API Gateway's own for REST APIs
	if http {
		kind, ttl = "AuthorizerType", 0
	}
	if got, _ := p.get(kind).text(); got != "REQUEST" {
		return a, fmt.Errorf("%s is an authorizer of type %q, which gets no client certificate; crlgate's are of type REQUEST", id, got)
	}
	a = API{HTTP: http}
	if a.IdentitySources, err = p.get("IdentitySource").texts(); err != nil {
		return a, err
	}
	if !http && len(a.IdentitySources) > 0 { // one text, with commas
		a.IdentitySources = strings.FieldsFunc(strings.Join(a.IdentitySources, ","), func(r rune) bool { return r == ',' })
	}
	seconds, err := p.get("AuthorizerResultTtlInSeconds").number(ttl)
	if err != nil {
		return a, err
	}
	a.TTL = time.Duration(seconds) * time.Second
	if a.PayloadFormat, err = p.get("AuthorizerPayloadFormatVersion").text(); err != nil {
		return a, err
	}
	a.SimpleResponses, _ = p.get("EnableSimpleResponses").v.(bool)
	return a, nil
}

// domain reads the custom domain name.
func (d *document) domain(g *Gate) (err error) {
	for _, kind := range []string{"AWS::ApiGateway::DomainName", "AWS::ApiGatewayV2::DomainName"} {
		for _, id := range d.of(kind) {
			if g.Domain != "" {
				return fmt.Errorf("it has more than one domain name; the local stack knows one")
			}
			p := d.properties(id)
			if g.Domain, err = p.get("DomainName").text(); err != nil {
				return err
			}
			g.MutualTLS = !p.get("MutualTlsAuthentication", "TruststoreUri").missing()
			if !g.MutualTLS {
				return fmt.Errorf("%s has no MutualTlsAuthentication: no client certificate would reach the authorizer", id)
			}
		}
	}
	return nil
}
