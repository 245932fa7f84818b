//go:build browser

package browser

import (
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/crlgate/crlgate/cmd/crlgate/internal/proctest"
	"github.com/crlgate/crlgate/cmd/crlgate/internal/target"
	"github.com/crlgate/crlgate/internal/pki"
)

// waitAtMost bounds everything that is waited for here.
const waitAtMost = 90 * time.Second

// world is a folder with CAs that a local stack serves, and clients.
type world struct {
	t     *testing.T
	dir   string
	cas   map[string]*pki.CA
	stack *proctest.Process
	state target.State
}

// run starts crlgate, and has the test end it.
func run(t *testing.T, args ...string) *proctest.Process {
	t.Helper()
	return proctest.Start(t, exec.Command(os.Getenv("CRLGATE_BIN"), args...)) // the crlgate under test
}

// stop ends a crlgate as Ctrl-C does.
func stop(t *testing.T, p *proctest.Process) {
	t.Helper()
	if err := p.Stop(os.Interrupt); err != nil {
		t.Errorf("it ended with %v, want exit code 0", err)
	}
}

func until(t *testing.T, what string, done func() bool) {
	t.Helper()
	for deadline := time.Now().Add(waitAtMost); !done(); time.Sleep(50 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("waited in vain until %s", what)
		}
	}
}

func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{t: t, dir: t.TempDir(), cas: map[string]*pki.CA{}}
	for _, name := range []string{"partners", "fleet", "payments", "edge", "sensors", "kiosks"} {
		ca, err := pki.NewCA(pki.CAOptions{Name: pkix.Name{Organization: []string{"Example"}, CommonName: name + " issuing CA"}})
		if err != nil {
			t.Fatal(err)
		}
		w.cas[name] = ca
		w.write("issuers/"+name+".pem", ca.PEM())
	}
	w.write("issuers/kiosks.json", []byte(`{"mode":"observe"}`))
	w.stack = run(t, "local", w.dir, "--rest-port=0", "--http1-port=0", "--http2-port=0", "--authorizer", "REVALIDATE_AFTER=300ms")
	until(t, "the local stack serves", func() bool {
		data, err := os.ReadFile(filepath.Join(w.dir, target.StateFolder, "local.json"))
		return err == nil && json.Unmarshal(data, &w.state) == nil
	})
	return w
}

// write puts a file into the folder, whole.
func (w *world) write(name string, data []byte) {
	w.t.Helper()
	p := filepath.Join(w.dir, name)
	if err := os.MkdirAll(filepath.Dir(p), 0o700); err != nil {
		w.t.Fatal(err)
	}
	if err := os.WriteFile(p, data, 0o600); err != nil {
		w.t.Fatal(err)
	}
}

// edition is one CRL to publish.
type edition struct {
	number      int64
	age, left   time.Duration
	entries     int
	also        *pki.Leaf // revoked, beside the entries
	notYetInUse bool      // not waited for
}

// crl makes a CRL of a CA.
func (w *world) crl(ca *pki.CA, e edition) []byte {
	w.t.Helper()
	now := time.Now()
	o := pki.CRLOptions{Number: big.NewInt(e.number), ThisUpdate: now.Add(-e.age), NextUpdate: now.Add(e.left)}
	for i := range e.entries {
		o.Entries = append(o.Entries, pki.Entry{Serial: big.NewInt(int64(1000 + i)), Date: now.Add(-e.age)})
	}
	if e.also != nil {
		o.Entries = append(o.Entries, pki.Entry{Serial: e.also.Certificate.SerialNumber, Date: now.Add(-e.age), Reason: pki.KeyCompromise})
	}
	data, err := ca.CRL(o)
	if err != nil {
		w.t.Fatal(err)
	}
	return data
}

// publish puts CRLs of a CA into the folder, one after the other, each when the one
// before is in force.
func (w *world) publish(name string, editions ...edition) {
	w.t.Helper()
	for _, e := range editions {
		w.write("crls/"+name+".crl", w.crl(w.cas[name], e))
		if e.notYetInUse {
			continue
		}
		// Of this CA, or, where the stack saw it twice, already.
		want := fmt.Sprintf("accepted  crls/%s.crl  CRL number %d ", name, e.number)
		until(w.t, want, func() bool { return strings.Contains(w.stack.Output.String(), want) })
	}
}

func (w *world) issue(ca, name string) *pki.Leaf {
	w.t.Helper()
	leaf, err := w.cas[ca].Issue(pki.LeafOptions{Subject: pkix.Name{Organization: []string{"Example"}, CommonName: name}})
	if err != nil {
		w.t.Fatal(err)
	}
	return leaf
}

// request sends one request, and returns the status of the answer.
func (w *world) request(form string, leaf *pki.Leaf, path string) (int, error) {
	ca, err := os.ReadFile(w.state.ServerCA)
	if err != nil {
		return 0, err
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(ca)
	address := w.state.Gateways[form]
	_, port, _ := net.SplitHostPort(address)
	transport := &http.Transport{
		TLSClientConfig:   &tls.Config{RootCAs: roots, Certificates: []tls.Certificate{leaf.TLSCertificate()}, ServerName: w.state.Domain},
		DisableKeepAlives: true,
	}
	defer transport.CloseIdleConnections()
	req, err := http.NewRequest(http.MethodGet, "https://127.0.0.1:"+port+path, nil)
	if err != nil {
		return 0, err
	}
	req.Host = w.state.Domain
	resp, err := (&http.Client{Transport: transport, Timeout: 30 * time.Second}).Do(req)
	if err != nil {
		return 0, err
	}
	defer resp.Body.Close()
	_, err = io.Copy(io.Discard, resp.Body)
	return resp.StatusCode, err
}

// answers sends requests until one is answered with a status.
func (w *world) answers(form string, leaf *pki.Leaf, path string, want int) {
	w.t.Helper()
	until(w.t, fmt.Sprintf("a client gets %d", want), func() bool {
		got, err := w.request(form, leaf, path)
		return err == nil && got == want
	})
}
