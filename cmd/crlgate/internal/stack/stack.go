// Package stack is crlgate on one machine: a real S3 server, the unmodified
// function binaries as processes behind a Lambda Runtime API, and mutual-TLS
// gateways in API Gateway's three forms.
//
// [Start] brings it up and [Stack.Close] takes it down, leaving no process and
// no port. It is what "crlgate local" and "crlgate demo" run, and what the
// end-to-end tests drive.
package stack

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net/http"
	"path/filepath"
	"sync"
	"time"

	"github.com/crlgate/crlgate/cmd/crlgate/internal/awsapi"
	"github.com/crlgate/crlgate/cmd/crlgate/internal/gateway"
	"github.com/crlgate/crlgate/cmd/crlgate/internal/lambdaruntime"
	"github.com/crlgate/crlgate/cmd/crlgate/internal/s3proc"
	"github.com/crlgate/crlgate/cmd/crlgate/internal/template"
	"github.com/crlgate/crlgate/internal/domainapi"
	"github.com/crlgate/crlgate/pkg/objectstore"
)

// Names of the stack's parts, unless a template gives others.
const (
	UploadBucket = "crlgate-uploads"
	CacheBucket  = "crlgate-cache"
	FailureQueue = "crlgate-failures"
	DomainName   = "api.local.test"
)

// Config says what to start. Binaries, S3Command and DataDir are required.
type Config struct {
	// Binaries is the folder that holds preprocessor/bootstrap and
	// authorizer/bootstrap, built for this machine.
	Binaries string
	// S3Command starts the S3 server's process, such as crlgate s3-server.
	S3Command []string
	// DataDir holds what the S3 server stores. The caller removes it.
	DataDir string

	// Template is what to run by, in place of the defaults: names of buckets,
	// settings, memory and timeouts of the functions, events, retries, the timer,
	// the forms of APIs and how their authorizers are asked. What is set here
	// besides goes before it; nil: the defaults.
	Template *template.Gate

	// Forms are the gateways to start; nil: all three, or those of the template
	// if it has any.
	Forms []gateway.Form
	// Ports of the gateways, by form; none or 0 takes a free one.
	Ports map[gateway.Form]int
	// S3Port is the S3 server's port; 0 takes a free one.
	S3Port int
	// Upstream gets what is allowed; nil: an echo of the context.
	Upstream http.Handler
	// Domain is the gateways' custom domain name; "": DomainName.
	Domain string

	// Authorizer, Preprocessor, Fetcher and Truststore are settings of the functions,
	// beside the names of the buckets. The last runs only by a template.
	Authorizer, Preprocessor, Fetcher, Truststore map[string]string
	// AuthorizerMemoryMB and PreprocessorMemoryMB default to 128 and 512.
	AuthorizerMemoryMB, PreprocessorMemoryMB int
	// AuthorizerConcurrency is AWS_LAMBDA_MAX_CONCURRENCY of the authorizer;
	// 0: 1, with a process for each request under way.
	AuthorizerConcurrency int
	// MaxAuthorizers bounds the authorizer's processes; 0: 20.
	MaxAuthorizers int
	// Freeze stops the authorizer's processes between requests, as Lambda does.
	Freeze bool
	// Reconcile is how often the timer invokes the preprocessor; 0: never, or as
	// the template says; negative: never.
	Reconcile time.Duration
	// Fetch is how often the timer invokes the fetcher; 0: never, or as the
	// template says; negative: never.
	Fetch time.Duration

	// EventFilter, if set, decides what becomes of an S3 event: it returns the
	// payloads to deliver now. Tests lose, double and reorder events with it.
	EventFilter func(event []byte) [][]byte
	// ProxyCache puts a proxy between the authorizer and the S3 server, which
	// counts requests and injects faults; see Stack.Proxy. ProxyPreprocessor
	// puts one between the preprocessor and the S3 server, ProxyTruststore one
	// between the truststore's function, or API Gateway on its behalf, and it,
	// ProxyFetcher one between the fetcher and it.
	ProxyCache, ProxyPreprocessor, ProxyTruststore, ProxyFetcher bool
	// Invoked receives every event that the authorizer was invoked with, and the
	// result; may be nil. Calls may overlap.
	Invoked func(event []byte, r lambdaruntime.Result)
	// Log receives what the functions write, line by line; may be nil.
	Log func(lambdaruntime.LogLine)
	// AccessLog receives a record of each request; may be nil.
	AccessLog func(gateway.Record)
	// GatewayLog receives failed handshakes and other faults of connections;
	// may be nil.
	GatewayLog *slog.Logger
	// S3Log receives what the S3 server prints; may be nil.
	S3Log io.Writer
}

// Stack is crlgate, running.
type Stack struct {
	S3    *s3proc.Server
	Proxy *s3proc.Proxy // before S3; nil unless ProxyCache or ProxyPreprocessor
	// PreprocessorProxy is the preprocessor's; nil unless ProxyPreprocessor. It
	// is another than Proxy where ProxyCache is set too.
	PreprocessorProxy *s3proc.Proxy
	TruststoreProxy   *s3proc.Proxy // nil unless ProxyTruststore
	FetcherProxy      *s3proc.Proxy // nil unless ProxyFetcher
	Uploads           *objectstore.Bucket
	Cache             *objectstore.Bucket
	Preprocessor      *lambdaruntime.Function
	Authorizer        *lambdaruntime.Function
	Fetcher           *lambdaruntime.Function // idle until it is invoked; nil where there is none
	// Truststore looks after the truststore of the domain that DomainAPI knows; both are nil unless a
	// template has the function.
	Truststore *lambdaruntime.Function
	DomainAPI  *domainapi.Server
	Gateways   map[gateway.Form]*gateway.Gateway
	ServerCA   []byte // PEM of the CA that clients verify the gateways with

	config Config
	trust  *truststore
	stop   context.CancelFunc
	wg     sync.WaitGroup

	// API is what the stack serves of AWS beside S3.
	API *awsapi.Server

	failures awsapi.Queue // records of events that failed for good

	mu   sync.Mutex
	errs []error // of serving, in the background
}

// Start starts the stack. The gateways listen once there is a CA to verify
// clients with; see [Stack.Listening].
func Start(ctx context.Context, c Config) (_ *Stack, err error) {
	c.follow()
	c.defaults()
	s := &Stack{config: c, Gateways: map[gateway.Form]*gateway.Gateway{}}
	background, stop := context.WithCancel(context.Background())
	s.stop = stop
	defer func() {
		if err != nil {
			err = errors.Join(err, s.Close())
		}
	}()
	if err := s.startS3(ctx); err != nil {
		return nil, fmt.Errorf("starting the S3 server: %w", err)
	}
	if err := s.startFunctions(); err != nil {
		return nil, fmt.Errorf("starting the functions: %w", err)
	}
	if err := s.startGateways(ctx); err != nil {
		return nil, fmt.Errorf("starting the gateways: %w", err)
	}
	if err := s.startTruststore(ctx, background); err != nil {
		return nil, fmt.Errorf("starting the truststore's function: %w", err)
	}
	if c.Reconcile > 0 {
		s.wg.Go(func() { s.timer(background, c.Reconcile, func() { s.Deliver([]byte(s.config.plan().timerInput)) }) })
	}
	if c.Fetch > 0 {
		s.wg.Go(func() { s.timer(background, c.Fetch, s.FetchDue) })
	}
	return s, nil
}

func (c *Config) defaults() {
	if c.Forms == nil {
		c.Forms = []gateway.Form{gateway.REST, gateway.HTTP1, gateway.HTTP2}
	}
	if c.Domain == "" {
		c.Domain = DomainName
	}
	if c.AuthorizerMemoryMB == 0 {
		c.AuthorizerMemoryMB = 128
	}
	if c.PreprocessorMemoryMB == 0 {
		c.PreprocessorMemoryMB = 512
	}
	if c.MaxAuthorizers == 0 {
		c.MaxAuthorizers = 20
	}
	if c.Upstream == nil {
		c.Upstream = gateway.Echo()
	}
	if c.GatewayLog == nil {
		c.GatewayLog = slog.New(slog.DiscardHandler)
	}
}

func (s *Stack) startS3(ctx context.Context) (err error) {
	p := s.config.plan()
	options := s3proc.Options{
		Command: s.config.S3Command, DataDir: s.config.DataDir, Port: s.config.S3Port, Stderr: s.config.S3Log,
		Buckets: []s3proc.Bucket{{Name: p.uploads, Versioned: p.versionedUploads}, {Name: p.cache, Versioned: p.versionedCache}},
		Events:  []s3proc.EventFilter{{Bucket: p.uploads, Prefixes: p.prefixes}},
		OnEvent: s.onEvent,
	}
	s.config.truststoreBucket(&options)
	s.S3, err = s3proc.Start(ctx, options)
	if err != nil {
		return err
	}
	s.Uploads, err = objectstore.Open(ctx, p.uploads, objectstore.WithEndpoint(s.S3.Endpoint), objectstore.WithRegion(s.S3.Region),
		objectstore.WithStaticCredentials(s.S3.AccessKey, s.S3.SecretKey))
	if err != nil {
		return err
	}
	s.Cache = s.Uploads.Sibling(p.cache)
	if s.config.ProxyCache || s.config.ProxyPreprocessor {
		if s.Proxy, err = s3proc.NewProxy(s.S3.Endpoint); err != nil {
			return err
		}
	}
	if s.config.ProxyTruststore {
		if s.TruststoreProxy, err = s3proc.NewProxy(s.S3.Endpoint); err != nil {
			return err
		}
	}
	if s.config.ProxyPreprocessor {
		if s.PreprocessorProxy = s.Proxy; s.config.ProxyCache {
			s.PreprocessorProxy, err = s3proc.NewProxy(s.S3.Endpoint)
		}
	}
	return err
}

func (s *Stack) startFunctions() (err error) {
	c, p := &s.config, s.config.plan()
	endpoint := func(proxy *s3proc.Proxy, proxied bool) string {
		if proxied {
			return proxy.Endpoint
		}
		return s.S3.Endpoint
	}
	authorizer := s.function("authorizer", endpoint(s.Proxy, c.ProxyCache), c.Authorizer)
	authorizer.Env["CACHE_BUCKET"] = p.cache
	authorizer.Timeout, authorizer.MemoryMB, authorizer.Freeze = p.authorizerTimeout, c.AuthorizerMemoryMB, c.Freeze
	authorizer.MaxEnvironments, authorizer.Concurrency = c.MaxAuthorizers, c.AuthorizerConcurrency
	authorizer.LogFormat, authorizer.LogLevel = p.authorizerLog.format, p.authorizerLog.level
	if s.Authorizer, err = lambdaruntime.Start(context.Background(), authorizer); err != nil {
		return err
	}
	preprocessor := s.function("preprocessor", endpoint(s.PreprocessorProxy, c.ProxyPreprocessor), c.Preprocessor)
	preprocessor.Env["UPLOAD_BUCKET"], preprocessor.Env["CACHE_BUCKET"] = p.uploads, p.cache
	preprocessor.Timeout, preprocessor.MemoryMB, preprocessor.MaxEnvironments = p.preprocessorTimeout, c.PreprocessorMemoryMB, p.preprocessors
	preprocessor.LogFormat, preprocessor.LogLevel = p.preprocessorLog.format, p.preprocessorLog.level
	preprocessor.MaxEventAge = p.maxEventAge
	// Lambda waits one and two minutes; nobody does here.
	preprocessor.RetryDelays = []time.Duration{time.Second, 2 * time.Second}[:p.retries]
	preprocessor.OnFailure = s.failures.Send
	if s.Preprocessor, err = lambdaruntime.Start(context.Background(), preprocessor); err != nil {
		return err
	}
	s.API, err = awsapi.Start(map[string]awsapi.Invoker{s.Preprocessor.Name(): s.Preprocessor, s.Authorizer.Name(): s.Authorizer},
		map[string]*awsapi.Queue{FailureQueue: &s.failures})
	if err != nil {
		return err
	}
	return s.startFetcher(p)
}

// function is what the functions have in common.
func (s *Stack) function(name, endpoint string, settings map[string]string) lambdaruntime.Config {
	env := map[string]string{"AWS_ENDPOINT_URL_S3": endpoint}
	maps.Copy(env, settings)
	return lambdaruntime.Config{
		Name: "crlgate-" + name, Binary: filepath.Join(s.config.Binaries, name, "bootstrap"), Env: env, Region: s.S3.Region,
		Credentials: lambdaruntime.Credentials{AccessKeyID: s.S3.AccessKey, SecretAccessKey: s.S3.SecretKey},
		Log:         s.config.Log,
	}
}

// onEvent gets every S3 event notification, in order.
func (s *Stack) onEvent(event json.RawMessage) {
	if s.published(event) {
		return
	}
	if s.trust != nil {
		s.trust.changed()
	}
	payloads := [][]byte{event}
	if s.config.EventFilter != nil {
		payloads = s.config.EventFilter(event)
	}
	for _, p := range payloads {
		s.Deliver(p)
	}
}

// Deliver gives the preprocessor an event, as S3 or the timer does.
func (s *Stack) Deliver(payload []byte) {
	if s.Preprocessor == nil {
		return // the first events may come while the stack starts; there are none to care for
	}
	if _, err := s.Preprocessor.InvokeAsync(payload); err != nil && !errors.Is(err, lambdaruntime.ErrClosed) {
		s.fault(fmt.Errorf("delivering an event: %w", err))
	}
}

func (s *Stack) fault(err error) {
	if err != nil {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.errs = append(s.errs, err)
	}
}

// Close takes the stack down and returns what went wrong in the background. No
// process and no port is left. It may be called twice.
func (s *Stack) Close() error {
	s.stop()
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	var errs []error
	for _, g := range s.Gateways {
		errs = append(errs, g.Close(ctx))
	}
	if s.trust != nil {
		s.trust.close()
	}
	if s.API != nil {
		errs = append(errs, s.API.Close())
		s.API = nil
	}
	for _, f := range []*lambdaruntime.Function{s.Authorizer, s.Preprocessor, s.Truststore, s.Fetcher} {
		if f != nil {
			errs = append(errs, f.Close())
		}
	}
	if s.DomainAPI != nil {
		errs = append(errs, s.DomainAPI.Close())
	}
	for _, proxy := range []*s3proc.Proxy{s.Proxy, s.PreprocessorProxy, s.TruststoreProxy, s.FetcherProxy} {
		if proxy != nil {
			errs = append(errs, proxy.Close()) // twice does no harm, where it is one
		}
	}
	if s.S3 != nil {
		errs = append(errs, s.S3.Stop())
	}
	s.wg.Wait()
	s.mu.Lock()
	defer s.mu.Unlock()
	errs = append(errs, s.errs...)
	s.errs = nil
	return errors.Join(errs...)
}
