package gate

import (
	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsapigateway"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsapigatewayv2"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsapigatewayv2authorizers"
	"github.com/aws/jsii-runtime-go"
)

// RestAuthorizer is the authorizer for the methods of one REST API: the same one at each call. API Gateway
// binds an authorizer to one API, so use RestAuthorizerNamed for a second.
func (g *Gate) RestAuthorizer() awsapigateway.RequestAuthorizer {
	if g.rest == nil {
		g.rest = g.RestAuthorizerNamed(jsii.String("RestAuthorizer"))
	}
	return g.rest
}

// RestAuthorizerNamed makes an authorizer for one more REST API, under an id of its own.
//
// It asks for a REQUEST event, because a token carries no certificate, and its answers are not cached: the
// cache's key could only be made of identity sources, which do not tell certificates apart, so that one
// certificate's allow would serve another.
func (g *Gate) RestAuthorizerNamed(id *string) awsapigateway.RequestAuthorizer {
	authorizer := awsapigateway.NewRequestAuthorizer(g, id, &awsapigateway.RequestAuthorizerProps{
		Handler:         g.handler,
		IdentitySources: strs(), // one that a request lacks would be a 401 before the authorizer is asked
		ResultsCacheTtl: awscdk.Duration_Seconds(jsii.Number(0)),
	})
	// CDK writes the empty list as an empty string, which names a source without a name.
	authorizer.Node().DefaultChild().(awscdk.CfnResource).AddPropertyDeletionOverride(jsii.String("IdentitySource"))
	return authorizer
}

// HttpAuthorizer is the authorizer for the routes of one HTTP API: the same one at each call. Use
// HttpAuthorizerNamed for a second API.
func (g *Gate) HttpAuthorizer() awsapigatewayv2.IHttpRouteAuthorizer {
	if g.http == nil {
		g.http = g.HttpAuthorizerNamed(jsii.String("HttpAuthorizer"))
	}
	return g.http
}

// HttpAuthorizerNamed makes an authorizer for one more HTTP API, under an id of its own. Events have payload
// format 2.0 and answers are simple responses. Answers are not cached, for RestAuthorizerNamed's reason;
// CDK's defaults would ask for an Authorization header, cache for five minutes and expect a policy.
func (g *Gate) HttpAuthorizerNamed(id *string) awsapigatewayv2.IHttpRouteAuthorizer {
	return awsapigatewayv2authorizers.NewHttpLambdaAuthorizer(id, g.handler, &awsapigatewayv2authorizers.HttpLambdaAuthorizerProps{
		IdentitySource:  strs(),
		ResponseTypes:   &[]awsapigatewayv2authorizers.HttpLambdaResponseType{awsapigatewayv2authorizers.HttpLambdaResponseType_SIMPLE},
		ResultsCacheTtl: awscdk.Duration_Seconds(jsii.Number(0)),
	})
}
