package stack

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/crlgate/crlgate/cmd/crlgate/internal/lambdaruntime"
	"github.com/crlgate/crlgate/cmd/crlgate/internal/s3proc"
)

// startFetcher prepares the fetcher, which runs only when it is invoked. A folder
// of binaries without one serves where nothing is to be fetched.
func (s *Stack) startFetcher(p plan) (err error) {
	if p.fetcher == nil {
		return nil
	}
	if _, err := os.Stat(filepath.Join(s.config.Binaries, "fetcher", "bootstrap")); err != nil {
		if s.config.Fetch <= 0 {
			return nil
		}
		return fmt.Errorf("the fetcher is not built: %w", err)
	}
	endpoint := s.S3.Endpoint
	if s.config.ProxyFetcher {
		if s.FetcherProxy, err = s3proc.NewProxy(endpoint); err != nil {
			return err
		}
		endpoint = s.FetcherProxy.Endpoint
	}
	f := s.function("fetcher", endpoint, s.config.Fetcher)
	f.Env["UPLOAD_BUCKET"], f.Env["CACHE_BUCKET"] = p.uploads, p.cache
	f.Timeout, f.MemoryMB, f.MaxEnvironments = p.fetcher.timeout, p.fetcher.memoryMB, 1
	f.LogFormat, f.LogLevel = p.fetcher.log.format, p.fetcher.log.level
	f.MaxEventAge = p.fetcher.maxEventAge
	f.RetryDelays = slices.Repeat([]time.Duration{time.Second}, p.fetcher.retries)
	s.Fetcher, err = lambdaruntime.Start(context.Background(), f)
	return err
}

// FetchDue invokes the fetcher as the timer does.
func (s *Stack) FetchDue() {
	if s.Fetcher == nil {
		return
	}
	if _, err := s.Fetcher.InvokeAsync([]byte(s.config.plan().fetcher.timerInput)); err != nil && !errors.Is(err, lambdaruntime.ErrClosed) {
		s.fault(fmt.Errorf("invoking the fetcher: %w", err))
	}
}

// timer does something over and over.
func (s *Stack) timer(ctx context.Context, every time.Duration, do func()) {
	t := time.NewTicker(every)
	defer t.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-t.C:
			do()
		}
	}
}
