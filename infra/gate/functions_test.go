package gate_test

import (
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/jsii-runtime-go"

	"github.com/crlgate/crlgate/infra/gate"
)

// properties of a function that do not change with the rest of its settings.
func want(t *testing.T, m template, what, function string, property map[string]string) {
	t.Helper()
	_, f := m.one("AWS::Lambda::Function", function)
	for path, value := range property {
		if got := text(get(f, append([]string{"Properties"}, strings.Split(path, ".")...)...)); got != value {
			t.Errorf("%s: %s of %s is %s, want %s", what, path, function, got, value)
		}
	}
}

func environment(m template, function string) map[string]string {
	_, f := m.one("AWS::Lambda::Function", function)
	vars, _ := get(f, "Properties", "Environment", "Variables").(map[string]any)
	out := map[string]string{}
	for name, value := range vars {
		out[name] = text(value)
	}
	return out
}

func TestFunctionsByDefault(t *testing.T) {
	m := synth(t, nil)
	for _, function := range []string{"GatePreprocessor", "GateAuthorizer"} {
		want(t, m, "default", function, map[string]string{
			"Runtime": "provided.al2023", "Handler": "bootstrap", "Architectures": `["arm64"]`,
			"TracingConfig.Mode": "Active", "LoggingConfig.LogFormat": "JSON", "LoggingConfig.ApplicationLogLevel": "INFO",
		})
		_, f := m.one("AWS::Lambda::Function", function)
		logs := get(f, "Properties", "LoggingConfig", "LogGroup")
		id, group := m.one("AWS::Logs::LogGroup", function+"Logs")
		if text(logs) != "<"+id+">" {
			t.Errorf("%s logs to %s, not to %s", function, text(logs), id)
		}
		if got := text(get(group, "Properties", "RetentionInDays")); got != "365" {
			t.Errorf("logs of %s are kept %s days", function, got)
		}
	}
	want(t, m, "default", "GatePreprocessor", map[string]string{
		"MemorySize": "1769", "Timeout": "900", "ReservedConcurrentExecutions": "2", "LoggingConfig.SystemLogLevel": "INFO",
	})
	want(t, m, "default", "GateAuthorizer", map[string]string{
		"MemorySize": "512", "Timeout": "10", "ReservedConcurrentExecutions": "null", "LoggingConfig.SystemLogLevel": "WARN",
	})
	// The functions have their own defaults; a second set here could only disagree.
	if got, want := slices.Sorted(maps.Keys(environment(m, "GatePreprocessor"))), []string{"CACHE_BUCKET", "UPLOAD_BUCKET"}; !slices.Equal(got, want) {
		t.Errorf("environment of the preprocessor: %v", got)
	}
	if got, want := slices.Sorted(maps.Keys(environment(m, "GateAuthorizer"))), []string{"CACHE_BUCKET"}; !slices.Equal(got, want) {
		t.Errorf("environment of the authorizer: %v", got)
	}
	if n := len(m.resources("AWS::Lambda::Function")); n != 2 {
		t.Errorf("%d functions, want the two of the gate and none of CDK's own", n)
	}
}

func TestEverySettingReachesItsFunction(t *testing.T) {
	m := full(t)
	_, uploads := m.one("AWS::S3::Bucket", "GateUploads")
	_, cache := m.one("AWS::S3::Bucket", "GateCache")
	name := func(bucket map[string]any) string {
		return text(get(bucket, "Properties", "BucketNamePrefix")) + "-<AWS::AccountId>-<AWS::Region>-an"
	}
	for function, want := range map[string]map[string]string{
		"GatePreprocessor": {
			"UPLOAD_BUCKET": name(uploads), "CACHE_BUCKET": name(cache), "ISSUER_PREFIX": "cas/", "CRL_PREFIXES": "lists/,crl/",
			"MAX_CRL_BYTES": "1GiB", "ALLOW_SHA1": "true", "CACHE_JSON": "true", "SWEEP_AFTER": "48h",
			"PINNED_ISSUERS": strings.Repeat("ab", 32) + "," + strings.Repeat("0", 64), "PUBLISH_TRUSTSTORE": "true",
		},
		"GateTruststore": {
			"CACHE_BUCKET": name(cache), "DOMAIN_NAME": "api.example.com", "MOVE_DOMAIN": "true",
			"PINNED_ISSUERS": strings.Repeat("ab", 32) + "," + strings.Repeat("0", 64),
		},
		"GateFetcher": {
			"UPLOAD_BUCKET": name(uploads), "CACHE_BUCKET": name(cache), "FETCH_PREFIX": "lists/fetched/", "STATE_PREFIX": "fetch/", "FETCH_CDP": "true",
			"ALLOW_HOSTS": "127.0.0.1,ca.internal", "MAX_CRL_BYTES": "1GiB", "TIMEOUT": "10m", "IDLE_TIMEOUT": "30s", "MIN_INTERVAL": "1s", "MAX_INTERVAL": "30m",
		},
		"GateAuthorizer": {
			"CACHE_BUCKET": name(cache), "MODE": "observe", "REVALIDATE_AFTER": "0s", "MAX_UNVALIDATED": "1h",
			"MEMORY_BUDGET": "600MiB", "REQUIRE_CHAIN": "true", "LOG_ALLOWED": "0.25",
		},
	} {
		if got := environment(m, function); !maps.Equal(got, want) {
			t.Errorf("environment of %s:\n%v\nwant\n%v", function, got, want)
		}
	}
	for id, group := range m.resources("AWS::Logs::LogGroup") {
		if got := text(get(group, "Properties", "RetentionInDays")); got != "731" {
			t.Errorf("%s is kept %s days, want two years", id, got)
		}
	}
	want(t, m, "full", "GatePreprocessor", map[string]string{
		"Architectures": `["x86_64"]`, "MemorySize": "3008", "Timeout": "600", "ReservedConcurrentExecutions": "1",
	})
	want(t, m, "full", "GateAuthorizer", map[string]string{
		"Architectures": `["x86_64"]`, "MemorySize": "1024", "Timeout": "5", "ReservedConcurrentExecutions": "100",
	})
}

func TestSizesAreWrittenExactly(t *testing.T) {
	for bytes, want := range map[float64]string{8 << 30: "8GiB", 1536 << 20: "1536MiB", 5_000_000: "5000000"} {
		m := synth(t, &gate.Props{Preprocessor: &gate.PreprocessorProps{MaxCRLBytes: awscdk.Size_Bytes(jsii.Number(bytes))}})
		if got := environment(m, "GatePreprocessor")["MAX_CRL_BYTES"]; got != want {
			t.Errorf("%v bytes are written %q, want %q", bytes, got, want)
		}
	}
}

func TestUnreservedReservesNothing(t *testing.T) {
	m := synth(t, &gate.Props{Preprocessor: &gate.PreprocessorProps{Unreserved: jsii.Bool(true)}})
	want(t, m, "unreserved", "GatePreprocessor", map[string]string{"ReservedConcurrentExecutions": "null"})
}

func TestProvisionedConcurrency(t *testing.T) {
	m := full(t)
	aliasID, alias := m.one("AWS::Lambda::Alias", "GateAuthorizerLive")
	if got := text(get(alias, "Properties", "ProvisionedConcurrencyConfig", "ProvisionedConcurrentExecutions")); got != "5" {
		t.Errorf("provisioned: %s, want 5", got)
	}
	_, target := m.one("AWS::ApplicationAutoScaling::ScalableTarget", "GateAuthorizerLive")
	var actions []string
	for _, a := range list(get(target, "Properties", "ScheduledActions")) {
		actions = append(actions, strings.Join([]string{
			text(get(a, "Schedule")), text(get(a, "Timezone")),
			text(get(a, "ScalableTargetAction", "MinCapacity")), text(get(a, "ScalableTargetAction", "MaxCapacity")),
		}, " "))
	}
	sameSet(t, "the schedule", actions, []string{"cron(0 7 * * ? *) Europe/Berlin 20 20", "cron(0 20 * * ? *) Europe/Berlin 2 2"})

	// API Gateway must call the alias: provisioned environments are the alias's only.
	for _, kind := range []string{"AWS::ApiGateway::Authorizer", "AWS::ApiGatewayV2::Authorizer"} {
		for id, a := range m.resources(kind) {
			if uri := text(get(a, "Properties", "AuthorizerUri")); !strings.Contains(uri, "<"+aliasID+">") {
				t.Errorf("%s calls %s, not the alias", id, uri)
			}
		}
	}
	if m := synth(t, nil); len(m.resources("AWS::Lambda::Alias"))+len(m.resources("AWS::Lambda::Version")) != 0 {
		t.Error("without provisioned concurrency there is an alias or a version all the same")
	}
}
