package stack

import (
	"bytes"
	"context"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"time"

	"github.com/crlgate/crlgate/cmd/crlgate/internal/lambdaruntime"
	"github.com/crlgate/crlgate/cmd/crlgate/internal/s3proc"
	"github.com/crlgate/crlgate/internal/domainapi"
	"github.com/crlgate/crlgate/pkg/objectstore"
)

// The object with which a domain begins that is moved, and of which the template
// says nothing.
const (
	firstBucket = "crlgate-first-truststore"
	firstKey    = "truststore.pem"
)

// maxTruststore is the longest truststore that is read, in octets.
const maxTruststore = 8 << 20

// moves reports whether the template's function moves the domain: the gateways then
// trust what it is moved to. Otherwise the stack is the operator, who keeps the
// truststore at the issuers.
func (c *Config) moves() bool { return c.Truststore["MOVE_DOMAIN"] == "true" }

// first is the object with which the domain begins.
func (c *Config) first() (bucket, key string) {
	if t := c.Template.Truststore; t.Bucket != "" {
		return t.Bucket, t.Key
	}
	return firstBucket, firstKey
}

// truststoreBucket adds what the truststore's function needs of the S3 server.
func (c *Config) truststoreBucket(o *s3proc.Options) {
	if c.Template == nil || c.Template.Truststore == nil {
		return
	}
	bucket, _ := c.first()
	o.Buckets = append(o.Buckets, s3proc.Bucket{Name: bucket, Versioned: true})
	if prefixes := c.Template.Truststore.Prefixes; len(prefixes) > 0 {
		o.Events = append(o.Events, s3proc.EventFilter{Bucket: c.plan().cache, Prefixes: prefixes})
	}
}

// startTruststore starts the function that looks after the domain's truststore, and
// what stands in for API Gateway's two calls, if the template has it; and has
// somebody keep the gateways' truststores in any case.
func (s *Stack) startTruststore(ctx, background context.Context) error {
	if s.config.Template == nil || s.config.Template.Truststore == nil {
		s.wg.Go(func() { s.trust.run(ctx) })
		return nil
	}
	t := s.config.Template.Truststore
	bucket, key := s.config.first()
	first := s.Uploads.Sibling(bucket)
	if _, err := first.Put(ctx, key, bytes.NewReader(encode(nobody())), objectstore.PutOptions{}); err != nil {
		return err
	}
	domain := domainapi.Domain{
		Name: s.config.Truststore["DOMAIN_NAME"], URI: "s3://" + bucket + "/" + key, Status: "AVAILABLE",
		CertificateARN: "arn:aws:acm:us-east-1:123456789012:certificate/local", SecurityPolicy: "TLS_1_2",
	}
	var err error
	if s.DomainAPI, err = domainapi.Start(domainapi.Config{Domain: domain, Load: s.loadTruststore, Apply: s.trust.apply}); err != nil {
		return err
	}
	if err := s.startTruststoreFunction(); err != nil {
		return err
	}
	if !s.config.moves() {
		s.trust.operator = func(ctx context.Context, certs []*x509.Certificate) error { return s.operate(ctx, first, key, certs) }
		s.wg.Go(func() { s.trust.run(ctx) })
	}
	s.wg.Go(func() { s.timer(background, t.TimerEvery, func() { s.DeliverTruststore([]byte(t.TimerInput)) }) })
	return nil
}

func (s *Stack) startTruststoreFunction() (err error) {
	t := s.config.Template.Truststore
	endpoint := s.S3.Endpoint
	if s.TruststoreProxy != nil {
		endpoint = s.TruststoreProxy.Endpoint
	}
	c := s.function("truststore", endpoint, s.config.Truststore)
	c.Env["CACHE_BUCKET"] = s.config.plan().cache
	c.Env["AWS_ENDPOINT_URL_APIGATEWAYV2"] = s.DomainAPI.URL()
	c.Timeout, c.MemoryMB, c.MaxEnvironments = t.Timeout, t.MemoryMB, max(1, t.Reserved)
	c.LogFormat, c.LogLevel, c.MaxEventAge = t.LogFormat, t.LogLevel, t.MaxEventAge
	c.RetryDelays = []time.Duration{time.Second, 2 * time.Second}[:t.Retries]
	c.OnFailure = s.failures.Send
	s.Truststore, err = lambdaruntime.Start(context.Background(), c)
	return err
}

// loadTruststore reads a truststore as API Gateway does: with the rights of the
// function that moves the domain.
func (s *Stack) loadTruststore(ctx context.Context, bucket, key, version string) ([]byte, string, error) {
	b := s.Uploads.Sibling(bucket)
	if s.TruststoreProxy != nil {
		var err error
		b, err = objectstore.Open(ctx, bucket, objectstore.WithEndpoint(s.TruststoreProxy.Endpoint), objectstore.WithRegion(s.S3.Region),
			objectstore.WithStaticCredentials(s.S3.AccessKey, s.S3.SecretKey))
		if err != nil {
			return nil, "", err
		}
	}
	data, object, err := b.ReadAll(ctx, key, maxTruststore, objectstore.GetOptions{VersionID: version})
	return data, object.VersionID, err
}

// operate does what an operator does whose domain is not moved for him: puts the
// truststore object right and moves the domain to its new version.
func (s *Stack) operate(ctx context.Context, bucket *objectstore.Bucket, key string, certs []*x509.Certificate) error {
	if len(certs) == 0 {
		return nil // API Gateway has no truststore that is empty
	}
	data := encode(certs)
	found, _, err := bucket.ReadAll(ctx, key, maxTruststore, objectstore.GetOptions{})
	if err != nil || bytes.Equal(found, data) {
		return err
	}
	if _, err := bucket.Put(ctx, key, bytes.NewReader(data), objectstore.PutOptions{}); err != nil {
		return err
	}
	_, object, err := bucket.ReadAll(ctx, key, maxTruststore, objectstore.GetOptions{})
	if err == nil {
		s.DomainAPI.Change(func(d *domainapi.Domain) { d.Version = object.VersionID })
	}
	return err
}

func encode(certs []*x509.Certificate) []byte {
	var out []byte
	for _, c := range certs {
		out = append(out, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: c.Raw})...)
	}
	return out
}

// published takes an event of the cache bucket to the truststore's function, and
// reports whether it was one.
func (s *Stack) published(event json.RawMessage) bool {
	var e struct {
		Records []struct {
			S3 struct {
				Bucket struct {
					Name string `json:"name"`
				} `json:"bucket"`
			} `json:"s3"`
		}
	}
	if json.Unmarshal(event, &e) != nil || len(e.Records) == 0 || e.Records[0].S3.Bucket.Name != s.config.plan().cache {
		return false
	}
	s.DeliverTruststore(event)
	return true
}

// DeliverTruststore gives the truststore's function an event, as S3 or its timer does.
func (s *Stack) DeliverTruststore(payload []byte) {
	if s.Truststore == nil {
		return
	}
	if _, err := s.Truststore.InvokeAsync(payload); err != nil && !errors.Is(err, lambdaruntime.ErrClosed) {
		s.fault(fmt.Errorf("delivering an event of the truststore: %w", err))
	}
}
