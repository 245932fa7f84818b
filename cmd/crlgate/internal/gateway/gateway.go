package gateway

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"time"
)

// Times that bound a connection. The server's own are longer than the longest
// authorizer and integration together, so that it is those that end a request.
const (
	readHeaderTimeout = 10 * time.Second
	readTimeout       = 60 * time.Second
	writeTimeout      = 120 * time.Second
	idleTimeout       = 310 * time.Second // API Gateway's
)

// Gateway is one API on one domain name. Its methods may be called concurrently.
type Gateway struct {
	cfg Config
	// mappings are the integration's parameter mappings.
	mappings []mapping
	trust    atomic.Pointer[truststore]
	answers  *answerCache
	server   *http.Server
	// invocations are calls of the authorizer under way, also those that no
	// request waits for any more.
	invocations sync.WaitGroup

	mu       sync.Mutex
	listener net.Listener
	closed   bool
}

// New checks the configuration and makes a gateway of it. The error, if any,
// names every fault.
func New(cfg Config) (*Gateway, error) {
	cfg, err := cfg.withDefaults()
	if err != nil {
		return nil, err
	}
	g := &Gateway{cfg: cfg}
	if g.mappings, err = parseMappings(cfg.Form, cfg.RequestParameters); err != nil {
		return nil, err
	}
	state, err := newTruststore(&g.cfg, 1, cfg.Truststore)
	if err != nil {
		return nil, err
	}
	g.trust.Store(state)
	if cfg.AuthorizerTTL > 0 {
		g.answers = newAnswerCache(cfg.AuthorizerTTL)
	}
	g.server = &http.Server{
		Handler:           http.HandlerFunc(g.serveRequest),
		ReadHeaderTimeout: readHeaderTimeout,
		ReadTimeout:       readTimeout,
		WriteTimeout:      writeTimeout,
		IdleTimeout:       idleTimeout,
		// Well above MaxHeaderBytes, so that most requests over that limit get
		// API Gateway's refusal and not net/http's.
		MaxHeaderBytes: 8 * MaxHeaderBytes,
		ConnContext: func(ctx context.Context, c net.Conn) context.Context {
			return context.WithValue(ctx, connKey{}, c)
		},
		ErrorLog: log.New(io.Discard, "", 0),
	}
	if cfg.ErrorLog != nil {
		g.server.ErrorLog = slog.NewLogLogger(cfg.ErrorLog.Handler(), slog.LevelWarn)
	}
	return g, nil
}

// connKey is the context key of a request's connection.
type connKey struct{}

// Listen binds the address, host and port, of which the host must be a loopback
// address; port 0 takes a free one. See [Gateway.Addr].
func (g *Gateway) Listen(address string) error {
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return fmt.Errorf("gateway: listening on %q: %w", address, err)
	}
	if ip := net.ParseIP(host); ip == nil || !ip.IsLoopback() {
		return fmt.Errorf("gateway: listening on %q: not a loopback address: this stand-in serves this machine only, use 127.0.0.1", address)
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	switch {
	case g.closed:
		return fmt.Errorf("gateway: listening on %q: %w", address, http.ErrServerClosed)
	case g.listener != nil:
		return fmt.Errorf("gateway: listening on %q: already listening on %s", address, g.listener.Addr())
	}
	bound, err := net.Listen("tcp", address)
	if err != nil {
		return fmt.Errorf("gateway: %w", err)
	}
	g.listener = bound
	return nil
}

// Addr returns the bound address, nil before [Gateway.Listen].
func (g *Gateway) Addr() net.Addr {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.listener == nil {
		return nil
	}
	return g.listener.Addr()
}

// Serve answers requests until [Gateway.Close], after which it returns nil.
func (g *Gateway) Serve() error {
	g.mu.Lock()
	bound, closed := g.listener, g.closed
	g.mu.Unlock()
	switch {
	case closed:
		return nil
	case bound == nil:
		return errors.New("gateway: Serve before Listen: bind an address first")
	}
	secured := tls.NewListener(listener{bound}, &tls.Config{
		MinVersion:         tls.VersionTLS12,
		GetConfigForClient: g.configForClient,
	})
	if err := g.server.Serve(secured); !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("gateway: serving on %s: %w", bound.Addr(), err)
	}
	return nil
}

// Close stops accepting, lets the requests under way finish until ctx ends, then
// cuts them off. Once it has returned nil, no port, connection or goroutine of
// the gateway is left. A second call does the same again, harmlessly.
func (g *Gateway) Close(ctx context.Context) error {
	g.mu.Lock()
	g.closed = true
	bound := g.listener
	g.mu.Unlock()
	err := g.server.Shutdown(ctx)
	if bound != nil {
		_ = bound.Close() // Serve, which closes it too, may never have been called
	}
	if err != nil {
		_ = g.server.Close()
	}
	if upstream, ok := g.cfg.Upstream.(interface{ CloseIdleConnections() }); ok {
		upstream.CloseIdleConnections()
	}
	if err == nil {
		err = g.waitForInvocations(ctx)
	}
	if err != nil {
		return fmt.Errorf("gateway: closing %s: %w", g.cfg.DomainName, err)
	}
	return nil
}

// waitForInvocations waits for calls of the authorizer that outlived their requests.
func (g *Gateway) waitForInvocations(ctx context.Context) error {
	done := make(chan struct{})
	go func() {
		g.invocations.Wait()
		close(done)
	}()
	select {
	case <-done:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("an invocation of the authorizer is still running: %w", ctx.Err())
	}
}
