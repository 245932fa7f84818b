package gate

import (
	"strings"

	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsiam"
	"github.com/aws/aws-cdk-go/awscdk/v2/awskms"
	"github.com/aws/aws-cdk-go/awscdk/v2/awss3"
	"github.com/aws/jsii-runtime-go"
)

// bucketRef names a bucket without referring to its resource. The upload bucket refers to the preprocessor (its
// notifications), whose role and environment name the bucket: by reference that would be a circle, which
// CDK's own way breaks with one more function that may change the notifications of every bucket.
type bucketRef struct {
	prefix string // in the account's regional namespace; empty for a name of the user's
	name   string // text or token
}

func (g *Gate) nameBuckets() {
	p := orZero(g.props.Buckets)
	g.uploads = g.bucketRef("crlgate-uploads", p.UploadName)
	g.cache = g.bucketRef("crlgate-cache", p.CacheName)
}

// bucketRef names a bucket in the account's regional namespace, where S3 requires names of the form
// prefix-account-region-an and lets no other account create one
// (Amazon S3 User Guide, "Namespaces for general purpose buckets").
func (g *Gate) bucketRef(kind string, name *string) bucketRef {
	if name != nil {
		return bucketRef{name: *name}
	}
	prefix := kind + "-" + (*g.Node().Addr())[2:10] // of the construct's path, so that two gates do not meet
	return bucketRef{prefix: prefix, name: strings.Join([]string{prefix, *g.stack.Account(), *g.stack.Region(), "an"}, "-")}
}

// arn is the ARN of the bucket, or with a key pattern that of its objects.
func (g *Gate) arn(b bucketRef, keyPattern ...string) *string {
	resource := b.name
	if len(keyPattern) > 0 {
		resource += "/" + keyPattern[0]
	}
	return g.stack.FormatArn(&awscdk.ArnComponents{
		Service: jsii.String("s3"), Region: jsii.String(""), Account: jsii.String(""), Resource: jsii.String(resource),
	})
}

func (g *Gate) arns(b bucketRef, keyPatterns ...string) *[]*string {
	arns := make([]*string, len(keyPatterns))
	for i, pattern := range keyPatterns {
		arns[i] = g.arn(b, pattern)
	}
	return &arns
}

func (g *Gate) addBuckets() {
	p := orZero(g.props.Buckets)
	noncurrent := numberOr(p.NoncurrentDays, 90)
	g.UploadBucket = g.newBucket("Uploads", g.uploads, noncurrent, g.key)
	// A replaced catalog is of no use to anyone but an investigation; the sets that it names are swept.
	g.CacheBucket = g.newBucket("Cache", g.cache, 7, g.key)
	accessLogs := g.logUploads(p)
	g.guardCache()
	g.explainBuckets(accessLogs)
}

func (g *Gate) newBucket(id string, ref bucketRef, noncurrentDays float64, key awskms.IKey) awss3.Bucket {
	props := &awss3.BucketProps{
		BlockPublicAccess: awss3.BlockPublicAccess_BLOCK_ALL(),
		EnforceSSL:        jsii.Bool(true),
		MinimumTLSVersion: jsii.Number(1.2),
		ObjectOwnership:   awss3.ObjectOwnership_BUCKET_OWNER_ENFORCED,
		Versioned:         jsii.Bool(true),
		Encryption:        awss3.BucketEncryption_S3_MANAGED,
		RemovalPolicy:     g.removalPolicy(),
		LifecycleRules:    &[]*awss3.LifecycleRule{housekeeping(noncurrentDays)},
	}
	if ref.prefix == "" {
		props.BucketName = jsii.String(ref.name)
	} else {
		props.BucketNamePrefix = jsii.String(ref.prefix)
		props.BucketNamespace = awss3.BucketNamespace_ACCOUNT_REGIONAL
	}
	if key != nil {
		props.Encryption = awss3.BucketEncryption_KMS
		props.EncryptionKey = key
		props.BucketKeyEnabled = jsii.Bool(true)
	}
	return awss3.NewBucket(g, jsii.String(id), props)
}

// housekeeping expires only what is no longer current: replaced versions, the markers left when all versions
// of a deleted object are gone, and uploads that were never completed.
func housekeeping(noncurrentDays float64) *awss3.LifecycleRule {
	return &awss3.LifecycleRule{
		Id:                                  jsii.String("noncurrent"),
		NoncurrentVersionExpiration:         awscdk.Duration_Days(jsii.Number(noncurrentDays)),
		ExpiredObjectDeleteMarker:           jsii.Bool(true),
		AbortIncompleteMultipartUploadAfter: awscdk.Duration_Days(jsii.Number(7)),
	}
}

// logUploads has S3 record who reads and writes the upload bucket: whoever writes issuers may sign CRLs.
// It is written out here because CDK's own switch depends on a feature flag of the user's app.
// It returns the bucket that it made for the logs, if it did.
func (g *Gate) logUploads(p BucketsProps) (own awss3.Bucket) {
	logs := p.AccessLogs
	if logs == nil {
		own = g.newBucket("AccessLogs", g.bucketRef("crlgate-logs", nil), 1, nil) // S3 delivers no access logs under a KMS key
		own.AddLifecycleRule(&awss3.LifecycleRule{
			Id: jsii.String("expire"), Expiration: awscdk.Duration_Days(jsii.Number(numberOr(p.AccessLogDays, 365))),
		})
		own.AddToResourcePolicy(awsiam.NewPolicyStatement(&awsiam.PolicyStatementProps{
			Sid:        jsii.String("DeliverAccessLogs"),
			Principals: &[]awsiam.IPrincipal{awsiam.NewServicePrincipal(jsii.String("logging.s3.amazonaws.com"), nil)},
			Actions:    strs("s3:PutObject"),
			Resources:  &[]*string{own.ArnForObjects(jsii.String("uploads/*"))},
			Conditions: &map[string]any{
				"ArnLike":      map[string]any{"aws:SourceArn": g.arn(g.uploads)},
				"StringEquals": map[string]any{"aws:SourceAccount": g.stack.Account()},
			},
		}))
		logs = own
	}
	g.UploadBucket.Node().DefaultChild().(awss3.CfnBucket).SetLoggingConfiguration(&awss3.CfnBucket_LoggingConfigurationProperty{
		DestinationBucketName: logs.BucketName(),
		LogFilePrefix:         jsii.String("uploads/"),
	})
	return own
}

// guardCache refuses writes to the cache bucket by anyone but the preprocessor, whatever their own policies
// say: what lies there decides who is let in. The statement goes with the stack, so that what remains of a
// retained bucket can be deleted.
func (g *Gate) guardCache() {
	g.CacheBucket.AddToResourcePolicy(awsiam.NewPolicyStatement(&awsiam.PolicyStatementProps{
		Sid:        jsii.String("OnlyThePreprocessorWrites"),
		Effect:     awsiam.Effect_DENY,
		Principals: &[]awsiam.IPrincipal{awsiam.NewAnyPrincipal()},
		Actions:    strs("s3:PutObject", "s3:DeleteObject", "s3:DeleteObjectVersion"),
		Resources:  g.arns(g.cache, "*"),
		Conditions: &map[string]any{
			"ArnNotEquals": map[string]any{"aws:PrincipalArn": g.Preprocessor.Role().RoleArn()},
		},
	}))
}
