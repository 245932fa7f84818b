package revocation

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/crlgate/crlgate/pkg/clientcert"
	"github.com/crlgate/crlgate/pkg/crl"
	"github.com/crlgate/crlgate/pkg/issuer"
)

const (
	// maxChain is how many CAs may stand above one another; API Gateway takes
	// chains of four certificates.
	maxChain = 8
	// keyStateAge is how long what was found out of a key is remembered at
	// most, keyStateRetry how long a failure to find out.
	keyStateAge   = time.Hour
	keyStateRetry = time.Second
)

// keyState is what is known of a CA's key: whether the CAs above have revoked it.
type keyState struct {
	revoked bool
	known   bool  // the chain up to a root is known to be good
	err     error // an object that is needed could not be had
	why     string

	from, until time.Time // while it is remembered
}

// keyStates remembers the states of a CA's keys. They are found out when the
// catalog changes and when a date passes, not on each request.
type keyStates struct {
	mu    sync.Mutex
	state map[issuer.KeyDigest]keyState
}

func (k *keyStates) get(key issuer.KeyDigest, now time.Time) (keyState, bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	st, ok := k.state[key]
	return st, ok && !now.Before(st.from) && now.Before(st.until)
}

func (k *keyStates) put(key issuer.KeyDigest, st keyState) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.state == nil {
		k.state = map[issuer.KeyDigest]keyState{}
	}
	k.state[key] = st
}

// askChain notes what is known of the key that issued the certificate.
func (c *Cache) askChain(ctx context.Context, s *snapshot, ca *authority, keys []issuer.KeyDigest, now time.Time, a *Answer) {
	a.ChainUnknown = false
	for _, key := range keys {
		st := c.keyState(ctx, s, ca, key, now, nil)
		switch {
		case st.revoked:
			a.IssuerRevoked = true
			a.Detail = st.why
		case st.err != nil:
			a.ChainUnknown = true
			if a.Unavailable == nil {
				a.Unavailable, a.Detail = st.err, st.err.Error()
			}
		case !st.known:
			a.ChainUnknown = true
		}
	}
	if a.ChainUnknown && a.Detail == "" {
		a.Detail = "the status of the CA's own certificate is not known: its issuer, or that one's CRL, is not here"
	}
}

// signerRevoked reports whether the key that signed a CRL is revoked.
func (c *Cache) signerRevoked(ctx context.Context, s *snapshot, l covering, now time.Time, above []issuer.KeyDigest) bool {
	for _, cert := range l.ca.issuer.Certificates {
		if cert.Key.String() == l.list.record.Key {
			return c.keyState(ctx, s, l.ca, cert.Key, now, above).revoked
		}
	}
	return true // no certificate of the CA has it any longer
}

// keyStates finds out what is known of every key of a CA.
func (c *Cache) keyStates(ctx context.Context, s *snapshot, ca *authority, now time.Time) {
	for _, key := range ca.issuer.Keys() {
		c.keyState(ctx, s, ca, key, now, nil)
	}
}

// keyState says what is known of a key. above are the keys that are being
// asked about already, so that two that certify each other come to an end.
func (c *Cache) keyState(ctx context.Context, s *snapshot, ca *authority, key issuer.KeyDigest, now time.Time, above []issuer.KeyDigest) keyState {
	if st, ok := ca.keys.get(key, now); ok {
		return st
	}
	if len(above) >= maxChain || has(above, key) {
		return keyState{}
	}
	st := keyState{from: now, until: now.Add(keyStateAge)}
	certs, revoked := 0, 0
	for _, cert := range ca.issuer.Certificates {
		if cert.Key != key {
			continue
		}
		certs++
		a := c.certState(ctx, s, cert, now, append(above, key))
		switch {
		case a.Status == Revoked:
			revoked++
			st.why = fmt.Sprintf("the certificate %s of CA %s is revoked", issuer.Serial(cert.Serial), ca.name)
			if a.Hit != nil && (a.Hit.Reason == crl.KeyCompromise || a.Hit.Reason == crl.CACompromise) {
				st.revoked = true // whoever has the key now, it is not the CA alone
			}
		case a.IssuerRevoked:
			revoked++
			st.why = fmt.Sprintf("the key that issued the certificate %s of CA %s is revoked", issuer.Serial(cert.Serial), ca.name)
		case a.Unavailable != nil:
			st.err = a.Unavailable
			st.until = now.Add(keyStateRetry)
		case a.Status == Good && !a.ChainUnknown:
			st.known = true
		}
		if a.CRL != nil && a.CRL.NextUpdate.After(now) && a.CRL.NextUpdate.Before(st.until) {
			st.until = a.CRL.NextUpdate
		}
	}
	st.revoked = st.revoked || certs > 0 && revoked == certs
	if len(above) == 0 || st.revoked {
		// What was found on the way up may have been cut short by the key
		// that was asked about first, so only whole answers are remembered.
		ca.keys.put(key, st)
	}
	return st
}

// certState asks about a CA's own certificate. A root, which its own key
// signed, is what trust begins with.
func (c *Cache) certState(ctx context.Context, s *snapshot, cert *issuer.Certificate, now time.Time, above []issuer.KeyDigest) Answer {
	parsed, err := clientcert.Parse(cert.DER)
	if err != nil {
		return Answer{ChainUnknown: true, Detail: err.Error()}
	}
	if cert.Name == cert.Issuer && cert.Signed(parsed.SignatureAlgorithm, parsed.TBS, parsed.Signature) {
		return Answer{Status: Good}
	}
	parents := narrow(s.byName[cert.Issuer], func(p *issuer.Certificate) bool {
		return p.Signed(parsed.SignatureAlgorithm, parsed.TBS, parsed.Signature)
	})
	if len(parents) != 1 {
		return Answer{ChainUnknown: true, Detail: "its issuer is not in the catalog"}
	}
	parent := parents[0]
	a := Answer{}
	lists, _, err := c.coveringFor(ctx, s, parent.ca, parsed, parent.keys, now)
	if err != nil {
		return Answer{ChainUnknown: true, Unavailable: err}
	}
	c.askLists(ctx, s, parent.ca, parsed, lists, now, above, &a)
	if a.Status == Revoked {
		return a
	}
	for _, key := range parent.keys {
		st := c.keyState(ctx, s, parent.ca, key, now, above)
		a.IssuerRevoked = a.IssuerRevoked || st.revoked
		a.ChainUnknown = a.ChainUnknown || !st.known
		if a.Unavailable == nil {
			a.Unavailable = st.err
		}
	}
	return a
}
