package preprocess

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/crlgate/crlgate/pkg/catalog"
	"github.com/crlgate/crlgate/pkg/objectstore"
	"github.com/crlgate/crlgate/pkg/truststore"
)

// publishTruststore brings the truststore object up to the catalog's issuers, if
// that is asked for. What cannot be published changes nothing and is reported:
// the truststore that serves goes on serving.
//
// The object is read before the catalog, and written only if it is still what was
// read: whoever wrote in between had read a catalog as new as this one or newer.
func (p *Preprocessor) publishTruststore(ctx context.Context, now time.Time) error {
	if !p.config.PublishTruststore {
		return nil
	}
	for try := 0; ; try++ {
		r := &Report{Key: catalog.TruststoreKey, Kind: KindTruststore, At: now}
		err := p.tryTruststore(ctx, r)
		switch {
		case err == nil:
			return p.reportTruststore(ctx, r)
		case !errors.Is(err, objectstore.ErrPreconditionFailed) && !errors.Is(err, objectstore.ErrConflict) || try >= maxTries:
			return fmt.Errorf("publishing %s: %w", catalog.TruststoreKey, err)
		}
		if err := pause(ctx, try); err != nil {
			return err
		}
	}
}

// tryTruststore publishes once, and says in the report what became of it.
func (p *Preprocessor) tryTruststore(ctx context.Context, r *Report) error {
	found, object, err := p.cache.ReadAll(ctx, catalog.TruststoreKey, truststore.MaxSize, objectstore.GetOptions{})
	if err != nil && !errors.Is(err, objectstore.ErrNotFound) {
		return err
	}
	cat, _, err := p.loadCatalog(ctx)
	if err != nil {
		return err
	}
	cas, state, err := issuers(cat)
	if err != nil {
		return err
	}
	r.Issuers = state
	s, err := truststore.Make(cas, p.config.Pinned)
	var refusal *truststore.Refusal
	if errors.As(err, &refusal) {
		r.refuse(&Refusal{Code: Code(refusal.Code), Detail: refusal.Detail})
		if object.Version != "" {
			r.Detail += ". The truststore published before stays as it is"
		}
		return nil
	}
	if err != nil {
		return err
	}
	r.accept(Accepted, s.Detail())
	for _, c := range s.Certificates {
		notAfter := c.NotAfter
		r.Certificates = append(r.Certificates, CertificateReport{Subject: c.Subject, Fingerprint: c.Fingerprint.String(), NotAfter: &notAfter, Issues: true, Accepted: true})
	}
	r.ETag = string(object.Version)
	if bytes.Equal(found, s.PEM) {
		return nil
	}
	version, err := p.cache.Put(ctx, catalog.TruststoreKey, bytes.NewReader(s.PEM), objectstore.PutOptions{
		IfMatch: object.Version, IfNoneMatch: object.Version == "", ContentType: "application/x-pem-file",
	})
	r.ETag = string(version)
	return err
}

// reportTruststore logs and writes a report, if it says anything new.
func (p *Preprocessor) reportTruststore(ctx context.Context, r *Report) error {
	old, err := ReadReport(ctx, p.cache, r.Key)
	if err != nil {
		return err
	}
	if old != nil && old.Outcome == r.Outcome && old.Detail == r.Detail && old.ETag == r.ETag {
		return nil
	}
	attrs := []any{"object", r.Key, "code", r.Code, "etag", r.ETag, "detail", r.Detail}
	if r.Outcome == OutcomeRefused {
		p.log.Warn("truststore not published", attrs...)
	} else {
		p.log.Info("truststore published", attrs...)
	}
	return p.report(ctx, r)
}
