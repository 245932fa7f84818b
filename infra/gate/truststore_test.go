package gate_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/aws/jsii-runtime-go"

	"github.com/crlgate/crlgate/infra/gate"
)

// moved is a gate that moves the domain, and is otherwise as by default.
func moved(t *testing.T) template {
	t.Helper()
	return once(t, &movedOnce, func() template {
		return synth(t, &gate.Props{
			Truststore:   &gate.TruststoreProps{DomainName: jsii.String("api.example.com"), Move: jsii.Bool(true)},
			Preprocessor: &gate.PreprocessorProps{PinnedIssuers: []string{strings.Repeat("0", 64)}},
		})
	})
}

var movedOnce map[string]any

const domainARN = "arn:<AWS::Partition>:apigateway:<AWS::Region>::/domainnames/api.example.com"

func TestWhatTheTruststoreFunctionMayDo(t *testing.T) {
	logs := "Allow logs:CreateLogStream,logs:PutLogEvents on <GateTruststoreLogs>"
	shared := []string{
		logs, "Allow apigateway:GET on " + domainARN, "Allow s3:ListBucket on CACHE if " + ours, "Allow s3:GetObject on CACHE/catalog.json if " + ours,
		"Allow xray:PutTelemetryRecords,xray:PutTraceSegments on *", "Allow sqs:SendMessage on <GateFailures>",
	}
	m := watched(t)
	sameSet(t, "the role that compares", lines(m, rolePolicy(m, "GateTruststoreRole")), append(slices.Clone(shared),
		"Allow s3:GetObject,s3:GetObjectVersion on arn:<AWS::Partition>:s3:::own-truststore/a/truststore.pem"))
	m = moved(t)
	_, cache := m.one("AWS::S3::Bucket", "GateCache")
	uri := "s3://" + text(get(cache, "Properties", "BucketNamePrefix")) + "-<AWS::AccountId>-<AWS::Region>-an/truststore/issuers.pem"
	sameSet(t, "the role that moves", lines(m, rolePolicy(m, "GateTruststoreRole")), append(
		slices.Clone(shared),
		"Allow s3:GetObject,s3:GetObjectVersion on CACHE/truststore/issuers.pem if "+ours,
		"Allow apigateway:AddCertificateToDomain,apigateway:PATCH on "+domainARN+" if StringEqualsIfExists(apigateway:Request/MtlsTrustStoreUri,"+uri+")",
	))
}

// TestWhoPublishesTheTruststore: the preprocessor, only where the domain is moved.
func TestWhoPublishesTheTruststore(t *testing.T) {
	for name, test := range map[string]struct {
		m         template
		publishes bool
	}{"default": {synth(t, nil), false}, "compared": {watched(t), false}, "moved": {moved(t), true}} {
		got := strings.Join(lines(test.m, rolePolicy(test.m, "GatePreprocessorRole")), "\n")
		if strings.Contains(got, "Allow s3:GetObject,s3:PutObject on CACHE/catalog.json,CACHE/catalog/*,CACHE/reports/*,CACHE/sets/*,CACHE/truststore/issuers.pem") != test.publishes ||
			strings.Contains(got, "truststore") != test.publishes {
			t.Errorf("%s: the preprocessor may\n%s", name, got)
		}
		if on := environment(test.m, "GatePreprocessor")["PUBLISH_TRUSTSTORE"] == "true"; on != test.publishes {
			t.Errorf("%s: PUBLISH_TRUSTSTORE is on: %v", name, on)
		}
		if got := strings.Join(lines(test.m, rolePolicy(test.m, "GateAuthorizerRole")), "\n"); strings.Contains(got, "truststore") {
			t.Errorf("%s: the authorizer may\n%s", name, got)
		}
	}
}

// TestWithoutATruststoreThereIsNothingOfIt: the function, its role, timer and alarms are optional.
func TestWithoutATruststoreThereIsNothingOfIt(t *testing.T) {
	for id := range synth(t, nil).json["Resources"].(map[string]any) {
		if strings.Contains(id, "Truststore") {
			t.Errorf("there is a %s", id)
		}
	}
}

// TestWhatInvokesTheTruststoreFunction: a timer, and with Move each truststore that is published.
func TestWhatInvokesTheTruststoreFunction(t *testing.T) {
	for name, m := range map[string]template{"compared": watched(t), "moved": moved(t)} {
		function, _ := m.one("AWS::Lambda::Function", "GateTruststore")
		_, rule := m.one("AWS::Events::Rule", "GateTruststoreTimer")
		target := list(get(rule, "Properties", "Targets"))[0]
		if text(get(rule, "Properties", "ScheduleExpression")) != "rate(5 minutes)" || text(get(target, "Arn")) != "<"+function+".Arn>" {
			t.Errorf("%s: the timer: %s", name, text(rule["Properties"]))
		}
		queue, _ := m.one("AWS::SQS::Queue", "GateFailures")
		_, retries := m.one("AWS::Lambda::EventInvokeConfig", "GateTruststoreRetries")
		p := retries["Properties"]
		if text(get(p, "FunctionName")) != "<"+function+">" || text(get(p, "MaximumRetryAttempts")) != "2" || text(get(p, "DestinationConfig", "OnFailure", "Destination")) != "<"+queue+".Arn>" {
			t.Errorf("%s: what fails: %s", name, text(p))
		}
		want(t, m, name, "GateTruststore", map[string]string{
			"Runtime": "provided.al2023", "Architectures": `["arm64"]`, "TracingConfig.Mode": "Active", "LoggingConfig.LogFormat": "JSON",
			"LoggingConfig.ApplicationLogLevel": "INFO", "MemorySize": "256", "Timeout": "60", "ReservedConcurrentExecutions": "1",
		})
	}
	if _, cache := watched(t).one("AWS::S3::Bucket", "GateCache"); get(cache, "Properties", "NotificationConfiguration") != nil {
		t.Error("compared: the cache bucket notifies somebody")
	}
	m := moved(t)
	function, _ := m.one("AWS::Lambda::Function", "GateTruststore")
	_, cache := m.one("AWS::S3::Bucket", "GateCache")
	configurations := list(get(cache, "Properties", "NotificationConfiguration", "LambdaConfigurations"))
	if len(configurations) != 1 {
		t.Fatalf("moved: the cache bucket notifies %d times", len(configurations))
	}
	c := configurations[0]
	rule := list(get(c, "Filter", "S3Key", "Rules"))[0]
	if text(get(c, "Function")) != "<"+function+".Arn>" || text(get(c, "Event")) != "s3:ObjectCreated:*" || text(get(rule, "Value")) != "truststore/" {
		t.Errorf("moved: the cache bucket's notification: %s", text(c))
	}
	id, permission := m.one("AWS::Lambda::Permission", "GateTruststoreInvoke")
	if !slices.Contains(texts(cache["DependsOn"]), id) {
		t.Errorf("the bucket is made after %v, not after %s", cache["DependsOn"], id)
	}
	if p := permission["Properties"]; text(get(p, "Principal")) != "s3.amazonaws.com" || text(get(p, "SourceAccount")) != "<AWS::AccountId>" || m.shorten(text(get(p, "SourceArn"))) != "CACHE" {
		t.Errorf("the permission: %s", text(p))
	}
}

// TestAWildcardDomainIsOneDomain: its asterisk is none of IAM's.
func TestAWildcardDomainIsOneDomain(t *testing.T) {
	p := compared()
	p.DomainName = jsii.String("*.example.com")
	m := synth(t, &gate.Props{Truststore: p})
	got := strings.Join(lines(m, rolePolicy(m, "GateTruststoreRole")), "\n")
	if !strings.Contains(got, "::/domainnames/${*}.example.com") || strings.Contains(got, "/domainnames/*") {
		t.Errorf("the role may\n%s", got)
	}
	if name := environment(m, "GateTruststore")["DOMAIN_NAME"]; name != "*.example.com" {
		t.Errorf("DOMAIN_NAME is %s", name)
	}
}
