package template

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strconv"
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
	// Fetcher is nil where the gate has none.
	Fetcher *Fetcher
	// APIs are the authorizers of the template's APIs.
	APIs []API
	// Domain is the custom domain name, and MutualTLS whether it asks for
	// client certificates; "" without one.
	Domain    string
	MutualTLS bool
	// Truststore is the function that looks after the domain's truststore; nil
	// without one.
	Truststore *Truststore
}

// Truststore is the function that looks after a domain's truststore, and what
// invokes it.
type Truststore struct {
	Function
	// Bucket and Key are the object with which the domain begins; "" where the
	// template does not say, and the function moves it.
	Bucket, Key string
	// Prefixes are those of the cache bucket whose objects, created, invoke it.
	Prefixes    []string
	Retries     int
	MaxEventAge time.Duration
	TimerEvery  time.Duration
	TimerInput  string
}

// Function is one of the functions.
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
	var preprocessor, authorizer, truststore, fetcher []string
	for _, id := range d.of(functionType) {
		env := d.properties(id).get("Environment", "Variables")
		switch {
		case !env.get("DOMAIN_NAME").missing():
			truststore = append(truststore, id)
		case !env.get("FETCH_PREFIX").missing():
			fetcher = append(fetcher, id)
		case !env.get("UPLOAD_BUCKET").missing():
			preprocessor = append(preprocessor, id)
		case !env.get("CACHE_BUCKET").missing():
			authorizer = append(authorizer, id)
		}
	}
	if len(preprocessor) != 1 || len(authorizer) != 1 || len(truststore) > 1 {
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
		func() (err error) { g.Retries, g.MaxEventAge, err = d.retries(preprocessor[0]); return err },
		func() (err error) { g.TimerEvery, g.TimerInput, err = d.timer(preprocessor[0]); return err },
		func() error { return d.apis(&g) },
		func() error { return d.domain(&g) },
		func() error { return d.truststore(truststore, uploads, cache, &g) },
		func() error { return d.fetcher(fetcher, &g, uploads, cache) },
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
	told, err := d.notifications(uploads, preprocessor)
	if err != nil {
		return err
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

// notifications reads what a bucket tells its one function: prefixes by event.
func (d *document) notifications(bucket, function string) (map[string][]string, error) {
	told := map[string][]string{}
	for _, c := range d.properties(bucket).get("NotificationConfiguration", "LambdaConfigurations").items() {
		event, err := c.get("Event").text()
		if err != nil {
			return nil, err
		}
		to, err := c.get("Function").text()
		if err != nil {
			return nil, err
		}
		if to != arnOf(function) {
			return nil, fmt.Errorf("%s notifies %s, and %s was expected", bucket, to, function)
		}
		for _, rule := range c.get("Filter", "S3Key", "Rules").items() {
			name, _ := rule.get("Name").text()
			prefix, err := rule.get("Value").text()
			if err != nil || name != "prefix" {
				return nil, fmt.Errorf("%s: only filters by prefix are understood here", rule.at)
			}
			told[event] = append(told[event], prefix)
		}
	}
	return told, nil
}

// retries reads what becomes of a function's events that fail.
func (d *document) retries(function string) (retries int, age time.Duration, err error) {
	for _, id := range d.of("AWS::Lambda::EventInvokeConfig") {
		p := d.properties(id)
		if name, err := p.get("FunctionName").text(); err != nil || name != function {
			continue
		}
		retries, err := p.get("MaximumRetryAttempts").number(2)
		if err != nil {
			return 0, 0, err
		}
		age, err := p.get("MaximumEventAgeInSeconds").number(6 * 3600)
		return int(retries), time.Duration(age) * time.Second, err
	}
	return 2, 6 * time.Hour, nil // Lambda's own
}

var rate = regexp.MustCompile(`^rate\((\d+) (minute|hour|day)s?\)$`)

// timer reads what invokes a function by time.
func (d *document) timer(function string) (every time.Duration, input string, err error) {
	for _, id := range d.of("AWS::Events::Rule") {
		for _, target := range d.properties(id).get("Targets").items() {
			if to, err := target.get("Arn").text(); err != nil || to != arnOf(function) {
				continue
			}
			schedule, err := d.properties(id).get("ScheduleExpression").text()
			if err != nil {
				return 0, "", err
			}
			found := rate.FindStringSubmatch(schedule)
			if found == nil {
				return 0, "", fmt.Errorf("%s has the schedule %q; the local stack knows rate(…)", id, schedule)
			}
			n, err := strconv.Atoi(found[1])
			if err != nil {
				return 0, "", fmt.Errorf("%s: %w", id, err)
			}
			every = time.Duration(n) * map[string]time.Duration{"minute": time.Minute, "hour": time.Hour, "day": 24 * time.Hour}[found[2]]
			input, err = target.get("Input").text()
			return every, input, err
		}
	}
	return 0, "", fmt.Errorf("no rule invokes %s by time", function)
}
