package main

import (
	"maps"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"github.com/crlgate/crlgate/internal/pki"
)

// TestLocalFromTemplate serves a folder by a synthesized template: its buckets, its
// domain, and the forms of its APIs.
func TestLocalFromTemplate(t *testing.T) {
	const path = "../../infra/testdata/example.template.json"
	s := newServed(t)
	good, err := s.ca.Issue(pki.LeafOptions{})
	if err != nil {
		t.Fatal(err)
	}
	revoked, err := s.ca.Issue(pki.LeafOptions{})
	if err != nil {
		t.Fatal(err)
	}
	s.write("issuers/a.pem", s.ca.PEM())
	s.crl(1, revoked)
	s.start("--from-template", path)
	if got := slices.Sorted(maps.Keys(s.state.Gateways)); !slices.Equal(got, []string{"http-2.0", "rest"}) {
		t.Errorf("gateways %v, want those of the template's APIs", got)
	}
	if s.state.Domain != "api.example.com" || !strings.HasPrefix(s.state.UploadBucket, "crlgate-uploads-") || s.state.CacheBucket == "crlgate-cache" {
		t.Errorf("domain %s, buckets %s and %s, want the template's", s.state.Domain, s.state.UploadBucket, s.state.CacheBucket)
	}
	if got := s.state.Authorizer; len(got) != 1 || got["REVALIDATE_AFTER"] != "500ms" {
		t.Errorf("settings %v, want those that were given", got)
	}
	s.answers(good, 200)
	s.answers(revoked, 403)
	s.stop()
}

// TestLocalRefusesTemplates that it cannot run by.
func TestLocalRefusesTemplates(t *testing.T) {
	for path, says := range map[string]string{
		"../../go.mod": "no CloudFormation template in JSON",
		"../../infra/gate/testdata/full.template.json": "give a template of the default prefixes",
	} {
		cmd := exec.Command("crlgate", "local", t.TempDir(), "--from-template", path)
		out, err := cmd.CombinedOutput()
		if err == nil || cmd.ProcessState.ExitCode() != 2 || !strings.Contains(string(out), says) {
			t.Errorf("%s: %v, %s; want exit code 2 and %q", path, err, out, says)
		}
	}
}
