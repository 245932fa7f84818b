package local

import (
	"bytes"
	"context"
	"maps"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/crlgate/crlgate/cmd/crlgate/internal/gateway"
	"github.com/crlgate/crlgate/cmd/crlgate/internal/lambdaruntime"
	"github.com/crlgate/crlgate/cmd/crlgate/internal/target"
	"github.com/crlgate/crlgate/pkg/objectstore/objectstoretest"
)

func TestRequestLine(t *testing.T) {
	at := time.Date(2026, 1, 2, 3, 4, 5, 6e6, time.Local)
	for want, r := range map[string]gateway.Record{
		"03:04:05.006  rest      GET /a%20b  403  deny revoked  CA a  serial 0a1b  1.2ms\n": {
			Form: gateway.REST, Method: "GET", Path: "/a%20b", Status: 403, Decision: "deny", Reason: "revoked", CertificateSerial: "a1b",
			Context: map[string]any{"ca": "a", "serial": "0a1b"}, Latency: 1234 * time.Microsecond,
		},
		"03:04:05.006  http-2.0  POST /  200  allow no_crl (would deny)  CA a  0s\n": {
			Form: gateway.HTTP2, Method: "POST", Path: "/", Status: 200, Decision: "allow", Reason: "no_crl",
			Context: map[string]any{"ca": "a", "would_deny": "true"},
		},
		"03:04:05.006  http-1.0  GET /  500  not decided  serial ff  (the authorizer failed)  (resumed TLS session)  0s\n": {
			Form: gateway.HTTP1, Method: "GET", Path: "/", Status: 500, CertificateSerial: "ff", Detail: "the authorizer failed", Resumed: true,
		},
	} {
		var out bytes.Buffer
		r.Time = at
		newPrinter(&out, &bytes.Buffer{}).request(r)
		if out.String() != want {
			t.Errorf("got  %qwant %q", out.String(), want)
		}
	}
}

// TestCurlLineSurvivesTheShell has a shell split the line, from a folder whose
// name needs quotes.
func TestCurlLineSurvivesTheShell(t *testing.T) {
	ca := filepath.Join(t.TempDir(), "it's a $(folder)", "ca.pem")
	s := &target.State{Domain: "api.local.test", ServerCA: ca, Gateways: map[string]string{"rest": "127.0.0.1:8443"}}
	line := curl(s, gateway.REST)
	out, err := exec.Command("sh", "-c", `curl() { printf '%s\n' "$@"; }; `+line).CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	want := "--cacert\n" + ca + "\n--cert\nclient.pem\n--key\nclient.key\n--resolve\napi.local.test:8443:127.0.0.1\nhttps://api.local.test:8443/\n"
	if string(out) != want {
		t.Errorf("%s\nbecame\n%swant\n%s", line, out, want)
	}
	if plain := quoted("/home/me/pki/.crlgate/server-ca.pem"); strings.Contains(plain, "'") {
		t.Errorf("quotes where none are needed: %s", plain)
	}
}

func TestFunctionLogShowsWhatMatters(t *testing.T) {
	for text, want := range map[string]bool{
		`{"level":"INFO","msg":"x"}`: false, `{"level":"WARN","msg":"deny"}`: false, `{"_aws":{}}`: false, `  `: false,
		`{"level":"ERROR","msg":"x"}`: true, "authorizer: MODE is wrong": true, "panic: x": true,
	} {
		if got := important(lambdaruntime.LogLine{Text: text}); got != want {
			t.Errorf("%s: %v, want %v", text, got, want)
		}
	}
	for text, want := range map[string]bool{
		"START RequestId: x": false, "END RequestId: x": false, "REPORT RequestId: x": false, "RequestId: x Error: exit status 2 Runtime.ExitError": true,
	} {
		if got := important(lambdaruntime.LogLine{Platform: true, Text: text}); got != want {
			t.Errorf("%s: %v, want %v", text, got, want)
		}
	}
}

func TestReportsAreNewsOnce(t *testing.T) {
	b := objectstoretest.NewBucket()
	r := &reports{cache: b, seen: map[string]gist{}}
	store := func(key, etag, outcome, at string) {
		b.Store("reports/"+key+".json", []byte(`{"key":"`+key+`","etag":"`+etag+`","outcome":"`+outcome+`","code":"`+outcome+`","at":"`+at+`"}`))
	}
	expect := func(want string) {
		t.Helper()
		news, err := r.news(context.Background())
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, n := range news {
			got = append(got, n.Key+" "+string(n.Outcome))
		}
		if strings.Join(got, ", ") != want {
			t.Errorf("news are %q, want %q", got, want)
		}
	}
	store("crls/old", "1", "deleted", "2026-01-01T00:00:00Z")
	store("crls/a", "1", "accepted", "2026-01-01T00:00:01Z")
	store("issuers/a.pem", "1", "accepted", "2026-01-01T00:00:01Z")
	expect("issuers/a.pem accepted, crls/a accepted")
	store("crls/a", "1", "accepted", "2026-01-01T00:00:02Z") // looked at again
	expect("")
	r.await("crls/a", "1")
	if key, _ := r.waiting(); key != "" {
		t.Error("waits for a report on bytes that it knows")
	}
	r.await("crls/a", "2")
	if key, _ := r.waiting(); key != "crls/a" {
		t.Error("does not wait for a report on new bytes")
	}
	store("crls/a", "2", "refused", "2026-01-01T00:00:03Z")
	expect("crls/a refused")
	if key, _ := r.waiting(); key != "" {
		t.Error("waits for a report that has come")
	}
	store("crls/a", "", "deleted", "2026-01-01T00:00:04Z")
	expect("crls/a deleted")
}

// TestKnownSettings compares the settings that may be set here with those that
// the functions read.
func TestKnownSettings(t *testing.T) {
	own := map[string]bool{"CACHE_BUCKET": true, "UPLOAD_BUCKET": true, "ISSUER_PREFIX": true, "CRL_PREFIXES": true, "FETCH_PREFIX": true, "STATE_PREFIX": true}
	name := regexp.MustCompile(`r\.[A-Z][A-Za-z]*\("([A-Z0-9_]+)"`)
	for function, known := range KnownSettings {
		source, err := os.ReadFile(filepath.Join("../../../../functions", function, "config.go"))
		if err != nil {
			t.Fatal(err)
		}
		read := map[string]bool{}
		for _, m := range name.FindAllStringSubmatch(string(source), -1) {
			if n := m[1]; !own[n] && !strings.HasPrefix(n, "AWS_") {
				read[n] = true
			}
		}
		for _, n := range known {
			if !read[n] {
				t.Errorf("the %s does not read %s", function, n)
			}
			delete(read, n)
		}
		for n := range read {
			t.Errorf("the %s reads %s, which cannot be set", function, n)
		}
		if err := CheckSettings(function, map[string]string{known[0]: "x", "NO_SUCH": "y"}); err == nil || !strings.Contains(err.Error(), "NO_SUCH") || strings.Contains(err.Error(), "setting "+known[0]) {
			t.Errorf("CheckSettings: %v", err)
		}
	}
}

func TestPorts(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	port := taken.Addr().(*net.TCPAddr).Port
	old := PreferredPorts
	defer func() { PreferredPorts = old }()
	PreferredPorts = map[gateway.Form]int{gateway.REST: port, gateway.HTTP1: port, gateway.HTTP2: port}
	l := &local{Config: Config{Ports: map[gateway.Form]int{gateway.HTTP1: 4711, gateway.HTTP2: -1}}}
	if got, want := l.ports(), (map[gateway.Form]int{gateway.HTTP1: 4711}); !maps.Equal(got, want) {
		t.Errorf("ports %v, want %v: the preferred one is in use", got, want)
	}
	if err := taken.Close(); err != nil {
		t.Fatal(err)
	}
	if got := l.ports()[gateway.REST]; got != port {
		t.Errorf("port %d, want the preferred one, which is free", got)
	}
}
