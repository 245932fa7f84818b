package gateway_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/crlgate/crlgate/cmd/crlgate/internal/gateway"
	"github.com/crlgate/crlgate/internal/pki"
	"github.com/crlgate/crlgate/internal/pki/pkitest"
)

// patience bounds every wait of these tests.
const patience = 20 * time.Second

// world is the PKI of one test.
type world struct {
	ca     *pki.CA
	client *pki.Leaf
	server *pki.Leaf
	serves *pki.CA // issued server
}

// clientSubject has one attribute of each kind that a usual subject has, in the
// usual order of encoding.
var clientSubject = pkix.Name{Country: []string{"US"}, Organization: []string{"Example, Inc."}, CommonName: "client one"}

func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{
		ca:     pkitest.CA(t, pki.CAOptions{Name: pkix.Name{Country: []string{"US"}, CommonName: "Partner A"}}),
		serves: pkitest.CA(t, pki.CAOptions{Name: pkix.Name{CommonName: "Servers"}}),
	}
	w.client = pkitest.Leaf(t, w.ca, pki.LeafOptions{Subject: clientSubject, Serial: big.NewInt(0xa1b2)})
	w.server = pkitest.Leaf(t, w.serves, pki.LeafOptions{
		Subject: pkix.Name{CommonName: "api.example.com"}, Server: true,
		DNSNames: []string{"api.example.com"}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
	})
	return w
}

// authorizer is a scripted authorizer, which injects any answer or fault and keeps
// the events it got.
type authorizer struct {
	mu     sync.Mutex
	events [][]byte
	answer func(ctx context.Context, event []byte) ([]byte, string, error)
}

func (a *authorizer) Invoke(ctx context.Context, payload []byte) ([]byte, string, error) {
	a.mu.Lock()
	a.events = append(a.events, payload)
	answer := a.answer
	a.mu.Unlock()
	return answer(ctx, payload)
}

// calls returns how often it was invoked.
func (a *authorizer) calls() int {
	a.mu.Lock()
	defer a.mu.Unlock()
	return len(a.events)
}

// lastEvent decodes the last event into v.
func (a *authorizer) lastEvent(t *testing.T, v any) {
	t.Helper()
	a.mu.Lock()
	defer a.mu.Unlock()
	if len(a.events) == 0 {
		t.Fatal("the authorizer was not invoked")
	}
	if err := json.Unmarshal(a.events[len(a.events)-1], v); err != nil {
		t.Fatalf("decoding the event: %v", err)
	}
}

// always answers the same.
func always(response string) *authorizer {
	return &authorizer{answer: func(context.Context, []byte) ([]byte, string, error) { return []byte(response), "", nil }}
}

// policy is an answer with one statement.
func policy(effect, resource string) string {
	return fmt.Sprintf(`{"principalId":"client one","policyDocument":{"Version":"2012-10-17","Statement":[{"Effect":%q,"Action":"execute-api:Invoke","Resource":%q}]},`+
		`"context":{"decision":%q,"reason":"good"}}`, effect, resource, strings.ToLower(effect))
}

// fixture is a gateway at work.
type fixture struct {
	*gateway.Gateway
	world   *world
	records chan gateway.Record
}

// config is the usual configuration: mutual TLS, echo upstream.
func (w *world) config(form gateway.Form, authorizer gateway.Authorizer) gateway.Config {
	return gateway.Config{
		Form: form, Authorizer: authorizer, Upstream: gateway.Echo(),
		DomainName: "api.example.com", APIID: "abcdef123", Region: "eu-west-1", AccountID: "111122223333",
		ServerCertificate:        w.server.TLSCertificate(),
		RequireClientCertificate: true,
		Truststore:               []*x509.Certificate{w.ca.Certificate},
	}
}

// start runs a gateway until the test ends.
func (w *world) start(t *testing.T, cfg gateway.Config) *fixture {
	t.Helper()
	f := &fixture{world: w, records: make(chan gateway.Record, 1000)}
	cfg.AccessLog = func(r gateway.Record) { f.records <- r }
	g, err := gateway.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	f.Gateway = g
	if err := g.Listen("127.0.0.1:0"); err != nil {
		t.Fatal(err)
	}
	served := make(chan error, 1)
	go func() { served <- g.Serve() }()
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		if err := g.Close(ctx); err != nil {
			t.Error(err)
		}
		if err := <-served; err != nil {
			t.Error(err)
		}
	})
	return f
}

// record waits for the next access log record.
func (f *fixture) record(t *testing.T) gateway.Record {
	t.Helper()
	select {
	case r := <-f.records:
		return r
	case <-time.After(patience):
		t.Fatal("no access log record came")
		return gateway.Record{}
	}
}

// url is the address of a path at the gateway.
func (f *fixture) url(path string) string { return "https://" + f.Addr().String() + path }

// tlsConfig is that of a client with this certificate, or without for nil.
func (w *world) tlsConfig(leaf *pki.Leaf) *tls.Config {
	cfg := &tls.Config{RootCAs: w.serves.Pool(), ServerName: "api.example.com"}
	if leaf != nil {
		certificate := leaf.TLSCertificate()
		// Sent whatever CAs the server names: it is the server that must refuse.
		cfg.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return &certificate, nil }
	}
	return cfg
}

// client makes an HTTP client, HTTP/2 where the server offers it unless http1 is set.
func client(t *testing.T, cfg *tls.Config, http1 bool) *http.Client {
	t.Helper()
	transport := &http.Transport{TLSClientConfig: cfg, ForceAttemptHTTP2: !http1}
	t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport, Timeout: patience}
}

// client is the usual client, with the world's certificate, over HTTP/1.1.
func (f *fixture) client(t *testing.T) *http.Client {
	t.Helper()
	return client(t, f.world.tlsConfig(f.world.client), true)
}

// get fetches a path and returns the response with its body read.
func get(t *testing.T, c *http.Client, url string) (*http.Response, string) {
	t.Helper()
	request, err := http.NewRequest(http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	return do(t, c, request)
}

func do(t *testing.T, c *http.Client, request *http.Request) (*http.Response, string) {
	t.Helper()
	response, err := c.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = response.Body.Close() }()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return response, string(body)
}

func equal[T comparable](t *testing.T, what string, got, want T) {
	t.Helper()
	if got != want {
		t.Errorf("%s is %v, want %v", what, got, want)
	}
}
