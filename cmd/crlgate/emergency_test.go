package main

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
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
	cmd := exec.Command("crlgate", append(args, "--local", s.dir, "--yes", "--json", "--by", "tester")...)
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
	file := filepath.Join(s.t.TempDir(), "client.pem")
	if err := os.WriteFile(file, leaf.PEM(), 0o600); err != nil {
		s.t.Fatal(err)
	}
	cmd := exec.Command("crlgate", "explain", file, "--local", s.dir, "--json")
	out, _ := cmd.Output() // the exit code is looked at below
	var r struct {
		Verdict struct{ Reason string }
	}
	if err := json.Unmarshal(out, &r); err != nil || r.Verdict.Reason != reason || cmd.ProcessState.ExitCode() != exit {
		s.t.Errorf("explain says %q with exit code %d, want %q and %d (%v)", r.Verdict.Reason, cmd.ProcessState.ExitCode(), reason, exit, err)
	}
}
