package stack

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"net"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/crlgate/crlgate/cmd/crlgate/internal/gateway"
	"github.com/crlgate/crlgate/internal/pki"
	"github.com/crlgate/crlgate/pkg/issuer"
	"github.com/crlgate/crlgate/pkg/objectstore"
)

// truststore keeps the gateways' truststores at what lies among the issuers, as
// an operator keeps API Gateway's truststore object at it.
type truststore struct {
	uploads  *objectstore.Bucket
	prefix   string // of the issuers
	gateways map[gateway.Form]*gateway.Gateway
	kick     chan struct{}
	quit     chan struct{}
	once     sync.Once
	// operator, if set, is told of certificates in force: who keeps the domain's
	// truststore object at them.
	operator func(context.Context, []*x509.Certificate) error

	applying sync.Mutex
	current  []*x509.Certificate // in force

	mu      sync.Mutex
	loaded  int // certificates in force
	lastErr error
}

func newTruststore(uploads *objectstore.Bucket, prefix string, gateways map[gateway.Form]*gateway.Gateway) *truststore {
	return &truststore{uploads: uploads, prefix: prefix, gateways: gateways, kick: make(chan struct{}, 1), quit: make(chan struct{})}
}

// changed says that issuers may have changed.
func (t *truststore) changed() {
	select {
	case t.kick <- struct{}{}:
	default:
	}
}

func (t *truststore) close() { t.once.Do(func() { close(t.quit) }) }

func (t *truststore) run(context.Context) {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	go func() {
		<-t.quit
		cancel()
	}()
	t.changed() // what is there already
	for {
		select {
		case <-t.quit:
			return
		case <-t.kick:
		}
		certs, err := t.load(ctx)
		if err == nil {
			err = t.apply(certs)
		}
		if err == nil && t.operator != nil {
			err = t.operator(ctx, certs)
		}
		t.mu.Lock()
		t.lastErr = err
		t.mu.Unlock()
		if err != nil && ctx.Err() == nil {
			// The S3 server may be away; a test stops it on purpose.
			time.AfterFunc(time.Second, t.changed)
		}
	}
}

// apply puts certificates in force, if they are not already: a new truststore
// ends TLS sessions, and most events of the upload bucket are of CRLs.
func (t *truststore) apply(certs []*x509.Certificate) error {
	t.applying.Lock()
	defer t.applying.Unlock()
	if slices.EqualFunc(certs, t.current, (*x509.Certificate).Equal) {
		return nil
	}
	trusted := certs
	if len(trusted) == 0 {
		trusted = nobody()
	}
	for _, g := range t.gateways {
		if err := g.SetTruststore(trusted); err != nil {
			return err
		}
	}
	t.current = certs
	t.mu.Lock()
	defer t.mu.Unlock()
	t.loaded = len(certs)
	return nil
}

// load reads every certificate under issuers/ that may issue.
func (t *truststore) load(ctx context.Context) ([]*x509.Certificate, error) {
	var certs []*x509.Certificate
	for object, err := range t.uploads.List(ctx, t.prefix) {
		if err != nil {
			return nil, err
		}
		if !strings.HasSuffix(object.Key, ".pem") {
			continue
		}
		data, _, err := t.uploads.ReadAll(ctx, object.Key, issuer.MaxFile, objectstore.GetOptions{})
		if err != nil {
			return nil, err
		}
		verdicts, err := issuer.ParseCertificates(data)
		if err != nil {
			continue // the preprocessor reports on it
		}
		for _, v := range verdicts {
			if v.Refusal == nil && v.Certificate.MayIssue {
				if c, err := x509.ParseCertificate(v.Certificate.DER); err == nil {
					certs = append(certs, c)
				}
			}
		}
	}
	return certs, nil
}

// nobody is a truststore that no client satisfies: API Gateway, too, has none
// that is empty.
var nobody = sync.OnceValue(func() []*x509.Certificate {
	ca, err := pki.NewCA(pki.CAOptions{Name: pkix.Name{CommonName: "nobody"}})
	if err != nil {
		panic(err) // a random source that fails
	}
	return []*x509.Certificate{ca.Certificate}
})

// serverCertificate makes the gateways' certificate and the CA that clients
// verify it with.
func serverCertificate(domain string) (tls.Certificate, []byte, error) {
	ca, err := pki.NewCA(pki.CAOptions{Name: pkix.Name{CommonName: "crlgate local server CA"}})
	if err != nil {
		return tls.Certificate{}, nil, err
	}
	leaf, err := ca.Issue(pki.LeafOptions{
		Subject: pkix.Name{CommonName: domain}, Server: true, DNSNames: []string{domain, "localhost"}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
	})
	if err != nil {
		return tls.Certificate{}, nil, err
	}
	return leaf.TLSCertificate(), ca.PEM(), nil
}

// Trusted returns how many of the uploaded CA certificates the gateways verify
// clients with, and what went wrong when they were last read.
func (s *Stack) Trusted() (int, error) {
	s.trust.mu.Lock()
	defer s.trust.mu.Unlock()
	return s.trust.loaded, s.trust.lastErr
}
