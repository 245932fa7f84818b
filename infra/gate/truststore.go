package gate

import (
	"strings"
	"time"

	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsiam"
	"github.com/aws/aws-cdk-go/awscdk/v2/awslambda"
	"github.com/aws/aws-cdk-go/awscdk/v2/awss3"
	"github.com/aws/jsii-runtime-go"

	"github.com/crlgate/crlgate/infra/internal/checks"
)

const (
	truststoreName    = "truststore"
	truststoreMemory  = 256.0 // MiB
	truststoreTimeout = time.Minute
	truststorePeriod  = 5 * time.Minute
	// truststoreKey is what the preprocessor publishes.
	truststorePrefix = "truststore/"
	truststoreKey    = truststorePrefix + "issuers.pem"
)

// movesTruststore tells whether the domain is moved to what the preprocessor publishes.
func (g *Gate) movesTruststore() bool { return isTrue(orZero(g.props.Truststore).Move) }

// addTruststore adds the function that looks after the domain's truststore, if one is named.
func (g *Gate) addTruststore() {
	p := g.props.Truststore
	if p == nil {
		return
	}
	g.Truststore = g.newFunction("Truststore", truststoreName, functionSettings{
		description: "crlgate: keeps the truststore of " + *p.DomainName + " in step with the issuers, or tells that it is not",
		environment: g.truststoreEnvironment(*p),
		statements:  g.truststoreStatements(*p),
		memory:      truststoreMemory,
		timeout:     truststoreTimeout,
		reserved:    g.reserved(1), // two that move the domain at once only do the same twice
		systemLog:   awslambda.SystemLogLevel_WARN,
		exact:       true,
	})
	checks.Suppress(g.Truststore, failureDestination)
}

func (g *Gate) truststoreEnvironment(p TruststoreProps) environment {
	e := environment{}
	e.set("CACHE_BUCKET", g.cache.name)
	e.set("DOMAIN_NAME", *p.DomainName)
	e.flag("MOVE_DOMAIN", p.Move)
	if isTrue(p.Move) {
		e.list("PINNED_ISSUERS", pins(orZero(g.props.Preprocessor)))
	}
	return e
}

// truststoreStatements let the function read the one domain, its truststore and the catalog; and with Move, move
// the domain to the one object that the preprocessor publishes. API Gateway reads that with the function's rights
// (API Gateway Developer Guide, "Updating your truststore"), and asks for AddCertificateToDomain besides PATCH
// (Service Authorization Reference, "Amazon API Gateway Management").
func (g *Gate) truststoreStatements(p TruststoreProps) []awsiam.PolicyStatement {
	domain := &[]*string{g.stack.FormatArn(&awscdk.ArnComponents{
		Service: jsii.String("apigateway"), Account: jsii.String(""), Resource: jsii.String("/domainnames/" + strings.ReplaceAll(*p.DomainName, "*", "${*}")), // a wildcard domain is one domain
	})}
	statements := []awsiam.PolicyStatement{
		allow("ReadDomain", strs("apigateway:GET"), domain, nil),
		allow("ListCache", strs("s3:ListBucket"), &[]*string{g.arn(g.cache)}, g.ours()), // a missing key is 404, not 403
		allow("ReadCatalog", strs("s3:GetObject"), g.arns(g.cache, "catalog.json"), g.ours()),
	}
	read := strs("s3:GetObject", "s3:GetObjectVersion")
	if isTrue(p.Move) {
		statements = append(
			statements,
			allow("ReadTruststore", read, g.arns(g.cache, truststoreKey), g.ours()),
			allow("MoveDomain", strs("apigateway:PATCH", "apigateway:AddCertificateToDomain"), domain, conditions{
				"StringEqualsIfExists": {"apigateway:Request/MtlsTrustStoreUri": "s3://" + g.cache.name + "/" + truststoreKey},
			}),
		)
	} else {
		// Of whatever account: the domain trusts it already.
		statements = append(statements, allow("ReadTruststore", read, &[]*string{g.arn(bucketRef{name: *p.Bucket}, *p.Key)}, nil))
	}
	return append(statements, g.keyStatements("kms:Decrypt")...)
}

// addTruststoreEvents invokes the function by time, and when a truststore is published: it cannot write anything
// itself, so that nothing it does invokes it again.
func (g *Gate) addTruststoreEvents() {
	if g.Truststore == nil {
		return
	}
	g.retryEvents("TruststoreRetries", g.Truststore, 2, time.Hour)
	g.addTimer(timer{
		id: "TruststoreTimer", description: "crlgate: has the domain's truststore compared with the issuers",
		function: g.Truststore, asks: "truststore", every: truststorePeriod,
		retries: 2, age: time.Hour,
	})
	if !g.movesTruststore() {
		return
	}
	permission := awslambda.NewCfnPermission(g, jsii.String("TruststoreInvoke"), &awslambda.CfnPermissionProps{
		Action:        jsii.String("lambda:InvokeFunction"),
		FunctionName:  g.Truststore.FunctionArn(),
		Principal:     jsii.String("s3.amazonaws.com"),
		SourceAccount: g.stack.Account(),
		SourceArn:     g.arn(g.cache),
	})
	checks.Suppress(permission, checks.SourceNamed)
	bucket := g.CacheBucket.Node().DefaultChild().(awss3.CfnBucket)
	bucket.SetNotificationConfiguration(&awss3.CfnBucket_NotificationConfigurationProperty{
		LambdaConfigurations: []any{notification("s3:ObjectCreated:*", truststorePrefix, g.Truststore)},
	})
	bucket.AddResourceDependency(permission, nil) // S3 tries whether it may invoke
}

// truststoreAlarms tell that the domain lets other clients connect than the issuers say.
func (g *Gate) truststoreAlarms() []alarm {
	if g.Truststore == nil {
		return nil
	}
	return []alarm{
		{
			name: "TruststoreOutOfStep", says: "The domain trusts other CAs than the issuers, or nobody can tell: clients cannot connect that should, or connect and are denied.",
			metric: series(g.Truststore, metricTruststoreOutOfStep, "Maximum", fiveMinutes()), atLeast: 1, periods: 3, missing: silent,
		},
		{
			name: "TruststoreWarnings", says: "API Gateway warns of the domain's truststore: some clients may not be able to connect.",
			metric: series(g.Truststore, metricTruststoreWarnings, "Maximum", fiveMinutes()), atLeast: 1, missing: quiet,
		},
	}
}
