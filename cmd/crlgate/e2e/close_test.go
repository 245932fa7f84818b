package e2e

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"net"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/crlgate/crlgate/cmd/crlgate/internal/lambdaruntime"
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

// listening returns the ports of 127.0.0.1 on which this process listens:
// gateways, proxy and Runtime APIs are in it, the S3 server is a child. A dial
// would not tell, as a port that is free may be another program's a moment later.
func listening(t *testing.T) map[string]bool {
	t.Helper()
	sockets := map[string]bool{}
	for _, fd := range must[[]string](t, "the open files")(filepath.Glob("/proc/self/fd/*")) {
		if to, err := os.Readlink(fd); err == nil {
			sockets[to] = true
		}
	}
	ports := map[string]bool{}
	table := must[[]byte](t, "the sockets")(os.ReadFile("/proc/self/net/tcp"))
	for line := range strings.Lines(string(table)) {
		// sl local_address rem_address st … inode, see proc_net_tcp in the kernel's documentation
		f := strings.Fields(line)
		if len(f) > 9 && f[3] == "0A" && sockets["socket:["+f[9]+"]"] {
			_, port, _ := strings.Cut(f[1], ":")
			n := must[uint64](t, "a port")(strconv.ParseUint(port, 16, 16))
			ports[strconv.FormatUint(n, 10)] = true
		}
	}
	return ports
}

// TestCloseLeavesNothing closes stacks in several states, and looks for
// processes, ports and files. It does not run beside other tests, whose stacks
// take ports that become free.
func TestCloseLeavesNothing(t *testing.T) {
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
			dir := copies(t)
			state.config.Binaries, state.config.S3Command = dir, []string{filepath.Join(dir, "crlgate"), "s3-server"}
			before := listening(t)
			w := startWarm(t, state.config)
			ports := w.ports()
			if running := processes(t, dir); len(running) < 3 {
				t.Errorf("%d processes while the stack runs: they are not found", len(running))
			}
			during := listening(t)
			for name, port := range ports {
				if !during[port] {
					t.Errorf("%s does not listen on port %s while the stack runs: %v", name, port, during)
				}
			}
			if len(during) != len(before)+len(ports) {
				t.Errorf("this process listens on %v beside %v: more than %v", during, before, ports)
			}
			state.before(t, w)
			w.close()
			if left := processes(t, dir); len(left) > 0 {
				t.Errorf("processes %v are left", left)
			}
			if after := listening(t); !maps.Equal(after, before) {
				t.Errorf("this process listens on %v, after %v before", after, before)
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

// ports returns the ports on which the stack listens in this process, by what
// they are.
func (w *warm) ports() map[string]string {
	w.t.Helper()
	addresses := map[string]string{}
	for form, g := range w.Gateways {
		addresses[fmt.Sprintf("the gateway %v", form)] = g.Addr().String()
	}
	if w.Proxy != nil {
		addresses["the proxy"] = must[*url.URL](w.t, "an endpoint")(url.Parse(w.Proxy.Endpoint)).Host
	}
	addresses["the API of Lambda and SQS"] = must[*url.URL](w.t, "an endpoint")(url.Parse(w.API.Endpoint)).Host
	for _, f := range []*lambdaruntime.Function{w.Authorizer, w.Preprocessor} {
		for _, e := range f.Environments() {
			addresses[fmt.Sprintf("the Runtime API of %s, process %d", f.Name(), e.PID)] = e.Address
		}
	}
	for name, address := range addresses {
		_, port, err := net.SplitHostPort(address)
		if err != nil {
			w.t.Fatal(err)
		}
		addresses[name] = port
	}
	return addresses
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
