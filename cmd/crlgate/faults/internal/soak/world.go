package soak

import (
	"context"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"sync"
	"time"

	"github.com/crlgate/crlgate/cmd/crlgate/faults/internal/client"
	"github.com/crlgate/crlgate/cmd/crlgate/faults/internal/machine"
	"github.com/crlgate/crlgate/cmd/crlgate/internal/gateway"
	"github.com/crlgate/crlgate/cmd/crlgate/internal/lambdaruntime"
	"github.com/crlgate/crlgate/cmd/crlgate/internal/stack"
	"github.com/crlgate/crlgate/internal/pki"
)

// forms are the APIs that clients call: a REST API, and HTTP APIs of both payload
// formats.
var forms = []gateway.Form{gateway.REST, gateway.HTTP1, gateway.HTTP2}

// world is the local stack with what is published there, and who calls it.
type world struct {
	*stack.Stack
	dir     string
	log     machine.Log
	clients *client.Clients
	invoked invoked
	cas     []*authority
	people  people
}

// newWorld starts the stack and publishes what is there from the beginning.
func newWorld(ctx context.Context, c Config) (w *world, err error) {
	if err := c.Binaries.Check(); err != nil {
		return nil, err
	}
	w = &world{}
	if w.dir, err = os.MkdirTemp("", "crlgate-soak-"); err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, w.close())
		}
	}()
	env := map[string]string{"REVALIDATE_AFTER": revalidateAfter.String(), "MAX_UNVALIDATED": maxUnvalidated.String()}
	if c.Break == BreakStale {
		env = map[string]string{"REVALIDATE_AFTER": "1h", "MAX_UNVALIDATED": "2h"}
	}
	roots := x509.NewCertPool()
	w.clients = client.New(roots)
	w.Stack, err = stack.Start(ctx, stack.Config{
		Binaries: c.Binaries.Functions, S3Command: []string{c.Binaries.Crlgate, "s3-server"}, DataDir: w.dir, Forms: forms,
		Authorizer: env, AuthorizerMemoryMB: memoryMB, MaxAuthorizers: processes, Freeze: true, Reconcile: 10 * time.Second,
		ProxyCache: true, ProxyPreprocessor: true, Log: w.log.Line, AccessLog: w.clients.Record, Invoked: w.invoked.note,
	})
	if err != nil {
		return w, err
	}
	if !roots.AppendCertsFromPEM(w.ServerCA) {
		return w, errors.New("the certificate of the gateways' CA cannot be read")
	}
	for _, name := range append(revokers, bare) {
		a, err := w.addCA(ctx, name, c.Entries)
		if err != nil {
			return w, fmt.Errorf("CA %s: %w", name, err)
		}
		w.cas = append(w.cas, a)
	}
	return w, w.settle(ctx)
}

func (w *world) close() error {
	var errs []error
	if w.Stack != nil {
		w.Authorizer.KillAll() // requests that hang with them end
		errs = append(errs, w.Stack.Close())
	}
	if w.clients != nil {
		w.clients.Close()
	}
	return errors.Join(append(errs, os.RemoveAll(w.dir))...)
}

// addCA makes a CA with its clients and first CRLs.
func (w *world) addCA(ctx context.Context, name string, entries int) (*authority, error) {
	ca, err := pki.NewCA(pki.CAOptions{Name: pkix.Name{CommonName: "soak " + name, Organization: []string{"crlgate soak"}}})
	if err != nil {
		return nil, err
	}
	a := &authority{CA: ca, name: name}
	if name == large {
		a.serials = entries
	}
	revoked, err := w.people.join(a)
	if err != nil {
		return nil, err
	}
	if err := w.publish(ctx, "issuers/"+name+".pem", ca.PEM()); err != nil || name == bare {
		return a, err
	}
	for _, l := range revoked {
		a.list(l)
		begun := time.Now()
		l.number = a.number + 1
		l.Begun.Store(&begun)
	}
	for i := range partitions {
		key, der, err := a.next(true, i)
		if err != nil {
			return nil, err
		}
		if err := w.publish(ctx, key, der); err != nil {
			return nil, err
		}
		if name != parts {
			break
		}
	}
	accepted := time.Now()
	for _, l := range revoked {
		l.Accepted.Store(&accepted)
	}
	return a, nil
}

// settle waits until the gateways trust every CA: a client of each is let in, or
// denied as it must be.
func (w *world) settle(ctx context.Context) error {
	ctx, cancel := context.WithTimeoutCause(ctx, time.Minute, errors.New("not within a minute"))
	defer cancel()
	for _, l := range w.people.first() {
		for {
			a := w.clients.Ask(ctx, w.URL(gateway.REST)+path, &l.cert)
			if a.Err == nil && (a.Reason == "good" || a.Reason == l.always) {
				break
			}
			select {
			case <-ctx.Done():
				return fmt.Errorf("waiting until %s is answered, now %d %s %v: %w", l, a.Status, a.Reason, a.Err, context.Cause(ctx))
			case <-time.After(50 * time.Millisecond):
			}
		}
	}
	return nil
}

// invoked knows which process answered a request.
type invoked struct {
	mu        sync.Mutex
	now, past map[string]string
}

// mostInvoked bounds what is remembered: enough for the requests of a minute.
const mostInvoked = 20_000

// note takes an event and the result of its invocation, as stack.Config.Invoked does.
func (v *invoked) note(event []byte, r lambdaruntime.Result) {
	var e struct {
		RequestContext struct {
			RequestID string `json:"requestId"`
		} `json:"requestContext"`
	}
	if json.Unmarshal(event, &e) != nil {
		return
	}
	what := fmt.Sprintf("process %d", r.PID)
	if r.ColdStart {
		what += ", which had just started"
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	if len(v.now) >= mostInvoked {
		v.past, v.now = v.now, nil
	}
	if v.now == nil {
		v.now = map[string]string{}
	}
	v.now[e.RequestContext.RequestID] = what
}

// by is who answered a request; "": that is not known.
func (v *invoked) by(id string) string {
	v.mu.Lock()
	defer v.mu.Unlock()
	if what := v.now[id]; what != "" {
		return what
	}
	return v.past[id]
}
