// Package local is "crlgate local": the whole of crlgate, kept running on this
// machine, on a user's own CAs and CRLs. What lies in a folder is uploaded as
// an administrator would, and again when it changes; every report and every
// request is printed as it comes.
package local

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/crlgate/crlgate/cmd/crlgate/internal/feed"
	"github.com/crlgate/crlgate/cmd/crlgate/internal/gateway"
	"github.com/crlgate/crlgate/cmd/crlgate/internal/stack"
	"github.com/crlgate/crlgate/cmd/crlgate/internal/target"
	"github.com/crlgate/crlgate/cmd/crlgate/internal/template"
	"github.com/crlgate/crlgate/cmd/crlgate/internal/terminal"
	"github.com/crlgate/crlgate/pkg/preprocess"
)

// Config says what to serve. Folder, Binaries and S3Command are required.
type Config struct {
	Folder    string // holds issuers/ and crls/; made if missing
	Binaries  string // as in stack.Config
	S3Command []string

	// Template is what to run by, where it is not set here; see stack.Config.
	Template *template.Gate

	Upstream http.Handler // nil: an echo
	Domain   string
	// Ports of the gateways, by form; 0, or a form that is missing, prefers the
	// port of [PreferredPorts] and takes a free one where that is in use. A
	// negative one takes a free one.
	Ports                                    map[gateway.Form]int
	S3Port                                   int // 0: a free one
	Authorizer, Preprocessor, Fetcher        map[string]string
	AuthorizerMemoryMB, PreprocessorMemoryMB int
	Freeze                                   bool
	Reconcile, Fetch                         time.Duration
	Fresh                                    bool // begin with empty buckets
	Logs                                     bool // print what the functions log

	Out   io.Writer // reports and requests
	Words io.Writer // what goes on, and progress
}

// PreferredPorts are the gateways' ports unless they are set or in use.
var PreferredPorts = map[gateway.Form]int{gateway.REST: 8443, gateway.HTTP1: 8444, gateway.HTTP2: 8445}

// Forms in the order in which they are shown.
var forms = []gateway.Form{gateway.REST, gateway.HTTP1, gateway.HTTP2}

// Places inside the state folder.
const (
	dataFolder   = "s3"
	indexFile    = "uploaded.json"
	serverCAFile = "server-ca.pem"
)

// poll is how often the folder and the reports are looked at.
const poll = 300 * time.Millisecond

// local is one run.
type local struct {
	Config
	dir     string // Folder, absolute
	state   string // its state folder
	out     *printer
	hub     *feed.Hub    // what is printed, for other commands to follow
	feed    *feed.Server // offers it
	stack   *stack.Stack
	folder  *folder
	reports reports
}

// Run serves the folder until the context ends, which is no error. The error is
// a *[target.RunningError] where the folder is served already.
func Run(ctx context.Context, c Config) (err error) {
	dir, err := filepath.Abs(c.Folder)
	if err != nil {
		return err
	}
	l := &local{Config: c, dir: dir, state: filepath.Join(dir, target.StateFolder), out: newPrinter(c.Out, c.Words), hub: feed.NewHub(time.Now())}
	if err := l.fits(); err != nil {
		return err
	}
	lock, err := target.Acquire(dir)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, lock.Release()) }()
	if err := l.prepare(); err != nil {
		return err
	}
	l.out.words("Starting an S3 server, the Lambda functions and mutual-TLS gateways on 127.0.0.1 …")
	stopped, err := l.start(ctx)
	if err != nil {
		if ctx.Err() != nil {
			return nil // Ctrl-C while it started
		}
		return err
	}
	// The state goes first: a command that comes now waits for the end, and is
	// then told that nothing runs.
	defer func() { err = errors.Join(err, lock.Remove(), stopped()) }()
	s := l.describe()
	if err := lock.Write(s); err != nil {
		return err
	}
	l.welcome(s)
	return l.serve(ctx)
}

// fits refuses a template whose gate looks elsewhere than the folder has its files.
func (l *local) fits() error {
	if l.Template == nil {
		return nil
	}
	for _, prefix := range []string{"issuers/", "crls/"} {
		if !slices.Contains(l.Template.Prefixes, prefix) {
			return fmt.Errorf("the template's gate looks for uploads under %s and not under %s, where the folder has its files; give a template of the default prefixes",
				strings.Join(l.Template.Prefixes, ", "), prefix)
		}
	}
	return nil
}

// prepare makes the folders, and empties the buckets if that is asked for.
func (l *local) prepare() error {
	var made []string
	for _, sub := range []string{"issuers", "crls"} {
		p := filepath.Join(l.dir, sub)
		if _, err := os.Stat(p); errors.Is(err, os.ErrNotExist) {
			made = append(made, sub+"/")
		}
		if err := os.MkdirAll(p, 0o755); err != nil {
			return err
		}
	}
	if len(made) > 0 {
		l.out.words("Made %s in %s. Put the certificates of each CA into issuers/<ca>.pem, its CRLs into crls/, and its settings, if any, into issuers/<ca>.json: they are picked up as they come.", strings.Join(made, " and "), l.dir)
	}
	// Nothing of the state belongs into version control.
	if err := os.WriteFile(filepath.Join(l.state, ".gitignore"), []byte("*\n"), 0o600); err != nil {
		return err
	}
	if l.Fresh {
		if err := errors.Join(os.RemoveAll(filepath.Join(l.state, dataFolder)), os.RemoveAll(filepath.Join(l.state, indexFile))); err != nil {
			return err
		}
	}
	if _, err := os.Stat(filepath.Join(l.state, dataFolder)); err == nil {
		l.out.words("Going on with the buckets of the last run, CRL numbers that were reached included; --fresh begins anew.")
	}
	return nil
}

// start starts the stack and returns what stops it.
func (l *local) start(ctx context.Context) (stop func() error, err error) {
	f := &functionLog{print: l.out, all: l.Logs}
	l.stack, err = stack.Start(ctx, stack.Config{
		Binaries: l.Binaries, S3Command: l.S3Command, DataDir: filepath.Join(l.state, dataFolder),
		Template: l.Template, Ports: l.ports(), S3Port: l.S3Port, Upstream: l.Upstream, Domain: l.Domain,
		Authorizer: l.Authorizer, Preprocessor: l.Preprocessor, Fetcher: l.Fetcher, Freeze: l.Freeze, Reconcile: l.Reconcile, Fetch: l.Fetch,
		AuthorizerMemoryMB: l.AuthorizerMemoryMB, PreprocessorMemoryMB: l.PreprocessorMemoryMB,
		Log: f.line, AccessLog: l.request, GatewayLog: l.out.handshakes(),
	})
	if err != nil {
		return nil, err
	}
	ca := filepath.Join(l.state, serverCAFile)
	stop = func() error {
		l.out.words("Stopping …")
		err := errors.Join(l.stack.Close(), os.Remove(ca))
		if l.feed != nil {
			err = errors.Join(err, l.feed.Close())
		}
		if err == nil {
			l.out.words("Stopped: no process and no port is left. What was uploaded stays in %s.", filepath.Join(target.StateFolder, dataFolder))
		}
		return err
	}
	err = os.WriteFile(ca, l.stack.ServerCA, 0o644)
	if err == nil {
		l.feed, err = feed.Serve(l.hub)
	}
	if err == nil {
		err = f.ready(ctx, l.stack)
	}
	if err == nil {
		l.folder, err = openFolder(ctx, l.dir, filepath.Join(l.state, indexFile), l.stack.Uploads)
	}
	if err != nil {
		return nil, errors.Join(err, stop())
	}
	l.reports = reports{cache: l.stack.Cache, seen: map[string]gist{}}
	// What the folder does not hold may have changed as well: time has passed.
	l.stack.Deliver([]byte(preprocess.ReconcileRequest))
	return stop, nil
}

// request prints a request and tells whoever follows.
func (l *local) request(r gateway.Record) {
	l.out.request(r)
	l.hub.Request(feed.OfRecord(r))
}

func (l *local) ports() map[gateway.Form]int {
	ports := map[gateway.Form]int{}
	for _, form := range forms {
		switch p := l.Ports[form]; {
		case p > 0:
			ports[form] = p
		case p == 0 && isFree(PreferredPorts[form]):
			ports[form] = PreferredPorts[form]
		}
	}
	return ports
}

func isFree(port int) bool {
	listener, err := net.Listen("tcp", net.JoinHostPort("127.0.0.1", fmt.Sprint(port)))
	return err == nil && listener.Close() == nil
}

// describe is the state that other commands find the stack by.
func (l *local) describe() *target.State {
	s := &target.State{
		PID: os.Getpid(), Started: time.Now().UTC(), Folder: l.dir,
		Endpoint: l.stack.S3.Endpoint, Region: l.stack.S3.Region, AccessKey: l.stack.S3.AccessKey, SecretKey: l.stack.S3.SecretKey,
		UploadBucket: l.stack.Uploads.Name(), CacheBucket: l.stack.Cache.Name(),
		API: l.stack.API.Endpoint, Preprocessor: l.stack.Preprocessor.Name(), FailureQueue: l.stack.API.QueueURL(stack.FailureQueue),
		Domain: l.stack.Domain(), ServerCA: filepath.Join(l.state, serverCAFile), Gateways: map[string]string{}, Authorizer: l.settings(), Fetcher: l.fetcherSettings(),
		Feed: l.feed.URL, FeedToken: l.feed.Token,
	}
	for form, g := range l.stack.Gateways {
		s.Gateways[form.String()] = g.Addr().String()
	}
	return s
}

// settings are the authorizer's, without those that are the stack's own.
func (l *local) settings() map[string]string {
	settings := map[string]string{}
	if l.Template != nil {
		maps.Copy(settings, l.Template.Authorizer.Environment)
		maps.DeleteFunc(settings, func(name, _ string) bool { return !slices.Contains(KnownSettings["authorizer"], name) })
	}
	maps.Copy(settings, l.Authorizer)
	return settings
}

// fetcherSettings are those that were given to the fetcher.
func (l *local) fetcherSettings() map[string]string {
	settings := map[string]string{}
	if l.Template != nil && l.Template.Fetcher != nil {
		maps.Copy(settings, l.Template.Fetcher.Environment)
		maps.DeleteFunc(settings, func(name, _ string) bool { return !slices.Contains(KnownSettings["fetcher"], name) })
	}
	maps.Copy(settings, l.Fetcher)
	return settings
}

// serve looks at the folder and at the reports until the context ends.
func (l *local) serve(ctx context.Context) error {
	t := time.NewTicker(poll)
	defer t.Stop()
	s3 := l.stack.S3.Done()
	complaint := ""
	for {
		err := l.look(ctx)
		if ctx.Err() != nil {
			return nil
		}
		// The same trouble, three times a second, is said once.
		if text := fmt.Sprint(err); err != nil && text != complaint {
			l.out.words("%s", text)
			complaint = text
		} else if err == nil {
			complaint = ""
		}
		select {
		case <-ctx.Done():
			return nil
		case <-s3:
			return errors.New("the local S3 server has ended; stopping, since nothing works without it")
		case <-t.C:
		}
	}
}

// look uploads what is new and prints the reports that are.
func (l *local) look(ctx context.Context) error {
	changes, err := l.folder.changes(time.Now())
	for _, c := range changes {
		if uploadErr := l.apply(ctx, c); uploadErr != nil {
			err = errors.Join(err, uploadErr)
			break
		}
	}
	news, reportErr := l.reports.news(ctx)
	for _, r := range news {
		l.out.report(r)
		l.hub.Report(r)
	}
	l.out.waiting(l.reports.waiting())
	return errors.Join(err, reportErr)
}

// apply does to the upload bucket what happened in the folder.
func (l *local) apply(ctx context.Context, c change) error {
	if c.gone {
		if err := l.folder.remove(ctx, c.key); err != nil {
			return err
		}
		l.out.line("removed   %s", c.key)
		return nil
	}
	version, err := l.folder.upload(ctx, c, l.out.progress)
	if err != nil {
		return err
	}
	again := ""
	if !l.reports.await(c.key, version) {
		again = ", the same as before: its report stands"
	}
	l.out.line("uploaded  %s, %s%s", c.key, terminal.Size(c.Size), again)
	return nil
}

// KnownSettings are the settings of a function that may be given to it, by its
// name; the others of docs/settings.md are the stack's own.
var KnownSettings = map[string][]string{
	"authorizer":   {"LOG_ALLOWED", "MAX_UNVALIDATED", "MEMORY_BUDGET", "MODE", "REQUIRE_CHAIN", "REVALIDATE_AFTER"},
	"fetcher":      {"ALLOW_HOSTS", "FETCH_CDP", "IDLE_TIMEOUT", "MAX_CRL_BYTES", "MAX_INTERVAL", "MIN_INTERVAL", "TIMEOUT"},
	"preprocessor": {"ALLOW_SHA1", "CACHE_JSON", "MAX_CRL_BYTES", "PINNED_ISSUERS", "PUBLISH_TRUSTSTORE", "SWEEP_AFTER"},
}

// CheckSettings refuses settings that a function would ignore.
func CheckSettings(function string, settings map[string]string) error {
	var faults []error
	for _, name := range slices.Sorted(maps.Keys(settings)) {
		if !slices.Contains(KnownSettings[function], name) {
			faults = append(faults, fmt.Errorf("the %s has no setting %s that could be set here; there are %v", function, name, KnownSettings[function]))
		}
	}
	return errors.Join(faults...)
}
