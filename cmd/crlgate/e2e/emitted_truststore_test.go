package e2e

import (
	"context"
	"encoding/hex"
	"net/http"
	"path/filepath"

	"github.com/crlgate/crlgate/cmd/crlgate/internal/lambdaruntime"
	"github.com/crlgate/crlgate/internal/domainapi"
	"github.com/crlgate/crlgate/pkg/objectstore"
	"github.com/crlgate/crlgate/pkg/truststore"
)

// truststore has the function that keeps the truststore find a domain that is out
// of step, move it, be warned, and fail.
func (s *scenario) truststore(pin [32]byte) {
	s.t.Helper()
	api, err := domainapi.Start(domainapi.Config{
		Domain: domainapi.Domain{
			Name: "api.example.com", URI: "s3://" + s.cacheBucket + "/absent.pem", Status: "AVAILABLE",
			CertificateARN: "arn:aws:acm:us-east-1:123456789012:certificate/c", SecurityPolicy: "TLS_1_2",
		},
		Load: func(ctx context.Context, _, key, version string) ([]byte, string, error) {
			data, object, err := s.Cache.ReadAll(ctx, key, truststore.MaxSize, objectstore.GetOptions{VersionID: version})
			return data, object.VersionID, err
		},
	})
	if err != nil {
		s.t.Fatal(err)
	}
	defer api.Close()
	run := func(settings map[string]string) {
		env := map[string]string{
			"AWS_ENDPOINT_URL_S3": s.S3.Endpoint, "AWS_ENDPOINT_URL_APIGATEWAYV2": api.URL(), "AWS_MAX_ATTEMPTS": "1",
			"CACHE_BUCKET": s.cacheBucket, "DOMAIN_NAME": "api.example.com",
		}
		for k, v := range settings {
			env[k] = v
		}
		function, err := lambdaruntime.Start(s.t.Context(), lambdaruntime.Config{
			Name: "crlgate-truststore", Binary: filepath.Join(functionsDir, "truststore", "bootstrap"), Env: env, Region: s.S3.Region,
			Credentials: lambdaruntime.Credentials{AccessKeyID: s.S3.AccessKey, SecretAccessKey: s.S3.SecretKey}, Log: s.line,
		})
		if err != nil {
			s.t.Fatal(err)
		}
		if _, err := function.Invoke(s.t.Context(), []byte("{}")); err != nil {
			s.t.Fatal(err)
		}
		if err := function.Close(); err != nil {
			s.t.Error(err)
		}
	}
	run(nil)
	s.awaitLog("truststore out of step")
	run(map[string]string{"MOVE_DOMAIN": "true", "PINNED_ISSUERS": hex.EncodeToString(pin[:])})
	s.awaitLog("moving the domain")
	s.awaitLog("truststore in step")
	api.Change(func(d *domainapi.Domain) { d.Warnings = []string{"Certificate not valid yet"} })
	run(nil)
	s.awaitLog("API Gateway warns of the truststore")
	api.OnRequest(func(domainapi.Request) *domainapi.Fault {
		return &domainapi.Fault{Status: http.StatusInternalServerError, Type: "InternalServerErrorException", Message: "unavailable"}
	})
	run(nil)
	s.awaitLog(`"not done"`, "crlgate-truststore")
}
