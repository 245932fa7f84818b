package e2e

import (
	"errors"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/crlgate/crlgate/cmd/crlgate/internal/stack"
	"github.com/crlgate/crlgate/pkg/preprocess"
)

// TestHostileKeys: whoever may upload CRLs chooses their keys. None writes into
// the operator's terminal, or a line of its own into what commands and
// functions print.
func TestHostileKeys(t *testing.T) {
	t.Parallel()
	w := start(t, stack.Config{})
	ca := newCA(t, "alpha")
	w.trust(ca)
	// U+009B is what ESC [ is: the embedded server's listings, unlike those of S3,
	// cannot say ESC, which XML has no way to write.
	const key = "crls/\u009b2Jx\naccepted  crls/alpha.crl \u202e.crl"
	const shown = `crls/\u009b2Jx\u000aaccepted  crls/alpha.crl \u202e.crl`
	if r := w.upload(key, []byte("<html>no CRL</html>"), preprocess.OutcomeRefused); r.Key != key {
		t.Errorf("the report is about %q", r.Key)
	}
	w.awaitLog("CRL refused", "neither DER nor PEM") // and not that something is withheld
	w.drain()
	if l := w.logged("accepted  crls/alpha.crl"); l == "" || !strings.HasPrefix(l, "{") {
		t.Errorf("the key is in the log as %q", l)
	}
	deployment := []string{"--upload-bucket", w.Uploads.Name(), "--cache-bucket", w.Cache.Name(), "--region", w.S3.Region}
	for _, command := range [][]string{{"status"}, {"fsck", "--settle", "0"}} {
		cmd := exec.CommandContext(t.Context(), crlgateBinary, append(command, deployment...)...)
		cmd.Env = append(os.Environ(), "AWS_ENDPOINT_URL_S3="+w.S3.Endpoint, "AWS_ACCESS_KEY_ID="+w.S3.AccessKey, "AWS_SECRET_ACCESS_KEY="+w.S3.SecretKey)
		said, err := cmd.CombinedOutput()
		if exit := (*exec.ExitError)(nil); err != nil && (!errors.As(err, &exit) || exit.ExitCode() > 1) {
			t.Fatalf("%v: %v\n%s", command, err, said)
		}
		if strings.ContainsAny(string(said), "\x1b\u009b\u202e") || strings.Contains(string(said), "\naccepted  crls/alpha.crl") {
			t.Errorf("%v printed %q", command, said)
		}
		if command[0] == "status" && !strings.Contains(string(said), shown) {
			t.Errorf("%v does not show the key: %s", command, said)
		}
	}
}
