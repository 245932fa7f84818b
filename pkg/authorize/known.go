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
	raw                          string // its PEM as it stands in the event
	cert                         *clientcert.Certificate
	serial, subject, fingerprint string
	issuer, altNames             string
}

func newKnown(pem token) (*known, error) {
	var scratch [4096]byte // of the stack: the PEM is needed no longer than it is read
	cert, err := clientcert.ParsePEM(pem.appendTo(scratch[:0]))
	if err != nil {
		return nil, err
	}
	k := &known{cert: cert, altNames: altNames(cert)}
	// The texts are parts of one string.
	fp := cert.Fingerprint()
	b := hex.AppendEncode(scratch[:0], fp[:])
	fingerprint := len(b)
	b = printableFrom(issuer.Serial(cert.Serial).AppendTo(b), fingerprint)
	serial := len(b)
	b = appendName(b, cert.Subject)
	subject := len(b)
	b = appendName(b, cert.Issuer)
	all := string(b)
	k.fingerprint, k.serial, k.subject, k.issuer = all[:fingerprint], all[fingerprint:serial], all[serial:subject], all[subject:]
	return k, nil
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
	k, err := newKnown(pem)
	if err == nil && len(pem.raw) <= maxRemembered {
		k.raw = string(pem.raw)
		m.mu.Lock()
		m.put(k)
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
		m.put(k)
	}
	return k
}

// put notes a certificate as young. The caller holds the lock. What was old
// leaves its room behind: a map that grew anew would hash its keys, each as long
// as a certificate, several times over.
func (m *memory) put(k *known) {
	if len(m.young) >= maxYoung {
		m.old, m.young = m.young, m.old
		clear(m.young)
	}
	if m.young == nil {
		m.young = make(map[string]*known)
	}
	m.young[k.raw] = k
}
