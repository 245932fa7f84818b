package local

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"iter"
	"maps"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/crlgate/crlgate/cmd/crlgate/internal/terminal"
	"github.com/crlgate/crlgate/pkg/objectstore"
)

// settled is how long a file must not have changed before it is taken for
// whole, unless two looks found it the same.
const settled = 2 * time.Second

// uploads is the upload bucket.
type uploads interface {
	Put(ctx context.Context, key string, body io.ReadSeeker, opts objectstore.PutOptions) (objectstore.Version, error)
	Delete(ctx context.Context, key string, opts objectstore.DeleteOptions) error
	List(ctx context.Context, prefix string) iter.Seq2[objectstore.Object, error]
}

// file is a file as it was seen.
type file struct {
	Size    int64     `json:"size"`
	ModTime time.Time `json:"mod_time"`
}

func (f file) equal(g file) bool { return f.Size == g.Size && f.ModTime.Equal(g.ModTime) }

// change is something that happened in the folder.
type change struct {
	file
	key  string // and path, relative to the folder
	gone bool
}

// folder knows what of a folder is in the upload bucket. What it knows outlives
// the process, so that a restart uploads only what has changed since, and does
// not delete what others have uploaded.
type folder struct {
	dir, index string
	bucket     uploads

	uploaded map[string]file // by key: what was uploaded from here
	last     map[string]file // what the last look saw
	missing  map[string]bool // what it missed
}

func openFolder(ctx context.Context, dir, index string, bucket uploads) (*folder, error) {
	f := &folder{dir: dir, index: index, bucket: bucket, uploaded: map[string]file{}, missing: map[string]bool{}}
	data, err := os.ReadFile(index)
	if err == nil {
		err = json.Unmarshal(data, &f.uploaded)
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("reading what was uploaded before: %w; remove %s to upload everything again", err, index)
	}
	there := map[string]bool{}
	for object, err := range bucket.List(ctx, "") {
		if err != nil {
			return nil, err
		}
		there[object.Key] = true
	}
	maps.DeleteFunc(f.uploaded, func(key string, _ file) bool { return !there[key] })
	return f, nil
}

// changes compares the folder with what was uploaded. Issuers come first. An
// error says what could not be looked at; nothing there counts as removed.
func (f *folder) changes(now time.Time) ([]change, error) {
	seen, err := f.scan()
	var out []change
	for key, is := range seen {
		was, known := f.uploaded[key]
		last, seenBefore := f.last[key]
		whole := seenBefore && last.equal(is) || now.Sub(is.ModTime) > settled
		if whole && !(known && was.equal(is)) {
			out = append(out, change{is, key, false})
		}
	}
	missing := map[string]bool{}
	for key := range f.uploaded {
		if _, ok := seen[key]; !ok && err == nil {
			missing[key] = true
			if f.missing[key] { // twice: not in the middle of being replaced
				out = append(out, change{key: key, gone: true})
			}
		}
	}
	f.last, f.missing = seen, missing
	slices.SortFunc(out, func(a, b change) int { return cmp.Or(rank(a.key)-rank(b.key), strings.Compare(a.key, b.key)) })
	return out, err
}

func rank(key string) int {
	switch {
	case strings.HasPrefix(key, "issuers/") && strings.HasSuffix(key, ".pem"):
		return 0
	case strings.HasPrefix(key, "issuers/"):
		return 1
	}
	return 2
}

// scan returns the files that are uploads, by key.
func (f *folder) scan() (map[string]file, error) {
	seen := map[string]file{}
	var faults []error
	for _, sub := range []string{"issuers", "crls", "crl"} {
		root := filepath.Join(f.dir, sub)
		if _, err := os.Stat(root); errors.Is(err, fs.ErrNotExist) && sub == "crl" {
			continue // only some have it
		}
		err := filepath.WalkDir(root, func(p string, d fs.DirEntry, err error) error {
			if err != nil {
				return err
			}
			if hidden(d.Name()) {
				if d.IsDir() {
					return fs.SkipDir
				}
				return nil
			}
			return f.see(seen, p)
		})
		if err != nil {
			faults = append(faults, fmt.Errorf("looking at %s: %w; nothing is withdrawn until it can be read", root, err))
		}
	}
	return seen, errors.Join(faults...)
}

// see notes one file, through a symbolic link if it is one.
func (f *folder) see(seen map[string]file, p string) error {
	info, err := os.Stat(p)
	if errors.Is(err, fs.ErrNotExist) {
		return nil // gone since, or a dangling link
	}
	if err != nil || !info.Mode().IsRegular() {
		return err
	}
	rel, err := filepath.Rel(f.dir, p)
	if err != nil {
		return err
	}
	if key := filepath.ToSlash(rel); isUpload(key) {
		seen[key] = file{info.Size(), info.ModTime()}
	}
	return nil
}

// hidden tells files that are not meant: hidden ones, and what editors and
// downloads leave beside a file.
func hidden(name string) bool {
	return strings.HasPrefix(name, ".") || strings.HasSuffix(name, "~") || slices.Contains([]string{".tmp", ".swp", ".part"}, path.Ext(name))
}

func isUpload(key string) bool {
	name, ok := strings.CutPrefix(key, "issuers/")
	return !ok || !strings.Contains(name, "/") && (path.Ext(name) == ".pem" || path.Ext(name) == ".json")
}

// upload uploads a file. If it changes meanwhile, the next look sees that.
func (f *folder) upload(ctx context.Context, c change, progress *terminal.Progress) (objectstore.Version, error) {
	body, err := os.Open(filepath.Join(f.dir, filepath.FromSlash(c.key)))
	if err != nil {
		return "", err
	}
	defer body.Close()
	progress.Restart()
	version, err := f.bucket.Put(ctx, c.key, progress.Reader(body, c.key, c.Size), objectstore.PutOptions{})
	progress.Clear()
	if err != nil {
		return "", fmt.Errorf("uploading %s: %w", c.key, err)
	}
	f.uploaded[c.key] = c.file
	return version, f.save()
}

// remove deletes an upload whose file is gone.
func (f *folder) remove(ctx context.Context, key string) error {
	if err := f.bucket.Delete(ctx, key, objectstore.DeleteOptions{}); err != nil {
		return fmt.Errorf("removing %s: %w", key, err)
	}
	delete(f.uploaded, key)
	delete(f.missing, key)
	return f.save()
}

func (f *folder) save() error {
	data, err := json.MarshalIndent(f.uploaded, "", " ")
	if err != nil {
		return err
	}
	temporary := f.index + ".new"
	if err := os.WriteFile(temporary, append(data, '\n'), 0o600); err != nil {
		return err
	}
	return os.Rename(temporary, f.index)
}
