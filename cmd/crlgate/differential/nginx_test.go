package differential

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/crlgate/crlgate/cmd/crlgate/internal/proctest"
	"github.com/crlgate/crlgate/internal/pki"
	"github.com/crlgate/crlgate/internal/pki/pkitest"
)

// patience is how long nginx may take to begin or to end, on a machine that
// has much else to do.
const patience = 60 * time.Second

// forNginx reports whether a case can be put to nginx, whose ssl_crl knows no
// deltas, no indirect CRLs, no reasons, and no signer that is not on the
// certificate's path.
func (c *kase) forNginx() bool {
	return len(c.lists) > 0 && !slices.ContainsFunc(c.lists, func(l *list) bool {
		idp := l.opts.IDP
		return l.delta() || idp != nil && (idp.Indirect || idp.Reasons != 0) || !slices.Contains(c.path, l.signer)
	})
}

// nginx is one nginx with a virtual server for each case.
type nginx struct {
	tb      testing.TB
	address string
	roots   *x509.CertPool
	process *proctest.Process
	log     string
}

// One process, so that nothing is left of it when that ends.
const nginxConfig = `daemon off;
master_process off;
worker_rlimit_nofile 1024;
error_log %[1]s/error.log warn;
pid %[1]s/nginx.pid;
events { worker_connections 256; }
http {
	access_log off;
	client_body_temp_path %[1]s/body;
	proxy_temp_path %[1]s/proxy;
	fastcgi_temp_path %[1]s/fastcgi;
	uwsgi_temp_path %[1]s/uwsgi;
	scgi_temp_path %[1]s/scgi;
	server_names_hash_bucket_size 128;
	server_names_hash_max_size 8192;
	ssl_certificate %[1]s/server.pem;
	ssl_certificate_key %[1]s/server.key;
	ssl_protocols TLSv1.2 TLSv1.3;
	ssl_verify_client on;
	ssl_verify_depth 8;
	error_page 495 496 =200 /verdict;
`

const nginxServer = `	server {
		listen %s ssl;
		server_name %s;
		ssl_client_certificate %s;
		ssl_crl %s;
		location / { return 200 "$ssl_client_verify"; }
	}
`

func (c *kase) host() string { return fmt.Sprintf("case%d.test", c.number) }

// startNginx starts nginx on 127.0.0.1 for the cases whose files are given.
func startNginx(tb testing.TB, path string, asked []*kase, laid map[*kase]files) *nginx {
	tb.Helper()
	dir := tb.TempDir()
	n := &nginx{tb: tb, roots: x509.NewCertPool(), log: filepath.Join(dir, "error.log")}
	put := func(name string, data []byte) {
		if err := os.WriteFile(filepath.Join(dir, name), data, 0o600); err != nil {
			tb.Fatal(err)
		}
	}
	ca := pkitest.CA(tb, pki.CAOptions{})
	hosts := make([]string, len(asked))
	for i, c := range asked {
		hosts[i] = c.host()
	}
	server := pkitest.Leaf(tb, ca, pki.LeafOptions{Server: true, DNSNames: hosts})
	key, err := server.KeyPEM()
	if err != nil {
		tb.Fatal(err)
	}
	n.roots.AddCert(ca.Certificate)
	put("server.pem", server.PEM())
	put("server.key", key)

	for range 10 {
		n.address = freeAddress(tb)
		var config strings.Builder
		fmt.Fprintf(&config, nginxConfig, dir)
		for _, c := range asked {
			f := laid[c]
			fmt.Fprintf(&config, nginxServer, n.address, c.host(), f.roots, f.crls)
		}
		config.WriteString("}\n")
		put("nginx.conf", []byte(config.String()))
		if n.start(path, dir) {
			return n
		}
		if !strings.Contains(n.said(), "Address already in use") {
			break
		}
	}
	tb.Fatalf("nginx does not start: %s", n.said())
	return nil
}

// freeAddress is one on which nobody listens, for the moment.
func freeAddress(tb testing.TB) string {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		tb.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

// start runs nginx and waits until it listens. It reports whether it does.
func (n *nginx) start(path, dir string) bool {
	cmd := exec.Command(path, "-p", dir, "-e", n.log, "-c", filepath.Join(dir, "nginx.conf"))
	cmd.SysProcAttr = childAttributes()
	n.process = proctest.Start(n.tb, cmd)
	n.tb.Cleanup(n.stop)
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); {
		select {
		case <-n.process.Ended():
			return false
		case <-time.After(10 * time.Millisecond):
		}
		// It writes its pid once it listens, and a stranger on this port has not.
		if !fileExists(filepath.Join(dir, "nginx.pid")) {
			continue
		}
		if conn, err := net.Dial("tcp", n.address); err == nil {
			conn.Close()
			return true
		}
	}
	return false
}

// stop ends nginx and waits until it has.
func (n *nginx) stop() {
	_ = n.process.Stop(syscall.SIGTERM) // how it ended stands in its log
}

// said is what nginx wrote, for whoever has to find out why it fails.
func (n *nginx) said() string {
	log, err := os.ReadFile(n.log)
	if err != nil {
		return n.process.Output.String()
	}
	return n.process.Output.String() + string(log)
}

// ask connects as the case's client and returns what nginx makes of it.
func (n *nginx) ask(ctx context.Context, c *kase) (answer, error) {
	client := &http.Client{Timeout: patience, Transport: &http.Transport{
		DisableKeepAlives: true,
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return (&net.Dialer{}).DialContext(ctx, "tcp", n.address)
		},
		TLSClientConfig: &tls.Config{
			RootCAs: n.roots, ServerName: c.host(), MinVersion: tls.VersionTLS13,
			GetClientCertificate: func(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
				return &tls.Certificate{Certificate: c.chainDER(), PrivateKey: c.leaf.Key}, nil
			},
		},
	}}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "https://"+c.host()+"/", nil)
	if err != nil {
		return answer{}, err
	}
	resp, err := client.Do(req)
	if err != nil {
		return answer{}, errors.Join(err, errors.New("nginx wrote: "+n.said()))
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, 4096))
	if err != nil {
		return answer{}, err
	}
	words := string(body)
	switch {
	case resp.StatusCode == http.StatusOK && words == "SUCCESS":
		return answer{good, words}, nil
	case resp.StatusCode == http.StatusOK && words == "FAILED:certificate revoked":
		return answer{revoked, words}, nil
	case resp.StatusCode == http.StatusOK && strings.HasPrefix(words, "FAILED:"):
		return answer{unknown, words}, nil
	}
	return answer{}, fmt.Errorf("nginx answered %s %q", resp.Status, words)
}
