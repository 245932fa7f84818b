package main

import (
	"bytes"
	"flag"
	"os"
	"slices"
	"testing"

	"github.com/spf13/cobra"

	"github.com/crlgate/crlgate/cmd/crlgate/internal/reference"
)

var update = flag.Bool("update", false, "write docs/cli.md anew")

const (
	referencePath  = "../../docs/cli.md"
	referenceIntro = "The reference of the command line. It is made of the commands' own help texts: after a change of\nthose, `go test ./cmd/crlgate -run TestReference -update` writes it anew."
)

// TestReference compares docs/cli.md with the commands.
func TestReference(t *testing.T) {
	cmd := root()
	cmd.InitDefaultCompletionCmd()
	want := reference.Markdown(cmd, referenceIntro)
	if *update {
		if err := os.WriteFile(referencePath, want, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(referencePath)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Error("docs/cli.md is not what the commands say; run: go test ./cmd/crlgate -run TestReference -update")
	}
}

// TestEveryCommandHasHelp: a long text with its exit codes, and an example.
func TestEveryCommandHasHelp(t *testing.T) {
	named := 0
	for _, c := range root().Commands() {
		if c.Hidden || !c.Runnable() || c.Name() == "completion" || c.Name() == "help" {
			continue
		}
		if c.Long == "" || c.Example == "" {
			t.Errorf("%s has no long help or no example", c.Name())
		}
		if !bytes.Contains([]byte(c.Long), []byte("Exit code 0: ")) {
			t.Errorf("%s does not say what its exit codes mean", c.Name())
		}
		if !slices.ContainsFunc(exits, func(e exitCodes) bool { return e.command == c.Name() }) {
			t.Errorf("%s is missing in the list of exit codes", c.Name())
		}
		named++
	}
	if named != len(exits) {
		t.Errorf("the list of exit codes has %d commands, and there are %d", len(exits), named)
	}
}

// TestFlagsComplete: a flag that takes a file or a folder says so to the shell,
// and one that takes neither does not have files offered.
func TestFlagsComplete(t *testing.T) {
	complete := func(args ...string) string {
		cmd := root()
		var out bytes.Buffer
		cmd.SetOut(&out)
		cmd.SetErr(&bytes.Buffer{})
		cmd.SetArgs(append([]string{cobra.ShellCompNoDescRequestCmd}, args...))
		if err := cmd.Execute(); err != nil {
			t.Fatal(err)
		}
		return out.String()
	}
	for _, c := range []struct {
		args []string
		want string
	}{
		{[]string{"check", "--issuer", ""}, "pem\ncrt\ncer\nder\n:8\n"},
		{[]string{"check", "--crl", ""}, "crl\npem\nder\n:8\n"},
		{[]string{"check", "--issuer=a", ""}, "pem\ncrt\ncer\nder\n:8\n"},
		{[]string{"put", ""}, "crl\npem\ncrt\ncer\nder\njson\n:8\n"},
		{[]string{"invoke", ""}, "json\n:8\n"},
		{[]string{"local", ""}, ":16\n"},
		{[]string{"local", "--preprocessor", ""}, "ALLOW_SHA1=\nCACHE_JSON=\nMAX_CRL_BYTES=\nPINNED_ISSUERS=\nPUBLISH_TRUSTSTORE=\nSWEEP_AFTER=\n:6\n"},
		{[]string{"status", "--local", ""}, ":16\n"},
		{[]string{"status", "--profile", ""}, ":4\n"},
		{[]string{"st"}, "status\n:4\n"},
	} {
		if got := complete(c.args...); got != c.want {
			t.Errorf("%q completes to %q, want %q", c.args, got, c.want)
		}
	}
}
