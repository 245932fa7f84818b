package revocation

import (
	"context"
	"crypto/sha256"
	"sync"
	"time"

	"github.com/crlgate/crlgate/pkg/clientcert"
	"github.com/crlgate/crlgate/pkg/issuer"
)

// origin is where a certificate comes from, and which CRLs speak of it. It
// follows from the certificate and one catalog alone, whatever the time.
type origin struct {
	ca    *authority // nil: not known, and why says the reason
	keys  []issuer.KeyDigest
	why   string
	lists []covering
}

// maxOrigins is how many certificates one half of the memory holds.
const maxOrigins = 1024

// origins remembers the origins of the certificates that came last, so that a
// signature is not verified, nor names compared, on each request. It belongs to
// one snapshot and goes with it, since every part of an origin hangs on the
// catalog. What is asked for again moves to the young half; when that is full it
// becomes the old one, and what was old is forgotten.
type origins struct {
	mu         sync.Mutex
	young, old map[[sha256.Size]byte]*origin

	lineages sync.Map // of the CAs' own certificates: issuer.Fingerprint to *lineage
}

// originOf says where a certificate comes from, and which CRLs speak of it. The
// error tells of a part of the catalog that is needed and not there.
func (c *Cache) originOf(ctx context.Context, s *snapshot, cert *clientcert.Certificate, now time.Time, t *Trace) (*origin, error) {
	fingerprint := cert.Fingerprint()
	if t == nil {
		if o := s.origins.find(fingerprint); o != nil {
			return o, nil
		}
	}
	o, current := &origin{}, true
	if o.ca, o.keys, o.why = s.find(cert, t); o.ca != nil {
		var err error
		considered := t.considered()
		if t != nil {
			t.Considered = considered
		}
		if o.lists, current, err = c.coveringFor(ctx, s, o.ca, cert, o.keys, now, considered); err != nil {
			return o, err
		}
	}
	if current {
		s.origins.mu.Lock()
		defer s.origins.mu.Unlock()
		s.origins.put(fingerprint, o)
	}
	return o, nil
}

func (m *origins) find(fingerprint [sha256.Size]byte) *origin {
	m.mu.Lock()
	defer m.mu.Unlock()
	if o := m.young[fingerprint]; o != nil {
		return o
	}
	o := m.old[fingerprint]
	if o != nil {
		m.put(fingerprint, o)
	}
	return o
}

// put notes an origin as young, in the room that what was old leaves behind. The
// caller holds the lock.
func (m *origins) put(fingerprint [sha256.Size]byte, o *origin) {
	if len(m.young) >= maxOrigins {
		m.old, m.young = m.young, m.old
		clear(m.young)
	}
	if m.young == nil {
		m.young = make(map[[sha256.Size]byte]*origin)
	}
	m.young[fingerprint] = o
}
