package e2e

import (
	"encoding/json"
	"errors"
	"net/http"
	"os"
	"os/exec"
	"testing"

	"github.com/crlgate/crlgate/cmd/crlgate/internal/stack"
	"github.com/crlgate/crlgate/pkg/fetch"
	"github.com/crlgate/crlgate/pkg/preprocess"
)

// TestFetchCommand fetches from the command line into the stack's buckets, as
// into a deployment's.
func TestFetchCommand(t *testing.T) {
	t.Parallel()
	w := start(t, stack.Config{})
	ca := newCA(t, "alpha")
	p := newPublisher(t)
	p.publish("/alpha.crl", ca.crl(nil))
	w.trust(ca)
	run := func(args ...string) (results []struct {
		State  fetch.State
		Report *preprocess.Report
	}, code int, said string,
	) {
		t.Helper()
		cmd := exec.CommandContext(t.Context(), crlgateBinary, append([]string{
			"fetch", "--json", "--allow-host", "127.0.0.1",
			"--upload-bucket", w.Uploads.Name(), "--cache-bucket", w.Cache.Name(), "--region", w.S3.Region,
		}, args...)...)
		cmd.Env = append(os.Environ(), "AWS_ENDPOINT_URL_S3="+w.S3.Endpoint, "AWS_ACCESS_KEY_ID="+w.S3.AccessKey, "AWS_SECRET_ACCESS_KEY="+w.S3.SecretKey)
		out, err := cmd.Output()
		var exit *exec.ExitError
		if errors.As(err, &exit) {
			code, said = exit.ExitCode(), string(exit.Stderr)
		} else if err != nil {
			t.Fatal(err)
		}
		if code < 2 {
			if err := json.Unmarshal(out, &results); err != nil {
				t.Fatalf("%s: %v", out, err)
			}
		}
		return results, code, said
	}
	if results, code, said := run(); code != 0 || len(results) != 0 {
		t.Errorf("with nothing to fetch: exit %d, %v %s", code, results, said)
	}
	w.settings(ca, map[string]any{"crl_urls": []string{p.URL + "/alpha.crl"}})
	results, code, said := run()
	if code != 0 || len(results) != 1 || results[0].State.Code != fetch.Fetched || results[0].Report == nil || results[0].Report.Outcome != preprocess.OutcomeAccepted {
		t.Fatalf("exit %d, %+v %s", code, results, said)
	}
	w.await(ca.issue("client"), http.StatusOK, "good", "403 no_crl")
	if results, code, _ := run("--ca", "alpha"); code != 0 || results[0].State.Code != fetch.NotModified || results[0].Report != nil {
		t.Errorf("again: exit %d, %+v", code, results)
	}
	p.publish("/alpha.crl", []byte("<html>a page of more than sixteen bytes</html>"))
	if results, code, _ := run("--url", p.URL+"/alpha.crl"); code != 1 || results[0].State.Code != fetch.NotACRL {
		t.Errorf("a page: exit %d, %+v", code, results)
	}
	if _, code, said := run("--ca", "nobody"); code != 2 || said == "" {
		t.Errorf("a CA that is not there: exit %d, %s", code, said)
	}
}
