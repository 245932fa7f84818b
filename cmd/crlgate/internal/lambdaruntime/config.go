package lambdaruntime

import (
	"cmp"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Config describes a function. Name and Binary are required.
type Config struct {
	// Name is the function's name, in its ARN, environment and logs.
	Name string
	// Binary is the path of the bootstrap executable, built for this machine.
	Binary string
	// Env holds the function's own variables, at most 4 KB together. Lambda's
	// reserved names are refused.
	Env map[string]string
	// Credentials are what the AWS SDK in the function finds.
	Credentials Credentials
	// Region defaults to us-east-1, AccountID to 123456789012.
	Region, AccountID string
	// Timeout limits one invocation. Default 3 s, at most 15 min, as on Lambda.
	Timeout time.Duration
	// InitTimeout limits the time from process start to its first request for
	// an event. Default 10 s.
	InitTimeout time.Duration
	// MemoryMB is the advertised memory size. Default 128.
	MemoryMB int
	// MaxEnvironments is the function's reserved concurrency: the number of
	// processes at a time. Default 1000, the quota of an AWS account.
	MaxEnvironments int
	// Concurrency is the number of invocations that one process serves at a time,
	// given to it as AWS_LAMBDA_MAX_CONCURRENCY when above 1. Default 1.
	Concurrency int
	// Freeze stops a process (SIGSTOP) between invocations. Not with Concurrency
	// above 1, where Lambda does not freeze either.
	Freeze bool
	// LogFormat is AWS_LAMBDA_LOG_FORMAT: Text (the default) or JSON. LogLevel is
	// AWS_LAMBDA_LOG_LEVEL, set only with JSON.
	LogFormat, LogLevel string
	// Log receives every line, one call at a time. A process waits while its
	// lines are not taken. Log must not call methods of the Function. What a
	// process writes is complete when the process has ended; while it lives, a
	// line may come after the end of the invocation that wrote it.
	Log func(LogLine)
	// RetryDelays are the waits before each retry of an asynchronous event whose
	// invocation ended in a function error. Nil means Lambda's one and two
	// minutes; an empty slice means no retry.
	RetryDelays []time.Duration
	// MaxEventAge limits the time an asynchronous event may wait for an attempt.
	// Default 6 h.
	MaxEventAge time.Duration
	// AsyncQueueBytes bounds the queue of asynchronous events: payloads and 1 KiB
	// for each event. Default 64 MiB.
	AsyncQueueBytes int
	// OnFailure receives the record of every asynchronous event that failed for
	// good: the JSON that Lambda sends to an on-failure destination
	// (https://docs.aws.amazon.com/lambda/latest/dg/invocation-async-retain-records.html).
	// It may be called from several goroutines.
	OnFailure func(record []byte)
}

// Credentials are AWS credentials for a function. SessionToken may be empty.
type Credentials struct {
	AccessKeyID, SecretAccessKey, SessionToken string
}

// A LogLine is one line that a process wrote to stdout or stderr, or one that
// the platform adds (START, END, REPORT and errors).
type LogLine struct {
	Function string // function name
	PID      int    // process it belongs to; zero if none was started
	Platform bool   // written by the platform, not by the process
	Text     string // without the newline
}

const (
	version     = "$LATEST"
	maxEnvBytes = 4 << 10
)

// reservedEnv are the variables that Lambda sets and does not let functions
// set (https://docs.aws.amazon.com/lambda/latest/dg/configuration-envvars.html).
var reservedEnv = []string{
	"_HANDLER", "_X_AMZN_TRACE_ID",
	"AWS_DEFAULT_REGION", "AWS_REGION", "AWS_EXECUTION_ENV",
	"AWS_LAMBDA_FUNCTION_NAME", "AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "AWS_LAMBDA_FUNCTION_VERSION",
	"AWS_LAMBDA_INITIALIZATION_TYPE", "AWS_LAMBDA_LOG_GROUP_NAME", "AWS_LAMBDA_LOG_STREAM_NAME",
	"AWS_LAMBDA_LOG_FORMAT", "AWS_LAMBDA_LOG_LEVEL", "AWS_LAMBDA_MAX_CONCURRENCY", "AWS_LAMBDA_RUNTIME_API",
	"AWS_ACCESS_KEY", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN",
	"LAMBDA_TASK_ROOT", "LAMBDA_RUNTIME_DIR",
}

var (
	functionName = regexp.MustCompile(`^[a-zA-Z0-9_-]{1,64}$`)
	variableName = regexp.MustCompile(`^[a-zA-Z][a-zA-Z0-9_]+$`)
)

// complete returns c with defaults in place, or every fault of c at once.
func (c Config) complete() (Config, error) {
	c.Region = cmp.Or(c.Region, "us-east-1")
	c.AccountID = cmp.Or(c.AccountID, "123456789012")
	c.Timeout = cmp.Or(c.Timeout, 3*time.Second)
	c.InitTimeout = cmp.Or(c.InitTimeout, 10*time.Second)
	c.MemoryMB = cmp.Or(c.MemoryMB, 128)
	c.MaxEnvironments = cmp.Or(c.MaxEnvironments, 1000)
	c.Concurrency = cmp.Or(c.Concurrency, 1)
	c.LogFormat = cmp.Or(c.LogFormat, "Text")
	c.MaxEventAge = cmp.Or(c.MaxEventAge, 6*time.Hour)
	c.AsyncQueueBytes = cmp.Or(c.AsyncQueueBytes, 64<<20)
	if c.RetryDelays == nil {
		c.RetryDelays = []time.Duration{time.Minute, 2 * time.Minute}
	}

	var faults []error
	refuse := func(bad bool, format string, args ...any) {
		if bad {
			faults = append(faults, fmt.Errorf(format, args...))
		}
	}
	refuse(!functionName.MatchString(c.Name), "Name %q: use 1 to 64 letters, digits, hyphens and underscores", c.Name)
	refuse(c.Timeout < 0 || c.Timeout > 15*time.Minute, "Timeout %v: Lambda allows up to 15m", c.Timeout)
	refuse(c.InitTimeout < 0, "InitTimeout %v: use a positive duration", c.InitTimeout)
	refuse(c.MemoryMB < 128 || c.MemoryMB > 10240, "MemoryMB %d: Lambda allows 128 to 10240", c.MemoryMB)
	refuse(c.MaxEnvironments < 1, "MaxEnvironments %d: use at least 1", c.MaxEnvironments)
	refuse(c.Concurrency < 1, "Concurrency %d: use at least 1", c.Concurrency)
	refuse(c.Freeze && c.Concurrency > 1, "Freeze with Concurrency %d: Lambda freezes only environments of one invocation at a time; set one of the two", c.Concurrency)
	refuse(c.LogFormat != "Text" && c.LogFormat != "JSON", "LogFormat %q: use Text or JSON", c.LogFormat)
	refuse(c.MaxEventAge < 0, "MaxEventAge %v: use a positive duration", c.MaxEventAge)
	refuse(c.AsyncQueueBytes < eventOverhead, "AsyncQueueBytes %d: use at least %d", c.AsyncQueueBytes, eventOverhead)
	size := 0
	for name, value := range c.Env {
		size += len(name) + len(value)
		refuse(!variableName.MatchString(name), "Env %q: names are letters, digits and underscores, at least two, beginning with a letter", name)
		refuse(slices.Contains(reservedEnv, name), "Env %s: reserved by Lambda; use the field of Config for it, or leave it out", name)
		refuse(strings.ContainsRune(value, 0), "Env %s: the value contains a zero byte", name)
	}
	refuse(size > maxEnvBytes, "Env: %d bytes of names and values; Lambda allows %d", size, maxEnvBytes)
	if err := c.findBinary(); err != nil {
		faults = append(faults, err)
	}
	if len(faults) > 0 {
		return c, fmt.Errorf("configuring function %q: %w", c.Name, errors.Join(faults...))
	}
	return c, nil
}

// findBinary makes c.Binary absolute and checks that it can be executed.
func (c *Config) findBinary() error {
	if c.Binary == "" {
		return errors.New("no Binary: give the path of the bootstrap executable")
	}
	path, err := filepath.Abs(c.Binary)
	if err != nil {
		return fmt.Errorf("finding Binary: %w", err)
	}
	info, err := os.Stat(path)
	if err != nil {
		return fmt.Errorf("finding Binary (build it first): %w", err)
	}
	if !info.Mode().IsRegular() || info.Mode()&0o111 == 0 {
		return fmt.Errorf("finding Binary %s: not an executable file", path)
	}
	c.Binary = path
	return nil
}

// arn returns the function's ARN without a qualifier.
func (c *Config) arn() string {
	return "arn:aws:lambda:" + c.Region + ":" + c.AccountID + ":function:" + c.Name
}

// environ returns the variables of a process whose Runtime API is at address
// and whose log stream is stream.
func (c *Config) environ(address, stream string) []string {
	vars := map[string]string{
		"PATH": "/usr/local/bin:/usr/bin:/bin:/opt/bin",
		"LANG": "en_US.UTF-8",
		"TZ":   ":UTC",
	}
	for name, value := range c.Env {
		vars[name] = value
	}
	for name, value := range map[string]string{
		"_HANDLER":                        "bootstrap",
		"AWS_REGION":                      c.Region,
		"AWS_DEFAULT_REGION":              c.Region,
		"AWS_LAMBDA_FUNCTION_NAME":        c.Name,
		"AWS_LAMBDA_FUNCTION_MEMORY_SIZE": strconv.Itoa(c.MemoryMB),
		"AWS_LAMBDA_FUNCTION_VERSION":     version,
		"AWS_LAMBDA_INITIALIZATION_TYPE":  "on-demand",
		"AWS_LAMBDA_LOG_GROUP_NAME":       "/aws/lambda/" + c.Name,
		"AWS_LAMBDA_LOG_STREAM_NAME":      stream,
		"AWS_LAMBDA_LOG_FORMAT":           c.LogFormat,
		"AWS_LAMBDA_RUNTIME_API":          address,
		"AWS_ACCESS_KEY_ID":               c.Credentials.AccessKeyID,
		"AWS_SECRET_ACCESS_KEY":           c.Credentials.SecretAccessKey,
		"AWS_SESSION_TOKEN":               c.Credentials.SessionToken,
		"LAMBDA_TASK_ROOT":                filepath.Dir(c.Binary),
		"LAMBDA_RUNTIME_DIR":              "/var/runtime",
	} {
		if value != "" {
			vars[name] = value
		}
	}
	if c.LogFormat == "JSON" && c.LogLevel != "" {
		vars["AWS_LAMBDA_LOG_LEVEL"] = c.LogLevel
	}
	if c.Concurrency > 1 {
		vars["AWS_LAMBDA_MAX_CONCURRENCY"] = strconv.Itoa(c.Concurrency)
		vars["AWS_LAMBDA_INITIALIZATION_TYPE"] = "lambda-managed-instances"
	}
	list := make([]string, 0, len(vars))
	for name, value := range vars {
		list = append(list, name+"="+value)
	}
	slices.Sort(list)
	return list
}
