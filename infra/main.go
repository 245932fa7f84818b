// Command infra is the AWS CDK app of crlgate. The cdk command runs it, as cdk.json says; `make synth`,
// `make diff`, `make deploy` and `make destroy` run cdk.
//
// By context it is either the gate alone, whose authorizer other stacks use, or a complete example: a REST
// and an HTTP API behind one custom domain with mutual TLS. docs/deploy.md leads through both and lists the
// context keys.
package main

import (
	"errors"
	"fmt"
	"os"

	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/aws-cdk-go/awscdk/v2/awss3assets"
	"github.com/aws/jsii-runtime-go"

	"github.com/crlgate/crlgate/infra/gate"
)

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run() error {
	defer jsii.Close()
	// Version reporting would add to the template what depends on the CDK in use and not on this app.
	app := awscdk.NewApp(&awscdk.AppProps{AnalyticsReporting: jsii.Bool(false)})
	if err := build(app); err != nil {
		return err
	}
	app.Synth(nil)
	return nil
}

// build adds to app what its context asks for. Faults of the context are one error that names them all.
func build(app awscdk.App) error {
	settings, err := readSettings(app.Node())
	if err := errors.Join(err, settings.gate.Validate()); err != nil {
		return err
	}
	stack := awscdk.NewStack(app, jsii.String(settings.stack), &awscdk.StackProps{
		Description: jsii.String("crlgate: certificate revocation for API Gateway's mutual TLS"),
	})
	var truststore awss3assets.Asset
	if settings.example != nil {
		truststore = newTruststore(stack, *settings.example)
		if t := settings.gate.Truststore; t.Bucket != nil {
			t.Bucket, t.Key = truststore.S3BucketName(), truststore.S3ObjectKey()
		}
	}
	settings.gate.Alarms = &gate.AlarmsProps{Actions: alarmActions(stack, settings)}
	g := gate.New(stack, jsii.String("Gate"), settings.gate)
	output(stack, "UploadBucket", "Put issuers and CRLs here", g.UploadBucket.BucketName())
	output(stack, "CacheBucket", "Reports are under reports/ here", g.CacheBucket.BucketName())
	output(stack, "AuthorizerFunction", "The Lambda authorizer", g.Authorizer.FunctionArn())
	if settings.example != nil {
		addExample(stack, g, *settings.example, truststore)
	}
	return nil
}

func output(stack awscdk.Stack, id, description string, value *string) {
	awscdk.NewCfnOutput(stack, jsii.String(id), &awscdk.CfnOutputProps{Description: jsii.String(description), Value: value})
}
