package main

import (
	"encoding/json"
	"math/big"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/crlgate/crlgate/internal/pki"
)

// TestEmergencies drives deny and allow as somebody does at night, against the
// function binaries and the gateways of every form: what is denied stays out, what
// is allowed comes in, revoked certificates excepted, and both end.
func TestEmergencies(t *testing.T) {
	s := newServed(t)
	good, bad, revoked := s.leaf(), s.leaf(), s.leaf()
	s.write("issuers/a.pem", s.ca.PEM())
	s.start()
	s.answers(good, 403) // the CA has no CRL yet

	s.change("allow", "a", "--until", "1h", "--reason", "the CA is down")
	s.answers(good, 200)
	s.answers(bad, 200)

	serial := "0x" + bad.Certificate.SerialNumber.Text(16)
	s.change("deny", "a", serial, "--reason", "stolen")
	s.answers(bad, 403) // allow lets in all but hits
	s.answers(good, 200)
	s.crl(1, revoked)
	s.answers(revoked, 403)
	s.answers(good, 200)

	s.change("allow", "a", "--end")
	s.explained(good, 0, "good")
	s.answers(good, 200) // there is a CRL now
	s.explained(bad, 1, "revoked")

	s.change("deny", "a", serial, "--undo")
	s.answers(bad, 200)
	s.explained(bad, 0, "good")
	s.explained(revoked, 1, "revoked")
	s.stop()
}

// TestEmergenciesOfASerialBelowZero: a certificate with such a serial number, which
// some CAs have issued, is denied as any other, and 18 is not −18. TLS in Go takes
// no such certificate, so that the requests are API Gateway's events.
func TestEmergenciesOfASerialBelowZero(t *testing.T) {
	s := newServed(t)
	below, above := s.serial(-0x12), s.serial(0x12)
	s.write("issuers/a.pem", s.ca.PEM())
	s.crl(1)
	s.start()
	s.until("it is let in", func() bool { reason, _ := s.answer(below); return reason == "good" })

	s.change("deny", "a", "--reason", "stolen", "--", "-0x12")
	s.explained(below, 1, "revoked")
	s.invoked(below, 1, "revoked")
	s.explained(above, 0, "good")
	s.invoked(above, 0, "good")

	// As explain tells to take it off, from the certificate and from its number.
	for _, what := range [][]string{{s.file(below.PEM())}, {"--ca", "a", "--serial", "-0x12"}} {
		out, _ := exec.Command("crlgate", append([]string{"explain", "--local", s.dir}, what...)...).Output()
		if !strings.Contains(string(out), "crlgate deny a --undo -- -0x12\n") {
			t.Errorf("explain %q does not say how to take it off:\n%s", what, out)
		}
	}
	s.change("deny", "a", "--undo", "--", "-0x12")
	s.invoked(below, 0, "good")
	s.change("deny", "a", "dec:-18")
	s.invoked(below, 1, "revoked")
	s.change("deny", "a", "--undo", "--cert", s.file(below.PEM()))
	s.invoked(below, 0, "good")
	s.crlOf(2, big.NewInt(-0x12))
	s.until("its CRL counts", func() bool { reason, _ := s.answer(below); return reason == "revoked" })
	s.invoked(above, 0, "good")
	s.stop()
}

func (s *served) serial(n int64) *pki.Leaf {
	s.t.Helper()
	leaf, err := s.ca.Issue(pki.LeafOptions{Serial: big.NewInt(n)})
	if err != nil {
		s.t.Fatal(err)
	}
	return leaf
}

// file writes a file and returns its path.
func (s *served) file(data []byte) string {
	s.t.Helper()
	name := filepath.Join(s.t.TempDir(), "client.pem")
	if err := os.WriteFile(name, data, 0o600); err != nil {
		s.t.Fatal(err)
	}
	return name
}

// answer returns the authorizer's reason for a REST API's event with a
// certificate, and the exit code.
func (s *served) answer(leaf *pki.Leaf) (reason string, exit int) {
	s.t.Helper()
	event, err := json.Marshal(map[string]any{
		"type": "REQUEST", "methodArn": "arn:aws:execute-api:eu-west-1:111122223333:a1b2c3d4e5/prod/GET/orders",
		"requestContext": map[string]any{"identity": map[string]any{"clientCert": map[string]any{"clientCertPem": string(leaf.PEM())}}},
	})
	if err != nil {
		s.t.Fatal(err)
	}
	cmd := exec.Command("crlgate", "invoke", s.file(event), "--local", s.dir)
	out, _ := cmd.Output() // the exit code is looked at by the caller
	var r struct {
		Context struct{ Reason string }
	}
	if err := json.Unmarshal(out, &r); err != nil {
		s.t.Fatalf("invoke says %s: %v", out, err)
	}
	return r.Context.Reason, cmd.ProcessState.ExitCode()
}

// invoked asks the authorizer about an event with a certificate.
func (s *served) invoked(leaf *pki.Leaf, exit int, reason string) {
	s.t.Helper()
	if got, code := s.answer(leaf); got != reason || code != exit {
		s.t.Errorf("invoke says %q with exit code %d, want %q and %d", got, code, reason, exit)
	}
}

func (s *served) leaf() *pki.Leaf {
	s.t.Helper()
	leaf, err := s.ca.Issue(pki.LeafOptions{})
	if err != nil {
		s.t.Fatal(err)
	}
	return leaf
}

// change runs deny or allow, which must take effect.
func (s *served) change(args ...string) {
	s.t.Helper()
	began := time.Now()
	cmd := exec.Command("crlgate", append([]string{args[0], "--local", s.dir, "--yes", "--json", "--by", "tester"}, args[1:]...)...)
	out, err := cmd.Output()
	if err != nil {
		s.t.Fatalf("crlgate %q: %v, %s", args, err, out)
	}
	var c changed
	if err := json.Unmarshal(out, &c); err != nil || !c.Written || c.HoldsFrom.Before(began) {
		s.t.Fatalf("crlgate %q says %s (%v)", args, out, err)
	}
}

// explained runs explain on a certificate.
func (s *served) explained(leaf *pki.Leaf, exit int, reason string) {
	s.t.Helper()
	cmd := exec.Command("crlgate", "explain", s.file(leaf.PEM()), "--local", s.dir, "--json")
	out, _ := cmd.Output() // the exit code is looked at below
	var r struct {
		Verdict struct{ Reason string }
	}
	if err := json.Unmarshal(out, &r); err != nil || r.Verdict.Reason != reason || cmd.ProcessState.ExitCode() != exit {
		s.t.Errorf("explain says %q with exit code %d, want %q and %d (%v)", r.Verdict.Reason, cmd.ProcessState.ExitCode(), reason, exit, err)
	}
}
