package main

import (
	_ "embed"
	"encoding/json"
	"maps"

	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsapigateway"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsapigatewayv2"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsapigatewayv2integrations"
	"github.com/aws/aws-cdk-go/awscdk/v2/awscertificatemanager"
	"github.com/aws/aws-cdk-go/awscdk/v2/awscloudwatch"
	"github.com/aws/aws-cdk-go/awscdk/v2/awscloudwatchactions"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsiam"
	"github.com/aws/aws-cdk-go/awscdk/v2/awslambda"
	"github.com/aws/aws-cdk-go/awscdk/v2/awslogs"
	"github.com/aws/aws-cdk-go/awscdk/v2/awss3assets"
	"github.com/aws/aws-cdk-go/awscdk/v2/awssns"
	"github.com/aws/aws-cdk-go/awscdk/v2/awssnssubscriptions"
	"github.com/aws/constructs-go/constructs/v10"
	"github.com/aws/jsii-runtime-go"

	"github.com/crlgate/crlgate/infra/gate"
	"github.com/crlgate/crlgate/infra/internal/checks"
)

// addExample adds a REST and an HTTP API that both ask the gate's authorizer, behind one regional domain with
// mutual TLS: the first under /rest, the second under /http. Neither can be reached around the domain.
func addExample(scope constructs.Construct, g *gate.Gate, s exampleSettings, truststore awss3assets.Asset) {
	e := example{Construct: constructs.NewConstruct(scope, jsii.String("Example")), gate: g, backend: s.backend}
	if s.backend == "" {
		e.addEcho()
	}
	domain := e.addDomain(s, truststore)
	rest := e.addRest()
	http := e.addHTTP()
	e.mapAPI("RestMapping", domain, "rest", rest.RestApiId(), rest.DeploymentStage().StageName())
	e.mapAPI("HttpMapping", domain, "http", http.ApiId(), http.DefaultStage().StageName())
	e.explain(rest)
	stack := awscdk.Stack_Of(scope)
	output(stack, "DomainTarget", "Make "+s.domainName+" a CNAME of this", domain.RegionalDomainName())
	output(stack, "RestURL", "The REST API, once the domain name resolves", jsii.String("https://"+s.domainName+"/rest"))
	output(stack, "HttpURL", "The HTTP API, once the domain name resolves", jsii.String("https://"+s.domainName+"/http"))
}

type example struct {
	constructs.Construct
	gate    *gate.Gate
	backend string             // URL that both APIs lead to; "": the sample function
	echo    awslambda.Function // nil with a backend
	// echoHTTP is the HTTP API's integration with it, one for all routes.
	echoHTTP awsapigatewayv2.HttpRouteIntegration
}

// newTruststore makes the truststore with which the domain begins. It is a CDK asset: cdk uploads it before it
// touches the stack, so that it exists before the domain asks for it, and names it by its content, so that a
// change of the file is a change of the domain. The asset bucket is versioned, which API Gateway asks for.
func newTruststore(scope constructs.Construct, s exampleSettings) awss3assets.Asset {
	return awss3assets.NewAsset(scope, jsii.String("Truststore"), &awss3assets.AssetProps{Path: jsii.String(s.truststore)})
}

func (e *example) addDomain(s exampleSettings, truststore awss3assets.Asset) awsapigatewayv2.DomainName {
	return awsapigatewayv2.NewDomainName(e.Construct, jsii.String("Domain"), &awsapigatewayv2.DomainNameProps{
		DomainName:     jsii.String(s.domainName),
		Certificate:    awscertificatemanager.Certificate_FromCertificateArn(e.Construct, jsii.String("Certificate"), jsii.String(s.certificateARN)),
		EndpointType:   awsapigatewayv2.EndpointType_REGIONAL,
		SecurityPolicy: awsapigatewayv2.SecurityPolicy_TLS_1_2,
		Mtls:           &awsapigatewayv2.MTLSConfig{Bucket: truststore.Bucket(), Key: truststore.S3ObjectKey()},
	})
}

func (e *example) mapAPI(id string, domain awsapigatewayv2.DomainName, path string, api, stage *string) {
	awsapigatewayv2.NewCfnApiMapping(e.Construct, jsii.String(id), &awsapigatewayv2.CfnApiMappingProps{
		DomainName: domain.Name(), ApiId: api, Stage: stage, ApiMappingKey: jsii.String(path),
	})
}

func (e *example) addRest() awsapigateway.RestApi {
	props := &awsapigateway.RestApiProps{
		Description:               jsii.String("crlgate example: a REST API behind mutual TLS"),
		DisableExecuteApiEndpoint: jsii.Bool(true), // or mutual TLS is bypassed
		EndpointConfiguration:     &awsapigateway.EndpointConfiguration{Types: &[]awsapigateway.EndpointType{awsapigateway.EndpointType_REGIONAL}},
		CloudWatchRole:            jsii.Bool(true), // without it in the account, a REST API logs nothing
		DeployOptions: &awsapigateway.StageOptions{
			StageName:            jsii.String("live"),
			AccessLogDestination: awsapigateway.NewLogGroupLogDestination(e.newLogs("RestAccessLogs")),
			AccessLogFormat:      awsapigateway.AccessLogFormat_Custom(jsii.String(accessLogFormat("$context.identity.clientCert."))),
			DataTraceEnabled:     jsii.Bool(false), // it would log bodies and headers
			LoggingLevel:         awsapigateway.MethodLoggingLevel_ERROR,
			MetricsEnabled:       jsii.Bool(true),
			TracingEnabled:       jsii.Bool(true),
			ThrottlingRateLimit:  jsii.Number(1000),
			ThrottlingBurstLimit: jsii.Number(2000),
		},
		DefaultMethodOptions: &awsapigateway.MethodOptions{
			AuthorizationType: awsapigateway.AuthorizationType_CUSTOM, Authorizer: e.gate.RestAuthorizer(),
		},
	}
	if e.backend == "" {
		// A Lambda proxy integration takes no mappings: the function reads requestContext.authorizer.
		props.DefaultIntegration = awsapigateway.NewLambdaIntegration(e.echo, nil)
	}
	api := awsapigateway.NewRestApi(e.Construct, jsii.String("Rest"), props)
	if e.backend == "" {
		api.Root().AddProxy(&awsapigateway.ProxyResourceOptions{AnyMethod: jsii.Bool(true)}) // the root itself included
		return api
	}
	const path = "method.request.path.proxy"
	api.Root().AddMethod(jsii.String("ANY"), e.restBackend("", nil), nil)
	api.Root().AddResource(jsii.String("{proxy+}"), nil).AddMethod(jsii.String("ANY"),
		e.restBackend("/{proxy}", map[string]*string{"integration.request.path.proxy": jsii.String(path)}),
		&awsapigateway.MethodOptions{RequestParameters: &map[string]*bool{path: jsii.Bool(true)}})
	return api
}

// restBackend hands requests on to the backend, with the headers that tell of the client in place of the client's own.
func (e *example) restBackend(path string, parameters map[string]*string) awsapigateway.HttpIntegration {
	all := *gate.RestClientHeaders()
	maps.Copy(all, parameters)
	return awsapigateway.NewHttpIntegration(jsii.String(e.backend+path), &awsapigateway.HttpIntegrationProps{
		HttpMethod: jsii.String("ANY"), Proxy: jsii.Bool(true),
		Options: &awsapigateway.IntegrationOptions{RequestParameters: &all},
	})
}

func (e *example) addHTTP() awsapigatewayv2.HttpApi {
	api := awsapigatewayv2.NewHttpApi(e.Construct, jsii.String("Http"), &awsapigatewayv2.HttpApiProps{
		Description:               jsii.String("crlgate example: an HTTP API behind mutual TLS"),
		DisableExecuteApiEndpoint: jsii.Bool(true), // or mutual TLS is bypassed
		CreateDefaultStage:        jsii.Bool(true),
		DefaultAuthorizer:         e.gate.HttpAuthorizer(),
	})
	for _, path := range []string{"/", "/{proxy+}"} {
		api.AddRoutes(&awsapigatewayv2.AddRoutesOptions{Path: jsii.String(path), Integration: e.httpIntegration(path)})
	}
	stage := api.DefaultStage().Node().DefaultChild().(awsapigatewayv2.CfnStage)
	stage.SetAccessLogSettings(&awsapigatewayv2.CfnStage_AccessLogSettingsProperty{
		DestinationArn: e.newLogs("HttpAccessLogs").LogGroupArn(),
		Format:         jsii.String(accessLogFormat("$context.authentication.clientCert.")),
	})
	stage.SetDefaultRouteSettings(&awsapigatewayv2.CfnStage_RouteSettingsProperty{
		DetailedMetricsEnabled: jsii.Bool(true), ThrottlingRateLimit: jsii.Number(1000), ThrottlingBurstLimit: jsii.Number(2000),
	})
	return api
}

// httpIntegration hands requests on to the sample function or the backend, with the headers that tell of the client in
// place of the client's own.
func (e *example) httpIntegration(path string) awsapigatewayv2.HttpRouteIntegration {
	if e.backend == "" {
		if e.echoHTTP == nil {
			e.echoHTTP = awsapigatewayv2integrations.NewHttpLambdaIntegration(jsii.String("Echo"), e.echo, &awsapigatewayv2integrations.HttpLambdaIntegrationProps{
				ParameterMapping: gate.HttpClientHeaders(),
			})
		}
		return e.echoHTTP
	}
	id, url := "BackendRoot", e.backend
	if path != "/" {
		id, url = "Backend", e.backend+"/{proxy}"
	}
	return awsapigatewayv2integrations.NewHttpUrlIntegration(jsii.String(id), jsii.String(url), &awsapigatewayv2integrations.HttpUrlIntegrationProps{
		ParameterMapping: gate.HttpClientHeaders(),
	})
}

// explain records why findings of template checks on what CDK made for the APIs are not faults here.
func (e *example) explain(rest awsapigateway.RestApi) {
	checks.Suppress(rest, checks.Suppression{
		Rules: []string{"AwsSolutions-APIG2"}, Reason: "The sample backend takes any request; validation belongs to the API that takes its place.",
	})
	checks.Suppress(rest.DeploymentStage(), checks.Suppression{
		Rules: []string{"AwsSolutions-APIG3"}, Reason: "Only clients with a certificate of a trusted CA get as far as the API; add a web ACL where those must be filtered too.",
	})
	checks.Suppress(rest.Node().FindChild(jsii.String("CloudWatchRole")), checks.Suppression{
		Rules: []string{"AwsSolutions-IAM4"}, Findings: []string{"/AmazonAPIGatewayPushToCloudWatchLogs$"},
		Reason: "The role is the account's, for all its REST APIs, and AWS names this policy for it.",
	})
	for _, c := range *awscdk.Stack_Of(e.Construct).Node().FindAll(constructs.ConstructOrder_PREORDER) {
		switch resource := c.(type) {
		case awsapigateway.CfnMethod:
			checks.Suppress(resource, checks.Suppression{
				Rules: []string{"AwsSolutions-COG4"}, Reason: "Clients authenticate by certificate, and the gate's authorizer decides; there is no user pool.",
			})
		case awslambda.CfnPermission:
			// cfn-guard reads a reference to a resource of the template, but no ARN that is joined of parts.
			source, _ := awscdk.Stack_Of(resource).Resolve(resource.SourceArn()).(map[string]any)
			if source["Fn::Join"] != nil && !checks.Recorded(resource) {
				checks.Suppress(resource, checks.SourceNamed)
			}
		}
	}
}

// decisionContext are the keys of the authorizer's context, all of which an access log keeps.
var decisionContext = []string{
	"decision", "reason", "would_deny", "ca", "issuer", "serial", "subject", "san", "fingerprint", "crl_number", "revocation_date",
}

// accessLogFormat is one line of JSON a request: what was asked, what was answered, and what the authorizer
// decided and why. clientCert is where the certificate is found in $context.
func accessLogFormat(clientCert string) string {
	fields := map[string]string{
		"requestId": "$context.requestId", "time": "$context.requestTime", "ip": "$context.identity.sourceIp",
		"host": "$context.domainName", "method": "$context.httpMethod", "path": "$context.path", "protocol": "$context.protocol",
		"status": "$context.status", "error": "$context.error.message", "latency": "$context.responseLatency",
		"authorizerError": "$context.authorizer.error", "clientCertSubject": clientCert + "subjectDN", "clientCertNotAfter": clientCert + "validity.notAfter",
	}
	for _, key := range decisionContext {
		fields[key] = "$context.authorizer." + key
	}
	line, err := json.Marshal(fields) // keys in order, so that the template is always the same
	if err != nil {
		panic(err) // a map of strings always marshals
	}
	return string(line)
}

//go:embed echo.js
var echoSource string

// addEcho adds the backend of both APIs, which answers with what the authorizer told it about the client.
func (e *example) addEcho() {
	logs := e.newLogs("EchoLogs")
	role := awsiam.NewRole(e.Construct, jsii.String("EchoRole"), &awsiam.RoleProps{
		AssumedBy: awsiam.NewServicePrincipal(jsii.String("lambda.amazonaws.com"), nil),
	})
	role.AddToPolicy(awsiam.NewPolicyStatement(&awsiam.PolicyStatementProps{
		Sid: jsii.String("WriteLogs"), Actions: jsii.Strings("logs:CreateLogStream", "logs:PutLogEvents"),
		Resources: &[]*string{logs.LogGroupArn()},
	}))
	e.echo = awslambda.NewFunction(e.Construct, jsii.String("Echo"), &awslambda.FunctionProps{
		Description:   jsii.String("crlgate example: answers with the authorizer's context"),
		Runtime:       awslambda.Runtime_NODEJS_24_X(),
		Architecture:  awslambda.Architecture_ARM_64(),
		Handler:       jsii.String("index.handler"),
		Code:          awslambda.Code_FromInline(jsii.String(echoSource)),
		Role:          role,
		LogGroup:      logs,
		LoggingFormat: awslambda.LoggingFormat_JSON,
		Tracing:       awslambda.Tracing_ACTIVE,
		MemorySize:    jsii.Number(128),
		Timeout:       awscdk.Duration_Seconds(jsii.Number(5)),
	})
	checks.Suppress(role.Node().FindChild(jsii.String("DefaultPolicy")), checks.Tracing)
	checks.Suppress(e.echo, checks.Suppression{
		Rules: []string{"CT.LAMBDA.PR.3"}, Reason: "The sample backend calls nothing, so that a VPC would have nothing to protect.",
	}, checks.Suppression{
		Rules: []string{"Serverless-LambdaDLQ"}, Reason: "API Gateway invokes synchronously; a dead-letter queue takes only asynchronous events.",
	})
}

func (e *example) newLogs(id string) awslogs.LogGroup {
	logs := awslogs.NewLogGroup(e.Construct, jsii.String(id), &awslogs.LogGroupProps{
		Retention: awslogs.RetentionDays_ONE_YEAR, RemovalPolicy: awscdk.RemovalPolicy_RETAIN_ON_UPDATE_OR_DELETE,
	})
	checks.Suppress(logs, checks.LogsWithoutKMS)
	return logs
}

// alarmActions tells a topic of the alarms: the user's own, or one made for an e-mail address.
func alarmActions(scope constructs.Construct, s *settings) []awscloudwatch.IAlarmAction {
	var topic awssns.ITopic
	switch {
	case s.alarmTopicARN != "":
		topic = awssns.Topic_FromTopicArn(scope, jsii.String("AlarmTopic"), jsii.String(s.alarmTopicARN))
	case s.alarmEmail != "":
		own := awssns.NewTopic(scope, jsii.String("AlarmTopic"), &awssns.TopicProps{EnforceSSL: jsii.Bool(true)})
		own.AddSubscription(awssnssubscriptions.NewEmailSubscription(jsii.String(s.alarmEmail), nil))
		explainTopic(own)
		topic = own
	default:
		return nil
	}
	return []awscloudwatch.IAlarmAction{awscloudwatchactions.NewSnsAction(topic)}
}

// explainTopic records why findings of template checks on the topic are not faults here.
func explainTopic(topic awssns.Topic) {
	for _, c := range *topic.Node().FindAll(constructs.ConstructOrder_PREORDER) {
		if subscription, ok := c.(awssns.CfnSubscription); ok {
			checks.Suppress(subscription, checks.Suppression{
				Rules: []string{"Serverless-SNSRedrivePolicy"}, Reason: "An e-mail that cannot be delivered is of no use in a queue; the alarm itself stays on.",
			})
		}
	}
}
