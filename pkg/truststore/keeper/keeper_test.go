package keeper_test

import (
	"bytes"
	"context"
	"crypto/x509/pkix"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/apigatewayv2"

	"github.com/crlgate/crlgate/internal/domainapi"
	"github.com/crlgate/crlgate/internal/pki"
	"github.com/crlgate/crlgate/internal/pki/pkitest"
	"github.com/crlgate/crlgate/pkg/catalog"
	"github.com/crlgate/crlgate/pkg/issuer"
	"github.com/crlgate/crlgate/pkg/objectstore"
	"github.com/crlgate/crlgate/pkg/objectstore/objectstoretest"
	"github.com/crlgate/crlgate/pkg/truststore"
	"github.com/crlgate/crlgate/pkg/truststore/keeper"
)

const ours = "s3://cache/" + catalog.TruststoreKey

// world is a domain of API Gateway, reached over the wire, the cache bucket and the
// operator's own bucket, where the domain's truststore was at first.
type world struct {
	t          *testing.T
	api        *domainapi.Server
	cache, own *objectstoretest.Bucket
	config     keeper.Config

	mu      sync.Mutex
	log     bytes.Buffer
	checked []string
	moved   int
}

func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{
		t: t, config: keeper.Config{DomainName: "api.example.com", CacheBucket: "cache", Move: true},
		cache: objectstoretest.NewBucket(objectstoretest.Named("cache"), objectstoretest.Versioned()),
		own:   objectstoretest.NewBucket(objectstoretest.Named("own"), objectstoretest.Versioned()),
	}
	var err error
	w.api, err = domainapi.Start(domainapi.Config{
		Domain: domainapi.Domain{Name: "api.example.com", Status: "AVAILABLE", CertificateARN: "arn:aws:acm:us-east-1:123456789012:certificate/c", SecurityPolicy: "TLS_1_2"},
		Load: func(ctx context.Context, bucket, key, version string) ([]byte, string, error) {
			data, object, err := w.bucket(bucket).ReadAll(ctx, key, truststore.MaxSize, objectstore.GetOptions{VersionID: version})
			return data, object.VersionID, err
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := w.api.Close(); err != nil {
			t.Error(err)
		}
	})
	return w
}

func (w *world) bucket(name string) keeper.Reads {
	switch name {
	case "cache":
		return w.cache
	case "own":
		return w.own
	}
	return objectstoretest.NewBucket()
}

// keeper is a new keeper with a real client, as each cold start makes one.
func (w *world) keeper() *keeper.Keeper {
	client := apigatewayv2.New(apigatewayv2.Options{
		Region: "us-east-1", BaseEndpoint: aws.String(w.api.URL()), Credentials: credentials.NewStaticCredentialsProvider("id", "secret", ""),
		Retryer: retry.NewStandard(func(o *retry.StandardOptions) {
			o.Backoff = retry.BackoffDelayerFunc(func(int, error) (time.Duration, error) { return 0, nil })
		}),
	})
	return keeper.New(client, w.bucket, w.config, slog.New(slog.NewJSONHandler(w, nil)), w)
}

// Write takes the log, of several keepers.
func (w *world) Write(line []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.log.Write(line)
}

func (w *world) Checked(outOfStep bool, warnings int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.checked = append(w.checked, fmt.Sprint(outOfStep, warnings))
}

func (w *world) Moved() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.moved++
}

// run runs once and wants to be told "false 0" and the like, and the log to say so.
func (w *world) run(checked string, says ...string) {
	w.t.Helper()
	before := len(w.checked)
	w.log.Reset()
	if err := w.keeper().Run(w.t.Context()); err != nil {
		w.t.Fatal(err)
	}
	if got := w.checked[before:]; len(got) != 1 || got[0] != checked {
		w.t.Errorf("told %q, want %q: %s", got, checked, &w.log)
	}
	for _, s := range says {
		if !strings.Contains(w.log.String(), s) {
			w.t.Errorf("the log does not say %q: %s", s, &w.log)
		}
	}
}

// fails runs once and wants an error, which Lambda makes another try of, and nothing told.
func (w *world) fails(says string) {
	w.t.Helper()
	before := len(w.checked)
	if err := w.keeper().Run(w.t.Context()); err == nil || !strings.Contains(err.Error(), says) {
		w.t.Errorf("%v, want an error that says %q", err, says)
	}
	if len(w.checked) != before {
		w.t.Errorf("told %q of what it could not find out", w.checked[before:])
	}
}

// at wants the domain to be at this truststore.
func (w *world) at(uri, version string) {
	w.t.Helper()
	if d := w.api.Domain(); d.URI != uri || d.Version != version {
		w.t.Errorf("the domain is at %s version %s, want %s version %s", d.URI, d.Version, uri, version)
	}
}

// updates counts the updates that API Gateway took.
func (w *world) updates() (n int) {
	for _, r := range w.api.Requests() {
		if r.Method == http.MethodPatch && r.Status == http.StatusOK {
			n++
		}
	}
	return n
}

func newCA(t *testing.T, name string) *pki.CA {
	t.Helper()
	return pkitest.CA(t, pki.CAOptions{Name: pkix.Name{CommonName: name}})
}

// issuers puts CAs in the catalog and pins them.
func (w *world) issuers(cas ...*pki.CA) {
	w.t.Helper()
	c := catalog.New()
	for _, ca := range cas {
		parsed, err := issuer.ParseCertificate(ca.DER)
		if err != nil {
			w.t.Fatal(err)
		}
		w.config.Pinned = append(w.config.Pinned, parsed.Fingerprint)
		name := ca.Certificate.Subject.CommonName
		c.SetIssuer(&issuer.CA{Name: name, Subject: parsed.Name, Certificates: []*issuer.Certificate{parsed}}, catalog.Source{Key: "issuers/" + name + ".pem", ETag: "e"})
	}
	c.Stamp(time.Date(2026, 11, 15, 12, 0, 0, 0, time.UTC))
	data, _, err := c.Encode()
	if err != nil {
		w.t.Fatal(err)
	}
	w.cache.Store(catalog.Key, data)
}

// publish publishes a truststore and returns its version.
func (w *world) publish(cas ...*pki.CA) string { return store(w.cache, catalog.TruststoreKey, cas...) }

func store(b *objectstoretest.Bucket, key string, cas ...*pki.CA) string {
	b.Store(key, pki.PEM(cas...))
	_, object, _ := b.Load(key)
	return object.VersionID
}

// beginsAt puts the domain at a truststore in the operator's own bucket.
func (w *world) beginsAt(cas ...*pki.CA) string {
	version := store(w.own, "first.pem", cas...)
	w.api.Change(func(d *domainapi.Domain) { d.URI, d.Version = "s3://own/first.pem", version })
	return version
}
