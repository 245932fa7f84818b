package reads

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"time"

	"github.com/crlgate/crlgate/cmd/crlgate/faults/internal/client"
	"github.com/crlgate/crlgate/cmd/crlgate/faults/internal/machine"
	"github.com/crlgate/crlgate/cmd/crlgate/faults/internal/spoil"
	"github.com/crlgate/crlgate/cmd/crlgate/internal/gateway"
	"github.com/crlgate/crlgate/cmd/crlgate/internal/lambdaruntime"
	"github.com/crlgate/crlgate/cmd/crlgate/internal/s3proc"
)

// Lane is one way to run the authorizer, and the GETs that faults befall there.
type Lane struct {
	Name  string
	Kinds []string
	// RevalidateAfter and MaxUnvalidated are the settings of these names;
	// Budget is MEMORY_BUDGET, "" for the default.
	RevalidateAfter, MaxUnvalidated time.Duration
	Budget                          string
	// Cold: a new process has to load everything under the fault.
	Cold bool
	// Long: faults last until what is warm is too old.
	Long bool
	// Held: all sets are in memory, and a hit is one whatever happens.
	Held         bool
	Environments int // processes of one request each; 0: one process of 16
	Freeze       bool
	Form         gateway.Form
}

// lane is a Lane under way.
type lane struct {
	Lane
	w        *world
	draw     *rand.Rand
	proxy    *s3proc.Proxy
	function *lambdaruntime.Function
	gateway  *gateway.Gateway
	served   chan error
	matrix   *matrix

	quiet sync.RWMutex // held for reading by a request, for writing while processes are killed

	clients *client.Clients

	mu       sync.Mutex
	now, ago *episode // now is nil between episodes
	victims  map[string]*Leaf
	earlier  *Leaf               // revoked, and denied as that, before the fault; nil: none
	denied   map[*Leaf]time.Time // when first as revoked; nil: nobody
}

// start starts a lane's authorizer and gateway.
func (m *matrix) start(l Lane, seed uint64) (_ *lane, err error) {
	r := &lane{
		Lane: l, w: m.world, matrix: m, draw: rand.New(rand.NewPCG(m.config.Seed, seed)), served: make(chan error, 1),
		clients: client.New(m.world.serverRoots), victims: map[string]*Leaf{},
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, r.close())
		}
	}()
	if r.proxy, err = s3proc.NewProxy(m.world.S3.Endpoint); err != nil {
		return nil, err
	}
	env := map[string]string{"REVALIDATE_AFTER": l.RevalidateAfter.String(), "MAX_UNVALIDATED": l.MaxUnvalidated.String()}
	if l.Budget != "" {
		env["MEMORY_BUDGET"] = l.Budget
	}
	r.function, err = m.world.pair.Authorizer(r.proxy.Endpoint, env, r.line, func(c *lambdaruntime.Config) {
		if c.MaxEnvironments, c.Freeze = max(l.Environments, 1), l.Freeze; l.Environments == 0 {
			c.Concurrency = 16
		}
	})
	if err != nil {
		return nil, err
	}
	r.gateway, err = gateway.New(gateway.Config{
		Form: l.Form, EnableSimpleResponses: l.Form == gateway.HTTP2, DomainName: "api.faults.test", Upstream: gateway.Echo(),
		Authorizer: gateway.AuthorizerFunc(func(ctx context.Context, payload []byte) ([]byte, string, error) {
			answer, err := r.function.Invoke(ctx, payload)
			return answer.Payload, answer.FunctionError, err
		}),
		ServerCertificate: m.world.server, RequireClientCertificate: true, Truststore: m.world.roots, AccessLog: r.clients.Record,
	})
	if err != nil {
		return nil, err
	}
	if err := r.gateway.Listen("127.0.0.1:0"); err != nil {
		return nil, err
	}
	go func() { r.served <- r.gateway.Serve() }()
	return r, nil
}

func (r *lane) close() error {
	var errs []error
	if r.function != nil {
		r.function.KillAll() // requests that hang with it end
	}
	if r.gateway != nil && r.gateway.Addr() != nil {
		ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second) // connections that carried nothing count as busy for a while
		defer cancel()
		errs = append(errs, r.gateway.Close(ctx), <-r.served)
	}
	if r.function != nil {
		errs = append(errs, machine.End(r.function))
	}
	if r.proxy != nil {
		errs = append(errs, r.proxy.Close())
	}
	r.clients.Close()
	return errors.Join(errs...)
}

// line looks at what the authorizer logs of requests that it denies for want of
// something: it must name what is missing.
func (r *lane) line(l lambdaruntime.LogLine) {
	if l.Platform || strings.Contains(l.Text, `"_aws"`) || !strings.Contains(l.Text, `"reason":"cache_unavailable"`) {
		return
	}
	var said struct {
		Serial string `json:"serial"`
		Err    string `json:"err"`
	}
	if err := json.Unmarshal([]byte(l.Text), &said); err != nil {
		r.matrix.violation(r, nil, fmt.Sprintf("a line of the log is not JSON: %s", l.Text))
		return
	}
	r.mu.Lock()
	now, ago := r.now, r.ago
	r.mu.Unlock()
	for _, e := range []*episode{now, ago} {
		if e != nil && strings.Contains(said.Err, marks[e.kind]) {
			return
		}
	}
	r.matrix.violation(r, now, fmt.Sprintf("the log says of a denied client: %q, which is not what was broken", said.Err))
}

// marks are what an error names, by the kind of GET that failed.
var marks = map[string]string{
	spoil.Catalog: "catalog", spoil.Part: "catalog", spoil.Index: "sets/", spoil.Block: "sets/", spoil.Whole: "sets/",
}

// ask sends a request, and looks at the answer.
func (r *lane) ask(ctx context.Context, l *Leaf) client.Answer {
	r.quiet.RLock()
	defer r.quiet.RUnlock()
	before := r.episode()
	a := r.clients.Ask(ctx, "https://"+r.gateway.Addr().String()+"/orders/17", &l.cert)
	if ctx.Err() == nil {
		r.check(l, a, before, r.episode())
	}
	return a
}

// drop forgets a client that is used no more.
func (r *lane) drop(l *Leaf) {
	r.clients.Drop(&l.cert)
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.denied, l)
}
