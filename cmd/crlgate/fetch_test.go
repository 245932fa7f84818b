package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestFetchToAFile downloads one URL, with no bucket at all.
func TestFetchToAFile(t *testing.T) {
	crl, err := os.ReadFile("../../events/pki/crls/partner-a.crl")
	if err != nil {
		t.Fatal(err)
	}
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/page" {
			_, _ = w.Write([]byte("<html>"))
			return
		}
		_, _ = w.Write(crl)
	}))
	t.Cleanup(s.Close)
	dir := t.TempDir()
	file := filepath.Join(dir, "a.crl")
	run := func(args ...string) (string, error) {
		cmd := root()
		var out bytes.Buffer
		cmd.SetOut(&out)
		cmd.SetErr(&bytes.Buffer{})
		cmd.SetArgs(append([]string{"fetch"}, args...))
		err := cmd.ExecuteContext(t.Context())
		return out.String(), err
	}
	out, err := run("--url", s.URL+"/ca.crl", "--output", file, "--allow-host", "127.0.0.1")
	if err != nil || !strings.Contains(out, "fetched") || !strings.Contains(out, "CRL number") {
		t.Errorf("%q, %v", out, err)
	}
	if got, err := os.ReadFile(file); err != nil || !bytes.Equal(got, crl) {
		t.Errorf("%d bytes, %v", len(got), err)
	}
	// Not allowed, and no CRL: the answer is no, and the file stays.
	for args, code := range map[string]string{s.URL + "/ca.crl": "address_refused", s.URL + "/page --allow-host 127.0.0.1": "not_a_crl"} {
		out, err := run(strings.Fields("--json --output " + file + " --url " + args)...)
		var answer map[string]any
		if !errors.Is(err, errNo) || json.Unmarshal([]byte(out), &answer) != nil || answer["code"] != code || answer["detail"] == "" {
			t.Errorf("%s: %q, %v", args, out, err)
		}
	}
	if got, err := os.ReadFile(file); err != nil || !bytes.Equal(got, crl) {
		t.Errorf("the file was touched: %v", err)
	}
	if entries, err := os.ReadDir(dir); err != nil || len(entries) != 1 {
		t.Errorf("left are %v, %v", entries, err)
	}
	for _, args := range []string{"--output x", "--output x --url http://h/ --ca a", "--output x --url http://h/ --max-bytes 0", "--output x --url http://h/ --timeout 0s"} {
		if _, err := run(strings.Fields(args)...); err == nil || errors.Is(err, errNo) || !strings.Contains(err.Error(), "crlgate fetch --help") {
			t.Errorf("%s: %v", args, err)
		}
	}
}
