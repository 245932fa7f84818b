package gate

import (
	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsapigateway"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsapigatewayv2"
	"github.com/aws/aws-cdk-go/awscdk/v2/awscloudwatch"
	"github.com/aws/aws-cdk-go/awscdk/v2/awskms"
	"github.com/aws/aws-cdk-go/awscdk/v2/awslambda"
	"github.com/aws/aws-cdk-go/awscdk/v2/awslogs"
	"github.com/aws/aws-cdk-go/awscdk/v2/awss3"
	"github.com/aws/aws-cdk-go/awscdk/v2/awssqs"
	"github.com/aws/constructs-go/constructs/v10"
)

// Gate is the construct. Its fields are what other constructs may want to refer to.
type Gate struct {
	constructs.Construct

	// UploadBucket takes issuers and CRLs. Grant writers access with GrantIssuer and GrantCRLs.
	UploadBucket awss3.Bucket
	// CacheBucket is what the authorizer reads. Its policy lets only the preprocessor write.
	CacheBucket awss3.Bucket
	// Preprocessor verifies and flattens CRLs.
	Preprocessor awslambda.Function
	// Authorizer answers API Gateway.
	Authorizer awslambda.Function
	// Truststore looks after the domain's truststore; nil without Props.Truststore.
	Truststore awslambda.Function
	// Fetcher fetches CRLs; nil without Props.Fetcher.
	Fetcher awslambda.Function
	// FailureQueue takes the events that a function failed on at every try.
	FailureQueue awssqs.Queue
	// Alarms are all alarms, by name as docs/operations.md lists them.
	Alarms map[string]awscloudwatch.Alarm
	// Dashboard shows the metrics of the gate.
	Dashboard awscloudwatch.Dashboard

	stack     awscdk.Stack
	props     Props
	key       awskms.IKey
	handler   awslambda.IFunction // what API Gateway calls: the authorizer, or its alias
	uploads   bucketRef
	cache     bucketRef
	rest      awsapigateway.RequestAuthorizer
	http      awsapigatewayv2.IHttpRouteAuthorizer
	logGroups map[string]awslogs.LogGroup
}

// New adds a gate to scope. It panics with a *PropsError if the props do not work together or the functions'
// binaries are not there; Validate tells without a panic.
func New(scope constructs.Construct, id *string, props *Props) *Gate {
	if err := props.Validate(); err != nil {
		panic(err)
	}
	g := &Gate{
		props:     orZero(props),
		Alarms:    map[string]awscloudwatch.Alarm{},
		logGroups: map[string]awslogs.LogGroup{},
	}
	constructs.NewConstruct_Override(g, scope, id) // and not NewConstruct, so that a *Gate can be passed where CDK wants a construct
	g.stack = awscdk.Stack_Of(g.Construct)
	g.key = g.props.EncryptionKey
	g.nameBuckets()
	g.addPreprocessor()
	g.addAuthorizer()
	g.addTruststore()
	g.addFetcher()
	g.addBuckets()
	g.addEvents()
	g.addTruststoreEvents()
	g.addFetcherEvents()
	g.addAlarms()
	g.addDashboard()
	return g
}

func (g *Gate) removalPolicy() awscdk.RemovalPolicy {
	if g.props.RemovalPolicy == "" {
		return awscdk.RemovalPolicy_RETAIN_ON_UPDATE_OR_DELETE
	}
	return g.props.RemovalPolicy
}

func (g *Gate) logRetention() awslogs.RetentionDays {
	if g.props.LogRetention == "" {
		return awslogs.RetentionDays_ONE_YEAR
	}
	return g.props.LogRetention
}
