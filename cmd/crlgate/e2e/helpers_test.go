package e2e

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/crlgate/crlgate/cmd/crlgate/internal/gateway"
	"github.com/crlgate/crlgate/cmd/crlgate/internal/lambdaruntime"
	"github.com/crlgate/crlgate/cmd/crlgate/internal/stack"
	"github.com/crlgate/crlgate/pkg/catalog"
	"github.com/crlgate/crlgate/pkg/objectstore"
	"github.com/crlgate/crlgate/pkg/preprocess"
)

// patience is how long anything that must happen may take, on a machine that
// has much else to do.
const patience = 90 * time.Second

// world is a stack under test, and all that it logs.
type world struct {
	*stack.Stack
	t     testing.TB
	dir   string // the S3 server's data
	roots *x509.CertPool

	mu      sync.Mutex
	lines   []lambdaruntime.LogLine
	records map[string]gateway.Record // by request id
	closed  bool
}

// start starts a stack for one test. The configuration needs no more than what
// the test is about; the form is REST unless it says otherwise, and the
// authorizer asks S3 on every request unless REVALIDATE_AFTER says otherwise.
func start(t testing.TB, c stack.Config) *world {
	t.Helper()
	w := &world{t: t, dir: filepath.Join(t.TempDir(), "s3"), roots: x509.NewCertPool(), records: map[string]gateway.Record{}}
	if c.Binaries == "" {
		c.Binaries = functionsDir
	}
	if c.S3Command == nil {
		c.S3Command = s3Command
	}
	authorizer := map[string]string{}
	if c.Template == nil { // which has a word on both
		if c.Forms == nil {
			c.Forms = []gateway.Form{gateway.REST}
		}
		authorizer["REVALIDATE_AFTER"] = "0"
	}
	c.S3Port = s3Port(t)
	for k, v := range c.Authorizer {
		authorizer[k] = v
	}
	c.DataDir, c.Authorizer, c.Log, c.AccessLog = w.dir, authorizer, w.line, w.record
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	var err error
	if w.Stack, err = stack.Start(ctx, c); err != nil {
		t.Fatalf("starting the stack: %v", err)
	}
	t.Cleanup(w.finish)
	if !w.roots.AppendCertsFromPEM(w.ServerCA) {
		t.Fatal("the certificate of the gateways' CA cannot be read")
	}
	return w
}

// lastPort is the last port that s3Port returned, or where it begins.
var lastPort atomic.Int32

func init() { lastPort.Store(int32(10_000 + os.Getpid()*64%20_000)) }

// s3Port returns a free port outside the range from which systems take ports
// for whoever asks for any (from 32768 on Linux): it stays free while the S3
// server is down.
func s3Port(t testing.TB) int {
	t.Helper()
	for range 1000 {
		port := 10_000 + int(lastPort.Add(1))%22_000
		l, err := net.Listen("tcp4", fmt.Sprintf("127.0.0.1:%d", port))
		if err == nil {
			_ = l.Close()
			return port
		}
	}
	t.Fatal("1000 ports from 10000 on are in use")
	return 0
}

// finish closes the stack and looks for what no test may leave in the log.
func (w *world) finish() {
	w.close()
	for _, bad := range []string{"DATA RACE", "fatal error:", "concurrent map"} {
		if l := w.logged(bad); l != "" {
			w.t.Errorf("a function wrote %q: %s", bad, l)
		}
	}
	if w.t.Failed() {
		w.mu.Lock()
		defer w.mu.Unlock()
		for _, l := range w.lines[max(0, len(w.lines)-30):] {
			if !l.Platform && !strings.Contains(l.Text, `"_aws"`) {
				w.t.Logf("%s[%d] %.400s", l.Function, l.PID, l.Text)
			}
		}
	}
}

// close closes the stack, once.
func (w *world) close() {
	w.t.Helper()
	if w.closed {
		return
	}
	w.closed = true
	if err := w.Close(); err != nil {
		w.t.Errorf("closing the stack: %v", err)
	}
}

func (w *world) line(l lambdaruntime.LogLine) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.lines = append(w.lines, l)
}

func (w *world) record(r gateway.Record) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.records[r.RequestID] = r
}

// logLines returns the lines that contain every one of some texts.
func (w *world) logLines(texts ...string) (found []lambdaruntime.LogLine) {
	w.mu.Lock()
	defer w.mu.Unlock()
next:
	for _, l := range w.lines {
		for _, text := range texts {
			if !strings.Contains(l.Text, text) {
				continue next
			}
		}
		found = append(found, l)
	}
	return found
}

// logged returns the first line that contains every one of some texts; "": none.
func (w *world) logged(texts ...string) string {
	if found := w.logLines(texts...); len(found) > 0 {
		return found[0].Text
	}
	return ""
}

// awaitLog waits for a line that contains every one of some texts.
func (w *world) awaitLog(texts ...string) {
	w.t.Helper()
	eventually(w.t, fmt.Sprintf("a line of the log with %q", texts), func() bool { return w.logged(texts...) != "" })
}

// eventually waits until something holds.
func eventually(t testing.TB, what string, holds func() bool) {
	t.Helper()
	for deadline := time.Now().Add(patience); !holds(); time.Sleep(20 * time.Millisecond) {
		if t.Context().Err() != nil || time.Now().After(deadline) {
			t.Fatalf("%s: not within %v", what, patience)
		}
	}
}

// upload uploads an object, waits for the report on it, and holds the outcome.
func (w *world) upload(key string, data []byte, want preprocess.Outcome) *preprocess.Report {
	w.t.Helper()
	ctx, cancel := context.WithTimeout(w.t.Context(), patience)
	defer cancel()
	r, err := w.PutAndWait(ctx, key, data)
	if err != nil {
		w.t.Fatalf("uploading %s: %v", key, err)
	}
	if r.Outcome != want {
		w.t.Fatalf("uploading %s: %s %s (%s), want %s", key, r.Outcome, r.Code, r.Detail, want)
	}
	return r
}

// put uploads an object and waits for nothing.
func (w *world) put(key string, data []byte) objectstore.Version {
	w.t.Helper()
	version, err := w.Put(w.t.Context(), key, data)
	if err != nil {
		w.t.Fatalf("uploading %s: %v", key, err)
	}
	return version
}

// awaitReport waits for the report on a version of an upload.
func (w *world) awaitReport(key string, version objectstore.Version) *preprocess.Report {
	w.t.Helper()
	ctx, cancel := context.WithTimeout(w.t.Context(), patience)
	defer cancel()
	r, err := stack.AwaitReport(ctx, w.Cache, key, version)
	if err != nil {
		w.t.Fatal(err)
	}
	return r
}

// drain waits until the preprocessor has nothing left to do.
func (w *world) drain() {
	w.t.Helper()
	ctx, cancel := context.WithTimeout(w.t.Context(), patience)
	defer cancel()
	if err := w.Preprocessor.Drain(ctx); err != nil {
		w.t.Fatal(err)
	}
}

// trust uploads a CA's certificates and waits until gateways and catalog know
// them.
func (w *world) trust(cas ...*authority) {
	w.t.Helper()
	for _, ca := range cas {
		w.upload("issuers/"+ca.name+".pem", ca.PEM(), preprocess.OutcomeAccepted)
	}
	w.awaitTruststore(cas...)
}

// awaitTruststore waits until every gateway lets the CAs' clients in.
func (w *world) awaitTruststore(cas ...*authority) {
	w.t.Helper()
	for _, ca := range cas {
		probe := ca.issue("probe")
		for form := range w.Gateways {
			eventually(w.t, fmt.Sprintf("the %v gateway to trust %s", form, ca.name), func() bool {
				// In TLS 1.2 the handshake ends after the client was verified.
				return w.handshake(form, probe, tls.VersionTLS12) == nil
			})
		}
	}
}

// publish uploads the CA's next CRL, which must be accepted.
func (w *world) publish(ca *authority) *preprocess.Report {
	w.t.Helper()
	return w.upload("crls/"+ca.name+".crl", ca.crl(nil), preprocess.OutcomeAccepted)
}

// settings uploads a CA's settings, which must be accepted.
func (w *world) settings(ca *authority, settings map[string]any) {
	w.t.Helper()
	data, err := json.Marshal(settings)
	if err != nil {
		w.t.Fatal(err)
	}
	w.upload("issuers/"+ca.name+".json", data, preprocess.OutcomeAccepted)
}

// object reads an object of the cache bucket.
func (w *world) object(key string) []byte {
	w.t.Helper()
	data, _, err := w.Cache.ReadAll(w.t.Context(), key, 1<<30, objectstore.GetOptions{})
	if err != nil {
		w.t.Fatal(err)
	}
	return data
}

// overwrite replaces an object of the cache bucket, as nobody but an attacker
// or a fault does.
func (w *world) overwrite(key string, data []byte) {
	w.t.Helper()
	if _, err := w.Cache.Put(w.t.Context(), key, strings.NewReader(string(data)), objectstore.PutOptions{}); err != nil {
		w.t.Fatal(err)
	}
}

// catalog reads the catalog.
func (w *world) catalog() *catalog.Catalog {
	w.t.Helper()
	c, err := catalog.Parse(w.object(catalog.Key))
	if err != nil {
		w.t.Fatal(err)
	}
	return c
}

// restartS3 starts the S3 server again after it was killed.
func (w *world) restartS3() {
	w.t.Helper()
	ctx, cancel := context.WithTimeout(w.t.Context(), patience)
	defer cancel()
	if err := w.S3.Restart(ctx); err != nil {
		w.t.Fatal(err)
	}
}

// must ends the test where something that only prepares it fails.
func must[T any](t testing.TB, what string) func(T, error) T {
	return func(v T, err error) T {
		t.Helper()
		if err != nil {
			t.Fatalf("%s: %v", what, err)
		}
		return v
	}
}
