package openssltest_test

import (
	"os"
	"runtime"
	"strings"
	"testing"

	"github.com/crlgate/crlgate/internal/pki/openssltest"
)

func TestFolder(t *testing.T) {
	f := openssltest.New(t)
	f.Run("genpkey", "-algorithm", "ED25519", "-out", "a.key")
	if key, err := os.ReadFile(f.Path("a.key")); err != nil || !strings.Contains(string(key), "PRIVATE KEY") {
		t.Errorf("%s, %v", key, err)
	}
	f.Write("b.key", []byte("no key"))
	if said, err := f.Try("pkey", "-in", "b.key", "-noout"); err == nil || said == "" {
		t.Errorf("%q, %v", said, err)
	}
}

// ended is a test that notes how it ends.
type ended struct {
	testing.TB
	how string
}

func (e *ended) Helper()      {}
func (e *ended) Skip(...any)  { e.how = "skipped"; runtime.Goexit() }
func (e *ended) Fatal(...any) { e.how = "failed"; runtime.Goexit() }

// TestAbsent: without openssl a test is skipped, and in CI it fails.
func TestAbsent(t *testing.T) {
	t.Setenv("PATH", t.TempDir())
	for ci, want := range map[string]string{"": "skipped", "true": "failed"} {
		t.Setenv("CI", ci)
		e := &ended{}
		done := make(chan struct{})
		go func() {
			defer close(done)
			openssltest.New(e)
		}()
		if <-done; e.how != want {
			t.Errorf("CI=%q: %q, want %s", ci, e.how, want)
		}
	}
}
