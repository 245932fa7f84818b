package gate

import (
	"time"

	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsevents"
	"github.com/aws/aws-cdk-go/awscdk/v2/awseventstargets"
	"github.com/aws/aws-cdk-go/awscdk/v2/awslambda"
	"github.com/aws/aws-cdk-go/awscdk/v2/awss3"
	"github.com/aws/aws-cdk-go/awscdk/v2/awssqs"
	"github.com/aws/jsii-runtime-go"

	"github.com/crlgate/crlgate/infra/internal/checks"
)

const reconcileEvery = 5 * time.Minute

// addEvents brings the preprocessor what it acts on: changes in the upload bucket and a timer, retried and at
// last put on the failure queue.
func (g *Gate) addEvents() {
	g.FailureQueue = awssqs.NewQueue(g, jsii.String("Failures"), &awssqs.QueueProps{
		Encryption:      awssqs.QueueEncryption_SQS_MANAGED,
		EnforceSSL:      jsii.Bool(true),
		RetentionPeriod: awscdk.Duration_Days(jsii.Number(14)), // the longest that SQS keeps
	})
	checks.Suppress(g.FailureQueue, isFailureQueue)
	p := orZero(g.props.Preprocessor)
	g.retryEvents("Retries", g.Preprocessor, numberOr(p.RetryAttempts, 2), durationOr(p.MaxEventAge, 6*time.Hour))
	g.notifyUploads()
	g.startTimer()
}

// retryEvents sets what becomes of a function's event that fails. It is written out because CDK's own switch lets the
// role read the queue's attributes too, which Lambda does not ask for.
func (g *Gate) retryEvents(id string, function awslambda.Function, attempts float64, age time.Duration) {
	function.AddToRolePolicy(allow("ReportFailures", strs("sqs:SendMessage"), &[]*string{g.FailureQueue.QueueArn()}, nil))
	invoke := awslambda.NewCfnEventInvokeConfig(g, jsii.String(id), &awslambda.CfnEventInvokeConfigProps{
		FunctionName:             function.FunctionName(),
		Qualifier:                jsii.String("$LATEST"),
		MaximumRetryAttempts:     jsii.Number(attempts),
		MaximumEventAgeInSeconds: jsii.Number(age.Seconds()),
		DestinationConfig: &awslambda.CfnEventInvokeConfig_DestinationConfigProperty{
			OnFailure: &awslambda.CfnEventInvokeConfig_OnFailureProperty{Destination: g.FailureQueue.QueueArn()},
		},
	})
	invoke.Node().AddDependency(function.Role()) // Lambda tries whether the role may send
}

// notifyUploads has S3 invoke the preprocessor for each object created or removed under its prefixes. The
// preprocessor cannot write there, so that nothing it does invokes it again.
func (g *Gate) notifyUploads() {
	permission := awslambda.NewCfnPermission(g, jsii.String("UploadsInvoke"), &awslambda.CfnPermissionProps{
		Action:        jsii.String("lambda:InvokeFunction"),
		FunctionName:  g.Preprocessor.FunctionArn(),
		Principal:     jsii.String("s3.amazonaws.com"),
		SourceAccount: g.stack.Account(),
		SourceArn:     g.arn(g.uploads),
	})
	checks.Suppress(permission, checks.SourceNamed)
	var configurations []any
	for _, event := range []string{"s3:ObjectCreated:*", "s3:ObjectRemoved:*"} {
		for _, prefix := range uploadPrefixes(orZero(g.props.Preprocessor)) {
			configurations = append(configurations, notification(event, prefix, g.Preprocessor))
		}
	}
	bucket := g.UploadBucket.Node().DefaultChild().(awss3.CfnBucket)
	bucket.SetNotificationConfiguration(&awss3.CfnBucket_NotificationConfigurationProperty{LambdaConfigurations: configurations})
	bucket.AddResourceDependency(permission, nil) // S3 tries whether it may invoke
}

// notification has S3 invoke a function for each object of a prefix to which that happens.
func notification(event, prefix string, function awslambda.Function) *awss3.CfnBucket_LambdaConfigurationProperty {
	return &awss3.CfnBucket_LambdaConfigurationProperty{
		Event:    jsii.String(event),
		Function: function.FunctionArn(),
		Filter: &awss3.CfnBucket_NotificationFilterProperty{S3Key: &awss3.CfnBucket_S3KeyFilterProperty{
			Rules: []any{&awss3.CfnBucket_FilterRuleProperty{Name: jsii.String("prefix"), Value: jsii.String(prefix)}},
		}},
	}
}

// startTimer invokes the preprocessor with the input on which it compares the catalog with the upload bucket:
// events may come late or never, and time alone makes a CRL current or expired.
func (g *Gate) startTimer() {
	g.addTimer(timer{
		id: "Timer", description: "crlgate: has the preprocessor compare the catalog with the upload bucket",
		function: g.Preprocessor, asks: "reconcile", every: durationOr(orZero(g.props.Preprocessor).ReconcileEvery, reconcileEvery),
		retries: 2, age: time.Hour,
	})
}

// timer invokes a function over and over.
type timer struct {
	id, description string
	function        awslambda.Function
	asks            string        // the request in the event
	every           time.Duration // whole minutes
	retries         float64       // of an event that Lambda does not take
	age             time.Duration // for which it is tried
}

func (g *Gate) addTimer(t timer) {
	rule := awsevents.NewRule(g, jsii.String(t.id), &awsevents.RuleProps{
		Description: jsii.String(t.description),
		Schedule:    awsevents.Schedule_Rate(awscdk.Duration_Minutes(jsii.Number(t.every.Minutes()))),
	})
	rule.AddTarget(awseventstargets.NewLambdaFunction(t.function, &awseventstargets.LambdaFunctionProps{
		Event:           awsevents.RuleTargetInput_FromObject(map[string]string{"crlgate": t.asks}),
		DeadLetterQueue: g.FailureQueue,
		RetryAttempts:   jsii.Number(t.retries),
		MaxEventAge:     awscdk.Duration_Seconds(jsii.Number(t.age.Seconds())),
	}))
}
