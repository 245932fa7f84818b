package gate

import (
	"fmt"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsapplicationautoscaling"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsiam"
	"github.com/aws/aws-cdk-go/awscdk/v2/awslambda"
	"github.com/aws/aws-cdk-go/awscdk/v2/awslogs"
	"github.com/aws/jsii-runtime-go"

	"github.com/crlgate/crlgate/infra/internal/checks"
)

const (
	preprocessorName = "preprocessor"
	authorizerName   = "authorizer"

	preprocessorMemory  = 1769.0 // MiB; at this size Lambda gives one whole virtual CPU
	preprocessorTimeout = 15 * time.Minute
	authorizerMemory    = 512.0 // MiB
	authorizerTimeout   = 10 * time.Second

	// The functions' own defaults, needed here only to judge combinations in which one of them is left out.
	functionRevalidateAfter = 10 * time.Second
	functionMaxUnvalidated  = 15 * time.Minute
	functionSweepAfter      = 24 * time.Hour
	functionIssuerPrefix    = "issuers/"
)

var functionCRLPrefixes = []string{"crls/", "crl/"}

// assetPath is the folder with a function's bootstrap binary.
func assetPath(p *Props, function string) string {
	arch := p.Architecture
	if arch == "" {
		arch = Arm64
	}
	return filepath.Join(stringOr(p.AssetPath, filepath.Join("build", "lambda", string(arch))), function)
}

// uploadPrefixes are all the prefixes whose events the preprocessor gets, the issuers' first.
func uploadPrefixes(p PreprocessorProps) []string {
	crls := p.CRLPrefixes
	if crls == nil {
		crls = functionCRLPrefixes
	}
	return append([]string{stringOr(p.IssuerPrefix, functionIssuerPrefix)}, crls...)
}

func (g *Gate) addPreprocessor() {
	p := orZero(g.props.Preprocessor)
	g.Preprocessor = g.newFunction("Preprocessor", preprocessorName, functionSettings{
		description: "crlgate: verifies and flattens CRLs, and publishes what the authorizer reads",
		environment: g.preprocessorEnvironment(p),
		statements:  g.preprocessorStatements(p),
		memory:      numberOr(p.MemorySize, preprocessorMemory),
		timeout:     durationOr(p.Timeout, preprocessorTimeout),
		reserved:    g.reserved(numberOr(p.ReservedConcurrency, 2)),
		systemLog:   awslambda.SystemLogLevel_INFO, // a line a run, with its duration and memory
	})
	checks.Suppress(g.Preprocessor, failureDestination)
}

// reserved is the concurrency of a function that nobody waits for: so much, or none reserved in an account that
// has none to reserve.
func (g *Gate) reserved(concurrency float64) *float64 {
	if isTrue(orZero(g.props.Preprocessor).Unreserved) {
		return nil
	}
	return jsii.Number(concurrency)
}

func (g *Gate) addAuthorizer() {
	p := orZero(g.props.Authorizer)
	g.Authorizer = g.newFunction("Authorizer", authorizerName, functionSettings{
		description: "crlgate: denies requests whose client certificate is revoked or of unknown status",
		environment: g.authorizerEnvironment(p),
		statements:  g.authorizerStatements(),
		memory:      numberOr(p.MemorySize, authorizerMemory),
		timeout:     durationOr(p.Timeout, authorizerTimeout),
		reserved:    p.ReservedConcurrency,
		systemLog:   awslambda.SystemLogLevel_WARN, // two lines a request would cost more than the requests
	})
	checks.Suppress(g.Authorizer, synchronous)
	g.handler = g.Authorizer
	if p.ProvisionedConcurrency != nil {
		g.handler = g.provision(*p.ProvisionedConcurrency)
	}
}

// functionSettings is what the functions differ in.
type functionSettings struct {
	description string
	environment map[string]*string
	statements  []awsiam.PolicyStatement
	memory      float64
	timeout     time.Duration
	reserved    *float64
	systemLog   awslambda.SystemLogLevel
	storage     awscdk.Size // of /tmp; nil: Lambda's 512 MiB
	exact       bool        // its statements name each object, and no prefix
}

func (g *Gate) newFunction(id, name string, s functionSettings) awslambda.Function {
	logs := awslogs.NewLogGroup(g, jsii.String(id+"Logs"), &awslogs.LogGroupProps{
		Retention: g.logRetention(), RemovalPolicy: g.removalPolicy(),
	})
	checks.Suppress(logs, checks.LogsWithoutKMS)
	g.logGroups[name] = logs
	role := g.newRole(id, logs, s.statements)
	arch := awslambda.Architecture_ARM_64()
	if g.props.Architecture == Amd64 {
		arch = awslambda.Architecture_X86_64()
	}
	function := awslambda.NewFunction(g, jsii.String(id), &awslambda.FunctionProps{
		Description:                  jsii.String(s.description),
		Runtime:                      awslambda.Runtime_PROVIDED_AL2023(),
		Architecture:                 arch,
		Handler:                      jsii.String("bootstrap"),
		Code:                         awslambda.Code_FromAsset(jsii.String(assetPath(&g.props, name)), nil),
		Role:                         role,
		Environment:                  &s.environment,
		MemorySize:                   jsii.Number(s.memory),
		Timeout:                      awscdk.Duration_Seconds(jsii.Number(s.timeout.Seconds())),
		EphemeralStorageSize:         s.storage,
		ReservedConcurrentExecutions: s.reserved,
		LogGroup:                     logs,
		LoggingFormat:                awslambda.LoggingFormat_JSON,
		// Never above INFO: metrics are log lines at that level.
		ApplicationLogLevelV2: awslambda.ApplicationLogLevel_INFO,
		SystemLogLevelV2:      s.systemLog,
		Tracing:               awslambda.Tracing_ACTIVE,
	})
	checks.Suppress(function, noVPC)
	explainRole(role, s.exact)
	return function
}

// newRole makes a role that can do what the statements say and write to one log group. CDK's default role
// could write to every log group of the account.
func (g *Gate) newRole(id string, logs awslogs.LogGroup, statements []awsiam.PolicyStatement) awsiam.Role {
	role := awsiam.NewRole(g, jsii.String(id+"Role"), &awsiam.RoleProps{
		AssumedBy: awsiam.NewServicePrincipal(jsii.String("lambda.amazonaws.com"), nil),
	})
	role.AddToPolicy(allow("WriteLogs", strs("logs:CreateLogStream", "logs:PutLogEvents"), &[]*string{logs.LogGroupArn()}, nil))
	for _, statement := range statements {
		role.AddToPolicy(statement)
	}
	return role
}

// provision keeps environments of a published version warm, behind an alias that API Gateway then calls.
func (g *Gate) provision(p ProvisionedConcurrencyProps) awslambda.IFunction {
	alias := awslambda.NewAlias(g, jsii.String("AuthorizerLive"), &awslambda.AliasProps{
		AliasName:                       jsii.String("live"),
		Version:                         g.Authorizer.CurrentVersion(),
		ProvisionedConcurrentExecutions: p.Executions,
	})
	if len(p.Schedule) == 0 {
		return alias
	}
	least, most := *p.Executions, *p.Executions
	for _, s := range p.Schedule {
		least, most = min(least, *s.Executions), max(most, *s.Executions)
	}
	scaling := alias.AddAutoScaling(&awslambda.AutoScalingOptions{MinCapacity: jsii.Number(least), MaxCapacity: jsii.Number(most)})
	for _, s := range p.Schedule {
		scaling.ScaleOnSchedule(s.Name, &awsapplicationautoscaling.ScalingSchedule{
			Schedule: s.At, TimeZone: p.TimeZone, MinCapacity: s.Executions, MaxCapacity: s.Executions,
		})
	}
	return alias
}

// environment builds the settings of a function: what a prop sets, and nothing else.
type environment map[string]*string

func (e environment) set(name, value string) { e[name] = jsii.String(value) }

func (e environment) flag(name string, v *bool) {
	if v != nil {
		e.set(name, strconv.FormatBool(*v))
	}
}

func (e environment) duration(name string, d awscdk.Duration) {
	if d != nil {
		e.set(name, short(goDuration(d)))
	}
}

func (e environment) size(name string, s awscdk.Size) {
	if s == nil {
		return
	}
	bytes := int64(*s.ToBytes(nil))
	switch {
	case bytes%(1<<30) == 0:
		e.set(name, fmt.Sprintf("%dGiB", bytes>>30))
	case bytes%(1<<20) == 0:
		e.set(name, fmt.Sprintf("%dMiB", bytes>>20))
	default:
		e.set(name, strconv.FormatInt(bytes, 10))
	}
}

func (e environment) list(name string, values []string) {
	if len(values) > 0 {
		e.set(name, strings.Join(values, ","))
	}
}

func (g *Gate) preprocessorEnvironment(p PreprocessorProps) environment {
	e := environment{}
	e.set("UPLOAD_BUCKET", g.uploads.name)
	e.set("CACHE_BUCKET", g.cache.name)
	if p.IssuerPrefix != nil {
		e.set("ISSUER_PREFIX", *p.IssuerPrefix)
	}
	e.list("CRL_PREFIXES", p.CRLPrefixes)
	e.size("MAX_CRL_BYTES", p.MaxCRLBytes)
	e.flag("ALLOW_SHA1", p.AllowSHA1)
	e.list("PINNED_ISSUERS", pins(p))
	e.flag("CACHE_JSON", p.CacheJSON)
	e.duration("SWEEP_AFTER", p.SweepAfter)
	if g.movesTruststore() {
		e.set("PUBLISH_TRUSTSTORE", "true")
	}
	return e
}

// pins are the fingerprints of the pinned issuers, as the functions read them.
func pins(p PreprocessorProps) []string {
	out := make([]string, len(p.PinnedIssuers))
	for i, pin := range p.PinnedIssuers {
		out[i] = strings.ToLower(strings.ReplaceAll(pin, ":", ""))
	}
	return out
}

func (g *Gate) authorizerEnvironment(p AuthorizerProps) environment {
	e := environment{}
	e.set("CACHE_BUCKET", g.cache.name)
	if p.Mode != "" {
		e.set("MODE", string(p.Mode))
	}
	e.duration("REVALIDATE_AFTER", p.RevalidateAfter)
	e.duration("MAX_UNVALIDATED", p.MaxUnvalidated)
	e.size("MEMORY_BUDGET", p.MemoryBudget)
	e.flag("REQUIRE_CHAIN", p.RequireChain)
	if p.LogAllowed != nil {
		e.set("LOG_ALLOWED", strconv.FormatFloat(*p.LogAllowed, 'f', -1, 64))
	}
	return e
}
