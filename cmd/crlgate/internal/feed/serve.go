package feed

import (
	"bufio"
	"context"
	"crypto/rand"
	"crypto/subtle"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"time"
)

// Server offers a hub on 127.0.0.1.
type Server struct {
	URL   string
	Token string

	http *http.Server
	done chan error
}

// Serve offers a hub on a free port of 127.0.0.1, until Close.
func Serve(h *Hub) (*Server, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithCancel(context.Background())
	s := &Server{URL: "http://" + listener.Addr().String() + "/", Token: rand.Text(), done: make(chan error, 1)}
	s.http = &http.Server{
		Handler: s.handler(h), ReadHeaderTimeout: 5 * time.Second, MaxHeaderBytes: 16 << 10,
		BaseContext: func(net.Listener) context.Context { return ctx },
	}
	s.http.RegisterOnShutdown(cancel)
	go func() { s.done <- s.http.Serve(listener) }()
	return s, nil
}

// Close ends it; followers see the end.
func (s *Server) Close() error {
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
	defer cancel()
	err := s.http.Shutdown(ctx)
	if err != nil {
		err = errors.Join(err, s.http.Close())
	}
	if end := <-s.done; !errors.Is(end, http.ErrServerClosed) {
		err = errors.Join(err, end)
	}
	return err
}

func (s *Server) handler(h *Hub) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		// A web page can make a browser send a request here; it does not know the token.
		if subtle.ConstantTimeCompare([]byte(r.Header.Get("Authorization")), []byte("Bearer "+s.Token)) != 1 {
			http.Error(w, "the stack's state file holds the token for this", http.StatusUnauthorized)
			return
		}
		w.Header().Set("Content-Type", "application/x-ndjson")
		w.Header().Set("Cache-Control", "no-store")
		known, c := h.subscribe()
		defer h.unsubscribe(c)
		lines := json.NewEncoder(w)
		for _, m := range known {
			if lines.Encode(m) != nil {
				return
			}
		}
		control := http.NewResponseController(w)
		for control.Flush() == nil {
			select {
			case m, ok := <-c:
				if !ok || lines.Encode(m) != nil {
					return
				}
			case <-r.Context().Done():
				return
			}
		}
	})
}

// maxLine bounds a message. Reports are the largest; their issuers files have
// few certificates.
const maxLine = 8 << 20

// Follow calls on for each message until the context or the feed ends, which is
// an error: io.EOF where the other end stopped in good order. The first message
// has the head, also when it is called again after an error.
func Follow(ctx context.Context, url, token string, on func(Message)) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return err
	}
	req.Header.Set("Authorization", "Bearer "+token)
	// Loopback, so no proxy that the environment names.
	transport := &http.Transport{DialContext: (&net.Dialer{Timeout: 5 * time.Second}).DialContext, ResponseHeaderTimeout: 10 * time.Second}
	defer transport.CloseIdleConnections()
	resp, err := (&http.Client{Transport: transport}).Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("the local stack's feed answers %s", resp.Status)
	}
	lines := bufio.NewScanner(resp.Body)
	lines.Buffer(nil, maxLine)
	for lines.Scan() {
		var m Message
		if err := json.Unmarshal(lines.Bytes(), &m); err != nil {
			return fmt.Errorf("reading the local stack's feed: %w", err)
		}
		on(m)
	}
	if err := lines.Err(); err != nil {
		return fmt.Errorf("reading the local stack's feed: %w", err)
	}
	return io.EOF
}
