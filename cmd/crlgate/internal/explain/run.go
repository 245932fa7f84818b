package explain

import (
	"bytes"
	"context"
	"encoding/pem"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"time"

	"github.com/crlgate/crlgate/pkg/authorize"
	"github.com/crlgate/crlgate/pkg/catalog"
	"github.com/crlgate/crlgate/pkg/issuer"
	"github.com/crlgate/crlgate/pkg/objectstore"
	"github.com/crlgate/crlgate/pkg/revocation"
)

// Input is what to explain, and under which settings.
type Input struct {
	// Certificate is the client certificate, PEM or DER. Text around the PEM is
	// passed over.
	Certificate []byte
	// CA and Serial, DER INTEGER contents, are asked about where there is no
	// certificate.
	CA     string
	Serial []byte
	// Domain is the domain name that the request comes to; "": one that the CA is
	// associated with.
	Domain   string
	Settings authorize.Settings
	// MaxUnvalidated is the authorizer's MAX_UNVALIDATED; 0: the default.
	MaxUnvalidated time.Duration
	At             time.Time
}

// ErrEmpty says that there is no certificate to explain.
var ErrEmpty = errors.New("the certificate is empty: give one in PEM or DER")

// Run explains the decision on a certificate with what lies in a cache bucket.
// The catalog and the sets are read anew. The error says that no certificate was
// given, or that the catalog could not be read; that there is none is a decision.
func Run(ctx context.Context, store revocation.Store, in Input) (*Report, error) {
	if in.MaxUnvalidated <= 0 {
		in.MaxUnvalidated = revocation.DefaultMaxUnvalidated
	}
	in.At = in.At.Round(0)
	if in.CA != "" {
		return runSerial(ctx, store, &in)
	}
	if len(bytes.TrimSpace(in.Certificate)) == 0 {
		return nil, ErrEmpty
	}
	text := PEM(in.Certificate)
	noted := &noting{Store: store}
	store = noted
	e := in.explain(ctx, store, text, in.Domain)
	var assumed []string
	if domain := served(&e.Facts.Answer.Settings); in.Domain == "" && domain != "" {
		// The authorizer always has a domain name, and row 5 cannot be judged
		// without one.
		e = in.explain(ctx, store, text, domain)
		assumed = append(assumed, assumedDomain(domain))
	}
	if err := noted.failed(); err != nil && errors.Is(e.Facts.Answer.Unavailable, revocation.ErrNoCatalog) {
		return nil, fmt.Errorf("reading the catalog: %w", err)
	}
	return newReport(e, &in, assumed), nil
}

func assumedDomain(domain string) string {
	return "the request comes to " + domain + ", a domain name that the CA is associated with; --domain names another"
}

// noting is a store that keeps the error with which the catalog could not be read.
type noting struct {
	revocation.Store
	mu  sync.Mutex
	err error
}

// ReadAll reads an object.
func (n *noting) ReadAll(ctx context.Context, key string, maxBytes int64, opts objectstore.GetOptions) ([]byte, objectstore.Object, error) {
	data, object, err := n.Store.ReadAll(ctx, key, maxBytes, opts)
	if key == catalog.Key {
		n.mu.Lock()
		defer n.mu.Unlock()
		n.err = err
	}
	return data, object, err
}

// failed returns why the catalog could not be read; nil: it was, or there is none.
func (n *noting) failed() error {
	n.mu.Lock()
	defer n.mu.Unlock()
	if errors.Is(n.err, objectstore.ErrNotFound) {
		return nil
	}
	return n.err
}

// explain decides over a cold cache, which waits for what it needs.
func (in *Input) explain(ctx context.Context, store revocation.Store, text, domain string) *authorize.Explanation {
	return authorize.Explain(ctx, in.cache(store), in.Settings, text, domain, in.At)
}

func (in *Input) cache(store revocation.Store) *revocation.Cache {
	return revocation.New(store, revocation.Config{
		RevalidateAfter: in.MaxUnvalidated, MaxUnvalidated: in.MaxUnvalidated, MemoryBudget: 1 << 30, WarmWait: patience, ColdWait: patience,
	}, func() time.Time { return in.At }, slog.New(slog.DiscardHandler), nil)
}

// patience is how long one object of the bucket is waited for.
const patience = time.Minute

const pemBegin, pemEnd = "-----BEGIN CERTIFICATE-----", "-----END CERTIFICATE-----"

// PEM returns a certificate as it would stand in an event: DER is put into PEM, and
// text before and behind PEM is left out. What is neither stays as it is.
func PEM(certificate []byte) string {
	text := string(certificate)
	if i := strings.Index(text, pemBegin); i >= 0 {
		text = text[i:]
		if j := strings.LastIndex(text, pemEnd); j >= 0 {
			text = text[:j+len(pemEnd)]
		}
		return text + "\n"
	}
	if len(certificate) > 0 && certificate[0] == 0x30 {
		return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: certificate}))
	}
	return text
}

// served is a domain name that a CA is associated with; "": all are.
func served(s *issuer.Settings) string {
	if len(s.Domains) == 0 {
		return ""
	}
	if rest, wildcard := strings.CutPrefix(s.Domains[0], "*."); wildcard {
		return "any." + rest
	}
	return s.Domains[0]
}
