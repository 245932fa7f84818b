package authorize

import (
	"encoding/hex"
	"sync"

	"github.com/crlgate/crlgate/pkg/clientcert"
	"github.com/crlgate/crlgate/pkg/issuer"
)

// known is a certificate that was parsed, with its texts for the context. It
// depends on nothing but the certificate's octets, and never changes.
type known struct {
	pem                          string
	cert                         *clientcert.Certificate
	serial, subject, fingerprint string
	issuer, altNames             string
}

func newKnown(pem string) (*known, error) {
	cert, err := clientcert.ParsePEM(pem)
	if err != nil {
		return nil, err
	}
	fp := cert.Fingerprint()
	return &known{
		pem: pem, cert: cert,
		serial: printable(issuer.Serial(cert.Serial).String()), subject: subject(cert.Subject), fingerprint: hex.EncodeToString(fp[:]),
		issuer: subject(cert.Issuer), altNames: altNames(cert),
	}, nil
}

const (
	// maxYoung is how many certificates one half of the memory holds.
	maxYoung = 512
	// maxRemembered is how many octets of PEM a certificate may have to be
	// remembered.
	maxRemembered = 8 << 10
)

// memory remembers the certificates that came last, by their PEM as it stands
// in the event: clients call often, and their certificate is the same each
// time. What is asked for again moves to the young half; when that is full it
// becomes the old one, and what was old is forgotten.
type memory struct {
	mu         sync.Mutex
	young, old map[string]*known
}

// certificate returns the certificate of an event.
func (m *memory) certificate(pem token) (*known, error) {
	if k := m.find(pem.raw); k != nil {
		return k, nil
	}
	k, err := newKnown(pem.String())
	if err == nil && len(pem.raw) <= maxRemembered {
		m.mu.Lock()
		m.put(string(pem.raw), k)
		m.mu.Unlock()
	}
	return k, err
}

func (m *memory) find(raw []byte) *known {
	m.mu.Lock()
	defer m.mu.Unlock()
	if k := m.young[string(raw)]; k != nil {
		return k
	}
	k := m.old[string(raw)]
	if k != nil {
		m.put(string(raw), k)
	}
	return k
}

// put notes a certificate as young. The caller holds the lock.
func (m *memory) put(raw string, k *known) {
	if m.young == nil || len(m.young) >= maxYoung {
		m.old, m.young = m.young, make(map[string]*known)
	}
	m.young[raw] = k
}
