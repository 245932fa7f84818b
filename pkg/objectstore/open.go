package objectstore

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/s3"
)

const (
	// DefaultMaxAttempts is how often a call is tried, the first time included.
	DefaultMaxAttempts = 3
	// DefaultAttemptTimeout is how long an attempt may wait for S3's answer to
	// begin, and how long a body may then stand still.
	DefaultAttemptTimeout = 5 * time.Second

	// firstBackoff and maxBackoff bound the pause between attempts. The SDK's
	// default is up to 2 s after the first and up to 20 s in the end: the first is
	// much for a connection that turned out dead, the second more than API Gateway
	// waits for an authorizer.
	firstBackoff = 50 * time.Millisecond
	maxBackoff   = 1 * time.Second
	// dialTimeout bounds connecting, within the attempt's own bound.
	dialTimeout = 2 * time.Second
	// idleTimeout is how long a connection is kept for the next request. It is
	// above the revalidation interval of a busy authorizer, so that its
	// connection stays warm, and well below the minutes for which Lambda may
	// freeze an idle one: net/http compares the wall clock before it reuses a
	// connection, so one that slept through a freeze is dropped, not tried.
	idleTimeout = 20 * time.Second
	// tcpKeepAlive is the interval of TCP keep-alive probes.
	tcpKeepAlive = 15 * time.Second
)

// Option changes how a bucket is reached.
type Option func(*settings)

type settings struct {
	limits   limits
	profile  string
	region   string
	endpoint string
	creds    aws.CredentialsProvider
}

// WithMaxAttempts sets how often a call is tried, the first time included.
func WithMaxAttempts(n int) Option {
	return func(s *settings) { s.limits.maxAttempts = n }
}

// WithAttemptTimeout sets how long an attempt may wait for S3's answer to begin
// (a PUT has one second more for each MiB of its body), and how long a body that
// is being read may stand still. Zero or less means no bound but the context.
func WithAttemptTimeout(d time.Duration) Option {
	return func(s *settings) { s.limits.attemptTimeout = d }
}

// WithProfile takes credentials and region from this profile of the shared AWS
// configuration files.
func WithProfile(name string) Option { return func(s *settings) { s.profile = name } }

// WithRegion sets the AWS region of the bucket.
func WithRegion(name string) Option { return func(s *settings) { s.region = name } }

// WithEndpoint sends requests to this URL rather than to AWS. The environment's
// AWS_ENDPOINT_URL_S3 does the same.
func WithEndpoint(url string) Option { return func(s *settings) { s.endpoint = url } }

// WithStaticCredentials signs with this key pair rather than with what the
// environment offers; for the local stack.
func WithStaticCredentials(accessKeyID, secretAccessKey string) Option {
	return func(s *settings) {
		s.creds = credentials.NewStaticCredentialsProvider(accessKeyID, secretAccessKey, "")
	}
}

// Open returns the bucket of that name, with the AWS configuration that the
// environment gives (variables, shared files, the function's role) as changed
// by opts. It sends nothing to S3: a bucket that does not exist shows in
// the first call. Where the endpoint is a custom one (AWS_ENDPOINT_URL_S3), the
// bucket is named in the path rather than in the host.
func Open(ctx context.Context, name string, opts ...Option) (*Bucket, error) {
	if name == "" {
		return nil, errors.New("opening an S3 bucket: its name is empty")
	}
	set := settings{limits: limits{maxAttempts: DefaultMaxAttempts, attemptTimeout: DefaultAttemptTimeout}}
	for _, opt := range opts {
		opt(&set)
	}
	if set.limits.maxAttempts < 1 {
		return nil, fmt.Errorf("opening s3://%s: %d attempts a call, want at least 1", name, set.limits.maxAttempts)
	}
	cfg, err := config.LoadDefaultConfig(ctx, set.load()...)
	if err != nil {
		return nil, fmt.Errorf("opening s3://%s: loading the AWS configuration: %w", name, err)
	}
	if cfg.Region == "" {
		return nil, fmt.Errorf("opening s3://%s: no AWS region: set AWS_REGION, or a region in the profile", name)
	}
	client := s3.NewFromConfig(cfg, func(o *s3.Options) {
		if set.endpoint != "" {
			o.BaseEndpoint = aws.String(set.endpoint)
		}
		o.UsePathStyle = o.BaseEndpoint != nil
	})
	return &Bucket{client: client, name: name, limits: set.limits}, nil
}

// load is what the settings mean to the SDK's configuration loader.
func (s *settings) load() []func(*config.LoadOptions) error {
	opts := []func(*config.LoadOptions) error{
		config.WithHTTPClient(httpClient()),
		config.WithRetryer(func() aws.Retryer { return newRetryer(s.limits.maxAttempts) }),
	}
	if s.profile != "" {
		opts = append(opts, config.WithSharedConfigProfile(s.profile))
	}
	if s.region != "" {
		opts = append(opts, config.WithRegion(s.region))
	}
	if s.creds != nil {
		opts = append(opts, config.WithCredentialsProvider(s.creds))
	}
	return opts
}

// newRetryer is the SDK's standard retryer with short pauses, which also tries
// again when an answer broke off in the middle.
func newRetryer(maxAttempts int) aws.Retryer {
	return retry.NewStandard(func(o *retry.StandardOptions) {
		o.MaxAttempts = maxAttempts
		o.Backoff = retry.BackoffDelayerFunc(func(attempt int, _ error) (time.Duration, error) {
			return backoff(attempt), nil
		})
		o.Retryables = append(o.Retryables, retry.IsErrorRetryableFunc(func(err error) aws.Ternary {
			if errors.Is(err, io.ErrUnexpectedEOF) {
				return aws.TrueTernary
			}
			return aws.UnknownTernary
		}))
	})
}

// backoff is the pause after that many failed attempts: doubled each time, and
// half of it at random, so that clients that failed together do not come back
// together.
func backoff(attempt int) time.Duration {
	pause := maxBackoff
	if doublings := max(attempt, 1) - 1; doublings < 5 { // 50 ms << 5 is past maxBackoff
		pause = firstBackoff << doublings
	}
	return pause/2 + rand.N(pause/2)
}

// httpClient is the SDK's client (which knows S3's redirects without a
// location, and AWS_CA_BUNDLE) tuned for a process that Lambda freezes.
func httpClient() *awshttp.BuildableClient {
	return awshttp.NewBuildableClient().
		WithDialerOptions(func(d *net.Dialer) {
			d.Timeout = dialTimeout
			d.KeepAlive = tcpKeepAlive
		}).
		WithTransportOptions(func(t *http.Transport) {
			t.IdleConnTimeout = idleTimeout
			t.MaxIdleConnsPerHost = 16
			t.DisableCompression = true
		})
}
