package local

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/crlgate/crlgate/pkg/objectstore/objectstoretest"
)

// watched is a folder, the bucket it is uploaded to, and what one look did.
type watched struct {
	t      *testing.T
	dir    string
	bucket *objectstoretest.Bucket
	folder *folder
	now    time.Time
}

func newWatched(t *testing.T) *watched {
	t.Helper()
	w := &watched{t: t, dir: t.TempDir(), bucket: objectstoretest.NewBucket(), now: time.Now()}
	for _, sub := range []string{"issuers", "crls"} {
		if err := os.Mkdir(filepath.Join(w.dir, sub), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	w.open()
	return w
}

func (w *watched) open() {
	w.t.Helper()
	var err error
	if w.folder, err = openFolder(w.t.Context(), w.dir, filepath.Join(w.dir, "index.json"), w.bucket); err != nil {
		w.t.Fatal(err)
	}
}

func (w *watched) write(name, content string, age time.Duration) {
	w.t.Helper()
	p := filepath.Join(w.dir, name)
	if err := os.MkdirAll(filepath.Dir(p), 0o700); err != nil {
		w.t.Fatal(err)
	}
	if err := os.WriteFile(p, []byte(content), 0o600); err != nil {
		w.t.Fatal(err)
	}
	if err := os.Chtimes(p, w.now, w.now.Add(-age)); err != nil {
		w.t.Fatal(err)
	}
}

// look does what there is to do and says what it was.
func (w *watched) look() []string {
	w.t.Helper()
	changes, err := w.folder.changes(w.now)
	if err != nil {
		w.t.Fatal(err)
	}
	var did []string
	for _, c := range changes {
		if c.gone {
			did = append(did, "-"+c.key)
			err = w.folder.remove(w.t.Context(), c.key)
		} else {
			did = append(did, "+"+c.key)
			_, err = w.folder.upload(w.t.Context(), c, nil)
		}
		if err != nil {
			w.t.Fatal(err)
		}
	}
	return did
}

func (w *watched) want(want ...string) {
	w.t.Helper()
	if got := w.look(); !slices.Equal(got, want) {
		w.t.Fatalf("it did %q, want %q", got, want)
	}
}

func TestFolderUploadsWhatCountsIssuersFirst(t *testing.T) {
	w := newWatched(t)
	for _, name := range []string{
		"crls/a.crl", "crls/deep/b.crl", "crl/guid.crl", "issuers/a.pem", "issuers/a.json",
		"issuers/a.crt", "issuers/old/a.pem", "issuers/.a.pem.swp", "crls/.hidden", "crls/a.crl~", "crls/x.part", "crls/.git/config", "elsewhere",
	} {
		w.write(name, name, time.Minute)
	}
	w.want("+issuers/a.pem", "+issuers/a.json", "+crl/guid.crl", "+crls/a.crl", "+crls/deep/b.crl")
	w.want()
	if body, _, _ := w.bucket.Load("crls/deep/b.crl"); string(body) != "crls/deep/b.crl" {
		t.Errorf("uploaded %q", body)
	}
}

func TestFolderWaitsUntilAFileIsWhole(t *testing.T) {
	w := newWatched(t)
	w.write("crls/a.crl", "half", 0)
	w.want()
	w.write("crls/a.crl", "half and more", 0)
	w.want()
	w.want("+crls/a.crl")
	w.write("crls/a.crl", "changed", 0)
	w.want()
	w.want("+crls/a.crl")
	if body, _, _ := w.bucket.Load("crls/a.crl"); string(body) != "changed" {
		t.Errorf("uploaded %q", body)
	}
}

func TestFolderRemovesWhatItUploadedAndNothingElse(t *testing.T) {
	w := newWatched(t)
	w.write("crls/a.crl", "a", time.Minute)
	w.bucket.Store("crls/of-others.crl", []byte("x"))
	w.want("+crls/a.crl")
	remove(t, filepath.Join(w.dir, "crls/a.crl"))
	w.want() // it may be in the middle of being replaced
	w.want("-crls/a.crl")
	w.want()
	if got := w.bucket.Keys(); !slices.Equal(got, []string{"crls/of-others.crl"}) {
		t.Errorf("left are %q", got)
	}
	w.write("crls/a.crl", "a", time.Minute)
	w.want("+crls/a.crl")
	remove(t, filepath.Join(w.dir, "crls/a.crl"))
	w.want()
	w.write("crls/a.crl", "a", time.Minute)
	w.want() // replaced by the same
}

func TestFolderThatCannotBeReadWithdrawsNothing(t *testing.T) {
	w := newWatched(t)
	w.write("issuers/a.pem", "a", time.Minute)
	w.want("+issuers/a.pem")
	if err := os.Rename(filepath.Join(w.dir, "issuers"), filepath.Join(w.dir, "away")); err != nil {
		t.Fatal(err)
	}
	for range 3 {
		changes, err := w.folder.changes(w.now)
		if len(changes) != 0 || err == nil || !strings.Contains(err.Error(), "nothing is withdrawn") {
			t.Fatalf("%v, %v", changes, err)
		}
	}
	if err := os.Rename(filepath.Join(w.dir, "away"), filepath.Join(w.dir, "issuers")); err != nil {
		t.Fatal(err)
	}
	w.want()
}

func TestFolderAfterARestart(t *testing.T) {
	w := newWatched(t)
	for _, name := range []string{"a", "b", "c", "d"} {
		w.write("crls/"+name, name, time.Minute)
	}
	w.want("+crls/a", "+crls/b", "+crls/c", "+crls/d")
	w.write("crls/b", "changed", time.Minute)
	remove(t, filepath.Join(w.dir, "crls/c"))
	w.bucket.Remove("crls/d") // the buckets were emptied, or another did this
	w.open()
	w.want("+crls/b", "+crls/d")
	w.want("-crls/c")
	if err := os.WriteFile(filepath.Join(w.dir, "index.json"), []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := openFolder(t.Context(), w.dir, filepath.Join(w.dir, "index.json"), w.bucket); err == nil || !strings.Contains(err.Error(), "remove ") {
		t.Errorf("a damaged index: %v", err)
	}
}

func remove(t *testing.T, p string) {
	t.Helper()
	if err := os.Remove(p); err != nil {
		t.Fatal(err)
	}
}
