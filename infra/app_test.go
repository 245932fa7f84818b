package main

import (
	"bytes"
	"encoding/json"
	"flag"
	"go/ast"
	"go/parser"
	"go/token"
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/jsii-runtime-go"
)

var update = flag.Bool("update", false, "write the golden templates anew")

// alone and complete are the contexts of the two apps; assets stand for the functions' binaries.
var (
	alone    = map[string]any{"crlgate:assets": "testdata/assets"}
	backend  = map[string]any{"crlgate:backend": "https://backend.example.com/v1/"} // with complete
	complete = map[string]any{
		"crlgate:assets": "testdata/assets", "crlgate:example": true, "crlgate:domainName": "api.example.com",
		"crlgate:certificateArn": "arn:aws:acm:eu-west-1:111122223333:certificate/00000000-0000-0000-0000-000000000000",
		"crlgate:truststore":     "testdata/truststore.pem", "crlgate:alarmEmail": "operators@example.com",
	}
)

func TestMain(m *testing.M) {
	flag.Parse()
	code := m.Run()
	jsii.Close() // it leaves its unpacked runtime otherwise
	os.Exit(code)
}

// newApp is an app with the context of cdk.json and more.
func newApp(t *testing.T, more map[string]any) awscdk.App {
	t.Helper()
	b, err := os.ReadFile("../cdk.json")
	if err != nil {
		t.Fatal(err)
	}
	var file struct{ Context map[string]any }
	if err := json.Unmarshal(b, &file); err != nil {
		t.Fatal(err)
	}
	maps.Copy(file.Context, more)
	return awscdk.NewApp(&awscdk.AppProps{Outdir: jsii.String(t.TempDir()), AnalyticsReporting: jsii.Bool(false), Context: &file.Context})
}

func with(context, more map[string]any) map[string]any {
	out := maps.Clone(context)
	maps.Copy(out, more)
	return out
}

// synth returns the bytes of the template of the app with that context.
func synth(t *testing.T, context map[string]any) []byte {
	t.Helper()
	app := newApp(t, context)
	if err := build(app); err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(filepath.Join(*app.Synth(nil).Directory(), "crlgate.template.json"))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestTemplates(t *testing.T) {
	for name, context := range map[string]map[string]any{"gate": alone, "example": complete, "backend": with(complete, backend)} {
		got := synth(t, context)
		if again := synth(t, context); !bytes.Equal(got, again) {
			t.Errorf("two runs of %s differ", name)
		}
		golden := filepath.Join("testdata", name+".template.json")
		if *update {
			if err := os.WriteFile(golden, got, 0o644); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(golden)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(got, want) {
			t.Errorf("the template of %s has changed; if it is meant, run go test ./infra -update, and review the difference:\n%s", name, firstDifference(got, want))
		}
	}
}

func firstDifference(got, want []byte) string {
	g, w := strings.Split(string(got), "\n"), strings.Split(string(want), "\n")
	for i := range min(len(g), len(w)) {
		if g[i] != w[i] {
			return "got  " + g[i] + "\nwant " + w[i]
		}
	}
	return "one is longer"
}

// resources of the complete example, by type.
func resources(t *testing.T) map[string][]map[string]any { return resourcesOf(t, complete) }

func resourcesOf(t *testing.T, context map[string]any) map[string][]map[string]any {
	t.Helper()
	var template struct{ Resources map[string]map[string]any }
	if err := json.Unmarshal(synth(t, context), &template); err != nil {
		t.Fatal(err)
	}
	out := map[string][]map[string]any{}
	for _, id := range slices.Sorted(maps.Keys(template.Resources)) {
		r := template.Resources[id]
		kind := r["Type"].(string)
		properties, _ := r["Properties"].(map[string]any)
		out[kind] = append(out[kind], properties)
	}
	return out
}

func compact(v any) string {
	b, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	return string(b)
}

func TestExampleCannotBeReachedAroundMutualTLS(t *testing.T) {
	all := resources(t)
	for _, kind := range []string{"AWS::ApiGateway::RestApi", "AWS::ApiGatewayV2::Api"} {
		if len(all[kind]) != 1 || all[kind][0]["DisableExecuteApiEndpoint"] != true {
			t.Errorf("%s: %s", kind, compact(all[kind]))
		}
	}
	domains := all["AWS::ApiGatewayV2::DomainName"]
	if len(domains) != 1 || len(all["AWS::ApiGateway::DomainName"]) != 0 {
		t.Fatalf("%d domains", len(domains))
	}
	truststore := domains[0]["MutualTlsAuthentication"].(map[string]any)["TruststoreUri"]
	if uri := compact(truststore); !strings.Contains(uri, `"s3://",{"Fn::Sub":"cdk-hnb659fds-assets-`) || !strings.Contains(uri, ".pem") {
		t.Errorf("the truststore is %s, not an asset that cdk uploads before the stack", uri)
	}
	configuration := compact(domains[0]["DomainNameConfigurations"])
	for _, want := range []string{`"EndpointType":"REGIONAL"`, `"SecurityPolicy":"TLS_1_2"`, `"CertificateArn":"arn:aws:acm:`} {
		if !strings.Contains(configuration, want) {
			t.Errorf("no %s in %s", want, configuration)
		}
	}
	var paths []string
	for _, mapping := range all["AWS::ApiGatewayV2::ApiMapping"] {
		paths = append(paths, mapping["ApiMappingKey"].(string))
	}
	slices.Sort(paths)
	if !slices.Equal(paths, []string{"http", "rest"}) {
		t.Errorf("the domain leads to %v", paths)
	}
}

func TestExampleAsksTheGateForEveryRequest(t *testing.T) {
	all := resources(t)
	for kind, want := range map[string]int{"AWS::ApiGateway::Method": 2, "AWS::ApiGatewayV2::Route": 2} {
		if len(all[kind]) != want {
			t.Errorf("%d of %s, want %d", len(all[kind]), kind, want)
		}
		for _, p := range all[kind] {
			if p["AuthorizationType"] != "CUSTOM" || p["AuthorizerId"] == nil {
				t.Errorf("%s without the authorizer: %s", kind, compact(p))
			}
		}
	}
	for _, kind := range []string{"AWS::ApiGateway::Authorizer", "AWS::ApiGatewayV2::Authorizer"} {
		if len(all[kind]) != 1 || all[kind][0]["AuthorizerResultTtlInSeconds"] != 0.0 {
			t.Errorf("%s: %s", kind, compact(all[kind]))
		}
	}
}

// contextKeys are the keys of the authorizer's context, read where the authorizer has them.
func contextKeys(t *testing.T) (keys []string) {
	t.Helper()
	file, err := parser.ParseFile(token.NewFileSet(), "../pkg/authorize/respond.go", nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	ast.Inspect(file, func(n ast.Node) bool {
		spec, ok := n.(*ast.TypeSpec)
		if !ok || spec.Name.Name != "Context" {
			return true
		}
		for _, field := range spec.Type.(*ast.StructType).Fields.List {
			tag, err := strconv.Unquote(field.Tag.Value)
			if err != nil {
				t.Fatal(err)
			}
			key, _, _ := strings.Cut(reflect.StructTag(tag).Get("json"), ",")
			keys = append(keys, key)
		}
		return false
	})
	if len(keys) != len(decisionContext) {
		t.Fatalf("the authorizer's context has the keys %v, the access log has %v", keys, decisionContext)
	}
	return keys
}

// TestExampleLogsTheDecision: both access logs have every key of the authorizer's context.
func TestExampleLogsTheDecision(t *testing.T) {
	all := resources(t)
	rest := all["AWS::ApiGateway::Stage"][0]
	formats := map[string]any{
		"REST": rest["AccessLogSetting"].(map[string]any)["Format"],
		"HTTP": all["AWS::ApiGatewayV2::Stage"][0]["AccessLogSettings"].(map[string]any)["Format"],
	}
	for api, format := range formats {
		var fields map[string]string
		if err := json.Unmarshal([]byte(format.(string)), &fields); err != nil {
			t.Fatalf("the format of the %s API is no JSON: %v", api, err)
		}
		for _, key := range contextKeys(t) {
			if fields[key] != "$context.authorizer."+key {
				t.Errorf("the access log of the %s API lacks %s", api, key)
			}
		}
	}
	settings := compact(rest["MethodSettings"])
	if rest["TracingEnabled"] != true || !strings.Contains(settings, `"DataTraceEnabled":false`) {
		t.Errorf("the REST API's stage: tracing %v, %s", rest["TracingEnabled"], settings)
	}
	for _, group := range all["AWS::Logs::LogGroup"] {
		if group["RetentionInDays"] != 365.0 {
			t.Errorf("a log group is kept %v days", group["RetentionInDays"])
		}
	}
}

func TestAlarmsTellTheTopic(t *testing.T) {
	all := resources(t)
	if len(all["AWS::SNS::Topic"]) != 1 || len(all["AWS::SNS::Subscription"]) != 1 || all["AWS::SNS::Subscription"][0]["Endpoint"] != "operators@example.com" {
		t.Errorf("topic and subscription: %s %s", compact(all["AWS::SNS::Topic"]), compact(all["AWS::SNS::Subscription"]))
	}
	for _, alarm := range all["AWS::CloudWatch::Alarm"] {
		if !strings.Contains(compact(alarm["AlarmActions"]), "AlarmTopic") {
			t.Errorf("an alarm tells %s", compact(alarm["AlarmActions"]))
		}
	}
	context := maps.Clone(alone)
	context["crlgate:alarmTopicArn"] = "arn:aws:sns:eu-west-1:111122223333:alarms"
	if got := string(synth(t, context)); !strings.Contains(got, `"AlarmActions": [
     "arn:aws:sns:eu-west-1:111122223333:alarms"`) || strings.Contains(got, "AWS::SNS::Topic") {
		t.Error("a topic of the user's is not used")
	}
}
