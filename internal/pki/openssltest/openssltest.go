// Package openssltest runs openssl for tests.
package openssltest

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// Folder is a folder in which openssl runs, so that its arguments can be names of
// files in it.
type Folder struct {
	tb  testing.TB
	dir string
}

// New makes a folder, which goes with the test. Where there is no openssl the test is
// skipped; in CI, which the environment variable CI tells, it fails.
func New(tb testing.TB) Folder {
	tb.Helper()
	if _, err := exec.LookPath("openssl"); err != nil {
		if os.Getenv("CI") != "" {
			tb.Fatal("openssl is not installed, and this is CI: install it")
		}
		tb.Skip("openssl is not installed: nothing WAS COMPARED with it")
	}
	return Folder{tb, tb.TempDir()}
}

// Try runs openssl and returns what it says, on either stream.
func (f Folder) Try(args ...string) (string, error) {
	cmd := exec.CommandContext(f.tb.Context(), "openssl", args...)
	cmd.Dir = f.dir
	out, err := cmd.CombinedOutput()
	return string(out), err
}

// Run runs openssl, which must succeed.
func (f Folder) Run(args ...string) {
	f.tb.Helper()
	if out, err := f.Try(args...); err != nil {
		f.tb.Fatalf("openssl %s: %v\n%s", strings.Join(args, " "), err, out)
	}
}

// Path is the path of a file in the folder.
func (f Folder) Path(name string) string { return filepath.Join(f.dir, name) }

// Write writes a file in the folder.
func (f Folder) Write(name string, data []byte) {
	f.tb.Helper()
	if err := os.WriteFile(f.Path(name), data, 0o600); err != nil {
		f.tb.Fatal(err)
	}
}
