package gate_test

import (
	"context"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/jsii-runtime-go"

	"github.com/crlgate/crlgate/infra/gate"
)

// start runs a function's binary with that environment until it finds that no Lambda is there, and returns what
// it says. A setting that it refuses it names before that.
func start(t *testing.T, binary string, env map[string]string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	run := exec.CommandContext(ctx, binary)
	run.Env = []string{
		"AWS_LAMBDA_RUNTIME_API=127.0.0.1:9", "AWS_REGION=eu-west-1", "AWS_ACCESS_KEY_ID=none", "AWS_SECRET_ACCESS_KEY=none",
		"AWS_ENDPOINT_URL=http://127.0.0.1:9", "AWS_LAMBDA_FUNCTION_MEMORY_SIZE=1024",
	}
	for name, value := range env {
		run.Env = append(run.Env, name+"="+value)
	}
	out, err := run.CombinedOutput()
	if err == nil || ctx.Err() != nil {
		t.Fatalf("%s ended with %v, and without a Lambda it cannot go on: %s", filepath.Base(binary), err, out)
	}
	return string(out)
}

// TestFunctionsTakeTheirSettings runs the functions with the environment that the template gives them.
func TestFunctionsTakeTheirSettings(t *testing.T) {
	dir := t.TempDir()
	binaries := map[string]string{}
	maps.Copy(binaries, functionOf)
	for id, function := range binaries {
		binaries[id] = filepath.Join(dir, function)
		if out, err := exec.Command("go", "build", "-o", binaries[id], "../../functions/"+function).CombinedOutput(); err != nil {
			t.Fatalf("building %s: %v\n%s", function, err, out)
		}
	}
	hours := func(n float64) awscdk.Duration { return awscdk.Duration_Hours(jsii.Number(n)) }
	for name, m := range map[string]template{
		"default": synth(t, nil),
		"full":    full(t),
		"watched": watched(t),
		"bounds": synth(t, &gate.Props{
			Authorizer:   &gate.AuthorizerProps{Mode: gate.Enforce, RevalidateAfter: hours(1), MaxUnvalidated: hours(7 * 24), LogAllowed: jsii.Number(1), RequireChain: jsii.Bool(false)},
			Preprocessor: &gate.PreprocessorProps{MaxCRLBytes: awscdk.Size_Bytes(jsii.Number(1025)), AllowSHA1: jsii.Bool(false), IssuerPrefix: jsii.String("a/"), SweepAfter: hours(365 * 24)},
		}),
	} {
		for id, binary := range binaries {
			if name != "full" && name != "watched" && (id == "GateTruststore" || id == "GateFetcher") {
				continue // these have none
			}
			env := environment(m, id)
			if said := start(t, binary, env); strings.Contains(said, "setting") || !strings.Contains(said, "127.0.0.1:9") {
				t.Errorf("%s: with %v %s says: %s", name, env, id, said)
			}
			env["CACHE_BUCKET"] = ""
			if said := start(t, binary, env); !strings.Contains(said, "CACHE_BUCKET") {
				t.Errorf("%s: %s takes an empty CACHE_BUCKET, so that this test says nothing: %s", name, id, said)
			}
		}
	}
}

// TestEverySettingIsReachable: what a function reads a prop can set, so that a setting that is added there and
// forgotten here shows. AWS_… is Lambda's own.
func TestEverySettingIsReachable(t *testing.T) {
	m := full(t)
	read := regexp.MustCompile(`r\.[A-Z][A-Za-z]*\("([A-Z][A-Z0-9_]+)"`)
	for id, function := range functionOf {
		source, err := os.ReadFile("../../functions/" + function + "/config.go")
		if err != nil {
			t.Fatal(err)
		}
		env := environment(m, id)
		known := map[string]bool{}
		for _, found := range read.FindAllStringSubmatch(string(source), -1) {
			known[found[1]] = true
			if _, set := env[found[1]]; !set && !strings.HasPrefix(found[1], "AWS_") {
				t.Errorf("the %s reads %s, which no prop sets", function, found[1])
			}
		}
		for name := range env {
			if !known[name] {
				t.Errorf("the %s is given %s, which it does not read", function, name)
			}
		}
		if len(known) < 3 {
			t.Errorf("only %d settings of the %s were found", len(known), function)
		}
	}
}
