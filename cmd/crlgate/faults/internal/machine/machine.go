// Package machine is what the fault runs stand on: a real S3 server with as
// many pairs of buckets as are asked for, and the unmodified function binaries
// over any one pair. See [Start], [Machine.Pair] and [Pair.Preprocessor].
package machine

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/crlgate/crlgate/cmd/crlgate/internal/lambdaruntime"
	"github.com/crlgate/crlgate/cmd/crlgate/internal/s3proc"
	"github.com/crlgate/crlgate/pkg/objectstore"
)

// Binaries are what is put to the test.
type Binaries struct {
	Crlgate   string // the crlgate command, which holds the S3 server
	Functions string // folder with preprocessor/bootstrap and authorizer/bootstrap
}

// Check says which binary is missing.
func (b Binaries) Check() error {
	for _, path := range []string{b.Crlgate, b.function("preprocessor"), b.function("authorizer")} {
		if _, err := os.Stat(path); err != nil {
			return fmt.Errorf("%w: build it with make crlgate functions-host", err)
		}
	}
	return nil
}

func (b Binaries) function(name string) string {
	return filepath.Join(b.Functions, name, "bootstrap")
}

// Machine is an S3 server with pairs of buckets that nobody has used yet.
type Machine struct {
	S3       *s3proc.Server
	binaries Binaries
	first    *objectstore.Bucket
	dir      string

	mu    sync.Mutex
	taken int
	pairs int
}

// Start starts an S3 server with that many pairs of an upload bucket and a
// cache bucket.
func Start(ctx context.Context, binaries Binaries, pairs int) (m *Machine, err error) {
	if err := binaries.Check(); err != nil {
		return nil, err
	}
	m = &Machine{binaries: binaries, pairs: pairs}
	if m.dir, err = os.MkdirTemp("", "crlgate-faults-"); err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, m.Close())
		}
	}()
	var buckets []s3proc.Bucket
	for i := range pairs {
		buckets = append(buckets, s3proc.Bucket{Name: bucket(i, "uploads"), Versioned: true}, s3proc.Bucket{Name: bucket(i, "cache")})
	}
	m.S3, err = s3proc.Start(ctx, s3proc.Options{Command: []string{binaries.Crlgate, "s3-server"}, DataDir: m.dir, Buckets: buckets})
	if err != nil {
		return nil, err
	}
	m.first, err = objectstore.Open(ctx, bucket(0, "uploads"), objectstore.WithEndpoint(m.S3.Endpoint), objectstore.WithRegion(m.S3.Region),
		objectstore.WithStaticCredentials(m.S3.AccessKey, m.S3.SecretKey))
	return m, err
}

func bucket(i int, kind string) string { return fmt.Sprintf("p%05d-%s", i, kind) }

// Close ends the server and removes what it stored.
func (m *Machine) Close() error {
	var errs []error
	if m.S3 != nil {
		errs = append(errs, m.S3.Stop())
	}
	return errors.Join(append(errs, os.RemoveAll(m.dir))...)
}

// Pair returns a pair of empty buckets that nobody else gets.
func (m *Machine) Pair() (*Pair, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.taken == m.pairs {
		return nil, fmt.Errorf("all %d pairs of buckets are in use: start with more", m.pairs)
	}
	i := m.taken
	m.taken++
	return &Pair{m: m, Uploads: m.first.Sibling(bucket(i, "uploads")), Cache: m.first.Sibling(bucket(i, "cache"))}, nil
}

// Pair is an upload bucket and its cache bucket.
type Pair struct {
	m              *Machine
	Uploads, Cache *objectstore.Bucket
}

// Put writes an object; nil data deletes it.
func Put(ctx context.Context, b *objectstore.Bucket, key string, data []byte) error {
	if data == nil {
		return b.Delete(ctx, key, objectstore.DeleteOptions{})
	}
	_, err := b.Put(ctx, key, bytes.NewReader(data), objectstore.PutOptions{})
	return err
}

// Preprocessor prepares the preprocessor's function over the pair. It reaches
// S3 at endpoint; "": directly.
func (p *Pair) Preprocessor(endpoint string, env map[string]string, log func(lambdaruntime.LogLine)) (*lambdaruntime.Function, error) {
	c := p.config("preprocessor", endpoint, env, log)
	c.Env["UPLOAD_BUCKET"] = p.Uploads.Name()
	c.Timeout, c.MemoryMB, c.MaxEnvironments = 2*time.Minute, 512, 2
	return lambdaruntime.Start(context.Background(), c)
}

// Authorizer is the same for the authorizer. change, if not nil, changes how it
// is run: memory, environments, concurrency.
func (p *Pair) Authorizer(endpoint string, env map[string]string, log func(lambdaruntime.LogLine), change func(*lambdaruntime.Config)) (*lambdaruntime.Function, error) {
	c := p.config("authorizer", endpoint, env, log)
	c.Timeout, c.MemoryMB, c.MaxEnvironments = 10*time.Second, 128, 1
	if change != nil {
		change(&c)
	}
	return lambdaruntime.Start(context.Background(), c)
}

// End ends a function at once: nobody waits for what its processes do when they
// are asked to end.
func End(f *lambdaruntime.Function) error {
	f.KillAll()
	return f.Close()
}

// config is what the functions have in common.
func (p *Pair) config(name, endpoint string, env map[string]string, log func(lambdaruntime.LogLine)) lambdaruntime.Config {
	s := p.m.S3
	if endpoint == "" {
		endpoint = s.Endpoint
	}
	c := lambdaruntime.Config{
		Name: "crlgate-" + name, Binary: p.m.binaries.function(name), Region: s.Region, Log: log,
		Credentials: lambdaruntime.Credentials{AccessKeyID: s.AccessKey, SecretAccessKey: s.SecretKey},
		Env:         map[string]string{"AWS_ENDPOINT_URL_S3": endpoint, "CACHE_BUCKET": p.Cache.Name()},
		RetryDelays: []time.Duration{},
	}
	maps.Copy(c.Env, env)
	return c
}
