package gate_test

import (
	"encoding/json"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/aws-cdk-go/awscdk/v2/assertions"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsapigateway"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsapigatewayv2"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsapigatewayv2integrations"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsapplicationautoscaling"
	"github.com/aws/aws-cdk-go/awscdk/v2/awscloudwatch"
	"github.com/aws/aws-cdk-go/awscdk/v2/awscloudwatchactions"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsiam"
	"github.com/aws/aws-cdk-go/awscdk/v2/awskms"
	"github.com/aws/aws-cdk-go/awscdk/v2/awslogs"
	"github.com/aws/aws-cdk-go/awscdk/v2/awssns"
	"github.com/aws/jsii-runtime-go"

	"github.com/crlgate/crlgate/infra/gate"
)

// assets makes a folder with binaries of fixed bytes, so that a template does not depend on the functions' code.
func assets(t *testing.T) *string {
	t.Helper()
	dir := t.TempDir()
	for _, function := range []string{"preprocessor", "authorizer", "truststore", "fetcher"} {
		if err := os.Mkdir(filepath.Join(dir, function), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, function, "bootstrap"), []byte("the binary of the "+function+"\n"), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	return jsii.String(dir)
}

func TestMain(m *testing.M) {
	code := m.Run()
	jsii.Close() // it leaves its unpacked runtime otherwise
	os.Exit(code)
}

// The templates that most tests look at, made once. Nobody changes them.
var defaultOnce, fullOnce, watchedOnce map[string]any

func once(t *testing.T, kept *map[string]any, synthesize func() template) template {
	t.Helper()
	if *kept == nil {
		*kept = synthesize().json
	}
	return template{t, *kept}
}

// synth makes a stack of one gate with props, lets more add to it, and returns its template.
func synth(t *testing.T, props *gate.Props, more ...func(awscdk.Stack, *gate.Gate)) template {
	t.Helper()
	if props == nil && len(more) == 0 {
		return once(t, &defaultOnce, func() template { return synth(t, &gate.Props{}) })
	}
	if props == nil {
		props = &gate.Props{}
	}
	if props.AssetPath == nil {
		props.AssetPath = assets(t)
	}
	stack := newStack(t)
	g := gate.New(stack, jsii.String("Gate"), props)
	for _, f := range more {
		f(stack, g)
	}
	return read(t, stack)
}

func newStack(t *testing.T) awscdk.Stack {
	t.Helper()
	app := awscdk.NewApp(&awscdk.AppProps{Outdir: jsii.String(t.TempDir()), AnalyticsReporting: jsii.Bool(false)})
	return awscdk.NewStack(app, jsii.String("Test"), nil)
}

func read(t *testing.T, stack awscdk.Stack) template {
	t.Helper()
	return template{t, *assertions.Template_FromStack(stack, nil).ToJSON()}
}

// template is a synthesized template.
type template struct {
	t    *testing.T
	json map[string]any
}

// resources are the resources of a type, by logical id.
func (m template) resources(kind string) map[string]map[string]any {
	found := map[string]map[string]any{}
	for id, r := range m.json["Resources"].(map[string]any) {
		if r := r.(map[string]any); r["Type"] == kind {
			found[id] = r
		}
	}
	return found
}

// one is the only resource of a type whose logical id contains name, and that id.
func (m template) one(kind, name string) (id string, resource map[string]any) {
	m.t.Helper()
	for i, r := range m.resources(kind) {
		if strings.Contains(i, name) {
			if id != "" {
				m.t.Fatalf("two resources of type %s are named %s: %s and %s", kind, name, id, i)
			}
			id, resource = i, r
		}
	}
	if id == "" {
		m.t.Fatalf("no resource of type %s is named %s", kind, name)
	}
	return id, resource
}

// get follows keys into nested maps; nil if there is nothing.
func get(v any, keys ...string) any {
	for _, key := range keys {
		m, ok := v.(map[string]any)
		if !ok {
			return nil
		}
		v = m[key]
	}
	return v
}

func list(v any) []any {
	l, _ := v.([]any)
	return l
}

// text writes a value, intrinsic functions resolved in the way that reads best: refs as <id>, joins joined.
func text(v any) string {
	switch v := v.(type) {
	case string:
		return v
	case map[string]any:
		if ref, ok := v["Ref"].(string); ok {
			return "<" + ref + ">"
		}
		if att := list(v["Fn::GetAtt"]); len(att) == 2 {
			return "<" + att[0].(string) + "." + att[1].(string) + ">"
		}
		if join := list(v["Fn::Join"]); len(join) == 2 {
			parts := make([]string, len(list(join[1])))
			for i, part := range list(join[1]) {
				parts[i] = text(part)
			}
			return strings.Join(parts, join[0].(string))
		}
	}
	b, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	return string(b)
}

// texts writes one value or each of a list.
func texts(v any) []string {
	if v == nil {
		return nil
	}
	if l, ok := v.([]any); ok {
		out := make([]string, len(l))
		for i := range l {
			out[i] = text(l[i])
		}
		return out
	}
	return []string{text(v)}
}

// full is the template of a gate with every optional part on, and of all that it can hand out.
func full(t *testing.T) template {
	t.Helper()
	return once(t, &fullOnce, func() template { return synthFull(t) })
}

// watched is the template of a gate that looks after a truststore and moves nothing: with it every alarm there is.
func watched(t *testing.T) template {
	t.Helper()
	return once(t, &watchedOnce, func() template { return synth(t, &gate.Props{Truststore: compared(), Fetcher: &gate.FetcherProps{}}) })
}

// compared are props of a truststore that is only looked at.
func compared() *gate.TruststoreProps {
	return &gate.TruststoreProps{DomainName: jsii.String("api.example.com"), Bucket: jsii.String("own-truststore"), Key: jsii.String("a/truststore.pem")}
}

func synthFull(t *testing.T) template {
	t.Helper()
	stack, g := fullGate(t, assets(t))
	user := awsiam.NewRole(stack, jsii.String("Pipeline"), &awsiam.RoleProps{AssumedBy: awsiam.NewAccountRootPrincipal()})
	g.GrantIssuer(user, jsii.String("partner-a"))
	g.GrantCRLs(user, jsii.String("lists/partner-a/"))
	g.GrantReports(user, jsii.String("lists/partner-a/"))
	addAPIs(stack, g)
	return read(t, stack)
}

// fullGate is a gate with every optional part on.
func fullGate(t *testing.T, assetPath *string) (awscdk.Stack, *gate.Gate) {
	t.Helper()
	stack := newStack(t)
	topic := awssns.Topic_FromTopicArn(stack, jsii.String("Topic"), jsii.String("arn:aws:sns:eu-west-1:111122223333:alarms"))
	g := gate.New(stack, jsii.String("Gate"), &gate.Props{
		AssetPath:     assetPath,
		Architecture:  gate.Amd64,
		EncryptionKey: awskms.Key_FromKeyArn(stack, jsii.String("Key"), jsii.String(keyARN)),
		LogRetention:  awslogs.RetentionDays_TWO_YEARS,
		RemovalPolicy: awscdk.RemovalPolicy_DESTROY,
		Authorizer: &gate.AuthorizerProps{
			Mode:                gate.Observe,
			RevalidateAfter:     awscdk.Duration_Seconds(jsii.Number(0)),
			MaxUnvalidated:      awscdk.Duration_Hours(jsii.Number(1)),
			MemoryBudget:        awscdk.Size_Mebibytes(jsii.Number(600)),
			RequireChain:        jsii.Bool(true),
			LogAllowed:          jsii.Number(0.25),
			MemorySize:          jsii.Number(1024),
			Timeout:             awscdk.Duration_Seconds(jsii.Number(5)),
			ReservedConcurrency: jsii.Number(100),
			ProvisionedConcurrency: &gate.ProvisionedConcurrencyProps{
				Executions: jsii.Number(5),
				TimeZone:   awscdk.TimeZone_EUROPE_BERLIN(),
				Schedule: []gate.ProvisionedSchedule{
					{Name: jsii.String("Morning"), At: cron("0 7 * * ? *"), Executions: jsii.Number(20)},
					{Name: jsii.String("Evening"), At: cron("0 20 * * ? *"), Executions: jsii.Number(2)},
				},
			},
		},
		Preprocessor: &gate.PreprocessorProps{
			IssuerPrefix:        jsii.String("cas/"),
			CRLPrefixes:         []string{"lists/", "crl/"},
			MaxCRLBytes:         awscdk.Size_Gibibytes(jsii.Number(1)),
			AllowSHA1:           jsii.Bool(true),
			PinnedIssuers:       []string{strings.Repeat("AB:", 31) + "AB", strings.Repeat("0", 64)},
			CacheJSON:           jsii.Bool(true),
			SweepAfter:          awscdk.Duration_Hours(jsii.Number(48)),
			MemorySize:          jsii.Number(3008),
			Timeout:             awscdk.Duration_Minutes(jsii.Number(10)),
			ReservedConcurrency: jsii.Number(1),
			ReconcileEvery:      awscdk.Duration_Minutes(jsii.Number(1)),
			RetryAttempts:       jsii.Number(1),
			MaxEventAge:         awscdk.Duration_Hours(jsii.Number(1)),
		},
		Truststore: &gate.TruststoreProps{DomainName: jsii.String("api.example.com"), Move: jsii.Bool(true)},
		Fetcher: &gate.FetcherProps{
			Every:           awscdk.Duration_Minutes(jsii.Number(2)),
			Prefix:          jsii.String("lists/fetched/"),
			CDP:             jsii.Bool(true),
			AllowHosts:      []string{"127.0.0.1", "ca.internal"},
			MaxCRLBytes:     awscdk.Size_Gibibytes(jsii.Number(1)),
			DownloadTimeout: awscdk.Duration_Minutes(jsii.Number(10)),
			IdleTimeout:     awscdk.Duration_Seconds(jsii.Number(30)),
			MinInterval:     awscdk.Duration_Seconds(jsii.Number(1)),
			MaxInterval:     awscdk.Duration_Minutes(jsii.Number(30)),
		},
		Buckets: &gate.BucketsProps{NoncurrentDays: jsii.Number(30), AccessLogDays: jsii.Number(31)},
		Alarms:  &gate.AlarmsProps{Actions: []awscloudwatch.IAlarmAction{awscloudwatchactions.NewSnsAction(topic)}},
	})
	g.AllowPrivateCA(jsii.String(privateCA))
	return stack, g
}

const privateCA = "arn:aws:acm-pca:eu-west-1:111122223333:certificate-authority/00000000-0000-0000-0000-000000000000"

func cron(expression string) awsapplicationautoscaling.Schedule {
	return awsapplicationautoscaling.Schedule_Expression(jsii.String("cron(" + expression + ")"))
}

// addAPIs adds a REST and an HTTP API, each with one method that asks the gate.
func addAPIs(stack awscdk.Stack, g *gate.Gate) {
	rest := awsapigateway.NewRestApi(stack, jsii.String("Rest"), nil)
	rest.Root().AddMethod(jsii.String("GET"), awsapigateway.NewMockIntegration(nil), &awsapigateway.MethodOptions{Authorizer: g.RestAuthorizer()})
	http := awsapigatewayv2.NewHttpApi(stack, jsii.String("Http"), nil)
	http.AddRoutes(&awsapigatewayv2.AddRoutesOptions{
		Path:        jsii.String("/"),
		Integration: awsapigatewayv2integrations.NewHttpUrlIntegration(jsii.String("Upstream"), jsii.String("https://upstream.example.com"), nil),
		Authorizer:  g.HttpAuthorizer(),
	})
}

func sortedIDs(resources map[string]map[string]any) []string {
	return slices.Sorted(maps.Keys(resources))
}

// cdkFlags is the context of cdk.json.
func cdkFlags(t *testing.T) *map[string]any {
	t.Helper()
	b, err := os.ReadFile("../../cdk.json")
	if err != nil {
		t.Fatal(err)
	}
	var file struct{ Context map[string]any }
	if err := json.Unmarshal(b, &file); err != nil {
		t.Fatalf("reading cdk.json: %v", err)
	}
	return &file.Context
}
