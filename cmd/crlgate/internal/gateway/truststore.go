package gateway

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"sync/atomic"
)

// maxChainLength is the longest chain, from the client's certificate to the
// truststore's, that API Gateway accepts.
const maxChainLength = 4

// truststore is one state of the trusted CAs, with the TLS configuration that
// goes with it. It is never changed, only replaced.
type truststore struct {
	generation uint64
	roots      *x509.CertPool
	tls        *tls.Config
}

// newTruststore builds the state number generation. Each state has a session
// ticket key of its own: a ticket issued under a former truststore does not
// decrypt, so its bearer makes a full handshake and is verified anew. The key is
// not rotated, which a gateway that lives for hours on a loopback address can bear.
func newTruststore(cfg *Config, generation uint64, certificates []*x509.Certificate) (*truststore, error) {
	if cfg.RequireClientCertificate && len(certificates) == 0 {
		return nil, errors.New("gateway: the truststore holds no certificate: give at least one CA, or no client could connect")
	}
	state := &truststore{generation: generation, roots: x509.NewCertPool()}
	for i, certificate := range certificates {
		if certificate == nil {
			return nil, fmt.Errorf("gateway: certificate %d of the truststore is nil: leave it out", i)
		}
		state.roots.AddCert(certificate)
	}
	state.tls = &tls.Config{
		MinVersion:   tls.VersionTLS12,
		MaxVersion:   tls.VersionTLS13,
		Certificates: []tls.Certificate{cfg.ServerCertificate},
		NextProtos:   []string{"h2", "http/1.1"},
		Time:         cfg.Now,
	}
	if cfg.RequireClientCertificate {
		state.tls.ClientAuth = tls.RequireAndVerifyClientCert
		state.tls.ClientCAs = state.roots
		state.tls.VerifyConnection = verifyConnection
	}
	var key [32]byte
	if _, err := rand.Read(key[:]); err != nil {
		return nil, fmt.Errorf("gateway: making a session ticket key: %w", err)
	}
	state.tls.SetSessionTicketKeys([][32]byte{key})
	return state, nil
}

// verifyConnection holds what API Gateway asks of a client's certificate beyond
// a valid chain. crypto/tls calls it on resumed sessions too.
func verifyConnection(state tls.ConnectionState) error {
	if len(state.PeerCertificates) == 0 {
		return errors.New("the client sent no certificate")
	}
	return checkChains(state.PeerCertificates[0], state.VerifiedChains)
}

func checkChains(leaf *x509.Certificate, chains [][]*x509.Certificate) error {
	if err := checkKey(leaf); err != nil {
		return err
	}
	for _, chain := range chains {
		if len(chain) <= maxChainLength {
			return nil
		}
	}
	return fmt.Errorf("the client's chain has more than %d certificates: API Gateway accepts no longer one", maxChainLength)
}

// checkKey accepts the keys that API Gateway lists for mutual TLS: RSA of 2048
// bits or more, ECDSA on P-256 or P-384. crypto/x509 refuses SHA-1 signatures.
func checkKey(certificate *x509.Certificate) error {
	switch key := certificate.PublicKey.(type) {
	case *rsa.PublicKey:
		if key.N.BitLen() >= 2048 {
			return nil
		}
	case *ecdsa.PublicKey:
		if key.Curve == elliptic.P256() || key.Curve == elliptic.P384() {
			return nil
		}
	}
	return errors.New("the client certificate's key is not one that API Gateway accepts: use RSA of at least 2048 bits, or ECDSA on P-256 or P-384")
}

// admits reports whether chain, leaf first as the client sent it, verifies against
// this truststore now.
func (t *truststore) admits(chain []*x509.Certificate) error {
	if len(chain) == 0 {
		return errors.New("the client sent no certificate")
	}
	intermediates := x509.NewCertPool()
	for _, certificate := range chain[1:] {
		intermediates.AddCert(certificate)
	}
	chains, err := chain[0].Verify(x509.VerifyOptions{
		Roots:         t.roots,
		Intermediates: intermediates,
		CurrentTime:   t.tls.Time(),
		KeyUsages:     []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
	})
	if err != nil {
		return err
	}
	return checkChains(chain[0], chains)
}

// conn is an accepted connection that remembers which truststore verified it.
type conn struct {
	net.Conn
	generation atomic.Uint64
}

// listener hands out [conn]s.
type listener struct{ net.Listener }

func (l listener) Accept() (net.Conn, error) {
	accepted, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return &conn{Conn: accepted}, nil
}

// configForClient picks the truststore of the moment for one handshake and notes
// it on the connection, so that a change in mid-handshake is not missed.
func (g *Gateway) configForClient(hello *tls.ClientHelloInfo) (*tls.Config, error) {
	state := g.trust.Load()
	if c, ok := hello.Conn.(*conn); ok {
		c.generation.Store(state.generation)
	}
	return state.tls, nil
}

// SetTruststore replaces the CAs that clients are verified against. Connections
// made from now on are verified against the new ones; tickets of earlier sessions
// no longer resume. A request that still comes over an earlier connection is
// answered 403 unless its certificate verifies now, and ends that connection.
// An error leaves the former truststore in place.
func (g *Gateway) SetTruststore(certificates []*x509.Certificate) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	state, err := newTruststore(&g.cfg, g.trust.Load().generation+1, certificates)
	if err != nil {
		return err
	}
	g.trust.Store(state)
	return nil
}

// generationOf returns the generation that verified a connection of the server.
func generationOf(c net.Conn) uint64 {
	if secured, ok := c.(*tls.Conn); ok {
		if tracked, ok := secured.NetConn().(*conn); ok {
			return tracked.generation.Load()
		}
	}
	return 0
}
