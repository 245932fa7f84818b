package fetch

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/crlgate/crlgate/pkg/objectstore"
)

// look looks at one source: it asks its URLs, writes what is new, and writes the
// state. A nil State means that there was no time to come to a word.
func (f *Fetcher) look(ctx, looking context.Context, source Source, before knownState, clock func() time.Time) (Result, knownState) {
	s := begin(&source, source.CRLKey(f.config.CRLPrefix), before.state, clock())
	err := f.fetch(looking, s, before.state, clock)
	if ctx.Err() != nil {
		return Result{Source: source}, before
	}
	var failure *Failure
	if err != nil && !errors.As(err, &failure) {
		// The function's own time was up before that of the look.
		failure = failed(TimedOut, "it took longer than the fetcher had time for; give it more, or raise MAX_CRL_BYTES and the function's timeout together")
	}
	var wait time.Duration
	if failure != nil {
		s.Outcome, s.Code, s.Detail = OutcomeFailed, failure.Code, failure.Detail
		s.Failures++
		wait = failure.RetryAfter
	} else {
		s.Failures, s.Success = 0, s.Tried
	}
	s.Next = f.config.Next(s, wait, clock(), f.random()).UTC().Truncate(time.Second)
	f.tell(s)
	after, err := f.writeState(ctx, source.StateKey(f.config.StatePrefix), s, before)
	return Result{source, s, err}, after
}

// begin is the state of a look that begins.
func begin(source *Source, key string, before *State, now time.Time) *State {
	s := &State{First: now.UTC().Truncate(time.Second)}
	if before != nil {
		copied := *before
		s = &copied
		s.Intervals = slices.Clone(before.Intervals)
	}
	s.CA, s.Kind, s.URLs, s.Key = source.CA, source.Kind, source.URLs, key
	s.Tried = now.UTC().Truncate(time.Second)
	return s
}

// tell logs and measures how a look went. What brought nothing new is no news.
func (f *Fetcher) tell(s *State) {
	log := f.log.With("ca", s.CA, "url", s.URLs[0], "code", s.Code)
	switch s.Outcome {
	case OutcomeFetched:
		f.metrics.Fetched(s.CA)
		log.Info("CRL fetched", "object", s.Key, "bytes", s.Size, "crl_number", s.Number, "detail", s.Detail)
	case OutcomeUnchanged:
		f.metrics.Unchanged(s.CA)
	case OutcomeFailed:
		f.metrics.FetchFailed(s.CA, s.Code)
		log.Warn("CRL not fetched", "detail", s.Detail)
	}
}

// fetch asks the URLs of a source in order until one answers. The error is a
// *[Failure], or the context's.
func (f *Fetcher) fetch(ctx context.Context, s, before *State, clock func() time.Time) error {
	there, err := f.uploads.Head(ctx, s.Key)
	if err != nil && !errors.Is(err, objectstore.ErrNotFound) {
		return f.uploading(ctx, err)
	}
	intact := before != nil && before.SHA256 != "" && there.Version != "" && before.Upload == string(there.Version)
	var failures []*Failure
	for _, url := range s.URLs {
		var have Validators
		if intact && before.URL == url && !before.wantsFull(clock()) {
			have = before.Validators
		}
		d, err := f.client.Get(ctx, url, have)
		if d != nil {
			f.metrics.FetchedBytes(s.CA, d.Bytes)
		}
		var failure *Failure
		if errors.As(err, &failure) {
			failures = append(failures, failure)
			continue
		}
		if err != nil {
			return err
		}
		err = f.take(ctx, s, url, d, there, intact, clock())
		if closing := d.Close(); err == nil && closing != nil {
			err = failed(NoSpace, "removing the temporary file: %v", closing)
		}
		return err
	}
	return worst(s.URLs, failures)
}

// worst is what is said of a source none of whose URLs answered.
func worst(urls []string, failures []*Failure) *Failure {
	if len(failures) == 1 {
		return failures[0]
	}
	// What can be fetched at all comes first, and tells most.
	var words []string
	for i, failure := range failures {
		words = append(words, fmt.Sprintf("%s: %v", clip(printable(urls[i])), failure))
	}
	first := *failures[0]
	first.Detail = strings.Join(words, "; ")
	return &first
}

// take notes what a URL answered, and uploads what is new.
func (f *Fetcher) take(ctx context.Context, s *State, url string, d *Download, there objectstore.Object, intact bool, now time.Time) error {
	if d.NotModified {
		s.Outcome, s.Code, s.Detail = OutcomeUnchanged, NotModified, "the server says that nothing has changed"
		return nil
	}
	sum := hex.EncodeToString(d.SHA256[:])
	same := intact && s.SHA256 == sum
	if !same && !intact && there.Version != "" && there.Size == d.Size {
		// Nothing is known of what lies there: it is asked.
		var err error
		if same, err = f.lies(ctx, s.Key, there.Version, d.SHA256); err != nil {
			return f.uploading(ctx, err)
		}
	}
	s.Outcome, s.Code, s.Detail = OutcomeUnchanged, SameBytes, "the server sent the bytes that lie there already"
	if same {
		s.Upload = string(there.Version)
	} else {
		version, err := f.uploads.Put(ctx, s.Key, d.Body, objectstore.PutOptions{
			IfMatch: there.Version, IfNoneMatch: there.Version == "", ContentType: "application/pkix-crl",
		})
		if err != nil {
			return f.uploading(ctx, err)
		}
		s.Upload, s.Changed = string(version), s.Tried
		s.Outcome, s.Code, s.Detail = OutcomeFetched, Fetched, "new bytes; the report on the upload says what became of them"
	}
	s.URL, s.Validators, s.SHA256, s.Size, s.Full = url, d.Validators, sum, d.Size, now.UTC().Truncate(time.Second)
	s.note(d)
	return nil
}

// note notes what the CRL says. A delta is no base: what it names as freshest is
// not followed.
func (s *State) note(d *Download) {
	s.Number, s.Freshest = "", nil
	if d.List == nil {
		s.ThisUpdate, s.NextUpdate = nil, nil
		return
	}
	s.learn(d.List.ThisUpdate, d.List.NextUpdate)
	if d.List.Number != nil {
		s.Number = d.List.Number.String()
	}
	if d.List.Delta() || s.Kind == FromFreshest {
		return
	}
	for _, uris := range d.List.FreshestURIs {
		if len(s.Freshest) < maxDeltas {
			s.Freshest = append(s.Freshest, alternatives(uris))
		}
	}
}

// lies reports whether the bytes with this hash lie under a key.
func (f *Fetcher) lies(ctx context.Context, key string, version objectstore.Version, sum [sha256.Size]byte) (bool, error) {
	r, err := f.uploads.Get(ctx, key, objectstore.GetOptions{IfMatch: version})
	if errors.Is(err, objectstore.ErrNotFound) || errors.Is(err, objectstore.ErrPreconditionFailed) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	defer r.Close()
	h := sha256.New()
	if _, err := io.Copy(h, r); err != nil {
		return false, err
	}
	return [sha256.Size]byte(h.Sum(nil)) == sum, nil
}

// uploading is what is said of an upload bucket that cannot be read or written.
func (f *Fetcher) uploading(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if errors.Is(err, objectstore.ErrPreconditionFailed) || errors.Is(err, objectstore.ErrConflict) {
		return failed(UploadFailed, "somebody else wrote the upload at the same time: %v; the next look compares", err)
	}
	return failed(UploadFailed, "%v", err)
}
