package e2e

import (
	"encoding/hex"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"sync"

	"github.com/crlgate/crlgate/cmd/crlgate/internal/lambdaruntime"
)

// domainAPI is as much of API Gateway as the function that keeps the truststore
// calls: it reads a domain and moves it to another truststore.
type domainAPI struct {
	mu          sync.Mutex
	uri, moved  string
	warnings    []string
	unavailable bool
}

func (d *domainAPI) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	d.mu.Lock()
	defer d.mu.Unlock()
	w.Header().Set("Content-Type", "application/json")
	if d.unavailable {
		w.WriteHeader(http.StatusInternalServerError)
		return
	}
	if r.Method == http.MethodPatch {
		var update struct {
			MutualTlsAuthentication struct{ TruststoreUri, TruststoreVersion string }
		}
		if err := json.NewDecoder(r.Body).Decode(&update); err != nil {
			w.WriteHeader(http.StatusBadRequest)
			return
		}
		d.uri, d.moved = update.MutualTlsAuthentication.TruststoreUri, update.MutualTlsAuthentication.TruststoreVersion
	}
	_ = json.NewEncoder(w).Encode(map[string]any{
		"domainName": "api.example.com", "domainNameConfigurations": []any{map[string]any{"endpointType": "REGIONAL", "domainNameStatus": "AVAILABLE"}},
		"mutualTlsAuthentication": map[string]any{"truststoreUri": d.uri, "truststoreVersion": d.moved, "truststoreWarnings": d.warnings},
	})
}

// truststore has the function that keeps the truststore find a domain that is out
// of step, move it, be warned, and fail.
func (s *scenario) truststore(pin [32]byte) {
	s.t.Helper()
	api := &domainAPI{uri: "s3://" + s.cacheBucket + "/absent.pem"}
	server := httptest.NewServer(api)
	s.t.Cleanup(server.Close)
	run := func(settings map[string]string) {
		env := map[string]string{
			"AWS_ENDPOINT_URL_S3": s.S3.Endpoint, "AWS_ENDPOINT_URL_APIGATEWAYV2": server.URL, "AWS_MAX_ATTEMPTS": "1",
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
	api.mu.Lock()
	api.warnings = []string{"Certificate not valid yet"}
	api.mu.Unlock()
	run(map[string]string{"MOVE_DOMAIN": "true", "PINNED_ISSUERS": hex.EncodeToString(pin[:])})
	s.awaitLog("moving the domain")
	s.awaitLog("truststore in step")
	api.mu.Lock()
	api.unavailable = true
	api.mu.Unlock()
	run(nil)
	s.awaitLog(`"not done"`, "crlgate-truststore")
}
