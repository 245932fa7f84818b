package e2e

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/crlgate/crlgate/cmd/crlgate/internal/stack"
)

// copies puts copies of all binaries into a folder, so that the processes of
// one stack can be told from those of any other.
func copies(t *testing.T) string {
	t.Helper()
	dir := must[string](t, "the folder's name")(filepath.EvalSymlinks(t.TempDir()))
	for to, from := range map[string]string{
		"crlgate": crlgateBinary, "preprocessor/bootstrap": filepath.Join(functionsDir, "preprocessor", "bootstrap"),
		"authorizer/bootstrap": filepath.Join(functionsDir, "authorizer", "bootstrap"),
	} {
		path := filepath.Join(dir, to)
		data := must[[]byte](t, "reading a binary")(os.ReadFile(from))
		if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o700), os.WriteFile(path, data, 0o700)); err != nil { //nolint:gosec // it is run
			t.Fatal(err)
		}
	}
	return dir
}

// processes returns the processes that run a binary of this folder.
func processes(t *testing.T, dir string) (found []string) {
	t.Helper()
	links := must[[]string](t, "the processes")(filepath.Glob("/proc/[0-9]*/exe"))
	for _, link := range links {
		if exe, err := os.Readlink(link); err == nil && strings.HasPrefix(exe, dir) {
			found = append(found, strings.Split(link, "/")[2])
		}
	}
	return found
}

// TestCloseLeavesNothing closes stacks in several states, and looks for
// processes, ports and files.
func TestCloseLeavesNothing(t *testing.T) {
	t.Parallel()
	if runtime.GOOS != "linux" {
		if os.Getenv("CI") != "" {
			t.Fatal("processes are looked for in /proc, which this system does not have, and this is CI")
		}
		t.Skip("processes are looked for in /proc, which this system does not have: NOT TESTED")
	}
	for what, state := range map[string]struct {
		config stack.Config
		before func(*testing.T, *warm)
	}{
		"idle":   {stack.Config{ProxyCache: true, Forms: allForms}, func(*testing.T, *warm) {}},
		"frozen": {stack.Config{Freeze: true}, func(*testing.T, *warm) {}},
		"S3 killed": {stack.Config{}, func(t *testing.T, w *warm) {
			if err := w.S3.Kill(); err != nil {
				t.Error(err)
			}
		}},
		"S3 hanging": {stack.Config{}, func(t *testing.T, w *warm) {
			if err := w.S3.Pause(); err != nil {
				t.Error(err)
			}
		}},
	} {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			dir := copies(t)
			state.config.Binaries, state.config.S3Command = dir, []string{filepath.Join(dir, "crlgate"), "s3-server"}
			w := startWarm(t, state.config)
			ports := w.ports()
			if running := processes(t, dir); len(running) < 3 {
				t.Errorf("%d processes while the stack runs: they are not found", len(running))
			}
			for name, address := range ports {
				if c, err := net.Dial("tcp", address); err != nil {
					t.Errorf("%s does not listen at %s while the stack runs: %v", name, address, err)
				} else {
					_ = c.Close()
				}
			}
			state.before(t, w)
			w.close()
			if left := processes(t, dir); len(left) > 0 {
				t.Errorf("processes %v are left", left)
			}
			for name, address := range ports {
				if _, err := net.Dial("tcp", address); !errors.Is(err, syscall.ECONNREFUSED) {
					t.Errorf("%s: dialling %s after Close: %v, want a connection refused", name, address, err)
				}
			}
			if err := os.RemoveAll(w.dir); err != nil {
				t.Error(err)
			}
			if err := w.Close(); err != nil {
				t.Errorf("closing again: %v", err)
			}
		})
	}
}

// ports returns everything that listens, by what it is.
func (w *warm) ports() map[string]string {
	w.t.Helper()
	ports := map[string]string{}
	for form, g := range w.Gateways {
		ports[fmt.Sprintf("gateway %v", form)] = g.Addr().String()
	}
	endpoints := map[string]string{"S3": w.S3.Endpoint}
	if w.Proxy != nil {
		endpoints["proxy"] = w.Proxy.Endpoint
	}
	for name, endpoint := range endpoints {
		ports[name] = must[*url.URL](w.t, "an endpoint")(url.Parse(endpoint)).Host
	}
	for _, e := range w.Authorizer.Environments() {
		ports["Runtime API of the authorizer, "+strconv.Itoa(e.PID)] = e.Address
	}
	for _, e := range w.Preprocessor.Environments() {
		ports["Runtime API of the preprocessor, "+strconv.Itoa(e.PID)] = e.Address
	}
	return ports
}

// TestDemo runs "crlgate demo" as a user does.
func TestDemo(t *testing.T) {
	t.Parallel()
	temp := t.TempDir()
	cmd := exec.CommandContext(t.Context(), crlgateBinary, "demo", "--functions", functionsDir)
	cmd.Env = append(os.Environ(), "TMPDIR="+temp)
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	began := time.Now()
	if err := cmd.Run(); err != nil {
		t.Errorf("crlgate demo: %v\n%s", err, out.Bytes())
	}
	t.Logf("crlgate demo took %.1fs", time.Since(began).Seconds())
	for _, want := range []string{"200 good", "403 revoked", "403 no_crl", "refused TLS handshake", "refused signature_invalid", "refused number_too_low", "as expected", "no process, port or file is left"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("crlgate demo does not say %q:\n%s", want, out.Bytes())
		}
	}
	if strings.Contains(out.String(), "WRONG") {
		t.Errorf("crlgate demo:\n%s", out.Bytes())
	}
	err := filepath.WalkDir(temp, func(path string, _ fs.DirEntry, err error) error {
		if path != temp {
			t.Errorf("crlgate demo left %s", path)
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}
}
