package preprocess

import (
	"context"
	"time"

	"github.com/crlgate/crlgate/pkg/catalog"
)

// measure tells the metrics of every CA and of every CRL in force.
func (p *Preprocessor) measure(ctx context.Context, now time.Time) error {
	c, _, err := p.loadCatalog(ctx)
	if err != nil {
		return err
	}
	if err := p.attach(ctx, c, c.Missing()); err != nil {
		return err
	}
	for name, ca := range c.CAs {
		if until, ok := notAfter(ca); ok {
			p.metrics.CAServes(name, until.Sub(now))
		}
		for l := range ca.Lists() {
			p.metrics.CRLServes(name, l.Name, l.Entries, l.NextUpdate.Sub(now))
		}
	}
	return nil
}

// notAfter returns when the first key of a CA is left without a certificate
// that is valid: where a key has several, the last of them counts.
func notAfter(ca *catalog.CA) (first time.Time, ok bool) {
	last := map[string]time.Time{}
	for _, cert := range ca.Certificates {
		if t := last[cert.Key]; cert.NotAfter.After(t) {
			last[cert.Key] = cert.NotAfter
		}
	}
	for _, t := range last {
		if !ok || t.Before(first) {
			first, ok = t, true
		}
	}
	return first, ok
}
