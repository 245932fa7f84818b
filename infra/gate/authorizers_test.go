package gate_test

import (
	"strings"
	"testing"

	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsapigateway"
	"github.com/aws/jsii-runtime-go"

	"github.com/crlgate/crlgate/infra/gate"
)

func TestRestAuthorizer(t *testing.T) {
	m := synth(t, nil, addAPIs)
	function, _ := m.one("AWS::Lambda::Function", "GateAuthorizer")
	id, a := m.one("AWS::ApiGateway::Authorizer", "")
	p := a["Properties"]
	if get(p, "Type") != "REQUEST" || text(get(p, "AuthorizerResultTtlInSeconds")) != "0" {
		t.Errorf("type %v, results kept %v s: a cached allow serves other certificates", get(p, "Type"), get(p, "AuthorizerResultTtlInSeconds"))
	}
	for _, key := range []string{"IdentitySource", "IdentityValidationExpression", "AuthorizerCredentials"} {
		if v, ok := p.(map[string]any)[key]; ok {
			t.Errorf("%s is %v: a request without it would be refused before the authorizer is asked", key, v)
		}
	}
	if uri := text(get(p, "AuthorizerUri")); !strings.Contains(uri, "/functions/<"+function+".Arn>/invocations") {
		t.Errorf("it calls %s", uri)
	}
	_, method := m.one("AWS::ApiGateway::Method", "Rest")
	if get(method, "Properties", "AuthorizationType") != "CUSTOM" || text(get(method, "Properties", "AuthorizerId")) != "<"+id+">" {
		t.Errorf("the method: %s", text(method["Properties"]))
	}
	_, permission := m.one("AWS::Lambda::Permission", "RestAuthorizer")
	if source := text(get(permission, "Properties", "SourceArn")); !strings.HasSuffix(source, "/authorizers/<"+id+">") {
		t.Errorf("may be invoked by %s", source)
	}
}

func TestHttpAuthorizer(t *testing.T) {
	m := synth(t, nil, addAPIs)
	function, _ := m.one("AWS::Lambda::Function", "GateAuthorizer")
	id, a := m.one("AWS::ApiGatewayV2::Authorizer", "")
	p := a["Properties"]
	for key, want := range map[string]string{
		"AuthorizerType": "REQUEST", "AuthorizerPayloadFormatVersion": "2.0", "EnableSimpleResponses": "true",
		"AuthorizerResultTtlInSeconds": "0", "IdentitySource": "[]",
	} {
		if got := text(get(p, key)); got != want {
			t.Errorf("%s is %s, want %s", key, got, want)
		}
	}
	if uri := text(get(p, "AuthorizerUri")); !strings.Contains(uri, "/functions/<"+function+".Arn>/invocations") {
		t.Errorf("it calls %s", uri)
	}
	_, route := m.one("AWS::ApiGatewayV2::Route", "Http")
	if get(route, "Properties", "AuthorizationType") != "CUSTOM" || text(get(route, "Properties", "AuthorizerId")) != "<"+id+">" {
		t.Errorf("the route: %s", text(route["Properties"]))
	}
	_, permission := m.one("AWS::Lambda::Permission", "HttpAuthorizer")
	if source := text(get(permission, "Properties", "SourceArn")); !strings.HasSuffix(source, "/authorizers/<"+id+">") {
		t.Errorf("may be invoked by %s", source)
	}
}

func TestOneAuthorizerServesOneAPIAndMoreCanBeMade(t *testing.T) {
	m := synth(t, nil, func(stack awscdk.Stack, g *gate.Gate) {
		if g.RestAuthorizer() != g.RestAuthorizer() || g.HttpAuthorizer() != g.HttpAuthorizer() {
			t.Error("a second call makes a second authorizer")
		}
		for name, authorizer := range map[string]awsapigateway.IAuthorizer{
			"One": g.RestAuthorizer(), "Two": g.RestAuthorizerNamed(jsii.String("Second")),
		} {
			api := awsapigateway.NewRestApi(stack, jsii.String(name), nil)
			for _, method := range []string{"GET", "PUT"} {
				api.Root().AddMethod(jsii.String(method), awsapigateway.NewMockIntegration(nil), &awsapigateway.MethodOptions{Authorizer: authorizer})
			}
		}
	})
	if n := len(m.resources("AWS::ApiGateway::Authorizer")); n != 2 {
		t.Errorf("%d authorizers, want one an API", n)
	}
}

func TestNoAPINoAuthorizer(t *testing.T) {
	m := synth(t, nil)
	for _, kind := range []string{"AWS::ApiGateway::Authorizer", "AWS::ApiGatewayV2::Authorizer"} {
		if n := len(m.resources(kind)); n != 0 {
			t.Errorf("%d of %s", n, kind)
		}
	}
}
