package gate

import (
	"github.com/aws/aws-cdk-go/awscdk/v2/awsiam"
	"github.com/aws/aws-cdk-go/awscdk/v2/awss3"
	"github.com/aws/jsii-runtime-go"

	"github.com/crlgate/crlgate/infra/internal/checks"
)

// Why some findings of template checks are not faults here.
var (
	noVPC = checks.Suppression{
		Rules:  []string{"CT.LAMBDA.PR.3"},
		Reason: "The functions call S3, the truststore's API Gateway and the fetcher the servers of CAs, and nothing else; a VPC would add endpoints to pay for and no protection, as the roles name what they may use.",
	}
	failureDestination = checks.Suppression{
		Rules:  []string{"Serverless-LambdaDLQ"},
		Reason: "A failure destination, which says why an event failed, takes the place of a dead-letter queue, which does not.",
	}
	nextMinute = checks.Suppression{
		Rules:  []string{"Serverless-LambdaDLQ"},
		Reason: "Its timer looks again a minute later; events that a long run outlasts are dropped on purpose, and an alarm counts errors.",
	}
	nextMinuteRetries = checks.Suppression{
		Rules: []string{"Serverless-LambdaAsyncFailureDestination"}, Reason: nextMinute.Reason,
	}
	synchronous = checks.Suppression{
		Rules:  []string{"Serverless-LambdaDLQ"},
		Reason: "API Gateway invokes synchronously; a dead-letter queue takes only asynchronous events.",
	}
	isFailureQueue = checks.Suppression{
		Rules:  []string{"AwsSolutions-SQS3", "Serverless-SQSRedrivePolicy", "CT.SQS.PR.1"},
		Reason: "This is the failure queue itself; an alarm watches that it is empty.",
	}
	prefixResources = checks.Suppression{
		Rules:    []string{"AwsSolutions-IAM5"},
		Reason:   "Object names under a prefix are not known at deployment: each wildcard ends a prefix of one bucket.",
		Findings: []string{`^Resource::arn:.*:s3:::[^*]+/[^*]+\*$`},
	}
	objectLock = checks.Suppression{
		Rules:  []string{"CT.S3.PR.9"},
		Reason: "Object Lock would keep a wrong or superseded object from being removed; versioning keeps what was replaced.",
	}
	managedKey = checks.Suppression{
		Rules:  []string{"CT.S3.PR.10"},
		Reason: "S3 encrypts with keys of its own: CRLs and issuers are public documents. Set EncryptionKey where a key of yours is asked for.",
	}
	accessLogKey = checks.Suppression{
		Rules:  []string{"CT.S3.PR.10"},
		Reason: "S3 delivers server access logs only to buckets that it encrypts with keys of its own.",
	}
	notifiesNobody = checks.Suppression{
		Rules:  []string{"CT.S3.PR.4"},
		Reason: "Nothing acts on what is written here, so that no write can trigger itself.",
	}
	cacheNotLogged = checks.Suppression{
		Rules:  []string{"AwsSolutions-S1", "CT.S3.PR.2"},
		Reason: "One role writes this bucket, which its policy holds; server access logs of the authorizer's conditional reads would be a line every few seconds from each environment.",
	}
	logsNotLogged = checks.Suppression{
		Rules:  []string{"CT.S3.PR.2"},
		Reason: "These are the access logs; logging their delivery would log without end.",
	}
)

var noAction = checks.Suppression{
	Rules:  []string{"CT.CLOUDWATCH.PR.1"},
	Reason: "Whom an alarm tells is the user's to say, in Alarms.Actions; until then it shows on the dashboard.",
}

// explainBuckets records why the buckets are as they are.
func (g *Gate) explainBuckets(accessLogs awss3.Bucket) {
	checks.Suppress(g.UploadBucket, objectLock)
	checks.Suppress(g.CacheBucket, objectLock, cacheNotLogged)
	if !g.movesTruststore() {
		checks.Suppress(g.CacheBucket, notifiesNobody)
	}
	if g.key == nil {
		checks.Suppress(g.UploadBucket, managedKey)
		checks.Suppress(g.CacheBucket, managedKey)
	}
	if accessLogs != nil {
		checks.Suppress(accessLogs, objectLock, accessLogKey, logsNotLogged, notifiesNobody)
	}
}

// explainRole records why the policy that CDK makes for a role is as it is: wide by tracing and, unless it names
// each object, by prefixes.
func explainRole(role awsiam.Role, exact bool) {
	policy := role.Node().FindChild(jsii.String("DefaultPolicy"))
	checks.Suppress(policy, checks.Tracing)
	if !exact {
		checks.Suppress(policy, prefixResources)
	}
}
