package gateway_test

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/crlgate/crlgate/cmd/crlgate/internal/gateway"
	"github.com/crlgate/crlgate/cmd/crlgate/internal/proctest"
)

func TestNewNamesEveryFault(t *testing.T) {
	_, err := gateway.New(gateway.Config{
		EnableSimpleResponses: true, RequireClientCertificate: true, AuthorizerTTL: 2 * time.Hour,
		AuthorizerTimeout: -1, IntegrationTimeout: -1,
		IdentitySources: []string{"$request.body", "method.request.header.Authorization"},
		ContextHeaders:  map[string]string{"not a name": "reason"},
	})
	if err == nil {
		t.Fatal("accepted")
	}
	for _, fault := range []string{
		"Form 0", "Authorizer is missing", "Upstream is missing", "EnableSimpleResponses", "ServerCertificate is missing",
		"Truststore is empty", "AuthorizerTTL 2h0m0s", "AuthorizerTimeout -1ns", "IntegrationTimeout -1ns",
		`"$request.body"`, `"not a name"`,
	} {
		if !strings.Contains(err.Error(), fault) {
			t.Errorf("the error does not name %s:\n%v", fault, err)
		}
	}
	w := newWorld(t)
	cfg := w.config(gateway.REST, always("{}"))
	cfg.AuthorizerTTL = time.Second
	if _, err := gateway.New(cfg); err == nil || !strings.Contains(err.Error(), "IdentitySources") {
		t.Errorf("a TTL without identity sources: %v", err)
	}
}

func TestParseForm(t *testing.T) {
	for _, form := range []gateway.Form{gateway.REST, gateway.HTTP1, gateway.HTTP2} {
		if parsed, err := gateway.ParseForm(form.String()); err != nil || parsed != form {
			t.Errorf("ParseForm(%q) is %v, %v", form.String(), parsed, err)
		}
	}
	if _, err := gateway.ParseForm("REST"); err == nil {
		t.Error("REST in capitals was accepted")
	}
}

func TestListen(t *testing.T) {
	w := newWorld(t)
	g, err := gateway.New(w.config(gateway.REST, always("{}")))
	if err != nil {
		t.Fatal(err)
	}
	if err := g.Serve(); err == nil {
		t.Error("Serve before Listen was accepted")
	}
	for _, address := range []string{"0.0.0.0:0", ":0", "192.0.2.1:0", "localhost:0", "127.0.0.1"} {
		if err := g.Listen(address); err == nil {
			t.Errorf("Listen(%q) was accepted", address)
		}
	}
	equal(t, "address before Listen", g.Addr() == nil, true)
	if err := g.Listen("127.0.0.1:0"); err != nil {
		t.Fatal(err)
	}
	if err := g.Listen("127.0.0.1:0"); err == nil {
		t.Error("a second Listen was accepted")
	}
	// Closed before it ever served: the port is free again.
	address := g.Addr().String()
	for range 2 {
		if err := g.Close(context.Background()); err != nil {
			t.Fatal(err)
		}
	}
	again, err := net.Listen("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	_ = again.Close()
	if err := g.Serve(); err != nil {
		t.Errorf("Serve after Close: %v", err)
	}
	if err := g.Listen("127.0.0.1:0"); !errors.Is(err, http.ErrServerClosed) {
		t.Errorf("Listen after Close: %v", err)
	}
}

// Close lets a request under way finish and leaves no goroutine and no port.
func TestCloseIsGraceful(t *testing.T) {
	before := runtime.NumGoroutine()
	w := newWorld(t)
	upstream := proxied(t, gateway.Echo())
	afterUpstream := runtime.NumGoroutine() - before
	entered, release := make(chan struct{}), make(chan struct{})
	var once sync.Once
	cfg := w.config(gateway.REST, gateway.AuthorizerFunc(func(context.Context, []byte) ([]byte, string, error) {
		once.Do(func() { close(entered) })
		<-release
		return []byte(policy("Allow", "*")), "", nil
	}))
	cfg.Upstream = upstream
	g, err := gateway.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	if err := g.Listen("127.0.0.1:0"); err != nil {
		t.Fatal(err)
	}
	served, closed, status := make(chan error, 1), make(chan error, 1), make(chan int, 1)
	go func() { served <- g.Serve() }()
	c := client(t, w.tlsConfig(w.client), true)
	go func() {
		response, err := c.Get("https://" + g.Addr().String() + "/")
		if err != nil {
			t.Error(err)
			status <- 0
			return
		}
		_ = response.Body.Close()
		status <- response.StatusCode
	}()
	<-entered
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	go func() { closed <- g.Close(ctx) }()
	if err := <-served; err != nil { // no longer accepting, though the request goes on
		t.Error(err)
	}
	if dialed, err := net.Dial("tcp", g.Addr().String()); err == nil {
		_ = dialed.Close()
		t.Error("the port is still open")
	}
	close(release)
	equal(t, "status of the request under way", <-status, http.StatusOK)
	if err := <-closed; err != nil {
		t.Error(err)
	}
	c.CloseIdleConnections()
	for deadline := time.Now().Add(patience); runtime.NumGoroutine() > before+afterUpstream; {
		if time.Now().After(deadline) {
			stacks := make([]byte, 1<<16)
			t.Fatalf("%d goroutines, %d before:\n%s", runtime.NumGoroutine(), before+afterUpstream, stacks[:runtime.Stack(stacks, true)])
		}
		time.Sleep(time.Millisecond)
	}
}

// Close does not wait for ever.
func TestCloseGivesUp(t *testing.T) {
	w := newWorld(t)
	entered, release := make(chan struct{}), make(chan struct{})
	cfg := w.config(gateway.REST, gateway.AuthorizerFunc(func(context.Context, []byte) ([]byte, string, error) {
		close(entered)
		<-release
		return nil, "", errors.New("late")
	}))
	f := w.start(t, cfg)
	defer close(release)
	done := make(chan struct{})
	c := f.client(t)
	go func() {
		defer close(done)
		if response, err := c.Get(f.url("/")); err == nil {
			_ = response.Body.Close()
		}
	}()
	<-entered
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if err := f.Close(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("Close is %v, want that its context ended", err)
	}
	<-done // its connection was cut
}

// Why a handshake failed is told to the error log.
func TestErrorLog(t *testing.T) {
	w := newWorld(t)
	var log proctest.Output
	cfg := w.config(gateway.REST, always(policy("Allow", "*")))
	cfg.ErrorLog = slog.New(slog.NewTextHandler(&log, nil))
	f := w.start(t, cfg)
	refused(t, client(t, w.tlsConfig(nil), true), f)
	for deadline := time.Now().Add(patience); !strings.Contains(log.String(), "client didn't provide a certificate"); {
		if time.Now().After(deadline) {
			t.Fatalf("the error log says %q", log.String())
		}
		time.Sleep(time.Millisecond)
	}
}
