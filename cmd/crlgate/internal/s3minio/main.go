// Command s3minio is a second S3 server for the end-to-end tests: it runs a
// MinIO binary and speaks to its parent as crlgate s3-server does (package
// wire), so that whatever starts one can start the other. Events are MinIO's
// own notifications, as its webhook target sends them.
//
// MinIO is an implementation of S3 that shares nothing with the one that the
// local stack embeds. It is never linked: the binary that the environment
// variable CRLGATE_MINIO names is run as a process.
package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"syscall"
	"time"

	"github.com/crlgate/crlgate/cmd/crlgate/internal/s3proc/wire"
)

func main() {
	if wire.Child(os.Stdin, os.Stdout, serve) != nil {
		os.Exit(1)
	}
}

// serve serves until ctx ends.
func serve(ctx context.Context, cfg wire.Config, out *wire.Messages) (err error) {
	binary := os.Getenv("CRLGATE_MINIO")
	if binary == "" {
		return errors.New("CRLGATE_MINIO does not name the MinIO binary: set it, or run make test-minio")
	}
	hook, err := listenForEvents(out)
	if err != nil {
		return err
	}
	defer hook.close()
	server, err := startMinIO(binary, cfg, hook.url)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, server.stop()) }()
	if err := prepare(ctx, server, cfg); err != nil {
		return err
	}
	out.Send(wire.Message{Ready: &wire.Ready{Endpoint: server.endpoint}})
	select {
	case <-ctx.Done():
		return nil
	case <-server.done:
		return fmt.Errorf("MinIO ended: %w", server.err)
	}
}

// minio is the server's process.
type minio struct {
	cmd      *exec.Cmd
	endpoint string
	done     chan struct{} // closed when the process is gone
	err      error         // how it ended; read after done
}

// stopWithin is how long MinIO may take to end before it is killed.
const stopWithin = 3 * time.Second

func startMinIO(binary string, cfg wire.Config, webhook string) (*minio, error) {
	port := cfg.Port
	if port == 0 {
		var err error
		if port, err = freePort(); err != nil {
			return nil, err
		}
	}
	address := net.JoinHostPort("127.0.0.1", strconv.Itoa(port))
	data := filepath.Join(cfg.DataDir, "minio")
	if err := os.MkdirAll(data, 0o700); err != nil {
		return nil, err
	}
	m := &minio{endpoint: "http://" + address, done: make(chan struct{})}
	m.cmd = exec.Command(binary, "server", "--quiet", "--address", address, "--certs-dir", filepath.Join(cfg.DataDir, "certs"), data)
	m.cmd.Env = []string{
		"HOME=" + cfg.DataDir, "PATH=" + os.Getenv("PATH"),
		"MINIO_ROOT_USER=" + cfg.AccessKey, "MINIO_ROOT_PASSWORD=" + cfg.SecretKey,
		"MINIO_SITE_REGION=" + cfg.Region, "MINIO_BROWSER=off", "MINIO_UPDATE=off",
		"MINIO_CI_CD=1", // takes a folder for a drive
		"MINIO_NOTIFY_WEBHOOK_ENABLE_" + target + "=on",
		"MINIO_NOTIFY_WEBHOOK_ENDPOINT_" + target + "=" + webhook,
	}
	m.cmd.Stdout, m.cmd.Stderr = os.Stderr, os.Stderr
	m.cmd.SysProcAttr = dieWithParent()
	if err := m.cmd.Start(); err != nil {
		return nil, fmt.Errorf("starting MinIO: %w", err)
	}
	go func() {
		defer close(m.done)
		m.err = m.cmd.Wait()
	}()
	return m, nil
}

// freePort finds a port of the loopback interface that nobody has. Another may
// take it before MinIO does, which then fails to start and says so.
func freePort() (int, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return 0, err
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port, nil
}

// stop ends MinIO in an orderly way, by force if it takes long.
func (m *minio) stop() error {
	if err := m.cmd.Process.Signal(syscall.SIGTERM); errors.Is(err, os.ErrProcessDone) {
		return nil
	}
	select {
	case <-m.done:
	case <-time.After(stopWithin):
		if err := m.cmd.Process.Kill(); err != nil && !errors.Is(err, os.ErrProcessDone) {
			return fmt.Errorf("killing MinIO: %w", err)
		}
		<-m.done
	}
	return nil
}
