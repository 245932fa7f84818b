// Package keeper keeps the truststore of a custom domain name of API Gateway in
// step with the issuers, or says that it is not.
//
// [Keeper.Run] does both: where it may, it moves the domain to the newest version of
// the truststore object that the preprocessor publishes; always, it holds what the
// domain trusts against the catalog and tells [Metrics]. It reads the state of
// things and takes nothing from an event, so that events may come late, twice, out
// of order or never; a run that finds nothing to do changes nothing.
//
// A truststore takes effect only when the domain is updated, even if the object is
// the same (API Gateway Developer Guide, "Updating your truststore").
package keeper

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"

	"github.com/aws/aws-sdk-go-v2/service/apigatewayv2"

	"github.com/crlgate/crlgate/pkg/catalog"
	"github.com/crlgate/crlgate/pkg/issuer"
	"github.com/crlgate/crlgate/pkg/objectstore"
	"github.com/crlgate/crlgate/pkg/truststore"
)

// API is what is asked of API Gateway; *[apigatewayv2.Client] does it, for the
// regional domains of REST and HTTP APIs alike.
type API interface {
	GetDomainName(context.Context, *apigatewayv2.GetDomainNameInput, ...func(*apigatewayv2.Options)) (*apigatewayv2.GetDomainNameOutput, error)
	UpdateDomainName(context.Context, *apigatewayv2.UpdateDomainNameInput, ...func(*apigatewayv2.Options)) (*apigatewayv2.UpdateDomainNameOutput, error)
}

// Reads is what is asked of a bucket.
type Reads interface {
	ReadAll(ctx context.Context, key string, maxBytes int64, opts objectstore.GetOptions) ([]byte, objectstore.Object, error)
}

// Metrics is told what a run found; see package telemetry.
type Metrics interface {
	// Checked: whether the domain trusts other CAs than the issuers, and of how
	// many faults of its truststore API Gateway warns.
	Checked(outOfStep bool, warnings int)
	Moved()
}

// Config says what a [Keeper] keeps.
type Config struct {
	DomainName  string
	CacheBucket string
	// Move lets the keeper move the domain. Without it, it only looks.
	Move bool
	// Pinned are the only certificates that a domain is moved to; Move needs them.
	Pinned []issuer.Fingerprint
}

// Keeper keeps one domain.
type Keeper struct {
	config  Config
	api     API
	bucket  func(name string) Reads
	log     *slog.Logger
	metrics Metrics
}

// New returns a keeper. bucket opens a bucket by its name.
func New(api API, bucket func(name string) Reads, c Config, log *slog.Logger, m Metrics) *Keeper {
	return &Keeper{config: c, api: api, bucket: bucket, log: log.With("domain_name", c.DomainName), metrics: m}
}

// fault is what another try does not cure: it is logged and counted.
type fault struct{ detail string }

func (f *fault) Error() string { return f.detail }

func faulty(format string, args ...any) error { return &fault{fmt.Sprintf(format, args...)} }

// Run looks at the domain, moves it if it must and may, and tells what it found. An
// error means that nothing could be told now, and that another try is worth it.
func (k *Keeper) Run(ctx context.Context) error {
	d, err := k.get(ctx)
	if err == nil && k.config.Move {
		d, err = k.move(ctx, d)
	}
	if err == nil {
		err = k.compare(ctx, d)
	}
	warnings := 0
	if d != nil {
		warnings = len(d.warnings)
		if warnings > 0 {
			k.log.Warn("API Gateway warns of the truststore", "object", d.uri, "version_id", d.version, "detail", strings.Join(d.warnings, "; "))
		}
	}
	var wrong *fault
	switch {
	case err == nil:
		k.log.Info("truststore in step", "object", d.uri, "version_id", d.version)
	case errors.As(err, &wrong):
		k.log.Error("truststore out of step", "detail", wrong.detail)
	default:
		return err
	}
	k.metrics.Checked(err != nil, warnings)
	return nil
}

// published is the truststore object that the preprocessor keeps.
type published struct {
	uri, version string
	certificates []truststore.Certificate
}

func (k *Keeper) uri() string { return "s3://" + k.config.CacheBucket + "/" + catalog.TruststoreKey }

// published reads the newest truststore object; nil: there is none yet.
func (k *Keeper) published(ctx context.Context) (*published, error) {
	data, object, err := k.bucket(k.config.CacheBucket).ReadAll(ctx, catalog.TruststoreKey, truststore.MaxSize, objectstore.GetOptions{})
	if errors.Is(err, objectstore.ErrNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("reading the published truststore: %w", err)
	}
	p := &published{uri: k.uri(), version: object.VersionID}
	if p.version == "" {
		return nil, faulty("%s has no version, and a domain can be moved only to one: turn on versioning of the cache bucket", p.uri)
	}
	if p.certificates, err = truststore.Parse(data); err != nil {
		return nil, faulty("%s: %v; the domain is not moved to it", p.uri, err)
	}
	for _, c := range p.certificates {
		if !contains(k.config.Pinned, c.Fingerprint) {
			return nil, faulty("%s holds %v, which PINNED_ISSUERS does not name; the domain is not moved to it", p.uri, c)
		}
	}
	return p, nil
}

func contains(pins []issuer.Fingerprint, f issuer.Fingerprint) bool {
	for _, pin := range pins {
		if pin == f {
			return true
		}
	}
	return false
}

// maxMoves is how often a run moves the domain because a newer truststore came.
const maxMoves = 5

// errNoTruststore: to turn mutual TLS on is a decision of whoever owns the domain.
var errNoTruststore = faulty("the domain has no truststore: it asks no client for a certificate, so that all are denied; turn on mutual TLS")

// move moves the domain to the newest truststore that is published. API Gateway has
// no condition for an update: of two keepers the slower may put back what the faster
// has replaced. So each looks again after it has moved.
func (k *Keeper) move(ctx context.Context, d *domain) (*domain, error) {
	if d.uri == "" {
		return d, errNoTruststore
	}
	for range maxMoves {
		p, err := k.published(ctx)
		if err != nil {
			return d, err
		}
		if p == nil {
			return d, faulty("nothing is published as %s yet, so the domain stays at %s: its report, reports/%s.json, says why", k.uri(), d.where(), catalog.TruststoreKey)
		}
		if d.uri == p.uri && d.version == p.version {
			return d, nil
		}
		k.log.Info("moving the domain", "object", p.uri, "version_id", p.version, "detail", "from "+d.where())
		if d, err = k.update(ctx, d, p); err != nil {
			return d, err
		}
		k.metrics.Moved()
	}
	return d, fmt.Errorf("domain %s: a newer truststore was published %d times while it was being moved", k.config.DomainName, maxMoves)
}

// compare holds what the domain trusts against the catalog; a difference is a *fault.
func (k *Keeper) compare(ctx context.Context, d *domain) error {
	if d.uri == "" {
		return errNoTruststore
	}
	have, err := k.trusted(ctx, d)
	if err != nil {
		return err
	}
	data, _, err := k.bucket(k.config.CacheBucket).ReadAll(ctx, catalog.Key, catalog.MaxSize, objectstore.GetOptions{})
	c := catalog.New()
	switch {
	case errors.Is(err, objectstore.ErrNotFound):
	case err != nil:
		return fmt.Errorf("reading the catalog: %w", err)
	default:
		if c, err = catalog.Parse(data); err != nil {
			return faulty("the catalog cannot be read: %v", err)
		}
	}
	var cas []*issuer.CA
	for name, ca := range c.CAs {
		parsed, err := ca.Issuer(name)
		if err != nil {
			return faulty("%v", err)
		}
		cas = append(cas, parsed)
	}
	if difference := truststore.Compare(have, truststore.Wanted(cas)); !difference.None() {
		return faulty("%s: %v", d.where(), difference)
	}
	return nil
}

// trusted reads the truststore that the domain names.
func (k *Keeper) trusted(ctx context.Context, d *domain) ([]truststore.Certificate, error) {
	bucket, key, ok := strings.Cut(strings.TrimPrefix(d.uri, "s3://"), "/")
	if !ok {
		return nil, faulty("%q, the domain's truststore, is no S3 object", d.uri)
	}
	data, _, err := k.bucket(bucket).ReadAll(ctx, key, truststore.MaxSize, objectstore.GetOptions{VersionID: d.version})
	var large *objectstore.TooLargeError
	switch {
	case errors.Is(err, objectstore.ErrForbidden), errors.Is(err, objectstore.ErrNotFound), errors.Is(err, objectstore.ErrNoBucket), errors.As(err, &large):
		return nil, faulty("%s, the domain's truststore, cannot be read, so nobody knows whom it trusts: %v; let the function read it (TruststoreProps.Bucket and Key)", d.where(), err)
	case err != nil:
		return nil, fmt.Errorf("reading the domain's truststore: %w", err)
	}
	certificates, err := truststore.Parse(data)
	if err != nil {
		return nil, faulty("%s, the domain's truststore: %v", d.where(), err)
	}
	return certificates, nil
}
