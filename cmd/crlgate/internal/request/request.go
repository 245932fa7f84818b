// Package request asks the preprocessor to do something and waits for its
// answer: through the Lambda API, of AWS or of the local stack alike.
package request

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/user"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/lambda/types"

	"github.com/crlgate/crlgate/cmd/crlgate/internal/target"
	"github.com/crlgate/crlgate/pkg/preprocess"
)

// longest is Lambda's longest run, and a little: how long an answer may take.
const longest = 16 * time.Minute

// Preprocessor is the function to ask.
type Preprocessor struct {
	client *lambda.Client
	name   string
}

// ErrNoFunction says that a deployment's preprocessor was not named.
var ErrNoFunction = errors.New("which function is the preprocessor is not known: name it with --preprocessor NAME; \"aws cloudformation describe-stack-resources\" lists it")

// Config is how AWS's APIs are reached for a target: with its own key pair and
// endpoint on the local stack, otherwise as the environment and the flags say.
func Config(ctx context.Context, t *target.Target, o target.Options) (aws.Config, error) {
	var opts []func(*config.LoadOptions) error
	switch {
	case t.Local != nil:
		opts = append(opts, config.WithRegion(t.Local.Region), config.WithBaseEndpoint(t.Local.API),
			config.WithCredentialsProvider(credentials.NewStaticCredentialsProvider(t.Local.AccessKey, t.Local.SecretKey, "")))
	default:
		if o.Profile != "" {
			opts = append(opts, config.WithSharedConfigProfile(o.Profile))
		}
		if o.Region != "" {
			opts = append(opts, config.WithRegion(o.Region))
		}
	}
	return config.LoadDefaultConfig(ctx, opts...)
}

// Open returns the preprocessor of a target. name is its function's name or ARN
// on AWS.
func Open(ctx context.Context, t *target.Target, o target.Options, name string) (*Preprocessor, error) {
	if t.Local != nil {
		name = t.Local.Preprocessor
	}
	if name == "" {
		return nil, ErrNoFunction
	}
	cfg, err := Config(ctx, t, o)
	if err != nil {
		return nil, err
	}
	client := lambda.NewFromConfig(cfg, func(l *lambda.Options) {
		if t.Local != nil {
			l.BaseEndpoint = aws.String(t.Local.API)
		}
		// One connection stands still for as long as the function runs.
		l.HTTPClient = awshttp.NewBuildableClient().WithTransportOptions(func(tr *http.Transport) { tr.ResponseHeaderTimeout = longest })
		// Few preprocessors run at once, so that this one may be throttled for a
		// while. All that is asked for can be asked for twice.
		l.Retryer = retry.NewStandard(func(s *retry.StandardOptions) { s.MaxAttempts, s.MaxBackoff = 8, 20*time.Second })
	})
	return &Preprocessor{client, name}, nil
}

// FunctionError is what a run of the preprocessor that failed says.
type FunctionError struct{ Name, Type, Message string }

func (e *FunctionError) Error() string {
	return fmt.Sprintf("%s failed: %s", e.Name, e.Message)
}

// Invoke gives the preprocessor a payload and returns its answer. The error is a
// *[FunctionError] where the function ran and failed.
func (p *Preprocessor) Invoke(ctx context.Context, payload []byte) ([]byte, error) {
	out, err := p.client.Invoke(ctx, &lambda.InvokeInput{
		FunctionName: aws.String(p.name), InvocationType: types.InvocationTypeRequestResponse, Payload: payload,
	})
	if err != nil {
		return nil, fmt.Errorf("invoking %s: %w", p.name, err)
	}
	if out.FunctionError == nil {
		return out.Payload, nil
	}
	var said struct{ ErrorType, ErrorMessage string }
	if err := json.Unmarshal(out.Payload, &said); err != nil || said.ErrorMessage == "" {
		said.ErrorMessage = string(out.Payload)
	}
	return nil, &FunctionError{p.name, said.ErrorType, said.ErrorMessage}
}

// ask sends a request of a kind.
func (p *Preprocessor) ask(ctx context.Context, kind string, body any) ([]byte, error) {
	data, err := json.Marshal(body)
	if err != nil {
		return nil, err
	}
	fields := map[string]json.RawMessage{}
	if err := json.Unmarshal(data, &fields); err != nil {
		return nil, err
	}
	fields["crlgate"], err = json.Marshal(kind)
	if err != nil {
		return nil, err
	}
	payload, err := json.Marshal(fields)
	if err != nil {
		return nil, err
	}
	return p.Invoke(ctx, payload)
}

// Reconcile has it compare the catalog with the uploads.
func (p *Preprocessor) Reconcile(ctx context.Context) error {
	_, err := p.Invoke(ctx, []byte(preprocess.ReconcileRequest))
	return err
}

// Repair has it mend what it can.
func (p *Preprocessor) Repair(ctx context.Context, r preprocess.Repair) error {
	_, err := p.ask(ctx, "repair", r)
	return err
}

// Forget has it let go of something, or say what that would mean.
func (p *Preprocessor) Forget(ctx context.Context, f preprocess.Forget) (*preprocess.Forgotten, error) {
	body, err := p.ask(ctx, "forget", f)
	if err != nil {
		return nil, err
	}
	var answer *preprocess.Forgotten
	if err := json.Unmarshal(body, &answer); err != nil || answer == nil {
		return nil, fmt.Errorf("%s answered %.200q, which is no answer to a request to forget: it is of another version of crlgate", p.name, body)
	}
	return answer, nil
}

// Operator is who sits at this machine, for the audit line; "" where that is
// not known. Who signed the request, CloudTrail says.
func Operator() string {
	u, err := user.Current()
	if err != nil {
		return ""
	}
	host, err := os.Hostname()
	if err != nil {
		return u.Username
	}
	return u.Username + "@" + host
}

// Name is the function's name or ARN.
func (p *Preprocessor) Name() string { return p.name }
