// Package console is "crlgate console": a web page on loopback that shows how a
// deployment stands, and answers for certificates and CRLs that are dropped on
// it. It reads, and writes nothing anywhere.
//
// [Run] serves it. What it shows comes from the packages that the other commands
// use: package status for CAs, CRLs and reports, package feed (local stack) or
// CloudWatch (AWS) for denials, packages explain and check for what is dropped.
// Pages are rendered here, typed, from Go; the browser gets finished HTML, and
// parts of it again over Server-Sent Events when they change.
//
// A page on loopback is within reach of every web site that the user's browser
// visits and of every other user of the machine, so each request must name a
// loopback host (DNS rebinding), come from this page or from the address bar,
// and bring the cookie that only the printed address sets.
package console

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"time"

	"github.com/crlgate/crlgate/cmd/crlgate/internal/target"
)

// Config says what to show. Target and Words are required.
type Config struct {
	Target *target.Target
	// Listen is the address, 127.0.0.1:0 by default; loopback only.
	Listen string
	// Every is how often the cache bucket is looked at; 0: 2 s for a local stack
	// and 30 s on AWS.
	Every time.Duration
	// Metrics are CloudWatch's, for a deployment on AWS; nil: none are shown.
	Metrics Metrics
	// Function narrows the metrics to one authorizer and its preprocessor's; "": all.
	Function string
	// Open, if set, gets an address that opens the page once, to hand to a browser.
	Open func(url string) error
	// Words gets the address, and what goes wrong.
	Words io.Writer
	// Clock is the time; nil: the system's.
	Clock func() time.Time
}

// Intervals of looking at the cache bucket.
const (
	everyLocal = 2 * time.Second
	everyAWS   = 30 * time.Second
)

// Run serves the console until the context ends, which is no error.
func Run(ctx context.Context, c Config) (err error) {
	listener, err := listen(c.Listen)
	if err != nil {
		return err
	}
	if c.Clock == nil {
		c.Clock = time.Now
	}
	if c.Every <= 0 {
		c.Every = everyAWS
		if c.Target.Local != nil {
			c.Every = everyLocal
		}
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	s := newServer(newWatch(c))
	watching := make(chan struct{})
	go func() {
		defer close(watching)
		s.watch.run(ctx)
	}()
	defer func() { cancel(); <-watching }()

	server := &http.Server{
		Handler: s, ReadHeaderTimeout: 10 * time.Second, IdleTimeout: 2 * time.Minute, MaxHeaderBytes: 32 << 10,
		BaseContext: func(net.Listener) context.Context { return ctx },
	}
	served := make(chan error, 1)
	go func() { served <- server.Serve(listener) }()
	url := "http://" + listener.Addr().String()
	fmt.Fprintf(c.Words, "The console of %s is at\n\n  %s%s%s\n\nIt only reads. Keep the address to yourself: it opens the page to whoever can reach this machine's loopback. Ctrl-C stops.\n",
		c.Target, url, openPath, s.keys.printed)
	if c.Open != nil {
		if err := c.Open(url + openPath + s.keys.once()); err != nil {
			fmt.Fprintf(c.Words, "crlgate: no browser could be started (%v); open the address above in one\n", err)
		}
	}
	select {
	case err = <-served:
		return err
	case <-ctx.Done():
	}
	cancel() // ends the event streams
	end, stop := context.WithTimeout(context.Background(), 3*time.Second)
	defer stop()
	if err = server.Shutdown(end); err != nil {
		err = server.Close()
	}
	if ended := <-served; !errors.Is(ended, http.ErrServerClosed) {
		err = errors.Join(err, ended)
	}
	return err
}
