// Package gate is the AWS CDK construct that deploys crlgate: it adds to a stack the two buckets, the
// preprocessor and the authorizer, their roles, event wiring and failure queue, the alarms and a dashboard,
// and hands out Lambda authorizers for Amazon API Gateway.
//
//	g := gate.New(stack, jsii.String("Gate"), nil)
//	api.Root().AddMethod(jsii.String("GET"), integration, &awsapigateway.MethodOptions{Authorizer: g.RestAuthorizer()})
//	httpAPI.AddRoutes(&awsapigatewayv2.AddRoutesOptions{ /* path, integration */ Authorizer: g.HttpAuthorizer()})
//
// What it guarantees, and what its tests hold:
//
//   - Only the preprocessor writes the cache bucket, and the authorizer reads nothing else. The preprocessor
//     cannot write the upload bucket and the cache bucket notifies nobody, so no write can trigger itself.
//   - API Gateway caches no answer of the authorizer: a cached allow would outlive a revocation, and one
//     certificate's answer could serve another.
//   - A combination of settings that would not work is refused by New, with every fault and its remedy at once.
//   - The template depends only on the props and on the bytes of the two bootstrap binaries.
//
// The construct does not import the code that the functions run. Settings reach the functions through the
// environment variables of the design's Settings tables, and only those that a prop sets: the functions'
// own defaults stay the only defaults.
//
// docs/deploy.md leads through a deployment, docs/operations.md says what to do in each alarm.
package gate
