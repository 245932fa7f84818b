package revocation

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/crlgate/crlgate/pkg/catalog"
	"github.com/crlgate/crlgate/pkg/clientcert"
	"github.com/crlgate/crlgate/pkg/crl"
	"github.com/crlgate/crlgate/pkg/issuer"
)

// SerialTrace is what is known of a serial number of a CA where the certificate
// that has it is not at hand.
type SerialTrace struct {
	// Answers are what would be known of an end-entity certificate without
	// distribution points, one for each key that may have issued it.
	Answers []KeyAnswer
	// Elsewhere are CRLs of the CA that speak only of certificates whose
	// distribution points name them, with the serial number looked up.
	Elsewhere []*ListTrace
	// Indirect are other CAs in the catalog with indirect CRLs, which speak of a
	// certificate that names them.
	Indirect []string
}

// KeyAnswer is the answer for a certificate that one key issued.
type KeyAnswer struct {
	Key    issuer.KeyDigest
	Answer Answer
	Trace  *Trace
}

// ExplainSerial says what is known of a serial number of a CA, given as DER INTEGER
// contents, whatever the certificate says that has it. The error names the CAs
// that there are, where that is none of them, or wraps [ErrNoCatalog].
func (c *Cache) ExplainSerial(ctx context.Context, ca string, serial []byte, now time.Time) (*SerialTrace, error) {
	now = now.Round(0)
	c.fresh(ctx, now)
	s := c.current.Load()
	if s == nil {
		return nil, fmt.Errorf("%w: %s could not be read", ErrNoCatalog, catalog.Key)
	}
	i := slices.IndexFunc(s.cas, func(a *authority) bool { return a.name == ca })
	if i < 0 {
		var names []string
		for _, a := range s.cas {
			names = append(names, a.name)
		}
		return nil, fmt.Errorf("no CA in the catalog is called %q; there are: %s", ca, strings.Join(names, ", "))
	}
	out := &SerialTrace{}
	of := s.cas[i]
	cert := &clientcert.Certificate{Serial: serial}
	for _, key := range issuing(of) {
		t := &Trace{Origin: OriginTrace{CA: of.name, By: ByNothing}}
		a := Answer{ChainUnknown: true, Age: c.clock().Sub(s.validated)}
		a.Stale = a.Age < 0 || a.Age > c.config.MaxUnvalidated
		t.catalog(s, a.Age, c.config.MaxUnvalidated)
		t.Considered = t.considered()
		o := &origin{ca: of, keys: []issuer.KeyDigest{key}}
		var missing error
		o.lists, _, missing = c.coveringFor(ctx, s.snapshot, of, cert, o.keys, now, t.Considered)
		c.answer(ctx, s.snapshot, o, cert, missing, now, &a, t)
		a.trace = nil
		out.Answers = append(out.Answers, KeyAnswer{key, a, t})
	}
	err := c.elsewhere(ctx, of, cert, now, out)
	for _, other := range s.cas {
		if other != of && other.indirect() {
			out.Indirect = append(out.Indirect, other.name)
		}
	}
	return out, err
}

// issuing returns the keys that may have issued certificates of the CA.
func issuing(a *authority) []issuer.KeyDigest {
	var keys []issuer.KeyDigest
	for _, c := range a.issuer.Certificates {
		if c.MayIssue && !has(keys, c.Key) {
			keys = append(keys, c.Key)
		}
	}
	return keys
}

// indirect reports whether the CA has an indirect CRL, or may have one in a part.
func (a *authority) indirect() bool {
	return a.table != nil || slices.ContainsFunc(a.lists, func(l *list) bool { return l.record.Scope.Indirect })
}

// elsewhere looks the serial number up in the CRLs that speak only of certificates
// that name them.
func (c *Cache) elsewhere(ctx context.Context, ca *authority, cert *clientcert.Certificate, now time.Time, out *SerialTrace) error {
	if _, err := c.fill(ctx, ca.slots, now); err != nil {
		return err
	}
	lists := ca.lists
	for _, s := range ca.slots {
		if f := s.filled.Load(); f != nil {
			lists = append(lists[:len(lists):len(lists)], f.lists...)
		}
	}
	note := &Considered{}
	own, _ := pointsOf(cert, ca)
	for _, l := range lists {
		covers, miss := l.covers(cert, own)
		if miss != MissPoints || note.of(l, ca) != nil {
			continue
		}
		note.looked(l, ca, covers, miss, nil, time.Time{})
		for _, each := range append([]*list{l}, l.deltas...) {
			f, age, err := c.find(ctx, each, ca.issuer.Subject, ca.issuer.Subject, cert.Serial, now, false)
			note.of(l, ca).lookup(each, &f, age, err)
		}
	}
	out.Elsewhere = note.Lists
	return nil
}

// Listed reports whether a look-up found an entry that revokes.
func (l *Lookup) Listed() bool { return l.Hit && l.Reason != crl.RemoveFromCRL }
