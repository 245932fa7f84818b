package domainapi_test

import (
	"context"
	"crypto/x509"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/crlgate/crlgate/internal/domainapi"
	"github.com/crlgate/crlgate/internal/pki"
	"github.com/crlgate/crlgate/internal/pki/pkitest"
)

const (
	signed        = "AWS4-HMAC-SHA256 Credential=id/20261121/us-east-1/apigateway/aws4_request, SignedHeaders=host, Signature=00"
	configuration = `"domainNameConfigurations":[{"certificateArn":"arn:c","endpointType":"REGIONAL","securityPolicy":"TLS_1_2"}]`
)

// TestWhatItHoldsACallerTo: what API Gateway is known to refuse is refused, and changes nothing.
func TestWhatItHoldsACallerTo(t *testing.T) {
	ca := pkitest.CA(t, pki.CAOptions{})
	objects := map[string]string{"s3://b/good.pem": string(ca.PEM()), "s3://b/empty.pem": "", "s3://b/half.pem": string(ca.PEM()) + "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"}
	applied := 0
	s, err := domainapi.Start(domainapi.Config{
		Domain: domainapi.Domain{Name: "api.example.com", URI: "s3://b/first.pem", Version: "1", Status: "AVAILABLE"},
		Load: func(_ context.Context, bucket, key, version string) ([]byte, string, error) {
			if data, ok := objects["s3://"+bucket+"/"+key]; ok && version == "2" {
				return []byte(data), version, nil
			}
			return nil, "", errors.New("no such object")
		},
		Apply: func(certs []*x509.Certificate) error { applied += len(certs); return nil },
	})
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	}()
	body := func(uri, version string) string {
		return `{` + configuration + `,"mutualTlsAuthentication":{"truststoreUri":"` + uri + `","truststoreVersion":"` + version + `"}}`
	}
	for name, test := range map[string]struct {
		method, domain, authorization, body string
		status                              int
		says                                string
	}{
		"unsigned":                 {http.MethodGet, "api.example.com", "", "", 403, "Missing Authentication Token"},
		"signed for another":       {http.MethodGet, "api.example.com", strings.ReplaceAll(signed, "apigateway", "s3"), "", 403, "Missing Authentication Token"},
		"another domain":           {http.MethodGet, "other.example.com", signed, "", 404, "Invalid domain name"},
		"another method":           {http.MethodPut, "api.example.com", signed, "", 405, ""},
		"no configuration":         {http.MethodPatch, "api.example.com", signed, `{"mutualTlsAuthentication":{"truststoreUri":"s3://b/good.pem","truststoreVersion":"2"}}`, 400, "Expected one domain name configuration"},
		"no JSON":                  {http.MethodPatch, "api.example.com", signed, `{`, 400, "Invalid request body"},
		"no such object":           {http.MethodPatch, "api.example.com", signed, body("s3://b/absent.pem", "2"), 400, "cannot be read"},
		"no such version":          {http.MethodPatch, "api.example.com", signed, body("s3://b/good.pem", "3"), 400, "cannot be read"},
		"no S3 object":             {http.MethodPatch, "api.example.com", signed, body("https://b/good.pem", "2"), 400, "Invalid truststore URI"},
		"a truststore with no one": {http.MethodPatch, "api.example.com", signed, body("s3://b/empty.pem", "2"), 400, "no valid certificate"},
	} {
		t.Run(name, func(t *testing.T) {
			r, err := http.NewRequestWithContext(t.Context(), test.method, s.URL()+"/v2/domainnames/"+test.domain, strings.NewReader(test.body))
			if err != nil {
				t.Fatal(err)
			}
			r.Header.Set("Authorization", test.authorization)
			said, status := send(t, r)
			if status != test.status || !strings.Contains(said, test.says) {
				t.Errorf("%d %s, want %d %q", status, said, test.status, test.says)
			}
			if d := s.Domain(); d.URI != "s3://b/first.pem" || d.Version != "1" || applied > 0 {
				t.Errorf("the domain is at %s version %s, %d certificates in force", d.URI, d.Version, applied)
			}
		})
	}

	// And what it takes: with a warning of what is no certificate.
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPatch, s.URL()+"/v2/domainnames/api.example.com", strings.NewReader(body("s3://b/half.pem", "2")))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Authorization", signed)
	if said, status := send(t, r); status != http.StatusOK || !strings.Contains(said, `"truststoreVersion":"2"`) || !strings.Contains(said, "Certificate 2 of the truststore is invalid") || applied != 1 {
		t.Errorf("%d %s, %d certificates in force", status, said, applied)
	}
}

func send(t *testing.T, r *http.Request) (said string, status int) {
	t.Helper()
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	data, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(data), resp.StatusCode
}
