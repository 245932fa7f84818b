package differential

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"regexp"
	"strconv"
	"strings"
)

// errorLine is how openssl verify reports an error. It goes on after some.
var errorLine = regexp.MustCompile(`(?m)^.*?error (\d+) at (\d+) depth lookup: (.*)$`)

// certRevoked is X509_V_ERR_CERT_REVOKED.
const certRevoked = 23

// askOpenSSL is "openssl verify -crl_check -extended_crl -use_deltas". Revoked
// is whatever it reports as such, whatever else it has to say; good is that
// it has nothing to say.
func askOpenSSL(ctx context.Context, path string, c *kase, f files) (answer, error) {
	args := []string{"verify", "-no-CApath", "-no-CAstore", "-attime", strconv.FormatInt(c.now.Unix(), 10), "-CAfile", f.roots, "-crl_check", "-extended_crl", "-use_deltas"}
	if f.untrusted != "" {
		args = append(args, "-untrusted", f.untrusted)
	}
	if len(c.lists) > 0 {
		args = append(args, "-CRLfile", f.crls)
	}
	out, err := exec.CommandContext(ctx, path, append(args, f.cert)...).CombinedOutput()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		return answer{}, err
	}
	words := strings.TrimSpace(string(out))
	found := errorLine.FindAllStringSubmatch(words, -1)
	switch {
	case err == nil && len(found) == 0:
		return answer{good, "OK"}, nil
	case len(found) == 0:
		return answer{}, fmt.Errorf("openssl %s: %w: %s", strings.Join(args, " "), err, words)
	}
	a := answer{verdict: unknown}
	for _, m := range found {
		if m[1] == strconv.Itoa(certRevoked) {
			a.verdict = revoked
		}
		a.words += "error " + m[1] + " at " + m[2] + ": " + m[3] + "; "
	}
	return a, nil
}
