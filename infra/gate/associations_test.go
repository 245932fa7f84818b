package gate_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/crlgate/crlgate/infra/gate"
	"github.com/crlgate/crlgate/pkg/issuer"
)

// validate validates props of a gate whose CA has these settings.
func validate(t *testing.T, settings string, domains ...string) error {
	t.Helper()
	path := filepath.Join(t.TempDir(), "partner-a.json")
	if err := os.WriteFile(path, []byte(settings), 0o600); err != nil {
		t.Fatal(err)
	}
	return (&gate.Props{AssetPath: assets(t), Domains: domains, CASettings: []string{path}}).Validate()
}

func TestAssociations(t *testing.T) {
	for name, test := range map[string]struct {
		settings string
		domains  []string
		refused  string // "": not
	}{
		"no domains in it":     {`{"mode":"observe"}`, []string{"api.example.com"}, ""},
		"the domain":           {`{"domains":["api.example.com"]}`, []string{"api.example.com"}, ""},
		"one of several":       {`{"domains":["a.example","api.example.com"]}`, []string{"b.example", "API.example.com."}, ""},
		"wildcard of the CA":   {`{"domains":["*.example.com"]}`, []string{"api.example.com"}, ""},
		"wildcard of the API":  {`{"domains":["api.example.com"]}`, []string{"*.example.com"}, ""},
		"both wildcards":       {`{"domains":["*.example.com"]}`, []string{"*.example.com"}, ""},
		"another domain":       {`{"domains":["api.example.org"]}`, []string{"api.example.com"}, "associates its CA with api.example.org, and the APIs are called by api.example.com"},
		"wildcard of no label": {`{"domains":["*.example.com"]}`, []string{"example.com"}, "every client of that CA would be denied"},
		"wildcard of two":      {`{"domains":["*.example.com"]}`, []string{"a.b.example.com"}, "every client of that CA would be denied"},
		"no JSON":              {`domains: api.example.com`, []string{"api.example.com"}, "is no settings file of a CA"},
		"domains no list":      {`{"domains":"api.example.com"}`, []string{"api.example.com"}, "is no settings file of a CA"},
		"without Domains":      {`{}`, nil, "CASettings is set and Domains is not"},
	} {
		t.Run(name, func(t *testing.T) {
			err := validate(t, test.settings, test.domains...)
			if (err == nil) != (test.refused == "") || err != nil && !strings.Contains(err.Error(), test.refused) {
				t.Errorf("%v, want %q", err, test.refused)
			}
		})
	}
	if err := (&gate.Props{AssetPath: assets(t), Domains: []string{"a.example"}, CASettings: []string{"absent.json"}}).Validate(); err == nil {
		t.Error("a file that is not there is not missed")
	}
}

// TestAssociationsAreTheAuthorizers compares the rule with the authorizer's own, for domain names without wildcards.
func TestAssociationsAreTheAuthorizers(t *testing.T) {
	names := []string{"example.com", "api.example.com", "a.b.example.com", "*.example.com", "*.b.example.com", "api.example.org", "com"}
	denied := 0
	for _, domain := range names {
		settings := issuer.Settings{Domains: []string{domain}}
		for _, api := range names {
			if strings.HasPrefix(api, "*") {
				continue
			}
			want := settings.ServesDomain(api)
			if got := validate(t, `{"domains":["`+domain+`"]}`, api) == nil; got != want {
				t.Errorf("domains %s, API %s: %v at synth, %v in the authorizer", domain, api, got, want)
			}
			if !want {
				denied++
			}
		}
	}
	if denied < 10 {
		t.Errorf("only %d of the pairs are denied: this says little", denied)
	}
}
