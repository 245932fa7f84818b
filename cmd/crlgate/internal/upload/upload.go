// Package upload puts issuers and CRLs into the upload bucket, under the keys
// that the preprocessor looks at, and waits for its reports on them.
package upload

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/crlgate/crlgate/cmd/crlgate/internal/terminal"
	"github.com/crlgate/crlgate/pkg/objectstore"
	"github.com/crlgate/crlgate/pkg/preprocess"
)

// Result is one upload and the report on it.
type Result struct {
	File   string             `json:"file"`
	Key    string             `json:"key"`
	Report *preprocess.Report `json:"report"`
}

// Accepted reports whether the upload is in force.
func (r *Result) Accepted() bool { return r.Report.Outcome == preprocess.OutcomeAccepted }

// Uploads is the upload bucket.
type Uploads interface {
	Put(ctx context.Context, key string, body io.ReadSeeker, opts objectstore.PutOptions) (objectstore.Version, error)
}

// Uploader uploads to one target.
type Uploader struct {
	Uploads Uploads
	Cache   preprocess.Reads
	// Wait is how long a report may take.
	Wait time.Duration
	// Settle is how long a report that was there before the upload, on the same
	// bytes, is given to change before it is believed.
	Settle   time.Duration
	Progress *terminal.Progress // may be nil
}

// parallel is how many reports are waited for at a time.
const parallel = 16

// Run uploads the files in order and waits for the reports; done is called with
// each as it comes, one at a time. The error is the first thing that could not
// be done; a report that refuses an upload is none.
func (u *Uploader) Run(ctx context.Context, files []File, done func(Result)) error {
	var mu sync.Mutex
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(parallel)
	for _, f := range files {
		if ctx.Err() != nil {
			break
		}
		sent, err := u.send(ctx, f)
		if err != nil {
			return errors.Join(err, g.Wait())
		}
		wait := func() error {
			r, err := u.await(ctx, sent)
			if err != nil {
				return err
			}
			mu.Lock()
			defer mu.Unlock()
			u.Progress.Clear()
			done(Result{f.Path, f.Key, r})
			return nil
		}
		if f.Kind == preprocess.KindCRL {
			g.Go(wait)
		} else if err := wait(); err != nil { // CRLs are to find their issuers
			return errors.Join(err, g.Wait())
		}
	}
	return g.Wait()
}

// sent is an upload whose report is not there yet.
type sent struct {
	File
	version objectstore.Version
	before  *preprocess.Report // what was reported under the key before
	at      time.Time
}

func (u *Uploader) send(ctx context.Context, f File) (*sent, error) {
	s := &sent{File: f}
	var err error
	if s.before, err = preprocess.ReadReport(ctx, u.Cache, f.Key); err != nil {
		return nil, fmt.Errorf("reading the last report on %s: %w", f.Key, err)
	}
	body, err := os.Open(f.Path)
	if err != nil {
		return nil, err
	}
	defer body.Close()
	u.Progress.Restart()
	s.version, err = u.Uploads.Put(ctx, f.Key, u.Progress.Reader(body, f.Path, f.Size), objectstore.PutOptions{})
	if err != nil {
		return nil, fmt.Errorf("uploading %s: %w", f.Path, err)
	}
	s.at = time.Now()
	return s, nil
}

// Await waits for the report on a version that somebody has put under a key. before
// is what was reported under it until then; at is when it was put.
func (u *Uploader) Await(ctx context.Context, f File, version objectstore.Version, before *preprocess.Report, at time.Time) (*preprocess.Report, error) {
	return u.await(ctx, &sent{File: f, version: version, before: before, at: at})
}

// Pauses between two looks for a report.
const (
	firstPause = 30 * time.Millisecond
	maxPause   = time.Second
)

// await waits for the report on what was sent.
func (u *Uploader) await(ctx context.Context, s *sent) (*preprocess.Report, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, u.Wait, fmt.Errorf("there is none after %v; is the preprocessor deployed, and does it get the bucket's events? Its log says more", u.Wait))
	defer cancel()
	for pause := firstPause; ; pause = min(pause*3/2, maxPause) {
		r, err := preprocess.ReadReport(ctx, u.Cache, s.Key)
		final := false
		if err == nil {
			final, err = u.final(ctx, s, r)
		}
		switch {
		case err != nil && ctx.Err() != nil: // the time was up within a look
			return nil, fmt.Errorf("waiting for the report on %s: %w", s.Key, context.Cause(ctx))
		case err != nil:
			return nil, fmt.Errorf("waiting for the report on %s: %w", s.Key, err)
		case final:
			return r, nil
		}
		u.Progress.Show("%s: uploaded, the preprocessor is at work, %s", s.Path, terminal.Span(time.Since(s.at)))
		select {
		case <-ctx.Done():
			return nil, fmt.Errorf("waiting for the report on %s: %w", s.Key, context.Cause(ctx))
		case <-time.After(pause):
		}
	}
}

// final reports whether r is the report on what was sent, and its last word.
// The same bytes have the same ETag, so that a report on them may be from
// before: it is news if it differs from what was there, and settled if the
// catalog agrees with it or nothing comes of a second look.
func (u *Uploader) final(ctx context.Context, s *sent, r *preprocess.Report) (bool, error) {
	switch {
	case r == nil || r.ETag != string(s.version):
		return false, nil
	case s.before == nil || s.before.ETag != r.ETag:
		return true, nil
	case s.before.Outcome != r.Outcome || s.before.Code != r.Code || !s.before.At.Equal(r.At):
		return true, nil
	case r.Outcome == preprocess.OutcomeRefused, time.Since(s.at) > u.Settle:
		return true, nil
	case r.Outcome == preprocess.OutcomeAccepted:
		return u.inForce(ctx, s, r)
	}
	return false, nil
}

// inForce reports whether the catalog has what a report calls accepted.
func (u *Uploader) inForce(ctx context.Context, s *sent, r *preprocess.Report) (bool, error) {
	c, err := preprocess.LoadCatalog(ctx, u.Cache)
	if err != nil {
		return false, err
	}
	ca := c.CAs[r.CA]
	switch {
	case s.Kind == preprocess.KindCRL:
		return slices.Contains(c.InForce()[s.Key], r.ETag), nil
	case ca == nil:
		return false, nil
	case s.Kind == preprocess.KindIssuer:
		return ca.Source.ETag == r.ETag, nil
	}
	return ca.SettingsSource != nil && ca.SettingsSource.ETag == r.ETag, nil
}
