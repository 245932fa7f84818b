package main

import (
	"context"
	"errors"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/crlgate/crlgate/cmd/crlgate/internal/s3proc"
	"github.com/crlgate/crlgate/cmd/crlgate/internal/stack"
)

const (
	clients    = 4 // each with one connection and one request at a time
	loadRounds = 7
	// slow is how long S3 takes to answer while it is looked for requests that
	// wait for it: far longer than anything else in the stack.
	slow = time.Second
	// refreshEvery makes refreshes frequent enough to be met.
	refreshEvery = "2s"
)

// load is what the authorizer adds to a request, in milliseconds: medians of
// rounds, which took turns with those of a function that always allows.
type load struct {
	P50, P99             float64 // through crlgate's authorizer
	AllowP50, AllowP99   float64 // through the function that always allows
	AddedP50, AddedP99   float64 // medians of the differences
	Requests             int     // through crlgate's authorizer, in all rounds
	Rounds               int
	SlowRequests, Waited int // while S3 is slow: all, and those that took as long as S3
	Refreshes            int // that began meanwhile
}

// underLoad serves one CRL through two stacks, which take turns under load.
func (s *settings) underLoad(ctx context.Context) (l *load, err error) {
	ours, err := s.loaded(ctx, s.functions)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, ours.close()) }()
	binaries, err := s.allowing()
	if err != nil {
		return nil, err
	}
	base, err := s.loaded(ctx, binaries)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, base.close()) }()

	l = &load{Rounds: loadRounds}
	var figures [6][]float64
	for i := -1; i < loadRounds; i++ { // the first round warms, and does not count
		a, err := ours.round(ctx, s.good, clients, time.Duration(s.seconds)*time.Second)
		if err != nil {
			return nil, err
		}
		b, err := base.round(ctx, s.good, clients, time.Duration(s.seconds)*time.Second)
		if err != nil {
			return nil, err
		}
		if i < 0 {
			continue
		}
		l.Requests += len(a)
		for k, q := range []int{50, 99} {
			x, y := quantile(a, q), quantile(b, q)
			for j, v := range []float64{x, y, x - y} {
				figures[3*k+j] = append(figures[3*k+j], v)
			}
		}
	}
	l.P50, l.AllowP50, l.AddedP50 = median(figures[0]), median(figures[1]), median(figures[2])
	l.P99, l.AllowP99, l.AddedP99 = median(figures[3]), median(figures[4]), median(figures[5])
	return l, ours.whileS3IsSlow(ctx, s.good, l)
}

// whileS3IsSlow counts the requests that wait as long as S3 does. They come
// from one client, so that all go through one process, which is warm.
func (w *world) whileS3IsSlow(ctx context.Context, cert string, l *load) error {
	if _, err := w.round(ctx, cert, 1, time.Second); err != nil {
		return err
	}
	remove := w.Proxy.Inject(s3proc.Any, s3proc.Delay(slow))
	defer remove()
	w.Proxy.Forget()
	took, err := w.round(ctx, cert, 1, 8*time.Second)
	if err != nil {
		return err
	}
	l.SlowRequests, l.Refreshes = len(took), len(w.Proxy.Requests())
	for _, t := range took {
		if t >= slow*9/10 {
			l.Waited++
		}
	}
	return nil
}

// loaded is a stack that serves the CRL.
func (s *settings) loaded(ctx context.Context, binaries string) (*world, error) {
	w, err := s.start(ctx, stack.Config{
		Binaries: binaries, ProxyCache: true, MaxAuthorizers: clients,
		Authorizer: map[string]string{"REVALIDATE_AFTER": refreshEvery},
	})
	if err != nil {
		return nil, err
	}
	err = w.upload(ctx, "issuers/bench.pem", s.issuer)
	if err == nil {
		err = w.upload(ctx, "crls/bench.crl", s.loadCRL)
	}
	if err != nil {
		return nil, errors.Join(err, w.close())
	}
	return w, nil
}

// allowing is a folder of binaries whose authorizer always allows.
func (s *settings) allowing() (string, error) {
	dir := filepath.Join(s.dir, "allowing")
	allow, err := filepath.Abs(s.allow)
	if err != nil {
		return "", err
	}
	return dir, errors.Join(
		os.MkdirAll(filepath.Join(dir, "authorizer"), 0o755),
		os.Symlink(allow, filepath.Join(dir, "authorizer", "bootstrap")),
		os.Symlink(filepath.Join(s.functions, "preprocessor"), filepath.Join(dir, "preprocessor")),
	)
}

// round has n clients send one request after another, all of which must be
// allowed, and returns how long they took.
func (w *world) round(ctx context.Context, cert string, n int, lasts time.Duration) (all []time.Duration, err error) {
	var mu sync.Mutex
	g, ctx := errgroup.WithContext(ctx)
	for range n {
		client, err := w.client(cert)
		if err != nil {
			return nil, err
		}
		g.Go(func() error {
			defer client.CloseIdleConnections()
			if err := w.connect(ctx, client); err != nil {
				return err
			}
			var mine []time.Duration
			for began := time.Now(); time.Since(began) < lasts; {
				took, err := w.expect(ctx, client, http.StatusOK)
				if err != nil {
					return err
				}
				mine = append(mine, took)
			}
			mu.Lock()
			defer mu.Unlock()
			all = append(all, mine...)
			return nil
		})
	}
	return all, g.Wait()
}

// quantile is the time in milliseconds within which a part of 100 was answered.
func quantile(took []time.Duration, part int) float64 {
	slices.Sort(took)
	return milliseconds(took[(len(took)-1)*part/100])
}
