package main

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/crlgate/crlgate/cmd/crlgate/internal/proctest"
	"github.com/crlgate/crlgate/cmd/crlgate/internal/target"
	"github.com/crlgate/crlgate/internal/pki"
)

// waitAtMost bounds everything that a test waits for.
const waitAtMost = 60 * time.Second

// served is a folder that "crlgate local", a process of its own, serves.
type served struct {
	t   *testing.T
	dir string
	ca  *pki.CA

	process *proctest.Process
	state   *target.State
}

func newServed(t *testing.T) *served {
	t.Helper()
	ca, err := pki.NewCA(pki.CAOptions{Name: pkix.Name{CommonName: "a"}})
	if err != nil {
		t.Fatal(err)
	}
	return &served{t: t, dir: t.TempDir(), ca: ca}
}

func (s *served) write(name string, data []byte) {
	s.t.Helper()
	p := filepath.Join(s.dir, name)
	if err := os.MkdirAll(filepath.Dir(p), 0o700); err != nil {
		s.t.Fatal(err)
	}
	if err := os.WriteFile(p, data, 0o600); err != nil {
		s.t.Fatal(err)
	}
}

// crl writes the CRL of a number.
func (s *served) crl(number int64, revoked ...*pki.Leaf) {
	s.t.Helper()
	var serials []*big.Int
	for _, leaf := range revoked {
		serials = append(serials, leaf.Certificate.SerialNumber)
	}
	s.crlOf(number, serials...)
}

// crlOf writes the CRL of a number that lists serial numbers.
func (s *served) crlOf(number int64, serials ...*big.Int) {
	s.t.Helper()
	o := pki.CRLOptions{Number: big.NewInt(number), ThisUpdate: time.Now(), NextUpdate: time.Now().Add(time.Hour)}
	for _, serial := range serials {
		o.Entries = append(o.Entries, pki.Entry{Serial: serial, Date: time.Now()})
	}
	data, err := s.ca.CRL(o)
	if err != nil {
		s.t.Fatal(err)
	}
	s.write("crls/a.crl", data)
}

func (s *served) start(args ...string) {
	s.t.Helper()
	args = append([]string{"local", s.dir, "--rest-port=0", "--http1-port=0", "--http2-port=0", "--authorizer", "REVALIDATE_AFTER=500ms"}, args...)
	s.process = proctest.Start(s.t, exec.Command("crlgate", args...))
	s.until("it serves", func() bool {
		data, err := os.ReadFile(filepath.Join(s.dir, target.StateFolder, "local.json"))
		return err == nil && json.Unmarshal(data, &s.state) == nil && s.state.PID == s.process.PID()
	})
}

// stop ends it as Ctrl-C does, and sees that nothing is left.
func (s *served) stop() {
	s.t.Helper()
	children := childrenOf(s.process.PID())
	if _, err := os.Stat("/proc/self/stat"); err == nil && len(children) < 2 {
		s.t.Errorf("it has the children %v; where are the S3 server and the functions?", children)
	}
	if err := s.process.Stop(os.Interrupt); err != nil {
		s.t.Errorf("it ended with %v, want exit code 0", err)
	}
	for _, pid := range children {
		if err := syscall.Kill(pid, 0); err == nil {
			s.t.Errorf("its child %d still runs", pid)
		}
	}
	endpoint, err := url.Parse(s.state.Endpoint)
	if err != nil {
		s.t.Fatal(err)
	}
	for _, address := range slices.AppendSeq([]string{endpoint.Host}, maps.Values(s.state.Gateways)) {
		if c, err := net.Dial("tcp", address); err == nil {
			c.Close()
			s.t.Errorf("%s still listens", address)
		}
	}
	for _, name := range []string{"local.json", "server-ca.pem"} {
		if _, err := os.Stat(filepath.Join(s.dir, target.StateFolder, name)); !os.IsNotExist(err) {
			s.t.Errorf("%s is left (%v)", name, err)
		}
	}
}

// childrenOf lists a process's children, as far as the system tells.
func childrenOf(pid int) []int {
	var out []int
	files, _ := filepath.Glob("/proc/[0-9]*/stat")
	for _, f := range files {
		data, err := os.ReadFile(f)
		if err != nil {
			continue
		}
		var child, parent int
		var state string
		_, rest, _ := strings.Cut(string(data[bytes.LastIndexByte(data, ')')+1:]), " ")
		if _, err := fmt.Sscan(rest, &state, &parent); err != nil || parent != pid {
			continue
		}
		if _, err := fmt.Sscan(string(data), &child); err == nil {
			out = append(out, child)
		}
	}
	return out
}

func (s *served) until(what string, done func() bool) {
	s.t.Helper()
	for deadline := time.Now().Add(waitAtMost); !done(); time.Sleep(50 * time.Millisecond) {
		if time.Now().After(deadline) {
			s.t.Fatalf("waited in vain until %s", what)
		}
	}
}

// get sends a request as the printed curl line does, and returns the status
// and body; 0 where the connection is refused.
func (s *served) get(form string, leaf *pki.Leaf) (int, string) {
	s.t.Helper()
	ca, err := os.ReadFile(s.state.ServerCA)
	if err != nil {
		s.t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(ca)
	address := s.state.Gateways[form]
	_, port, _ := net.SplitHostPort(address)
	transport := &http.Transport{
		TLSClientConfig: &tls.Config{RootCAs: roots, Certificates: []tls.Certificate{leaf.TLSCertificate()}},
		DialContext: func(ctx context.Context, network, _ string) (net.Conn, error) {
			return (&net.Dialer{}).DialContext(ctx, network, address)
		},
	}
	defer transport.CloseIdleConnections()
	resp, err := (&http.Client{Transport: transport, Timeout: 30 * time.Second}).Get("https://" + s.state.Domain + ":" + port + "/orders")
	if err != nil {
		return 0, err.Error()
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		s.t.Fatal(err)
	}
	return resp.StatusCode, string(body)
}

// answers waits until requests of every form are answered with a status.
func (s *served) answers(leaf *pki.Leaf, want int) (body string) {
	s.t.Helper()
	for form := range s.state.Gateways {
		got := 0
		s.until(fmt.Sprintf("form %s answers %d", form, want), func() bool {
			got, body = s.get(form, leaf)
			return got == want
		})
	}
	return body
}

func (s *served) printed(text string) {
	s.t.Helper()
	s.until(fmt.Sprintf("it prints %q", text), func() bool { return strings.Contains(s.process.Output.String(), text) })
}

// TestLocal drives "crlgate local" as its user does: files come, change and go
// in the folder, and requests are answered accordingly.
func TestLocal(t *testing.T) {
	upstream := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintf(w, "upstream saw serial %s", r.Header.Get("X-Crlgate-Serial"))
	}))
	defer upstream.Close()
	s := newServed(t)
	var leaves []*pki.Leaf
	for _, name := range []string{"alice", "bob"} {
		leaf, err := s.ca.Issue(pki.LeafOptions{Subject: pkix.Name{CommonName: name}})
		if err != nil {
			t.Fatal(err)
		}
		leaves = append(leaves, leaf)
	}
	alice, bob := leaves[0], leaves[1]

	s.start("--upstream", upstream.URL)
	if len(s.state.Gateways) != 3 {
		t.Errorf("gateways %v, want one of each form", s.state.Gateways)
	}
	s.printed("Made issuers/ and crls/")
	if code, _ := s.get("rest", alice); code != 0 {
		t.Errorf("a client of no CA is answered %d, want a refused handshake", code)
	}
	s.printed("TLS handshake error")
	s.write("issuers/a.pem", s.ca.PEM())
	s.printed("accepted  issuers/a.pem  CA a (")
	s.answers(alice, http.StatusForbidden)
	s.printed("deny no_crl  CA a  serial ")

	s.crl(7, bob)
	s.printed("accepted  crls/a.crl  CRL number 7 of CA a is in force, with 1 entries")
	if body := s.answers(alice, http.StatusOK); !strings.HasPrefix(body, "upstream saw serial ") || strings.HasSuffix(body, " ") {
		t.Errorf("the upstream answered %q", body)
	}
	s.answers(bob, http.StatusForbidden)
	s.printed("GET /orders  403  deny revoked  CA a  serial ")

	s.crl(8, alice, bob)
	s.answers(alice, http.StatusForbidden)

	s.crl(6)
	s.printed("refused   crls/a.crl  number_too_low: ")
	s.write("issuers/a.json", []byte(`{"mode":"observe"}`))
	s.answers(alice, http.StatusOK)
	s.printed("allow revoked (would deny)")
	if err := os.Remove(filepath.Join(s.dir, "issuers/a.json")); err != nil {
		t.Fatal(err)
	}
	s.answers(alice, http.StatusForbidden)
	if err := os.Remove(filepath.Join(s.dir, "issuers/a.pem")); err != nil {
		t.Fatal(err)
	}
	s.printed("deleted   issuers/a.pem")
	s.answers(alice, 0) // the gateways do not trust that CA any more
	s.stop()

	// The buckets, and the CRL number that was reached, outlast the run.
	s.write("issuers/a.pem", s.ca.PEM())
	s.crl(7)
	s.start()
	s.printed("Going on with the buckets of the last run")
	s.printed("refused   crls/a.crl  number_too_low: ")
	s.stop()

	s.start("--fresh")
	s.printed("accepted  crls/a.crl  CRL number 7")
	s.answers(alice, http.StatusOK)
	s.stop()
	if said := s.process.Output.String(); strings.Contains(said, "Going on with") {
		t.Error("--fresh goes on with the old buckets")
	}
}

// TestLocalKilled: what a killed stack leaves behind stops nobody.
func TestLocalKilled(t *testing.T) {
	s := newServed(t)
	s.write("issuers/a.pem", s.ca.PEM())
	s.start()
	children := childrenOf(s.process.PID())
	_ = s.process.Kill()
	for _, pid := range children {
		s.until("its children have ended too", func() bool { return !runs(pid) })
	}
	out, err := exec.Command("crlgate", "status", "--local", s.dir).CombinedOutput()
	if err == nil || !strings.Contains(string(out), "was left behind by process") {
		t.Errorf("status of a dead stack: %v, %s", err, out)
	}
	s.start()
	s.printed("accepted  issuers/a.pem")
	s.stop()
}

// runs reports whether a process runs and is no zombie, which its new parent
// may leave for a while.
func runs(pid int) bool {
	f, err := os.Open(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return false
	}
	defer f.Close()
	for lines := bufio.NewScanner(f); lines.Scan(); {
		if strings.HasPrefix(lines.Text(), "State:") {
			return !strings.Contains(lines.Text(), "Z (")
		}
	}
	return false
}
