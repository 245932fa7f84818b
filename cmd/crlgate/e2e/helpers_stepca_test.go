package e2e

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/crlgate/crlgate/cmd/crlgate/internal/proctest"
	"github.com/crlgate/crlgate/internal/pki"
)

// Provisioners of the step-ca under test: clients issues by the template of
// docs/fetcher.md, plain by step-ca's own.
const (
	stepClients = "clients"
	stepPlain   = "plain"
)

// stepCA is a step-ca process, configured by the snippets of docs/fetcher.md, and a
// client of its API.
type stepCA struct {
	t       testing.TB
	dir     string
	address string // of the API, over TLS
	crlURL  string
	// settings is issuers/step.json as it is documented.
	settings map[string]any
	below    *authority // the intermediate CA that it issues with
	key      *ecdsa.PrivateKey
	client   *http.Client
	process  *proctest.Process // nil while it is stopped
}

// stepSection is the part of docs/fetcher.md about step-ca.
func stepSection(t testing.TB) string {
	t.Helper()
	page := must[[]byte](t, "the page")(os.ReadFile(filepath.Join("..", "..", "..", "docs", "fetcher.md")))
	_, section, ok := strings.Cut(string(page), "\n## step-ca\n")
	if !ok {
		t.Fatal("docs/fetcher.md has no section on step-ca")
	}
	section, _, _ = strings.Cut(section, "\n## ")
	return section
}

// stepSnippet returns the one code block of that section with a word in it.
func stepSnippet(t testing.TB, word string) string {
	t.Helper()
	var found []string
	for i, block := range strings.Split(stepSection(t), "```") {
		if i%2 == 1 && strings.Contains(block, word) {
			_, code, _ := strings.Cut(block, "\n") // the first line names the language
			found = append(found, code)
		}
	}
	if len(found) != 1 {
		t.Fatalf("%d code blocks with %s in the section on step-ca", len(found), word)
	}
	return found[0]
}

// newStepCA starts a step-ca that issues with an intermediate CA.
func newStepCA(t testing.TB, below *authority) *stepCA {
	t.Helper()
	s := &stepCA{t: t, dir: t.TempDir(), below: below, address: fmt.Sprintf("127.0.0.1:%d", s3Port(t))}
	s.key = must[*ecdsa.PrivateKey](t, "the provisioners' key")(ecdsa.GenerateKey(elliptic.P256(), rand.Reader))
	s.client = &http.Client{Timeout: patience, Transport: &http.Transport{DisableKeepAlives: true, TLSClientConfig: &tls.Config{RootCAs: below.Parent.Pool()}}}
	s.configure()
	s.start()
	return s
}

// configure writes what step-ca reads: the documented snippets, with an address on
// this machine, and beside them only what a step-ca has anyway.
func (s *stepCA) configure() {
	s.t.Helper()
	published := fmt.Sprintf("127.0.0.1:%d", s3Port(s.t))
	here := strings.NewReplacer("ca.example.com", published, `":80"`, fmt.Sprintf("%q", published))
	write := func(name string, data []byte) string {
		path := filepath.Join(s.dir, name)
		if err := os.WriteFile(path, data, 0o600); err != nil {
			s.t.Fatal(err)
		}
		return path
	}
	var config map[string]any
	if err := json.Unmarshal([]byte(here.Replace(stepSnippet(s.t, "idpURL"))), &config); err != nil {
		s.t.Fatalf("the snippet of ca.json: %v", err)
	}
	s.crlURL = config["crl"].(map[string]any)["idpURL"].(string)
	if err := json.Unmarshal([]byte(here.Replace(stepSnippet(s.t, "crl_urls"))), &s.settings); err != nil {
		s.t.Fatalf("the snippet of step.json: %v", err)
	}
	template := write("client.tpl", []byte(here.Replace(stepSnippet(s.t, "crlDistributionPoints"))))
	config["root"] = write("root.crt", s.below.Parent.PEM())
	config["crt"] = write("intermediate.crt", s.below.PEM())
	config["key"] = write("intermediate.key", must[[]byte](s.t, "the intermediate's key")(pki.KeyPEM(s.below.Key)))
	config["address"], config["dnsNames"] = s.address, []string{"127.0.0.1"}
	config["db"] = map[string]any{"type": "bbolt", "dataSource": filepath.Join(s.dir, "db")}
	point := must[[]byte](s.t, "the public key")(s.key.PublicKey.Bytes())[1:]
	provisioner := func(name string, options map[string]any) map[string]any {
		return map[string]any{"type": "JWK", "name": name, "options": options, "key": map[string]any{
			"use": "sig", "alg": "ES256", "kty": "EC", "crv": "P-256", "kid": name, "x": base64URL(point[:32]), "y": base64URL(point[32:]),
		}}
	}
	config["authority"] = map[string]any{"provisioners": []any{
		provisioner(stepClients, map[string]any{"x509": map[string]any{"templateFile": template}}),
		provisioner(stepPlain, nil),
	}}
	write("ca.json", must[[]byte](s.t, "ca.json")(json.Marshal(config)))
}

// start starts the process and waits until it answers.
func (s *stepCA) start() {
	s.t.Helper()
	cmd := exec.Command(os.Getenv("CRLGATE_STEP_CA"), filepath.Join(s.dir, "ca.json"))
	cmd.Env = []string{"HOME=" + s.dir, "STEPPATH=" + s.dir, "PATH=" + os.Getenv("PATH")}
	cmd.Dir = s.dir
	s.process = proctest.Start(s.t, cmd)
	s.t.Cleanup(s.stop)
	eventually(s.t, "step-ca to answer", func() bool {
		select {
		case <-s.process.Ended():
			s.t.Fatalf("step-ca has ended: %s", s.process.Output.String())
		default:
		}
		resp, err := s.client.Get("https://" + s.address + "/health")
		if err != nil {
			return false
		}
		_ = resp.Body.Close()
		return resp.StatusCode == http.StatusOK
	})
}

// stop ends the process, if it runs.
func (s *stepCA) stop() {
	if s.process == nil {
		return
	}
	_ = s.process.Stop(syscall.SIGTERM)
	s.process = nil
}

// post calls the API with a one-time token for the subject.
func (s *stepCA) post(path, provisioner, subject string, body map[string]any, answer any) {
	s.t.Helper()
	body["ott"] = s.token(path, provisioner, subject)
	resp, err := s.client.Post("https://"+s.address+path, "application/json", bytes.NewReader(must[[]byte](s.t, "a request")(json.Marshal(body))))
	if err != nil {
		s.t.Fatalf("step-ca, %s: %v", path, err)
	}
	defer resp.Body.Close()
	data := must[[]byte](s.t, "step-ca's answer")(io.ReadAll(io.LimitReader(resp.Body, 1<<20)))
	if resp.StatusCode/100 != 2 {
		s.t.Fatalf("step-ca, %s: %s: %s", path, resp.Status, data)
	}
	if err := json.Unmarshal(data, answer); err != nil {
		s.t.Fatalf("step-ca, %s: %s: %v", path, data, err)
	}
}

// token makes the one-time token (a JWT, RFC 7519, signed as ES256, RFC 7518 §3.4)
// by which a JWK provisioner allows one call.
func (s *stepCA) token(path, provisioner, subject string) string {
	s.t.Helper()
	now := time.Now()
	part := func(v map[string]any) string { return base64URL(must[[]byte](s.t, "a token")(json.Marshal(v))) }
	signed := part(map[string]any{"alg": "ES256", "typ": "JWT", "kid": provisioner}) + "." + part(map[string]any{
		"iss": provisioner, "sub": subject, "aud": "https://127.0.0.1" + path, "jti": rand.Text(),
		"iat": now.Unix(), "nbf": now.Add(-time.Minute).Unix(), "exp": now.Add(5 * time.Minute).Unix(),
	})
	digest := sha256.Sum256([]byte(signed))
	r, v, err := ecdsa.Sign(rand.Reader, s.key, digest[:])
	if err != nil {
		s.t.Fatal(err)
	}
	return signed + "." + base64URL(append(r.FillBytes(make([]byte, 32)), v.FillBytes(make([]byte, 32))...))
}

func base64URL(b []byte) string { return base64.RawURLEncoding.EncodeToString(b) }

// issue has a provisioner issue a client certificate, for a key made here.
func (s *stepCA) issue(provisioner, name string) *pki.Leaf {
	s.t.Helper()
	key := must[*ecdsa.PrivateKey](s.t, "a client's key")(ecdsa.GenerateKey(elliptic.P256(), rand.Reader))
	request := must[[]byte](s.t, "a request")(x509.CreateCertificateRequest(rand.Reader,
		&x509.CertificateRequest{Subject: pkix.Name{CommonName: name}, DNSNames: []string{name}}, key))
	var answer struct {
		Certificate string `json:"crt"`
	}
	s.post("/1.0/sign", provisioner, name, map[string]any{
		"csr": string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE REQUEST", Bytes: request})),
	}, &answer)
	block, _ := pem.Decode([]byte(answer.Certificate))
	if block == nil {
		s.t.Fatalf("step-ca issued no certificate: %s", answer.Certificate)
	}
	cert := must[*x509.Certificate](s.t, "the certificate")(x509.ParseCertificate(block.Bytes))
	return &pki.Leaf{DER: block.Bytes, Certificate: cert, Key: crypto.Signer(key), Issuer: s.below.CA}
}

// revoke revokes a certificate, with a reason code of RFC 5280 §5.3.1.
func (s *stepCA) revoke(leaf *pki.Leaf, reason int) {
	s.t.Helper()
	serial := leaf.Certificate.SerialNumber.String()
	var answer struct {
		Status string `json:"status"`
	}
	s.post("/1.0/revoke", stepClients, serial, map[string]any{"serial": serial, "reasonCode": reason, "passive": true}, &answer)
	if answer.Status != "ok" {
		s.t.Fatalf("step-ca revoked with %q", answer.Status)
	}
}

// overTLS is where step-ca serves the same CRL under its own server certificate.
func (s *stepCA) overTLS() string { return "https://" + s.address + "/1.0/crl" }

// crl fetches the CRL that step-ca publishes, as anybody can.
func (s *stepCA) crl() (*x509.RevocationList, http.Header) {
	s.t.Helper()
	resp, err := s.client.Get(s.crlURL)
	if err != nil {
		s.t.Fatal(err)
	}
	defer resp.Body.Close()
	data := must[[]byte](s.t, "the CRL")(io.ReadAll(io.LimitReader(resp.Body, 1<<20)))
	return must[*x509.RevocationList](s.t, "the CRL")(x509.ParseRevocationList(data)), resp.Header
}
