package emergency

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/crlgate/crlgate/pkg/issuer"
	"github.com/crlgate/crlgate/pkg/objectstore"
)

// Uploads is the upload bucket.
type Uploads interface {
	Name() string
	ReadAll(ctx context.Context, key string, maxBytes int64, opts objectstore.GetOptions) ([]byte, objectstore.Object, error)
	Put(ctx context.Context, key string, body io.ReadSeeker, opts objectstore.PutOptions) (objectstore.Version, error)
}

// Writer writes changes of settings to an upload bucket.
type Writer struct {
	Uploads Uploads
	Prefix  string // ISSUER_PREFIX
	// Ask shows what would be written and says whether to write it.
	Ask func(key string, before, after []byte, notes []string) (bool, error)
	Now func() time.Time
}

// Written says what was written.
type Written struct {
	Key      string
	Version  objectstore.Version
	Previous objectstore.Version // "": there was no file
	Notes    []string            // what was so already
	// Nothing: the file says so already, and was not written.
	Nothing bool
	At      time.Time
}

// Errors of [Writer.Write] to branch on.
var (
	// ErrDeclined: the change was shown and turned down.
	ErrDeclined = errors.New("nothing was written")
	// ErrContended: somebody else writes the file all the time.
	ErrContended = errors.New("somebody else changes it all the time")
)

// maxTries bounds how often a file is read again because somebody else has
// changed it.
const maxTries = 8

// Write makes a change of a CA's settings: it reads the file, changes the keys that
// the change is about, holds the result against the preprocessor's own rules, asks,
// and writes only in place of what was read. Where somebody else has written
// meanwhile, all of that is done again.
func (w *Writer) Write(ctx context.Context, ca string, change Change, note map[string]string) (*Written, error) {
	key := w.Prefix + ca + ".json"
	for range maxTries {
		before, previous, err := w.read(ctx, key)
		if err != nil {
			return nil, err
		}
		after, notes, err := w.apply(key, before, previous, change)
		if err != nil {
			return nil, err
		}
		out := &Written{Key: key, Version: previous, Previous: previous, Notes: notes, At: w.Now()}
		if bytes.Equal(before, after) {
			out.Nothing = true
			return out, nil
		}
		if previous == "" {
			before = nil
		}
		yes, err := w.Ask(key, before, after, notes)
		if err != nil {
			return nil, err
		}
		if !yes {
			return nil, ErrDeclined
		}
		out.At = w.Now()
		out.Version, err = w.put(ctx, key, after, previous, note)
		switch {
		case errors.Is(err, objectstore.ErrPreconditionFailed), errors.Is(err, objectstore.ErrConflict):
			continue
		case err != nil:
			return nil, fmt.Errorf("writing %s: %w", key, err)
		}
		return out, nil
	}
	return nil, fmt.Errorf("writing %s: %w: %d times over it was another file than the one read", key, ErrContended, maxTries)
}

func (w *Writer) read(ctx context.Context, key string) ([]byte, objectstore.Version, error) {
	data, object, err := w.Uploads.ReadAll(ctx, key, issuer.MaxFile, objectstore.GetOptions{})
	switch {
	case errors.Is(err, objectstore.ErrNotFound):
		return empty, "", nil
	case err != nil:
		return nil, "", fmt.Errorf("reading %s: %w", key, err)
	}
	return data, object.Version, nil
}

// apply makes the change, and holds both files against the preprocessor's rules.
func (w *Writer) apply(key string, before []byte, previous objectstore.Version, change Change) ([]byte, []string, error) {
	now := w.Now()
	if err := check(before, now); err != nil && previous != "" {
		return nil, nil, fmt.Errorf("%s as it stands is refused (%w), so that what is in force is not what it says: mend it first, with crlgate put", key, err)
	}
	after, notes, err := change.Apply(before)
	if err != nil {
		return nil, nil, fmt.Errorf("%s: %w", key, err)
	}
	if err := check(after, now); err != nil {
		return nil, nil, fmt.Errorf("%s would be refused after the change: %w", key, err)
	}
	return after, notes, nil
}

// put writes the file in place of the version that was read. One whose answer was
// lost is found to be there, and counts.
func (w *Writer) put(ctx context.Context, key string, file []byte, previous objectstore.Version, note map[string]string) (objectstore.Version, error) {
	version, err := w.Uploads.Put(ctx, key, bytes.NewReader(file), objectstore.PutOptions{
		IfMatch: previous, IfNoneMatch: previous == "", ContentType: "application/json", Metadata: note,
	})
	if err == nil {
		return version, nil
	}
	there, now, again := w.read(ctx, key)
	if again == nil && now != "" && now != previous && bytes.Equal(there, file) {
		return now, nil
	}
	return "", err
}

// Note is what is stored with the object, beside the audit line: who, when, why.
func Note(by, reason string, change Change, at time.Time) map[string]string {
	note := map[string]string{"crlgate-change": metadata(change.Words()), "crlgate-by": metadata(by), "crlgate-at": at.UTC().Format(time.RFC3339)}
	if reason != "" {
		note["crlgate-reason"] = metadata(reason)
	}
	return note
}

// maxNote bounds one value of an object's metadata, of which S3 takes 2 KB in all.
const maxNote = 400

// metadata returns text as it may stand in a header.
func metadata(text string) string {
	var b strings.Builder
	for _, c := range []byte(text) {
		switch {
		case b.Len() > maxNote:
			return b.String() + "..."
		case c >= 0x20 && c < 0x7f && c != '%':
			b.WriteByte(c)
		default:
			fmt.Fprintf(&b, "%%%02X", c)
		}
	}
	return strings.TrimSpace(b.String())
}
