package lambdaruntime

import (
	"io"
	"net/http"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// request makes a request to an environment's Runtime API from outside.
func request(t *testing.T, method, url, body string, header ...string) (status int, answer string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: 30 * time.Second}
	resp, err := client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, strings.TrimSpace(string(b))
}

func TestRuntimeAPIRefusals(t *testing.T) {
	f := start(t, nil)
	succeed(t, f, `1`)
	base := "http://" + f.Environments()[0].Address
	for _, c := range []struct {
		method, path, body string
		status             int
		answer             string
	}{
		{"POST", "/2018-06-01/runtime/invocation/no-such-id/response", "1", 400, `{"errorType":"InvalidRequestID","errorMessage":"Invalid request ID"}`},
		{"POST", "/2018-06-01/runtime/invocation/no-such-id/error", "{}", 400, `{"errorType":"InvalidRequestID","errorMessage":"Invalid request ID"}`},
		{"POST", "/2018-06-01/runtime/invocation/no-such-id/response", strings.Repeat("x", MaxResponseBytes+1), 400, `{"errorType":"InvalidRequestID","errorMessage":"Invalid request ID"}`},
		{"POST", "/2018-06-01/runtime/init/error", "{}", 403, `{"errorType":"InvalidStateTransition","errorMessage":"init is over"}`},
		{"POST", "/2018-06-01/runtime/invocation/next", "", 405, "Method Not Allowed"},
		{"GET", "/2018-06-01/elsewhere", "", 404, "404 page not found"},
		{"POST", "/2020-01-01/extension/register", "{}", 400, `{"errorType":"Extension.InvalidExtensionName","errorMessage":"the header Lambda-Extension-Name is missing"}`},
	} {
		status, answer := request(t, c.method, base+c.path, c.body)
		if status != c.status || answer != c.answer {
			t.Errorf("%s %s: %d %s; want %d %s", c.method, c.path, status, answer, c.status, c.answer)
		}
	}
	succeed(t, f, `1`) // none of it disturbed the process
}

// An invocation is answered once; what is posted later is refused.
func TestSecondAnswerIsRefused(t *testing.T) {
	f := start(t, nil)
	release := waiters(t, f, 1)
	f.mu.Lock()
	var id string
	for id = range f.envs[0].assigned {
	}
	f.mu.Unlock()
	url := "http://" + f.Environments()[0].Address + "/2018-06-01/runtime/invocation/" + id
	if status, answer := request(t, "POST", url+"/error", "not JSON", "Lambda-Runtime-Function-Error-Type", "Own.Type"); status != 202 || answer != `{"status":"OK"}` {
		t.Fatalf("first answer: %d %s", status, answer)
	}
	if status, answer := request(t, "POST", url+"/response", "2"); status != 400 {
		t.Errorf("second answer: %d %s; want 400", status, answer)
	}
	r := release()[0] // aws-lambda-go's own answer is refused, at which it exits
	if r.FunctionError != "Unhandled" || r.ErrorType != "Own.Type" || r.ErrorMessage != "" || string(r.Payload) != "not JSON" {
		t.Errorf("result: %+v; want the first answer", r)
	}
}

// An environment that said it cannot start gets no event.
func TestNoEventAfterInitError(t *testing.T) {
	f := start(t, func(c *Config) {
		c.Env = map[string]string{"INIT": "report-and-ask", "INIT_FILE": filepath.Join(t.TempDir(), "status")}
	})
	r := call(t, f, `1`)
	wantError(t, r, "Config.Missing", "no settings")
	if got := attempts(t, f.cfg.Env["INIT_FILE"]); len(got) != 1 || got[0] != "403" {
		t.Errorf("asking for an event after init/error: %v; want 403", got)
	}
}
