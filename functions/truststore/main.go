// Command truststore is the Lambda function that keeps the truststore of API
// Gateway's custom domain name in step with the issuers, or tells that it is not. It
// is invoked when the preprocessor publishes a truststore, and by a timer; what the
// event says makes no difference. Its settings are in config.go.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"

	"github.com/aws/aws-lambda-go/lambda"
	awsconfig "github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/service/apigatewayv2"

	"github.com/crlgate/crlgate/functions/internal/invocation"
	"github.com/crlgate/crlgate/pkg/objectstore"
	"github.com/crlgate/crlgate/pkg/telemetry"
	"github.com/crlgate/crlgate/pkg/truststore/keeper"
)

func main() { invocation.Main("truststore", run) }

func run(ctx context.Context) error {
	c, err := readConfig(os.LookupEnv)
	if err != nil {
		return err
	}
	cache, err := objectstore.Open(ctx, c.CacheBucket)
	if err != nil {
		return fmt.Errorf("reaching the cache bucket: %w", err)
	}
	// The SDK's own three attempts: where API Gateway throttles for longer, Lambda
	// tries the event again minutes later, and the timer comes besides.
	aws, err := awsconfig.LoadDefaultConfig(ctx)
	if err != nil {
		return fmt.Errorf("loading the AWS configuration: %w", err)
	}
	h := &handler{c, apigatewayv2.NewFromConfig(aws), func(name string) keeper.Reads { return cache.Sibling(name) }}
	lambda.StartWithOptions(h, lambda.WithContext(ctx))
	return nil
}

type handler struct {
	config config
	api    keeper.API
	bucket func(string) keeper.Reads
}

// Invoke has the keeper look once, whatever the event. What another try does not cure
// is logged and counted, and is no error.
func (h *handler) Invoke(ctx context.Context, _ []byte) ([]byte, error) {
	i := invocation.Begin(ctx, h.config.Function)
	err := keeper.New(h.api, h.bucket, h.config.Config, i.Log, metrics{i.Metrics}).Run(ctx)
	if err != nil {
		i.Log.Error("not done", telemetry.KeyErr, err)
	}
	return []byte("null"), errors.Join(err, i.Flush())
}

// metrics records what a run found.
type metrics struct{ r *telemetry.Recorder }

func (m metrics) Checked(outOfStep bool, warnings int) {
	value := 0.0
	if outOfStep {
		value = 1
	}
	m.r.Record(telemetry.TruststoreOutOfStep, value, telemetry.Labels{})
	m.r.Record(telemetry.TruststoreWarnings, float64(warnings), telemetry.Labels{})
}

func (m metrics) Moved() { m.r.Count(telemetry.TruststoreMoved, telemetry.Labels{}) }
