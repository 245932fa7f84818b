package revocation

import (
	"context"
	"encoding/hex"
	"fmt"
	"time"

	"github.com/crlgate/crlgate/pkg/catalog"
	"github.com/crlgate/crlgate/pkg/clientcert"
	"github.com/crlgate/crlgate/pkg/issuer"
)

// Ask says what is known of a certificate's revocation at now, when the
// request arrived.
func (c *Cache) Ask(ctx context.Context, cert *clientcert.Certificate, now time.Time) Answer {
	return c.ask(ctx, cert, now, nil)
}

// ask is Ask; what happens is noted in t, if there is one.
func (c *Cache) ask(ctx context.Context, cert *clientcert.Certificate, now time.Time, t *Trace) Answer {
	now = now.Round(0)
	ctx, cancel := c.answerable(ctx)
	defer cancel()
	c.fresh(ctx, now)
	s := c.current.Load()
	if s == nil {
		return Answer{Unavailable: fmt.Errorf("%w: %s could not be read", ErrNoCatalog, catalog.Key), Detail: "the authorizer has no catalog yet: S3 does not answer, or the preprocessor has not written one"}
	}
	a := Answer{ChainUnknown: true}
	a.Age = c.clock().Sub(s.validated)
	a.Stale = a.Age < 0 || a.Age > c.config.MaxUnvalidated
	t.catalog(s, a.Age, c.config.MaxUnvalidated)

	origin, err := c.originOf(ctx, s.snapshot, cert, now, t)
	t.origin(origin)
	if origin.ca == nil {
		a.Detail = origin.why
		return a
	}
	c.answer(ctx, s.snapshot, origin, cert, err, now, &a, t)
	return a
}

// answer says what is known of a certificate whose origin is. missing is what of
// the catalog could not be had.
func (c *Cache) answer(ctx context.Context, s *snapshot, origin *origin, cert *clientcert.Certificate, missing error, now time.Time, a *Answer, t *Trace) {
	ca := origin.ca
	a.CA, a.Settings = ca.name, ca.settings
	if ca.settings.Denies(cert.Serial) {
		a.Status, a.Hit = Revoked, &Hit{DenyList: true}
		a.Detail = "its serial number is on the CA's deny list"
		if t != nil {
			t.DenyListed = true
		}
		return
	}
	if missing != nil {
		// What is here may revoke all the same.
		a.Unavailable, a.Detail = missing, missing.Error()
	}
	if t != nil {
		a.trace = t.Considered
	}
	c.askLists(ctx, s, ca, cert, origin.lists, now, nil, a)
	if a.Status != Revoked {
		c.askChain(ctx, s, ca, origin.keys, now, a, t)
	}
}

// answerable keeps a tenth of the time that is left for the answer itself,
// however many objects a request waits for: they follow one another, and each
// may be slow.
func (c *Cache) answerable(ctx context.Context) (context.Context, context.CancelFunc) {
	deadline, ok := ctx.Deadline()
	if !ok {
		return ctx, func() {}
	}
	return context.WithTimeout(ctx, deadline.Sub(c.clock())*9/10)
}

// find returns the certificate's CA and the digests of the keys that may have
// issued it: by issuer name, then authority key identifier, then signature.
func (s *snapshot) find(cert *clientcert.Certificate, t *Trace) (*authority, []issuer.KeyDigest, string) {
	name, ok := s.byRaw[string(cert.Issuer)]
	if !ok {
		var err error
		if name, err = issuer.ParseName(cert.Issuer); err != nil {
			return nil, nil, "its issuer is not a name: " + err.Error()
		}
	}
	named := s.byName[name]
	if len(named) == 0 {
		return nil, nil, fmt.Sprintf("no CA has the name %s", issuer.Display(cert.Issuer))
	}
	t.named(named)
	left := narrow(named, func(c *issuer.Certificate) bool {
		return len(cert.AuthorityKeyID) == 0 || c.MatchesKeyID(cert.AuthorityKeyID)
	})
	t.left(ByKeyID, left)
	if len(named) == 1 && len(left) == 1 && len(left[0].keys) == 1 && !s.tied {
		return left[0].ca, left[0].keys, ""
	}
	// More than one CA or key is left, or none has this identifier, or another
	// CA bears the name, which could write this one's identifier into its own
	// certificates to get around its CRLs or its deny list. Or some CA is
	// associated with domain names, which it could get around by a CA below it
	// that bears the name and identifier of a freer one. The signature tells.
	signed := narrow(named, func(c *issuer.Certificate) bool {
		return c.Signed(cert.SignatureAlgorithm, cert.TBS, cert.Signature)
	})
	t.left(BySignature, signed)
	switch len(signed) {
	case 1:
		return signed[0].ca, signed[0].keys, ""
	case 0:
		return nil, nil, fmt.Sprintf("no CA of the name %s has the key that signed it", issuer.Display(cert.Issuer))
	}
	return nil, nil, fmt.Sprintf("more than one CA has the name %s and the key that signed it", issuer.Display(cert.Issuer))
}

// candidate is a CA that may have issued a certificate, with the keys by which.
type candidate struct {
	ca   *authority
	keys []issuer.KeyDigest
}

func narrow(cas []*authority, fits func(*issuer.Certificate) bool) []candidate {
	var out []candidate
	for _, ca := range cas {
		var keys []issuer.KeyDigest
		for _, c := range ca.issuer.Certificates {
			if c.MayIssue && !has(keys, c.Key) && fits(c) {
				keys = append(keys, c.Key)
			}
		}
		if len(keys) > 0 {
			out = append(out, candidate{ca, keys})
		}
	}
	return out
}

func has(keys []issuer.KeyDigest, k issuer.KeyDigest) bool {
	for _, have := range keys {
		if have == k {
			return true
		}
	}
	return false
}

func isOne(key string, keys []issuer.KeyDigest) bool {
	for _, k := range keys {
		var text [2 * len(k)]byte // k.String() without its copies
		if hex.Encode(text[:], k[:]); string(text[:]) == key {
			return true
		}
	}
	return false
}
