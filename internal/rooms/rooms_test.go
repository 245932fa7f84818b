// Package rooms holds the order of the rooms: who imports whom, and what the
// function binaries may link.
package rooms

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
)

const module = "github.com/crlgate/crlgate/"

// allowed lists, for each room, the rooms of ours that it may import beside
// itself. "…/" stands for a room and those inside it.
var allowed = map[string][]string{
	"internal/conformance": {},
	"internal/der":         {},
	"internal/domainapi":   {},
	"internal/pki":         {},

	"pkg/crl":         {"internal/der"},
	"pkg/serialset":   {},
	"pkg/clientcert":  {"internal/der"},
	"pkg/objectstore": {},
	"pkg/telemetry":   {},
	"pkg/issuer":      {"pkg/crl"},
	"pkg/catalog":     {"pkg/crl", "pkg/issuer", "pkg/serialset"},
	"pkg/truststore":  {"pkg/catalog", "pkg/issuer", "pkg/objectstore"},
	"pkg/preprocess":  {"internal/der", "pkg/catalog", "pkg/crl", "pkg/issuer", "pkg/objectstore", "pkg/serialset", "pkg/truststore"},
	"pkg/fetch":       {"pkg/catalog", "pkg/clientcert", "pkg/crl", "pkg/issuer", "pkg/objectstore"},
	"pkg/revocation":  {"internal/der", "pkg/catalog", "pkg/clientcert", "pkg/crl", "pkg/issuer", "pkg/objectstore", "pkg/serialset"},
	"pkg/authorize":   {"pkg/clientcert", "pkg/issuer", "pkg/revocation"},

	"functions": {"pkg/…"},
	"infra":     {},

	"cmd/crlgate":                        {"cmd/crlgate/internal/…", "pkg/…", "internal/pki"},
	"cmd/crlgate/internal/check":         {"cmd/crlgate/internal/terminal", "pkg/…"},
	"cmd/crlgate/internal/lambdaruntime": {},
	"cmd/crlgate/internal/gateway":       {},
	"cmd/crlgate/internal/s3proc":        {},
	"cmd/crlgate/internal/s3local":       {"cmd/crlgate/internal/s3proc/wire"},
	"cmd/crlgate/internal/template":      {},
	"cmd/crlgate/internal/awsapi":        {"cmd/crlgate/internal/lambdaruntime"},
	"cmd/crlgate/internal/stack":         {"cmd/crlgate/internal/awsapi", "cmd/crlgate/internal/gateway", "cmd/crlgate/internal/lambdaruntime", "cmd/crlgate/internal/s3proc", "cmd/crlgate/internal/template", "internal/domainapi", "internal/pki", "pkg/…"},

	"bench":             {"internal/pki", "pkg/…"},
	"events/generate":   {"internal/pki"},
	"testdata/generate": {"internal/pki"},
}

type pkg struct {
	ImportPath string
	Imports    []string
}

// list runs go list and decodes its stream.
func list(t *testing.T, args ...string) []pkg {
	t.Helper()
	cmd := exec.Command("go", append([]string{"list", "-json=ImportPath,Imports"}, args...)...)
	cmd.Dir = "../.."
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("go list %v: %v", args, err)
	}
	var pkgs []pkg
	for dec := json.NewDecoder(bytes.NewReader(out)); ; {
		var p pkg
		switch err := dec.Decode(&p); {
		case errors.Is(err, io.EOF):
			return pkgs
		case err != nil:
			t.Fatal(err)
		}
		pkgs = append(pkgs, p)
	}
}

// room returns the longest room that a package is in.
func room(path string) string {
	best := ""
	for r := range allowed {
		if (path == r || strings.HasPrefix(path, r+"/")) && len(r) > len(best) {
			best = r
		}
	}
	return best
}

// TestImportOrder: imports run one way. Test files may import more.
func TestImportOrder(t *testing.T) {
	pkgs := list(t, "./...", "./testdata/generate")
	if len(pkgs) < 20 {
		t.Fatalf("only %d packages", len(pkgs))
	}
	for _, p := range pkgs {
		path := strings.TrimPrefix(p.ImportPath, module)
		from := room(path)
		for _, imported := range p.Imports {
			to, ours := strings.CutPrefix(imported, module)
			if !ours || from != "" && (to == from || strings.HasPrefix(to, from+"/")) || strings.HasPrefix(path, to+"/") {
				continue
			}
			if from == "" {
				if strings.HasPrefix(path, "cmd/crlgate/internal/") {
					continue // rooms of the command line know what it knows
				}
				t.Errorf("%s is in no room of this test's list", path)
				break
			}
			if !slices.ContainsFunc(allowed[from], func(a string) bool {
				prefix, open := strings.CutSuffix(a, "…")
				return to == a || open && strings.HasPrefix(to, prefix) || strings.HasPrefix(to, a+"/") && !open
			}) {
				t.Errorf("%s imports %s, which room %s may not", path, to, from)
			}
		}
	}
}

// TestFunctionBorders: the function binaries link neither the local S3 server,
// nor the CDK, nor the command line, nor the throwaway PKI.
func TestFunctionBorders(t *testing.T) {
	foreign := []string{"github.com/versity/", "github.com/aws/aws-cdk-go", "github.com/aws/jsii-runtime-go", "github.com/aws/constructs-go", "github.com/spf13/", module + "cmd/", module + "infra", module + "internal/pki", module + "internal/domainapi", module + "internal/conformance", "testing"}
	deps := list(t, "-deps", "./functions/...")
	if len(deps) < 50 {
		t.Fatalf("only %d packages in the functions", len(deps))
	}
	for _, d := range deps {
		for _, f := range foreign {
			if strings.HasPrefix(d.ImportPath, f) {
				t.Errorf("a function links %s", d.ImportPath)
			}
		}
	}
	for _, d := range list(t, "-deps", "./infra/...") {
		if strings.HasPrefix(d.ImportPath, module+"pkg/") {
			t.Errorf("infra links %s", d.ImportPath)
		}
	}
}
