package e2e

import (
	"maps"
	"net/http"
	"path/filepath"

	"github.com/crlgate/crlgate/cmd/crlgate/internal/lambdaruntime"
	"github.com/crlgate/crlgate/pkg/fetch"
	"github.com/crlgate/crlgate/pkg/preprocess"
)

// fetcher takes the fetcher through what it has to say: a CRL, nothing new, a
// failure, a URL that is no longer named, and a bucket that is not there.
func (s *scenario) fetcher() {
	s.t.Helper()
	p := newPublisher(s.t)
	p.publish("/alpha.crl", s.ca.crl(nil))
	env := map[string]string{
		"AWS_ENDPOINT_URL_S3": s.S3.Endpoint, "UPLOAD_BUCKET": s.uploadBucket, "CACHE_BUCKET": s.cacheBucket, "ALLOW_HOSTS": "127.0.0.1",
	}
	run := func(payload string, settings map[string]string) {
		s.t.Helper()
		all := maps.Clone(env)
		maps.Copy(all, settings)
		function, err := lambdaruntime.Start(s.t.Context(), lambdaruntime.Config{
			Name: "crlgate-fetcher", Binary: filepath.Join(functionsDir, "fetcher", "bootstrap"), Env: all, Region: s.S3.Region,
			Timeout: patience, Credentials: lambdaruntime.Credentials{AccessKeyID: s.S3.AccessKey, SecretAccessKey: s.S3.SecretKey}, Log: s.line,
		})
		if err != nil {
			s.t.Fatal(err)
		}
		if _, err := function.Invoke(s.t.Context(), []byte(payload)); err != nil {
			s.t.Fatal(err)
		}
		if err := function.Close(); err != nil {
			s.t.Error(err)
		}
	}
	urls := `{"crl_urls":["` + p.URL + `/alpha.crl","` + p.URL + `/away.crl"]}`
	s.upload("issuers/alpha.json", []byte(urls), preprocess.OutcomeAccepted)
	run(fetch.TimerRequest, nil)
	s.awaitLog(`"CRL fetched"`, p.URL+"/alpha.crl")
	s.awaitLog(`"CRL not fetched"`, p.URL+"/away.crl", "server_error", http.StatusText(http.StatusServiceUnavailable))
	run(`{"crlgate":"fetch","all":true}`, nil)
	s.upload("issuers/alpha.json", []byte(`{"grace":"1h"}`), preprocess.OutcomeAccepted)
	run(fetch.TimerRequest, nil)
	s.awaitLog(`"CRL no longer fetched"`)
	run(fetch.TimerRequest, map[string]string{"CACHE_BUCKET": "no-such-bucket"})
	s.awaitLog(`"not done"`, "crlgate-fetcher")
}
